"""A NADE whose keys share one network, in loops: one key at a time, one feature at a time."""

import math
from typing import NamedTuple

import numpy as np


class TiedNADE(NamedTuple):
    W: np.ndarray  # [F, H]
    s: np.ndarray  # [F]
    A: np.ndarray  # [G, H]
    r: np.ndarray  # [G]
    c: np.ndarray  # [H]
    U: np.ndarray  # [H, K]
    d: np.ndarray  # [K]
    w: np.ndarray  # [K]
    b: np.ndarray  # [V]
    lower_window: int
    layout: tuple
    octave: int
    e: np.ndarray | None = None  # [V, H]


def at(values, i):
    return float(values[i]) if 0 <= i < len(values) else 0.0


def one_hot(count):
    return [float(min(count, 7) == k) for k in range(8)]


def lower_features(nade, v, i):
    """f_i."""
    features = [at(v, j) for j in range(i - nade.lower_window, i)]
    for j in range(i - nade.octave, i):
        features.append(min(1.0, sum(at(v, k) for k in range(j, -1, -nade.octave))))
    return features + one_hot(sum(v[j] > 0.5 for j in range(i)))


def context_features(nade, context, i):
    """g_i."""
    V, o, features, start = len(nade.b), nade.octave, [], 0
    for count, window in nade.layout:
        if window == "shared":
            features += list(context[start : start + count])
            start += count
            continue
        channels = [context[start + n * V : start + (n + 1) * V] for n in range(count)]
        start += count * V
        if window != "octave":
            for u in channels:
                features += [at(u, j) for j in range(i - window, i + window + 1)]
            continue
        sums = [[sum(u[j] for j in range(V) if j % o == q) for q in range(o)] for u in channels]
        features += [P[(i + n) % o] for P in sums for n in range(o)]
        if nade.e is not None:
            features += [P[q] for P in sums for q in range(o)]
    features += list(context[start:])
    if nade.layout and nade.layout[0][1] != "shared":
        features += one_hot(sum(context[j] > 0.5 for j in range(i + 1, V)))
    return features


def log_odds(nade, v, context, i):
    f, g = lower_features(nade, v, i), context_features(nade, context, i)
    x = float(nade.b[i])
    x += sum(f[n] * nade.s[n] for n in range(len(f)))
    x += sum(g[n] * nade.r[n] for n in range(len(g)))
    H, K = nade.U.shape
    h = []
    for k in range(H):
        a = float(nade.c[k]) + (0.0 if nade.e is None else nade.e[i, k])
        a += sum(f[n] * nade.W[n, k] for n in range(len(f)))
        a += sum(g[n] * nade.A[n, k] for n in range(len(g)))
        h.append(max(a, 0.0))
    for m in range(K):
        x += max(nade.d[m] + sum(h[k] * nade.U[k, m] for k in range(H)), 0.0) * nade.w[m]
    return x


def log_prob(nade, v, context):
    total = 0.0
    for i in range(len(v)):
        x = log_odds(nade, v, context, i)
        total += -math.log1p(math.exp(-x)) if v[i] else -math.log1p(math.exp(x))
    return total
