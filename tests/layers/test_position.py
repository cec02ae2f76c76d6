"""The position of the next frame: its equations, masks, long counts and arguments."""

import keras
import numpy as np
import pytest
from backend import compiled
from layers.helpers import UNROLLED
from reference import frame_history as reference

from seqlayers.layers import Position, PositionCell
from seqlayers.layers.parts import first_output

MASK = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 1, 0, 1, 0]], bool)


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, 6, 3)).astype("float32")


def test_matches_the_equations_and_keras_loop_also_compiled(x):
    layer = Position(4, first_steps=2)
    np.testing.assert_allclose(
        layer(x), [reference.position(row, 4, 2) for row in x.astype("float64")], atol=1e-6
    )
    expected = keras.layers.RNN(layer.cell, return_sequences=True, **UNROLLED)(x, mask=MASK)
    for run in (layer, compiled(lambda x, mask: layer(x, mask=mask))):
        np.testing.assert_array_equal(
            run(np.where(MASK[..., None], x, np.nan), mask=MASK), expected
        )
    alone = layer(x[1:, MASK[1]])[0]
    np.testing.assert_array_equal(np.asarray(expected)[1, MASK[1]], alone)


def test_before_any_frame_the_next_one_is_number_zero():
    for cell, expected in [
        (PositionCell(4), [0.5, 1, 0, 0, 0, 1, 0, 0]),
        (PositionCell(pass_inputs=False), [1, 0, 0]),
        (PositionCell(2, first_steps=0, pass_inputs=False), [1, 0]),
    ]:
        np.testing.assert_array_equal(first_output(cell, np.array([0.5])), expected)


@pytest.mark.parametrize("policy", ["float32", "bfloat16", "float16"])
def test_a_count_is_exact_at_any_length_and_in_any_type(policy):
    layer = Position(7, return_state=True, dtype=policy)
    x, state = np.zeros((1, 600, 1)), [np.array([[255, 255, 1]])]  # after frame 2^17 - 1
    outputs, clock = layer(x, initial_state=state)
    expected = (2**17 + np.arange(600)) % 7
    np.testing.assert_array_equal(
        np.argmax(np.asarray(outputs, "float32")[0, :, 1:8], -1), expected
    )
    again, _ = layer(x[:, :1], initial_state=[clock])
    assert np.argmax(np.asarray(again, "float32")[0, 0, 1:8]) == (2**17 + 600) % 7


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"metre": 0}, "`metre` must be an integer of at least 1.*metre=0"),
        ({"metre": 2.5}, "`metre` must be an integer"),
        ({"first_steps": -1}, "`first_steps` must be an integer of at least 0"),
        ({"pass_inputs": 2}, "`pass_inputs` must be True or False"),
        (
            {"first_steps": 0, "pass_inputs": False},
            "`metre`, `first_steps` or `pass_inputs` must be",
        ),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    for part in (Position, PositionCell):
        with pytest.raises(ValueError, match=message):
            part(**arguments)
