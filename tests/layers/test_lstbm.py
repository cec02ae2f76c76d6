"""LSTBM and the hidden units of temporal RBMs: equations, gradients, draws, and limits."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from reference import lstbm as reference

from seqlayers.layers import LSTBM, BoltzmannCell, BoltzmannRNN, LSTBMCell
from seqlayers.sampling import row_seeds, uniform

N, J = 2, 3  # different, so that what is transposed does not fit
B, T = 3, 5
MASKS = {
    "no mask": None,
    "padded": [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]],
    "gaps": [[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 1, 0, 0, 1]],
}
CLASSES = {
    "paper": (LSTBM, {}),
    "lstm": (LSTBM, {"variant": "lstm"}),
    "boltzmann": (BoltzmannRNN, {}),
    "without bias": (LSTBM, {"use_bias": False}),
}
all_classes = pytest.mark.parametrize("name", CLASSES)
modes = pytest.mark.parametrize("mode", ["mean", "sample"])
masks = pytest.mark.parametrize("mask", MASKS)


def mask_of(name):
    return None if MASKS[name] is None else np.array(MASKS[name], bool)


def randomised(layer, scale=0.7, seed=1):
    layer.build((None, None, N))
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        weight.assign(scale * rng.normal(size=weight.shape))
    return layer


def made(name, **kwargs):
    cls, arguments = CLASSES[name]
    known = {"return_sequences": True, "return_state": True, "jit_compile": False}
    known |= {"dtype": "float64", "seed": 5}
    return randomised(cls(J, **known | arguments | kwargs))


def looped(layer):
    """Keras's loop over a cell like that of the layer, with its weights."""
    cell = type(layer.cell).from_config(layer.cell.get_config())
    loop = keras.layers.RNN(
        cell, return_sequences=True, return_state=True, dtype=layer.dtype_policy
    )
    loop.build((None, None, N))
    loop.set_weights([w.numpy() for w in layer.weights])
    return loop


def frames(dtype="float64", seed=2, batch=B):
    return np.random.default_rng(seed).normal(size=(batch, T, N)).astype(dtype)


def some_states(layer, seed=4):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(B, size)) for size in layer.cell.state_size]


def numbers(layer, batch=B):
    """What the next call of a layer draws from, `(batch, time, columns)`."""
    seed = ops.cast(layer.cell.seed_generator.state, "int32")
    columns = layer.cell.kernel.shape[1]
    return np.swapaxes(uniform((T, batch, columns), row_seeds(seed, T)), 0, 1).astype("float64")


def in_the_paper(layer, arrays, row, states, unit=reference.expected):
    """h, and c of an LSTBM, after each frame of a row."""
    arrays = (*arrays, None)[:3]
    if isinstance(layer, BoltzmannRNN):
        return reference.boltzmann(arrays, row, *states, unit)
    return reference.lstbm(arrays, row, *states, layer.variant, unit)


def results_and_gradients(layer, x, states=None, mask=None, run=None):
    """All that a layer returns, and gradients of a random sum of it by weights, inputs, states."""
    rng = np.random.default_rng(3)
    x, states = tf.constant(x), [tf.constant(s) for s in states or []]
    sources = [w.value for w in layer.trainable_weights] + [x, *states]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        if run is None:
            results = layer(x, mask=mask, initial_state=states or None, training=True)
        else:
            results = run(x, states)
        total = sum(
            tf.reduce_sum(r * rng.normal(size=r.shape).astype(x.dtype.name)) for r in results
        )
    return [*results, *tape.gradient(total, sources)]


def assert_all_close(actual, expected, atol=1e-12):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, atol=atol, rtol=atol)


# The equations.


@all_classes
def test_outputs_and_states_are_those_of_the_equations(name):
    layer, x = made(name), frames()
    states, arrays = some_states(layer), [w.numpy() for w in layer.weights]
    rows = zip(x, *states, strict=True)
    known = [in_the_paper(layer, arrays, row, before) for row, *before in rows]
    after = [np.array(values) for values in zip(*known, strict=True)]
    expected = [after[0], *(values[:, -1] for values in after)]
    for training in (False, True):
        assert_all_close(layer(x, initial_state=states, training=training), expected)
    assert_all_close(looped(layer)(x, initial_state=states), expected)


@all_classes
def test_what_is_drawn_is_drawn_as_in_the_equations(name):
    layer, x = made(name, mode="sample"), frames()
    states, arrays, u = some_states(layer), [w.numpy() for w in layer.weights], numbers(layer)
    known = [
        in_the_paper(layer, arrays, row, before, reference.drawn(of_row))
        for row, of_row, *before in zip(x, u, *states, strict=True)
    ]
    after = [np.array(values) for values in zip(*known, strict=True)]
    actual = layer(x, initial_state=states, training=True)
    assert_all_close(actual, [after[0], *(values[:, -1] for values in after)])


@all_classes
def test_single_precision_is_close_to_the_equations(name):
    layer, x = made(name, dtype="float32"), frames("float32")
    arrays = [w.numpy().astype("float64") for w in layer.weights]
    states = [np.zeros(size) for size in layer.cell.state_size]
    for row, h in zip(x, layer(x, training=True)[0], strict=True):
        expected, *_ = in_the_paper(layer, arrays, row.astype("float64"), states)
        np.testing.assert_allclose(h, expected, atol=1e-6, rtol=1e-5)


def test_weights_have_the_shapes_and_the_order_that_is_told():
    for name, columns in (("paper", 4 * J), ("boltzmann", J)):
        shapes = {"kernel": (N, columns), "recurrent_kernel": (J, columns), "bias": (columns,)}
        assert {w.name: tuple(w.shape) for w in made(name).weights} == shapes
        assert [w.name for w in made(name).weights] == list(shapes)
    assert [w.name for w in made("without bias").weights] == ["kernel", "recurrent_kernel"]


def test_only_forget_units_start_open():
    for layer, ones in ((LSTBM(J), J), (LSTBM(J, unit_forget_bias=False), 0), (BoltzmannRNN(J), 0)):
        layer.build((None, None, N))
        bias = layer.cell.bias.numpy()
        np.testing.assert_array_equal(bias, [1] * ones + [0] * (len(bias) - ones))


def test_the_printed_output_is_a_half_where_the_output_units_are_off():
    """What sets the printed equations apart from those of an LSTM, whose output is 0 there."""
    layer = made("paper", return_state=False)
    layer.cell.bias.assign([0] * 2 * J + [-1000] * J + [0] * J)
    np.testing.assert_array_equal(layer(frames()), np.full((B, T, J), 0.5))


# Gradients by hand.


@all_classes
@masks
@pytest.mark.parametrize("dropout", ["", "dropout", "recurrent_dropout"])
def test_gradients_are_those_of_automatic_differentiation(name, mask, dropout):
    arguments = {dropout: 0.5} if dropout else {}
    layer, x, mask = made(name, **arguments), frames(), mask_of(mask)
    assert layer.cell.can_scan()
    states = some_states(layer)
    expected = results_and_gradients(looped(made(name, **arguments)), x, states, mask)
    assert_all_close(results_and_gradients(layer, x, states, mask), expected)


@all_classes
def test_gradients_of_what_is_drawn_are_those_of_automatic_differentiation(name):
    layer, x = made(name, mode="sample"), frames()
    states, u = some_states(layer), tf.constant(numbers(layer))

    def run(x, states):
        cell, outputs = layer.cell, []
        for t in range(T):
            frame = (cell.project(x[:, t]), u[:, t])
            states, _ = cell.recurrence.step((cell.recurrent_kernel.value,), (), frame, states)
            outputs.append(states[0])
        return [tf.stack(outputs, axis=1), *states]

    expected = results_and_gradients(layer, x, states, run=run)
    assert_all_close(results_and_gradients(layer, x, states), expected)


@all_classes
@modes
def test_gradients_are_those_of_finite_differences(name, mode):
    """Where units are drawn: of the equations in which each unit is its mean and a constant, the
    constant being what its draw was above the mean. So the draws pass gradients straight through.
    """
    layer, x = made(name, mode=mode), frames(batch=1)
    arrays, u = [w.numpy() for w in layer.weights], numbers(layer, 1)[0]
    states = [np.zeros(size) for size in layer.cell.state_size]
    by = np.zeros_like(u)

    def noted(t, column, mean, lowest):
        value = reference.drawn(u)(t, column, mean, lowest)
        by[t, column] = value - mean
        return value

    if mode == "sample":
        in_the_paper(layer, arrays, x[0], states, noted)
        assert np.all(by != 0)
    rng = np.random.default_rng(3)
    after = [(1, T, J), *((1, size) for size in layer.cell.state_size)]
    of_outputs, *of_last = (rng.normal(size=shape)[0] for shape in after)

    def total(arrays):
        h, *c = in_the_paper(layer, arrays, x[0], states, reference.moved(by))
        last = sum(np.sum(w * s[-1]) for w, s in zip(of_last, (h, *c), strict=True))
        return np.sum(of_outputs * h) + last

    gradients = results_and_gradients(layer, x)[len(after) : len(after) + len(arrays)]
    for array, gradient in zip(arrays, gradients, strict=True):
        expected = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            value = array[index]
            array[index] = value + 1e-5
            above = total(arrays)
            array[index] = value - 1e-5
            expected[index] = (above - total(arrays)) / 2e-5
            array[index] = value
        np.testing.assert_allclose(gradient, expected, atol=1e-8)


def test_compiled_in_shards_it_draws_the_same_and_has_the_same_gradients():
    arguments = {"mode": "sample", "recurrent_dropout": 0.5, "dtype": "float32"}
    layer, compiled = made("lstm", **arguments), made("lstm", jit_compile=True, **arguments)
    x, mask = frames("float32"), mask_of("gaps")
    states = [s.astype("float32") for s in some_states(layer)]
    expected = results_and_gradients(layer, x, states, mask)
    actual = results_and_gradients(compiled, x, states, mask)
    assert_all_close(actual, expected, 1e-4)


# Draws.


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
    units = (h.numpy()[:, 0] - off) / (on - off) if kind == "o" else c.numpy()
    np.testing.assert_allclose(units, np.round(units), atol=1e-6)
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
    layer.set_weights([np.zeros((N, J)), np.zeros((J, J)), np.array([-1, 0, 2])])
    h = layer(np.zeros((n, T, N), "float32"), training=True).numpy()
    np.testing.assert_array_equal(h, h > 0)
    p = np.tile([reference.sigmoid(b) for b in (-1, 0, 2)], T)
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
    off = 1 - layer(np.zeros((n, T, N), "float32"), training=True).numpy().astype("float32")
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
    assert_all_close(looped(layer)(x), looped(mean)(x), 0)
    np.testing.assert_array_equal(layer.cell.seed_generator.state, before)
    assert_all_close(mean(x, training=True), mean(x))
    np.testing.assert_array_equal(mean.cell.seed_generator.state, before)


@all_classes
def test_what_is_drawn_for_a_frame_does_not_depend_on_what_is_behind_it(name):
    x, mask = frames(), mask_of("padded")
    whole = made(name, mode="sample")(x, training=True)[0]
    padded = made(name, mode="sample")(x, mask=mask, training=True)[0].numpy()
    np.testing.assert_array_equal(padded[mask], whole.numpy()[mask])
    short = made(name, mode="sample")(x[:2, :3], training=True)[0]
    np.testing.assert_allclose(short, whole[:2, :3], atol=1e-12)


@pytest.mark.parametrize("unroll", [True, False])
@pytest.mark.parametrize("eagerly", [True, False])
def test_the_loop_of_keras_draws_at_every_frame(unroll, eagerly):
    n = 1000
    cell = BoltzmannCell(J, mode="sample", seed=1)
    loop = keras.layers.RNN(cell, return_sequences=True, unroll=unroll)
    loop.build((None, None, N))
    loop.set_weights([np.zeros((N, J)), np.zeros((J, J)), np.ones(J)])

    def run(x):
        with tf.GradientTape() as tape:
            h = loop(x, training=True)
        return h, tape.gradient(h, cell.bias.value)

    h, gradient = (run if eagerly else tf.function(run))(np.zeros((n, T, N), "float32"))
    h, p = h.numpy(), reference.sigmoid(1)
    np.testing.assert_array_equal(h, h > 0)
    assert np.abs(h.mean(axis=0) - p).max() < 5 * np.sqrt(p * (1 - p) / n)
    assert np.all(np.any(h[:, 1:] != h[:, :-1], axis=(0, 2)))
    np.testing.assert_allclose(gradient, np.full(J, n * T * p * (1 - p)), rtol=1e-4)


def test_layers_and_cells_that_draw_learn_and_are_saved(tmp_path):
    way = {"return_sequences": True, "jit_compile": False, "mode": "sample"}
    inputs = keras.Input((None, N))
    x = keras.layers.Bidirectional(LSTBM(J, seed=1, **way))(keras.layers.Masking()(inputs))
    x = BoltzmannRNN(J, seed=2, **way)(x)
    cells = [LSTBMCell(J, mode="sample", seed=3), BoltzmannCell(J, mode="sample", seed=4)]
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.RNN(cells)(x)))
    model.compile(keras.optimizers.SGD(0.1), loss="mse", jit_compile=False)
    x, y = frames("float32"), np.ones((B, 2), "float32")
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=3, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))


# Layers of Keras as limits.


@masks
@pytest.mark.parametrize("dtype, atol", [("float64", 1e-13), ("float32", 1e-6)])
def test_as_an_lstm_it_is_the_lstm_of_keras(mask, dtype, atol):
    layer, x, mask = made("lstm", dtype=dtype), frames(dtype), mask_of(mask)
    lstm, states = layer.to_lstm(), [s.astype(dtype) for s in some_states(layer)]
    assert type(lstm) is keras.layers.LSTM
    for training in (False, True):
        given = {"mask": mask, "initial_state": states, "training": training}
        assert_all_close(lstm(x, **given), layer(x, **given), atol)
        given = {"mask": mask, "training": training}
        assert_all_close(lstm(x, **given), layer(x, **given), atol)


def test_the_lstm_may_have_the_scale_of_the_inputs_in_its_weights():
    layer, x, scale = made("lstm"), frames(), np.array([0.25, 3])
    assert_all_close(layer.to_lstm(scale)(x), layer(x * scale), 1e-13)


def test_the_lstm_has_the_arguments_of_the_layer_unless_others_are_given():
    layer = made("lstm", go_backwards=True, use_bias=False, dropout=0.25, mode="sample")
    lstm, config = layer.to_lstm(), layer.get_config()
    same = set(lstm.get_config()) & set(config) - {"name"}
    assert {k: lstm.get_config()[k] for k in same} == {k: config[k] for k in same}
    assert set(inspect.signature(LSTBM).parameters) - same == {
        "variant",
        "mode",
        "jit_compile",
        "kwargs",
    }
    other = layer.to_lstm(return_sequences=False, return_state=False, name="other")
    assert other.name == "other"
    np.testing.assert_allclose(other(frames()), layer(frames())[0][:, -1], atol=1e-13)


def test_the_lstm_of_a_stateful_layer_is_stateful():
    layer = LSTBM(J, "lstm", stateful=True, jit_compile=False)
    x = frames("float32")
    layer(x)
    layer.reset_state()
    lstm = layer.to_lstm()
    for part in (x[:, :2], x[:, 2:]):
        np.testing.assert_allclose(lstm(part), layer(part), atol=1e-6)


def test_the_lstm_is_refused_where_there_is_none():
    with pytest.raises(ValueError, match="variant=\"lstm\".*not those of an LSTM.*'paper'"):
        made("paper").to_lstm()
    with pytest.raises(ValueError, match="build the layer first"):
        LSTBM(J, variant="lstm").to_lstm()
    for scale in (2.0, np.ones(N + 1), np.ones((N, 1)), [1, np.nan]):
        with pytest.raises(ValueError, match="`input_scale` must be 2 finite numbers.*Received"):
            made("lstm").to_lstm(scale)


@masks
def test_hidden_units_of_a_temporal_rbm_are_a_simple_network_of_keras(mask):
    layer, x = made("boltzmann"), frames()
    way = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    simple = keras.layers.SimpleRNN(J, activation="sigmoid", **way)
    simple.build((None, None, N))
    simple.set_weights(layer.get_weights())
    states, mask = some_states(layer), mask_of(mask)
    expected = results_and_gradients(simple, x, states, mask)
    assert_all_close(results_and_gradients(layer, x, states, mask), expected)


def test_without_recurrence_expected_units_are_those_of_an_rbm():
    layer, x = made("boltzmann", return_state=False), frames()
    W, U, b = layer.get_weights()
    layer.set_weights([W, 0 * U, b])
    np.testing.assert_allclose(layer(x), 1 / (1 + np.exp(-(x @ W + b))), atol=1e-14)


# What is refused.


@pytest.mark.parametrize("cls", [LSTBM, LSTBMCell, BoltzmannRNN, BoltzmannCell])
def test_a_bad_argument_is_named_with_what_was_received(cls):
    for value in ("sampled", None, True):
        with pytest.raises(ValueError, match=f'`mode` must be "mean" or "sample".*{value!r}'):
            cls(J, mode=value)
    if "variant" in inspect.signature(cls).parameters:
        with pytest.raises(ValueError, match='`variant` must be "paper" or "lstm".*\'LSTM\''):
            cls(J, variant="LSTM")


@pytest.mark.parametrize("cls", [LSTBM, LSTBMCell, BoltzmannRNN, BoltzmannCell])
def test_what_the_model_fixes_is_no_argument(cls):
    fixed = {"activation": "relu", "recurrent_activation": "tanh"}
    if cls in (BoltzmannRNN, BoltzmannCell):
        fixed["unit_forget_bias"] = True
    for name, value in fixed.items():
        assert name not in inspect.signature(cls).parameters
        with pytest.raises(ValueError, match=f"{name}.*{value}"):
            cls(J, **{name: value})
