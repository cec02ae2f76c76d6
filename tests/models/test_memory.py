"""A memory in training against Keras's own loop over its cell."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers import heads, models


def outputs_and_gradients(contexts, model, frames, mask):
    weights = [*model.memory.trainable_variables, model.initial_context]
    with tf.GradientTape() as tape:
        y = contexts(model, frames, mask)
        loss = tf.reduce_sum(y * tf.cos(tf.range(tf.size(y[0]), dtype=y.dtype) % 7)[0])
    return y, *tape.gradient(loss, weights)


def in_training(model, frames, mask):
    return model.contexts(frames, mask, training=True)


def in_kerass_loop(model, frames, mask):
    return model.contexts(frames, mask, training=False)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
def test_the_tanh_unit_trains_as_in_kerass_loop(rng, use_bias, jit_compile):
    cell = keras.layers.SimpleRNNCell(5, use_bias=use_bias)
    model = models.SequenceModel(cell, heads.BernoulliHead(3))
    for weight in model.memory.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    model.initial_context.assign(rng.normal(size=5))
    frames = rng.normal(size=(4, 9, 3)).astype("float32")
    gaps = rng.uniform(size=(4, 9)) < 0.6
    gaps[0] = False  # a row without frames
    frames[~gaps] = np.nan
    for mask in (None, tf.constant(gaps)):
        x = tf.constant(frames if mask is not None else np.nan_to_num(frames))
        ours, theirs = (
            tf.function(outputs_and_gradients, jit_compile=jit_compile)(way, model, x, mask)
            for way in (in_training, in_kerass_loop)
        )
        for actual, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_cells_with_more_than_a_tanh_stay_in_kerass_loop(rng, monkeypatch):
    called = []
    call = keras.layers.RNN.call
    monkeypatch.setattr(
        keras.layers.RNN, "call", lambda *args, **kw: called.append(0) or call(*args, **kw)
    )
    cells = [
        keras.layers.SimpleRNNCell(5),
        keras.layers.SimpleRNNCell(5, activation="relu"),
        keras.layers.SimpleRNNCell(5, recurrent_dropout=0.5),
        keras.layers.GRUCell(5),
    ]
    times = []
    for cell in cells:
        model = models.SequenceModel(cell, heads.BernoulliHead(3))
        called.clear()
        model.contexts(rng.normal(size=(4, 9, 3)).astype("float32"), training=True)
        times.append(len(called))
    assert times == [0, 1, 1, 1]
