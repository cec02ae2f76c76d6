"""Temporal RBMs with weights of some size, and frames for them."""

import json

import numpy as np
import pytest
from reference import temporal_rbm

from seqlayers.models import RTRBM, TRBM, LSTBMModel

V, J = 3, 2
MODELS = {
    "trbm": (TRBM, {}),
    "rtrbm": (RTRBM, {}),
    "lstbm": (LSTBMModel, {}),
    "lstm": (LSTBMModel, {"variant": "lstm"}),
}
all_models = pytest.mark.parametrize("name", MODELS)
all_visibles = pytest.mark.parametrize("visibles", ["gaussian", "gamma", "bernoulli"])
PAST = {"context_visible": True, "learn_initial_context": True}
recurrent = pytest.mark.parametrize("name", ["rtrbm", "lstbm", "lstm"])


def made(name, visibles="gaussian", units=(V, J), scale=0.7, **kwargs):
    """A model with weights of some size, the same ones each time."""
    cls, arguments = MODELS[name]
    known = {"seed": 0, "dtype": "float64", "jit_compile": False}
    model = cls(*units, visibles, **known | arguments | kwargs)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(scale * rng.normal(size=weight.shape))
    if model.head.centering_rate is not None:
        model.head.visible_offset.assign(rng.normal(size=units[0]))
        model.head.hidden_offset.assign(rng.random(model.head.hidden_units))
    return model


def frames_for(visibles="gaussian", *shape, units=V, seed=2):
    rng, shape = np.random.default_rng(seed), (*shape, units)
    if visibles == "bernoulli":
        return rng.integers(0, 2, shape) * 1.0
    return rng.normal(size=shape) if visibles == "gaussian" else rng.gamma(2.0, size=shape)


def in_numpy(model):
    cell, head = model.memory.cell, model.head
    weights = [cell.kernel, cell.recurrent_kernel, cell.bias, head.visible_bias]
    weights += [head.log_variance, head.log_shape]
    weights = [None if w is None else w.numpy().astype("float64") for w in weights]
    offsets = {}
    if head.centering_rate is not None:
        offsets = {"m": head.visible_offset.numpy(), "l": head.hidden_offset.numpy()}
    past = {}
    if head.context_visible_kernel is not None:
        past["W_uv"] = head.context_visible_kernel.numpy()
    past["h_0"] = model.initial_context.numpy()
    return temporal_rbm.TemporalRBM(*weights, getattr(cell, "variant", None), **offsets, **past)


def mask_of(*lengths, time):
    return np.arange(time) < np.array(lengths)[:, None]


def as_json(config):
    return json.loads(json.dumps(config))  # where tuples and lists are the same


def values_of(variables):
    return [v.numpy() for v in variables]


def assert_equal(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, e)
