"""Helpers of the tests of energies."""

import math

import numpy as np
import pytest
from backend import tensor
from keras import ops
from reference import rbm as reference

from seqlayers import energy

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


def assert_mean(draws, expected, errors=5):
    """The mean over the first axis is the expected one, to so many standard errors."""
    draws = np.asarray(draws, "float64")
    error = draws.std(axis=0, ddof=1) / math.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - expected) <= errors * error + 1e-12)
