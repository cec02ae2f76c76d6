"""An exported model scored as by a server, with TensorFlow and NumPy alone.

    python examples/serve_music.py runs/demo/saved_models/music_rnn_rbm/1 frames.npz

`frames.npz` holds `frames` (sequences, time, 88) and `lengths` (sequences,). Prints the
log-likelihood per frame as JSON.
"""

import json
import sys

import numpy as np
import tensorflow as tf


def main(folder, data, rows=16):
    score = tf.saved_model.load(folder).signatures["score"]
    with np.load(data) as arrays:
        frames, lengths = arrays["frames"].astype("float32"), arrays["lengths"].astype("int32")
    total = 0.0
    for start in range(0, len(frames), rows):
        some = slice(start, start + rows)
        longest = lengths[some].max()
        answer = score(
            frames=tf.constant(frames[some, :longest]),
            lengths=tf.constant(lengths[some]),
            seed=tf.constant([[0, row] for row in range(start, start + len(lengths[some]))]),
        )
        total += answer["log_prob"].numpy().sum()
    assert "seqlayers" not in sys.modules
    print(json.dumps({"nats_per_frame": total / lengths.sum(), "frames": int(lengths.sum())}))


if __name__ == "__main__":
    main(*sys.argv[1:])
