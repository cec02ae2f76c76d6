"""Options of runs, recipes made of them, and the models that they ask for."""

import keras
import pytest

from seqlayers import recipes, runs
from seqlayers.layers import SFM
from seqlayers.models import RTRBM
from seqlayers.options import CELLS, DEFAULTS, MODELS, OPTIMIZERS, SCHEDULES, complete

SMALL = {"dataset": "jsb_chorales", "hidden_units": 5, "recurrent_units": 3}


def build(**options):
    whole = complete({"dataset": "jsb_chorales"} | options)
    small = {k: v for k, v in SMALL.items() if whole[k] is not None}
    return runs.build_model(whole | small, num_steps=100)


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_is_a_whole_set_of_options(name):
    recipe = recipes.read(name)
    assert recipe.name == recipe.options["recipe"] == name
    assert set(recipe.options) == set(DEFAULTS)
    assert complete({k: v for k, v in recipe.options.items() if v is not None}) == recipe.options
    assert recipe.title


@pytest.mark.parametrize("name", recipes.measured())
def test_a_score_is_that_of_the_recipe_it_stands_beside(name):
    recipe = recipes.read(name)
    assert recipe.measured["options"] == recipe.options
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
    assert isinstance(memory, SFM) == (cell == "sfm" and layers == 1)
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
    last = {"constant": 1e-3, "linear": 0.0, "cosine": 2e-5}[schedule]
    assert float(model.optimizer.learning_rate) == pytest.approx(last, rel=1e-5)


def test_an_rbm_is_told_how_to_train():
    head = build(model="rbm", persistent_chains=7, centering_rate=0.1, num_betas=9).head
    assert (head.persistent_chains, head.centering_rate, head.num_betas) == (7, 0.1, 9)


def test_a_deep_network_has_the_layers_asked_for():
    head = build(model="rnn-dbn", hidden_layers=3).head
    assert head.layer_units == (5, 5, 5)


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
        ({"step_in_beats": 1.0}, "--step-in-beats has no part in --dataset"),
    ],
)
def test_options_without_a_part_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        complete({"dataset": "jsb_chorales"} | options)


def test_midi_has_a_step_of_its_own():
    options = complete({"midi": "music"})
    assert options["step_in_beats"] == 0.5 and options["dataset"] is None
