"""The models, optimizers and pre-training that options of a run describe."""

import inspect
from pkgutil import resolve_name

import keras
import numpy as np
import pytest

from seqlayers.layers.gated import GatedCell
from seqlayers.layers.scanned import ScannedRNN
from seqlayers.models import RNNRBM, RTRBM, SequenceModel
from seqlayers.runs import building, data, recipes
from seqlayers.runs.options import OPTIONS, complete
from seqlayers.runs.registry import CELLS, HEADS, MODELS, TIED

SMALL = {"dataset": "jsb_chorales", "hidden_units": 5, "recurrent_units": 3}


def build(**options):
    whole = complete({"dataset": "jsb_chorales"} | options)
    small = {k: v for k, v in SMALL.items() if whole[k] is not None}
    return building.build_model(whole | small, num_steps=100)


def choices(name):
    return OPTIONS[name].type.values


@pytest.mark.parametrize("name", MODELS)
def test_each_model_is_built_as_named(name):
    model, (_, head, memory) = build(model=name), MODELS[name]
    if name in TIED:
        assert isinstance(model, RTRBM) and not model.learns_initial_context
    else:
        assert type(model.head) is resolve_name(head.path)
        assert (model.memory is not None) == memory


@pytest.mark.parametrize("cell", [name for name, cell in CELLS.items() if cell.has_units])
@pytest.mark.parametrize("layers", [1, 2])
def test_memories_are_cells_stacks_and_layers(cell, layers):
    dropout = {"dropout": 0.1, "recurrent_dropout": 0.2, "context_dropout": 0.3}
    model = build(model="rnn-bernoulli", cell=cell, recurrent_layers=layers, **dropout)
    memory = model.memory
    gated = issubclass(resolve_name(CELLS[cell].path), GatedCell)
    assert isinstance(memory, ScannedRNN) == gated
    cells = memory.cell.cells if layers > 1 else [memory.cell]
    assert [each.units for each in cells] == [3] * layers
    assert [(each.dropout, each.recurrent_dropout) for each in cells] == [(0.1, 0.2)] * layers
    assert model.context_dropout == 0.3
    assert model.memory.compute_output_shape((2, 5, 88)) == (2, 5, 3)


def test_a_memory_split_by_frequency_has_its_options():
    plain = {"model": "rnn-bernoulli", "cell": "sfm"}
    options = {"frequencies": (64, 2048), "output_scale": "mean", "gradient_clip": 0.5}
    cell = build(**plain, **options).memory.cell
    assert (cell.output_scale, cell.gradient_clip) == ("mean", 0.5)
    assert cell.get_config()["frequencies"] == [64, 2048]
    cell = build(**plain).memory.cell
    assert (cell.output_scale, cell.gradient_clip) == ("sum", None)
    assert cell.get_config()["frequencies"] == "harmonic"


def test_a_tied_head_reads_each_part_of_its_memory_as_laid_out():
    history = {"model": "rnn-tied-nade", "cell": "history", "lags": [1, 3], "far_lags": [9]}
    model = build(**history, metre=6, head_dropout=0.4)
    assert [tuple(block) for block in model.head.layout] == [(2, 12), (1, 2), (2, "octave")]
    assert (model.head.hidden_units, model.head.dropout) == ((5, 2), 0.4)
    assert model.head.context_units == 5 * 88 + 6 + 3
    roll = np.zeros((1, 12, 88))
    roll[0, 2, 40] = 1
    context = np.asarray(model.contexts(roll))[0]
    channels, position = context[:, : 5 * 88].reshape(12, 5, 88), context[:, 5 * 88 :]
    np.testing.assert_array_equal(channels[:, :3, 40].T.nonzero(), [[0, 1, 2], [3, 5, 11]])
    np.testing.assert_array_equal(position[:, :6], np.eye(6)[np.arange(12) % 6])
    assert build(model="rnn-tied-nade", cell="gru").head.layout == ()
    recalling = build(**history, recall=7)
    blocks = [(2, 12), (1, 2), (2, "octave"), (2, 2), (2, "shared")]
    assert [tuple(block) for block in recalling.head.layout] == blocks
    assert recalling.head.context_units == 7 * 88 + 2 + 3
    contexts = np.asarray(recalling.contexts(roll))[0]
    np.testing.assert_array_equal(contexts[:, : 5 * 88], context[:, : 5 * 88])
    assert recalling.memory.cell.cells[1].longest == 7
    near = build(**history | {"lags": [9, 1]})  # a lag that is near is not far as well
    assert [tuple(block) for block in near.head.layout] == [(2, 12), (2, "octave")]


def test_a_shift_is_told_to_the_head():
    assert build(model="rnn-nade", augment_told=[-5, 6]).transposition == (-5, 6)
    assert build(model="rnn-nade", augment=[-5, 6]).transposition is None


def test_a_metre_is_told_to_any_memory():
    model = build(model="rnn-nade", cell="gru", metre=4)
    assert model.memory.cell.cells[1].kernel.shape[0] == 88 + 4 + 3


@pytest.mark.parametrize("optimizer", choices("optimizer"))
@pytest.mark.parametrize("schedule", choices("schedule"))
def test_optimizers_and_schedules_are_those_asked_for(optimizer, schedule):
    options = complete({"model": "nade", "optimizer": optimizer, "schedule": schedule})
    made = building._optimizer(options | {"clip_norm": 0.5}, num_steps=100)
    classes = {"adam": "Adam", "rmsprop": "RMSprop", "sgd": "SGD", "nesterov": "SGD"}
    assert type(made).__name__ == classes[optimizer]
    assert made.global_clipnorm == 0.5
    assert getattr(made, "nesterov", False) == (optimizer == "nesterov")
    made.iterations.assign(100)
    last = {"constant": 1e-3, "linear": 0.0, "cosine": 2e-5, "phases": 1e-3 / 30}[schedule]
    assert float(made.learning_rate) == pytest.approx(last, rel=1e-5)


def test_an_rbm_is_trained_as_the_options_ask():
    head = build(model="rbm", persistent_chains=7, centering_rate=0.1, num_betas=9).head
    assert (head.persistent_chains, head.centering_rate, head.num_betas) == (7, 0.1, 9)
    model = build(model="rtrbm", context_visible=True, learn_initial_context=True)
    assert model.head.context_visible and model.learns_initial_context


def test_a_deep_network_has_the_layers_asked_for():
    head = build(model="rnn-dbn", hidden_layers=3).head
    assert head.hidden_units == (5, 5, 5)


def test_layers_are_trained_one_by_one_before_all_of_them(monkeypatch):
    def move(model, dataset, epochs, verbose):
        for weight in model.trainable_weights:
            weight.assign_add(rng.normal(size=weight.shape))
        history = keras.callbacks.History()
        history.history = {"loss": [0.0]}
        return history

    monkeypatch.setattr(SequenceModel, "fit", move)  # training is tested elsewhere
    options = complete({"dataset": "jsb_chorales", "model": "rnn-dbn", "pretrain_layers": 1})
    options |= {"hidden_units": 4, "recurrent_units": 3, "batch_size": 2}
    model = building.build_model(options, num_steps=1)
    before = [w.numpy() for w in model.memory.weights]
    rng = np.random.default_rng(0)
    rolls = [(rng.random((6, 88)) < 0.1).astype("uint8") for _ in range(2)]
    building.pretrain(model, options, rolls, data.batches(options, rolls))
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


@pytest.mark.parametrize("visibles", choices("visibles"))
def test_recordings_have_the_model_on_spectrograms(visibles):
    options = complete({"wav": "birds", "visibles": visibles, "seed": 3})
    model = building.build_model(options, num_steps=100)
    gates = {"gate_activation": "sigmoid", "visibles": visibles, "seed": 3}
    assert_alike(model, RNNRBM.for_spectrograms(**gates))
    assert model.nonfinite == "skip"


def test_the_recipe_for_recordings_is_the_published_one():
    given = recipes.read("rnn-rbm-spectrograms").options
    model = building.build_model(complete(given | {"wav": "birds", "seed": 3}), num_steps=500)
    assert_alike(model, RNNRBM.for_spectrograms(seed=3))
    assert model.nonfinite == "shrink"
    ours, published = model.optimizer, RNNRBM.optimizer_for_spectrograms(steps_per_phase=100)
    assert type(ours) is type(published) and ours.global_clipnorm is None
    assert (ours.rho, ours.epsilon) == (published.rho, published.epsilon)
    for step in (0, 99, 100, 199, 200, 300, 400, 600):
        rates = [keras.ops.convert_to_numpy(o._learning_rate(step)) for o in (ours, published)]
        np.testing.assert_allclose(*rates, rtol=1e-6)


def assert_alike(model, other):
    """Memory and head have the same arguments."""
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


@pytest.mark.parametrize("head", [*HEADS.values()], ids=[*HEADS])
def test_heads_with_a_code_in_the_registry_are_those_whose_class_has_one(head):
    assert head.has_code == resolve_name(head.path).has_code
    assert TIED["rtrbm"].has_code  # its head is an RBM


@pytest.mark.parametrize("entry", [*CELLS.values(), *HEADS.values()], ids=[*CELLS, *HEADS])
def test_options_in_the_registry_are_arguments_of_the_class(entry):
    made_of = {"hidden_layers": "hidden_units", "l1": "kernel_regularizer"}
    made_of |= {"head_dropout": "dropout", "far_lags": "lags"}
    assert set(entry.options) <= set(OPTIONS)
    set_later = {"first_bias"}  # a weight, which follows from the data
    arguments = {made_of.get(name, name) for name in entry.options if name not in set_later}
    assert arguments <= set(inspect.signature(resolve_name(entry.path)).parameters)
