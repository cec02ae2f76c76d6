"""Temporal RBMs in loops, every state of the hidden units visited.

    E(v, s | h) = E_v(v) - b.s - h U s - f(v - m) W (s - l)
    p(v | h) = sum_s exp(-E(v, s | h)) / Z(h),  Z(h) the integral, or the sum, of that over v

    Bernoulli  E_v(v) = -b_v.v                              f(v) = v
    Gaussian   E_v(v) = 1/2 |(v - b_v) / s|^2               f(v) = v / s^2
    gamma      E_v(v) = sum_i [rate_i v_i - (k_i - 1) log v_i],  no m
               rate_i = exp(-b_v,i) + sum_j max(W_ij (s_j - l_j)), the largest over s_j

b_v is b_v + h W_uv where there is W_uv. h is that of the frame before, h_0 before the first: s
itself as it is expected (TRBM, RTRBM), or what memory cells make of it, see `reference.lstbm`.
Units s are 0 or 1, but g of the LSTBM as an LSTM -1 or 1. What a unit is at its lowest is its l,
and m is 0, unless the RBM is centered.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from reference import lstbm, rbm


class TemporalRBM(NamedTuple):
    """Gaussian visibles if `log_variance` is given, gamma ones if `log_shape` is, else Bernoulli;
    no memory cells if `variant` is None. `l` is told of g as of a unit of 0 and 1, too."""

    W: np.ndarray  # [V, columns]
    U: np.ndarray  # [J, columns]
    b: np.ndarray  # [columns]
    b_v: np.ndarray  # [V]
    log_variance: np.ndarray | None = None
    log_shape: np.ndarray | None = None
    variant: str | None = None
    m: np.ndarray | None = None
    l: np.ndarray | None = None  # noqa: E741
    W_uv: np.ndarray | None = None  # [J, V]
    h_0: np.ndarray | None = None  # [J], zeros if None


def values(model):
    """The two values of each unit of s."""
    J, columns = model.U.shape
    return [(-1, 1) if model.variant == "lstm" and j >= 3 * J else (0, 1) for j in range(columns)]


def hidden_states(model):
    return list(itertools.product(*values(model)))


def after(model, h):
    """The model with the visible biases that h sets."""
    if model.W_uv is None:
        return model
    (J, V), b_v = model.W_uv.shape, model.b_v
    b_v = [b_v[i] + sum(h[k] * model.W_uv[k, i] for k in range(J)) for i in range(V)]
    return model._replace(b_v=np.array(b_v), W_uv=None)


def offsets(model):
    """m, and l as a value of s."""
    m = np.zeros(len(model.b_v)) if model.m is None else model.m
    shares = np.zeros(len(model.b)) if model.l is None else model.l
    lowest_and_share = zip(values(model), shares, strict=True)
    return m, [low + (high - low) * share for (low, high), share in lowest_and_share]


def features(model, v):
    """f(v - m)."""
    m, _ = offsets(model)
    s2 = np.ones(len(v)) if model.log_variance is None else np.exp(model.log_variance)
    return [(v[i] - m[i]) / s2[i] for i in range(len(v))]


def from_hidden(model, s):
    """W (s - l)."""
    (V, columns), (_, l) = model.W.shape, offsets(model)  # noqa: E741
    return [sum(model.W[i, j] * (s[j] - l[j]) for j in range(columns)) for i in range(V)]


def rates(model, s):
    a, result = from_hidden(model, s), []
    for i, bias in enumerate(model.b_v):
        rate = math.exp(-bias) - a[i]
        for j, (low, high) in enumerate(values(model)):
            rate += max(0.0, model.W[i, j] * (high - low))
        result.append(rate)
    return result


def own_energy(model, s, h):
    """-b.s - h U s."""
    total = 0.0
    for j in range(len(s)):
        total -= (model.b[j] + sum(h[k] * model.U[k, j] for k in range(len(h)))) * s[j]
    return total


def energy(model, v, s, h):
    total = own_energy(model, s, h)
    if model.log_shape is not None:
        for i, rate in enumerate(rates(model, s)):
            total += rate * v[i] - (math.exp(model.log_shape[i]) - 1) * math.log(v[i])
        return total
    f, a = features(model, v), from_hidden(model, s)
    for i in range(len(v)):
        total -= f[i] * a[i]
        if model.log_variance is None:
            total -= model.b_v[i] * v[i]
        else:
            total += (v[i] - model.b_v[i]) ** 2 / (2 * math.exp(model.log_variance[i]))
    return total


def log_weight(model, s, h):
    """log of exp(-E(v, s | h)), summed or integrated over all v."""
    if model.log_shape is not None:
        total = -own_energy(model, s, h)
        for log_k, rate in zip(model.log_shape, rates(model, s), strict=True):
            k = math.exp(log_k)
            total += math.lgamma(k) - k * math.log(rate)
        return total
    if model.log_variance is None:
        states = rbm.binary_states(len(model.b_v))
        return rbm.log_sum_exp([-energy(model, v, s, h) for v in states])
    # At v = b_v + W (s - l), the mean, the energy is least; around it is a Gaussian.
    total = -energy(model, expected_visible(model, s), s, h)
    for log_variance in model.log_variance:
        total += 0.5 * math.log(2 * math.pi * math.exp(log_variance))
    return total


def expected_visible(model, s, h=None):
    """E[v | s, h], of s between their values, too; of s alone without h."""
    model = model if h is None else after(model, h)
    if model.log_shape is not None:
        return [math.exp(k) / r for k, r in zip(model.log_shape, rates(model, s), strict=True)]
    x = [b + a for b, a in zip(model.b_v, from_hidden(model, s), strict=True)]
    return x if model.log_variance is not None else [lstbm.sigmoid(value) for value in x]


def log_prob(model, v, h):
    """log p(v | h)."""
    model = after(model, h)
    states = hidden_states(model)
    log_z = rbm.log_sum_exp([log_weight(model, s, h) for s in states])
    return rbm.log_sum_exp([-energy(model, v, s, h) for s in states]) - log_z


def expected_hidden(model, v, h):
    """E[s | v, h], by all states."""
    states = hidden_states(model)
    log_weights = [-energy(model, v, s, h) for s in states]
    log_sum = rbm.log_sum_exp(log_weights)
    return sum(
        math.exp(w - log_sum) * np.array(s) for w, s in zip(log_weights, states, strict=True)
    )


def memory(model, frames):
    """h_0 .. h_{T-1}: what is known before each frame."""
    weights, zeros = (model.W, model.U, model.b), np.zeros(len(model.U))
    first = zeros if model.h_0 is None else model.h_0
    x = [features(model, v) for v in frames]
    if model.variant is None:
        (h,) = lstbm.boltzmann(weights, x, first)
    else:
        h, _ = lstbm.lstbm(weights, x, first, zeros, model.variant)
    return np.array([first, *h[:-1]])


def log_probs(model, frames, known=None):
    """log p(v_t | v_1 .. v_{t-1}) of each frame; `known` instead of what the memory knows."""
    known = memory(model, frames) if known is None else known
    return np.array([log_prob(model, v, h) for v, h in zip(frames, known, strict=True)])


def sequence_probs(model, length):
    """p of every sequence of Bernoulli frames, `(2^V,) * length`, states in binary order."""
    states = rbm.binary_states(len(model.b_v))
    probs = np.zeros((len(states),) * length)
    for index in itertools.product(range(len(states)), repeat=length):
        probs[index] = math.exp(sum(log_probs(model, [states[i] for i in index])))
    return probs
