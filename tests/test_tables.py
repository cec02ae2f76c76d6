"""`benchmarks/tables`: sizes, the minimal GRU, and trainings of equal seconds."""

import importlib
import itertools
import json
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from seqlayers.datasets import piano_roll, speech

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def table():
    """A function that imports a module of `benchmarks/tables`, which are run as scripts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "benchmarks" / "tables")
        yield importlib.import_module


def weights(memory, features, outputs):
    memory.build((None, None, features))
    return memory.count_params() + (memory.cell.output_size + 1) * outputs


@pytest.mark.parametrize("size, features, outputs", [("waves-1k", 2, 1), ("music", 88, 88)])
@pytest.mark.parametrize("model", ["parallel", "min-gru"])
def test_a_network_without_recurrent_gates_has_the_weights_of_an_lstm(
    table, size, features, outputs, model
):
    sfm = table("sfm")
    ours, lstm = (
        weights(sfm.memory(m, sfm.SIZES[size][m]), features, outputs) for m in (model, "lstm")
    )
    assert 0.88 * lstm < ours < 1.01 * lstm


def test_networks_of_phones_have_about_80_000_weights(table):
    clstm = table("phone_networks")
    for row in ("cells-parallel", "cells-min-gru"):
        assert clstm.network(row, 0.2, 61).count_params() == pytest.approx(80_000, rel=0.001)


def test_networks_of_labels_have_about_as_many_weights(table):
    annotate = table("annotate")
    labels = list("abcdefghijk")
    made = [make(labels, **options) for make, options in annotate.NETWORKS.values()]
    for model in made:
        assert model.count_params() == pytest.approx(made[0].count_params(), rel=0.02)


def test_songs_to_train_on_last_as_long_as_asked_for_and_the_others_are_whole(table):
    annotate = table("annotate")
    known = annotate.labels.Annotation([[0.1, 0.4], [0.9, 1.5], [1.6, 1.9]], list("abc"))
    songs = [annotate.Recording(np.zeros(2000), 1000, known)] * 4
    train, rest = annotate.parts(songs, 3)
    assert [len(each.samples) for each in train] == [2000, 1000] and len(rest) == 2
    assert train[1].annotation.labels == ["a", "b"] and rest[0].annotation is known
    np.testing.assert_allclose(train[1].annotation.times, [[0.1, 0.4], [0.9, 1.0]])
    assert len(annotate.parts(songs, 4)[1]) == 2
    with pytest.raises(ValueError, match="`seconds`"):
        annotate.parts(songs, 9)


def test_kinds_of_syllables_are_compared_where_they_have_names(table, rng):
    pytest.importorskip("sklearn")
    kinds = table("kinds")
    row = kinds.agreement(["a", "a", "b", "b", None], np.array([1, 1, 2, 0, 3]))
    assert (row["kinds"], row["none"], row["compared"]) == (3, 1, 4)
    assert row["v"] == pytest.approx(0.8) and row["ami"] < 1
    logs = rng.normal(size=(21, 5))
    eight = kinds.eight_frames(logs)
    assert eight.shape == (40,) and eight.max() <= 0
    np.testing.assert_allclose(kinds.eight_frames(logs + 3), eight)
    np.testing.assert_allclose(eight[:8:7], (logs - logs.max())[[0, -1], 0])


def test_a_row_of_phones_has_a_name_from_which_it_is_read(table):
    clstm, Row = table("clstm"), table("phone_training").Row
    assert Row.of("heads-lstmp+relu") == ("timit", "heads-lstmp+relu", False, False, 0)
    row = Row("arctic", "stack-3+greedy", tenth=True, masked=True, seed=2)
    assert row.name == "arctic-stack-3+greedy-tenth-masked-seed2" and Row.of(row.name) == row
    names = clstm.chosen(("heads-lstmp",), "arctic", seeds=[0, 1])
    assert names == [
        Row("arctic", f"heads-lstmp{r}", seed=s).name for s in (0, 1) for r in ("+relu", "")
    ]
    assert clstm.chosen(("stack-2", "cells"), masked=True) == [
        "stack-2-masked",
        "stack-2+greedy-masked",
    ]
    assert {Row.of(name).table for name in clstm.chosen(("",), tenth=True)} == {"stack"}
    rest = set(clstm.store.read(clstm.RESULTS)) - set(clstm.chosen(("",)))
    for corpus, tenth, masked in itertools.product(clstm.FILES, (False, True), (False, True)):
        rest -= set(clstm.chosen(("",), corpus, tenth, masked, range(5)))
    assert rest == set()


def test_a_row_of_phones_that_was_stopped_goes_on_after_its_last_training(
    table, tmp_path, monkeypatch
):
    clstm, Task = table("clstm"), table("phone_training").Task
    task = Task(clstm.Row.of("stack-2"), 30, "auto", [None] * 3, tmp_path)
    trained = []

    def train(task, fold, dropout):
        if len(trained) == 4:
            trained.append("stopped")
            raise KeyboardInterrupt
        trained.append((fold, dropout))
        error = (fold + 1) * abs(dropout - 0.35) + 0.1
        figures = {"validation": error, "test": error + fold, "epoch_chosen": 3, "frames": 7}
        return figures | {"weights": 5, "seconds": 2.0}

    monkeypatch.setattr(clstm, "train", train)
    with pytest.raises(KeyboardInterrupt):
        clstm.run(task)
    record = clstm.run(task)
    assert trained == [(0, 0.2), (0, 0.35), (0, 0.5), (1, 0.35), "stopped", (2, 0.35)]
    assert record["dropout"] == 0.35 and record["seconds"] == 10 and record["weights"] == 5
    assert [fold["test"] for fold in record["folds"]] == pytest.approx([0.1, 1.1, 2.1])
    monkeypatch.setattr(clstm, "RESULTS", tmp_path / "results.json")
    other = task._replace(row=task.row._replace(seed=1))
    with pytest.raises(SystemExit, match="begin with 0.*Received: stack-2-seed1 without stack-2"):
        clstm.run_seed(other)
    clstm.store.keep(clstm.RESULTS, "stack-2", record)
    assert clstm.run_seed(other)["tried"].keys() == {"0.35"}


@pytest.fixture(scope="module")
def parts(table):
    """Two folds of the sentences that ship, with 39 phones."""
    data = table("phone_data")
    corpus = data.CORPORA["arctic"]
    return data.parts(speech.load_examples(), corpus, "stack", 2, 2)


def test_the_phones_of_arctic_are_39_and_folds_share_no_sentence(table, parts):
    assert len(table("phone_data").PHONES_39) == 39
    for part in parts:
        sentences = [frames.tobytes() for some in part for frames, _ in some]
        assert len(set(sentences)) == len(sentences) == 5
        for frames, labels in part.fit + part.test:
            assert frames.shape == (len(labels), 123) and 0 <= labels.min() <= labels.max() < 39


def test_a_tenth_of_the_labels_is_the_same_for_all_networks_and_other_ones_by_seed(table):
    training = table("phone_training")
    part = table("phone_data").Part([*range(47)], [], [])

    def labelled(name):
        return training.Task(training.Row.of(name), 1, "auto", [part], None).labelled(0)

    some = labelled("stack-2-tenth")
    assert len(some) == 5 and some == sorted(set(some)) == labelled("stack-3+greedy-tenth")
    assert some != labelled("stack-2-tenth-seed1") and labelled("stack-2") == part.fit


def test_masks_of_chunks_hide_bands_with_their_deltas_in_another_order_each_epoch(table, rng):
    data = table("phone_data")
    x = rng.normal(size=(18, data.LENGTH, 123)).astype("float32")
    y = np.tile(np.arange(18, dtype="int32")[:, None], data.LENGTH)
    orders = []
    for batches in (data.masked_epochs(x, y, y, 2, 3), data.masked_epochs(x, y, y, 2, 3)):
        rows = [row for batch in batches for row in zip(*batch, strict=True)]
        orders.append([int(labels[0]) for _, labels, _ in rows])
        hidden = np.array([frames == 0 for frames, _, _ in rows]).reshape(2, 18, -1, 41, 3)
        assert 0.1 < hidden.mean() < 0.9
        np.testing.assert_array_equal(hidden.any(axis=-1), hidden.all(axis=-1))
        for (frames, labels, _), where in zip(rows, hidden.reshape(36, -1, 123), strict=True):
            np.testing.assert_array_equal(frames, np.where(where, 0, x[labels[0]]))
    assert orders[0] == orders[1]
    first, second = orders[0][:18], orders[0][18:]
    assert sorted(first) == sorted(second) == [*range(18)] and first != second


def test_a_greedy_stack_begins_with_the_weights_that_were_learned_without_labels(
    table, parts, tmp_path
):
    training = table("phone_training")
    task = training.Task(training.Row.of("arctic-stack-2+greedy"), 1, "auto", parts, tmp_path)
    Normalization, LSTM = keras.layers.Normalization, keras.layers.LSTM
    scale = {"mean": np.arange(3.0), "variance": np.full(3, 4.0)}
    layers = [LSTM(3, return_sequences=True), Normalization(**scale)]
    layers += [LSTM(3, return_sequences=True), Normalization(**scale)]
    stack = keras.Sequential([keras.Input((None, 123)), *layers])
    stack.save(tmp_path / "arctic-2-lstbms-fold0-seed0.keras")
    model, (x, y, weights) = training.compiled(task, 0, 0.2)
    for actual, expected in zip(model.get_weights(), stack.get_weights(), strict=False):
        np.testing.assert_array_equal(actual, expected)
    assert len(model.weights) == len(stack.weights) + 2 and model.output_shape[-1] == 39
    below = keras.Model(model.input, model.layers[-1].input)
    np.testing.assert_allclose(below(x[:1]), stack(x[:1]), atol=1e-6)
    assert x.shape[1:] == (100, 123) and y.shape == weights.shape == x.shape[:2]


def test_a_row_of_codes_is_a_training_of_its_own(table):
    lstbm = table("lstbm")
    names = [*lstbm.all_rows()]
    rows = [lstbm.Row.of(name) for name in names]
    assert len(set(rows)) == len(names)
    assert {row.model for row in rows} == {"rbm", *lstbm.MODELS}
    assert {row.recipe for row in rows} == lstbm.RECIPES.keys()
    assert lstbm.Row.of("lstbm-200-long-gamma").options == {"visibles": "gamma"}
    assert lstbm.Row.of("rtrbm-200-full-seed2") == ("rtrbm", 200, "full", None, 2)


@pytest.mark.long
def test_a_training_of_codes_that_was_stopped_ends_as_an_undisturbed_one(
    table, rng, tmp_path, monkeypatch
):
    lstbm = table("lstbm")
    monkeypatch.setattr(lstbm, "BINS", 4)
    frames, row = rng.normal(size=(3, 20, 4)).astype("float32"), lstbm.Row.of("lstbm-3-root")
    watched = lstbm.Watch.on_epoch_end

    def stopped(watch, epoch, logs=None):
        watched(watch, epoch, logs)
        if epoch == 9:
            raise KeyboardInterrupt  # before the epoch is backed up

    monkeypatch.setattr(lstbm.Watch, "on_epoch_end", stopped)
    with pytest.raises(KeyboardInterrupt):
        lstbm.train(row, frames, 12, 0.1, tmp_path / "stopped")
    monkeypatch.setattr(lstbm.Watch, "on_epoch_end", watched)
    again, whole = (lstbm.train(row, frames, 12, 0.1, tmp_path / d) for d in ("stopped", "whole"))
    for one, other in zip(again[0].get_weights(), whole[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again[1].curve == whole[1].curve
    assert [epoch for epoch, _ in whole[1].curve] == [1, 10]
    model, watch = lstbm.train(row, frames, 12, 0.1, tmp_path / "whole")  # trains no more
    np.testing.assert_array_equal(model.get_weights()[0], whole[0].get_weights()[0])
    assert watch.before >= whole[1].before


def test_a_minimal_gru_is_a_loop_over_frames(table, rng):
    layer = table("min_gru").MinGRU(3, return_sequences=True, return_state=True)
    x, h = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 3))
    mask = np.array([[1, 1, 0, 1, 1], [1, 0, 0, 1, 0]], bool)
    layer.build(x.shape)
    kernel, bias = (rng.normal(size=w.shape) for w in layer.get_weights())
    layer.set_weights([kernel, bias])
    outputs, last = layer(x, initial_state=[h], mask=mask)
    one_step, _ = layer.cell(x[:, 0], [h])
    for t in range(5):
        z, c = np.split(x[:, t] @ kernel + bias, 2, axis=-1)
        z = 1 / (1 + np.exp(-z))
        h = np.where(mask[:, t, None], (1 - z) * h + z * c, h)
        np.testing.assert_allclose(outputs[:, t], h, atol=1e-5)
    np.testing.assert_allclose(last, h, atol=1e-5)
    np.testing.assert_allclose(one_step, outputs[:, 0], atol=1e-5)


def test_waves_are_of_three_kinds(table):
    waves = table("waves")
    t = np.linspace(0, 20, 50)
    y = np.stack([np.full(50, 1.5), 0.5 + t / 60, np.sign(7 - t), t % 15])
    kinds = waves.kinds(np.stack([y, np.tile(t, (4, 1))], axis=-1))
    assert [waves.KINDS[kind] for kind in kinds] == ["constant", "rising", "jumping", "jumping"]


def test_the_loss_of_waves_is_that_of_the_mean_or_of_all_frames(table, rng):
    logits, labels = rng.normal(size=(3, 5, 1)), np.array([0, 1, 1])
    signs = 2 * labels - 1
    of_mean = np.log1p(np.exp(-signs * logits.mean(axis=(1, 2))))
    of_frames = np.log1p(np.exp(-signs[:, None] * logits[..., 0])).mean(axis=1)
    for of, expected in ((False, of_mean), (True, of_frames)):
        loss = table("waves").LogitLoss(of)(labels, logits)
        np.testing.assert_allclose(loss, expected.mean(), rtol=1e-5)


def test_rows_of_waves_wait_for_their_trials_and_run_once(table, tmp_path, monkeypatch, capsys):
    waves, ran = table("waves"), []
    monkeypatch.setattr(waves, "RESULTS", tmp_path / "waves.json")

    def run(network, loss, seed, rate, epochs):
        ran.append((seed, rate, epochs))
        return {"validation": -abs(rate - 1e-2)}

    monkeypatch.setattr(waves, "run", run)
    waves.main(("gru-mean-seed0",))
    assert ran == [] and "gru-mean-seed0 waits for rows trial-gru-mean" in capsys.readouterr().out
    for _ in range(2):
        waves.main(("trial-gru-mean", "gru-mean-seed0"))
    trials = [(waves.TRIAL_SEED, rate, waves.TRIAL_EPOCHS) for rate in waves.RATES]
    assert ran == [*trials, (0, 1e-2, 40)]
    waves.main(("gru-long-seed1",))
    assert ran[5:] == [(1, 1e-2, 120)]


def test_a_training_of_equal_seconds_has_more_epochs_where_a_step_is_shorter(table):
    pace = table("pace")
    lstm, faster = {"compiled": 0.2, "plain": 0.3}, {"compiled": 0.1, "plain": 0.05}
    assert pace.epochs_in_time_of(lstm, 10, lstm) == (10, "compiled")
    assert pace.epochs_in_time_of(lstm, 10, faster) == (40, "plain")


def test_the_pace_is_that_of_steps_after_the_first_ones(table):
    def network(jit_compile):
        seconds = iter([0.1, 0.1])
        return lambda: time.sleep(next(seconds, 0.0001 if jit_compile else 0.001))

    seconds = table("pace").measure({"lstm": network})["lstm"]
    assert 0.0001 <= seconds["compiled"] < seconds["plain"] < 0.1


def test_the_printed_table_of_spectrograms_is_of_its_own_rows(table, capsys):
    spectrogram = table("spectrogram")
    spectrogram.print_table(spectrogram.store.read(spectrogram.RESULTS))
    printed = capsys.readouterr().out
    assert "finch-3-sigmoid " in printed and "recipe" not in printed


def test_a_row_of_the_spectrogram_recipe_has_its_options_but_those_of_the_row(table, tmp_path):
    recipe = table("spectrogram_recipe")
    names = [name for name, *_ in recipe.all_rows([0, 1])]
    assert len(set(names)) == len(names) and "recipe-finch-2-tanh-seed1" in names
    published = recipe.recipes.read(recipe.RECIPE).options
    options = recipe.options_of("finch", "3-tanh", 0, tmp_path)
    changed = {k for k, v in published.items() if options[k] != v}
    assert changed == {"wav", *recipe.SEGMENTS["finch"]}
    options = recipe.options_of("arctic", "2-sigmoid", 1, tmp_path)
    assert (options["recurrent_layers"], options["gate_activation"]) == (2, "sigmoid")
    assert (options["optimizer"], options["seed"]) == ("rmsprop", 1)
    assert recipe.options_of("finch", "rbm", 0, tmp_path)["cell"] is None


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_step_without_a_finite_gradient_is_left_out(table, jit_compile):
    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones")(inputs))
    task = table("sfm").Task(network, (), 5, 1, 0.1, {"clipnorm": 0.2}, "mse", 1, (), (), None)
    table("sfm").compile_network(task, 1, jit_compile)
    good, bad, zero = np.ones((1, 1)), np.full((1, 1), 1e25), np.zeros((1, 1))
    network.train_on_batch(good, zero)
    first = network.get_weights()
    for _ in range(200):  # which would halve a scale of the loss to 0
        network.train_on_batch(bad, zero)
    for before, now in zip(first, network.get_weights(), strict=True):
        np.testing.assert_array_equal(now, before)
    network.train_on_batch(good, zero)
    assert 0 < network.get_weights()[0] < first[0] and network.optimizer.iterations == 2


def test_the_pieces_of_a_score_of_music_are_those_of_the_split(table, rng, monkeypatch):
    sfm = table("sfm")
    rolls = [(rng.random((n, 88)) < 0.1).astype("uint8") for n in (9, 12, 7)]
    data = sfm.piano_roll.PianoRolls(rolls, rolls, rolls)
    monkeypatch.setattr(sfm.piano_roll, "load", lambda name: data)
    for score in ("bernoulli", "softmax"):
        task = sfm.music_task("jsb_chorales", "gru", score)
        if score == "bernoulli":
            task.network.compile(jit_compile=False)
        row = task.score(rolls)
        totals, frames = zip(*row["pieces"], strict=True)
        assert score == "softmax" or frames == (9, 12, 7)
        assert sorted(frames) == [7, 9, 12] and row["nats"] == pytest.approx(sum(totals) / 28)
        alone = task.score(rolls[1:2])["nats"]
        assert alone == pytest.approx(totals[frames.index(12)] / 12, rel=1e-5)


def test_an_estimate_is_made_from_the_other_side_too_on_some_pieces(table, rng, monkeypatch):
    music = table("music")
    pieces = [(rng.random((n, 88)) < 0.1).astype("uint8") for n in (9, 12, 7)]
    monkeypatch.setattr(music, "MOST_FRAMES", 20)
    model = music.models.RNNRBM(88, 21, 3, seed=0)
    model.compile(jit_compile=False)
    row = music.annealed(model, pieces, 10)
    some = music.drawn(pieces)
    assert model.head.num_betas == 10 and 1 <= len(some) < 3
    whole, part = model.score(pieces), model.score(some, bracket=True)
    assert (row["kind"], row["frames"], row["sequences"]) == ("estimate", 28, 3)
    assert (row["nats"], row["standard_error"]) == (whole.nats, whole.standard_error)
    gap = part.reverse_nats - part.nats
    assert row["reverse_nats"] - row["nats"] == pytest.approx(gap, abs=1e-9) and gap != 0
    assert row["reverse_frames"] == sum(map(len, some)) <= 20
    assert row["error_over_pieces"] > 0 and row["score_processor_seconds"] >= 0
    assert json.loads(json.dumps(row)) == row
    for most, count in ((28, 3), (1, 1)):
        monkeypatch.setattr(music, "MOST_FRAMES", most)
        assert len(music.drawn(pieces)) == count


def test_an_estimate_has_that_of_fewer_annealing_steps_beside_it(table, monkeypatch):
    music = table("music")
    monkeypatch.setattr(music, "annealed", lambda model, pieces, betas: {"nats": -betas})
    row = music.likelihood(music.models.RNNRBM(88, 21, 3), "jsb_chorales")
    assert row == {"nats": -1000, "by_betas": {"100": {"nats": -100}}}


@pytest.mark.long
def test_a_recipe_is_measured_once_with_other_seeds_and_their_mixture(
    table, tmp_path, monkeypatch, capsys
):
    music = table("music")
    rng = np.random.default_rng(0)
    splits = [[(rng.random((n, 88)) < 0.1).astype("uint8") for n in (9, 12, 7)] for _ in range(3)]
    rolls = piano_roll.PianoRolls(*splits)
    options = music.recipes.read("rnn-nade-jsb").options
    options |= {"hidden_units": 4, "recurrent_units": 3, "epochs": 1, "augment": None}
    recipe = music.recipes.read("rnn-nade-jsb")._replace(options=options)
    measured = tmp_path / "measured.json"

    def read(name):
        return recipe._replace(measured=music.store.read(measured).get(name))

    monkeypatch.setattr(music.piano_roll, "load", lambda name: rolls)
    monkeypatch.setattr(music.recipes, "read", read)
    monkeypatch.setattr(music.recipes, "names", lambda: ["rnn-nade-jsb"])
    monkeypatch.setattr(music.recipes, "measured", lambda: music.store.read(measured))
    monkeypatch.setattr(music, "MEASURED", measured)
    with pytest.raises(ValueError, match=f"`--seeds`.*Received: {options['seed']}, the seed of"):
        music.main(["rnn-nade-jsb"], tmp_path / "runs", 60, False, [1, options["seed"]])
    music.main(["rnn-nade-jsb"], tmp_path / "runs", 60, False, [1])
    row = music.store.read(measured)["rnn-nade-jsb"]
    (other,) = row["other_seeds"]
    assert row["looks"] == other["looks"] == 1 and row["options"] == options
    assert other["options"] == options | {"seed": 1} and other["nats"] != row["nats"]
    parts = [
        music.loading.load_model(tmp_path / "runs" / run)[0]
        for run in ("rnn-nade-jsb", "rnn-nade-jsb-seed-1")
    ]
    for part, wanted in zip(parts, (row, other), strict=True):
        assert part.score(rolls.test).nats == pytest.approx(wanted["nats"], abs=1e-5)
    mixed = row["mixture"]
    assert mixed["kind"] == "exact" and mixed["error_over_pieces"] > 0
    assert mixed["nats"] >= (row["nats"] + other["nats"]) / 2  # a logarithm is concave
    assert f"{row['nats']:.3f} +-" in capsys.readouterr().out
    music.main(["rnn-nade-jsb"], tmp_path / "none", 60, False, [1])  # nothing is left to do
    assert not (tmp_path / "none").exists()
    music.main(["rnn-nade-jsb"], tmp_path / "runs", 60, False, [], ["rnn-nade-jsb-seed-1"])
    again = music.store.read(measured)["rnn-nade-jsb"]["mixture"]
    assert again["runs"] == ["rnn-nade-jsb", "rnn-nade-jsb-seed-1"]
    assert again["nats"] == pytest.approx(mixed["nats"], abs=1e-6) != again["validation"]
