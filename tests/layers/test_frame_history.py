"""The history of frames: its equations, states, masks and arguments."""

import keras
import numpy as np
import pytest
from backend import EXACT, FINEST, value_and_gradients
from layers.helpers import assert_allclose, assert_is_keras_loop, assert_pieces_are_the_whole
from reference import frame_history as reference

from seqlayers.layers import FrameHistory, FrameHistoryCell

LAGS, DECAYS, V, T = (2, 1, 5), (0.5, 0.9), 3, 9
MASKS = [
    [1] * T,
    [0, 0, 1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0, 0, 0, 0, 0],
    [0, 1, 0, 0, 1, 1, 0, 1, 0],
]
MASKS = np.array(MASKS, bool)


def history(**kwargs):
    return FrameHistory(LAGS, DECAYS, return_state=True, **kwargs)


@pytest.fixture
def x(rng):
    return rng.normal(size=(len(MASKS), T, V))


def test_matches_the_equations(x):
    outputs, *_ = history(dtype=FINEST)(x)
    expected = [reference.frame_history(row, LAGS, DECAYS) for row in x]
    assert_allclose(outputs, expected, atol=EXACT)


def test_masked_steps_are_as_if_they_were_not_there(x):
    layer = history(dtype=FINEST)
    held = np.where(MASKS[..., None], x, np.nan)
    outputs, *states = layer(held, mask=MASKS)
    for row, keep in enumerate(MASKS):
        alone, *after = layer(x[row : row + 1, keep])
        assert_allclose(np.asarray(outputs)[row, keep], alone[0], atol=EXACT)
        for state, last in zip(states, after, strict=True):
            assert_allclose(state[row], last[0], atol=EXACT)


@pytest.mark.parametrize("lags, decays", [((3,), ()), ((), (0.2,)), (LAGS, DECAYS)])
def test_pieces_with_the_states_handed_on_are_the_whole(x, lags, decays):
    assert_pieces_are_the_whole(FrameHistory(lags, decays, return_state=True), x, MASKS)


def test_the_layer_is_keras_loop_over_its_cell_also_compiled(x):
    layer, x = history(), x.astype("float32")
    for mask in (None, MASKS):
        assert_is_keras_loop(layer, x, mask)


@pytest.mark.parametrize("mask", [None, MASKS], ids=["whole", "masked"])
def test_an_output_depends_on_no_later_frame_and_has_the_gradient_of_those_before(x, mask):
    layer = FrameHistory((1, 3), ())

    def fourth(x):
        return keras.ops.sum(layer(x, mask=mask)[:, 4])

    _, (gradient,) = value_and_gradients(fourth, x.astype("float32"))
    keep = np.ones((len(x), T), bool) if mask is None else mask
    expected = np.zeros((len(x), T))
    for row in range(len(x)):
        read = np.flatnonzero(keep[row, :5])[::-1]
        expected[row, read[[i for i in (0, 2) if i < len(read)]]] = 1
    np.testing.assert_array_equal(gradient, np.repeat(expected[..., None], V, axis=-1))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"lags": (1, 0)}, r"`lags\[1\]` must be an integer from 1 to 100000.*=0"),
        ({"lags": (1, 10**9)}, r"`lags\[1\]` must be an integer from 1 to 100000.*=1000000000"),
        ({"lags": (1.5,)}, r"`lags\[0\]` must be an integer.*=1.5"),
        ({"lags": (True,)}, r"`lags\[0\]` must be an integer.*=True"),
        ({"lags": (2, 2)}, r"`lags` must hold each number once.*\(2, 2\)"),
        ({"lags": 3}, "`lags` must be a list of numbers.*=3"),
        (
            {"decays": (0.5, 1.0)},
            r"`decays\[1\]` must be a finite number above 0 and below 1.*=1.0",
        ),
        ({"decays": (0,)}, r"`decays\[0\]` must be a finite number above 0 and below 1.*=0"),
        ({"decays": (0.5, 0.5)}, "`decays` must hold each number once"),
        ({"lags": (), "decays": ()}, "`lags` or `decays` must not be empty"),
    ],
)
def test_wrong_lags_and_decays_are_refused_by_name(arguments, message):
    for part in (FrameHistory, FrameHistoryCell):
        with pytest.raises(ValueError, match=message):
            part(**arguments)
