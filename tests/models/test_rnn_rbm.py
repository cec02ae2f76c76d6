"""The RNN-RBM on spectrograms: as published, streamed, saved, and its optimizer."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.layers import TanhGatedCell
from seqlayers.models import RNNRBM


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
    with pytest.raises(ValueError, match="`learning_rates.*must be.*Received"):
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


@pytest.mark.long
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
