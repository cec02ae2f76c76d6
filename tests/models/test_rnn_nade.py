"""The RNN-NADE against its equations in loops, at its limits, and on sequences it can learn."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import nade, rnn_rbm
from reference.rbm import binary_states

from seqlayers.heads import NADE
from seqlayers.models import RNNNADE, SequenceModel


def made(V=5, H=4, D=3, scale=0.7, **kwargs):
    model = RNNNADE(V, H, D, **{"seed": 0} | kwargs)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(scale * rng.normal(size=weight.shape))
    model.compile("adam", jit_compile=False)
    return model


def numbers(*weights):
    return [None if w is None else w.numpy().astype("float64") for w in weights]


def nades(model, frames):
    """The NADE of each frame of one sequence, in NumPy."""
    cell, head = model.memory.cell, model.head
    memory = numbers(cell.kernel, cell.recurrent_kernel, cell.bias, model.initial_context)
    known = rnn_rbm.memory(*memory, frames)
    static = nade.NADE(
        *numbers(head.kernel, head.decoder_kernel, head.visible_bias, head.hidden_bias),
        *numbers(head.mask_kernel),
    )
    A, B = numbers(head.context_visible_kernel, head.context_hidden_kernel)
    return [nade.given_context(static, A, B, u) for u in known]


def log_probs(model, frames):
    """log p(v_t | v_1 .. v_{t-1}) of each frame of one sequence."""
    orders = model.head.orders.tolist()
    heads = nades(model, frames)
    return [nade.log_mean_prob(head, v, orders) for head, v in zip(heads, frames, strict=True)]


def sequences(*lengths, V=5):
    rng = np.random.default_rng(2)
    return [rng.integers(0, 2, (n, V)) * 1.0 for n in lengths]


@pytest.fixture(scope="module")
def small():
    return made()


@pytest.mark.parametrize(
    "kwargs", [{}, {"orderless": True, "num_orders": 2}], ids=["ordered", "orderless"]
)
def test_the_score_is_the_likelihood_of_the_equations_per_frame(small, kwargs):
    model, frames = made(**kwargs) if kwargs else small, sequences(4, 1, 6)
    nats = np.concatenate([log_probs(model, row) for row in frames])
    likelihood = model.score(frames)
    assert likelihood.nats == pytest.approx(nats.mean(), abs=1e-5)
    assert (likelihood.kind, likelihood.frames, likelihood.sequences) == ("exact", 11, 3)


def test_generated_sequences_have_the_distribution_of_the_equations():
    model, count, states = made(3, 2, 2, scale=1.0), 20_000, np.array(binary_states(3))
    frames = model.generate(2, num_sequences=count, seed=5)
    share = np.bincount((frames @ [4, 2, 1] @ [8, 1]).astype(int), minlength=64) / count
    p = np.exp([sum(log_probs(model, [v, w])) for v in states for w in states])
    assert p.sum() == pytest.approx(1)
    assert np.all(np.abs(share - p) <= 5 * np.sqrt(p * (1 - p) / count))


def test_without_recurrence_it_is_a_nade(small):
    model = made()
    for weight in (*model.memory.trainable_weights, model.initial_context):
        weight.assign(np.zeros(weight.shape))
    alone = SequenceModel(None, NADE(5, 4, seed=0))
    for name in ("kernel", "decoder_kernel", "visible_bias", "hidden_bias"):
        getattr(alone.head, name).assign(getattr(model.head, name))
    frames = sequences(4, 6)
    assert model.score(frames).nats == pytest.approx(alone.score(frames).nats, abs=1e-6)
    assert abs(model.score(frames).nats - small.score(frames).nats) > 0.01


def test_a_low_temperature_draws_likelier_sequences_and_a_high_one_less_likely_ones(small):
    nats = [
        small.score(small.generate(5, num_sequences=200, temperature=t)).nats for t in (0.3, 1, 4)
    ]
    assert nats[0] > nats[1] + 0.2 > nats[2] + 0.4


@pytest.mark.parametrize(
    "cell",
    [None, lambda: keras.layers.LSTMCell(3), lambda: [keras.layers.GRUCell(2) for _ in range(2)]],
    ids=["tanh", "lstm", "stack"],
)
def test_config_makes_the_same_model_again_and_again(cell):
    kwargs = {"orderless": True, "num_orders": 2, "seed": 3, "name": "named"}
    model = RNNNADE(5, 4, 3, cell=cell and cell(), **kwargs)
    config = model.get_config()
    for _ in range(2):
        again = RNNNADE.from_config(config)
        assert again.get_config() == model.get_config()
        assert again.memory is not model.memory
        assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
    assert (again.head.num_orders, again.head.seed, again.name) == (2, 3, "named")


@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_the_policy_of_the_model_is_that_of_its_parts_and_is_saved(policy, tmp_path):
    model = RNNNADE(5, 4, 3, seed=0, dtype=policy)
    model.save(tmp_path / "model.keras")
    for m in (model, keras.models.load_model(tmp_path / "model.keras")):
        assert m.dtype_policy.name == policy
        assert m.head.dtype_policy.name == policy
        assert m.memory.cell.dtype_policy.name == policy


def cycle(num_sequences=32, num_steps=8, V=5):
    """One unit on, the next one in the next frame; the first is any. Truth: log(1/5) a sequence."""
    phases = np.random.default_rng(0).integers(0, V, num_sequences)
    frames = [np.eye(V)[(phase + np.arange(num_steps)) % V] for phase in phases]
    return frames, -math.log(V) / num_steps


@pytest.mark.slow
@pytest.mark.parametrize("orderless", [False, True], ids=["ordered", "orderless"])
def test_a_cycle_is_learned_almost_to_the_truth(orderless):
    frames, truth = cycle()
    keras.utils.set_random_seed(0)
    model = RNNNADE(5, 6, 10, orderless=orderless, seed=0)
    model.compile(keras.optimizers.Adam(0.03), jit_compile=True)
    before = model.score(frames).nats
    model.fit(frames, epochs=80, verbose=0)
    after = model.score(frames).nats
    assert before < truth - 2
    assert truth - 0.25 < after < truth + 0.1
    generated = model.generate(6, prime=np.eye(5)[[0, 1, 2]], num_sequences=20)
    expected = np.eye(5)[(3 + np.arange(6)) % 5]
    assert np.mean(np.all(generated == expected, axis=-1)) > 0.6


def test_pretraining_the_head_raises_the_score():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.integers(0, 2, (24, 6, 1)), 5, axis=-1)  # all on, or all off
    model = RNNNADE(5, 4, 3, seed=0)
    model.compile(jit_compile=False)
    before = model.score(frames).nats
    optimizer = keras.optimizers.Adam(0.1)
    model.pretrain_head(frames, epochs=40, batch_size=24, optimizer=optimizer, verbose=0)
    after = model.score(frames).nats
    assert before == pytest.approx(-5 * math.log(2), abs=1.0)
    assert math.log(0.5) + 0.01 > after > before + 1.2


@pytest.mark.parametrize(
    "kwargs",
    [{"run_eagerly": True}, pytest.param({"jit_compile": True}, marks=pytest.mark.slow)],
    ids=["eager", "xla"],
)
@pytest.mark.parametrize("orderless", [False, True], ids=["ordered", "orderless"])
def test_training_is_the_same_in_eager_execution_a_graph_and_xla(kwargs, orderless):
    frames, results = sequences(3, 2), []
    for how in ({"jit_compile": False}, kwargs):
        model = made(orderless=orderless)
        model.compile(keras.optimizers.SGD(0.3), **how)
        model.fit(frames, batch_size=2, verbose=0)
        results.append([w.numpy() for w in model.weights])
    for plain, other in zip(*results, strict=True):
        np.testing.assert_allclose(other, plain, atol=1e-5)


def test_causality_holds_in_the_likelihood_too(small):
    frames = np.stack(sequences(5))
    changed = frames.copy()
    changed[0, 3] = 1 - changed[0, 3]
    nats, other = (
        small.head.log_prob(f, small.contexts(f)).nats.numpy()[0]
        for f in (tf.constant(frames, "float32"), tf.constant(changed, "float32"))
    )
    np.testing.assert_array_equal(other[:3], nats[:3])
    assert np.all(other[3:] != nats[3:])
