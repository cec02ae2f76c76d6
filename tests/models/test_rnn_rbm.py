"""The RNN-RBM against its equations in loops, at its limits, and on sequences it can learn."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import rbm, rnn_rbm

from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.models import RNNRBM, SequenceModel


def made(V=5, H=4, D=3, scale=0.7, **kwargs):
    model = RNNRBM(V, H, D, **{"seed": 0, "gibbs_steps": 1} | kwargs)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(scale * rng.normal(size=weight.shape))
    model.compile("adam", jit_compile=False)
    return model


def in_numpy(model):
    cell, head = model.memory.cell, model.head
    weights = [cell.kernel, cell.recurrent_kernel, cell.bias, model.initial_context]
    weights += [head.kernel, head.visible_bias, head.hidden_bias]
    weights += [head.context_visible_kernel, head.context_hidden_kernel, head.log_variance]
    weights = [None if w is None else w.numpy().astype("float64") for w in weights]
    return rnn_rbm.RNNRBM(*weights)


def sequences(*lengths, V=5, gaussian=False):
    rng = np.random.default_rng(2)
    return [
        rng.normal(size=(n, V)) if gaussian else rng.integers(0, 2, (n, V)) * 1.0 for n in lengths
    ]


@pytest.fixture(scope="module")
def small():
    return made()


def test_contexts_are_those_of_the_equations(small):
    frames = np.stack(sequences(6, 6))
    expected = [rnn_rbm.memory(*in_numpy(small)[:4], row) for row in frames]
    np.testing.assert_allclose(small.contexts(frames), expected, atol=1e-5)


@pytest.mark.parametrize("visibles", ["bernoulli", "gaussian"])
def test_the_score_is_the_likelihood_by_enumeration_per_frame(small, visibles):
    model = small if visibles == "bernoulli" else made(visibles=visibles)
    frames = sequences(4, 1, 6, gaussian=visibles == "gaussian")
    nats = np.concatenate([rnn_rbm.log_probs(in_numpy(model), row) for row in frames])
    likelihood = model.score(frames)
    assert likelihood.nats == pytest.approx(nats.mean(), abs=1e-4)
    assert likelihood.nats != pytest.approx(nats.mean() * 11 / 3, abs=0.1)  # not per sequence
    assert (likelihood.kind, likelihood.frames, likelihood.sequences) == ("exact", 11, 3)
    assert "exact" in str(likelihood) and "11 frames of 3 sequences" in str(likelihood)


def test_generated_sequences_have_the_distribution_of_the_equations():
    model, count = made(3, 2, 2, scale=1.0), 20_000
    frames = model.generate(2, num_sequences=count, seed=5)
    numbers = (frames @ [4, 2, 1]).astype(int)
    share = np.bincount(numbers @ [8, 1], minlength=64) / count
    p = rnn_rbm.sequence_probs(in_numpy(model), 2).ravel()
    assert p.sum() == pytest.approx(1)
    assert np.all(np.abs(share - p) <= 5 * np.sqrt(p * (1 - p) / count))
    first = np.array([[1.0, 0.0, 1.0]])  # state 5
    after = model.generate(1, prime=first, num_sequences=count, seed=6)
    share = np.bincount((after[:, 0] @ [4, 2, 1]).astype(int), minlength=8) / count
    p = p.reshape(8, 8)[5] / p.reshape(8, 8)[5].sum()
    assert np.all(np.abs(share - p) <= 5 * np.sqrt(p * (1 - p) / count))


def test_without_recurrence_it_is_an_rbm():
    model = made()
    for weight in (*model.memory.trainable_weights, model.initial_context):
        weight.assign(np.zeros(weight.shape))
    alone = SequenceModel(None, ConditionalRBM(5, 4, seed=0))
    for name in ("kernel", "visible_bias", "hidden_bias"):
        getattr(alone.head, name).assign(getattr(model.head, name))
    frames = sequences(4, 6)
    expected = [rbm.log_prob(rnn_rbm.frame_rbm(in_numpy(model), []), v) for v in np.vstack(frames)]
    assert model.score(frames).nats == pytest.approx(np.mean(expected), abs=1e-4)
    assert alone.score(frames).nats == pytest.approx(np.mean(expected), abs=1e-4)


def test_a_low_temperature_draws_likelier_sequences_and_a_high_one_less_likely_ones():
    model = made(scale=0.5)
    nats = [
        model.score(model.generate(5, num_sequences=200, temperature=t)).nats for t in (0.3, 1, 4)
    ]
    assert nats[0] > nats[1] + 0.2 > nats[2] + 0.4


@pytest.mark.parametrize(
    "cell",
    [None, lambda: keras.layers.LSTMCell(3), lambda: [keras.layers.GRUCell(2) for _ in range(2)]],
    ids=["tanh", "lstm", "stack"],
)
def test_config_makes_the_same_model_again_and_again(cell):
    model = RNNRBM(5, 4, 3, cell=cell and cell(), gibbs_steps=7, seed=3, name="named")
    config = model.get_config()
    for _ in range(2):
        again = RNNRBM.from_config(config)
        assert again.get_config() == model.get_config()
        assert again.memory is not model.memory
        assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
    assert (again.head.gibbs_steps, again.head.seed, again.name) == (7, 3, "named")


@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_the_policy_of_the_model_is_that_of_its_parts_and_is_saved(policy, tmp_path):
    model = RNNRBM(5, 4, 3, seed=0, dtype=policy)
    model.save(tmp_path / "model.keras")
    for m in (model, keras.models.load_model(tmp_path / "model.keras")):
        assert m.dtype_policy.name == policy
        assert m.head.dtype_policy.name == policy
        assert m.memory.cell.dtype_policy.name == policy


def cycle(num_sequences=32, num_steps=8, V=5):
    """One unit on, the next one in the next frame; the first is any. Truth: log(1/5) a sequence."""
    phases = np.random.default_rng(0).integers(0, V, num_sequences)
    return [np.eye(V)[(phase + np.arange(num_steps)) % V] for phase in phases], -math.log(
        V
    ) / num_steps


@pytest.mark.slow
def test_a_cycle_is_learned_almost_to_the_truth():
    frames, truth = cycle()
    model = RNNRBM(5, 6, 10, gibbs_steps=3, seed=0)
    keras.utils.set_random_seed(0)
    model.compile(keras.optimizers.Adam(0.03), jit_compile=True)
    before = model.score(frames).nats
    model.fit(frames, epochs=80, verbose=0)
    after = model.score(frames).nats
    assert before < truth - 2
    assert truth - 0.25 < after < truth + 0.1
    generated = model.generate(6, prime=np.eye(5)[[0, 1, 2]], num_sequences=20)
    expected = np.eye(5)[(3 + np.arange(6)) % 5]
    assert np.mean(np.all(generated == expected, axis=-1)) > 0.6


@pytest.mark.slow
def test_pretraining_the_head_raises_the_score():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.integers(0, 2, (24, 6, 1)), 5, axis=-1)  # all on, or all off
    model = RNNRBM(5, 4, 3, gibbs_steps=3, seed=0)
    model.compile(jit_compile=False)
    before = model.score(frames).nats
    optimizer = keras.optimizers.Adam(0.03)
    model.pretrain_head(frames, epochs=60, batch_size=24, optimizer=optimizer, verbose=0)
    after = model.score(frames).nats
    assert before == pytest.approx(-5 * math.log(2), abs=0.2)
    assert math.log(0.5) + 0.01 > after > before + 1.2


@pytest.mark.slow
@pytest.mark.parametrize("head", ["rbm", "bernoulli"])
def test_pretraining_the_memory_raises_the_score(head):
    frames, truth = cycle()
    keras.utils.set_random_seed(0)
    head = ConditionalRBM(5, 4, seed=0) if head == "rbm" else BernoulliHead(5, seed=0)
    model = SequenceModel(keras.layers.SimpleRNNCell(8), head)
    model.compile(jit_compile=False)
    before = model.score(frames).nats
    start = model.initial_context.numpy()
    model.pretrain_memory(frames, epochs=40, optimizer=keras.optimizers.Adam(0.03), verbose=0)
    after = model.score(frames).nats
    assert before < truth - 2.5
    assert after > before + 1.5
    assert np.any(model.initial_context.numpy() != start)


def test_pretraining_the_head_takes_gaussian_visibles_and_the_memory_refuses_them():
    frames = sequences(4, 6, gaussian=True)
    model = made(visibles="gaussian")
    model.pretrain_head(frames, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="cross-entropy.*Received.*gaussian"):
        model.pretrain_memory(frames, epochs=1, verbose=0)


@pytest.mark.slow
def test_compiled_by_xla_or_not_training_and_draws_are_the_same():
    frames, results = sequences(5, 3, 4), []
    for jit_compile in (False, True):
        model = made()
        model.compile(keras.optimizers.SGD(0.3), jit_compile=jit_compile)
        history = model.fit(frames, epochs=2, batch_size=3, verbose=0).history
        draw = model.generate(3, num_sequences=4, seed=1)
        results.append([history["loss"], draw, *(w.numpy() for w in model.weights)])
    for plain, xla in zip(*results, strict=True):
        np.testing.assert_allclose(xla, plain, atol=1e-4)


def test_eager_training_is_the_same(small):
    frames, results = sequences(3, 2), []
    for kwargs in ({"jit_compile": False}, {"run_eagerly": True}):
        model = made()
        model.compile(keras.optimizers.SGD(0.3), **kwargs)
        model.fit(frames, batch_size=2, verbose=0)
        results.append([w.numpy() for w in model.weights])
    for plain, eager in zip(*results, strict=True):
        np.testing.assert_allclose(eager, plain, atol=1e-4)


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
