"""Linear recurrences in loops: s_t = a_t s_{t-1} + b_t, and the gradient of a sum of s_t ds_t."""

import numpy as np


def linear_scan(a, b, initial, mask=None, reverse=False):
    """s of all steps, from a `(time, batch, ...)`, b `(time, batch, ...)` and s_0."""
    s, states = np.array(initial, "float64"), np.zeros(b.shape)
    for t in range(len(a))[:: -1 if reverse else 1]:
        for row in range(len(s)):
            if mask is None or mask[t, row]:
                s[row] = a[t, row] * s[row] + b[t, row]
        states[t] = s
    return states


def linear_scan_gradient(a, b, initial, ds, mask=None):
    """Gradients of a, b and s_0."""
    s = linear_scan(a, b, initial, mask)
    da, db, g = np.zeros(a.shape), np.zeros(b.shape), np.zeros(initial.shape)
    for t in reversed(range(len(a))):
        g = g + ds[t]
        before = s[t - 1] if t else initial
        for row in range(len(g)):
            if mask is None or mask[t, row]:
                da[t, row], db[t, row] = g[row] * before[row], g[row]
                g[row] = a[t, row] * g[row]
    return da, db, g
