"""Derivatives of derivatives of a layer are those of Keras's loop over its cell."""

import numpy as np
import pytest
from backend import JAX, tensor, value_and_gradients
from keras import ops
from layers.contract.members import (
    assert_all_close,
    each_class,
    frames,
    looped,
    made,
    some_states,
)
from layers.helpers import COUNTS, DOUBLE, mask_of, step_by_step


def pair(name, mask="no mask", training=False, **kwargs):
    """A layer and its loop as functions of the same tensors, and those: inputs, states, weights."""
    layer = made(name, return_sequences=True, return_state=True, dtype=DOUBLE, **kwargs)
    names = layer.cell.state_names
    states = [tensor(s, DOUBLE) for s in some_states(layer, 2)]
    counts = {n: s for n, s in zip(names, states, strict=True) if n in COUNTS}
    moving = [s for n, s in zip(names, states, strict=True) if n not in COUNTS]
    mask = mask_of(mask)
    mask = None if mask is None else tensor(mask[[0, 2]])

    def of(rnn):
        variables = rnn.trainable_weights

        def total(x, *moving):
            left = iter(moving)
            states = [counts[n] if n in counts else next(left) for n in names]
            outputs, *after = rnn(x, initial_state=states, mask=mask, training=training)
            last = [s for n, s in zip(names, after, strict=True) if n not in COUNTS]
            return sum(ops.sum(ops.sin(y)) for y in (outputs, *last))

        def gradient(*inputs):
            values = [*(variable.value for variable in variables), *inputs]
            gradients = value_and_gradients(total, *inputs, variables=variables)[1]
            pairs = zip(gradients, values, strict=True)
            return [ops.zeros_like(value) if g is None else g for g, value in pairs]

        def of_a_penalty(*inputs):
            def penalty(*inputs):
                return sum(ops.sum((1 + g) ** 2) for g in gradient(*inputs))

            gradients = value_and_gradients(penalty, *inputs, variables=variables)[1]
            return [0 if g is None else g for g in gradients]

        return {
            "penalty": of_a_penalty,
            "tangent": forward(total),
            "product": forward(gradient),
        }

    return of(layer), of(looped(layer)), [tensor(frames(2, 5, 3, dtype=DOUBLE)), *moving]


def forward(function):
    """Returns the derivative of a function along a direction, by forward mode."""

    def along(*inputs):
        direction = tuple(ops.cos(3 * x) for x in inputs)
        if JAX:
            import jax

            return jax.jvp(function, inputs, direction)[1]
        import tensorflow as tf

        with tf.autodiff.ForwardAccumulator(inputs, direction) as accumulator:
            results = function(*inputs)
        return accumulator.jvp(results, unconnected_gradients="zero")

    return along


@each_class
def test_the_gradient_of_a_penalty_is_that_of_the_loop_of_keras(name):
    with step_by_step():
        layer, loop, inputs = pair(name)
        actual, expected = layer["penalty"](*inputs), loop["penalty"](*inputs)
        assert_all_close(actual, expected, 1e-9, 1e-9)


# What computes these is the same for all layers.
@pytest.mark.parametrize("name", ["boltzmann", "patches"])
def test_forward_mode_and_products_with_the_hessian_are_those_of_the_loop_of_keras(name):
    with step_by_step():
        actual, expected, inputs = pair(name, mask="gaps", training=True)
        for kind in ("penalty", "product") if JAX else actual:
            assert_all_close(actual[kind](*inputs), expected[kind](*inputs), 1e-9, 1e-9)


def test_on_jax_forward_mode_by_itself_needs_an_unrolled_layer():
    jax = pytest.importorskip("jax")
    if not JAX:
        pytest.skip("needs KERAS_BACKEND=jax")
    layer, unrolled = (made("tanh gated", unroll=unroll) for unroll in (False, True))
    x = tensor(frames())
    with pytest.raises(TypeError, match="forward-mode.*custom_vjp"):
        jax.jvp(layer, [x], [ops.cos(x)])
    y, along = jax.jvp(unrolled, [x], [ops.cos(x)])
    step = 1e-2
    ahead, behind = (layer(x + sign * step * ops.cos(x)) for sign in (1, -1))
    np.testing.assert_allclose(along, (ahead - behind) / (2 * step), atol=1e-3)
    assert_all_close(y, layer(x))


@pytest.mark.tensorflow
@pytest.mark.long
def test_they_are_the_same_in_a_function():
    import tensorflow as tf

    layer, loop, inputs = pair("tanh gated", mask="gaps", training=True, jit_compile="auto")
    for kind, function in layer.items():
        expected = loop[kind](*inputs)
        assert_all_close(tf.function(function)(*inputs), expected, 1e-9, 1e-9)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_xla_compiles_the_gradient_of_a_penalty():
    import tensorflow as tf

    layer, loop, inputs = pair("tanh gated", mask="gaps", training=True, jit_compile="auto")
    actual = tf.function(layer["penalty"], jit_compile=True)(*inputs)
    assert_all_close(actual, loop["penalty"](*inputs), 1e-9, 1e-9)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_forward_mode_outside_of_a_function_is_that_of_the_loop_of_keras():
    import tensorflow as tf

    layer = made("tanh gated", return_sequences=True, dtype=DOUBLE, jit_compile="auto")
    x = tf.constant(frames(2, 5, 3, dtype=DOUBLE))
    compiled = tf.function(lambda x, training: layer(x, training=training), autograph=False)
    for training in (True, False):
        tangents = []
        for function in (compiled, looped(layer)):
            with tf.autodiff.ForwardAccumulator(x, tf.cos(x)) as accumulator:
                y = function(x, training=training)
            tangents.append(accumulator.jvp(y))
        assert_all_close(*tangents, 1e-9, 1e-9)


@pytest.mark.parametrize("name", ["sfm", "adaptive"])
def test_a_penalty_is_finite_on_silence(name):
    layer = made(name)

    def penalty(x):
        _, (gradient,) = value_and_gradients(layer, x)
        return ops.sum(gradient**2)

    with step_by_step():
        x = ops.zeros((2, 5, 3))
        _, gradients = value_and_gradients(penalty, x, variables=layer.trainable_variables)
    assert any(gradient is not None for gradient in gradients)
    for gradient in gradients:
        assert gradient is None or np.all(np.isfinite(gradient))


@pytest.mark.tensorflow
def test_forward_mode_in_a_function_needs_a_number_of_steps():
    import tensorflow as tf

    layer = made("tanh gated", return_sequences=True)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3))])
    def along(x):
        with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as accumulator:
            y = layer(x)
        return accumulator.jvp(y)

    with pytest.raises(NotImplementedError, match="ForwardAccumulator.*known number of steps"):
        along(tf.zeros((2, 5, 3)))
