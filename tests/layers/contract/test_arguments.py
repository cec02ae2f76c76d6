"""Arguments and configs: those of `keras.layers.LSTM` and more, and what is refused."""

import inspect
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.contract.members import (
    FIXED,
    LAYERS,
    B,
    N,
    all_layers,
    arguments_of,
    each_class,
    frames,
    made,
    new,
    some_states,
    without_fixed,
)
from layers.helpers import finite


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


LSTM_ALONE = {"use_cudnn", "implementation"}


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
def test_first_states_that_are_none_are_refused_with_the_states_expected(name):
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
