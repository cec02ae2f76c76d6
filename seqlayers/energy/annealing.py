"""Annealing between an RBM and the independent units near it, for chains of all frames at once.

    f_k(v) = exp(-(1 - k / K) F_0(v, .) - k / K F(v, .)), h summed out     k = 0 .. K
    log w  = sum_k log f_{k+1}(v_k) - log f_k(v_k)                         work of a chain

The path is linear in the energy and starts at `independent(params)`, whose log Z is known: on RBMs
trained on music that base needs thirty times fewer steps than a uniform one. The mean of w over
chains from the base is Z / Z_0, that of 1 / w over chains from the RBM is Z_0 / Z. On the way back
a chain makes the Gibbs steps of the way up in reverse order.
Reference: R. M. Neal, Annealed Importance Sampling, Statistics and Computing 2001.
"""

import math

import numpy as np
from keras import ops

from seqlayers.energy.columns import softplus_difference
from seqlayers.energy.rbm import features, hidden_given_visible, visible_given_input
from seqlayers.sampling import bernoulli, fold_in, uniform

_CHAINS_AT_ONCE = 8192  # of a hundred units or two they fill the caches of two cores
MIN_EFFECTIVE_CHAINS = 1.5  # (sum w)^2 / sum w^2; below it one chain has 80 % of the weight
_DESCENTS, _SWEEPS = 16, 2  # from either side; they take a twentieth of the time of annealing
_HALVINGS = 40  # of a bracket of log Z; float32 has 24 bits
_FROM_HIDDEN, _FROM_VISIBLE, _RESAMPLED = -4, -5, -6  # places of use; annealing counts from 0


def from_base(params, base, seed, num_betas, num_chains):
    """Returns v of chains annealed from the base to the RBM `(..., chains, V)`, and their log w."""
    start = ops.zeros((*leading_shape(params), num_chains, 1), dtype=params.kernel.dtype)
    v = visible_given_input(for_chains(base), start).sample(seed=fold_in(seed, 2 * num_betas))
    return _anneal(params, base, v, seed, num_betas, forward=True)


def to_base(params, base, v, seed, num_betas):
    """Returns v of chains annealed back to the base from `v` `(..., chains, V)`, and their log w.

    The first Gibbs step is at the RBM. log w has the sign of the way up.
    """
    h = hidden_given_visible(for_chains(params), v).sample(seed=fold_in(seed, 2 * num_betas))
    v = visible_given_input(for_chains(params), ops.matmul(h, ops.transpose(params.kernel)))
    v = v.sample(seed=fold_in(seed, 2 * num_betas + 1))
    return _anneal(params, base, v, seed, num_betas, forward=False)


def _anneal(params, base, v, seed, num_betas, forward):
    """Returns the last v, and the sum of log f_{k+1}(v) - log f_k(v) along the path."""
    target, base = for_chains(params), for_chains(base)
    W = target.kernel
    delta = 1.0 / num_betas

    def at(beta):
        b = target.visibles.mixed_bias(base, target, beta)
        c = base.hidden_bias + beta * (target.hidden_bias - base.hidden_bias)
        return target._replace(kernel=W * beta, visible_bias=b, hidden_bias=c)

    def step(k, carry):
        v, log_w = carry
        upper = ops.cast(k + 1 if forward else num_betas - k, W.dtype) * delta
        lower = upper - delta
        here, other = (upper, lower) if forward else (lower, upper)  # the chain moves at `here`
        p, q = at(here), at(other)
        up = ops.matmul(features(target, v), W)  # the one product both energies share
        x_here = p.hidden_bias + here * up
        change = target.visibles.energy_change(p, q, v)  # log f_here / f_other, visible part
        change = change - softplus_difference(
            lambda units: q.hidden_bias[..., units] + other * up[..., units],
            lambda units: p.hidden_bias[..., units] + here * up[..., units],
            W.shape[1],
        )
        h = bernoulli(x_here).sample(seed=fold_in(seed, 2 * k))
        down = here * ops.matmul(h, ops.transpose(W))
        v = visible_given_input(p, down).sample(seed=fold_in(seed, 2 * k + 1))
        return v, log_w + (change if forward else -change)

    log_w = ops.zeros(ops.shape(v)[:-1], dtype=W.dtype)
    return ops.fori_loop(0, num_betas, step, (v, log_w))


def resampled(log_w, seed):
    """Returns chains drawn with probabilities in proportion to w, int32 `(..., chains)`.

    The draw is systematic: a chain with the share p of the weight of N is drawn N p times, rounded
    up or down.
    """
    count = log_w.shape[-1]
    u = uniform(ops.shape(log_w[..., :1]), fold_in(seed, _RESAMPLED))
    places = (ops.arange(count, dtype="float32") + u) / count
    share = ops.exp(log_w - ops.logsumexp(log_w, axis=-1, keepdims=True))
    share = ops.cumsum(ops.cast(share, "float32"), axis=-1)
    before = ops.cast(share[..., None, :] <= places[..., :, None], "int32")
    return ops.minimum(ops.sum(before, axis=-1), count - 1)  # the last share is 1 up to rounding


def acceptance_ratio(up, down):
    """Returns log Z / Z_0 by Bennett's acceptance ratio, `(...)`, and its error.

        r:  sum_i sigmoid(up_i - r) = sum_j sigmoid(r - down_j)

    Args:
        up: log w of chains from the base, `(..., chains)`.
        down: log w of as many chains back to it.
    """

    def log_sides(r):
        r = r[..., None]
        return -ops.softplus(r - up), -ops.softplus(down - r)  # log sigmoid, safe far apart

    def halve(_, bounds):
        low, high = bounds
        middle = low + 0.5 * (high - low)
        left, right = (ops.logsumexp(side, axis=-1) for side in log_sides(middle))
        return ops.where(left > right, middle, low), ops.where(left > right, high, middle)

    log_w = ops.concatenate([up, down], axis=-1)
    bounds = ops.min(log_w, axis=-1), ops.max(log_w, axis=-1)
    low, high = ops.fori_loop(0, _HALVINGS, halve, bounds)
    r = low + 0.5 * (high - low)
    errors = [log_mean_exp(side)[1] for side in log_sides(r)]
    return r, ops.sqrt(ops.square(errors[0]) + ops.square(errors[1]))


def log_mean_exp(log_w):
    """Returns log of the mean of exp(log_w) over the last axis, and its error (delta method).

    The error is infinite for one chain, and where few chains have all of the weight.
    """
    count = log_w.shape[-1]
    top = ops.max(log_w, axis=-1, keepdims=True)
    w = ops.exp(log_w - top)
    mean = ops.mean(w, axis=-1)
    nats = ops.log(mean) + top[..., 0]
    if count == 1:
        return nats, ops.full_like(nats, math.inf)
    deviation = ops.sqrt(ops.sum(ops.square(w - mean[..., None]), axis=-1) / (count - 1))
    effective = ops.square(ops.sum(w, axis=-1)) / ops.sum(ops.square(w), axis=-1)
    error = deviation / (mean * math.sqrt(count))
    return nats, ops.where(effective < MIN_EFFECTIVE_CHAINS, math.inf, error)


def heaviest_found(params, v, seed):
    """Returns the log weights of the heaviest states h that a short search finds, each `(...)`.

    The weight of h is the sum of exp(-E(v, h)) over v, which Z is never below. The search descends
    in energy from random states of either side. A chain is in the h of which each unit is the
    likelier one given its v.

    Args:
        params: `RBMParams`.
        v: Chains, `(..., chains, V)`.
        seed: As in `from_base`.

    Returns:
        That of the heaviest state, and of the heaviest that no chain is in, -inf if there is none.
    """
    target, frames, count = for_chains(params), leading_shape(params), max(_DESCENTS, v.shape[-2])
    W = target.kernel
    V, H = W.shape

    def random_states(units, place):
        u = uniform((*frames, count, units), fold_in(seed, place))
        return ops.cast(u < 0.5, W.dtype)

    def up(v):
        return ops.cast(target.hidden_bias + ops.matmul(features(target, v), W) > 0, W.dtype)

    h = random_states(H, _FROM_HIDDEN)
    h = ops.concatenate([h, up(random_states(V, _FROM_VISIBLE))], axis=-2)
    for _ in range(_SWEEPS):
        h = up(visible_given_input(target, ops.matmul(h, ops.transpose(W))).mean())
    x = ops.matmul(h, ops.transpose(W))
    nats = ops.sum(target.hidden_bias * h, axis=-1) + target.visibles.log_integral(target, x)
    # Chains are compared with as many states of either side as few chains have: work stays linear.
    few = ops.concatenate([h[..., :_DESCENTS, :], h[..., -_DESCENTS:, :]], axis=-2)
    of_few = ops.concatenate([nats[..., :_DESCENTS], nats[..., -_DESCENTS:]], axis=-1)
    alike = ops.matmul(2 * few - 1, ops.swapaxes(2 * up(v) - 1, -1, -2))
    reached = ops.any(alike > H - 1, axis=-1)  # all H units are equal
    return ops.max(nats, axis=-1), ops.max(ops.where(reached, -math.inf, of_few), axis=-1)


def base_log_partition(base):
    """Returns log Z of an RBM whose kernel is 0."""
    visible = base.visibles.log_integral(base, ops.zeros_like(base.visible_bias))
    return visible + ops.sum(ops.softplus(base.hidden_bias), axis=-1)


def for_chains(params):
    """Returns the parameters with an axis in the biases for the chains of each frame.

    Biases without leading axes stay as they are: TensorFlow fails to fuse one of `(1, H)`.
    """
    b, c = (x[..., None, :] if len(x.shape) > 1 else x for x in params[1:3])
    return params._replace(visible_bias=b, hidden_bias=c)


def leading_shape(params):
    """Returns the shape of log Z: the leading axes of both biases, broadcast."""
    return ops.shape(params.visible_bias[..., 0] + params.hidden_bias[..., 0])


def in_blocks(estimate, params, frames, seed, num_chains):
    """Returns `estimate(params, *frames, seed)`, computed for some rows at a time.

    The chains of a block take all their steps before those of the next, so that they stay in the
    processor's cache, and memory does not grow with the number of rows. Rows must have seeds of
    their own, and axes that are known; else all of them are one block.
    """
    biases = {"visible_bias": params.visible_bias, "hidden_bias": params.hidden_bias}
    biases = {name: bias for name, bias in biases.items() if len(bias.shape) > 1}
    axes = {tuple(x.shape[:-1]) for x in (*biases.values(), *frames)}
    shape = axes.pop() if len(axes) == 1 else ()
    if len(np.shape(seed)) < 2 or not shape or None in shape or 0 in shape:
        return estimate(params, *frames, seed)
    at_once = max(1, _CHAINS_AT_ONCE // (math.prod(shape[1:]) * num_chains))
    num_blocks = -(-shape[0] // at_once)
    if num_blocks == 1:
        return estimate(params, *frames, seed)
    rows = -(-shape[0] // num_blocks)
    seed = ops.convert_to_tensor(seed)

    def add_block(number, results):
        # The last block begins before the end of the one before it where rows are left over.
        first = ops.minimum(number * rows, shape[0] - rows)

        def block(x):
            return ops.slice(x, [first] + [0] * (len(x.shape) - 1), (rows, *x.shape[1:]))

        some = params._replace(**{name: block(bias) for name, bias in biases.items()})
        new = estimate(some, *map(block, frames), block(seed))
        start = [first] + [0] * (len(shape) - 1)
        return tuple(ops.slice_update(x, start, y) for x, y in zip(results, new, strict=True))

    zeros = ops.zeros(shape, params.kernel.dtype)
    return ops.fori_loop(0, num_blocks, add_block, (zeros, zeros))
