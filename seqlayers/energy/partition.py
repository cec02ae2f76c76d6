"""The partition function Z of an RBM: exact, and estimated by annealing.

    log p(v) = -F(v) - log Z

`log_partition` sums over all states of the smaller side. `ais_log_partition` anneals from an RBM
without interactions to the given one; it is too low on average, which makes likelihoods too high.
`reverse_log_partition` anneals back from a given frame; it is too high on average. The truth lies
between the two. `bridge_log_partition` anneals both ways and needs no frame; its bias is a fraction
of theirs, of either sign. All frames of a conditional RBM, each with its own biases, run at once.

An estimate that has not converged has an infinite standard error. There are two signs of it: a
chain or two hold nearly all of the weight, so that the spread of the weights, which cannot exceed
1, is no error; or a short search finds a state that alone weighs more than the estimate, or a third
of it with no chain there. A third sign of a bridge is that AIS by its way up is further from it
than their errors. None of them is a proof: chains that have all missed the same states may agree on
a wrong value.
References: R. Salakhutdinov and I. Murray, On the Quantitative Analysis of Deep Belief Networks,
ICML 2008 (AIS); Y. Burda, R. Grosse and R. Salakhutdinov, Accurate and Conservative Estimates of
MRF Log-likelihood using Reverse Annealing, AISTATS 2015 (RAISE); C. H. Bennett, Efficient
Estimation of Free Energy Differences from Monte Carlo Data, Journal of Computational Physics 1976
(acceptance ratio).
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.energy import annealing
from seqlayers.energy.annealing import for_chains, leading_shape, log_mean_exp
from seqlayers.energy.rbm import RBMParams, independent
from seqlayers.energy.visibles import VISIBLES
from seqlayers.sampling import fold_in

MAX_ENUMERATED_UNITS = 20
NUM_BETAS, NUM_CHAINS = 100, 10  # error below 0.01 nat a frame on music, at 1,000 frames a second
_ROUNDING = 0.1  # of energies, in nats
_MISSED_SHARE = 1 / 3  # of Z, of a state; all of ten chains miss one by chance in less than 2 %
_WAY_BACK = -7  # place of use; annealing counts its own from 0


class LogPartition(NamedTuple):
    """log Z and its standard error.

    Attributes:
        nats: log Z, `(...)`.
        standard_error: `(...)`; 0 if exact, infinite if not converged or from one chain.
    """

    nats: Any
    standard_error: Any

    def interval(self, num_chains):
        """Returns the ends of a 95 % interval for log Z, two tensors `(...)`.

        It is `standard_error` times the quantile of Student's t, which the error of few chains
        needs: 2.26 for 10 of them. It is infinite where the error is.

        Args:
            num_chains: Number of chains of the estimate; it has no effect on an exact log Z.

        Raises:
            ValueError: If `num_chains` is not an integer of at least 2.
        """
        half = self.standard_error * _student_t(check_integer("num_chains", num_chains, 2) - 1)
        return self.nats - half, self.nats + half


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
    frames = leading_shape(params)
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
    return LogPartition(*annealing.in_blocks(forward, params, (), seed, num_chains))


def _forward(params, seed, num_betas, num_chains):
    base = independent(params)
    v, log_w = annealing.from_base(params, base, seed, num_betas, num_chains)
    return _unless_missed(params, base, v, seed, *log_mean_exp(log_w))


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
    return LogPartition(*annealing.in_blocks(backward, params, (v,), seed, num_chains))


def _backward(params, v, seed, num_betas, num_chains):
    base = independent(params)
    v = ops.repeat(v[..., None, :], num_chains, axis=-2)
    _, log_w = annealing.to_base(params, base, v, seed, num_betas)
    nats, standard_error = log_mean_exp(-log_w)
    return annealing.base_log_partition(base) - nats, standard_error


def bridge_log_partition(params, seed, num_betas=NUM_BETAS, num_chains=NUM_CHAINS):
    """Estimates log Z by annealing both ways; its bias is a fraction of that of the other two.

    Half of the steps lead from the base to the RBM. The chains there are resampled by their
    weights, and the other half leads them back. log Z is Bennett's acceptance ratio between the
    log weights of both ways:

        sum_i sigmoid(log w_i - log Z + log Z_0) = sum_j sigmoid(log Z - log Z_0 - log w'_j)

    Args:
        params: `RBMParams`; biases may have leading axes.
        seed: int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each other.
        num_betas: Number of steps of both ways together, even: as much work as as many of AIS.
        num_chains: Number of chains for each frame.

    Returns:
        `LogPartition` over the leading axes of the biases.

    Raises:
        ValueError: If a number is not an integer of at least 1, or `num_betas` is not even.
    """
    num_betas, num_chains = _checked(num_betas, num_chains)
    if num_betas % 2:
        raise ValueError(
            "`num_betas` must be even: half of the steps lead from the base to the RBM, half back. "
            f"Received: num_betas={num_betas}."
        )
    bridge = functools.partial(_bridge, num_betas=num_betas // 2, num_chains=num_chains)
    return LogPartition(*annealing.in_blocks(bridge, params, (), seed, num_chains))


def _bridge(params, seed, num_betas, num_chains):
    base = independent(params)
    v, up = annealing.from_base(params, base, seed, num_betas, num_chains)
    again = ops.take_along_axis(v, annealing.resampled(up, seed)[..., None], axis=-2)
    _, down = annealing.to_base(params, base, again, fold_in(seed, _WAY_BACK), num_betas)
    nats, standard_error = annealing.acceptance_ratio(up, down)
    below, of_below = log_mean_exp(up)  # AIS by the chains of the way up
    apart = ops.abs(nats - below) > 3 * (standard_error + of_below) + _ROUNDING
    standard_error = ops.where(apart | ops.isinf(of_below), math.inf, standard_error)
    return _unless_missed(params, base, v, seed, nats, standard_error)


def _unless_missed(params, base, v, seed, nats, standard_error):
    """Returns log Z, given log Z / Z_0, and its error, infinite if the chains `v` miss a state."""
    nats = annealing.base_log_partition(base) + nats
    heaviest, heaviest_missed = annealing.heaviest_found(params, v, seed)
    most = nats + standard_error
    missed = (heaviest > most + _ROUNDING) | (heaviest_missed > most + math.log(_MISSED_SHARE))
    return nats, ops.where(missed, math.inf, standard_error)


def _checked(num_betas, num_chains):
    return check_integer("num_betas", num_betas), check_integer("num_chains", num_chains)


def _hidden_free_energy(params, h):
    """Returns -log sum_v exp(-E(v, h)) of every state in `h` `(S, H)`, `(..., S)`."""
    params = for_chains(params)  # here an axis for the states
    log_sum = params.visibles.log_integral(params, ops.matmul(h, ops.transpose(params.kernel)))
    return -ops.sum(h * params.hidden_bias, axis=-1) - log_sum


def _student_t(degrees):
    """Returns the t that Student's law with so many degrees of freedom exceeds in 2.5 % of cases.

    With t = sqrt(degrees) tan(a) the density of a is in proportion to cos(a)^(degrees - 1).
    """
    angles = np.linspace(-math.pi / 2, math.pi / 2, 100_001)
    share = np.cumsum(np.cos(angles) ** (degrees - 1))
    return math.sqrt(degrees) * math.tan(np.interp(0.975 * share[-1], share, angles))


def _binary_states(numbers, units, dtype):
    """Returns the binary digits of `numbers`, `(len(numbers), units)`."""
    places = ops.arange(units, dtype="int32")
    digits = ops.right_shift(ops.cast(numbers, "int32")[:, None], places[None])
    return ops.cast(ops.bitwise_and(digits, 1), dtype)
