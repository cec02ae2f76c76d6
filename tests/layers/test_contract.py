"""What every recurrent layer and its cell keep. A new layer joins by one line in LAYERS.

A layer is a `keras.layers.RNN` with a cell, and must agree with Keras's own loop over that cell.
Layers run without XLA here except where it is XLA that is tested; compiling takes seconds.
"""

import inspect
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from seqlayers.layers import (
    LSTBM,
    SFM,
    AdaptiveSFM,
    AdaptiveSFMCell,
    BoltzmannCell,
    BoltzmannRNN,
    ConvLSTMPatch,
    ConvLSTMPatchCell,
    LSTBMCell,
    PeepholeLSTM,
    PeepholeLSTMCell,
    SFMCell,
    TanhGated,
    TanhGatedCell,
)

N, B, T = 3, 3, 5

SMALL = {"units": 4, "num_frequencies": 3, "memory_units": 5}
PATCHES = {"units": 4, "patch_size": 2, "patch_stride": 1, "pool_size": 1, "flatten": True}
LAYERS = {
    "sfm": (SFM, SFMCell, SMALL),
    "sfm per frequency": (SFM, SFMCell, SMALL | {"recurrent_output": "per_frequency"}),
    "sfm learned": (SFM, SFMCell, SMALL | {"frequencies": "log", "learn_frequencies": True}),
    "adaptive": (AdaptiveSFM, AdaptiveSFMCell, SMALL),
    "adaptive accumulated": (AdaptiveSFM, AdaptiveSFMCell, SMALL | {"phase": "accumulated"}),
    "peephole lstm": (PeepholeLSTM, PeepholeLSTMCell, {"units": 4, "projection_units": 3}),
    "patches": (ConvLSTMPatch, ConvLSTMPatchCell, PATCHES),
    "lstbm": (LSTBM, LSTBMCell, {"units": 4}),
    "boltzmann": (BoltzmannRNN, BoltzmannCell, {"units": 4}),
    "tanh gated": (TanhGated, TanhGatedCell, {"units": 4, "gate_activation": "tanh"}),
    "sigmoid gated": (TanhGated, TanhGatedCell, {"units": 4, "gate_activation": "sigmoid"}),
}
COUNTS = {"clock"}  # states that count have no gradient
SHARED = {"patches"}  # weights that read several parts of a frame
ACTIVATIONS = {"activation", "recurrent_activation"}
FIXED = {  # arguments of an LSTM that the model leaves no choice in
    "lstbm": ACTIVATIONS,
    "boltzmann": ACTIVATIONS | {"unit_forget_bias"},
    "tanh gated": {"recurrent_activation", "unit_forget_bias"},
    "sigmoid gated": {"recurrent_activation", "unit_forget_bias"},
}
OVERFLOW = {"adaptive"}  # the angle w t: its slope grows with t at every frame


def one_a_class(names):
    return list({LAYERS[name][0]: name for name in reversed(names)}.values())


ONE_A_CLASS = one_a_class(list(LAYERS))
all_layers = pytest.mark.parametrize("name", LAYERS)
each_class = pytest.mark.parametrize("name", ONE_A_CLASS)

MASKS = {
    "no mask": None,
    "padded": [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]],
    "gaps": [[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0]],
}
masks = pytest.mark.parametrize("mask", MASKS)


def mask_of(name):
    return None if MASKS[name] is None else np.array(MASKS[name], bool)


def arguments_of(cls):
    return {k: p for k, p in inspect.signature(cls).parameters.items() if p.kind != p.VAR_KEYWORD}


def without_fixed(name, arguments):
    return {k: v for k, v in arguments.items() if k not in FIXED.get(name, ())}


def new(name, **kwargs):
    cls, _, arguments = LAYERS[name]
    return cls(**arguments | {"jit_compile": False} | kwargs)


def randomised(layer, scale=0.5, seed=1):
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        weight.assign(scale * rng.normal(size=weight.shape))
    return layer


def built(layer):
    if not layer.built:
        layer.build((B if layer.stateful else None, None, N))
    return layer


def made(name, **kwargs):
    """A built layer with weights of some size, so that nothing in it is small or symmetric."""
    return randomised(built(new(name, **kwargs)))


def looped(layer):
    """Keras's loop over a cell like that of the layer, with its weights."""
    cell = type(layer.cell).from_config(layer.cell.get_config())
    names = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask", "unroll")
    rnn = keras.layers.RNN(cell, dtype=layer.dtype_policy, **{k: getattr(layer, k) for k in names})
    rnn.build((None, None, N))
    rnn.set_weights([w.numpy() for w in layer.weights])
    return rnn


def frames(*shape, dtype="float32", seed=2):
    return np.random.default_rng(seed).normal(size=shape or (B, T, N)).astype(dtype)


def some_states(layer, batch=B):
    """States after three frames: all that is in them can be, whatever it means."""
    states = layer.cell.get_initial_state(batch_size=batch)
    for t in range(3):
        _, states = layer.cell(frames(batch, N, dtype=layer.compute_dtype, seed=t), states)
    return [s.numpy() for s in states]


def flat(results):
    return [tf.cast(r, "float64").numpy() for r in keras.tree.flatten(results)]


def assert_all_close(actual, expected, atol=1e-5, rtol=1e-5):
    for a, e in zip(flat(actual), flat(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=rtol, atol=atol)


def results_and_gradients(layer, x, mask=None, states=None, training=True):
    """All that a layer returns, and gradients of a random sum of it: by the weights, the inputs and
    the first states. Counts are left out of the sum and of the gradients."""
    rng = np.random.default_rng(3)
    x, states = tf.convert_to_tensor(x), [tf.convert_to_tensor(s) for s in states or []]
    names = layer.cell.state_names
    sources = [w.value for w in layer.trainable_weights] + [x]
    sources += [s for name, s in zip(names, states, strict=False) if name not in COUNTS]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        results = layer(x, mask=mask, initial_state=states or None, training=training)
        results = results if isinstance(results, list | tuple) else [results]
        total = 0
        for name, result in zip(["output", *names], results, strict=False):
            if name not in COUNTS:
                weight = tf.constant(rng.normal(size=result.shape), result.dtype)
                total += tf.reduce_sum(result * weight)
    return results, tape.gradient(total, sources, unconnected_gradients="zero")


def finite(tensors):
    return all(np.all(np.isfinite(array)) for array in flat(tensors))


# Configuration.


LSTM_ALONE = {"use_cudnn", "implementation"}


@each_class
@pytest.mark.parametrize("part", ["layer", "cell"])
def test_help_shows_the_equations_and_every_argument_with_its_default(name, part):
    cls, cell = LAYERS[name][["layer", "cell"].index(part)], LAYERS[name][1]
    text, equations = cls.__doc__, inspect.getmodule(cell).__doc__
    assert equations.partition("\n")[2].strip() in text
    args = text[text.index("Args:") : text.index("Call arguments:")]
    for argument, parameter in arguments_of(cls).items():
        (entry,) = re.findall(rf"^    {argument}: (\S.*(?:\n     .*)*)", args, re.MULTILINE)
        if parameter.default is not parameter.empty:
            assert f"Default: {parameter.default}." in " ".join(entry.replace('"', "").split())
    for argument in list(inspect.signature(cls.call).parameters)[1:]:
        assert f"\n    {argument}: " in text[text.index("Call arguments:") :]
    for title in ("Returns", "Raises", "Example"):
        assert f"\n\n{title}:\n    " in text
    for argument in FIXED.get(name, ()):
        assert f"`{argument}`" in text[text.index("Fixed") : text.index("Args:")]
    assert max(map(len, text.splitlines())) <= 100


@each_class
@pytest.mark.parametrize("part", ["layer", "cell"])
def test_arguments_are_those_of_keras_lstm_with_their_defaults_and_more(name, part):
    number = ["layer", "cell"].index(part)
    ours = arguments_of(LAYERS[name][number])
    keras_has = arguments_of([keras.layers.LSTM, keras.layers.LSTMCell][number])
    if part == "layer":
        keras_has = arguments_of(keras.layers.RNN) | keras_has
    for argument in set(without_fixed(name, keras_has)) - LSTM_ALONE - {"cell"}:
        assert ours[argument].default == keras_has[argument].default, argument
    assert next(iter(ours)) == "units"
    assert not FIXED.get(name, set()) & set(ours)


@each_class
def test_a_call_takes_what_a_call_of_keras_lstm_takes(name):
    for ours, keras_has in zip(
        LAYERS[name][:2], (keras.layers.LSTM, keras.layers.LSTMCell), strict=True
    ):
        mine, its = (list(inspect.signature(cls.call).parameters) for cls in (ours, keras_has))
        assert mine[: len(its)] == its


@all_layers
def test_config_holds_every_argument_of_the_signature(name):
    cls, cell, arguments = LAYERS[name]
    assert set(arguments_of(cls)) <= set(cls(**arguments).get_config())
    assert set(arguments_of(cell)) <= set(cell(**arguments).get_config())


OTHER_VALUES = {
    "activation": "relu",
    "recurrent_activation": "hard_sigmoid",
    "use_bias": False,
    "kernel_initializer": "he_normal",
    "recurrent_initializer": "glorot_normal",
    "bias_initializer": "ones",
    "unit_forget_bias": False,
    "kernel_regularizer": keras.regularizers.L1(0.1),
    "recurrent_regularizer": keras.regularizers.L2(0.1),
    "bias_regularizer": keras.regularizers.L2(0.2),
    "kernel_constraint": keras.constraints.MaxNorm(1),
    "recurrent_constraint": keras.constraints.MaxNorm(2),
    "bias_constraint": keras.constraints.NonNeg(),
    "dropout": 0.25,
    "recurrent_dropout": 0.5,
    "seed": 7,
    "name": "named",
    "dtype": "mixed_bfloat16",
    "trainable": False,
}
OTHER_VALUES_OF_LAYERS = OTHER_VALUES | {
    "return_sequences": True,
    "return_state": True,
    "go_backwards": True,
    "stateful": True,
    "unroll": True,
    "zero_output_for_mask": True,
    "activity_regularizer": keras.regularizers.L2(0.3),
}


@all_layers
@pytest.mark.parametrize("part", ["layer", "cell"])
def test_config_makes_the_same_again_and_keeps_every_argument(name, part):
    number = ["layer", "cell"].index(part)
    cls = LAYERS[name][number]
    others = without_fixed(name, [OTHER_VALUES_OF_LAYERS, OTHER_VALUES][number])
    plain = cls(**LAYERS[name][2]).get_config()
    one = cls(**LAYERS[name][2] | others)
    config = one.get_config()
    for argument in others:
        assert config[argument] != plain[argument], argument
    for argument, value in LAYERS[name][2].items():
        assert config[argument] == value
    assert cls.from_config(config).get_config() == config
    through_json = json.loads(json.dumps(keras.saving.serialize_keras_object(one)))
    again = keras.saving.deserialize_keras_object(through_json)
    assert type(again) is cls and again.get_config() == config


@each_class
def test_every_argument_can_be_read_from_the_layer_as_from_keras_lstm(name):
    others = without_fixed(name, OTHER_VALUES_OF_LAYERS)
    layer = LAYERS[name][0](**LAYERS[name][2], **others)
    lstm = keras.layers.LSTM(layer.units, **others)
    for argument in set(without_fixed(name, arguments_of(type(lstm)))) - LSTM_ALONE - {"seed"}:
        value, keras_has = getattr(layer, argument), getattr(lstm, argument)
        if isinstance(keras_has, str | float | int):
            assert value == keras_has
        else:
            assert type(value) is type(keras_has)
    for argument in arguments_of(type(layer)):
        assert hasattr(layer, argument), argument


@each_class
def test_type_and_trainability_are_those_of_the_cell_too(name):
    layer = made(name, dtype="mixed_bfloat16", trainable=False)
    assert layer.cell.compute_dtype == layer.compute_dtype == "bfloat16"
    assert layer.weights and not layer.trainable_weights


# The same as Keras's loop over the cell.


@all_layers
@masks
def test_a_layer_is_its_cell_in_the_loop_of_keras(name, mask):
    layer = made(name, return_sequences=True, return_state=True)
    x, states = frames(), some_states(layer)
    for backwards, zeros, first in [(0, 0, None), (0, 1, states), (1, 0, states)]:
        layer.go_backwards, layer.zero_output_for_mask = bool(backwards), bool(zeros)
        given = {"mask": mask_of(mask), "initial_state": first}
        outputs, *after = layer(x, **given)
        expected = looped(layer)(x, **given)
        assert_all_close([outputs, *after], expected)
        assert_all_close(layer(x, training=True, **given), expected)
        layer.return_state = False
        assert_all_close(layer(x, **given), outputs, 0, 0)
        layer.return_sequences = False
        assert_all_close(layer(x, **given), outputs[:, -1], 0, 0)
        layer.return_state = True
        assert_all_close(layer(x, **given), [outputs[:, -1], *after], 0, 0)
        layer.return_sequences = True


SIZES = [(2, 1), (1, 4), (5, 7)]


@all_layers
def test_gradients_are_those_of_automatic_differentiation(name):
    layer = made(name, return_sequences=True, return_state=True, dtype="float64")
    rnn = looped(layer)
    for batch, steps, mask in [(B, T, "gaps"), *((*size, "no mask") for size in SIZES)]:
        x, mask = frames(batch, steps, N, dtype="float64"), mask_of(mask)
        states = some_states(layer, batch)
        expected = results_and_gradients(rnn, x, mask, states)
        for training in (True,) if mask is None else (True, False):
            actual = results_and_gradients(layer, x, mask, states, training)
            assert_all_close(actual, expected, atol=1e-9, rtol=1e-9)


@all_layers
def test_gradients_of_the_last_output_alone_are_those_of_automatic_differentiation(name):
    layer = made(name, dtype="float64", go_backwards=True, zero_output_for_mask=True)
    x, mask = frames(dtype="float64"), mask_of("padded")
    actual = results_and_gradients(layer, x, mask)
    assert_all_close(actual, results_and_gradients(looped(layer), x, mask), 1e-9, 1e-9)


@all_layers
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_a_state_that_counts_has_no_gradient_and_any_other_has(name, training):
    layer = made(name, return_sequences=True)
    states = [tf.constant(s) for s in some_states(layer)]
    with tf.GradientTape() as tape:
        tape.watch(states)
        total = tf.reduce_sum(layer(frames(), initial_state=states, training=training))
    gradients = tape.gradient(total, states, unconnected_gradients="zero")
    for state, gradient in zip(layer.cell.state_names, gradients, strict=True):
        assert np.any(gradient.numpy() != 0) == (state not in COUNTS), state


@each_class
@masks
def test_an_unrolled_layer_gives_the_same_and_has_the_same_gradients(name, mask):
    x, mask = frames(dtype="float64"), mask_of(mask)
    way = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    layer, unrolled = made(name, **way), made(name, unroll=True, **way)
    expected = results_and_gradients(layer, x, mask)
    assert_all_close(results_and_gradients(unrolled, x, mask), expected, 1e-9, 1e-9)


@all_layers
def test_every_trainable_weight_has_a_gradient(name):
    layer = made(name)
    _, gradients = results_and_gradients(layer, frames())
    assert len(gradients) == len(layer.trainable_weights) + 1
    for gradient in gradients:
        assert np.any(gradient.numpy() != 0)


@all_layers
def test_no_output_has_seen_a_later_frame(name):
    layer = made(name, return_sequences=True)
    x = frames()
    whole = layer(x).numpy()
    for t in (1, 3, T - 1):
        other = np.concatenate([x[:, :t], x[:, t:] + 1], axis=1)
        seen = layer(other).numpy()
        np.testing.assert_array_equal(seen[:, :t], whole[:, :t])
        assert np.all(np.any(seen[:, t] != whole[:, t], axis=-1))


@all_layers
def test_rows_do_not_touch_each_other(name):
    layer = made(name, return_sequences=True)
    x, states = frames(), some_states(layer)
    whole = layer(x, initial_state=states).numpy()
    for row in range(B):
        alone = layer(x[row : row + 1], initial_state=[s[row : row + 1] for s in states])
        np.testing.assert_allclose(alone[0], whole[row], atol=1e-6)


# Masks.


@all_layers
def test_padded_or_not_the_outputs_and_states_are_the_same(name):
    layer = made(name, return_sequences=True, return_state=True)
    x, mask = frames(), mask_of("padded")
    outputs, *states = layer(x, mask=mask)
    for row, length in enumerate(mask.sum(axis=1)):
        short, *after = layer(x[row : row + 1, :length])
        np.testing.assert_allclose(outputs[row, :length], short[0], atol=1e-5)
        assert_all_close([s[row] for s in states], [s[0] for s in after])


@all_layers
def test_frames_between_gaps_are_as_if_the_gaps_were_not_there(name):
    layer = made(name, return_sequences=True, return_state=True)
    x, mask = frames(), mask_of("gaps")
    outputs, *states = layer(x, mask=mask)
    for row in (0, 2):
        dense, *after = layer(x[row : row + 1, mask[row]])
        np.testing.assert_allclose(outputs.numpy()[row, mask[row]], dense[0], atol=1e-5)
        assert_all_close([s[row] for s in states], [s[0] for s in after])


@all_layers
def test_a_row_without_any_frame_keeps_its_state(name):
    layer = made(name, return_state=True)
    states = some_states(layer)
    _, *after = layer(frames(), mask=mask_of("gaps"), initial_state=states)
    for before, state in zip(states, after, strict=True):
        np.testing.assert_array_equal(state[1], before[1])
        assert np.any(state[0] != before[0])


@all_layers
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_what_masked_frames_hold_reaches_neither_outputs_nor_gradients(name, training):
    layer = made(name, return_sequences=True, return_state=True)
    x, mask, states = frames(), mask_of("gaps"), some_states(layer)
    expected = results_and_gradients(layer, np.where(mask[..., None], x, 0), mask, states, training)
    np.testing.assert_array_equal(expected[1][len(layer.trainable_weights)].numpy()[~mask], 0)
    for value in (np.nan, np.inf):
        held = np.where(mask[..., None], x, np.float32(value))
        actual = results_and_gradients(layer, held, mask, states, training)
        assert_all_close(actual, expected, atol=1e-6)


@each_class
def test_a_mask_of_another_layer_is_used_and_handed_on(name):
    inputs = keras.Input((None, N))
    masked = keras.layers.Masking()(inputs)
    layer = made(name, return_sequences=True)
    model = keras.Model(inputs, layer(masked))
    x, mask = frames(), mask_of("padded")
    x[~mask] = 0
    outputs = model(x)
    np.testing.assert_allclose(outputs, layer(x, mask=mask), atol=1e-6)
    np.testing.assert_array_equal(outputs._keras_mask, mask)


# States.


@all_layers
@masks
def test_frame_by_frame_with_the_state_handed_on_is_the_whole(name, mask):
    layer = made(name, return_sequences=True, return_state=True)
    x, mask = frames(), mask_of(mask)
    whole, *last = layer(x, mask=mask)
    states, outputs = None, []
    for t in range(T):
        frame_mask = None if mask is None else mask[:, t : t + 1]
        output, *states = layer(x[:, t : t + 1], mask=frame_mask, initial_state=states)
        outputs.append(output)
    outputs, real = tf.concat(outputs, axis=1).numpy(), np.ones((B, T), bool)
    real = real if mask is None else mask
    np.testing.assert_allclose(outputs[real], whole.numpy()[real], atol=1e-6)
    assert_all_close(states, last, atol=1e-6)


@all_layers
def test_the_cell_called_frame_by_frame_is_the_layer(name):
    layer = made(name, return_sequences=True)
    x, states = frames(), layer.cell.get_initial_state(batch_size=B)
    assert [tuple(s.shape) for s in states] == [(B, size) for size in layer.cell.state_size]
    for t, expected in enumerate(np.swapaxes(layer(x).numpy(), 0, 1)):
        output, states = layer.cell(x[:, t], states)
        np.testing.assert_allclose(output, expected, atol=1e-6)
    np.testing.assert_array_equal(output, states[0])


@all_layers
def test_a_stateful_layer_goes_on_where_it_stopped_until_it_is_reset(name):
    whole = made(name, return_sequences=True)
    layer = made(name, return_sequences=True, stateful=True)
    x = frames()
    expected = whole(x).numpy()
    for training in (False, True):
        for part in (slice(None, 2), slice(2, None)):
            actual = layer(x[:, part], training=training)
            np.testing.assert_allclose(actual, expected[:, part], atol=1e-6)
        again = layer(x[:, :2]).numpy()
        assert np.all(np.abs(again - expected[:, :2]).max(axis=(1, 2)) > 1e-4)
        layer.reset_state()
    with pytest.raises(ValueError, match="batch size"):
        layer(x[:2])


@each_class
def test_a_stateful_layer_goes_on_in_predict_as_well(name):
    layer = new(name, return_sequences=True, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(B, None, N)), layer])
    randomised(layer)
    whole, x = made(name, return_sequences=True), frames()
    parts = [model.predict(x[:, t : t + 2], batch_size=B, verbose=0) for t in (0, 2, 4)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole(x), atol=1e-6)


@all_layers
def test_states_may_be_inputs_of_a_functional_model(name, tmp_path):
    layer = built(new(name, return_sequences=True, return_state=True))
    sizes = layer.cell.state_size
    assert all(type(size) is int for size in sizes)
    inputs = keras.Input((None, N))
    states = [keras.Input((size,)) for size in sizes]
    outputs = layer(inputs, initial_state=states)
    assert [tuple(o.shape) for o in outputs] == [
        (None, None, layer.cell.output_size),
        *((None, size) for size in sizes),
    ]
    model = keras.Model([inputs, *states], outputs)
    randomised(layer)
    x, known = frames(), some_states(layer)
    expected = layer(x, initial_state=known)
    assert_all_close(model([x, *known]), expected, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_all_close(loaded([x, *known]), expected, atol=1e-6)


# Saving.


def sequential(name, **kwargs):
    layer = new(name, **kwargs)
    model = keras.Sequential([keras.Input((None, N)), layer])
    randomised(layer)
    return model


def train(model, x):
    """Two steps of training towards zeros; returns the loss before each."""
    model.compile(keras.optimizers.SGD(0.1), loss="mse", jit_compile=False)
    y = np.zeros(model(x).shape, "float32")
    return model.fit(x, y, len(x), epochs=2, shuffle=False, verbose=0).history["loss"]


@all_layers
def test_a_saved_model_gives_identical_outputs(name, tmp_path):
    model = sequential(name, return_sequences=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(frames()), model(frames()))
    assert loaded.layers[0].get_config() == model.layers[0].get_config()


def functions_for_xla(path):
    """Names of functions and operations of a SavedModel that only XLA may run."""
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    found, total = [], 0
    for meta in saved.meta_graphs:
        functions = meta.graph_def.library.function
        nodes = [n for f in functions for n in f.node_def] + list(meta.graph_def.node)
        total += len(nodes)
        found += [f.signature.name for f in functions if f.attr["_XlaMustCompile"].b]
        found += [n.name for n in nodes if n.attr["_XlaMustCompile"].b or n.op.startswith("Xla")]
    assert total
    return found


def test_functions_for_xla_are_seen(tmp_path):
    module = tf.Module()
    inner = tf.function(tf.square, jit_compile=True)
    module.f = tf.function(lambda x: inner(x) + 1, input_signature=[tf.TensorSpec([None])])
    tf.saved_model.save(module, tmp_path)
    assert functions_for_xla(tmp_path)


@each_class
def test_an_exported_model_gives_the_same_and_is_plain_tensorflow(name, tmp_path):
    model = sequential(name, return_sequences=True, jit_compile="auto")
    model.layers[0](frames(), training=True)  # what was compiled for training stays out of it
    model.export(tmp_path, verbose=False)
    served = tf.saved_model.load(tmp_path)
    for x in (frames(), frames(1, 9, N)):
        np.testing.assert_allclose(served.serve(x), model(x), atol=1e-6)
    assert functions_for_xla(tmp_path) == []


@each_class
def test_a_served_step_takes_the_state_and_gives_it_back(name, tmp_path):
    layer = made(name, return_state=True)
    archive = keras.export.ExportArchive()
    archive.track(layer)
    specs = [tf.TensorSpec([None, None, N])]
    specs += [tf.TensorSpec([None, size]) for size in layer.cell.state_size]
    archive.add_endpoint("step", lambda x, *s: layer(x, initial_state=list(s)), specs)
    archive.write_out(tmp_path, verbose=False)
    served = tf.saved_model.load(tmp_path)
    x = frames()
    states = [tf.zeros((B, size)) for size in layer.cell.state_size]
    for t in range(T):
        output, *states = served.step(x[:, t : t + 1], *states)
    assert_all_close([output, *states], layer(x), atol=1e-6)
    assert functions_for_xla(tmp_path) == []


# Inside other layers.


def two_cells(name):
    cells = [LAYERS[name][1](**LAYERS[name][2]) for _ in range(2)]
    return keras.layers.RNN(cells, return_sequences=True)


WRAPPERS = {
    "bidirectional": lambda name: keras.layers.Bidirectional(new(name, return_sequences=True)),
    "stacked cells": two_cells,
}


@each_class
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrapped_it_runs_trains_and_saves(name, wrapper, tmp_path):
    inputs = keras.Input((None, N))
    masked = keras.layers.Masking()(inputs)
    model = keras.Model(inputs, WRAPPERS[wrapper](name)(masked))
    randomised(model)
    x = frames()
    x[~mask_of("padded")] = 0
    before, after = train(model, x)
    assert after < before
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))


@each_class
@pytest.mark.parametrize("length", [2, None], ids=["known length", "unknown length"])
def test_distributed_over_a_fourth_axis_it_runs_trains_and_saves(name, length, tmp_path):
    layer = new(name)
    inputs = keras.Input((length, T, N))
    model = keras.Model(inputs, keras.layers.TimeDistributed(layer)(inputs))
    randomised(model)
    x = frames(B, 2, T, N)
    expected = np.stack([layer(x[:, i]) for i in range(2)], axis=1)
    np.testing.assert_allclose(model(x), expected, atol=1e-6)
    before, after = train(model, x)
    assert after < before
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(x), model(x), atol=1e-6)


@each_class
def test_a_bidirectional_layer_is_one_each_way(name):
    way = {"return_sequences": True, "zero_output_for_mask": True}  # as it sets by itself
    forward = made(name, **way)
    backward = randomised(built(new(name, go_backwards=True, **way)), seed=7)
    both = keras.layers.Bidirectional(new(name, return_sequences=True))
    both.build((None, None, N))
    both.set_weights([w.numpy() for w in forward.weights + backward.weights])
    x, mask = frames(), mask_of("padded")
    expected = [forward(x, mask=mask), np.flip(backward(x, mask=mask), axis=1)]
    np.testing.assert_allclose(both(x, mask=mask), np.concatenate(expected, axis=-1), atol=1e-6)


@each_class
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_sizes_that_are_known_stay_known_in_a_graph(name, training):
    layer = made(name, return_sequences=True, return_state=True)
    run = tf.function(lambda x, mask: layer(x, mask=mask, training=training))
    for mask in (None, np.ones((B, T), bool)):
        outputs, *states = run.get_concrete_function(frames(), mask).output_shapes
        assert outputs == (B, T, layer.cell.output_size)
        assert states == [(B, size) for size in layer.cell.state_size]


@each_class
def test_batch_and_time_may_be_unknown_in_a_graph(name):
    model = sequential(name, return_sequences=True)
    layer = model.layers[0]
    signature = [tf.TensorSpec([None, None, N]), tf.TensorSpec([None, None], tf.bool)]

    @tf.function(input_signature=signature)
    def run(x, mask):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(x, mask=mask, training=True))
        return model(x), tape.gradient(total, [w.value for w in layer.trainable_weights])

    for batch, steps in ((1, 1), (3, 5), (2, 9)):
        x, mask = frames(batch, steps, N), np.ones((batch, steps), bool)
        mask[0, -1] = False
        outputs, gradients = run(x, mask)
        np.testing.assert_allclose(outputs, model(x), atol=1e-6)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(x, mask=mask, training=True))
        expected = tape.gradient(total, [w.value for w in layer.trainable_weights])
        assert_all_close(gradients, expected)


# Training.


def hard_rows():
    """Silence, constants, loudness and nothing at all, each as a row."""
    silent, loud = np.zeros((T, N), "float32"), np.full((T, N), 50, "float32")
    by_turns = np.where(np.arange(T)[:, None] % 2, loud, silent)
    x = np.stack([silent, silent + 1, loud, by_turns, silent, frames(T, N)])
    mask = np.ones((len(x), T), bool)
    mask[4:] = mask_of("gaps")[:2]
    return x, mask


LOOPS = {
    "ours": lambda name, **kwargs: new(name, **kwargs),
    "ours by xla": lambda name, **kwargs: new(name, **kwargs | {"jit_compile": True}),
    "of keras": lambda name, **kwargs: looped(built(new(name, **kwargs))),
}


@pytest.mark.parametrize(
    "name, loop",
    [(n, loop) for loop in LOOPS for n in (ONE_A_CLASS if loop == "ours by xla" else LAYERS)],
)
def test_gradients_are_finite_on_silence_constants_and_without_frames(name, loop):
    layer = built(LOOPS[loop](name, return_sequences=True, return_state=True))
    x, mask = hard_rows()
    for training in (True, False) if loop == "ours" else (True,):
        results, gradients = results_and_gradients(layer, x, mask, training=training)
        assert finite(results) and finite(gradients)


@each_class
def test_a_batch_without_any_frame_has_gradients_of_zero(name):
    layer = made(name, return_sequences=True, return_state=True)
    _, gradients = results_and_gradients(layer, frames(), np.zeros((B, T), bool))
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, np.zeros(gradient.shape))


@pytest.mark.slow
@pytest.mark.parametrize("name", one_a_class([n for n in LAYERS if n not in OVERFLOW]))
def test_gradients_are_finite_over_ten_thousand_frames(name):
    layer = built(new(name, units=2, return_sequences=True))

    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
            total = tf.reduce_sum(outputs**2)
        return outputs, tape.gradient(total, [w.value for w in layer.weights] + [x])

    outputs, gradients = run(frames(1, 10_000, N))
    assert finite(outputs) and finite(gradients)
    assert all(np.any(g != 0) for g in flat(gradients))


@pytest.mark.slow
@each_class
def test_compiled_or_not_fitting_has_the_same_losses(name):
    rng = np.random.default_rng(0)
    x, y = frames(5, T, N), rng.normal(size=(5, 1)).astype("float32")
    x[:3, 2:] *= mask_of("padded")[:, 2:, None]
    ways = [({"jit_compile": own}, {"jit_compile": False}) for own in (False, "auto")]
    ways += [({}, {"jit_compile": True}), ({}, {"run_eagerly": True, "jit_compile": False})]
    histories = []
    for layer_arguments, how in ways:
        layer = new(name, **layer_arguments)
        model = keras.Sequential(
            [keras.Input((None, N)), keras.layers.Masking(), layer, keras.layers.Dense(1)]
        )
        randomised(model)
        model.compile(keras.optimizers.SGD(0.1), loss="mse", **how)
        history = model.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0).history
        assert history["loss"][1] < history["loss"][0]
        histories.append(history["loss"])
    for history in histories[1:]:
        np.testing.assert_allclose(history, histories[0], rtol=1e-4)


@each_class
def test_compiled_by_itself_outputs_and_gradients_are_the_same(name):
    """In single precision; and in shards, of two rows and one."""
    way = {"return_sequences": True, "return_state": True}
    compiled, plain = made(name, jit_compile=True, **way), made(name, dtype="float64", **way)
    x, mask, states = frames(), mask_of("gaps"), some_states(compiled)
    exact = [np.float64(a) for a in (x, *states)]
    expected = results_and_gradients(plain, exact[0], mask, exact[1:])
    actual = results_and_gradients(compiled, x, mask, states)
    assert_all_close(actual, expected, atol=1e-4, rtol=1e-4)


@each_class
def test_compiled_by_itself_it_has_gradients_at_inference_too(name):
    compiled, plain = made(name, jit_compile=True), made(name)
    actual = results_and_gradients(compiled, frames(), training=False)
    expected = results_and_gradients(plain, frames(), training=False)
    assert_all_close(actual, expected, atol=1e-4, rtol=1e-4)


POLICIES = {"mixed_bfloat16": 0.1, "mixed_float16": 0.02, "float64": 1e-5}


@all_layers
@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_sets_the_type_of_outputs_and_leaves_them_close(name, policy):
    way = {"return_sequences": True, "return_state": True}
    plain, layer = made(name, **way), made(name, dtype=policy, **way)
    x, mask = frames(), mask_of("gaps")
    expected = plain(x, mask=mask)[0]
    for training in (False, True):
        results, gradients = results_and_gradients(
            layer, x.astype(layer.compute_dtype), mask, training=training
        )
        for result in results:
            assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype
        np.testing.assert_allclose(flat(results)[0], expected, atol=POLICIES[policy])
        assert finite(gradients)
    for weight, gradient in zip(layer.trainable_weights, gradients, strict=False):
        assert gradient.dtype == weight.value.dtype


@each_class
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_fitting_under_a_policy_leaves_weights_finite_and_moved(name, policy):
    model = sequential(name, dtype=policy)
    before = flat(model.trainable_weights)
    train(model, frames(5, T, N))
    for weight, old in zip(flat(model.trainable_weights), before, strict=True):
        assert np.all(np.isfinite(weight)) and np.any(weight != old)


# Dropout.


DROPOUTS = {"dropout": "kernel", "recurrent_dropout": "recurrent_kernel"}
dropouts = pytest.mark.parametrize("argument", DROPOUTS)


@all_layers
@dropouts
def test_nothing_is_dropped_at_inference(name, argument):
    x = frames()
    layer = made(name, return_sequences=True, **{argument: 0.5})
    np.testing.assert_array_equal(layer(x), made(name, return_sequences=True)(x))


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in SHARED])
@dropouts
def test_what_is_dropped_is_the_same_at_all_frames_and_the_rest_is_scaled(name, argument):
    """A row in training is that row through one of the networks that lack some of the units."""
    layer = made(name, return_sequences=True, seed=0, **{argument: 0.5})
    whole = made(name, return_sequences=True)
    kernel = getattr(whole.cell, DROPOUTS[argument])
    start, x = kernel.numpy(), frames()
    dropped = layer(x, training=True).numpy()
    without = []
    for number in range(2 ** len(start)):
        kept = number >> np.arange(len(start)) & 1
        kernel.assign(start * 2 * kept[:, None])
        without.append(whole(x).numpy())
    difference = np.abs(np.array(without) - dropped).max(axis=(2, 3))  # [network, row]
    np.testing.assert_allclose(difference.min(axis=0), 0, atol=1e-5)
    assert len(set(difference.argmin(axis=0))) > 1  # rows lack different units


@each_class
@dropouts
def test_the_same_seed_drops_the_same(name, argument):
    x = frames()

    def draws(seed):
        layer = made(name, seed=seed, **{argument: 0.5})
        return np.array([layer(x, training=True).numpy() for _ in range(4)])

    first = draws(1)
    np.testing.assert_array_equal(draws(1), first)
    assert np.any(draws(2) != first)
    assert any(np.any(draw != first[0]) for draw in first[1:])  # new ones at every call


@all_layers
def test_gradients_with_dropout_are_those_of_automatic_differentiation(name):
    way = {"seed": 4, "dropout": 0.5, "recurrent_dropout": 0.5, "dtype": "float64"}
    layers = [made(name, return_sequences=True, return_state=True, **way) for _ in range(2)]
    x, mask, states = frames(dtype="float64"), mask_of("gaps"), some_states(layers[0])
    actual = results_and_gradients(layers[0], x, mask, states)
    expected = results_and_gradients(looped(layers[1]), x, mask, states)
    assert_all_close(actual, expected, 1e-9, 1e-9)


# Weights.


@each_class
@pytest.mark.parametrize("of", ["kernel", "recurrent", "bias"])
def test_regularizers_add_to_the_losses(name, of):
    layer = made(name, **{f"{of}_regularizer": keras.regularizers.L2(0.5)})
    weight = getattr(layer.cell, of if of != "recurrent" else "recurrent_kernel").numpy()
    losses = [float(loss) for loss in layer.losses]
    assert any(loss == pytest.approx(0.5 * np.sum(weight**2), rel=1e-5) for loss in losses)
    assert made(name).losses == []


@each_class
def test_a_regularizer_of_the_activity_adds_to_the_losses(name):
    layer = made(name, activity_regularizer=keras.regularizers.L2(0.5))
    outputs = layer(frames()).numpy()
    (loss,) = layer.losses
    assert float(loss) == pytest.approx(0.5 * np.sum(outputs**2) / B, rel=1e-5)


@each_class
@pytest.mark.parametrize("of", ["kernel", "recurrent", "bias"])
def test_constraints_hold_after_a_step(name, of):
    weight = of if of != "recurrent" else "recurrent_kernel"
    layer = made(name, **{f"{of}_constraint": "non_neg"})
    held = getattr(layer.cell, weight)
    assert held.numpy().min() < 0
    _, gradients = results_and_gradients(layer, frames())
    keras.optimizers.SGD(0.1).apply(gradients[:-1], layer.trainable_weights)
    assert held.numpy().min() == 0 < held.numpy().max()


@each_class
def test_initializers_are_used(name):
    def cell(*values):
        names = ("kernel_initializer", "recurrent_initializer", "bias_initializer")
        constants = dict(zip(names, map(keras.initializers.Constant, values), strict=True))
        closed = without_fixed(name, {"unit_forget_bias": False})
        return built(new(name, **closed, **constants)).cell

    one, other = cell(0.25, 0.5, 0.75), cell(1.25, 1.5, 1.75)
    np.testing.assert_array_equal(one.kernel, np.full(one.kernel.shape, 0.25))
    np.testing.assert_array_equal(one.recurrent_kernel, np.full(one.recurrent_kernel.shape, 0.5))
    np.testing.assert_allclose(other.bias - one.bias, np.ones(one.bias.shape), rtol=1e-6)


@all_layers
def test_without_bias_it_is_as_with_biases_of_zero(name):
    without, layer = made(name, use_bias=False), built(new(name))
    kept = iter(without.weights)
    for weight in layer.weights:
        weight.assign(np.zeros(weight.shape) if "bias" in weight.name else next(kept).numpy())
    assert next(kept, None) is None
    assert len(without.weights) < len(layer.weights)
    x = frames()
    for training in (False, True):
        np.testing.assert_allclose(without(x, training=training), layer(x), atol=1e-6)


# What is refused.


@each_class
@pytest.mark.parametrize("part", ["layer", "cell"])
@pytest.mark.parametrize("units", [0, -1, 2.5, True, "3", None])
def test_units_must_be_a_whole_number_above_zero(name, part, units):
    cls = LAYERS[name][["layer", "cell"].index(part)]
    arguments = LAYERS[name][2] | {"units": units}
    with pytest.raises(ValueError, match=f"`units` must be an integer of at least 1.*{units!r}"):
        cls(**arguments)


@each_class
def test_units_may_be_of_any_type_of_integer(name):
    layer = new(name, units=np.int64(4))
    assert type(layer.get_config()["units"]) is int


@each_class
def test_inputs_without_time_are_refused(name):
    with pytest.raises(ValueError, match="ndim=3.*ndim=2"):
        new(name)(frames(B, N))


@each_class
def test_an_unknown_number_of_features_is_refused(name):
    with pytest.raises(ValueError, match="number of features.*Received"):
        new(name).build((None, None, None))
    with pytest.raises(ValueError, match="None"):
        new(name).cell.build((None, None))


@all_layers
def test_first_states_that_are_none_are_refused_and_told_what_is_wanted(name):
    layer = made(name)
    good = some_states(layer)
    wide = [np.concatenate([s, s], axis=1) for s in good]
    wrong = [good[:-1], [*good, good[0]], wide, []]
    wrong += [good[0]] if len(good) > 1 else []  # Keras takes the one state without a list as well
    for states in wrong:
        with pytest.raises(ValueError, match="`initial_state`.*Received") as error:
            layer(frames(), initial_state=states)
        for size in layer.cell.state_size:
            assert str(size) in str(error.value)
    assert finite(layer(frames(), initial_state=good))


@each_class
def test_unrolling_an_unknown_number_of_frames_is_refused(name):
    layer = made(name, unroll=True)
    run = tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec([None, None, N])])
    with pytest.raises(ValueError, match="unroll a RNN if the time dimension is undefined"):
        run(frames())


@each_class
def test_an_unknown_argument_is_refused_by_name(name):
    for cls in LAYERS[name][:2]:
        with pytest.raises((TypeError, ValueError), match="frobnicate"):
            cls(**LAYERS[name][2], frobnicate=1)
