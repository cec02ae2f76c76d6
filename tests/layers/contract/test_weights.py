"""Regularizers, constraints, initializers and biases."""

import keras
import numpy as np
import pytest
from layers.contract.members import (
    WITHOUT_FEEDBACK,
    all_layers,
    built,
    each_class,
    each_class_with_memories,
    frames,
    made,
    new,
    without_fixed,
)
from layers.helpers import assert_allclose, results_and_gradients

pytestmark = pytest.mark.usefixtures("eagerly")
kinds = pytest.mark.parametrize("of", ["kernel", "recurrent", "bias"])
LACKING = {(name, "recurrent") for name in WITHOUT_FEEDBACK}


@each_class
@kinds
def test_regularizers_add_to_the_losses(name, of):
    if (name, of) in LACKING:
        return
    layer = made(name, **{f"{of}_regularizer": keras.regularizers.L2(0.5)})
    weight = getattr(layer.cell, of if of != "recurrent" else "recurrent_kernel").numpy()
    losses = [float(loss) for loss in layer.losses]
    assert any(loss == pytest.approx(0.5 * np.sum(weight**2), rel=1e-5) for loss in losses)
    assert made(name).losses == []


@each_class_with_memories
def test_a_regularizer_of_the_activity_adds_to_the_losses(name):
    layer = made(name, activity_regularizer=keras.regularizers.L2(0.5))
    plain = keras.layers.ActivityRegularization(l2=0.5)
    plain(layer(frames()))
    (loss,), (expected,) = layer.losses, plain.losses  # Keras 3.13 does not divide by the rows
    assert float(loss) == pytest.approx(float(expected), rel=1e-5) and float(loss) > 0


@each_class
@kinds
def test_constraints_hold_after_a_step(name, of):
    if (name, of) in LACKING:
        return
    weight = of if of != "recurrent" else "recurrent_kernel"
    layer = made(name, **{f"{of}_constraint": "non_neg"})
    held = getattr(layer.cell, weight)
    assert held.numpy().min() < 0
    _, gradients = results_and_gradients(layer, frames())
    keras.optimizers.SGD(0.1).apply(gradients[:-1], layer.trainable_weights)
    assert held.numpy().min() == 0 < held.numpy().max()


@each_class
def test_initializers_are_used(name):
    def cell(*values):
        names = ("kernel_initializer", "recurrent_initializer", "bias_initializer")
        constants = dict(zip(names, map(keras.initializers.Constant, values), strict=True))
        closed = without_fixed(name, {"unit_forget_bias": False})
        return built(new(name, **closed, **constants)).cell

    one, other = cell(0.25, 0.5, 0.75), cell(1.25, 1.5, 1.75)
    np.testing.assert_array_equal(one.kernel, np.full(one.kernel.shape, 0.25))
    if (name, "recurrent") not in LACKING:
        recurrent = one.recurrent_kernel
        np.testing.assert_array_equal(recurrent, np.full(recurrent.shape, 0.5))
    assert_allclose(other.bias - one.bias, np.ones(one.bias.shape), rtol=1e-6)


@all_layers
def test_without_bias_it_is_as_with_biases_of_zero(name):
    without, layer = made(name, use_bias=False), built(new(name))
    kept = iter(without.weights)
    for weight in layer.weights:
        weight.assign(np.zeros(weight.shape) if "bias" in weight.name else next(kept).numpy())
    assert next(kept, None) is None
    assert len(without.weights) < len(layer.weights)
    x = frames()
    for training in (False, True):
        assert_allclose(without(x, training=training), layer(x), atol=1e-6)
