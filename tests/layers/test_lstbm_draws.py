"""Hidden units that are drawn: how often, from which seed, and when."""

import keras
import numpy as np
import pytest
from backend import JAX
from layers.helpers import B, T, assert_all_close, assert_allclose, looped, mask_of
from layers.hidden_units import J, N, all_classes, frames, made
from reference import lstbm as reference

from seqlayers.layers import LSTBM, BoltzmannCell, BoltzmannRNN, LSTBMCell
from seqlayers.layers.scanned import ScannedRNN

pytestmark = pytest.mark.usefixtures("eagerly")


KINDS = {"f": 0, "i": 1, "o": 2, "g": 3}
ON, OFF = 50, -50  # logits of units that do not vary


@pytest.mark.parametrize("variant", ["paper", "lstm"])
@pytest.mark.parametrize("kind", KINDS)
def test_units_are_drawn_with_their_means_and_have_two_values(variant, kind):
    """All other units are set so that the one kind shows: c = f, i or g, or c = 1 and h by o."""
    n, lowest = 4000, -1 if (variant, kind) == ("lstm", "g") else 0
    others = {
        "f": {"i": OFF},
        "i": {"f": OFF, "g": ON},
        "g": {"f": OFF, "i": ON},
        "o": {"f": ON, "i": OFF},
    }
    layer = made(variant, mode="sample", dtype="float32")
    x, bias = frames("float32", batch=1)[:, :1], layer.cell.bias.numpy()
    for other, value in others[kind].items():
        bias[KINDS[other] * J : (KINDS[other] + 1) * J] = value
    layer.cell.bias.assign(bias)
    states = [np.zeros((n, J)), np.ones((n, J))]
    h, _, c = layer(np.repeat(x, n, axis=0), initial_state=states, training=True)
    on = {"paper": 1 / (1 + np.exp(-1)), "lstm": np.tanh(1)}[variant]
    off = {"paper": 0.5, "lstm": 0}[variant]
    units = (np.asarray(h)[:, 0] - off) / (on - off) if kind == "o" else np.asarray(c)
    assert_allclose(units, np.round(units), atol=1e-6)
    assert set(np.unique(np.round(units))) == {lowest, 1}
    weights = [w.numpy() for w in layer.weights]
    for j in range(J):
        y = reference.logit(weights, x[0, 0], np.zeros(J), KINDS[kind] * J + j)
        p = reference.sigmoid(2 * y if lowest else y)  # of 1
        frequency = np.mean(units[:, j] > 0.5)
        assert abs(frequency - p) < 5 * np.sqrt(p * (1 - p) / n)


def test_units_of_rows_frames_and_places_are_drawn_independently():
    n = 4000
    layer = made("boltzmann", mode="sample", dtype="float32", return_state=False)
    layer.set_weights([np.zeros((N, J)), np.zeros((J, J)), np.array([-1, 0, 1, 2])])
    h = np.asarray(layer(np.zeros((n, T, N), "float32"), training=True))
    np.testing.assert_array_equal(h, h > 0)
    p = np.tile([reference.sigmoid(b) for b in (-1, 0, 1, 2)], T)
    z = (h.reshape(n, -1) - p) / np.sqrt(p * (1 - p))
    assert np.abs(z.mean(axis=0)).max() < 5 / np.sqrt(n)
    correlations = z.T @ z / n - np.eye(T * J)
    np.fill_diagonal(correlations, 0)
    assert np.abs(correlations).max() < 5 / np.sqrt(n)
    neighbours = z[1:] * z[:-1]
    assert np.abs(neighbours.mean(axis=0)).max() < 5 / np.sqrt(n)


def test_what_is_likely_is_drawn_as_often_in_half_precision():
    n = 4000
    layer = made("boltzmann", mode="sample", dtype="mixed_bfloat16", return_state=False)
    layer.set_weights([np.zeros((N, J)), np.zeros((J, J)), np.full(J, 7)])
    off = 1 - np.asarray(layer(np.zeros((n, T, N), "float32"), training=True)).astype("float32")
    p = reference.sigmoid(-7)
    assert abs(np.mean(off) - p) < 5 * np.sqrt(p * (1 - p) / off.size)


@all_classes
def test_the_same_seed_draws_the_same_and_every_call_anew(name):
    x = frames()

    def draws(seed):
        layer = made(name, mode="sample", seed=seed)
        return np.array([layer(x, training=True)[0] for _ in range(3)])

    first = draws(1)
    np.testing.assert_array_equal(draws(1), first)
    assert np.any(draws(2) != first)
    assert np.any(first[1] != first[0]) and np.any(first[2] != first[1])


@all_classes
def test_nothing_is_drawn_at_inference_nor_of_what_is_expected(name):
    x, mean, layer = frames(), made(name), made(name, mode="sample")
    before = layer.cell.seed_generator.state.numpy()
    for given in ({}, {"training": False}):
        assert_all_close(layer(x, **given), mean(x, **given), 0)
    assert_all_close(looped(layer, N)(x), looped(mean, N)(x), 0)
    np.testing.assert_array_equal(layer.cell.seed_generator.state, before)
    assert_all_close(mean(x, training=True), mean(x))
    np.testing.assert_array_equal(mean.cell.seed_generator.state, before)


@all_classes
def test_what_is_drawn_for_a_frame_does_not_depend_on_what_is_behind_it(name):
    x, mask = frames(), mask_of("padded")
    whole = made(name, mode="sample")(x, training=True)[0]
    padded = np.asarray(made(name, mode="sample")(x, mask=mask, training=True)[0])
    np.testing.assert_array_equal(padded[mask], np.asarray(whole)[mask])
    short = made(name, mode="sample")(x[:2, :3], training=True)[0]
    assert_allclose(short, whole[:2, :3], atol=1e-12)


@pytest.mark.tensorflow
@pytest.mark.parametrize("unroll", [True, False])
@pytest.mark.parametrize("graph", [True, False])
def test_the_loop_of_keras_draws_at_every_frame(unroll, graph):
    import tensorflow as tf

    tf.config.run_functions_eagerly(False)
    n = 1000
    cell = BoltzmannCell(J, mode="sample", seed=1)
    loop = keras.layers.RNN(cell, return_sequences=True, unroll=unroll)
    loop.build((None, None, N))
    loop.set_weights([np.zeros((N, J)), np.zeros((J, J)), np.ones(J)])

    def run(x):
        with tf.GradientTape() as tape:
            h = loop(x, training=True)
        return h, tape.gradient(h, cell.bias.value)

    h, gradient = (tf.function(run) if graph else run)(np.zeros((n, T, N), "float32"))
    h, p = np.asarray(h), reference.sigmoid(1)
    np.testing.assert_array_equal(h, h > 0)
    assert np.abs(h.mean(axis=0) - p).max() < 5 * np.sqrt(p * (1 - p) / n)
    assert np.all(np.any(h[:, 1:] != h[:, :-1], axis=(0, 2)))
    assert_allclose(gradient, np.full(J, n * T * p * (1 - p)), rtol=1e-4)


def test_layers_and_cells_that_draw_learn_and_are_saved(tmp_path):
    way = {"return_sequences": True, "jit_compile": False, "mode": "sample"}
    inputs = keras.Input((None, N))
    x = keras.layers.Bidirectional(LSTBM(J, seed=1, **way))(keras.layers.Masking()(inputs))
    x = BoltzmannRNN(J, seed=2, **way)(x)
    cells = [LSTBMCell(J, mode="sample", seed=3), BoltzmannCell(J, mode="sample", seed=4)]
    stack = ScannedRNN(cells) if JAX else keras.layers.RNN(cells)
    model = keras.Model(inputs, keras.layers.Dense(2)(stack(x)))
    model.compile(keras.optimizers.SGD(0.1), loss="mse", run_eagerly=True, jit_compile=False)
    x, y = frames("float32"), np.ones((B, 2), "float32")
    before = model.test_on_batch(x, y)
    for _ in range(3):
        model.train_on_batch(x, y)
    assert model.test_on_batch(x, y) < before
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
