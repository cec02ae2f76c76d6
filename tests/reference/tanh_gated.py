"""The tanh-gated unit in loops: one number at a time, in the paper's order.

A prime marks the frame before. Numbers are those of `seqlayers.layers.tanh_gated`.

    z_m = gate((x V_z)_m + (u' W_z)_m + b_z,m)          (1)
    r_m = gate((x V_r)_m + (u' W_r)_m + b_r,m)          (2)
    n_m = tanh((x V_n)_m + ((u' * r) W_n)_m + b_n,m)    (3)
    u_m = (1 - z_m) n_m + z_m u'_m                      (4)
"""

import math

import numpy as np


def tanh_gated(V, W, b, sequence, u, gate=math.tanh, activation=math.tanh):
    """u [T, M] after each frame of `sequence` [T, N], from u [M] before the first.

    Columns of V [N, 3 M], W [M, 3 M] and b [3 M] (or None): z, r, n, each M.
    """
    M, known = len(u), []

    def pre(kind, m, x, seen):
        column = kind * M + m
        total = 0.0 if b is None else b[column]
        for i in range(len(x)):
            total += x[i] * V[i, column]
        for i in range(M):
            total += seen[i] * W[i, column]
        return total

    for x in sequence:
        z = [gate(pre(0, m, x, u)) for m in range(M)]
        r = [gate(pre(1, m, x, u)) for m in range(M)]
        reset = [u[m] * r[m] for m in range(M)]
        n = [activation(pre(2, m, x, reset)) for m in range(M)]
        u = [(1 - z[m]) * n[m] + z[m] * u[m] for m in range(M)]
        known.append(u)
    return np.array(known)
