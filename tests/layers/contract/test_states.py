"""States handed on, kept or given."""

import keras
import numpy as np
import pytest
from layers.contract.members import (
    MEMORIES,
    B,
    N,
    T,
    assert_all_close,
    built,
    frames,
    made,
    new,
    randomised,
    some_states,
    with_memories,
)
from layers.helpers import assert_allclose, mask_of

pytestmark = pytest.mark.usefixtures("eagerly")


@with_memories
@pytest.mark.parametrize("mask", ["no mask", "gaps"])
def test_frame_by_frame_with_the_state_handed_on_is_the_whole(name, mask):
    layer = made(name, return_sequences=True, return_state=True)
    x, mask = frames(), mask_of(mask)
    whole, *last = layer(x, mask=mask)
    states, outputs = None, []
    for t in range(T):
        frame_mask = None if mask is None else mask[:, t : t + 1]
        output, *states = layer(x[:, t : t + 1], mask=frame_mask, initial_state=states)
        outputs.append(output)
    outputs, real = np.concatenate(outputs, axis=1), np.ones((B, T), bool)
    real = real if mask is None else mask
    assert_allclose(outputs[real], np.asarray(whole)[real], atol=1e-6)
    assert_all_close(states, last, atol=1e-6)


@with_memories
def test_the_cell_called_frame_by_frame_is_the_layer(name):
    layer = made(name, return_sequences=True)
    x, states = frames(), layer.cell.get_initial_state(batch_size=B)
    assert [tuple(s.shape) for s in states] == [(B, size) for size in layer.cell.state_size]
    for t, expected in enumerate(np.swapaxes(np.asarray(layer(x)), 0, 1)):
        output, states = layer.cell(x[:, t], states)
        assert_allclose(output, expected, atol=1e-6)
    if name not in MEMORIES:
        np.testing.assert_array_equal(output, states[0])


@with_memories
def test_a_stateful_layer_goes_on_where_it_stopped_until_it_is_reset(name):
    whole = made(name, return_sequences=True)
    layer = made(name, return_sequences=True, stateful=True)
    x = frames()
    expected = np.asarray(whole(x))
    for training in (False, True):
        for part in (slice(None, 2), slice(2, None)):
            actual = layer(x[:, part], training=training)
            assert_allclose(actual, expected[:, part], atol=1e-6)
        again = np.asarray(layer(x[:, :2]))
        assert np.all(np.abs(again - expected[:, :2]).max(axis=(1, 2)) > 1e-4)
        layer.reset_state()
    with pytest.raises(ValueError, match="batch size"):
        layer(x[:2])


@with_memories
def test_states_may_be_inputs_of_a_functional_model(name, tmp_path):
    layer = built(new(name, return_sequences=True, return_state=True))
    sizes = layer.cell.state_size
    assert all(type(size) is int for size in sizes)
    inputs = keras.Input((None, N))
    states = [keras.Input((size,)) for size in sizes]
    outputs = layer(inputs, initial_state=states)
    assert [tuple(o.shape) for o in outputs] == [
        (None, None, layer.cell.output_size),
        *((None, size) for size in sizes),
    ]
    model = keras.Model([inputs, *states], outputs)
    randomised(layer)
    x, known = frames(), some_states(layer)
    expected = layer(x, initial_state=known)
    assert_all_close(model([x, *known]), expected, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_all_close(loaded([x, *known]), expected, atol=1e-6)
