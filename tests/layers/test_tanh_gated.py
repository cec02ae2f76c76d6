"""The tanh-gated unit: its equations, Keras's GRU as a limit, and what tanh does to a gate."""

import math

import keras
import numpy as np
import pytest
from layers import helpers
from layers.helpers import DOUBLE, B, T, assert_allclose, looped, modes
from reference.tanh_gated import tanh_gated

from seqlayers.layers import TanhGated, TanhGatedCell

pytestmark = pytest.mark.usefixtures("eagerly")

N, M = 2, 4  # all different, also from B and T, so that what is transposed does not fit


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


FUNCTIONS = {"tanh": math.tanh, "sigmoid": sigmoid, "softsign": lambda x: x / (1 + abs(x))}
VARIANTS = {
    "paper": {},
    "sigmoid": {"gate_activation": "sigmoid"},
    "without bias": {"use_bias": False},
    "other activations": {"gate_activation": "softsign", "activation": "sigmoid"},
}
all_variants = pytest.mark.parametrize("name", VARIANTS)


def made(**kwargs):
    known = {"return_sequences": True, "jit_compile": False, "dtype": DOUBLE}
    layer = TanhGated(M, **known | kwargs)
    layer.build((None, None, N))
    return helpers.randomised(layer)


def frames():
    return helpers.frames(B, T, N, dtype=DOUBLE)


def by_the_equations(layer, x, start):
    cell = layer.cell
    weights = [None if w is None else w.numpy() for w in (cell.kernel, cell.recurrent_kernel)]
    weights.append(None if cell.bias is None else cell.bias.numpy())
    gate, activation = (FUNCTIONS[layer.get_config()[k]] for k in ("gate_activation", "activation"))
    return [tanh_gated(*weights, row, u, gate, activation) for row, u in zip(x, start, strict=True)]


@all_variants
@modes
def test_outputs_are_those_of_the_equations(name, training):
    layer, x = made(**VARIANTS[name]), frames()
    start = np.random.default_rng(3).normal(size=(B, M))
    expected = by_the_equations(layer, x, start)
    actual = layer(x, initial_state=[start], training=training)
    assert_allclose(actual, expected, atol=1e-9, rtol=1e-9)
    actual = looped(layer, N)(x, initial_state=[start], training=training)
    assert_allclose(actual, expected, atol=1e-9, rtol=1e-9)


def test_only_what_is_tanh_or_sigmoid_has_the_gradient_by_hand():
    by_hand = {name: made(**kwargs).cell.has_gradient() for name, kwargs in VARIANTS.items()}
    expected = {"paper": True, "sigmoid": True, "without bias": True, "other activations": False}
    assert by_hand == expected


@pytest.mark.parametrize("gate", ["sigmoid", "tanh"])
def test_it_is_the_gru_of_keras_that_resets_before_the_product(gate):
    layer = made(gate_activation=gate)
    gru = keras.layers.GRU(
        M,
        reset_after=False,
        recurrent_activation=gate,
        use_cudnn=False,
        return_sequences=True,
        dtype=DOUBLE,
    )
    gru.build((None, None, N))
    assert [w.shape for w in gru.weights] == [w.shape for w in layer.weights]
    gru.set_weights(layer.get_weights())
    assert_allclose(layer(frames()), gru(frames()), atol=1e-12)


def test_weights_have_the_shapes_and_the_order_that_is_documented():
    shapes = {"kernel": (N, 3 * M), "recurrent_kernel": (M, 3 * M), "bias": (3 * M,)}
    layer = made()
    assert {w.name: tuple(w.shape) for w in layer.weights} == shapes
    assert [w.name for w in layer.weights] == list(shapes)
    new = TanhGated(M)
    new.build((None, None, N))
    np.testing.assert_array_equal(new.cell.bias, np.zeros(3 * M))  # no gate starts open


def test_a_gate_of_tanh_lets_the_output_grow_and_one_of_sigmoid_does_not():
    outputs = {}
    for gate in ("tanh", "sigmoid"):
        layer = made(gate_activation=gate)
        kernel, recurrent, bias = layer.get_weights()
        bias = np.repeat([-2.5, 0.0, 3.0], M)  # z = -0.99 or 0.08, n near 1
        layer.set_weights([0 * kernel, 0 * recurrent, bias])
        outputs[gate] = np.asarray(layer(np.zeros((1, 40, N))))
    bound = (1 - math.tanh(-2.5)) / (1 + math.tanh(-2.5))  # of u = (1 - z) n + z u
    assert 1.9 < outputs["tanh"].max() < bound
    assert outputs["tanh"].min() < 0.1  # it swings, since z takes u' away
    assert outputs["sigmoid"].max() < 1 and np.all(np.diff(outputs["sigmoid"], axis=1) > -1e-12)


@pytest.mark.parametrize("argument", ["recurrent_activation", "unit_forget_bias"])
@pytest.mark.parametrize("cls", [TanhGated, TanhGatedCell])
def test_arguments_of_an_lstm_that_it_does_not_have_are_refused_by_name(cls, argument):
    with pytest.raises((TypeError, ValueError), match=argument):
        cls(M, **{argument: "sigmoid"})
    assert argument not in cls(M).get_config()


def test_an_unknown_gate_is_refused_by_name():
    with pytest.raises(ValueError, match="frobnicate"):
        TanhGatedCell(M, gate_activation="frobnicate")
