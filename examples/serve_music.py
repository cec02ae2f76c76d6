"""An exported model scored as by a server, with TensorFlow and NumPy alone.

    python examples/serve_music.py
    python examples/serve_music.py runs/demo/saved_models/music_rnn_rbm/1 frames.npz

`frames.npz` holds `frames` (sequences, time, 88) and `lengths` (sequences,). Prints the
log-likelihood per frame as JSON. Without arguments, the model is the export that ships, and the
data are the test split of JSB Chorales.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

ROOT = Path(__file__).resolve().parents[1]
SHIPS = ROOT / "saved_models" / "tied_nade_small_jsb" / "1"
CHORALES = ROOT / "seqlayers" / "datasets" / "data" / "jsb_chorales.npz"


def main(folder=SHIPS, data=None, rows=16):
    score = tf.saved_model.load(str(folder)).signatures["score"]
    if data:
        with np.load(data) as arrays:
            frames, lengths = arrays["frames"].astype("float32"), arrays["lengths"].astype("int32")
    else:
        frames, lengths = chorales()
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


def chorales():
    """Returns the test split of JSB Chorales, padded, from bits with eight keys in a byte."""
    with np.load(CHORALES) as arrays:
        bits, lengths = arrays["test_bits"], arrays["test_lengths"].astype("int32")
    frames = np.zeros((len(lengths), lengths.max(), 88), "float32")
    pieces = np.split(np.unpackbits(bits, axis=1), np.cumsum(lengths)[:-1])
    for row, piece in zip(frames, pieces, strict=True):
        row[: len(piece)] = piece
    return frames, lengths


if __name__ == "__main__":
    main(*sys.argv[1:])
