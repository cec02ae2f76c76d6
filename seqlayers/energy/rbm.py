"""The restricted Boltzmann machine, as functions over its parameters.

    E(v, h) = U(v) - c.h - f(v) W h                             energy
    F(v)    = -log sum_h exp(-E(v, h))
            = U(v) - sum_j softplus(c_j + f(v) W_j)             free energy

W is `kernel`, b `visible_bias`, c `hidden_bias`. U and f depend on the kind of visible units: -b.v
and v if they are Bernoulli, 1/2 |(v - b) / s|^2 and v / s^2 if Gaussian; all kinds are in
`seqlayers.energy.visibles`. In a conditional RBM b and c have leading axes, a row for each frame;
`v` then has the same leading axes, and the chains of all frames run at once. Energies are in nats.
References: RNN-DBN paper (K. Goel, R. Vohra and J. K. Sahoo, Polyphonic Music Generation by
Modeling Temporal Dependencies Using a RNN-DBN, ICANN 2014), equations 1-7, for Bernoulli
visibles; LSTBM paper (T. Nakashika, LSTBM: a Novel Sequence Representation of Speech Spectra
Using Restricted Boltzmann Machine with Long Short-Term Memory, Interspeech 2018), equation 2, for
Gaussian ones.
"""

import inspect
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.energy.visibles import Bernoulli
from seqlayers.masks import masked_mean, without_masked
from seqlayers.sampling import bernoulli, fold_in


class _Params(NamedTuple):
    kernel: Any  # W [V, H]
    visible_bias: Any  # b [V] or [..., V]
    hidden_bias: Any  # c [H] or [..., H]
    visibles: Any = Bernoulli()  # or `Gaussian(log_variance)`, `Gamma(log_shape)`


class RBMParams(_Params):
    """Parameters of an RBM; in a conditional one both biases have a row for each frame.

    Args:
        kernel: W, `(V, H)`.
        visible_bias: b, `(V,)` or `(..., V)`.
        hidden_bias: c, `(H,)` or `(..., H)`.
        visibles: `Bernoulli()`, `Gaussian(log_variance)` or `Gamma(log_shape)`.

    Raises:
        ValueError: If the shapes do not fit, which might broadcast.
    """

    __slots__ = ()
    __signature__ = inspect.signature(_Params)

    def __new__(cls, *args, **kwargs):
        params = super().__new__(cls, *args, **kwargs)
        W, b, c = (getattr(part, "shape", None) for part in params[:3])
        if W is not None:
            fits = len(W) == 2
            for shape, size in zip((b, c), W, strict=False):
                fits = fits and (shape is None or (len(shape) > 0 and shape[-1] in (None, size)))
            if not fits:
                shapes = [None if shape is None else tuple(shape) for shape in (W, b, c)]
                raise ValueError(
                    "`RBMParams` must be a kernel (V, H), visible biases (..., V) and hidden "
                    "biases (..., H). Received: shapes "
                    f"kernel={shapes[0]}, visible_bias={shapes[1]}, hidden_bias={shapes[2]}."
                )
        return params


def features(params, v):
    """Returns f(v), the input of the hidden units, `(..., V)`.

    Args:
        params: `RBMParams`.
        v: Visible units, `(..., V)`.

    Raises:
        ValueError: If `v` has another number of units.
    """
    V = params.kernel.shape[0]
    if len(np.shape(v)) == 0 or np.shape(v)[-1] not in (None, V):
        raise ValueError(
            f"`v` must have {V} visible units, as `params` has. Received: shape {np.shape(v)}."
        )
    return params.visibles.features(v)


def free_energy(params, v):
    """Computes the free energy F(v) in nats: p(v) = exp(-F(v)) / Z.

    Args:
        params: `RBMParams`.
        v: Visible units, `(..., V)`.

    Returns:
        A tensor `(...)`.
    """
    x = params.hidden_bias + ops.matmul(features(params, v), params.kernel)
    return params.visibles.energy(params, v) - ops.sum(ops.softplus(x), axis=-1)


def hidden_given_visible(params, v, temperature=1.0):
    """Returns p(h | v), a `Bernoulli` over `(..., H)`.

    Args:
        params: `RBMParams`.
        v: Visible units, `(..., V)`.
        temperature: Divisor of the energy, a number or a tensor that broadcasts with `(..., 1)`.
    """
    x = params.hidden_bias + ops.matmul(features(params, v), params.kernel)
    return bernoulli(x / temperature)


def visible_given_hidden(params, h, temperature=1.0):
    """Returns p(v | h), a `Bernoulli`, `Normal` or `Gamma` over `(..., V)`.

    Args:
        params: `RBMParams`.
        h: Hidden units, `(..., H)`.
        temperature: As in `hidden_given_visible`.
    """
    return visible_given_input(params, ops.matmul(h, ops.transpose(params.kernel)), temperature)


def visible_given_input(params, hidden_input, temperature=1.0):
    """Returns p(v | h), as `visible_given_hidden`.

    Args:
        params: `RBMParams`.
        hidden_input: h W^T, `(..., V)`.
        temperature: Divides the energy.
    """
    return params.visibles.given_input(params, hidden_input, temperature)


def mean_field(params, v):
    """Returns E[v | E[h | v]], one pass up and down in expectations: a reconstruction.

    Args:
        params: `RBMParams`.
        v: Visible units, `(..., V)`.
    """
    return visible_given_hidden(params, hidden_given_visible(params, v).mean()).mean()


def independent(params):
    """Returns an RBM without interactions near the given one: `RBMParams` with a kernel of zeros.

    Bernoulli: each visible unit as if it were alone. Gaussian: as after one pass up and down from
    b. Gamma: between the v and h of mean field and the loudest that v can be.

    Args:
        params: `RBMParams`.
    """
    return params.visibles.independent(params)


def centered(params, visible_offset, hidden_offset):
    """Returns the RBM whose energy is written in v - m and h - l, as an ordinary one.

    -b.(v - m) - c.(h - l) - (v - m) W (h - l) is, up to a constant, an RBM with biases b - W l and
    c - m W. It has the same distributions; its gradients are those of the centered RBM, which do
    not push the biases when they move the weights.
    Reference: J. Melchior, A. Fischer and L. Wiskott, How to Center Deep Boltzmann Machines, JMLR
    2016.

    Args:
        params: `RBMParams` of the centered energy.
        visible_offset: m, `(V,)`.
        hidden_offset: l, `(H,)`.

    Raises:
        ValueError: If visibles are gamma, whose rates v W l could bring below 0.
    """
    if not params.visibles.CAN_CENTER:
        raise ValueError(
            "A centered RBM needs Bernoulli or Gaussian visibles. "
            f"Received: {params.visibles.NAME} visibles."
        )
    W, b, c, _ = params
    b = b - ops.matmul(W, hidden_offset)
    c = c - ops.matmul(features(params, visible_offset), W)
    return params._replace(visible_bias=b, hidden_bias=c)


def gibbs(params, v, steps, seed, temperature=1.0):
    """Runs Gibbs sampling, `steps` times v -> h -> v, on all rows of `v` at once.

    Args:
        params: `RBMParams`.
        v: Start of the chains, `(..., V)`.
        steps: Number of steps, an int or a scalar tensor.
        seed: int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each other.
        temperature: Divisor of the energy: above 1 is bolder, below 1 safer. A number or a tensor
            that broadcasts with `(..., 1)`.

    Returns:
        The visible units after the last step, `(..., V)`.

    Raises:
        ValueError: If `steps` is not an integer of at least 0.
    """
    if not ops.is_tensor(steps):
        steps = check_integer("steps", steps, least=0)

    def step(k, v):
        h = hidden_given_visible(params, v, temperature).sample(seed=fold_in(seed, 2 * k))
        v = visible_given_hidden(params, h, temperature)
        return v.sample(seed=fold_in(seed, 2 * k + 1))

    return ops.fori_loop(0, steps, step, v)


def contrastive_divergence(params, v, steps, seed, mask=None):
    """Computes CD-k: a scalar whose gradient estimates that of the mean of -log p(v).

    Args:
        params: `RBMParams`; gradients flow to them and through the biases to a memory.
        v: Data, `(..., V)`.
        steps: Number k of Gibbs steps, which start at the data.
        seed: int32 `(2,)` or `(rows, 2)`.
        mask: Which frames count, bool `(...)`; all if None.

    Returns:
        A scalar: the mean difference in free energy between the data and the samples. It is a
        monitor of the chains, not a likelihood.
    """
    v = without_masked(v, mask)
    v_model = ops.stop_gradient(gibbs(params, v, steps, seed))
    return masked_mean(free_energy(params, v) - free_energy(params, v_model), mask)


def persistent_contrastive_divergence(params, v, chains, steps, seed, mask=None):
    """Computes PCD-k: CD-k with chains that go on from the last update, not from the data.

    Args:
        params: `RBMParams` without leading axes in the biases: if the biases move with the frame
            there is no distribution for a chain to stay in.
        v: Data, `(..., V)`.
        chains: State of the chains, `(C, V)`.
        steps: Number k of Gibbs steps.
        seed: int32 `(2,)`.
        mask: Which frames count, bool `(...)`; all if None.

    Returns:
        The scalar to descend and the new state of the chains.

    Raises:
        ValueError: If the biases have leading axes.
    """
    if len(params.visible_bias.shape) > 1 or len(params.hidden_bias.shape) > 1:
        raise ValueError(
            "Persistent chains need one distribution to stay in; use `contrastive_divergence` "
            "where biases have a row for each frame. Received: "
            f"visible_bias.shape={tuple(params.visible_bias.shape)}, "
            f"hidden_bias.shape={tuple(params.hidden_bias.shape)}."
        )
    v = without_masked(v, mask)
    chains = ops.stop_gradient(gibbs(params, chains, steps, seed))
    loss = masked_mean(free_energy(params, v), mask) - ops.mean(free_energy(params, chains))
    return loss, chains
