"""Gated cells: one of a step alone, and several one above the other."""

import keras
import numpy as np
import pytest
from backend import value_and_gradients
from keras import ops
from layers import helpers
from layers.helpers import (
    DOUBLE,
    UNROLLED,
    B,
    T,
    assert_all_close,
    assert_allclose,
    mask_of,
    results_and_gradients,
)

from seqlayers.layers import SFM, TanhGated, TanhGatedCell
from seqlayers.layers.gated import GatedCell, GatedRNN
from seqlayers.layers.scanned import ScannedRNN, scanned

pytestmark = pytest.mark.usefixtures("eagerly")

N, M = 2, 4


def frames():
    return helpers.frames(B, T, N, dtype=DOUBLE)


class Step:
    """A `Recurrence` without a gradient."""

    state_row_axes = (0,)

    def step(self, weights, rows, frame, before):
        h = before[0] * rows[0] if rows else before[0]
        h = ops.tanh(frame[0] + ops.matmul(h, weights[0]))
        return (h,), ()


class SimpleCell(GatedCell):
    state_names = ("h",)
    recurrence = Step()

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.state_size = [units]

    def build(self, input_shape):
        self._add_weights(input_shape, self.units)


class Simple(GatedRNN, cell=SimpleCell):
    pass


def test_a_cell_needs_a_step_and_no_gradient():
    way = {"dropout": 0.5, "recurrent_dropout": 0.5, "seed": 1, "dtype": DOUBLE}
    ours, simple = Simple(M, **way), keras.layers.SimpleRNN(M, **way | UNROLLED)
    for layer in (ours, simple):
        layer.build((None, None, N))
        helpers.randomised(layer)
    x, mask = frames(), mask_of("gaps")
    for training in (True, False):
        actual = results_and_gradients(ours, x, mask, training=training)
        assert_all_close(actual, results_and_gradients(simple, x, mask, training=training))


def stack_of(cls, dropout=0.0, **kwargs):
    options = {"dropout": dropout, "recurrent_dropout": dropout, "seed": 1, "dtype": DOUBLE}
    cells = [TanhGatedCell(units, **options) for units in (3, M)]
    cells = keras.layers.StackedRNNCells(cells, dtype=DOUBLE)
    layer = cls(cells, return_sequences=True, dtype=DOUBLE, **kwargs)
    layer.build((None, None, N))
    return helpers.randomised(layer)


@pytest.mark.parametrize(
    "way", [{}, {"go_backwards": True}, {"zero_output_for_mask": True}, {"unroll": True}], ids=str
)
def test_a_stack_that_runs_layer_after_layer_is_that_of_keras(way):
    way = way | {"return_state": True}
    other = way if "zero_output_for_mask" in way else way | UNROLLED
    stack, rnn = stack_of(ScannedRNN, **way), stack_of(keras.layers.RNN, **other)
    x, states = frames(), [[np.full((B, 3), 0.5)], [np.full((B, M), -0.5)]]
    for mask in (None, mask_of("gaps")):
        for training in (False, True):
            given = {"initial_state": states, "mask": mask, "training": training}
            found, expected = (keras.tree.flatten(layer(x, **given)) for layer in (stack, rnn))
            assert len(expected) == 3
            assert_all_close(found, expected, 1e-9)


def test_a_stack_with_dropout_drops_what_that_of_keras_drops():
    stacks = [stack_of(cls, dropout=0.5) for cls in (ScannedRNN, keras.layers.RNN)]
    ours, keras_has = (np.asarray(stack(frames(), training=True)) for stack in stacks)
    assert_allclose(ours, keras_has, atol=1e-9)
    assert np.abs(ours - np.asarray(stacks[0](frames()))).max() > 0.1


def test_a_stack_has_a_gated_cell_and_can_be_made_again():
    cells = [TanhGatedCell(3), keras.layers.GRUCell(M)]
    stack = scanned(cells)
    assert isinstance(stack, ScannedRNN) and isinstance(scanned(cells[0]), ScannedRNN)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(stack))
    assert type(again) is ScannedRNN and again.get_config() == stack.get_config()
    for other in (None, [], keras.layers.GRUCell(3), [keras.layers.GRUCell(3)]):
        assert scanned(other) is other
    with pytest.raises(ValueError, match="`jit_compile` must be"):
        ScannedRNN(cells, jit_compile="never")


@pytest.mark.parametrize("cls", [TanhGated, lambda *args, **kwargs: SFM(*args, 2, **kwargs)])
def test_an_activation_reads_a_variable_at_every_call(cls):
    slope, x = keras.Variable(0.0, dtype="float32"), np.ones((2, 3, N), "float32")
    layer = cls(M, activation=lambda a: slope * ops.tanh(a), dtype="float32")
    layer(x)
    for number in (1.0, 0.5):
        slope.assign(number)
        same = cls(M, activation=lambda a, number=number: number * ops.tanh(a), dtype="float32")
        same.build(x.shape)
        same.set_weights(layer.get_weights())
        value, gradients = value_and_gradients(lambda: ops.sum(layer(x)), variables=[slope])
        assert_allclose(layer(x), same(x), atol=1e-6)
        assert_allclose(value, ops.sum(same(x)), atol=1e-5)
        assert abs(gradients[0]) > 1e-4
