"""Helpers of the tests of energies."""

import math

import backend
import numpy as np
import pytest
from backend import tensor
from keras import ops
from reference import rbm as reference

from seqlayers import energy

all_estimates = pytest.mark.parametrize("name", ["ais", "reverse", "bridge"])
all_visibles = pytest.mark.parametrize("visibles", energy.VISIBLES)


def tensors(rbm, dtype="float32"):
    """The `RBMParams` of an RBM of the reference."""
    W, b, c = (tensor(a, dtype) for a in rbm[:3])
    name, own = reference.visibles(rbm)
    return energy.RBMParams(W, b, c, energy.VISIBLES[name](*(tensor(a, dtype) for a in own)))


def many(params, count):
    """The same RBM `count` times, a row of biases each."""
    b, c = (ops.repeat(bias[None], count, 0) for bias in (params.visible_bias, params.hidden_bias))
    return params._replace(visible_bias=b, hidden_bias=c)


def only_one_has_frames(rbm, which):
    """An RBM of the reference with a row for each frame in the visible or the hidden biases alone,
    and the same with these rows in both."""
    rbm = {"visible": rbm._replace(c=rbm.c[0]), "hidden": rbm._replace(b=rbm.b[0])}[which]
    b, c = np.broadcast_arrays(rbm.b[..., :1], rbm.c[..., :1])
    b, c = np.zeros_like(b) + rbm.b, np.zeros_like(c) + rbm.c
    return rbm, rbm._replace(b=b, c=c)


def exact_loss(params, v):
    """The mean of -log p(v)."""
    return ops.mean(energy.free_energy(params, v)) + ops.mean(energy.log_partition(params).nats)


def eagerly(name, params, v, seed, num_betas=100, num_chains=10):
    """An estimate of log Z by its name; the reverse one alone needs frames `v`."""
    if name == "reverse":
        return energy.reverse_log_partition(params, v, seed, num_betas, num_chains)
    way = {"ais": energy.ais_log_partition, "bridge": energy.bridge_log_partition}[name]
    return way(params, seed, num_betas, num_chains)


estimate = backend.graph(eagerly, static=["name", "num_betas", "num_chains"])


def assert_mean(draws, expected, errors=5):
    """The mean over the first axis is the expected one, to so many standard errors."""
    draws = np.asarray(draws, "float64")
    error = draws.std(axis=0, ddof=1) / math.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - expected) <= errors * error + 1e-12)
