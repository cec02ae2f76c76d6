"""LSTM with peepholes and projection: its equations, its gradients, and Keras's LSTM as a limit."""

import itertools
import math

import keras
import numpy as np
import pytest
from layers import helpers
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
    randomised,
    results_and_gradients,
)
from reference import peephole_lstm as reference

from seqlayers.layers import PeepholeLSTM, PeepholeLSTMCell

pytestmark = pytest.mark.usefixtures("eagerly")

N, M, R = 2, 4, 6  # all different, so that what is transposed does not fit
VARIANTS = {
    "plain": {},
    "projected": {"projection_units": R},
    "projected to less": {"projection_units": M - 1},
    "without bias": {"use_bias": False, "projection_units": R},
    "other activations": {"activation": "linear", "recurrent_activation": "tanh"},
}
BY_HAND = {name: VARIANTS[name] for name in ("plain", "projected", "without bias")}
all_variants = pytest.mark.parametrize("name", VARIANTS)
ACTIVATIONS = {"tanh": math.tanh, "sigmoid": reference.sigmoid, "linear": lambda x: x}


def made(**kwargs):
    known = {"return_sequences": True, "return_state": True, "jit_compile": False}
    layer = PeepholeLSTM(M, **known | {"dtype": DOUBLE} | kwargs)
    layer.build((None, None, N))
    return randomised(layer)


def frames(dtype=DOUBLE):
    return helpers.frames(B, T, N, dtype=dtype)


def in_the_paper(layer):
    cell = layer.cell
    arrays = (cell.kernel, cell.recurrent_kernel, cell.bias)
    arrays += (cell.peephole_kernel, cell.projection_kernel)
    arrays = [None if w is None else w.numpy().astype("float64") for w in arrays]
    config = layer.get_config()
    names = ("activation", "recurrent_activation")
    return reference.LSTM(*arrays), {name: ACTIVATIONS[config[name]] for name in names}


# The equations.


@all_variants
def test_outputs_and_states_are_those_of_the_equations(name):
    layer, x = made(**VARIANTS[name]), frames()
    weights, options = in_the_paper(layer)
    states = random_states(layer)
    known = [reference.lstm(weights, *row, **options) for row in zip(x, *states, strict=True)]
    r, c = (np.array(values) for values in zip(*known, strict=True))
    for training in (False, True):
        actual = layer(x, initial_state=states, training=training)
        assert_all_close(actual, [r, r[:, -1], c[:, -1]])
    assert_all_close(looped(layer, N)(x, initial_state=states), [r, r[:, -1], c[:, -1]])


@pytest.mark.parametrize("name", BY_HAND)
def test_single_precision_is_close_to_the_equations(name):
    layer, x = made(dtype="float32", **VARIANTS[name]), frames("float32")
    weights, options = in_the_paper(layer)
    start = [np.zeros(size) for size in layer.cell.state_size]
    for row, r in zip(x, layer(x, training=True)[0], strict=True):
        expected, _ = reference.lstm(weights, row.astype("float64"), *start, **options)
        assert_allclose(r, expected, atol=3e-6, rtol=1e-5)


def test_weights_have_the_shapes_and_the_order_that_is_documented():
    shapes = {
        "kernel": (N, 4 * M),
        "recurrent_kernel": (R, 4 * M),
        "bias": (4 * M,),
        "peephole_kernel": (3, M),
        "projection_kernel": (M, R),
    }
    layer = made(projection_units=R)
    assert {w.name: tuple(w.shape) for w in layer.weights} == shapes
    assert [w.name for w in layer.weights] == list(shapes)
    assert [w.name for w in made(use_bias=False).weights] == [
        "kernel",
        "recurrent_kernel",
        "peephole_kernel",
    ]


def test_only_forget_gates_start_open():
    layer = PeepholeLSTM(M)
    layer.build((None, None, N))
    np.testing.assert_array_equal(layer.cell.bias, [0] * M + [1] * M + [0] * 2 * M)
    closed = PeepholeLSTM(M, unit_forget_bias=False)
    closed.build((None, None, N))
    np.testing.assert_array_equal(closed.cell.bias, np.zeros(4 * M))


def test_peepholes_are_recurrent_weights_and_the_projection_is_a_kernel():
    arguments = {
        "kernel_initializer": keras.initializers.Constant(0.5),
        "recurrent_initializer": keras.initializers.Constant(0.25),
        "kernel_regularizer": keras.regularizers.L1(1.0),
        "recurrent_regularizer": keras.regularizers.L1(2.0),
        "kernel_constraint": "non_neg",
        "recurrent_constraint": keras.constraints.MaxNorm(2),
    }
    layer = PeepholeLSTM(M, projection_units=R, **arguments)
    layer.build((None, None, N))
    cell = layer.cell
    pairs = [(cell.kernel, cell.projection_kernel), (cell.recurrent_kernel, cell.peephole_kernel)]
    for (given, like), value in zip(pairs, (0.5, 0.25), strict=True):
        np.testing.assert_array_equal(like, np.full(like.shape, value))
        assert like.regularizer is given.regularizer and like.constraint is given.constraint
    assert len(layer.losses) == 4


def test_a_projection_that_is_the_identity_is_none():
    """Also what LSTMP is not: nothing is clipped, and no bias is added."""
    layer, wide = made(), made(projection_units=M)
    arrays = [w.numpy() for w in layer.weights]
    wide.set_weights([*arrays, np.eye(M)])
    x = 100 * frames()
    assert_all_close(wide(x), layer(x))


# Keras's LSTM.


@masks
@pytest.mark.parametrize("backwards", [False, True])
def test_without_peepholes_and_projection_it_is_the_lstm_of_keras(mask, backwards):
    way = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    lstm = keras.layers.LSTM(M, dtype=DOUBLE, **way | UNROLLED)
    lstm.build((None, None, N))
    rng = np.random.default_rng(1)
    lstm.set_weights([rng.normal(size=w.shape) for w in lstm.weights])
    ours = made(**way)
    ours.set_weights([*(w.numpy() for w in lstm.weights), np.zeros((3, M))])
    x, states, mask = frames(), random_states(ours), mask_of(mask)
    shared = ours.weights[:3]  # zero or not, peepholes have a gradient of their own
    actual = results_and_gradients(ours, x, mask, states, weights=shared)
    expected = results_and_gradients(lstm, x, mask, states)
    assert_all_close(actual, expected, 1e-13)
    for training in (False, True):
        result = ours(x, initial_state=states, mask=mask, training=training)
        assert_all_close(result, expected[0], 1e-14)


def test_peepholes_of_zero_still_learn():
    layer = made()
    layer.cell.peephole_kernel.assign(np.zeros((3, M)))
    gradient = results_and_gradients(layer, frames())[1][3]
    assert gradient.shape == (3, M) and np.all(np.abs(gradient) > 0)


# Gradients by hand.


@masks
@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("dropout", ["", "dropout", "recurrent_dropout"])
def test_gradients_are_those_of_automatic_differentiation(name, mask, dropout):
    arguments = BY_HAND[name] | ({dropout: 0.5, "seed": 5} if dropout else {})
    layer, x, mask = made(**arguments), frames(), mask_of(mask)
    assert layer.cell.has_gradient()
    states = random_states(layer)
    expected = results_and_gradients(looped(made(**arguments), N), x, mask, states)
    assert_all_close(results_and_gradients(layer, x, mask, states), expected)


def test_other_activations_go_step_by_step():
    for argument in ("activation", "recurrent_activation"):
        assert not PeepholeLSTMCell(M, **{argument: "hard_sigmoid"}).has_gradient()


# As a layer.


@pytest.mark.parametrize("projection_units", [None, R])
def test_frame_by_frame_with_the_state_handed_on_is_the_whole(projection_units):
    layer, x = made(projection_units=projection_units), frames()
    whole, *last = layer(x)
    states, outputs = None, []
    for t in range(T):
        output, *states = layer(x[:, t : t + 1], initial_state=states)
        outputs.append(output[:, 0])
    assert_all_close([np.stack(outputs, axis=1), *states], [whole, *last])


def test_sizes_are_known_before_any_frame_is_seen():
    inputs = keras.Input((None, N))
    layer = PeepholeLSTM(M, projection_units=R, return_sequences=True, return_state=True)
    shapes = [tuple(result.shape) for result in layer(inputs)]
    assert shapes == [(None, None, R), (None, R), (None, M)]
    both = keras.layers.Bidirectional(PeepholeLSTM(M, projection_units=R))(inputs)
    assert tuple(both.shape) == (None, 2 * R)


# What is refused.


@pytest.mark.parametrize("cls", [PeepholeLSTM, PeepholeLSTMCell])
def test_a_bad_argument_is_named_with_what_was_received(cls):
    for name, value in itertools.product(("units", "projection_units"), (0, -1, 2.5, True, "3")):
        with pytest.raises(ValueError, match=f"`{name}` must be an integer.*{value!r}"):
            cls(**{"units": M, name: value})


def test_first_states_that_do_not_fit_are_refused_with_the_states_expected():
    layer = made(projection_units=R)
    r, c = random_states(layer)
    for states in ([c, r], [r], r, [r, c, c]):
        with pytest.raises(ValueError, match=rf"r \(batch, {R}\), c \(batch, {M}\), with"):
            layer(frames(), initial_state=states)


def test_layers_of_equal_units_may_differ_in_features(rng):
    for features in (2, 3, 4):  # one graph of the step serves them all
        layer = PeepholeLSTM(2, jit_compile=False)
        layer.build((None, None, features))
        x = rng.normal(size=(features, 3, features)).astype("float32")
        _, gradients = results_and_gradients(layer, x)
        assert gradients[0].shape == (features, 8)
