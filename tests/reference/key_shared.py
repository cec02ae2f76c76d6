"""A tanh unit shared by all keys, in loops over frames and keys."""

import numpy as np


def features(frame, num_keys, window, octave):
    """f_i of all keys `(V, F)`, of a frame `(V + others,)`."""
    rows = []
    for i in range(num_keys):
        around = [frame[j] if 0 <= j < num_keys else 0.0 for j in range(i - window, i + window + 1)]
        classes = [
            sum(frame[j] for j in range(num_keys) if j % octave == (i + k) % octave)
            for k in range(octave or 0)
        ]
        rows.append([*around, *classes, *frame[num_keys:]])
    return np.array(rows)


def key_shared(x, kernel, recurrent_kernel, bias, num_keys, window, octave):
    """y of all frames, `(T, units * V)`, of x `(T, V + others)`."""
    h, outputs = np.zeros((num_keys, len(recurrent_kernel))), []
    for frame in x:
        f = features(frame, num_keys, window, octave)
        h = np.array(
            [np.tanh(f[i] @ kernel + h[i] @ recurrent_kernel + bias) for i in range(num_keys)]
        )
        outputs.append(h.T.ravel())
    return np.array(outputs)
