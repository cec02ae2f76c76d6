"""NADE in loops: one number at a time, in the order in which the equations stand.

    a = c;  for i in order:  p_i = sigmoid(b_i + sigmoid(a) . U_i),  a = a + v_i W_i + M_i
    log p(v) = sum_i log p_i if v_i = 1, log(1 - p_i) if v_i = 0

M is 0 where the head has one order. The orderless loss of a frame whose units `seen` are known is
V / (number not seen) times -log p of the others, each given the seen ones alone.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np


class NADE(NamedTuple):
    W: np.ndarray  # [V, H]
    U: np.ndarray  # [V, H]
    b: np.ndarray  # [V]
    c: np.ndarray  # [H]
    M: np.ndarray | None = None  # [V, H]


def given_context(nade, A, B, context):
    """The NADE of a frame, whose biases the context moves."""
    b, c = [float(x) for x in nade.b], [float(x) for x in nade.c]
    for k in range(len(context)):
        for i in range(len(b)):
            b[i] += context[k] * A[k, i]
        for j in range(len(c)):
            c[j] += context[k] * B[k, j]
    return nade._replace(b=np.array(b), c=np.array(c))


def probability(nade, v, i, seen, temperature=1.0):
    """p(v_i = 1), given the units `seen`."""
    x = float(nade.b[i])
    for j in range(len(nade.c)):
        a = float(nade.c[j])
        for k in seen:
            a += v[k] * nade.W[k, j]
            if nade.M is not None:
                a += nade.M[k, j]
        x += nade.U[i, j] / (1 + math.exp(-a))
    return 1 / (1 + math.exp(-x / temperature))


def probabilities(nade, v, order=None, temperature=1.0):
    """p(v_i = 1 | the units before i in the order), `(V,)`."""
    order = range(len(v)) if order is None else order
    p = np.zeros(len(v))
    for place, i in enumerate(order):
        p[i] = probability(nade, v, i, order[:place], temperature)
    return p


def log_prob(nade, v, order=None, temperature=1.0):
    total = 0.0
    for p, value in zip(probabilities(nade, v, order, temperature), v, strict=True):
        total += math.log(p) if value else math.log(1 - p)
    return total


def log_mean_prob(nade, v, orders):
    """log of the mean of p(v) over orders."""
    return math.log(sum(math.exp(log_prob(nade, v, order)) for order in orders) / len(orders))


def orderless_loss(nade, v, seen):
    unseen = [i for i in range(len(v)) if i not in seen]
    total = 0.0
    for i in unseen:
        p = probability(nade, v, i, seen)
        total -= math.log(p) if v[i] else math.log(1 - p)
    return len(v) / len(unseen) * total


def orderless_losses(nade, v):
    """The loss of each order and each number of units seen, `(V! V,)`: all equally likely."""
    orders = itertools.permutations(range(len(v)))
    return np.array([orderless_loss(nade, v, o[:d]) for o in orders for d in range(len(v))])
