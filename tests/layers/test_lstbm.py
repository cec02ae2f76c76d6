"""LSTBM and the hidden units of temporal RBMs: equations, gradients, draws, and limits."""

import inspect

import keras
import numpy as np
import pytest
from backend import tensor
from keras import ops
from layers.helpers import (
    DOUBLE,
    UNROLLED,
    B,
    T,
    assert_all_close,
    assert_allclose,
    looped,
    mask_of,
    masks,
    random_states,
    results_and_gradients,
)
from layers.hidden_units import J, N, all_classes, frames, in_the_paper, made, numbers
from reference import lstbm as reference

from seqlayers.layers import LSTBM, BoltzmannCell, BoltzmannRNN, LSTBMCell

pytestmark = pytest.mark.usefixtures("eagerly")


# The equations.


@all_classes
def test_outputs_and_states_are_those_of_the_equations(name):
    layer, x = made(name), frames()
    states, arrays = random_states(layer), [w.numpy() for w in layer.weights]
    rows = zip(x, *states, strict=True)
    known = [in_the_paper(layer, arrays, row, before) for row, *before in rows]
    after = [np.array(values) for values in zip(*known, strict=True)]
    expected = [after[0], *(values[:, -1] for values in after)]
    for training in (False, True):
        assert_all_close(layer(x, initial_state=states, training=training), expected)
    assert_all_close(looped(layer, N)(x, initial_state=states), expected)


@all_classes
def test_what_is_drawn_is_drawn_as_in_the_equations(name):
    layer, x = made(name, mode="sample"), frames()
    states, arrays, u = random_states(layer), [w.numpy() for w in layer.weights], numbers(layer)
    known = [
        in_the_paper(layer, arrays, row, before, reference.drawn(of_row))
        for row, of_row, *before in zip(x, u, *states, strict=True)
    ]
    after = [np.array(values) for values in zip(*known, strict=True)]
    actual = layer(x, initial_state=states, training=True)
    assert_all_close(actual, [after[0], *(values[:, -1] for values in after)])


@all_classes
def test_single_precision_is_close_to_the_equations(name):
    layer, x = made(name, dtype="float32"), frames("float32")
    arrays = [w.numpy().astype("float64") for w in layer.weights]
    states = [np.zeros(size) for size in layer.cell.state_size]
    for row, h in zip(x, layer(x, training=True)[0], strict=True):
        expected, *_ = in_the_paper(layer, arrays, row.astype("float64"), states)
        assert_allclose(h, expected, atol=1e-6, rtol=1e-5)


def test_weights_have_the_shapes_and_the_order_that_is_documented():
    for name, columns in (("paper", 4 * J), ("boltzmann", J)):
        shapes = {"kernel": (N, columns), "recurrent_kernel": (J, columns), "bias": (columns,)}
        assert {w.name: tuple(w.shape) for w in made(name).weights} == shapes
        assert [w.name for w in made(name).weights] == list(shapes)
    assert [w.name for w in made("without bias").weights] == ["kernel", "recurrent_kernel"]


def test_only_forget_units_start_open():
    for layer, ones in ((LSTBM(J), J), (LSTBM(J, unit_forget_bias=False), 0), (BoltzmannRNN(J), 0)):
        layer.build((None, None, N))
        bias = layer.cell.bias.numpy()
        np.testing.assert_array_equal(bias, [1] * ones + [0] * (len(bias) - ones))


def test_the_printed_output_is_a_half_where_the_output_units_are_off():
    """An LSTM differs: its output is 0 there."""
    layer = made("paper", return_state=False)
    layer.cell.bias.assign([0] * 2 * J + [-1000] * J + [0] * J)
    np.testing.assert_array_equal(layer(frames()), np.full((B, T, J), 0.5))


# Gradients by hand.


@all_classes
@masks
@pytest.mark.parametrize("dropout", ["", "dropout", "recurrent_dropout"])
def test_gradients_are_those_of_automatic_differentiation(name, mask, dropout):
    arguments = {dropout: 0.5} if dropout else {}
    layer, x, mask = made(name, **arguments), frames(), mask_of(mask)
    assert layer.cell.has_gradient()
    states = random_states(layer)
    expected = results_and_gradients(looped(made(name, **arguments), N), x, mask, states)
    assert_all_close(results_and_gradients(layer, x, mask, states), expected)


@all_classes
def test_gradients_of_what_is_drawn_are_those_of_automatic_differentiation(name):
    layer, x = made(name, mode="sample"), frames()
    states, u = random_states(layer), tensor(numbers(layer), DOUBLE)

    class Steps:
        cell, trainable_weights = layer.cell, layer.trainable_weights

        def __call__(self, x, initial_state, **_):
            states, outputs = initial_state, []
            for t in range(T):
                frame = (self.cell.project(x[:, t]), u[:, t])
                weights = (self.cell.recurrent_kernel.value,)
                states, _ = self.cell.recurrence.step(weights, (), frame, states)
                outputs.append(states[0])
            return [ops.stack(outputs, axis=1), *states]

    expected = results_and_gradients(Steps(), x, None, states)
    assert_all_close(results_and_gradients(layer, x, None, states), expected)


@all_classes
@pytest.mark.parametrize("mode", ["mean", "sample"])
def test_gradients_are_those_of_finite_differences(name, mode):
    """Where units are drawn: of the equations in which each unit is its mean and a constant, the
    constant being what its draw was above the mean. So the draws pass gradients straight through.
    """
    layer, x = made(name, mode=mode), frames(batch=1)
    arrays, u = [w.numpy().astype("float64") for w in layer.weights], numbers(layer, 1)[0]
    states = [np.zeros(size) for size in layer.cell.state_size]
    by = np.zeros_like(u)

    def noted(t, column, mean, lowest):
        value = reference.drawn(u)(t, column, mean, lowest)
        by[t, column] = value - mean
        return value

    if mode == "sample":
        in_the_paper(layer, arrays, x[0], states, noted)
        assert np.all(by != 0)
    rng = np.random.default_rng(3)
    after = [(1, T, J), *((1, size) for size in layer.cell.state_size)]
    of_outputs, *of_last = (rng.normal(size=shape)[0] for shape in after)

    def total(arrays):
        h, *c = in_the_paper(layer, arrays, x[0], states, reference.moved(by))
        last = sum(np.sum(w * s[-1]) for w, s in zip(of_last, (h, *c), strict=True))
        return np.sum(of_outputs * h) + last

    _, gradients = results_and_gradients(layer, x)
    for array, gradient in zip(arrays, gradients, strict=False):
        expected = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            value = array[index]
            array[index] = value + 1e-5
            above = total(arrays)
            array[index] = value - 1e-5
            expected[index] = (above - total(arrays)) / 2e-5
            array[index] = value
        assert_allclose(gradient, expected, atol=1e-8)


@pytest.mark.tensorflow
def test_compiled_in_shards_it_draws_the_same_and_has_the_same_gradients():
    import tensorflow as tf

    arguments = {"mode": "sample", "recurrent_dropout": 0.5, "dtype": "float32"}
    layer, compiled = made("lstm", **arguments), made("lstm", jit_compile=True, **arguments)
    x, mask = frames("float32"), mask_of("gaps")
    states = [s.astype("float32") for s in random_states(layer)]
    expected = results_and_gradients(layer, x, mask, states)
    tf.config.run_functions_eagerly(False)
    actual = results_and_gradients(compiled, x, mask, states)
    assert_all_close(actual, expected, 1e-4)


# Layers of Keras as limits.


@masks
@pytest.mark.parametrize("dtype, atol", [("float64", 1e-13), ("float32", 1e-6)])
def test_as_an_lstm_it_is_the_lstm_of_keras(mask, dtype, atol):
    layer, x, mask = made("lstm", dtype=dtype), frames(dtype), mask_of(mask)
    lstm, states = layer.to_lstm(**UNROLLED), [s.astype(dtype) for s in random_states(layer)]
    assert type(lstm) is keras.layers.LSTM
    for training in (False, True):
        given = {"mask": mask, "initial_state": states, "training": training}
        assert_all_close(lstm(x, **given), layer(x, **given), atol)
        given = {"mask": mask, "training": training}
        assert_all_close(lstm(x, **given), layer(x, **given), atol)


def test_the_lstm_may_have_the_scale_of_the_inputs_in_its_weights():
    layer, x, scale = made("lstm"), frames(), np.array([0.25, 3])
    assert_all_close(layer.to_lstm(scale)(x), layer(x * scale), 1e-13)


def test_the_lstm_has_the_arguments_of_the_layer_unless_others_are_given():
    layer = made("lstm", go_backwards=True, use_bias=False, dropout=0.25, mode="sample")
    lstm, config = layer.to_lstm(), layer.get_config()
    same = set(lstm.get_config()) & set(config) - {"name"}
    assert {k: lstm.get_config()[k] for k in same} == {k: config[k] for k in same}
    assert set(inspect.signature(LSTBM).parameters) - same == {
        "variant",
        "mode",
        "jit_compile",
        "kwargs",
    }
    other = layer.to_lstm(return_sequences=False, return_state=False, name="other")
    assert other.name == "other"
    assert_allclose(other(frames()), layer(frames())[0][:, -1], atol=1e-13)


def test_the_lstm_of_a_stateful_layer_is_stateful():
    layer = LSTBM(J, "lstm", stateful=True, jit_compile=False)
    x = frames("float32")
    layer(x)
    layer.reset_state()
    lstm = layer.to_lstm()
    for part in (x[:, :2], x[:, 2:]):
        assert_allclose(lstm(part), layer(part), atol=1e-6)


def test_the_lstm_is_refused_where_there_is_none():
    with pytest.raises(ValueError, match="variant=\"lstm\".*not those of an LSTM.*'paper'"):
        made("paper").to_lstm()
    with pytest.raises(ValueError, match="build the layer first"):
        LSTBM(J, variant="lstm").to_lstm()
    for scale in (2.0, np.ones(N + 1), np.ones((N, 1)), [1, np.nan]):
        with pytest.raises(ValueError, match="`input_scale` must be 2 finite numbers.*Received"):
            made("lstm").to_lstm(scale)


@masks
def test_hidden_units_of_a_temporal_rbm_are_a_simple_network_of_keras(mask):
    layer, x = made("boltzmann"), frames()
    way = {"return_sequences": True, "return_state": True, "dtype": DOUBLE} | UNROLLED
    simple = keras.layers.SimpleRNN(J, activation="sigmoid", **way)
    simple.build((None, None, N))
    simple.set_weights(layer.get_weights())
    states, mask = random_states(layer), mask_of(mask)
    expected = results_and_gradients(simple, x, mask, states)
    assert_all_close(results_and_gradients(layer, x, mask, states), expected)


def test_without_recurrence_expected_units_are_those_of_an_rbm():
    layer, x = made("boltzmann", return_state=False), frames()
    W, U, b = layer.get_weights()
    layer.set_weights([W, 0 * U, b])
    assert_allclose(layer(x), 1 / (1 + np.exp(-(x @ W + b))), atol=1e-14)


# What is refused.


@pytest.mark.parametrize("cls", [LSTBM, LSTBMCell, BoltzmannRNN, BoltzmannCell])
def test_a_bad_argument_is_named_with_what_was_received(cls):
    for value in ("sampled", None, True):
        with pytest.raises(ValueError, match=f'`mode` must be "mean" or "sample".*{value!r}'):
            cls(J, mode=value)
    if "variant" in inspect.signature(cls).parameters:
        with pytest.raises(ValueError, match='`variant` must be "paper" or "lstm".*\'LSTM\''):
            cls(J, variant="LSTM")


@pytest.mark.parametrize("cls", [LSTBM, LSTBMCell, BoltzmannRNN, BoltzmannCell])
def test_what_the_model_fixes_is_no_argument(cls):
    fixed = {"activation": "relu", "recurrent_activation": "tanh"}
    if cls in (BoltzmannRNN, BoltzmannCell):
        fixed["unit_forget_bias"] = True
    for name, value in fixed.items():
        assert name not in inspect.signature(cls).parameters
        with pytest.raises(ValueError, match=f"{name}.*{value}"):
            cls(J, **{name: value})
