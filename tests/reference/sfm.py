"""State-Frequency Memory in loops: one number at a time, in the order in which the equations stand.

A prime marks the frame before; t = 1, 2, ... Numbers are the paper's.

    f_ste_d = sigmoid(x V_ste + z' W_ste + b_ste)_d                                     (6)
    f_fre_k = sigmoid(x V_fre + z' W_fre + b_fre)_k                                     (7)
    f_dk    = f_ste_d f_fre_k                                                           (8)
    g_d     = sigmoid(x V_g + z' W_g + b_g)_d                                           (9)
    i_d     = tanh(x V_i + z' W_i + b_i)_d                                              (10)
    S_dk    = f_dk S'_dk + g_d i_d exp(j w_k t)                                         (1)
    A_dk    = |S_dk|                                                                    (4)
    o_km    = sigmoid(sum_d A_dk U_kdm + (z' W_ok)_m + (x V_ok)_m + b_okm)              (12)
    z_km    = o_km tanh(sum_d A_dk P_kdm + d_km)                                        (11)
    z_m     = sum_k z_km                                                                (13)

Per frequency, z'_k stands for z' in (12). Adaptive, w_k = 2 pi sigmoid(x V_w + z' W_w + b_w)_k (16)
is new at each frame, and the angle is w_k t or, accumulated, the sum of w_k over all frames so far.
Where gates see the input alone, z' is 0 in all of them. A mean is (13) divided by K. The form for
stock prices has one output gate and squares:

    z_m = sigmoid(x V_o + z' W_o + b_o)_m tanh(sum_k A_mk^2 u_k + d_m)
"""

import cmath
import math
from typing import NamedTuple

import numpy as np


class SFM(NamedTuple):
    """The arrays in the order in which a layer has them; biases are None where there are none.

    Columns of V, W and b: f_ste D, f_fre K, g D, i D, (adaptive) w K, o_1 .. o_K each M, or o M.
    """

    V: np.ndarray  # [N, G]
    W: np.ndarray | None  # [M, G]; None where gates see the input alone
    b: np.ndarray | None  # [G]
    UP: np.ndarray  # [K, D, 2 M], U_k beside P_k; for stock prices u [K]
    d: np.ndarray | None  # [K, M]; for stock prices [M]


class Memory(NamedTuple):
    """The memory after some frames."""

    z: np.ndarray  # [M]
    S: np.ndarray  # complex [D, K]
    t: int
    angle: np.ndarray  # [K], the sum of all w so far
    z_k: np.ndarray  # [K, M]


def silence(M, D, K):
    return Memory(np.zeros(M), np.zeros((D, K), complex), 0, np.zeros(K), np.zeros((K, M)))


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def harmonic(K):
    return [2 * math.pi * k / K for k in range(K)]


def octaves(K):
    """Half the sampling rate, that is pi, comes last; each before it is half of the next."""
    return [math.pi / 2 ** (K - 1 - k) for k in range(K)]


def spread(shortest, longest, K):
    """The periods are K numbers of equal ratios, the longest first."""
    ratio = (shortest / longest) ** (1 / (K - 1))
    return [2 * math.pi / (longest * ratio**k) for k in range(K)]


def step(
    weights,
    x,
    before,
    frequencies=None,
    adaptive=False,
    phase="product",
    recurrent_output="aggregated",
    output_scale="sum",
    variant="paper",
    activation=math.tanh,
    recurrent_activation=sigmoid,
    read_by_omega=None,
):
    """One frame `x` [N] after what `before` knows. `frequencies` are in radians a frame.

    (16) reads `read_by_omega` [M], if it is given, in place of z'.
    """
    V, W, b, UP, bias = weights
    M, (D, K) = len(before.z), before.S.shape
    t = before.t + 1

    def pre(column, z):
        total = 0.0 if b is None else b[column]
        for n in range(len(x)):
            total += x[n] * V[n, column]
        for m in range(M if W is not None else 0):
            total += z[m] * W[m, column]
        return total

    columns = iter(range(V.shape[1]))
    f_ste = [recurrent_activation(pre(next(columns), before.z)) for _ in range(D)]
    f_fre = [recurrent_activation(pre(next(columns), before.z)) for _ in range(K)]
    g = [recurrent_activation(pre(next(columns), before.z)) for _ in range(D)]
    i = [activation(pre(next(columns), before.z)) for _ in range(D)]

    angle, total_angle = np.zeros(K), np.zeros(K)
    for k in range(K):
        z_w = before.z if read_by_omega is None else read_by_omega
        w = 2 * math.pi * sigmoid(pre(next(columns), z_w)) if adaptive else frequencies[k]
        total_angle[k] = before.angle[k] + w
        angle[k] = total_angle[k] if phase == "accumulated" else w * t

    S = np.zeros((D, K), complex)
    for d in range(D):
        for k in range(K):
            S[d, k] = f_ste[d] * f_fre[k] * before.S[d, k] + g[d] * i[d] * cmath.exp(1j * angle[k])

    z, z_k = np.zeros(M), np.zeros((K, M))
    if variant == "stock":
        for m in range(M):
            a = 0.0 if bias is None else bias[m]
            for k in range(K):
                a += abs(S[m, k]) ** 2 * UP[k]
            z[m] = recurrent_activation(pre(next(columns), before.z)) * activation(a)
    else:
        for k in range(K):
            fed_back = before.z_k[k] if recurrent_output == "per_frequency" else before.z
            for m in range(M):
                o = pre(next(columns), fed_back)
                a = 0.0 if bias is None else bias[k, m]
                for d in range(D):
                    o += abs(S[d, k]) * UP[k, d, m]
                    a += abs(S[d, k]) * UP[k, d, M + m]
                z_k[k, m] = recurrent_activation(o) * activation(a)
                z[m] += z_k[k, m] / (K if output_scale == "mean" else 1)
    assert next(columns, None) is None  # every column had its use
    return Memory(z, S, t, total_angle, z_k)


def sfm(weights, sequence, before, **options):
    """The memory after each frame of `sequence` [T, N]: z [T, M], S [T, D, K] and so on."""
    known = []
    for x in sequence:
        before = step(weights, x, before, **options)
        known.append(before)
    return Memory(*(np.array(values) for values in zip(*known, strict=True)))
