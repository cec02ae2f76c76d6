"""The RNN-RBM against its equations in loops, at its limits, and on sequences it can learn."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import rbm, rnn_rbm

from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.layers import TanhGatedCell
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


# The model of spectrograms.


def spectral(**kwargs):
    """A small one with weights of some size."""
    model = RNNRBM.for_spectrograms(10, seed=0, **kwargs)
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(0.4 * rng.normal(size=weight.shape))
    model.compile(RNNRBM.optimizer_for_spectrograms(2), jit_compile=False, nonfinite="shrink")
    return model


@pytest.fixture(scope="module")
def spectral_small():
    return spectral(gibbs_steps=2)


def test_the_model_of_spectrograms_is_as_published():
    model = RNNRBM.for_spectrograms(seed=3)
    head, cells = model.head, model.memory.cell.cells
    assert (head.visible_units, head.hidden_units, head.seed) == (129, 219, 3)
    assert [cell.units for cell in cells] == [167, 167, 167] and model.recurrent_units == 167
    assert {type(cell) for cell in cells} == {TanhGatedCell}
    assert {cell.gate_activation for cell in cells} == {keras.activations.tanh}
    assert (head.gibbs_steps, head.sampling_steps, head.visibles) == (15, 20, "gaussian")
    penalty = 1e-4 * np.abs(head.kernel.numpy()).sum()
    assert [float(loss) for loss in model.losses] == pytest.approx([penalty], rel=1e-5)


def test_all_of_the_model_of_spectrograms_can_be_chosen():
    model = RNNRBM.for_spectrograms(
        20,
        hidden_units=7,
        recurrent_units=5,
        num_layers=2,
        gate_activation="sigmoid",
        visibles="gamma",
        gibbs_steps=2,
        sampling_steps=3,
        kernel_regularizer=None,
    )
    head, cells = model.head, model.memory.cell.cells
    assert (head.hidden_units, head.gibbs_steps, head.sampling_steps) == (7, 2, 3)
    assert (head.visibles, model.losses) == ("gamma", [])
    assert [(cell.units, cell.gate_activation) for cell in cells] == [
        (5, keras.activations.sigmoid)
    ] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"visible_units": 0},
        {"hidden_units": 0},
        {"recurrent_units": 2.5},
        {"num_layers": 0},
        {"visibles": "uniform"},
        {"gate_activation": "frobnicate"},
        {"sampling_steps": 0},
    ],
)
def test_wrong_arguments_of_the_model_of_spectrograms_are_refused_by_name(arguments):
    with pytest.raises(ValueError, match="|".join([*arguments, *map(str, arguments.values())])):
        RNNRBM.for_spectrograms(**{"visible_units": 5} | arguments)


def test_the_learning_rate_falls_after_each_phase():
    optimizer = RNNRBM.optimizer_for_spectrograms(steps_per_phase=3)
    assert (optimizer.rho, optimizer.epsilon, optimizer.momentum) == (0.9, 1e-6, 0)
    w, rates = keras.Variable([0.0]), []
    optimizer.build([w])
    for _ in range(20):
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([tf.constant([1.0])], [w])
    expected = np.repeat([3e-4, 1e-4, 5e-5, 3e-5, 1e-5], [3, 3, 3, 3, 8])
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    single = RNNRBM.optimizer_for_spectrograms(1, [0.01])
    assert float(single.learning_rate) == pytest.approx(0.01)


def test_a_step_of_its_optimizer_is_the_published_one():
    optimizer = RNNRBM.optimizer_for_spectrograms(1, [0.01])
    w, gradients = keras.Variable([1.0, -2.0]), np.array([[0.5, 1e-4], [-1.0, 3e-4]])
    expected, a = w.numpy().astype("float64"), np.zeros(2)
    for g in gradients:
        optimizer.apply([tf.constant(g, "float32")], [w])
        a = 0.9 * a + 0.1 * g**2
        expected -= 0.01 * g / np.sqrt(a + 1e-6)
    np.testing.assert_allclose(w.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("rates", [[], [0.1, 0], [0.1, math.inf], 0.1, ["a"]])
def test_learning_rates_that_are_none_are_refused(rates):
    with pytest.raises(ValueError, match="`learning_rates` must be.*Received"):
        RNNRBM.optimizer_for_spectrograms(2, rates)
    with pytest.raises(ValueError, match="`steps_per_phase` must be"):
        RNNRBM.optimizer_for_spectrograms(0)


def test_frame_by_frame_three_layers_remember_what_they_do_all_at_once(spectral_small):
    frames = np.random.default_rng(2).normal(size=(2, 6, 10)).astype("float32")
    state = spectral_small.initial_state(2)
    contexts = spectral_small.contexts(frames)
    for t in range(6):
        np.testing.assert_allclose(state.context, contexts[:, t], atol=1e-6)
        state = spectral_small.step(frames[:, t], state)
    primed = spectral_small.prime(frames, spectral_small.initial_state(2))
    np.testing.assert_allclose(primed.context, state.context, atol=1e-6)


def test_one_layer_in_a_list_goes_frame_by_frame_as_well():
    model = spectral(num_layers=1)
    frames = np.random.default_rng(2).normal(size=(2, 3, 10)).astype("float32")
    state = model.initial_state(2)
    for t in range(3):
        np.testing.assert_allclose(state.context, model.contexts(frames)[:, t], atol=1e-6)
        state = model.step(frames[:, t], state)


def test_three_layers_are_those_of_keras_one_above_the_other_padded_or_not():
    x = np.random.default_rng(2).normal(size=(3, 5, 10))
    mask = np.arange(5) < np.array([5, 2, 0])[:, None]
    x[~mask] = np.nan
    memory = spectral(dtype="float64").memory
    cells = keras.layers.StackedRNNCells.from_config(memory.cell.get_config())
    rnn = keras.layers.RNN(cells, return_sequences=True, dtype="float64")
    rnn.build((None, None, 10))
    rnn.set_weights(memory.get_weights())
    results = []
    for layer in (memory, rnn):
        inputs = tf.constant(np.nan_to_num(x) if layer is rnn else x)
        with tf.GradientTape() as tape:
            outputs = layer(inputs, mask=mask, training=True)
            total = tf.reduce_sum(tf.where(mask[..., None], outputs**2, 0))
        gradients = tape.gradient(total, [w.value for w in layer.trainable_weights])
        results.append([outputs.numpy()[mask], *(g.numpy() for g in gradients)])
    for ours, keras_has in zip(*results, strict=True):
        np.testing.assert_allclose(ours, keras_has, rtol=1e-9, atol=1e-9)


def test_a_low_temperature_draws_calmer_spectra_and_a_high_one_bolder_ones(spectral_small):
    spread = {}
    for temperature in (0.1, 1.0, 4.0):
        drawn = spectral_small.generate(4, num_sequences=60, temperature=temperature, seed=1)
        assert drawn.shape == (60, 4, 10) and np.isfinite(drawn).all()
        spread[temperature] = drawn[:, 0].std(axis=0).mean()  # the first have all one context
    assert spread[0.1] < 0.6 * spread[1.0] < 0.6 * 0.6 * spread[4.0]


@pytest.mark.slow
def test_the_model_of_spectrograms_is_saved_and_goes_on_training_as_it_was(tmp_path):
    frames = np.random.default_rng(2).normal(size=(6, 5, 10)).astype("float32")
    model = spectral(gibbs_steps=1)
    options = {"batch_size": 3, "verbose": 0}
    model.fit(frames, epochs=1, **options)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    configs = [json.loads(json.dumps(m.get_config())) for m in (model, loaded)]
    assert configs[0] == configs[1]
    assert (loaded.head.sampling_steps, loaded.nonfinite) == (20, "shrink")
    assert type(loaded.memory) is type(model.memory)
    histories = [
        m.fit(frames, epochs=3, initial_epoch=1, **options).history for m in (model, loaded)
    ]
    assert histories[0] == histories[1] and histories[0]["shrunk_steps"] == [0, 0]
    rates = [float(m.optimizer.learning_rate) for m in (model, loaded)]
    assert rates == pytest.approx([3e-5, 3e-5])
    for a, b in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
