"""Inside other layers it runs, trains and is saved."""

import keras
import numpy as np
import pytest
from backend import JAX
from layers.contract.members import (
    MEMORIES,
    ONE_A_CLASS,
    B,
    N,
    T,
    each_class_with_memories,
    frames,
    member,
    new,
    randomised,
    train,
)
from layers.helpers import assert_allclose, mask_of

pytestmark = pytest.mark.usefixtures("eagerly")


def two_cells(name):
    cells = [member(name)[1](**member(name)[2]) for _ in range(2)]
    return keras.layers.RNN(cells, return_sequences=True)


WRAPPERS = {
    "bidirectional": lambda name: keras.layers.Bidirectional(new(name, return_sequences=True)),
    "stacked cells": two_cells,
}


@each_class_with_memories
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrapped_it_runs_trains_and_saves(name, wrapper, tmp_path):
    if JAX and name in MEMORIES and wrapper == "stacked cells":
        pytest.skip("on JAX, Keras's loop takes the first state for the output under a mask")
    inputs = keras.Input((None, N))
    masked = keras.layers.Masking()(inputs)
    model = keras.Model(inputs, WRAPPERS[wrapper](name)(masked))
    randomised(model)
    x = frames()
    x[~mask_of("padded")] = 0
    x = x[:, :3]
    before, after = train(model, x)
    assert after < before
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize("name, length", [(ONE_A_CLASS[0], 2), *((n, None) for n in ONE_A_CLASS)])
def test_distributed_over_a_fourth_axis_it_runs_trains_and_saves(name, length, tmp_path):
    layer = new(name)
    inputs = keras.Input((length, T, N))
    model = keras.Model(inputs, keras.layers.TimeDistributed(layer)(inputs))
    randomised(model)
    x = frames(B, 2, T, N)
    expected = np.stack([layer(x[:, i]) for i in range(2)], axis=1)
    assert_allclose(model(x), expected, atol=1e-6)
    before, after = train(model, x)
    assert after < before
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_allclose(loaded(x), model(x), atol=1e-6)
