"""The RNN-DBN beyond the contract: its likelihood is a bound, and layers are added one by one."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.models import RNNDBN


def made(units=(3, 2), **kwargs):
    model = RNNDBN(4, units, 3, gibbs_steps=1, seed=0, **kwargs)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(0.7 * rng.normal(size=weight.shape))
    return model


def nats_of(model, frames):
    return model.head.log_prob(frames, model.contexts(frames))


def test_the_likelihood_is_a_bound_that_more_samples_tighten():
    model, frames = made(), np.random.default_rng(2).integers(0, 2, (20, 5, 4)) * 1.0
    means = []
    for model.head.num_samples in (1, 20):
        means.append(np.mean(nats_of(model, frames).nats))
    assert means[0] < means[1] - 0.05


def test_a_deeper_model_has_the_same_likelihood_and_the_one_it_was_made_of_stays():
    shallow = made((3,), cell=[keras.layers.GRUCell(2), keras.layers.LSTMCell(3)])
    before, frames = shallow.get_weights(), np.random.default_rng(2).integers(0, 2, (2, 5, 4))
    deep = shallow.deeper(5)
    assert deep.head.hidden_units == (3, 5)
    deep.head.num_samples = 5
    nats, expected = nats_of(deep, frames), nats_of(shallow, frames)
    np.testing.assert_allclose(nats.nats, expected.nats, atol=1e-5)
    assert np.max(nats.standard_error) < 1e-3
    for weight in deep.weights:
        weight.assign(np.ones(weight.shape))
    for weight, value in zip(shallow.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.long
def test_layers_trained_one_after_the_other_with_the_memory_learn_a_cycle():
    phases = np.random.default_rng(0).integers(0, 5, 32)
    frames = np.stack([np.eye(5)[(phase + np.arange(8)) % 5] for phase in phases])
    truth = -math.log(5) / 8
    keras.utils.set_random_seed(0)
    model, nats = RNNDBN(5, (6,), 10, gibbs_steps=3, seed=0), []
    nats.append(np.mean(nats_of(model, frames).nats))
    steps = tf.data.Dataset.from_tensors(frames).repeat(60)
    for rate in (0.03, 0.01):
        model = model if len(nats) == 1 else model.deeper(6)
        model.head.num_samples = 20
        model.compile(keras.optimizers.Adam(rate), jit_compile=False)
        model.fit(steps, verbose=0)
        nats.append(np.mean(nats_of(model, frames).nats))
    before, between, after = nats
    assert before < truth - 2
    assert between + 0.02 < after < truth + 0.03
