"""LSTBMs and hidden units of temporal RBMs, and what the reference makes of them."""

import numpy as np
import pytest
from keras import ops
from layers import helpers
from layers.helpers import DOUBLE, B, T, randomised
from reference import lstbm as reference

from seqlayers.layers import LSTBM, BoltzmannRNN
from seqlayers.sampling import row_seeds, uniform

N, J = 2, 4  # different, also from B and T, so that what is transposed does not fit
CLASSES = {
    "paper": (LSTBM, {}),
    "lstm": (LSTBM, {"variant": "lstm"}),
    "boltzmann": (BoltzmannRNN, {}),
    "without bias": (LSTBM, {"use_bias": False}),
}
all_classes = pytest.mark.parametrize("name", CLASSES)


def made(name, **kwargs):
    cls, arguments = CLASSES[name]
    known = {"return_sequences": True, "return_state": True, "jit_compile": False}
    known |= {"dtype": DOUBLE, "seed": 5}
    layer = cls(J, **known | arguments | kwargs)
    layer.build((None, None, N))
    return randomised(layer)


def frames(dtype=DOUBLE, batch=B):
    return helpers.frames(batch, T, N, dtype=dtype)


def numbers(layer, batch=B):
    """Uniform numbers for the next call of a layer, `(batch, time, columns)`."""
    seed = ops.cast(layer.cell.seed_generator.state, "int32")
    columns = layer.cell.kernel.shape[1]
    u = np.asarray(uniform((T, batch, columns), row_seeds(seed, T)))
    return np.swapaxes(u, 0, 1).astype("float64")


def in_the_paper(layer, arrays, row, states, unit=reference.expected):
    """h, and c of an LSTBM, after each frame of a row."""
    arrays = (*arrays, None)[:3]
    if isinstance(layer, BoltzmannRNN):
        return reference.boltzmann(arrays, row, *states, unit)
    return reference.lstbm(arrays, row, *states, layer.variant, unit)
