"""A history of frames and the position of the next one, in loops over the frames of a sequence."""

import numpy as np


def frame_history(x, lags, decays):
    """y of all frames, `(T, (len(lags) + len(decays)) * V)`, of x `(T, V)`."""
    outputs, means = [], np.zeros((len(decays), x.shape[1]))
    for t in range(len(x)):
        channels = [x[t - lag + 1] if t >= lag - 1 else np.zeros(x.shape[1]) for lag in lags]
        for k, d in enumerate(decays):
            means[k] = d * means[k] + (1 - d) * x[t]
            channels.append(means[k])
        outputs.append(np.concatenate(channels))
    return np.array(outputs)


def position(x, metre, first_steps):
    """y of all frames, `(T, V + metre + first_steps)`, of x `(T, V)`."""
    outputs = []
    for t in range(len(x)):
        place, flags = np.zeros(metre), np.zeros(first_steps)
        place[(t + 1) % metre] = 1
        if t + 1 < first_steps:
            flags[t + 1] = 1
        outputs.append([*x[t], *place, *flags])
    return np.array(outputs)
