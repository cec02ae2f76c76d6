"""Arguments and configs: those of `keras.layers.LSTM` and more, and what is refused."""

import inspect
import json
import re

import keras
import numpy as np
import pytest
from layers.contract.members import (
    FIXED,
    LAYERS,
    MEMORIES,
    WITHOUT_FEEDBACK,
    B,
    N,
    T,
    all_layers,
    arguments_of,
    each_class,
    each_class_with_memories,
    each_part,
    frames,
    made,
    member,
    new,
    some_states,
    with_dropout,
    with_memories,
    without_fixed,
)
from layers.helpers import finite

from seqlayers.layers import TanhGated


@each_class_with_memories
@pytest.mark.parametrize("part", ["layer", "cell"])
def test_help_shows_the_equations_and_every_argument_with_its_default(name, part):
    cls, cell = member(name)[["layer", "cell"].index(part)], member(name)[1]
    text, equations = cls.__doc__, inspect.getmodule(cell).__doc__
    block, *notes = equations.strip().split("\n\n")[1:]
    assert text.index(block) < text.index("Args:")
    assert "\n\n".join(notes) in text
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


@with_memories
def test_config_holds_every_argument_of_the_signature(name):
    cls, cell, arguments = member(name)
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


@with_memories
@pytest.mark.parametrize("part", ["layer", "cell"])
def test_config_makes_the_same_again_and_keeps_every_argument(name, part):
    number = ["layer", "cell"].index(part)
    cls, arguments = member(name)[number], member(name)[2]
    others = without_fixed(name, [OTHER_VALUES_OF_LAYERS, OTHER_VALUES][number])
    if name in MEMORIES:
        taken = {*arguments_of(cls), "name", "dtype", "trainable"}
        others = {k: v for k, v in others.items() if k in taken}
        others |= {"return_sequences": False} if part == "layer" else {}
    if name in WITHOUT_FEEDBACK:
        del others["recurrent_dropout"]
    plain = cls(**arguments).get_config()
    one = cls(**arguments | others)
    config = one.get_config()
    for argument in others:
        assert config[argument] != plain[argument], argument
    for argument, value in arguments.items() if name in LAYERS else ():
        assert config[argument] == value
    assert cls.from_config(config).get_config() == config
    through_json = json.loads(json.dumps(keras.saving.serialize_keras_object(one)))
    again = keras.saving.deserialize_keras_object(through_json)
    assert type(again) is cls and again.get_config() == config


@each_class
def test_every_argument_can_be_read_from_the_layer_as_from_keras_lstm(name):
    others = without_fixed(name, OTHER_VALUES_OF_LAYERS)
    if name in WITHOUT_FEEDBACK:
        del others["recurrent_dropout"]
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


def numbers(name):
    rates = {"dropout": np.float32(0.25), "recurrent_dropout": np.float16(0.5)}
    return {k: rates[k] for k in with_dropout(name, 0)} | {"seed": np.int64(7)}


@all_layers
@each_part
def test_numbers_may_be_of_numpy_and_the_config_holds_those_of_python(name, part):
    def of_numpy(value):
        return {int: np.int64, bool: np.bool_}.get(type(value), lambda x: x)(value)

    cls = LAYERS[name][part]
    plain = cls(**LAYERS[name][2]).get_config()
    flags = {k: v for k, v in plain.items() if isinstance(v, bool) and k != "trainable"}
    given = {k: of_numpy(v) for k, v in (flags | LAYERS[name][2]).items()} | numbers(name)
    config = cls(**given).get_config()
    json.dumps({k: config[k] for k in given})
    for argument in given:
        assert config[argument] == given[argument]
    again = cls.from_config(config)
    assert again.get_config() == config
    json.dumps(keras.saving.serialize_keras_object(again))


@each_class
@each_part
@pytest.mark.parametrize("argument", ["dropout", "recurrent_dropout"])
def test_a_rate_of_dropout_is_a_number_from_0_to_1(name, part, argument):
    for value in (np.nan, 1.5, -0.1, "0.5", None, True, np.inf, [0.5]):
        with pytest.raises(ValueError, match=f"`{argument}` must be a finite number from 0 to 1"):
            LAYERS[name][part](**LAYERS[name][2] | {argument: value})


@each_class
@each_part
def test_flags_and_seeds_of_another_type_are_refused_by_name(name, part):
    cls, arguments = LAYERS[name][part], LAYERS[name][2]
    plain = cls(**arguments).get_config()
    for flag in (k for k, v in plain.items() if isinstance(v, bool) and k != "trainable"):
        for value in ("no", None, 2, np.nan):
            with pytest.raises(ValueError, match=f"`{flag}` must be"):
                cls(**arguments | {flag: value})
    for value in ("7", 1.5, True):
        with pytest.raises(ValueError, match="`seed` must be an integer"):
            cls(**arguments | {"seed": value})


# What has no effect is accepted and is no part of the config; the rest is refused by name.
WITHOUT_EFFECT = {"implementation": [2, 1, np.int64(2)]}
WITHOUT_EFFECT_ON_LAYERS = WITHOUT_EFFECT | {"use_cudnn": ["auto", False]}
WRONG = {"implementation": [0, 3, "2", None]}
WRONG_FOR_LAYERS = WRONG | {"use_cudnn": [True, "always", None]}


@each_class
@each_part
def test_every_argument_of_keras_lstm_is_accepted_or_refused_with_a_reason(name, part):
    cls, arguments = LAYERS[name][part], LAYERS[name][2]
    accepted = [WITHOUT_EFFECT_ON_LAYERS, WITHOUT_EFFECT][part]
    others = [OTHER_VALUES_OF_LAYERS, OTHER_VALUES][part]
    keras_has = set(arguments_of([keras.layers.LSTM, keras.layers.LSTMCell][part]))
    assert keras_has | {"name", "dtype", "trainable", "implementation"} <= (
        {"units"} | others.keys() | accepted.keys()
    )
    plain = cls(**arguments, name="one").get_config()
    for argument, values in accepted.items():
        for value in values:
            assert cls(**arguments, name="one", **{argument: value}).get_config() == plain
    for argument, values in [WRONG_FOR_LAYERS, WRONG][part].items():
        for value in values:
            with pytest.raises(ValueError, match=f"`{argument}` must be.*Received"):
                cls(**arguments, **{argument: value})
    with pytest.raises(ValueError, match="`implementation` must be 2"):
        cls(**arguments, implementation=1, **with_dropout(name, 0.5))
    for argument in FIXED.get(name, ()):
        reason = LAYERS[name][1].why_fixed
        with pytest.raises(ValueError, match=f"`{argument}` is no argument of `{cls.__name__}`: "):
            cls(**arguments, **{argument: OTHER_VALUES[argument]})
        with pytest.raises(ValueError, match=re.escape(reason)):
            cls(**arguments, **{argument: OTHER_VALUES[argument]})


KERAS_ORDER = ["tanh", "sigmoid", True, "glorot_uniform", "orthogonal", "zeros", True]


@each_class
def test_the_positional_order_of_keras_lstm_is_refused_with_that_of_the_layer(name):
    cls, cell, arguments = LAYERS[name]
    own = [k for k, p in arguments_of(cls).items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    for number in (2, 3, 7):
        if cls is TanhGated and number == 2:  # its gates are tanh by default
            continue
        with pytest.raises((TypeError, ValueError)) as error:
            cls(4, *KERAS_ORDER[: number - 1])
        if "needs" not in str(error.value):
            assert f"Positional arguments of `{cls.__name__}` are {', '.join(own)}" in str(
                error.value
            )
        assert cell.__name__ not in str(error.value)
    with pytest.raises(TypeError, match=f"`{cls.__name__}`.*`units` twice"):
        cls(4, **arguments)


@each_class
def test_an_argument_that_is_missing_is_named_with_the_layer(name):
    cls, cell, arguments = LAYERS[name]
    needed = [k for k, p in arguments_of(cls).items() if p.default is p.empty]
    for argument in needed:
        rest = {k: v for k, v in arguments.items() if k != argument}
        with pytest.raises(TypeError, match=f"`{cls.__name__}` needs `{argument}`") as error:
            cls(**rest)
        assert cell.__name__ not in str(error.value)
    for given in range(1, len(needed)):
        with pytest.raises(TypeError, match=f"`{cls.__name__}` needs `{needed[given]}`"):
            cls(*[4, 0, 0][:given])


@each_class_with_memories
def test_inputs_without_time_are_refused(name):
    with pytest.raises(ValueError, match="ndim=3.*ndim=2"):
        new(name)(frames(B, N))


@each_class_with_memories
def test_an_unknown_number_of_features_is_refused(name):
    with pytest.raises(ValueError, match="number of features.*Received"):
        new(name).build((None, None, None))
    with pytest.raises(ValueError, match="None"):
        new(name).cell.build((None, None))


@with_memories
def test_first_states_and_masks_that_are_none_are_refused_with_what_is_expected(name):
    layer = made(name)
    good = some_states(layer)
    wide, long = ([np.concatenate([s, s], axis=axis) for s in good] for axis in (1, 0))
    wrong = [good[:-1], [*good, good[0]], wide, long, []]
    wrong += [good[0]] if len(good) > 1 else []  # Keras takes the one state without a list as well
    for states in wrong:
        with pytest.raises(ValueError, match="`initial_state`.*Received") as error:
            layer(frames(), initial_state=states)
        for size in layer.cell.state_size:
            assert str(size) in str(error.value)
    for shape in ((B, T + 1), (B + 1, T), (B,)):
        with pytest.raises(ValueError, match="`mask` must be of shape .*Received"):
            layer(frames(), mask=np.ones(shape, bool))
    assert finite(layer(frames(), initial_state=good))


@pytest.mark.tensorflow
@each_class
def test_unrolling_an_unknown_number_of_frames_is_refused(name):
    layer = made(name, unroll=True)
    import tensorflow as tf

    run = tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec([None, None, N])])
    with pytest.raises(ValueError, match="unroll a RNN if the time dimension is undefined"):
        run(frames())


@each_class_with_memories
def test_an_unknown_argument_is_refused_by_name(name):
    for cls in member(name)[:2]:
        with pytest.raises((TypeError, ValueError), match="frobnicate"):
            cls(**member(name)[2], frobnicate=1)
