"""Delay: a sequence one step late."""

import keras
import numpy as np
import pytest
from backend import compiled, graph, tensor, value_and_gradients
from keras import ops
from layers.helpers import DOUBLE

from seqlayers.layers import Delay, delay


def looped(x, first, mask=None):
    """y_1 = first, y_t = x_{t-1}; `first` again where no frame has come before."""
    y = np.zeros_like(x)
    for row in range(len(x)):
        seen = False
        for t in range(x.shape[1]):
            y[row, t] = x[row, t - 1] if seen else (first if first.ndim == 1 else first[row])
            seen = seen or mask is None or mask[row, t]
    return y


MASKS = {
    "none": None,
    "all": [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]],
    "padded": [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]],
    "gap in front": [[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 0, 1]],
    "gap in the middle": [[1, 0, 0, 1, 1], [1, 1, 0, 1, 0], [0, 1, 0, 1, 1]],
    "nothing": [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]],
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("rows", [False, True], ids=["one first", "a first a row"])
def test_every_step_holds_the_one_before_and_the_first_what_was_known(rng, name, rows):
    x = rng.normal(size=(3, 5, 2)).astype("float32")
    first = rng.normal(size=(3, 2) if rows else 2).astype("float32")
    mask = None if MASKS[name] is None else np.array(MASKS[name], bool)
    actual = delay(tensor(x), tensor(first), mask)
    np.testing.assert_array_equal(actual, looped(x, first, mask))


@pytest.mark.parametrize("made", [graph, compiled])
def test_compiled_it_is_the_same(rng, made):
    x, first = rng.normal(size=(3, 5, 2)).astype("float32"), np.ones(2, "float32")
    mask = np.array(MASKS["gap in the middle"], bool)
    actual = made(delay)(x, first, mask)
    np.testing.assert_array_equal(actual, looped(x, first, mask))


def test_a_sequence_of_one_step_becomes_the_first():
    np.testing.assert_array_equal(delay(ops.ones((2, 1, 3)), ops.zeros(3)), np.zeros((2, 1, 3)))


def test_no_step_has_seen_itself_or_what_comes_later(rng):
    x = rng.normal(size=(1, 5, 2)).astype("float32")
    for t in range(5):
        _, (gradient,) = value_and_gradients(lambda x: Delay()(x)[:, t], x)  # noqa: B023
        np.testing.assert_array_equal(np.any(gradient[0] != 0, axis=1), np.arange(5) == t - 1)


def test_the_first_step_is_learned():
    layer = Delay(initializer="ones")
    layer.build((2, 3, 4))
    _, (gradient, _) = value_and_gradients(layer, ops.zeros((2, 3, 4)), variables=[layer.first])
    np.testing.assert_array_equal(layer.first, np.ones(4))
    np.testing.assert_array_equal(gradient, [2, 2, 2, 2])


def test_config_makes_the_same_layer_again():
    layer = Delay(initializer=keras.initializers.Constant(0.5), name="past", dtype=DOUBLE)
    config = layer.get_config()
    again = Delay.from_config(config)
    assert again.get_config() == config
    again.build((None, None, 2))
    np.testing.assert_array_equal(again.first, [0.5, 0.5])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_keeps_the_type_of_its_policy(policy):
    layer = Delay(dtype=policy)
    y = layer(np.ones((1, 3, 2)))
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    np.testing.assert_array_equal(np.asarray(y[0, :, 0]).astype("float32"), [0, 1, 1])


def test_a_mask_passes_through_and_is_used():
    x = np.ones((1, 4, 2), "float32")
    x[0, :2] = 0
    frames = keras.Input((None, 2))
    masked = keras.layers.Masking()(frames)
    model = keras.Model(frames, Delay(initializer=keras.initializers.Constant(7.0))(masked))
    y = model(x)
    np.testing.assert_array_equal(y[0, :, 0], [7, 7, 7, 1])
    np.testing.assert_array_equal(y._keras_mask, [[False, False, True, True]])


def test_symbolic_shape_is_that_of_the_input():
    assert Delay()(keras.Input((None, 3))).shape == (None, None, 3)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4, 5)])
def test_other_axes_are_refused(shape):
    with pytest.raises(ValueError, match="expected ndim=3"):
        Delay()(np.ones(shape))


def test_integers_become_floats_and_keep_the_first_step():
    layer = Delay(initializer=keras.initializers.Constant(0.5))
    y = layer(np.ones((1, 3, 2), "int32"))
    np.testing.assert_array_equal(y[0, :, 0], [0.5, 1, 1])
