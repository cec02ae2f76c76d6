"""Options of runs, recipes made of them, and the models that they ask for."""

import inspect

import keras
import numpy as np
import pytest

from seqlayers.audio import segments
from seqlayers.heads import ConditionalRBM
from seqlayers.layers.gated import ScannedRNN
from seqlayers.models import RNNRBM, RTRBM, nonfinite
from seqlayers.runs import building, recipes
from seqlayers.runs import folder as runs
from seqlayers.runs.options import (
    CELLS,
    DEFAULTS,
    MODELS,
    NONFINITE,
    OPTIMIZERS,
    SCHEDULES,
    SEGMENTS,
    VISIBLES,
    complete,
    completed,
)

WAV = {"dataset": None, "wav": "birds"}
SMALL = {"dataset": "jsb_chorales", "hidden_units": 5, "recurrent_units": 3}


def build(**options):
    whole = complete({"dataset": "jsb_chorales"} | options)
    small = {k: v for k, v in SMALL.items() if whole[k] is not None}
    return building.build_model(whole | small, num_steps=100)


@pytest.mark.parametrize("name", [*recipes.names(), *recipes.sound_names()])
def test_a_recipe_is_a_whole_set_of_options(name):
    recipe = recipes.read(name)
    assert recipe.name == recipe.options["recipe"] == name
    assert set(recipe.options) == set(DEFAULTS)
    assert complete({k: v for k, v in recipe.options.items() if v is not None}) == recipe.options
    assert recipe.title
    assert (recipe.options["dataset"] is None) == (name in recipes.sound_names())


@pytest.mark.parametrize("name", recipes.measured())
def test_a_score_is_that_of_the_recipe_it_stands_beside(name):
    recipe = recipes.read(name)
    assert completed(recipe.measured["options"]) == recipe.options
    assert recipe.measured["looks"] >= 1
    assert recipe.measured["epochs"] <= recipe.options["epochs"]


def test_a_recipe_that_is_none_is_refused():
    with pytest.raises(ValueError, match="one of rbm-jsb, .* Received: 'rnn-gan-jsb'"):
        recipes.read("rnn-gan-jsb")


@pytest.mark.parametrize("name", MODELS)
def test_each_model_is_built_as_named(name):
    model, kind = build(model=name), MODELS[name]
    heads = {"bernoulli": "BernoulliHead", "rbm": "ConditionalRBM", "nade": "NADE"}
    heads |= {"dbn": "ConditionalDBN", "tied": "TiedRBM"}
    assert type(model.head).__name__ == heads[kind.head]
    assert isinstance(model, RTRBM) == (name == "rtrbm")
    assert (model.memory is not None) == (kind.memory or name == "rtrbm")


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_memories_are_cells_stacks_and_layers(cell, layers):
    dropout = {"dropout": 0.1, "recurrent_dropout": 0.2, "context_dropout": 0.3}
    model = build(model="rnn-bernoulli", cell=cell, recurrent_layers=layers, **dropout)
    memory = model.memory
    assert isinstance(memory, ScannedRNN) == (cell in ("sfm", "tanh-gated"))
    cells = memory.cell.cells if layers > 1 else [memory.cell]
    assert [each.units for each in cells] == [3] * layers
    assert [(each.dropout, each.recurrent_dropout) for each in cells] == [(0.1, 0.2)] * layers
    assert model.context_dropout == 0.3
    assert model.memory.compute_output_shape((2, 5, 88)) == (2, 5, 3)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_optimizers_and_schedules_are_those_asked_for(optimizer, schedule):
    model = build(model="nade", optimizer=optimizer, schedule=schedule, clip_norm=0.5)
    classes = {"adam": "Adam", "rmsprop": "RMSprop", "sgd": "SGD", "nesterov": "SGD"}
    assert type(model.optimizer).__name__ == classes[optimizer]
    assert model.optimizer.global_clipnorm == 0.5
    assert getattr(model.optimizer, "nesterov", False) == (optimizer == "nesterov")
    model.optimizer.iterations.assign(100)
    last = {"constant": 1e-3, "linear": 0.0, "cosine": 2e-5, "phases": 1e-3 / 30}[schedule]
    assert float(model.optimizer.learning_rate) == pytest.approx(last, rel=1e-5)


def test_an_rbm_is_told_how_to_train():
    head = build(model="rbm", persistent_chains=7, centering_rate=0.1, num_betas=9).head
    assert (head.persistent_chains, head.centering_rate, head.num_betas) == (7, 0.1, 9)


def test_a_deep_network_has_the_layers_asked_for():
    head = build(model="rnn-dbn", hidden_layers=3).head
    assert head.hidden_units == (5, 5, 5)


def test_layers_are_trained_one_by_one_before_all_of_them():
    options = complete({"dataset": "jsb_chorales", "model": "rnn-dbn", "pretrain_layers": 1})
    options |= {"hidden_units": 4, "recurrent_units": 3, "batch_size": 2}
    model = building.build_model(options, num_steps=1)
    before = [w.numpy() for w in model.memory.weights]
    rng = np.random.default_rng(0)
    rolls = [(rng.random((6, 88)) < 0.1).astype("uint8") for _ in range(2)]
    building.pretrain(model, options, rolls, runs.batches(options, rolls))
    head, after = model.head, [w.numpy() for w in model.memory.weights]
    assert all((a != b).any() for a, b in zip(after, before, strict=True))
    W, turned = (layer.kernel.numpy() for layer in head.generation[1:])
    assert np.isin(turned[0], W[:, 0]).all()  # the second layer is the first one turned around
    assert np.abs(W).max() > 0 and head.visible_bias.numpy().any()


def test_weights_start_from_the_seed():
    a, b, other = (build(model="rnn-nade", seed=seed) for seed in (1, 1, 2))
    same = [(x == y).all() for x, y in zip(a.get_weights(), b.get_weights(), strict=True)]
    assert all(same)
    kernels = [keras.ops.convert_to_numpy(model.head.kernel) for model in (a, other)]
    assert (kernels[0] != kernels[1]).any()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"layers": 3}, "must be one of recipe, dataset.* Received: layers=3"),
        ({"model": "rbm", "cell": "gru"}, "--cell has no part in --model rbm"),
        ({"model": "rnn-rbm", "persistent_chains": 3}, "--persistent-chains has no part"),
        ({"model": "nade", "gibbs_steps": 3}, "--gibbs-steps has no part in --model nade"),
        ({"hidden_layers": 3}, "--hidden-layers has no part in --model rnn-rbm"),
        (
            {"model": "rnn-dbn", "hidden_layers": 1, "pretrain_layers": 3},
            "--pretrain-layers has no part in --hidden-layers 1",
        ),
        ({"step_in_beats": 1.0}, "--step-in-beats has no part in --dataset"),
        ({"visibles": "gamma"}, "--visibles has no part in --dataset, which is for music"),
        ({"min_length": 3}, "--min-length has no part in --dataset, which is for music"),
        ({"gate_activation": "tanh"}, "--gate-activation has no part in --cell tanh"),
        ({"model": "rnn-nade", "l1": 0.1}, "--l1 has no part in --model rnn-nade"),
        (WAV | {"augment": (-5, 6)}, "--augment has no part in --wav, where there are no notes"),
        (WAV | {"transpose": 1}, "--transpose has no part in --wav"),
        (WAV | {"model": "nade", "visibles": "gamma"}, "--visibles has no part in --model nade"),
        (WAV | {"visibles": "gamma", "centering_rate": 0.1}, "no part in --visibles gamma"),
        (WAV | {"pretrain_memory": 3}, "--pretrain-memory has no part in --visibles gaussian"),
    ],
)
def test_options_without_a_part_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        complete({"dataset": "jsb_chorales"} | options)


def test_choices_are_those_of_the_models():
    assert set(VISIBLES) == set(ConditionalRBM.VISIBLES)
    assert set(NONFINITE) == set(nonfinite.COUNTERS)


def test_segments_are_found_by_the_defaults_of_their_function():
    parameters = inspect.signature(segments).parameters
    assert SEGMENTS == {name: parameters[name].default for name in SEGMENTS}
    assert set(parameters) - set(SEGMENTS) == {"samples", "sample_rate", "level"}


@pytest.mark.parametrize("visibles", VISIBLES)
def test_recordings_have_a_model_of_their_own(visibles):
    options = complete({"wav": "birds", "visibles": visibles, "seed": 3})
    model = building.build_model(options, num_steps=100)
    gates = {"gate_activation": "sigmoid", "visibles": visibles, "seed": 3}
    assert_alike(model, RNNRBM.for_spectrograms(**gates))
    assert model.nonfinite == "skip"


def test_the_recipe_for_recordings_is_the_published_one():
    told = recipes.read("rnn-rbm-spectrograms").options
    model = building.build_model(complete(told | {"wav": "birds", "seed": 3}), num_steps=500)
    assert_alike(model, RNNRBM.for_spectrograms(seed=3))
    assert model.nonfinite == "shrink"
    ours, published = model.optimizer, RNNRBM.optimizer_for_spectrograms(steps_per_phase=100)
    assert type(ours) is type(published) and ours.global_clipnorm is None
    assert (ours.rho, ours.epsilon) == (published.rho, published.epsilon)
    for step in (0, 99, 100, 199, 200, 300, 400, 600):
        rates = [keras.ops.convert_to_numpy(o._learning_rate(step)) for o in (ours, published)]
        np.testing.assert_allclose(*rates, rtol=1e-6)


def assert_alike(model, other):
    """Memory and head are told the same."""
    ours, theirs = (
        [m.head.get_config(), *(cell.get_config() for cell in m.memory.cell.cells)]
        for m in (model, other)
    )
    for one, two in zip(ours, theirs, strict=True):
        assert one | {"name": ""} == two | {"name": ""}


def test_a_recipe_for_music_may_be_tried_on_recordings():
    options = complete({"wav": "birds", "model": "rnn-nade"})
    assert options["visibles"] is None and options["l1"] is None
    assert building.build_model(options | {"recurrent_layers": 1}, 100).head.visible_units == 129


def test_options_newer_than_a_score_are_what_they_are_if_nothing_is_said():
    now = recipes.read("nade-jsb").options
    old = {k: v for k, v in now.items() if k not in ("wav", "nonfinite", "threshold")}
    assert completed(old) == now


def test_midi_has_a_step_of_its_own():
    options = complete({"midi": "music"})
    assert options["step_in_beats"] == 0.5 and options["dataset"] is None
