"""The partition function Z of an RBM: exact, and estimated from both sides.

    log p(v) = -F(v) - log Z

`log_partition` sums over all states of the smaller side. `ais_log_partition` anneals from an RBM
without interactions to the given one; it is too low on average, which makes likelihoods too high.
`reverse_log_partition` anneals back from a given frame; it is too high on average. The truth lies
between the two. All frames of a conditional RBM, each with its own biases, run at once.

The path is linear in the energy and starts at `independent(params)`: on RBMs trained on music
that base needs thirty times fewer steps than a uniform one.

An estimate that has not converged has an infinite standard error. There are two signs of it: a
chain or two hold nearly all of the weight, so that the spread of the weights, which cannot exceed
1, is no error; or all chains have missed a state that alone weighs more than the estimate. Neither
is a proof: chains that have all missed the same states may agree on a wrong value.
References: R. Salakhutdinov and I. Murray, On the Quantitative Analysis of Deep Belief Networks,
ICML 2008 (AIS); Y. Burda, R. Grosse and R. Salakhutdinov, Accurate and Conservative Estimates of
MRF Log-likelihood using Reverse Annealing, AISTATS 2015 (RAISE).
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.energy.columns import softplus_difference
from seqlayers.energy.rbm import (
    RBMParams,
    features,
    hidden_given_visible,
    independent,
    visible_given_input,
)
from seqlayers.energy.visibles import VISIBLES
from seqlayers.sampling import bernoulli, fold_in, uniform

MAX_ENUMERATED_UNITS = 20
_ROUNDING = 0.1  # of energies, in nats
NUM_BETAS, NUM_CHAINS = 100, 10  # error below 0.01 nat a frame on music, at 1,000 frames a second
_CHAINS_AT_ONCE = 8192  # of a hundred units or two they fill the caches of two cores
MIN_EFFECTIVE_CHAINS = 1.5  # (sum w)^2 / sum w^2; below it one chain has 80 % of the weight
_DESCENTS, _SWEEPS = 16, 2  # from either side; they take a twentieth of the time of annealing
_FROM_HIDDEN, _FROM_VISIBLE = -4, -5  # places of use; annealing counts its own from 0


class LogPartition(NamedTuple):
    """log Z and its standard error.

    Attributes:
        nats: log Z, `(...)`.
        standard_error: `(...)`; 0 if exact, infinite if not converged or from one chain.
    """

    nats: Any
    standard_error: Any


def can_enumerate(visible_units, hidden_units, visibles="bernoulli"):
    """Returns whether `log_partition` can sum over all states: one side is binary and small.

    Args:
        visible_units: Number V of visible units.
        hidden_units: Number H of hidden units.
        visibles: Kind of the visible units, a name of `VISIBLES`.
    """
    binary = [visible_units, hidden_units] if VISIBLES[visibles].BINARY else [hidden_units]
    return min(binary) <= MAX_ENUMERATED_UNITS


def log_partition(params):
    """Computes log Z by summing over all states of the smaller side.

    Args:
        params: `RBMParams` with at most 20 hidden units, or at most 20 Bernoulli visibles.

    Returns:
        `LogPartition` over the leading axes of the biases.

    Raises:
        ValueError: If no side is binary and has at most 20 units.
    """
    V, H = params.kernel.shape
    if not can_enumerate(V, H, params.visibles.NAME):
        raise ValueError(
            f"`log_partition` sums over at most 2**{MAX_ENUMERATED_UNITS} states; use "
            "`ais_log_partition` and `reverse_log_partition` for larger RBMs. "
            f"Received: kernel.shape={(V, H)}."
        )
    if params.visibles.BINARY and V < H:  # an RBM read from the other side
        params = RBMParams(ops.transpose(params.kernel), params.hidden_bias, params.visible_bias)
        H = V
    frames = _leading_shape(params)
    block = min(H, 8)  # 256 states at a time keep the memory small
    low = _binary_states(ops.arange(2**block), block, params.kernel.dtype)

    def add_block(i, log_z):
        high = _binary_states(ops.reshape(i, (1,)), H - block, params.kernel.dtype)
        h = ops.concatenate([low, ops.repeat(high, 2**block, axis=0)], axis=-1)  # [S, H]
        return ops.logaddexp(log_z, ops.logsumexp(-_hidden_free_energy(params, h), axis=-1))

    start = ops.full(frames, -math.inf, dtype=params.kernel.dtype)
    nats = ops.fori_loop(0, 2 ** (H - block), add_block, start)
    return LogPartition(nats, ops.zeros_like(nats))


def ais_log_partition(params, seed, num_betas=NUM_BETAS, num_chains=NUM_CHAINS):
    """Estimates log Z by annealed importance sampling, too low on average: exp of it is unbiased.

    Args:
        params: `RBMParams`; biases may have leading axes.
        seed: int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each other.
        num_betas: Number of steps from the base to the RBM.
        num_chains: Number of chains for each frame.

    Returns:
        `LogPartition` over the leading axes of the biases.

    Raises:
        ValueError: If a number is not an integer of at least 1.
    """
    num_betas, num_chains = _checked(num_betas, num_chains)
    forward = functools.partial(_forward, num_betas=num_betas, num_chains=num_chains)
    return _in_blocks(forward, params, (), seed, num_chains)


def _forward(params, seed, num_betas, num_chains):
    base = independent(params)
    start = ops.zeros((*_leading_shape(params), num_chains, 1), dtype=params.kernel.dtype)
    v = visible_given_input(_for_chains(base), start).sample(seed=fold_in(seed, 2 * num_betas))
    log_w = _anneal(params, base, v, seed, num_betas, forward=True)
    nats, standard_error = _log_mean_exp(log_w)
    nats = _base_log_partition(base) + nats
    missed = _largest_found(params, seed, num_chains) > nats + standard_error + _ROUNDING
    return LogPartition(nats, ops.where(missed, math.inf, standard_error))


def reverse_log_partition(params, v, seed, num_betas=NUM_BETAS, num_chains=NUM_CHAINS):
    """Estimates log Z by annealing back from `v`, too high on average (RAISE).

    -F(v) less this log Z is then a cautious log p(v): the mean of exp(-F(v) - log Z) is, without
    bias, the probability of `v` under the annealing itself, which nearly draws from the RBM.

    Args:
        params: `RBMParams`; biases may have leading axes.
        v: Frames, `(..., V)`.
        seed: int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each other.
        num_betas: Number of steps from the RBM back to the base.
        num_chains: Number of chains for each frame.

    Returns:
        `LogPartition` over the leading axes of `v`.

    Raises:
        ValueError: If a number is not an integer of at least 1.
    """
    num_betas, num_chains = _checked(num_betas, num_chains)
    backward = functools.partial(_backward, num_betas=num_betas, num_chains=num_chains)
    return _in_blocks(backward, params, (v,), seed, num_chains)


def _backward(params, v, seed, num_betas, num_chains):
    base = independent(params)
    v = ops.repeat(v[..., None, :], num_chains, axis=-2)
    h = hidden_given_visible(_for_chains(params), v).sample(seed=fold_in(seed, 2 * num_betas))
    v = visible_given_input(_for_chains(params), ops.matmul(h, ops.transpose(params.kernel)))
    v = v.sample(seed=fold_in(seed, 2 * num_betas + 1))
    log_w = _anneal(params, base, v, seed, num_betas, forward=False)
    nats, standard_error = _log_mean_exp(-log_w)
    return LogPartition(_base_log_partition(base) - nats, standard_error)


def _checked(num_betas, num_chains):
    return check_integer("num_betas", num_betas), check_integer("num_chains", num_chains)


def _in_blocks(estimate, params, frames, seed, num_chains):
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
    return LogPartition(*ops.fori_loop(0, num_blocks, add_block, (zeros, zeros)))


def _anneal(params, base, v, seed, num_betas, forward):
    """Returns the sum of log f_{k+1}(v) - log f_k(v) along the path, from the base or to it."""
    target, base = _for_chains(params), _for_chains(base)
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
    return ops.fori_loop(0, num_betas, step, (v, log_w))[1]


def _largest_found(params, seed, num_chains):
    """Returns the largest log sum_v exp(-E(v, h)) over states h that a short search finds, `(...)`.

    log Z is never below it. The search descends in energy from random states of either side.
    """
    target, frames, count = _for_chains(params), _leading_shape(params), max(_DESCENTS, num_chains)
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
    return ops.max(nats, axis=-1)


def _hidden_free_energy(params, h):
    """Returns -log sum_v exp(-E(v, h)) of every state in `h` `(S, H)`, `(..., S)`."""
    params = _for_chains(params)  # here an axis for the states
    log_sum = params.visibles.log_integral(params, ops.matmul(h, ops.transpose(params.kernel)))
    return -ops.sum(h * params.hidden_bias, axis=-1) - log_sum


def _base_log_partition(base):
    """Returns log Z of an RBM whose kernel is 0."""
    visible = base.visibles.log_integral(base, ops.zeros_like(base.visible_bias))
    return visible + ops.sum(ops.softplus(base.hidden_bias), axis=-1)


def _for_chains(params):
    """Returns the parameters with an axis in the biases for the chains of each frame."""
    b, c = params.visible_bias[..., None, :], params.hidden_bias[..., None, :]
    return params._replace(visible_bias=b, hidden_bias=c)


def _leading_shape(params):
    return ops.shape(params.visible_bias[..., 0] + params.hidden_bias[..., 0])


def _log_mean_exp(log_w):
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


def _binary_states(numbers, units, dtype):
    """Returns the binary digits of `numbers`, `(len(numbers), units)`."""
    places = ops.arange(units, dtype="int32")
    digits = ops.right_shift(ops.cast(numbers, "int32")[:, None], places[None])
    return ops.cast(ops.bitwise_and(digits, 1), dtype)
