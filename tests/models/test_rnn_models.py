"""RNN-RBM, RNN-NADE and RNN-DBN against their equations in loops, at their limits, and learning.

A new member joins by one line in MEMBERS.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import dbn, nade, rbm, rnn_rbm
from reference.rbm import binary_states

from seqlayers.models import RNNDBN, RNNNADE, RNNRBM, SequenceModel

V, D = 5, 3


class Member(NamedTuple):
    model: Callable[..., Any]
    frame_models: Callable  # (model, contexts) -> the distribution of each frame, in NumPy
    log_prob: Callable  # (model, that distribution, frame) -> nats


def numbers(owner, *names):
    """The weights of these names, None where there is none."""
    weights = {w.name: w.numpy().astype("float64") for w in owner.weights}
    return [weights.get(name) for name in names]


def rbms(model, contexts):
    names = ("kernel", "visible_bias", "hidden_bias")
    names += ("context_visible_kernel", "context_hidden_kernel", "log_variance")
    static = rnn_rbm.RNNRBM(None, None, None, None, *numbers(model.head, *names))
    return [rnn_rbm.frame_rbm(static, u) for u in contexts]


def nades(model, contexts):
    names = ("kernel", "decoder_kernel", "visible_bias", "hidden_bias", "mask_kernel")
    static = nade.NADE(*numbers(model.head, *names))
    A, B = numbers(model.head, "context_visible_kernel", "context_hidden_kernel")
    return [nade.given_context(static, A, B, u) for u in contexts]


def dbns(model, contexts):
    head, layers = model.head, ["visible", "hidden_1", "hidden_2"]
    static = dbn.DBN(
        numbers(head, "hidden_1_kernel", "hidden_2_kernel"),
        numbers(head, *(f"{layer}_bias" for layer in layers)),
        numbers(head, "recognition_1_kernel"),
        numbers(head, "recognition_1_bias"),
    )
    A = numbers(head, *(f"context_{layer}_kernel" for layer in layers))
    B = numbers(head, "context_recognition_1_kernel")
    return [dbn.given_context(static, A, B, u) for u in contexts]


def of_rbm(model, frame_model, v):
    return rbm.log_prob(frame_model, v)


def of_nade(model, frame_model, v):
    return nade.log_mean_prob(frame_model, v, model.head.orders.tolist())


def of_dbn(model, frame_model, v):
    return dbn.log_prob(frame_model, v)


FEW = {"gibbs_steps": 1, "seed": 0}
MEMBERS = {
    "rbm": Member(lambda V, D, **k: RNNRBM(V, 4, D, **FEW | k), rbms, of_rbm),
    "gaussian rbm": Member(
        lambda V, D, **k: RNNRBM(V, 4, D, visibles="gaussian", **FEW | k), rbms, of_rbm
    ),
    "nade": Member(lambda V, D, **k: RNNNADE(V, 4, D, **{"seed": 0} | k), nades, of_nade),
    "orderless nade": Member(
        lambda V, D, **k: RNNNADE(V, 4, D, orderless=True, num_orders=2, **{"seed": 0} | k),
        *(nades, of_nade),
    ),
    "dbn": Member(lambda V, D, **k: RNNDBN(V, (3, 2), D, **FEW | k), dbns, of_dbn),
}
BINARY = [name for name in MEMBERS if name != "gaussian rbm"]
NAMED = ["rbm", "nade", "dbn"]  # one of each class
EXACT = [name for name in MEMBERS if name != "dbn"]


def over(names):
    return pytest.mark.parametrize("name", names)


def made(name, V=V, D=D, scale=0.7, **kwargs):
    """A model with weights of some size, the same ones each time."""
    model = MEMBERS[name].model(V, D, **kwargs)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(scale * rng.normal(size=weight.shape))
    model.compile("adam", jit_compile=False)
    return model


@pytest.fixture(scope="module")
def shared():
    """Each model once; its weights are not to be changed."""
    models = {}

    def get(name):
        if name not in models:
            models[name] = made(name)
        return models[name]

    return get


def sequences(name, *lengths, V=V):
    rng = np.random.default_rng(2)
    if name == "gaussian rbm":
        return [rng.normal(size=(n, V)) for n in lengths]
    return [rng.integers(0, 2, (n, V)) * 1.0 for n in lengths]


def contexts(model, frames):
    weights = numbers(model.memory.cell, "kernel", "recurrent_kernel", "bias")
    return rnn_rbm.memory(*weights, *numbers(model, "initial_context"), frames)


def log_probs(name, model, frames):
    """log p(v_t | v_1 .. v_{t-1}) of each frame of one sequence, by the equations."""
    member = MEMBERS[name]
    known = member.frame_models(model, contexts(model, frames))
    return [member.log_prob(model, each, v) for each, v in zip(known, frames, strict=True)]


def nats_of(model, frames):
    """log p of each frame as the head has it, and its error, without compiling anything."""
    return model.head.log_prob(frames, model.contexts(frames))


def test_contexts_are_those_of_the_equations(shared):
    model, frames = shared("rbm"), np.stack(sequences("rbm", 6, 6))
    expected = [contexts(model, row) for row in frames]
    np.testing.assert_allclose(model.contexts(frames), expected, atol=1e-5)


@over(MEMBERS)
def test_the_score_is_the_likelihood_of_the_equations_per_frame(shared, name):
    model, frames = shared(name), sequences(name, 4, 1, 6)
    nats = np.concatenate([log_probs(name, model, row) for row in frames])
    likelihood = model.score(frames, bracket=True)
    assert abs(likelihood.nats - nats.mean()) < 5 * likelihood.standard_error + 1e-4
    assert likelihood.nats != pytest.approx(nats.mean() * 11 / 3, abs=0.1)  # not per sequence
    assert (likelihood.frames, likelihood.sequences) == (11, 3)
    assert likelihood.kind == ("lower_bound" if name == "dbn" else "exact")
    assert (0 < likelihood.standard_error < 0.1) == (name == "dbn")
    assert likelihood.kind in str(likelihood) and "11 frames of 3 sequences" in str(likelihood)


@over(BINARY)
def test_generated_sequences_have_the_distribution_of_the_equations(name):
    model, count, states = made(name, 2, 2, scale=1.0), 20_000, np.array(binary_states(2))
    p = np.exp([[sum(log_probs(name, model, [v, w])) for w in states] for v in states])
    assert p.sum() == pytest.approx(1)

    def agree(share, p):
        assert np.all(np.abs(share - p) <= 5 * np.sqrt(p * (1 - p) / count))

    frames = model.generate(2, num_sequences=count, seed=5)
    share = np.bincount((frames @ [2, 1] @ [4, 1]).astype(int), minlength=16) / count
    agree(share, p.ravel())
    after = model.generate(1, prime=states[[2]], num_sequences=count, seed=6)
    share = np.bincount((after[:, 0] @ [2, 1]).astype(int), minlength=4) / count
    agree(share, p[2] / p[2].sum())


@over(EXACT)
def test_without_recurrence_it_is_the_head_alone(name):
    model = made(name)
    for weight in (*model.memory.trainable_weights, model.initial_context):
        weight.assign(np.zeros(weight.shape))
    alone = SequenceModel(None, type(model.head).from_config(model.head.get_config())).head
    weights = {w.name: w for w in model.head.weights}
    for weight in alone.weights:
        weight.assign(weights[weight.name])
    frames = np.stack(sequences(name, 4, 4))
    expected = [log_probs(name, model, row) for row in frames]
    np.testing.assert_allclose(nats_of(model, frames).nats, expected, atol=1e-4)
    np.testing.assert_allclose(alone.log_prob(frames).nats, expected, atol=1e-4)


@over(["rbm", "nade"])
def test_a_low_temperature_draws_likelier_sequences_and_a_high_one_less_likely_ones(shared, name):
    model = shared(name)
    nats = [
        np.mean(nats_of(model, model.generate(5, num_sequences=200, temperature=t)).nats)
        for t in (0.3, 1, 4)
    ]
    assert nats[0] > nats[1] + 0.15 > nats[2] + 0.3


@over(EXACT)
def test_causality_holds_in_the_likelihood_too(shared, name):
    model, frames = shared(name), np.stack(sequences(name, 5)).astype("float32")
    changed = frames.copy()
    changed[0, 3] = 1 - changed[0, 3]
    nats, other = (nats_of(model, tf.constant(f)).nats.numpy()[0] for f in (frames, changed))
    np.testing.assert_array_equal(other[:3], nats[:3])
    assert np.all(other[3:] != nats[3:])


# Configs and policies.

GIVEN = {
    "rbm": {"gibbs_steps": 7, "sampling_steps": 3},
    "orderless nade": {"context_dropout": 0.2},
    "dbn": {"gibbs_steps": 4, "objective": "contrastive", "context_dropout": 0.2},
}
CELLS = {
    "tanh": lambda: None,
    "lstm": lambda: keras.layers.LSTMCell(3),
    "stack": lambda: [keras.layers.GRUCell(2) for _ in range(2)],
}


@pytest.mark.parametrize("cell", CELLS)
@over(GIVEN)
def test_config_makes_the_same_model_again_and_again(name, cell):
    model = MEMBERS[name].model(V, D, cell=CELLS[cell](), **GIVEN[name], seed=3, name="named")
    config = model.get_config()
    for _ in range(2):
        again = type(model).from_config(config)
        assert again.get_config() == model.get_config()
        assert again.memory is not model.memory
        assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
    assert (again.head.seed, again.name) == (3, "named")
    assert again.context_dropout == GIVEN[name].get("context_dropout", 0)
    for argument in GIVEN[name].keys() - {"context_dropout"}:
        assert getattr(again.head, argument) == GIVEN[name][argument]


POLICIES = [(name, "mixed_bfloat16") for name in NAMED]
POLICIES += [("rbm", "float64"), ("rbm", "mixed_float16")]


@pytest.mark.parametrize("name, policy", POLICIES)
def test_the_policy_of_the_model_is_that_of_its_parts_and_is_saved(name, policy, tmp_path):
    model = MEMBERS[name].model(V, D, dtype=policy)
    model.save(tmp_path / "model.keras")
    for m in (model, keras.models.load_model(tmp_path / "model.keras")):
        assert m.dtype_policy.name == policy
        assert m.head.dtype_policy.name == policy
        assert m.memory.cell.dtype_policy.name == policy


# Training.


def cycle(num_sequences=32, num_steps=8, V=5):
    """One unit on, the next one in the next frame; the first is any. Truth: log(1/5) a sequence."""
    phases = np.random.default_rng(0).integers(0, V, num_sequences)
    frames = [np.eye(V)[(phase + np.arange(num_steps)) % V] for phase in phases]
    return np.stack(frames), -math.log(V) / num_steps


LEARNERS = {
    "rbm": lambda: RNNRBM(5, 6, 10, gibbs_steps=3, seed=0),
    "nade": lambda: RNNNADE(5, 6, 10, seed=0),
    "orderless nade": lambda: RNNNADE(5, 6, 10, orderless=True, seed=0),
}


@pytest.mark.slow
@over(LEARNERS)
def test_a_cycle_is_learned_almost_to_the_truth(name):
    frames, truth = cycle()
    keras.utils.set_random_seed(0)
    model = LEARNERS[name]()
    model.compile(keras.optimizers.Adam(0.03), jit_compile=False)
    before = np.mean(nats_of(model, frames).nats)
    model.fit(tf.data.Dataset.from_tensors(frames).repeat(80), verbose=0)
    after = np.mean(nats_of(model, frames).nats)
    assert before < truth - 2
    assert truth - 0.25 < after < truth + 0.1
    generated = model.generate(6, prime=np.eye(5)[[0, 1, 2]], num_sequences=20)
    expected = np.eye(5)[(3 + np.arange(6)) % 5]
    assert np.mean(np.all(generated == expected, axis=-1)) > 0.6


@pytest.mark.slow
@over(["rbm", "orderless nade"])
def test_training_and_draws_are_the_same_in_eager_execution_and_under_xla(name):
    frames, results, draws = sequences(name, 3, 2), [], []
    for how in ({"run_eagerly": True}, {"jit_compile": True}):
        model = made(name)
        model.compile(keras.optimizers.SGD(0.3), **how)
        losses = model.fit(frames, batch_size=2, verbose=0).history["loss"]
        results.append([losses, *(w.numpy() for w in model.weights)])
        if name == "rbm":  # in a graph, and by XLA
            draws.append(model.generate(3, num_sequences=4, seed=1))
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-4)
    if draws:
        np.testing.assert_allclose(*draws, atol=1e-4)
