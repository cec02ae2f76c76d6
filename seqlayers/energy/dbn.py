"""The deep belief network, as functions over its parameters.

    p(v, h_1 .. h_L) = p(v | h_1) p(h_1 | h_2) .. p(h_{L-2} | h_{L-1}) p(h_{L-1}, h_L)     (11)
    p(h_{l-1} | h_l) = sigmoid(b_{l-1} + h_l W_l^T), unit by unit          h_0 = v
    p(h_{L-1}, h_L)    an RBM with kernel W_L and biases b_{L-1}, b_L
    q(h_l | h_{l-1}) = sigmoid(r_l + h_{l-1} R_l), unit by unit            l = 1 .. L-1

It follows from (11), with h_L summed out by F, the free energy of the RBM, that

    log p(v) >= E_q log w - log Z
    w = p(v | h_1) p(h_1 | h_2) .. p(h_{L-2} | h_{L-1}) exp(-F(h_{L-1})) / q(h_1 .. h_{L-1} | v)

`pairs` are the `RBMParams` of each pair of layers, from the lowest up: W_l, b_{l-1} and b_l. The
last pair is the RBM on top. `recognition` are those of q, R_l and r_l; their visible bias is not
used and may be None. Biases may have leading axes, a row for each frame.
References: K. Goel, R. Vohra and J. K. Sahoo, Polyphonic Music Generation by Modeling Temporal
Dependencies Using a RNN-DBN, ICANN 2014, with the number (11); J. Bornschein and Y. Bengio,
Reweighted Wake-Sleep, ICLR 2015.
"""

import itertools
import math

from keras import ops

from seqlayers.energy.rbm import (
    contrastive_divergence,
    free_energy,
    gibbs,
    hidden_given_visible,
    visible_given_hidden,
)
from seqlayers.sampling import bernoulli, fold_in, uniform

_UP, _PICK, _DOWN = -1, -2, -3  # places of use; chains and annealing count theirs from 0


def pairwise_contrastive_divergence(pairs, v, steps, seed, mask=None):
    """Returns the sum over the pairs of CD-k, each on the mean activations of the layer below.

    Args:
        pairs: List of `RBMParams`.
        v: Data, `(..., V)`.
        steps: Number k of Gibbs steps.
        seed: int32 `(2,)` or `(rows, 2)`.
        mask: Which frames count, bool `(...)`; all if None.
    """
    loss = 0.0
    for i, pair in enumerate(pairs):
        pair_seed = fold_in(seed, -i) if i else seed
        loss = loss + contrastive_divergence(pair, v, steps, pair_seed, mask)
        v = ops.stop_gradient(hidden_given_visible(pair, v).mean())
    return loss


def recognize(recognition, v, number, seed):
    """Draws the hidden units below the top one from q.

    Args:
        recognition: List of `RBMParams`.
        v: Frames, `(..., V)`.
        number: Number of draws for each frame.
        seed: int32 `(2,)` or `(rows, 2)`.

    Returns:
        [v, h_1 .. h_{L-1}], with an axis of `number` draws before those of `v`, and log q of them.
    """
    seeds = fold_in(seed, _UP)
    seeds = fold_in(seeds[None], _numbers(number, len(seeds.shape)))
    layers, log_q = [v[None]], 0.0
    for i, pair in enumerate(recognition):
        x = pair.hidden_bias + ops.matmul(layers[-1], pair.kernel)
        x = ops.broadcast_to(x, (number, *ops.shape(x)[1:]))
        h = bernoulli(x).sample(seed=fold_in(seeds, i))
        log_q = log_q + _log_bernoulli(h, x)
        layers.append(h)
    return layers, log_q


def reweighted_wake_sleep(pairs, recognition, v, steps, num_particles, seed):
    """Returns for each frame `(...)` a loss whose gradient is that of -log p(v) and of q.

        sum_k w_k [F(h_{L-1}) - log p(v | h_1) .. p(h_{L-2} | h_{L-1})]
        - sum_k (w_k - 1/K) log q(h_1 .. h_{L-1} | v) - F(h_{L-1} of the model)

    The sums are over K states drawn from q, with weights w_k that sum to one; the last state comes
    from CD-k in the RBM on top. 1/K removes from the gradient of log q a part that is 0 on average.

    Args:
        pairs: List of `RBMParams`.
        recognition: List of `RBMParams`.
        v: Data, `(..., V)`.
        steps: Number of Gibbs steps.
        num_particles: Number K of states. With one, q has no gradient.
        seed: int32 `(2,)` or `(rows, 2)`.
    """
    K = num_particles
    layers, log_q = recognize(recognition, v, K, seed)
    log_p, h = _log_downward(pairs, layers), layers[-1]  # h_{L-1}
    nats = log_p - free_energy(pairs[-1], h)
    log_w = ops.stop_gradient(nats - log_q)
    w = ops.exp(log_w - ops.logsumexp(log_w, axis=0))
    start = _picked(h, w, fold_in(seed, _PICK))
    dreamt = ops.stop_gradient(gibbs(pairs[-1], start, steps, seed))
    loss = -ops.sum(w * nats + (w - 1.0 / K) * log_q, axis=0)
    return loss - free_energy(pairs[-1], dreamt)


def log_mean_weight(pairs, draw, num_samples, seed):
    """Returns log of the mean of w over draws from q, with its error and one h_{L-1}.

    One draw at a time, so that memory does not grow with their number.

    Args:
        pairs: List of `RBMParams`.
        draw: Function of the number of a draw that returns what `recognize` does, of one draw.
        num_samples: Number of draws for each frame.
        seed: int32 `(2,)` or `(rows, 2)`, which the h_{L-1} is picked by.

    Returns:
        log of the mean of w `(...)`, its standard error `(...)`, infinite for one draw, and the
        h_{L-1} `(..., H)` of one draw, picked in proportion to w. With one layer h_0 is v, and w is
        exp(-F(v)) without error.
    """

    def log_weight(k):
        layers, log_q = draw(k)
        nats = _log_downward(pairs, layers) - free_energy(pairs[-1], layers[-1])
        return (nats - log_q)[0], layers[-1][0]

    if len(pairs) == 1:
        nats, v = log_weight(0)
        return nats, ops.zeros_like(nats), v

    def step(k, carry):
        total, squares, picked = carry
        log_w, h = log_weight(k)
        total = ops.logaddexp(total, log_w)
        u = uniform(ops.shape(log_w), fold_in(fold_in(seed, _PICK), k))
        take = ops.cast(u, log_w.dtype) < ops.exp(log_w - total)
        squares = ops.logaddexp(squares, 2 * log_w)
        return total, squares, ops.where(take[..., None], h, picked)

    K = num_samples
    log_w, h = log_weight(0)
    total, squares, h = ops.fori_loop(1, K, step, (log_w, 2 * log_w, h))
    if K == 1:
        return total, ops.full_like(total, math.inf), h
    spread = ops.maximum(K * ops.exp(squares - 2 * total) - 1.0, 0.0)  # variance over mean^2
    return total - math.log(K), ops.sqrt(spread / (K - 1)), h


def sample_downward(pairs, h, seed, temperature=1.0):
    """Draws frames `(..., V)` from the states of the layer above `pairs`, a layer at a time.

    Args:
        pairs: List of `RBMParams`; without pairs the frames are `h`.
        h: Units of the layer above, `(..., H)`.
        seed: int32 `(2,)` or `(rows, 2)`.
        temperature: Divisor of the log-odds, a number or a tensor that broadcasts with `(..., 1)`.
    """
    for i, pair in enumerate(reversed(pairs)):
        h = visible_given_hidden(pair, h, temperature)
        h = h.sample(seed=fold_in(fold_in(seed, _DOWN), i))
    return h


def mean_upward(pairs, v):
    """Returns the expected units of the layer above `pairs`, one pass up in expectations."""
    for pair in pairs:
        v = hidden_given_visible(pair, v).mean()
    return v


def mean_downward(pairs, h):
    """Returns the expected units of the layer below `pairs`, one pass down in expectations."""
    for pair in reversed(pairs):
        h = visible_given_hidden(pair, h).mean()
    return h


def _log_downward(pairs, layers):
    """Returns log p(v | h_1) .. p(h_{L-2} | h_{L-1}) of `layers` [v, h_1 .. h_{L-1}]."""
    total = 0.0
    for pair, (low, high) in zip(pairs, itertools.pairwise(layers), strict=False):  # not the top
        x = pair.visible_bias + ops.matmul(high, ops.transpose(pair.kernel))
        total = total + _log_bernoulli(low, x)
    return total


def _log_bernoulli(values, logits):
    """Returns the log-probability of binary `values`, summed over the units."""
    return ops.sum(values * logits - ops.softplus(logits), axis=-1)


def _picked(values, w, seed):
    """Picks one of K `values` `(K, ..., H)` for each frame, in proportion to `w` `(K, ...)`."""
    u = ops.cast(uniform(ops.shape(w)[1:], seed), w.dtype)
    before = ops.cumsum(w, axis=0) - w
    chosen = ops.sum(ops.cast(before[1:] <= u, "int32"), axis=0)
    here = _numbers(w.shape[0], len(w.shape)) == chosen
    return ops.sum(ops.where(here[..., None], values, 0), axis=0)


def _numbers(count, rank):
    """Returns 0 .. count - 1 along the first of `rank` axes."""
    return ops.reshape(ops.arange(count, dtype="int32"), (-1,) + (1,) * (rank - 1))
