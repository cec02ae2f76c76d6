"""Policies set the types of outputs and gradients."""

import keras
import numpy as np
import pytest
from layers.contract.members import (
    N,
    T,
    each_class,
    each_class_with_memories,
    frames,
    made,
    sequential,
    train,
    with_memories,
)
from layers.helpers import assert_allclose, finite, flat, mask_of, results_and_gradients

pytestmark = pytest.mark.usefixtures("eagerly")

POLICIES = {"mixed_bfloat16": 0.1, "mixed_float16": 0.02, "float64": 1e-5}


@with_memories
@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_sets_the_type_of_outputs_and_leaves_them_close(name, policy):
    way = {"return_sequences": True, "return_state": True}
    plain, layer = made(name, **way), made(name, dtype=policy, **way)
    x, mask = frames(), mask_of("gaps")
    expected = plain(x, mask=mask)[0]
    for training in (False, True):
        results, gradients = results_and_gradients(
            layer, x.astype(layer.compute_dtype), mask, training=training
        )
        for result in results:
            assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype
        assert_allclose(flat(results)[0], expected, atol=POLICIES[policy])
        assert finite(gradients)
    for weight, gradient in zip(layer.trainable_weights, gradients, strict=False):
        assert gradient.dtype == weight.value.dtype


@each_class
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_fitting_under_a_policy_leaves_weights_finite_and_moved(name, policy):
    model = sequential(name, dtype=policy)
    before = flat(model.trainable_weights)
    train(model, frames(5, T, N))
    for weight, old in zip(flat(model.trainable_weights), before, strict=True):
        assert np.all(np.isfinite(weight)) and np.any(weight != old)


@pytest.mark.tensorflow
@each_class_with_memories
def test_a_variable_is_an_input_with_a_gradient(name):
    import tensorflow as tf

    layer, x = made(name, return_sequences=True), frames()
    gradients = []
    for values in (tf.Variable(x), tf.constant(x)):
        with tf.GradientTape() as tape:
            tape.watch(values)
            total = tf.reduce_sum(layer(values) ** 2)
        gradients.append(tape.gradient(total, values))
    np.testing.assert_array_equal(*gradients)


@each_class_with_memories
def test_another_number_of_features_is_refused_by_the_layer(name):
    layer = made(name)
    with pytest.raises(ValueError, match=f"{layer.name}.*axis.*{N}.*{N + 1}"):
        layer(frames(2, T, N + 1))
