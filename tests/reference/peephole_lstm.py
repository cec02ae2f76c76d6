"""LSTM with peepholes and over patches, in loops: one number at a time, in the paper's order.

A prime marks the frame before. Numbers are the paper's.

    i_m = sigmoid((x V_i)_m + (r' W_i)_m + p_i,m c'_m + b_i,m)     (3)
    f_m = sigmoid((x V_f)_m + (r' W_f)_m + p_f,m c'_m + b_f,m)     (4)
    a_m = tanh((x V_c)_m + (r' W_c)_m + b_c,m)                     (5)
    c_m = f_m c'_m + i_m a_m                                       (6)
    o_m = sigmoid((x V_o)_m + (r' W_o)_m + p_o,m c_m + b_o,m)      (7)
    h_m = o_m tanh(c_m)                                            (8)
    r_n = sum_m h_m P_mn, or h_n without P                         LSTMP

Over patches: one such network, with the same weights, reads each patch of the frames (10). Then
neighbouring patches become one, unit by unit.
"""

import math
from typing import NamedTuple

import numpy as np


class LSTM(NamedTuple):
    """The arrays in the order in which a layer has them; b and P are None where there are none.

    Columns of V, W and b: i, f, c, o, each M.
    """

    V: np.ndarray  # [N, 4 M]
    W: np.ndarray  # [R, 4 M]
    b: np.ndarray | None  # [4 M]
    p: np.ndarray  # [3, M]: of i, f, o
    P: np.ndarray | None  # [M, R]


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def step(weights, x, r, c, activation=math.tanh, recurrent_activation=sigmoid):
    """r and c after one frame `x` [N], from those before it."""
    V, W, b, p, P = weights
    M = len(c)

    def pre(gate, m):
        column = gate * M + m
        total = 0.0 if b is None else b[column]
        for n in range(len(x)):
            total += x[n] * V[n, column]
        for n in range(len(r)):
            total += r[n] * W[n, column]
        return total

    h, c_after = np.zeros(M), np.zeros(M)
    for m in range(M):
        i = recurrent_activation(pre(0, m) + p[0, m] * c[m])
        f = recurrent_activation(pre(1, m) + p[1, m] * c[m])
        a = activation(pre(2, m))
        c_after[m] = f * c[m] + i * a
        o = recurrent_activation(pre(3, m) + p[2, m] * c_after[m])
        h[m] = o * activation(c_after[m])
    if P is None:
        return h, c_after
    r_after = np.zeros(P.shape[1])
    for n in range(P.shape[1]):
        for m in range(M):
            r_after[n] += h[m] * P[m, n]
    return r_after, c_after


def lstm(weights, sequence, r, c, **options):
    """r [T, R] and c [T, M] after each frame of `sequence` [T, N]."""
    known = []
    for x in sequence:
        r, c = step(weights, x, r, c, **options)
        known.append((r, c))
    return tuple(np.array(values) for values in zip(*known, strict=True))


def patches(sequence, size, stride, padding):
    """The patches [T, size, C] of a sequence [T, F, C], those with bands beyond its edges as well
    where `padding` is "same": ceil(F / stride) of them, and the odd band that is missing behind."""
    T, F, C = sequence.shape
    first, number = 0, (F - size) // stride + 1
    if padding == "same":
        number = math.ceil(F / stride)
        first = -(max(0, (number - 1) * stride + size - F) // 2)
    found = []
    for j in range(number):
        patch = np.zeros((T, size, C))
        for k in range(size):
            band = first + j * stride + k
            if 0 <= band < F:
                patch[:, k] = sequence[:, band]
        found.append(patch)
    return found


def pools(values, size, padding, pooling):
    """[J', R] of the values [J, R] of all patches."""
    J, R = values.shape
    first, number = 0, J // size
    if padding == "same":
        number = math.ceil(J / size)
        first = -((number * size - J) // 2)
    pooled = np.zeros((number, R))
    for k in range(number):
        members = [first + k * size + n for n in range(size)]
        members = [j for j in members if 0 <= j < J]
        for n in range(R):
            numbers = [values[j, n] for j in members]
            if pooling == "max":
                pooled[k, n] = max(numbers)
            else:
                pooled[k, n] = sum(numbers) / len(numbers)
    return pooled


def conv_lstm_patch(
    weights,
    sequence,
    r,
    c,
    patch_size,
    patch_stride,
    pool_size,
    padding="valid",
    pooling="max",
    **options,
):
    """y [T, J', R], r [T, J, R] and c [T, J, M], from r [J, R] and c [J, M] before [T, F, C]."""
    of_patches = []
    for j, patch in enumerate(patches(sequence, patch_size, patch_stride, padding)):
        inputs = patch.reshape(len(patch), -1)  # band by band, with all its channels
        of_patches.append(lstm(weights, inputs, r[j], c[j], **options))
    r, c = (np.stack(values, axis=1) for values in zip(*of_patches, strict=True))
    y = np.array([pools(values, pool_size, padding, pooling) for values in r])
    return y, r, c
