"""A cell shared by all keys: its equations, its symmetry, what it may hold and its arguments."""

import keras
import numpy as np
import pytest
from backend import EXACT, FINEST
from layers.helpers import assert_allclose
from reference import key_shared as reference

from seqlayers.layers import KeyShared, KeySharedCell, PeepholeLSTMCell, PositionCell
from seqlayers.layers.parts import first_output

V = 9
MASK = np.array([[1, 1, 1, 1, 1], [0, 1, 0, 1, 1]], bool)


@pytest.mark.parametrize("window, octave, others", [(2, 4, 0), (0, None, 3), (8, 12, 2)])
def test_matches_the_equations(rng, window, octave, others):
    inner = keras.layers.SimpleRNNCell(3, bias_initializer="normal", dtype=FINEST)
    layer = KeyShared(inner, window, octave, V if others else None, dtype=FINEST)
    x = rng.normal(size=(2, 4, V + others))
    outputs = layer(x)
    weights = [np.asarray(w.numpy(), "float64") for w in layer.weights]
    expected = [reference.key_shared(row, *weights, V, window, octave) for row in x]
    assert_allclose(outputs, expected, atol=EXACT)


def test_a_frame_that_is_moved_by_some_keys_moves_the_output_by_as_many(rng):
    layer = KeyShared(PeepholeLSTMCell(2), window=3, octave=4)
    x = np.zeros((1, 5, 20), "float32")
    x[..., 6:12] = rng.random((5, 6)) < 0.5
    y = np.asarray(layer(x)).reshape(5, 2, 20)
    for keys in (-5, 3):
        moved = np.asarray(layer(np.roll(x, keys, axis=-1))).reshape(5, 2, 20)
        both = slice(max(keys, 0), 20 + min(keys, 0))
        assert_allclose(moved[..., both], np.roll(y, keys, axis=-1)[..., both], atol=1e-6)
        assert np.any(np.abs(moved - y) > 1e-3)


INNER = {
    "keras cell": lambda: keras.layers.GRUCell(2),
    "keras layer": lambda: keras.layers.LSTM(2, return_sequences=True),
    "stack": lambda: [keras.layers.LSTMCell(3), PeepholeLSTMCell(2)],
}


@pytest.mark.parametrize("inner", INNER)
def test_each_key_is_a_row_of_the_inner_layer(rng, inner, tmp_path):
    layer = KeyShared(INNER[inner](), 1, 4, num_keys=V, return_state=True)
    x = rng.normal(size=(2, 5, V + 1)).astype("float32")
    outputs, *states = layer(x, mask=MASK)
    f = layer.cell.features(keras.ops.swapaxes(x, 0, 1))  # [T, B V, F]
    rows = layer.inner(keras.ops.swapaxes(f, 0, 1), mask=np.repeat(MASK, V, axis=0))
    expected = np.asarray(rows).reshape(2, V, 5, 2).transpose(0, 2, 3, 1).reshape(2, 5, 2 * V)
    assert_allclose(outputs, expected, atol=1e-6)
    before = layer.cell.get_initial_state(2)
    for t in range(5):
        output, after = layer.cell(x[:, t], before)
        before = [
            np.where(MASK[:, t, None], new, old) for new, old in zip(after, before, strict=True)
        ]
    assert_allclose(output, expected[:, -1], atol=1e-6)
    for state, last in zip(states, before, strict=True):
        assert_allclose(state, last, atol=1e-6)
    model = keras.Sequential(
        [
            keras.Input((None, V + 1)),
            layer.from_config(layer.get_config() | {"return_state": False}),
        ]
    )
    model.save(tmp_path / "model.keras")
    assert_allclose(keras.models.load_model(tmp_path / "model.keras")(x), model(x), atol=1e-6)


def test_before_any_frame_the_output_is_zero_unless_the_cell_fixes_it():
    layer = KeyShared(keras.layers.GRUCell(2), 1, 4)
    layer.build((None, None, V))
    np.testing.assert_array_equal(first_output(layer.cell, np.zeros(V)), np.zeros(2 * V))
    layer = KeyShared(PositionCell(2, 0, pass_inputs=False), 1, 4)
    layer.build((None, None, V))
    expected = np.repeat([1, 0], V)
    np.testing.assert_array_equal(first_output(layer.cell, np.zeros(V)), expected)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"inner": 3}, "`inner` must be a recurrent layer, a cell or a list of cells.*=3"),
        ({"inner": []}, "`inner` must be a recurrent layer, a cell or a list of cells"),
        ({"window": -1}, "`window` must be an integer of at least 0"),
        ({"window": 1.5}, "`window` must be an integer"),
        ({"octave": 0}, "`octave` must be an integer of at least 1"),
        ({"num_keys": 0}, "`num_keys` must be an integer of at least 1"),
        ({"window": V + 1}, "`window` must be at most the number of keys.*window=10, and 9 keys"),
        ({"num_keys": V + 1}, "`num_keys` must be at most the number of features.*=10, and 9"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    for part in (KeyShared, KeySharedCell):
        with pytest.raises(ValueError, match=message):
            made = part(**{"inner": keras.layers.GRUCell(2), "window": 1} | arguments)
            made.build((None, V) if part is KeySharedCell else (None, None, V))
