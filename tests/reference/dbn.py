"""The deep belief network by brute force: all states of all hidden layers are visited.

p(v, h_1 .. h_L) = p(v | h_1) p(h_1 | h_2) .. p(h_{L-2} | h_{L-1}) p(h_{L-1}, h_L)
p(x_i = 1 | h) = 1 / (1 + exp(-b_i - sum_j W_ij h_j))
p(h_{L-1}, h_L) = exp(-E) / Z, an RBM
bound(v) = sum over h_1 .. h_{L-1} of q(h | v) [log p(v, h_1 .. h_{L-1}) - log q(h | v)]
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from reference import rbm
from reference.rbm import binary_states, log_sum_exp


class DBN(NamedTuple):
    W: list  # W_1 .. W_L, each [below, above]
    b: list  # b_0 .. b_L
    R: list  # of recognition: R_1 .. R_{L-1}
    r: list  # r_1 .. r_{L-1}


def random_dbn(rng, *units, scale=1.0):
    pairs = list(itertools.pairwise(units))
    W = [scale * rng.normal(size=pair) for pair in pairs]
    b = [rng.normal(size=n) for n in units]
    R = [scale * rng.normal(size=pair) for pair in pairs[:-1]]
    return DBN(W, b, R, [rng.normal(size=n) for n in units[1:-1]])


def given_context(dbn, A, C, context):
    """The DBN of a frame, whose biases the context moves by A_0 .. A_L and C_1 .. C_{L-1}."""

    def moved(biases, kernels):
        moved = [np.array(bias, "float64") for bias in biases]
        for bias, kernel in zip(moved, kernels, strict=True):
            for k in range(len(context)):
                for i in range(len(bias)):
                    bias[i] += context[k] * kernel[k, i]
        return moved

    return dbn._replace(b=moved(dbn.b, A), r=moved(dbn.r, C))


def top(dbn):
    return rbm.RBM(dbn.W[-1], dbn.b[-2], dbn.b[-1])


def probabilities(x, W, b):
    """p(unit j = 1) of a layer with biases b, given the layer x from which W leads to it."""
    p = np.zeros(len(b))
    for j in range(len(b)):
        p[j] = 1 / (1 + math.exp(-b[j] - sum(x[i] * W[i, j] for i in range(len(x)))))
    return p


def log_of(values, p):
    return sum(math.log(q if x else 1 - q) for x, q in zip(values, p, strict=True))


def hidden_states(dbn):
    """All states (h_1, .. h_{L-1}) of the layers between v and the top one."""
    return itertools.product(*(binary_states(len(b)) for b in dbn.b[1:-1]))


def log_unnormalised(dbn, v, hidden):
    """log p(v, h_1 .. h_{L-1}) + log Z."""
    layers, total = [v, *hidden], 0.0
    for low, high, W, b in zip(layers, hidden, dbn.W, dbn.b, strict=False):
        total += log_of(low, probabilities(high, W.T, b))
    return total - rbm.free_energy(top(dbn), layers[-1])


def log_prob(dbn, v, log_z=None):
    log_z = rbm.log_partition(top(dbn)) if log_z is None else log_z
    return log_sum_exp([log_unnormalised(dbn, v, h) for h in hidden_states(dbn)]) - log_z


def log_probs(dbn, frames):
    log_z = rbm.log_partition(top(dbn))
    return np.array([log_prob(dbn, v, log_z) for v in frames])


def log_recognition(dbn, v, hidden):
    """log q(h_1 .. h_{L-1} | v)."""
    total = 0.0
    for low, high, R, r in zip([v, *hidden], hidden, dbn.R, dbn.r, strict=False):
        total += log_of(high, probabilities(low, R, r))
    return total


def bound(dbn, v):
    total = 0.0
    for hidden in hidden_states(dbn):
        log_q = log_recognition(dbn, v, hidden)
        total += math.exp(log_q) * (log_unnormalised(dbn, v, hidden) - log_q)
    return total - rbm.log_partition(top(dbn))


def posterior_cross_entropy(dbn, v):
    """- sum of p(h | v) log q(h | v), which the weights of recognition make small."""
    log_p = {i: log_unnormalised(dbn, v, h) for i, h in enumerate(hidden_states(dbn))}
    log_sum = log_sum_exp(list(log_p.values()))
    return -sum(
        math.exp(log_p[i] - log_sum) * log_recognition(dbn, v, h)
        for i, h in enumerate(hidden_states(dbn))
    )


def reconstruction(dbn, v):
    x = v
    for R, r in zip([*dbn.R, dbn.W[-1]], [*dbn.r, dbn.b[-1]], strict=True):
        x = probabilities(x, R, r)
    code = x
    for W, b in zip(reversed(dbn.W), reversed(dbn.b[:-1]), strict=True):
        x = probabilities(x, W.T, b)
    return code, x


def tempered(dbn, temperature):
    """The DBN whose draws are those at a temperature."""
    return dbn._replace(W=[W / temperature for W in dbn.W], b=[b / temperature for b in dbn.b])
