"""LSTBM and the hidden units of temporal RBMs, in loops: one number at a time.

A prime marks the frame before; numbers are the paper's. y_l,j is the logit of a unit of 0 and 1:

    y_l,j = (x W_l)_j + (h' U_l)_j + b_l,j
    f_j, i_j, o_j, g_j = sigmoid(y_l,j)    (18)-(21)
    c_j = c'_j f_j + g_j i_j               (10)
    h_j = sigmoid(c_j o_j)                 (11)

As an LSTM, g_j is a unit of -1 and 1 and its logit is 2 y_g,j:

    P(g_j = 1) = sigmoid(2 y_g,j),  g_j = (+1) P(g_j = 1) + (-1) P(g_j = -1)
    h_j = o_j tanh(c_j)

In a temporal RBM there is one kind of unit and h_j = sigmoid(y_j).
"""

import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def expected(t, column, mean, lowest):
    """Takes a unit of frame t as it is expected."""
    return mean


def drawn(u):
    """Draws the units by the numbers `u` [T, columns], which are uniform."""

    def unit(t, column, mean, lowest):
        probability = (mean - lowest) / (1 - lowest)
        return 1.0 if u[t, column] < probability else float(lowest)

    return unit


def moved(by):
    """Adds `by` [T, columns] to what is expected of the units."""
    return lambda t, column, mean, lowest: mean + by[t, column]


def logit(weights, x, h, column):
    W, U, b = weights  # [N, columns], [J, columns] and [columns] or None
    total = 0.0 if b is None else b[column]
    for n in range(len(x)):
        total += x[n] * W[n, column]
    for j in range(len(h)):
        total += h[j] * U[j, column]
    return total


def lstbm(weights, sequence, h, c, variant="paper", unit=expected):
    """h [T, J] and c [T, J] after each frame of `sequence` [T, N]. Columns: f, i, o, g, each J."""
    known, J = [], len(c)
    for t, x in enumerate(sequence):
        h_after, c_after = np.zeros(J), np.zeros(J)
        for j in range(J):
            f, i, o = (
                unit(t, column, sigmoid(logit(weights, x, h, column)), 0)
                for column in (j, J + j, 2 * J + j)
            )
            y = logit(weights, x, h, 3 * J + j)
            if variant == "paper":
                g = unit(t, 3 * J + j, sigmoid(y), 0)
            else:
                g = unit(t, 3 * J + j, sigmoid(2 * y) - sigmoid(-2 * y), -1)
            c_after[j] = c[j] * f + g * i
            h_after[j] = (
                sigmoid(c_after[j] * o) if variant == "paper" else o * math.tanh(c_after[j])
            )
        h, c = h_after, c_after
        known.append((h, c))
    return tuple(np.array(values) for values in zip(*known, strict=True))


def boltzmann(weights, sequence, h, unit=expected):
    """h [T, J] after each frame of `sequence` [T, N], in a tuple."""
    known = []
    for t, x in enumerate(sequence):
        h = np.array(
            [unit(t, j, sigmoid(logit(weights, x, h, j)), 0) for j in range(len(h))], "float64"
        )
        known.append(h)
    return (np.array(known),)
