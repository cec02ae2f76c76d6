"""Derivatives of derivatives of a layer are those of Keras's loop over its cell."""

import numpy as np
import pytest
import tensorflow as tf
from layers.contract.members import (
    all_layers,
    assert_all_close,
    each_class,
    frames,
    looped,
    made,
    some_states,
)
from layers.helpers import COUNTS, mask_of, step_by_step


def pair(name, mask="no mask", training=False, **kwargs):
    """A layer and its loop as functions of the same tensors, and those: inputs, states, weights."""
    layer = made(name, return_sequences=True, return_state=True, dtype="float64", **kwargs)
    names = layer.cell.state_names
    states = [tf.constant(s, "float64") for s in some_states(layer, 2)]
    counts = {n: s for n, s in zip(names, states, strict=True) if n in COUNTS}
    moving = [s for n, s in zip(names, states, strict=True) if n not in COUNTS]
    mask = mask_of(mask)
    mask = None if mask is None else tf.constant(mask[[0, 2]])

    def of(rnn):
        def total(x, *moving):
            left = iter(moving)
            states = [counts[n] if n in counts else next(left) for n in names]
            outputs, *after = rnn(x, initial_state=states, mask=mask, training=training)
            last = [s for n, s in zip(names, after, strict=True) if n not in COUNTS]
            return sum(tf.reduce_sum(tf.sin(y)) for y in (outputs, *last))

        def gradient(*inputs):
            sources = [*inputs, *(w.value for w in rnn.trainable_weights)]
            with tf.GradientTape() as tape:
                tape.watch(sources)
                y = total(*inputs)
            return tape.gradient(y, sources, unconnected_gradients="zero")

        def of_a_penalty(*inputs):
            sources = [*inputs, *(w.value for w in rnn.trainable_weights)]
            with tf.GradientTape() as tape:
                tape.watch(sources)
                penalty = sum(tf.reduce_sum((1 + g) ** 2) for g in gradient(*inputs))
            return tape.gradient(penalty, sources, unconnected_gradients="zero")

        def forward(function):
            def along(*inputs):
                direction = tuple(tf.cos(3 * tensor) for tensor in inputs)
                with tf.autodiff.ForwardAccumulator(inputs, direction) as accumulator:
                    results = function(*inputs)
                return accumulator.jvp(results, unconnected_gradients="zero")

            return along

        return {"penalty": of_a_penalty, "tangent": forward(total), "product": forward(gradient)}

    return of(layer), of(looped(layer)), [tf.constant(frames(2, 5, 3, dtype="float64")), *moving]


@all_layers
def test_the_gradient_of_a_penalty_is_that_of_the_loop_of_keras(name):
    with step_by_step():
        layer, loop, inputs = pair(name)
        actual, expected = layer["penalty"](*inputs), loop["penalty"](*inputs)
        assert_all_close(actual, expected, 1e-9, 1e-9)


@each_class
def test_forward_mode_and_products_with_the_hessian_are_those_of_the_loop_of_keras(name):
    with step_by_step():
        actual, expected, inputs = pair(name, mask="gaps", training=True)
        for kind in actual:
            assert_all_close(actual[kind](*inputs), expected[kind](*inputs), 1e-9, 1e-9)


@pytest.mark.parametrize("name", ["sfm", "tanh gated"])
@pytest.mark.slow
def test_they_are_the_same_in_a_function(name):
    layer, loop, inputs = pair(name, mask="gaps", training=True, jit_compile="auto")
    for kind, function in layer.items():
        expected = loop[kind](*inputs)
        assert_all_close(tf.function(function)(*inputs), expected, 1e-9, 1e-9)


@pytest.mark.slow
def test_xla_compiles_the_gradient_of_a_penalty():
    layer, loop, inputs = pair("tanh gated", mask="gaps", training=True, jit_compile="auto")
    actual = tf.function(layer["penalty"], jit_compile=True)(*inputs)
    assert_all_close(actual, loop["penalty"](*inputs), 1e-9, 1e-9)


@pytest.mark.parametrize("name", ["sfm", "tanh gated"])
@pytest.mark.slow
def test_forward_mode_outside_of_a_function_is_that_of_the_loop_of_keras(name):
    layer = made(name, return_sequences=True, dtype="float64", jit_compile="auto")
    x = tf.constant(frames(2, 5, 3, dtype="float64"))
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
    x = tf.zeros((2, 5, 3))
    with step_by_step(), tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.reduce_sum(layer(x))
        penalty = tf.reduce_sum(inner.gradient(y, x) ** 2)
    for gradient in outer.gradient(penalty, layer.trainable_variables):
        assert gradient is None or np.all(np.isfinite(gradient))


def test_forward_mode_in_a_function_needs_a_number_of_steps():
    layer = made("tanh gated", return_sequences=True)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3))])
    def along(x):
        with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as accumulator:
            y = layer(x)
        return accumulator.jvp(y)

    with pytest.raises(NotImplementedError, match="ForwardAccumulator.*known number of steps"):
        along(tf.zeros((2, 5, 3)))
