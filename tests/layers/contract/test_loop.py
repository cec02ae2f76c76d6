"""A layer gives what Keras's loop over its cell gives, and has its gradients."""

import keras
import numpy as np
import pytest
from backend import value_and_gradients
from layers.contract.members import (
    LOOPED,
    WITHOUT_FEEDBACK,
    B,
    N,
    T,
    all_layers,
    assert_all_close,
    built,
    each_class,
    each_class_with_memories,
    frames,
    looped,
    made,
    new,
    randomised,
    some_states,
    with_dropout,
    with_memories,
)
from layers.helpers import COUNTS, DOUBLE, assert_allclose, mask_of, results_and_gradients

pytestmark = pytest.mark.usefixtures("eagerly")


@LOOPED
@pytest.mark.parametrize("mask", ["no mask", "gaps"])
def test_a_layer_is_its_cell_in_the_loop_of_keras(name, mask):
    layer = made(name, return_sequences=True, return_state=True)
    x, states = frames(), some_states(layer)
    for backwards, zeros, first in [(0, 0, None), (0, 1, states), (1, 0, states)]:
        layer.go_backwards, layer.zero_output_for_mask = bool(backwards), bool(zeros)
        given = {"mask": mask_of(mask), "initial_state": first}
        outputs, *after = layer(x, **given)
        expected = looped(layer)(x, **given)
        assert_all_close([outputs, *after], expected)
    assert_all_close(layer(x, training=True, **given), expected)
    layer.return_state = False
    assert_all_close(layer(x, **given), outputs, 0, 0)
    layer.return_sequences = False
    assert_all_close(layer(x, **given), outputs[:, -1], 0, 0)
    layer.return_state = True
    assert_all_close(layer(x, **given), [outputs[:, -1], *after], 0, 0)


SIZES = [(2, 1), (1, 4)]


@all_layers
def test_gradients_are_those_of_automatic_differentiation(name):
    layer = made(name, return_sequences=True, return_state=True, dtype=DOUBLE)
    rnn = looped(layer)
    for batch, steps, mask in [(B, T, "gaps"), *((*size, "no mask") for size in SIZES)]:
        x, mask = frames(batch, steps, N, dtype=DOUBLE), mask_of(mask)
        states = some_states(layer, batch)
        expected = results_and_gradients(rnn, x, mask, states)
        for training in (True,) if mask is None else (True, False):
            actual = results_and_gradients(layer, x, mask, states, training)
            assert_all_close(actual, expected, atol=1e-9, rtol=1e-9)


@LOOPED
def test_gradients_of_the_last_output_alone_are_those_of_automatic_differentiation(name):
    layer = made(name, dtype=DOUBLE, go_backwards=True, zero_output_for_mask=True)
    x, mask = frames(dtype=DOUBLE), mask_of("padded")
    actual = results_and_gradients(layer, x, mask)
    assert_all_close(actual, results_and_gradients(looped(layer), x, mask), 1e-9, 1e-9)


@with_memories
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_a_state_that_counts_has_no_gradient_and_any_other_has(name, training):
    layer = made(name, return_sequences=True)
    _, gradients = value_and_gradients(
        lambda *states: layer(frames(), initial_state=list(states), training=training),
        *some_states(layer),
    )
    for state, gradient in zip(layer.cell.state_names, gradients, strict=True):
        moves = gradient is not None and np.any(np.asarray(gradient) != 0)
        unread = COUNTS | ({"z"} if name in WITHOUT_FEEDBACK else set())
        assert moves == (state not in unread), state


@each_class
def test_an_unrolled_layer_gives_the_same_and_has_the_same_gradients(name):
    x, mask = frames(dtype=DOUBLE), mask_of("gaps")
    way = {"return_sequences": True, "return_state": True, "dtype": DOUBLE}
    layer, unrolled = made(name, **way), made(name, unroll=True, **way)
    expected = results_and_gradients(layer, x, mask)
    assert_all_close(results_and_gradients(unrolled, x, mask), expected, 1e-9, 1e-9)


@with_memories
def test_every_trainable_weight_has_a_gradient(name):
    layer = made(name)
    _, gradients = results_and_gradients(layer, frames())
    assert len(gradients) == len(layer.trainable_weights) + 1
    for gradient in gradients:
        assert np.any(np.asarray(gradient) != 0)


@with_memories
def test_no_output_has_seen_a_later_frame(name):
    layer = made(name, return_sequences=True)
    x = frames()
    whole = np.asarray(layer(x))
    for t in (1, 3, T - 1):
        other = np.concatenate([x[:, :t], x[:, t:] + 1], axis=1)
        seen = np.asarray(layer(other))
        np.testing.assert_array_equal(seen[:, :t], whole[:, :t])
        assert np.all(np.any(seen[:, t] != whole[:, t], axis=-1))


@with_memories
def test_a_row_without_any_frame_keeps_its_state(name):
    layer = made(name, return_state=True)
    states = some_states(layer)
    _, *after = layer(frames(), mask=mask_of("gaps"), initial_state=states)
    for before, state in zip(states, after, strict=True):
        np.testing.assert_array_equal(state[1], before[1])
        assert np.any(state[0] != before[0])


@each_class_with_memories
def test_a_bidirectional_layer_is_one_each_way(name):
    way = {"return_sequences": True, "zero_output_for_mask": True}  # as it sets by itself
    forward = made(name, **way)
    backward = randomised(built(new(name, go_backwards=True, **way)), seed=7)
    both = keras.layers.Bidirectional(new(name, return_sequences=True))
    both.build((None, None, N))
    both.set_weights([w.numpy() for w in forward.weights + backward.weights])
    x, mask = frames(), mask_of("padded")
    expected = [forward(x, mask=mask), np.flip(backward(x, mask=mask), axis=1)]
    assert_allclose(both(x, mask=mask), np.concatenate(expected, axis=-1), atol=1e-6)


@with_memories
def test_rows_do_not_touch_each_other(name):
    layer = made(name, return_sequences=True)
    x, states = frames(), some_states(layer)
    whole = np.asarray(layer(x, initial_state=states))
    for row in range(B):
        alone = layer(x[row : row + 1], initial_state=[s[row : row + 1] for s in states])
        assert_allclose(alone[0], whole[row], atol=1e-6)


@all_layers
def test_gradients_with_dropout_are_those_of_automatic_differentiation(name):
    way = {"seed": 4, **with_dropout(name, 0.5), "dtype": DOUBLE}
    layers = [made(name, return_sequences=True, return_state=True, **way) for _ in range(2)]
    x, mask, states = frames(dtype=DOUBLE), mask_of("gaps"), some_states(layers[0])
    actual = results_and_gradients(layers[0], x, mask, states)
    expected = results_and_gradients(looped(layers[1]), x, mask, states)
    assert_all_close(actual, expected, 1e-9, 1e-9)
