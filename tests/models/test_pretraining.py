"""Parts of a model trained before the whole: the head, the memory, and one layer after another."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import dbn
from reference.rbm import binary_states

from seqlayers.heads import NADE, BernoulliHead, ConditionalDBN, ConditionalRBM
from seqlayers.models import RNNDBN, RNNNADE, RNNRBM, SequenceModel
from seqlayers.models.pretraining import pretrain_layers


def cycle(num_sequences=32, num_steps=8, V=5):
    """One unit on, the next one in the next frame; the first is any. Truth: log(1/5) a sequence."""
    phases = np.random.default_rng(0).integers(0, V, num_sequences)
    frames = [np.eye(V)[(phase + np.arange(num_steps)) % V] for phase in phases]
    return np.stack(frames), -math.log(V) / num_steps


def nats_per_frame(model, frames):
    return np.mean(model.head.log_prob(frames, model.contexts(frames)).nats)


# The head.


@pytest.mark.slow
@pytest.mark.parametrize(
    "make, rate, epochs",
    [
        (lambda: RNNRBM(5, 4, 3, gibbs_steps=3, seed=0), 0.03, 60),
        (lambda: RNNNADE(5, 4, 3, seed=0), 0.1, 40),
    ],
    ids=["rbm", "nade"],
)
def test_pretraining_the_head_raises_the_likelihood(make, rate, epochs):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.integers(0, 2, (24, 6, 1)), 5, axis=-1)  # all on, or all off
    model = make()
    model.compile(jit_compile=False)
    before = nats_per_frame(model, frames)
    optimizer = keras.optimizers.Adam(rate)
    losses = model.pretrain_head(frames, epochs, 24, optimizer, verbose=0)
    after = nats_per_frame(model, frames)
    assert len(losses) == epochs
    assert before == pytest.approx(-5 * math.log(2), abs=1.0)
    assert math.log(0.5) + 0.01 > after > before + 1.2


@pytest.mark.slow
@pytest.mark.parametrize("objective, units", [("variational", (4, 5, 4)), ("contrastive", (4, 5))])
def test_a_head_of_several_layers_is_trained_one_after_the_other(objective, units):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    centres = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])
    frames = (centres[rng.integers(0, 3, (30, 6))] ^ (rng.random((30, 6, 4)) < 0.05)) * 1.0
    states = np.array(binary_states(4))
    head = ConditionalDBN(4, units, gibbs_steps=2, objective=objective, seed=0)
    model = SequenceModel(None, head)
    model.compile(jit_compile=False)

    def numbers(*names):
        weights = {w.name: w.numpy().astype("float64") for w in head.weights}
        return [weights[name] for name in names]

    def likelihood():
        layers = [f"hidden_{i + 1}" for i in range(len(units))]
        kernels = numbers(*(f"{layer}_kernel" for layer in layers))
        biases = numbers("visible_bias", *(f"{layer}_bias" for layer in layers))
        p = dbn.log_probs(dbn.DBN(kernels, biases, [], []), states)
        return np.mean(p[(np.vstack(frames) @ [8, 4, 2, 1]).astype(int)])

    before = likelihood()
    losses = model.pretrain_head(frames, 60, 30, keras.optimizers.Adam(0.05), verbose=0)
    assert len(losses) == len(units) * 60
    assert before == pytest.approx(-4 * math.log(2), abs=0.1)
    assert likelihood() > before + 0.7


def test_a_later_call_goes_on_with_the_layers_as_they_are():
    head = ConditionalDBN(4, (3, 2), gibbs_steps=1, objective="contrastive", seed=0)
    model = SequenceModel(None, head)
    model.compile(jit_compile=False)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    before, frames = model.get_weights(), rng.integers(0, 2, (2, 6, 4))
    model.pretrain_head(frames, 1, 6, keras.optimizers.SGD(1e-5), verbose=0, first_epoch=3)
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(weight, value, atol=1e-3)


def test_the_head_is_pretrained_on_real_numbers_too():
    model = RNNRBM(5, 4, 3, gibbs_steps=1, visibles="gaussian", seed=0)
    model.compile(jit_compile=False)
    before = model.head.kernel.numpy()
    frames = [np.random.default_rng(0).normal(size=(n, 5)) for n in (4, 6)]
    losses = model.pretrain_head(frames, epochs=1, batch_size=5, verbose=0)
    assert np.isfinite(losses).all() and np.all(model.head.kernel != before)


# The memory.


@pytest.mark.slow
@pytest.mark.parametrize("head", ["rbm", "bernoulli"])
def test_pretraining_the_memory_raises_the_likelihood(head):
    frames, truth = cycle()
    keras.utils.set_random_seed(0)
    head = ConditionalRBM(5, 4, seed=0) if head == "rbm" else BernoulliHead(5, seed=0)
    model = SequenceModel(keras.layers.SimpleRNNCell(8), head)
    model.compile(jit_compile=False)
    before = nats_per_frame(model, frames)
    start = model.initial_context.numpy()
    steps = tf.data.Dataset.from_tensors(frames).repeat(20)
    losses = model.pretrain_memory(steps, 2, keras.optimizers.Adam(0.03), verbose=0)
    assert len(losses) == 2
    after = nats_per_frame(model, frames)
    assert before < truth - 2.5
    assert after > before + 1.5
    assert np.any(model.initial_context.numpy() != start)


# Layers together with the memory.


@pytest.mark.slow
def test_pretraining_the_layers_raises_the_likelihood_and_stacks_them():
    frames, _ = cycle()
    keras.utils.set_random_seed(0)
    model = RNNDBN(5, (6, 6), 10, gibbs_steps=2, seed=0)
    model.head.num_samples = 20
    model.compile(jit_compile=False)
    before, steps = nats_per_frame(model, frames), []
    dataset = tf.data.Dataset.from_tensors(frames.astype("float32")).repeat(30)

    def adam(num_steps):
        steps.append(num_steps)
        return keras.optimizers.Adam(0.03)

    losses = pretrain_layers(model, dataset, 2, adam, verbose=0)
    assert steps == [2 * 30] and len(losses) == 2
    assert nats_per_frame(model, frames) > before + 1.5
    assert np.any(model.initial_context != 0)
    weights = {w.name: w.numpy() for w in model.head.weights}
    kernels = [weights[f"hidden_{i}_kernel"] for i in (1, 2)]
    np.testing.assert_array_equal(kernels[1][:, :5], kernels[0].T)  # the layer below, turned around


def test_the_first_layer_keeps_the_context_weights_of_a_memory_trained_before():
    model = RNNDBN(4, (3, 2), 3, gibbs_steps=1, seed=0)
    model.compile(jit_compile=False)
    (kernel,) = (w for w in model.head.weights if w.name == "context_visible_kernel")
    before, starts = kernel.numpy(), {}
    dataset = tf.data.Dataset.from_tensors(np.zeros((1, 2, 4), "float32"))
    for after_memory in (True, False):
        kernel.assign(before)
        no_step = lambda steps: keras.optimizers.SGD(0.0)  # noqa: E731
        pretrain_layers(model, dataset, 1, no_step, after_memory=after_memory, verbose=0)
        starts[after_memory] = kernel.numpy()
    np.testing.assert_array_equal(starts[True], before)
    assert np.all(starts[False] != before)


# What is refused.


def test_what_a_model_does_not_have_is_not_pretrained():
    x = np.zeros((2, 3, 4))
    with pytest.raises(ValueError, match="no memory to train"):
        SequenceModel(None, BernoulliHead(4)).pretrain_memory(x)
    with pytest.raises(ValueError, match="cross-entropy.*Received.*gaussian"):
        RNNRBM(4, 3, 2, visibles="gaussian").pretrain_memory(x)
    for model in (RNNNADE(4, 3, 2), SequenceModel(None, ConditionalDBN(4, (3, 2)))):
        with pytest.raises(ValueError, match="`model` must have a memory and a head of several"):
            pretrain_layers(model, x, 1, lambda steps: "adam")


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"epochs": 1.5}, {"batch_size": 0}, {"first_epoch": -1}], ids=str
)
def test_numbers_of_pretraining_are_checked(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least.*Received"):
        SequenceModel(None, NADE(4, 3, seed=0)).pretrain_head(np.zeros((2, 3, 4)), **wrong)
