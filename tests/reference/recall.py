"""The frames that followed similar ones, in loops over the frames of a sequence."""

import numpy as np


def recall(x, longest, decays, sharpness):
    """The outputs of all frames, `(T, len(decays) * (V + 1))`, of x `(T, V)`."""
    T, V = x.shape
    frames = {t: x[t] if t >= 0 else np.zeros(V) for t in range(-longest, T)}
    a, outputs = np.zeros((len(decays), longest)), []
    for t in range(T):
        expected = np.zeros((len(decays), V))
        for k, d in enumerate(decays):
            for lag in range(1, longest + 1):
                u, v = frames[t], frames[t - lag]
                s = 2 * sum(u * v) / max(sum(u) + sum(v), 1)
                a[k, lag - 1] = d * a[k, lag - 1] + (1 - d) * s
            w = np.exp(sharpness / (1 - d) * a[k])
            w /= w.sum()
            for lag in range(1, longest + 1):
                expected[k] += w[lag - 1] * frames[t + 1 - lag]
        outputs.append([*expected.ravel(), *a.max(axis=1)])
    return np.array(outputs)
