"""All recurrent layers and their cells, for the tests of what each of them keeps.

A new layer joins by one line in LAYERS. A layer is a `keras.layers.RNN` with a cell, and must agree
with Keras's own loop over that cell. Those of MEMORIES have neither units nor weights of their own,
and keep what does not speak of these; the one of them here is made of all the others.
"""

import inspect

import keras
import numpy as np
import pytest
from backend import JAX
from layers import helpers

from seqlayers.layers import (
    LSTBM,
    SFM,
    AdaptiveSFM,
    AdaptiveSFMCell,
    BoltzmannCell,
    BoltzmannRNN,
    ConvLSTMPatch,
    ConvLSTMPatchCell,
    FrameHistoryCell,
    Joined,
    JoinedCell,
    KeySharedCell,
    LSTBMCell,
    PeepholeLSTM,
    PeepholeLSTMCell,
    PositionCell,
    RecallCell,
    SFMCell,
    TanhGated,
    TanhGatedCell,
)

N, B, T = 3, helpers.B, helpers.T

SMALL = {"units": 4, "num_frequencies": 3, "memory_units": 5}
ADDED_UP = {"phase": "accumulated"}
STEADY = {"output_scale": "mean", "gradient_clip": 0.1, "detach_frequency": True}
PATCHES = {"units": 4, "patch_size": 2, "patch_stride": 1, "pool_size": 1, "flatten": True}
LAYERS = {
    "sfm": (SFM, SFMCell, SMALL),
    "sfm per frequency": (SFM, SFMCell, SMALL | {"recurrent_output": "per_frequency"}),
    "sfm learned": (SFM, SFMCell, SMALL | {"frequencies": "log", "learn_frequencies": True}),
    "sfm parallel": (SFM, SFMCell, SMALL | {"gates": "input"}),
    "adaptive": (AdaptiveSFM, AdaptiveSFMCell, SMALL),
    "adaptive accumulated": (AdaptiveSFM, AdaptiveSFMCell, SMALL | ADDED_UP),
    "adaptive parallel": (AdaptiveSFM, AdaptiveSFMCell, SMALL | {"gates": "input", **ADDED_UP}),
    "adaptive steady": (
        AdaptiveSFM,
        AdaptiveSFMCell,
        SMALL | STEADY | {"frequencies": [3.0, 24.0]},
    ),
    "peephole lstm": (PeepholeLSTM, PeepholeLSTMCell, {"units": 4, "projection_units": 3}),
    "patches": (ConvLSTMPatch, ConvLSTMPatchCell, PATCHES),
    "lstbm": (LSTBM, LSTBMCell, {"units": 4}),
    "boltzmann": (BoltzmannRNN, BoltzmannCell, {"units": 4}),
    "tanh gated": (TanhGated, TanhGatedCell, {"units": 4, "gate_activation": "tanh"}),
    "sigmoid gated": (TanhGated, TanhGatedCell, {"units": 4, "gate_activation": "sigmoid"}),
}


def parts(dtype):
    """Parts of a `Joined` layer, as in a config: each layer makes its own of them."""
    cells = [
        FrameHistoryCell((1, 3), (0.5,), dtype=dtype),
        PositionCell(3, dtype=dtype),
        RecallCell(2, (0.5,), dtype=dtype),
        KeySharedCell(PeepholeLSTMCell(2, dtype=dtype), 1, 2, dtype=dtype),
    ]
    return {"parts": [keras.saving.serialize_keras_object(cell) for cell in cells]}


MEMORIES = {"joined": (Joined, JoinedCell, parts)}
SHARED = {"patches"}  # weights that read several parts of a frame
ACTIVATIONS = {"activation", "recurrent_activation"}
FIXED = {  # arguments of an LSTM that the model leaves no choice in
    "lstbm": ACTIVATIONS,
    "boltzmann": ACTIVATIONS | {"unit_forget_bias"},
    "tanh gated": {"recurrent_activation", "unit_forget_bias"},
    "sigmoid gated": {"recurrent_activation", "unit_forget_bias"},
}
WITHOUT_FEEDBACK = {"sfm parallel", "adaptive parallel"}  # of the output, so no weights for it
OVERFLOW = {"adaptive"}  # the angle w t: its slope grows with t at every frame


def one_a_class(names):
    return list({LAYERS[name][0]: name for name in reversed(names)}.values())


ONE_A_CLASS = [*one_a_class(list(LAYERS)), "adaptive parallel"]
all_layers = pytest.mark.parametrize("name", LAYERS)
each_class = pytest.mark.parametrize("name", ONE_A_CLASS)
with_memories = pytest.mark.parametrize("name", [*LAYERS, *MEMORIES])
each_class_with_memories = pytest.mark.parametrize("name", [*ONE_A_CLASS, *MEMORIES])
# On JAX, Keras's loop takes the first state for the output where a step is masked.
LOOPED = pytest.mark.parametrize("name", [*LAYERS, *([] if JAX else MEMORIES)])
each_part = pytest.mark.parametrize("part", [0, 1], ids=["layer", "cell"])


def arguments_of(cls):
    return {k: p for k, p in inspect.signature(cls).parameters.items() if p.kind != p.VAR_KEYWORD}


def without_fixed(name, arguments):
    return {k: v for k, v in arguments.items() if k not in FIXED.get(name, ())}


def with_dropout(name, rate):
    """Arguments of all the dropout that there is."""
    return {"dropout": rate} | ({} if name in WITHOUT_FEEDBACK else {"recurrent_dropout": rate})


def member(name, dtype=None):
    """The class of a layer, that of its cell, and arguments of both."""
    cls, cell, arguments = (LAYERS | MEMORIES)[name]
    return cls, cell, arguments(dtype) if callable(arguments) else arguments


def new(name, **kwargs):
    cls, _, arguments = member(name, kwargs.get("dtype"))
    if name in MEMORIES:
        arguments = {"return_sequences": False} | arguments
    return cls(**arguments | {"jit_compile": False} | kwargs)


def built(layer):
    if not layer.built:
        layer.build((B if layer.stateful else None, None, N))
    return layer


def made(name, **kwargs):
    """A built layer with weights of some size. What they start from costs time and is zero."""
    zeros = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros"}
    zeros = {} if name in MEMORIES else zeros
    return randomised(built(new(name, **zeros | kwargs)))


def randomised(layer, seed=1):
    return helpers.randomised(layer, 0.5, seed)


def looped(layer):
    return helpers.looped(layer, N)


def assert_all_close(actual, expected, atol=1e-5, rtol=1e-5):
    helpers.assert_all_close(actual, expected, atol, rtol)


def frames(*shape, **kwargs):
    return helpers.frames(*shape or (B, T, N), **kwargs)


def some_states(layer, batch=B):
    """States after three frames: all that is in them can be, whatever it means."""
    states = layer.cell.get_initial_state(batch_size=batch)
    for t in range(3):
        _, states = layer.cell(frames(batch, N, dtype=layer.compute_dtype, seed=t), states)
    return [np.asarray(s) for s in states]


def hard_rows():
    """Silence, constants, loudness and nothing at all, each as a row."""
    silent, loud = np.zeros((T, N), "float32"), np.full((T, N), 50, "float32")
    by_turns = np.where(np.arange(T)[:, None] % 2, loud, silent)
    x = np.stack([silent, silent + 1, loud, by_turns, silent, frames(T, N)])
    mask = np.ones((len(x), T), bool)
    mask[4:] = helpers.mask_of("gaps")[:2]
    return x, mask


def sequential(name, **kwargs):
    layer = new(name, **kwargs)
    model = keras.Sequential([keras.Input((None, N)), layer])
    randomised(layer)
    return model


def train(model, x):
    """Two steps of training towards zeros; returns the loss before each."""
    model.compile(keras.optimizers.SGD(0.1), loss="mse", run_eagerly=True, jit_compile=False)
    y = np.zeros(model(x).shape, "float32")
    return [float(model.train_on_batch(x, y)) for _ in range(2)]
