"""The restricted Boltzmann machine by brute force: every state is visited, nothing is simplified.

    Bernoulli  E(v, h) = - sum_i b_i v_i - sum_j c_j h_j - sum_ij v_i W_ij h_j
    Gaussian   E(v, h) = sum_i (v_i - b_i)^2 / 2 s_i^2 - sum_j c_j h_j - sum_ij v_i / s_i^2 W_ij h_j
    gamma      E(v, h) = sum_i [rate_i(h) v_i - (k_i - 1) log v_i] - sum_j c_j h_j
               rate_i(h) = exp(-b_i) + sum_j [max(W_ij, 0) - W_ij h_j]
    all        p(v, h) = exp(-E(v, h)) / Z

Gaussian visibles are integrated in closed form for each h. With a_i = sum_j W_ij h_j, completing
the square gives

    E(v, h) = sum_i [(v_i - b_i - a_i)^2 / 2 - a_i b_i - a_i^2 / 2] / s_i^2 - sum_j c_j h_j

Gamma ones are as well: the integral of v^(k - 1) exp(-rate v) is Gamma(k) / rate^k.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np


class RBM(NamedTuple):
    """Gaussian visibles if `log_variance` is given, gamma ones if `log_shape` is, else Bernoulli;
    biases may have a row for each frame."""

    W: np.ndarray
    b: np.ndarray
    c: np.ndarray
    log_variance: np.ndarray | None = None
    log_shape: np.ndarray | None = None


def random_rbm(rng, V, H, frames=(), visibles="bernoulli", scale=1.0):
    """An RBM with normal weights of standard deviation `scale`."""
    W = scale * rng.normal(size=(V, H))
    b, c = rng.normal(size=(*frames, V)), rng.normal(size=(*frames, H))
    if visibles == "gaussian":
        return RBM(W, b, c, log_variance=0.5 * rng.normal(size=V))
    return RBM(W, b, c, log_shape=1 + 0.5 * rng.normal(size=V) if visibles == "gamma" else None)


def visibles(rbm):
    """The name of its visibles, and the weights that are theirs alone."""
    if rbm.log_variance is not None:
        return "gaussian", [rbm.log_variance]
    return ("gamma", [rbm.log_shape]) if rbm.log_shape is not None else ("bernoulli", [])


def random_frames(rng, rbm, *shape):
    """Frames such as its visibles may have, `(*shape, V)`."""
    shape = (*shape, len(rbm.W))
    if rbm.log_variance is not None:
        return rng.normal(size=shape)
    return (
        rng.gamma(2.0, size=shape) if rbm.log_shape is not None else rng.integers(0, 2, shape) * 1.0
    )


def each_frame(rbm, *arrays):
    """Yields index, RBM and rows of `arrays` for every frame of a conditional RBM."""
    for index in np.ndindex(rbm.b.shape[:-1]):
        one = rbm._replace(b=rbm.b[index], c=rbm.c[index])
        yield (index, one, *(a[index] for a in arrays))


def binary_states(units):
    return [np.array(state, "float64") for state in itertools.product((0, 1), repeat=units)]


def gamma_rates(rbm, h):
    rates = np.zeros(len(rbm.b))
    for i in range(len(rates)):
        rates[i] = math.exp(-rbm.b[i])
        for j in range(len(h)):
            rates[i] += max(rbm.W[i, j], 0.0) - rbm.W[i, j] * h[j]
    return rates


def energy(rbm, v, h):
    W, b, c, log_variance, log_shape = rbm
    if log_shape is not None:
        total = -sum(c[j] * h[j] for j in range(len(h)))
        for i, rate in enumerate(gamma_rates(rbm, h)):
            total += rate * v[i] - (math.exp(log_shape[i]) - 1) * math.log(v[i])
        return total
    total = 0.0
    for i in range(len(v)):
        s2 = 1.0 if log_variance is None else math.exp(log_variance[i])
        total += -b[i] * v[i] if log_variance is None else (v[i] - b[i]) ** 2 / (2 * s2)
        for j in range(len(h)):
            total -= v[i] / s2 * W[i, j] * h[j]
    for j in range(len(h)):
        total -= c[j] * h[j]
    return total


def centered_energy(rbm, v, h, visible_offset, hidden_offset):
    """The energy in v - m and h - l; a Gaussian visible keeps its (v - b)^2."""
    W, b, c, log_variance, _ = rbm
    total = 0.0
    for i in range(len(v)):
        s2 = 1.0 if log_variance is None else math.exp(log_variance[i])
        from_mean = v[i] - visible_offset[i]
        total += -b[i] * from_mean if log_variance is None else (v[i] - b[i]) ** 2 / (2 * s2)
        for j in range(len(h)):
            total -= from_mean / s2 * W[i, j] * (h[j] - hidden_offset[j])
    for j in range(len(h)):
        total -= c[j] * (h[j] - hidden_offset[j])
    return total


def log_sum_exp(terms):
    top = max(terms)
    return top + math.log(math.fsum(math.exp(t - top) for t in terms))


def free_energy(rbm, v):
    return -log_sum_exp([-energy(rbm, v, h) for h in binary_states(len(rbm.c))])


def hidden_given_visible(rbm, v):
    """p(h_j = 1 | v), each as a ratio of sums over all hidden states."""
    states = binary_states(len(rbm.c))
    F = free_energy(rbm, v)
    weights = [math.exp(-energy(rbm, v, h) + F) for h in states]
    return sum(w * h for w, h in zip(weights, states, strict=True))


def visible_given_hidden(rbm, h):
    """E[v_i | h]: a ratio of sums for Bernoulli units, b + W h for Gaussian, k / rate for gamma."""
    if rbm.log_shape is not None:
        return np.exp(rbm.log_shape) / gamma_rates(rbm, h)
    if rbm.log_variance is not None:
        return np.array([rbm.b[i] + sum(rbm.W[i] * h) for i in range(len(rbm.b))])
    states = binary_states(len(rbm.b))
    log_weights = [-energy(rbm, v, h) for v in states]
    log_sum = log_sum_exp(log_weights)
    return sum(math.exp(w - log_sum) * v for w, v in zip(log_weights, states, strict=True))


def visible_variance(rbm, h):
    """Var[v_i | h]."""
    mean = visible_given_hidden(rbm, h)
    if rbm.log_shape is not None:
        return mean**2 / np.exp(rbm.log_shape)
    return mean * (1 - mean) if rbm.log_variance is None else np.exp(rbm.log_variance)


def log_weight_of_hidden(rbm, h):
    """log of exp(-E(v, h)) summed, or integrated, over all v."""
    W, b, c, log_variance, log_shape = rbm
    if log_shape is not None:
        total = sum(c[j] * h[j] for j in range(len(h)))
        for i, rate in enumerate(gamma_rates(rbm, h)):
            k = math.exp(log_shape[i])
            total += math.lgamma(k) - k * math.log(rate)
        return total
    if log_variance is None:
        return log_sum_exp([-energy(rbm, v, h) for v in binary_states(len(b))])
    total = 0.0
    for i in range(len(b)):
        s2, a = math.exp(log_variance[i]), 0.0
        for j in range(len(h)):
            a += W[i, j] * h[j]
        total += 0.5 * math.log(2 * math.pi * s2) + (a * b[i] + a * a / 2) / s2
    for j in range(len(h)):
        total += c[j] * h[j]
    return total


def log_partition(rbm):
    return log_sum_exp([log_weight_of_hidden(rbm, h) for h in binary_states(len(rbm.c))])


def log_partition_by_visible(rbm):
    """The same sum the other way round, for Bernoulli visibles."""
    return log_sum_exp([-free_energy(rbm, v) for v in binary_states(len(rbm.b))])


def log_prob(rbm, v):
    return -free_energy(rbm, v) - log_partition(rbm)


def hidden_probs(rbm):
    """All hidden states and p(h) of each."""
    states = binary_states(len(rbm.c))
    log_weights = [log_weight_of_hidden(rbm, h) for h in states]
    log_z = log_sum_exp(log_weights)
    return states, [math.exp(w - log_z) for w in log_weights]


def moments(rbm):
    """E[v], E[v v^T], E[h] and E[v h^T] under the model."""
    V, H = rbm.W.shape
    v1, v2, h1, vh = np.zeros(V), np.zeros((V, V)), np.zeros(H), np.zeros((V, H))
    for h, p in zip(*hidden_probs(rbm), strict=True):
        mean = visible_given_hidden(rbm, h)
        variance = visible_variance(rbm, h)
        v1 += p * mean
        v2 += p * (np.outer(mean, mean) + np.diag(variance))
        h1 += p * h
        vh += p * np.outer(mean, h)
    return v1, v2, h1, vh


def transition_matrix(rbm):
    """p(v' | v) of one Gibbs step v -> h -> v', over all pairs of Bernoulli states."""
    visible, hidden = binary_states(len(rbm.b)), binary_states(len(rbm.c))
    free = [free_energy(rbm, v) for v in visible]
    matrix = np.zeros((len(visible), len(visible)))
    for h in hidden:
        up = np.array(
            [math.exp(-energy(rbm, v, h) + F) for v, F in zip(visible, free, strict=True)]
        )
        down = np.array([math.exp(-energy(rbm, v, h)) for v in visible])
        matrix += np.outer(up, down / down.sum())
    return matrix


def energy_gradient(rbm, h, v, v_squared, log_v):
    """The derivatives of E by W, b, c and what the visibles have of their own, log s^2 or log k.

    They are linear in v_i, v_i^2, log v_i (given apart, so that all may be expectations given h)
    and in products with h."""
    W, b, _, log_variance, log_shape = rbm
    if log_variance is None and log_shape is None:
        return [-np.outer(v, h), -v, -h]
    dW, db, ds = np.zeros_like(W), np.zeros_like(b), np.zeros_like(b)
    for i in range(len(b)):
        if log_shape is not None:
            dW[i] = v[i] * ((W[i] > 0) - h)
            db[i] = -math.exp(-b[i]) * v[i]
            ds[i] = -math.exp(log_shape[i]) * log_v[i]
            continue
        s2 = math.exp(log_variance[i])
        a = sum(W[i] * h)
        dW[i] = -v[i] / s2 * h
        db[i] = -(v[i] - b[i]) / s2
        ds[i] = -(v_squared[i] - 2 * b[i] * v[i] + b[i] ** 2) / (2 * s2) + v[i] * a / s2
    return [dW, db, -h, ds]


def _weighted_sum(weights, gradients):
    return [
        sum(w * g for w, g in zip(weights, parts, strict=True))
        for parts in zip(*gradients, strict=True)
    ]


def free_energy_gradient(rbm, v):
    """The derivatives of F(v): those of E, averaged over p(h | v)."""
    states = binary_states(len(rbm.c))
    F = free_energy(rbm, v)
    weights = [math.exp(-energy(rbm, v, h) + F) for h in states]
    log_v = None if rbm.log_shape is None else np.log(v)
    return _weighted_sum(weights, [energy_gradient(rbm, h, v, v**2, log_v) for h in states])


def digamma(x):
    """The derivative of log Gamma(x): 1/x less at x + 1, and Stirling's series far out."""
    low = 0.0
    while x < 20:
        low, x = low - 1 / x, x + 1
    return low + math.log(x) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4) - 1 / (252 * x**6)


def log_partition_gradient(rbm):
    """The derivatives of log Z: those of -E, averaged over p(v, h)."""
    states, probs = hidden_probs(rbm)
    gradients = []
    for h in states:
        mean = visible_given_hidden(rbm, h)
        square, log_v = mean**2 + visible_variance(rbm, h), None
        if rbm.log_shape is not None:  # E[log v] = digamma(k) - log rate
            log_v = [digamma(math.exp(k)) for k in rbm.log_shape] - np.log(gamma_rates(rbm, h))
        gradients.append(energy_gradient(rbm, h, mean, square, log_v))
    return [-g for g in _weighted_sum(probs, gradients)]


def negative_log_prob_gradient(rbm, frames):
    """The derivatives of the mean of -log p(v) over `frames`, by W, b, c (and log s^2 or log k)."""
    data = _weighted_sum(
        [1 / len(frames)] * len(frames), [free_energy_gradient(rbm, v) for v in frames]
    )
    return [d + z for d, z in zip(data, log_partition_gradient(rbm), strict=True)]


def independent(rbm):
    """Biases of visible and hidden units of the RBM without interactions.

    Bernoulli: F(all off) - F(only unit i on), and c. Gaussian: b + W sigmoid(c + (b / s^2) W), and
    c. Gamma: five times v = k / rate(h), x = c + v W and h = sigmoid(x), from h = 1/2 on; then
    halfway from -log rate(h) to b, and x.
    """
    W, b, c, log_variance, log_shape = rbm
    V, H = W.shape
    if log_shape is not None:
        h = np.full(H, 0.5)
        for _ in range(5):
            v = np.exp(log_shape) / gamma_rates(rbm, h)
            x = np.array([c[j] + sum(v[i] * W[i, j] for i in range(V)) for j in range(H)])
            h = 1 / (1 + np.exp(-x))
        return (b - np.log(gamma_rates(rbm, h))) / 2, x
    bias = np.zeros(V)
    if log_variance is None:
        nothing = np.zeros(V)
        for i in range(V):
            alone = np.zeros(V)
            alone[i] = 1.0
            bias[i] = free_energy(rbm, nothing) - free_energy(rbm, alone)
        return bias, c
    for i in range(V):
        bias[i] = b[i]
        for j in range(H):
            x = c[j] + sum(b[k] / math.exp(log_variance[k]) * W[k, j] for k in range(V))
            bias[i] += W[i, j] / (1 + math.exp(-x))
    return bias, c
