"""Masked steps are as if they were not there."""

import keras
import numpy as np
import pytest
from layers.contract.members import (
    B,
    N,
    T,
    assert_all_close,
    each_class_with_memories,
    frames,
    made,
    some_states,
    with_memories,
)
from layers.helpers import assert_allclose, mask_of, results_and_gradients

pytestmark = pytest.mark.usefixtures("eagerly")


@with_memories
def test_padded_or_not_the_outputs_and_states_are_the_same(name):
    layer = made(name, return_sequences=True, return_state=True)
    x, mask = frames(), mask_of("padded")
    outputs, *states = layer(x, mask=mask)
    for row, length in enumerate(mask.sum(axis=1)):
        short, *after = layer(x[row : row + 1, :length])
        assert_allclose(outputs[row, :length], short[0], atol=1e-5)
        assert_all_close([s[row] for s in states], [s[0] for s in after])


@with_memories
def test_frames_between_gaps_are_as_if_the_gaps_were_not_there(name):
    layer = made(name, return_sequences=True, return_state=True)
    x, mask = frames(), mask_of("gaps")
    outputs, *states = layer(x, mask=mask)
    for row in (0, 2):
        dense, *after = layer(x[row : row + 1, mask[row]])
        assert_allclose(np.asarray(outputs)[row, mask[row]], dense[0], atol=1e-5)
        assert_all_close([s[row] for s in states], [s[0] for s in after])


@with_memories
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_what_masked_frames_hold_reaches_neither_outputs_nor_gradients(name, training):
    layer = made(name, return_sequences=True, return_state=True)
    x, mask, states = frames(), mask_of("gaps"), some_states(layer)
    expected = results_and_gradients(layer, np.where(mask[..., None], x, 0), mask, states, training)
    np.testing.assert_array_equal(np.asarray(expected[1][len(layer.trainable_weights)])[~mask], 0)
    held = np.where(mask[..., None], x, np.array([np.nan, np.inf, -np.inf], "float32"))
    actual = results_and_gradients(layer, held, mask, states, training)
    assert_all_close(actual, expected, atol=1e-6)


@each_class_with_memories
def test_a_mask_of_another_layer_is_used_and_handed_on(name):
    inputs = keras.Input((None, N))
    masked = keras.layers.Masking()(inputs)
    layer = made(name, return_sequences=True)
    model = keras.Model(inputs, layer(masked))
    x, mask = frames(), mask_of("padded")
    x[~mask] = 0
    outputs = model(x)
    assert_allclose(outputs, layer(x, mask=mask), atol=1e-6)
    np.testing.assert_array_equal(outputs._keras_mask, mask)


@each_class_with_memories
def test_a_batch_without_any_frame_has_gradients_of_zero(name):
    layer = made(name, return_sequences=True, return_state=True)
    _, gradients = results_and_gradients(layer, frames(), np.zeros((B, T), bool))
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, np.zeros(gradient.shape))


@with_memories
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_nan_reaches_its_own_row_from_its_frame_on_and_no_other(name, training):
    layer = made(name, return_sequences=True)
    x = frames()
    expected = np.asarray(layer(x, training=training))
    x[1, 2, 0] = np.nan
    outputs = np.asarray(layer(x, training=training))
    assert np.isnan(outputs[1, 2:]).any(axis=-1).all()
    untouched = np.ones(outputs.shape[:2], bool)
    untouched[1, 2:] = False
    assert_allclose(outputs[untouched], expected[untouched], atol=1e-6)
