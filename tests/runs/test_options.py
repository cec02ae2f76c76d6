"""Options of runs: defaults, and which of them have an effect."""

import dataclasses
import pickle

import pytest

from seqlayers.audio import SegmentRules
from seqlayers.heads import ConditionalRBM
from seqlayers.models import nonfinite
from seqlayers.runs import recipes
from seqlayers.runs.options import (
    DEFAULTS,
    OPTIONS,
    arguments,
    complete,
    segment_rules,
    unused,
    upgrade,
)
from seqlayers.runs.options.listing import SEGMENTS
from seqlayers.runs.options.schema import OptionError, Several
from seqlayers.runs.registry import MODELS

WAV = {"dataset": None, "wav": "birds"}
LABELS = WAV | {"labels": "labels"}


@pytest.mark.parametrize(
    "options, without, because",
    [
        ({"model": "rbm", "cell": "gru"}, "--cell", "--model rbm"),
        ({"model": "rbm", "pretrain_head": 3}, "--pretrain-head", "--model rbm"),
        ({"model": "rnn-rbm", "persistent_chains": 3}, "--persistent-chains", "--model rnn-rbm"),
        ({"model": "nade", "gibbs_steps": 3}, "--gibbs-steps", "--model nade"),
        ({"model": "rnn-nade", "l1": 0.1}, "--l1", "--model rnn-nade"),
        (
            {"model": "rnn-bernoulli", "pretrain_head": 3},
            "--pretrain-head",
            "--model rnn-bernoulli",
        ),
        ({"model": "rtrbm", "pretrain_memory": 3}, "--pretrain-memory", "--model rtrbm"),
        ({"hidden_layers": 3}, "--hidden-layers", "--model rnn-rbm"),
        ({"context_visible": True}, "--context-visible", "--model rnn-rbm"),
        (
            {"model": "rnn-dbn", "hidden_layers": 1, "pretrain_layers": 3},
            "--pretrain-layers",
            "--hidden-layers 1",
        ),
        (
            {"model": "rnn-dbn", "pretrain_head": 1, "pretrain_layers": 3},
            "--pretrain-head",
            "--pretrain-layers",
        ),
        ({"gate_activation": "tanh"}, "--gate-activation", "--cell tanh"),
        ({"num_frequencies": 2}, "--num-frequencies", "--cell tanh"),
        ({"frequencies": (4, 64)}, "--frequencies", "--cell tanh"),
        (
            {"cell": "sfm", "num_frequencies": 2, "frequencies": (4, 64)},
            "--frequencies",
            "--num-frequencies 2",
        ),
        ({"cell": "lstm", "output_scale": "mean"}, "--output-scale", "--cell lstm"),
        ({"momentum": 0.5}, "--momentum", "--optimizer adam"),
        ({"step_in_beats": 1.0}, "--step-in-beats", "--dataset"),
        ({"visibles": "gamma"}, "--visibles", "--dataset"),
        ({"min_length": 3}, "--min-length", "--dataset"),
        (WAV | {"augment": (-5, 6)}, "--augment", "--wav"),
        (WAV | {"augment_told": (-5, 6)}, "--augment-told", "--wav"),
        ({"model": "nade", "augment_told": (-5, 6)}, "--augment-told", "--model nade"),
        ({"augment": (-5, 6), "augment_told": (-5, 6)}, "--augment-told", "--augment"),
        (WAV | {"transpose": 1}, "--transpose", "--wav"),
        (WAV | {"cell": "history", "key_units": 3}, "--key-units", "--wav"),
        (WAV | {"cell": "history", "recall": 3}, "--recall", "--wav"),
        (WAV | {"model": "rnn-tied-nade", "first_bias": "frequencies"}, "--first-bias", "--wav"),
        (WAV | {"model": "nade", "visibles": "gamma"}, "--visibles", "--model nade"),
        (
            WAV | {"visibles": "gamma", "centering_rate": 0.1},
            "--centering-rate",
            "--visibles gamma",
        ),
        (WAV | {"pretrain_memory": 3}, "--pretrain-memory", "--visibles gaussian"),
        ({"labels": "labels"}, "--labels", "--dataset"),
        (WAV | {"tier": "words"}, "--tier", "no --labels"),
        (WAV | {"units": 8}, "--units", "no --labels"),
        (LABELS | {"model": "rbm"}, "--model", "--labels"),
        (LABELS | {"cell": "gru"}, "--cell", "--labels"),
        (LABELS | {"recipe": "lstm-nade-jsb"}, "--recipe", "--labels"),
        (LABELS | {"threshold": 80}, "--threshold", "--labels"),
        (LABELS | {"pretrain_head": 3}, "--pretrain-head", "--labels"),
        (LABELS | {"nonfinite": "shrink"}, "--nonfinite", "--labels"),
    ],
)
def test_options_without_an_effect_are_refused(options, without, because):
    with pytest.raises(OptionError) as error:
        complete({"dataset": "jsb_chorales"} | options)
    assert str(error.value) == f"`{without}` has no effect with `{because}`; remove it."
    assert error.value.option == without.removeprefix("--").replace("-", "_")


EQUAL = {"model": "rnn-bernoulli", "cell": "sfm", "frequencies": (64, 64)}


@pytest.mark.parametrize(
    "options", [{"layers": 3}, {"augment": (6, -5)}, {"augment_told": (1, 3)}, EQUAL]
)
def test_unknown_options_and_pairs_the_wrong_way_round_are_refused(options):
    with pytest.raises(
        OptionError, match="Received: layers|LOW before HIGH. Received: (6 -5|64 64)|must have 0"
    ) as e:
        complete({"dataset": "jsb_chorales"} | options)
    assert e.value.option == [*options][-1]


def test_true_and_false_are_all_that_such_an_option_takes():
    with pytest.raises(OptionError, match="`--context-visible` must be True or False.*'maybe'"):
        complete({"dataset": "jsb_chorales", "model": "rtrbm", "context_visible": "maybe"})


@pytest.mark.parametrize("lags", [[], [1, 1], "1,2"])
def test_lists_of_numbers_are_refused_unless_each_number_is_there_once(lags):
    tied = {"dataset": "jsb_chorales", "model": "rnn-tied-nade", "cell": "history"}
    with pytest.raises(OptionError, match="`--lags` must (be numbers|hold each number once)"):
        complete(tied | {"lags": lags})


@pytest.mark.parametrize("source", ["dataset", "midi", "wav"])
@pytest.mark.parametrize("model", MODELS)
def test_options_without_an_effect_are_none_and_others_have_their_defaults(model, source):
    given = {"model": model, source: "jsb_chorales"}
    options, without = complete(given), unused(given)
    assert {name for name in without if options[name] is not None} == set()
    for name, each in OPTIONS.items():
        if name not in without and name not in ("model", source):
            of_wav = source == "wav" and each.with_wav is not None
            assert options[name] == (each.with_wav if of_wav else each.default)


def test_runs_on_labels_have_their_own_defaults():
    given = {"wav": "birds", "labels": "labels"}
    options = complete(given)
    own = {each.name: each.with_labels for each in OPTIONS.values() if each.with_labels is not None}
    assert own.items() <= options.items() and options["model"] is options["visibles"] is None
    assert options["clip_norm"] == DEFAULTS["clip_norm"] and options["batch_size"] == 4
    assert arguments(options) == ["--wav", "birds", "--labels", "labels"]
    assert upgrade(options) == options


def test_choices_are_those_of_the_models():
    assert set(OPTIONS["visibles"].type.values) == set(ConditionalRBM.VISIBLES)
    assert set(OPTIONS["nonfinite"].type.values) == set(nonfinite.COUNTERS)


def test_segments_are_found_by_the_default_rules():
    assert segment_rules(DEFAULTS) == SegmentRules()
    names = {field.name for field in dataclasses.fields(SegmentRules)}
    assert names - {each.name for each in SEGMENTS} == {"level"}


def test_midi_has_a_default_time_step_and_a_data_set_has_none():
    options = complete({"midi": "music"})
    assert options["step_in_beats"] == 0.5 and options["dataset"] is None
    assert complete({"dataset": "jsb_chorales"})["step_in_beats"] is None


def test_a_run_of_an_earlier_version_has_the_defaults_of_options_added_since():
    now = complete({"dataset": "jsb_chorales", "model": "rnn-nade", "cell": "sfm", "dropout": 0.1})
    added = (
        "recipe",
        "wav",
        "threshold",
        "visibles",
        "nonfinite",
        "optimizer",
        "l1",
        "hidden_layers",
    )
    old = {name: value for name, value in now.items() if name not in added}
    assert upgrade(old) == now
    with pytest.raises(OptionError):
        upgrade(old | {"option_of_tomorrow": 1})


def test_an_option_error_can_be_pickled():
    with pytest.raises(OptionError) as caught:
        complete({"dataset": "jsb_chorales", "layers": 3})
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.option == "layers"


@pytest.mark.parametrize("name", recipes.names())
def test_arguments_make_the_options_again(name):
    options = recipes.read(name).options
    words, given = arguments(options), {}
    for word in words:
        if word.startswith("--"):
            values = given.setdefault(word[2:].replace("-", "_"), [])
        else:
            values.append(word)
    for each, values in given.items():
        default = options[each]
        if isinstance(OPTIONS[each].type, Several):
            (values,) = (text.split(",") for text in values)
        read = [type(default[0] if isinstance(default, list) else default)(v) for v in values]
        given[each] = read if isinstance(default, list) else read[0]
    assert complete(given) | {"recipe": name} == options
