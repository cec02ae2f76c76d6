"""The memory that recalls what followed similar frames: equations, states, masks, arguments."""

import keras
import numpy as np
import pytest
from backend import EXACT, FINEST, value_and_gradients
from layers.helpers import assert_allclose, assert_is_keras_loop, assert_pieces_are_the_whole
from reference import recall as reference

from seqlayers.layers import Recall, RecallCell

V, T, ARGUMENTS = 3, 11, {"longest": 4, "decays": (0.8, 0.3), "sharpness": 2.0}
MASKS = [
    [1] * T,
    [0, 0, *[1] * (T - 2)],
    [1, 1, 1, *[0] * (T - 3)],
    [0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 1],
    [0] * T,
]
MASKS = np.array(MASKS, bool)


def recall(**kwargs):
    return Recall(**ARGUMENTS, return_state=True, **kwargs)


@pytest.fixture
def x(rng):
    return (rng.random((len(MASKS), T, V)) < 0.5).astype("float64")


@pytest.mark.parametrize("steps", [1, 3, 4, 5, T])
def test_matches_the_equations_whether_longer_than_it_looks_back_or_not(x, steps):
    outputs, *_ = recall(dtype=FINEST)(x[:, :steps])
    assert_allclose(outputs, [reference.recall(row[:steps], **ARGUMENTS) for row in x], atol=EXACT)


def test_masked_steps_are_as_if_they_were_not_there(x):
    layer = recall(dtype=FINEST)
    held = np.where(MASKS[..., None], x, np.nan)
    outputs, *states = layer(held, mask=MASKS)
    for row, keep in enumerate(MASKS[:-1]):
        alone, *after = layer(x[row : row + 1, keep])
        assert_allclose(np.asarray(outputs)[row, keep], alone[0], atol=EXACT)
        for state, last in zip(states, after, strict=True):
            assert_allclose(state[row], last[0], atol=EXACT)
    for state in states:
        assert not np.any(state[-1])


def test_pieces_with_the_states_handed_on_are_the_whole(x):
    assert_pieces_are_the_whole(recall(), x, MASKS)


def test_the_layer_is_keras_loop_over_its_cell_also_compiled(x):
    layer, x = recall(), x.astype("float32")
    for rows, mask in ((x, None), (x[:-1], MASKS[:-1])):
        assert_is_keras_loop(layer, rows, mask)


def test_an_output_depends_on_no_later_frame(x):
    layer = recall()

    def sixth(x):
        return keras.ops.sum(layer(x, mask=MASKS)[0][:, 5] ** 2)

    _, (gradient,) = value_and_gradients(sixth, x.astype("float32"))
    assert np.any(gradient[:, :6]) and not np.any(gradient[:, 6:])


def test_a_passage_that_comes_again_is_recalled_frame_by_frame(rng):
    passage = (rng.random((20, 12)) < 0.4).astype("float32")
    x = np.concatenate([passage, rng.random((7, 12)) < 0.4, passage])[None]
    y = np.asarray(Recall(longest=64, decays=(0.9,))(x))[0, 27 + 8 : -1, :12]
    assert_allclose(y, passage[9:], atol=0.05)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"longest": 0}, "`longest` must be an integer from 1 to 100000.*=0"),
        ({"decays": ()}, r"`decays` must not be empty.*=\(\)"),
        ({"decays": (1.0,)}, r"`decays\[0\]` must be a finite number above 0 and below 1.*=1.0"),
        ({"decays": (0.5, 0.5)}, "`decays` must hold each number once"),
        ({"sharpness": 0}, "`sharpness` must be a finite number above 0.*=0"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    for part in (Recall, RecallCell):
        with pytest.raises(ValueError, match=message):
            part(**arguments)


def test_sums_of_large_frames_do_not_overflow_in_half_precision(rng):
    x = 50 * rng.random((2, T, 88))
    outputs = np.asarray(recall(dtype="float16")(x)[0])
    assert outputs.dtype == "float16" and np.isfinite(outputs).all()
    expected = np.asarray(recall(dtype="float32")(x)[0])
    assert_allclose(outputs[..., -2:], expected[..., -2:], rtol=0.01)  # c


def test_a_wrong_number_has_no_advice_on_positions():
    with pytest.raises(ValueError) as error:
        Recall(longest=0)
    assert "Positional" not in str(error.value)
    with pytest.raises(TypeError, match="give all others by name") as error:
        Recall(4, (0.5,), 6.0, 1)
    assert "LSTM" not in str(error.value)
