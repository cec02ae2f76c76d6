"""The RNN-DBN against its equations in loops, layer upon layer, and on sequences it can learn."""

import math

import keras
import numpy as np
import pytest
from reference import dbn, rnn_rbm
from reference.rbm import binary_states

from seqlayers.heads import ConditionalDBN
from seqlayers.models import RNNDBN, SequenceModel


def made(V=4, units=(3, 2), D=3, scale=0.7, **kwargs):
    model = RNNDBN(V, units, D, **{"seed": 0, "gibbs_steps": 1} | kwargs)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(scale * rng.normal(size=weight.shape))
    model.compile("adam", jit_compile=False)
    return model


def numbers(owner, *names):
    weights = {w.name: w for w in owner.weights}
    return [weights[name].numpy().astype("float64") for name in names]


def dbns(model, frames):
    """The DBN of each frame of one sequence of a model with two hidden layers, in NumPy."""
    cell, head = model.memory.cell, model.head
    weights = numbers(cell, "kernel", "recurrent_kernel", "bias")
    known = rnn_rbm.memory(*weights, *numbers(model, "initial_context"), frames)
    layers = ["visible", "hidden_1", "hidden_2"]
    static = dbn.DBN(
        numbers(head, "hidden_1_kernel", "hidden_2_kernel"),
        numbers(head, *(f"{layer}_bias" for layer in layers)),
        numbers(head, "recognition_1_kernel"),
        numbers(head, "recognition_1_bias"),
    )
    A = numbers(head, *(f"context_{layer}_kernel" for layer in layers))
    B = numbers(head, "context_recognition_1_kernel")
    return [dbn.given_context(static, A, B, u) for u in known]


def log_probs(model, frames):
    """log p(v_t | v_1 .. v_{t-1}) of each frame of one sequence."""
    return [dbn.log_prob(d, v) for d, v in zip(dbns(model, frames), frames, strict=True)]


def sequences(*lengths, V=4):
    rng = np.random.default_rng(2)
    return [rng.integers(0, 2, (n, V)) * 1.0 for n in lengths]


def test_the_score_comes_near_the_likelihood_of_the_equations_from_below():
    model, frames = made(), sequences(4, 1, 6)
    nats = np.concatenate([log_probs(model, row) for row in frames])
    likelihood = model.score(frames, bracket=True)
    assert abs(likelihood.nats - nats.mean()) < 5 * likelihood.standard_error + 1e-3
    assert (likelihood.kind, likelihood.frames, likelihood.sequences) == ("lower_bound", 11, 3)
    assert 0 < likelihood.standard_error < 0.05
    assert likelihood.reverse_nats == likelihood.nats or math.isfinite(likelihood.reverse_nats)
    model.head.num_samples = 1
    bounds = np.concatenate(
        [[dbn.bound(d, v) for d, v in zip(dbns(model, row), row, strict=True)] for row in frames]
    )
    assert bounds.mean() < nats.mean() - 0.05


def test_generated_sequences_have_the_distribution_of_the_equations():
    model, count, states = made(2, D=2, scale=1.0), 20_000, np.array(binary_states(2))
    frames = model.generate(2, num_sequences=count, seed=5)
    share = np.bincount((frames @ [2, 1] @ [4, 1]).astype(int), minlength=16) / count
    p = np.exp([sum(log_probs(model, [v, w])) for v in states for w in states])
    assert p.sum() == pytest.approx(1)
    assert np.all(np.abs(share - p) <= 5 * np.sqrt(p * (1 - p) / count))


def test_a_deeper_model_says_the_same_and_the_one_it_was_made_of_stays():
    shallow = made(units=(3,), cell=[keras.layers.GRUCell(2), keras.layers.LSTMCell(3)])
    before, frames = shallow.get_weights(), sequences(4, 1, 6)
    deep = shallow.deeper(5)
    assert deep.head.hidden_units == (3, 5)
    nats = deep.score(frames)
    assert nats.nats == pytest.approx(shallow.score(frames).nats, abs=1e-5)
    assert nats.standard_error < 1e-3
    for weight in deep.weights:
        weight.assign(np.ones(weight.shape))
    for weight, value in zip(shallow.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.parametrize(
    "cell",
    [None, lambda: keras.layers.LSTMCell(3), lambda: [keras.layers.GRUCell(2) for _ in range(2)]],
    ids=["tanh", "lstm", "stack"],
)
def test_config_makes_the_same_model_again_and_again(cell):
    kwargs = {"gibbs_steps": 4, "objective": "contrastive", "seed": 3, "name": "named"}
    model = RNNDBN(5, [4, 3], 3, cell=cell and cell(), context_dropout=0.2, **kwargs)
    config = model.get_config()
    for _ in range(2):
        again = RNNDBN.from_config(config)
        assert again.get_config() == model.get_config()
        assert again.memory is not model.memory
        assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
    assert (again.head.gibbs_steps, again.head.seed, again.name) == (4, 3, "named")
    assert (again.head.objective, again.context_dropout) == ("contrastive", 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["variational", "contrastive"])
def test_pretraining_goes_layer_after_layer_and_raises_the_likelihood(objective):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    centres = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])
    frames = (centres[rng.integers(0, 3, (30, 6))] ^ (rng.random((30, 6, 4)) < 0.05)) * 1.0
    states = np.array(binary_states(4))
    head = ConditionalDBN(4, (4, 5, 4), gibbs_steps=2, objective=objective, seed=0)
    model = SequenceModel(None, head)
    model.compile(jit_compile=False)

    def likelihood():
        L = ("hidden_1", "hidden_2", "hidden_3")
        kernels = numbers(head, *(f"{layer}_kernel" for layer in L))
        biases = numbers(head, "visible_bias", *(f"{layer}_bias" for layer in L))
        p = dbn.log_probs(dbn.DBN(kernels, biases, [], []), states)
        return np.mean(p[(np.vstack(frames) @ [8, 4, 2, 1]).astype(int)])

    before = likelihood()
    adam = keras.optimizers.Adam(0.05)
    losses = model.pretrain_head(frames, 60, 30, adam, verbose=0)
    assert len(losses) == 3 * 60
    assert before == pytest.approx(-4 * math.log(2), abs=0.1)
    assert likelihood() > before + 0.7
    weights = model.get_weights()
    model.pretrain_head(frames, 1, 30, keras.optimizers.SGD(1e-5), verbose=0, first_epoch=60)
    for weight, value in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(weight, value, atol=1e-2)


@pytest.mark.slow
def test_layers_trained_one_after_the_other_with_the_memory_learn_a_cycle():
    phases = np.random.default_rng(0).integers(0, 5, 32)
    frames = [np.eye(5)[(phase + np.arange(8)) % 5] for phase in phases]
    truth = -math.log(5) / 8
    keras.utils.set_random_seed(0)
    model = RNNDBN(5, (6,), 10, gibbs_steps=3, seed=0)
    before = model.score(frames).nats
    model.compile(keras.optimizers.Adam(0.03), jit_compile=False)
    model.fit(frames, epochs=60, verbose=0)
    between = model.score(frames).nats
    model = model.deeper(6)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    model.fit(frames, epochs=60, verbose=0)
    after = model.score(frames)
    assert before < truth - 2
    assert between + 0.02 < after.nats < truth + 5 * after.standard_error + 0.02
