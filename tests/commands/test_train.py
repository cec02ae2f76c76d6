"""`seqlayers train`: what it writes and prints, and the options that it refuses."""

import json
import re
import shutil

import keras
import numpy as np
import pytest
from commands.helpers import (
    EPOCHS,
    RATE,
    TINY,
    TINY_SOUND,
    VALIDATED,
    calls,
    refused,
    succeeds,
    table,
)

from seqlayers import audio
from seqlayers.audio import Normalizer, Spectra
from seqlayers.datasets import piano_roll
from seqlayers.metrics import Likelihood
from seqlayers.models import SequenceModel
from seqlayers.runs import data, loading, training
from seqlayers.runs.config import read_config
from seqlayers.runs.options import DEFAULTS


def test_a_run_holds_configuration_metrics_and_models(trained):
    run, said = trained
    assert {path.name for path in run.iterdir()} == {
        *("config.json", "metrics.csv", "tensorboard", "last.keras", "best.keras", ".lock"),
        ".seqlayers-run",
    }
    config = json.loads((run / "config.json").read_text())
    assert set(config["options"]) == set(DEFAULTS)
    assert config["options"]["recurrent_units"] == 3
    assert config["versions"]["keras"] == keras.__version__
    assert config["data"]["sequences"] == {"train": 4, "valid": 1, "test": 1}
    assert config["data"]["files"]["test"] == ["5.mid"]
    rows = table(run)
    assert [int(row["epoch"]) for row in rows] == list(range(1, EPOCHS + 1))
    assert [int(row["epoch"]) for row in rows if row["val_log_likelihood"]] == VALIDATED
    assert "test: " in said and "nats per frame (exact" in said
    progress = [line for line in said.splitlines() if line.startswith("epoch ")]
    assert "val_log_likelihood -" in progress[-1] and f"{EPOCHS} of {EPOCHS}" in progress[-1]
    assert sum("left" in line for line in progress) >= len(VALIDATED) - 1
    for name in ("config.json", "metrics.csv", "tensorboard", "last.keras", "best.keras"):
        assert str(run / name) in said


def test_files_that_cannot_be_read_are_counted_and_the_others_train(trained):
    _, said = trained
    assert "Skipped 2 of 8 MIDI files:" in said
    assert "text.mid: not a MIDI file" in said
    assert "torn.mid: truncated" in said


def test_the_best_model_is_that_of_the_best_epoch(trained):
    run, _ = trained
    rows = [row for row in table(run) if row["val_log_likelihood"]]
    best = max(float(row["val_log_likelihood"]) for row in rows)
    model, file = loading.load_model(run)
    assert file.name == "best.keras"
    valid = data.read_data(json.loads((run / "config.json").read_text())["options"]).valid
    assert model.score(valid).nats == pytest.approx(best, abs=1e-5)


def test_an_estimate_is_reported_from_both_sides(music, tmp_path, monkeypatch):
    asked = []

    def score(model, sequences, **options):
        asked.append(options)
        return Likelihood(-7.5, 0.1, "estimate", 8, 1, reverse_nats=-7.6)

    monkeypatch.setattr(training, "fit", lambda *_: None)
    monkeypatch.setattr(SequenceModel, "score", score)
    said = succeeds("train", "--midi", music, "--model", "rbm", "--out", tmp_path / "run")
    assert "test: -7.500 nats per frame (estimate" in said and "from the other side" in said
    assert asked == [{"bracket": True}]
    assert read_config(tmp_path / "run")["options"]["cell"] is None


def test_a_new_run_takes_the_place_of_one_that_it_overwrites(run, music, monkeypatch, no_report):
    monkeypatch.setattr(training, "fit", lambda *_: None)
    (run / "notes.txt").write_text("mine")
    options = ["--midi", music, "--model", "rbm", "--out", run]
    assert "--overwrite to delete it" in refused("train", *options)
    assert (run / "last.keras").exists()
    succeeds("train", *options, "--overwrite")
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "notes.txt",
        ".lock",
        ".seqlayers-run",
    }
    assert read_config(run)["options"]["model"] == "rbm"


def test_a_recipe_has_options_that_others_replace(music, tmp_path, monkeypatch, no_report):
    monkeypatch.setattr(training, "fit", lambda *_: None)
    run = tmp_path / "run"
    tiny = "--hidden-units 4 --recurrent-units 3 --epochs 2 --batch-size 2 --pretrain-head 1"
    tiny = [*tiny.split(), "--pretrain-memory", 1, "--optimizer", "nesterov", "--max-steps", 8]
    said = succeeds("train", "--recipe", "lstm-nade-jsb", "--midi", music, *tiny, "--out", run)
    assert "rnn-nade with" in said
    options = json.loads((run / "config.json").read_text())["options"]
    assert options["recipe"] == "lstm-nade-jsb" and options["dataset"] is None
    assert options["cell"] == "lstm" and options["schedule"] == "linear"  # of the recipe
    assert options["recurrent_units"] == 3 and options["optimizer"] == "nesterov"  # as given
    said = refused("train", "--out", run, "--resume", "--epochs", 3)
    assert "--epochs cannot change" in said  # the learning rate falls to 0 at epoch 2


def test_a_run_keeps_how_frames_are_made_of_sound(trained_on_sound, birds):
    run, said = trained_on_sound
    config = read_config(run)
    assert config["options"]["wav"] == str(birds)
    assert config["data"]["files"] == ["a.wav", "b.wav", "evening/c.wav"]
    sound = config["sound"]
    assert sound.settings == Spectra(256, 128, sample_rate=RATE)
    assert sound.scale == "log_amplitude" and type(sound.normalizer) is Normalizer
    counts = config["data"]["sequences"]
    assert counts == {"train": 30, "valid": 3, "test": 3}
    assert "test: " in said and "nats per frame (exact" in said
    assert [bool(row["val_log_likelihood"]) for row in table(run)] == [True, True]
    assert keras.saving.load_model(run / "last.keras").head.visible_units == 129


def test_skipped_and_resampled_recordings_are_reported(trained_on_sound, birds):
    _, said = trained_on_sound
    assert "Skipped 2 of 5 recordings:" in said
    assert f"{birds / 'silent.wav'}: There is no segment" in said and "It is silent" in said
    assert f"{birds / 'text.wav'}: not a sound file" in said
    assert "notes.txt" not in said and ".hidden" not in said
    assert f"Resampled to {RATE} Hz: 1 of {2 * RATE} Hz" in said
    share = re.search(r"Segments hold (.*) of 18.0 s of sound, \d+%", said)
    assert 36 * 0.04 < float(share[1]) < 36 * 0.06 and "`seqlayers segment` lists" in said


def test_the_published_rule_for_gradients_is_counted(trained_on_sound):
    run, _ = trained_on_sound
    assert [row["shrunk_steps"] for row in table(run)] == ["0.0", "0.0"]
    model = keras.saving.load_model(run / "last.keras")
    assert model.nonfinite == "shrink"
    assert model.memory.cell.gate_activation is keras.activations.tanh
    said = refused("train", "--out", run, "--resume", "--epochs", 3)
    assert "--epochs cannot change" in said  # the learning rate has fallen


@pytest.mark.parametrize("count, split", [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1))])
def test_small_folders_are_split_and_reported(
    count, split, music, tmp_path, monkeypatch, no_report
):
    few = tmp_path / "few"
    few.mkdir()
    for n in range(count):
        shutil.copy(music / f"{n}.mid", few)
    monkeypatch.setattr(training, "fit", lambda *_, **__: None)
    said = succeeds("train", "--midi", few, *TINY, "--out", tmp_path / "run")
    counts = json.loads((tmp_path / "run" / "config.json").read_text())["data"]["sequences"]
    assert tuple(counts.values()) == split
    assert ("None is left to" in said) == (0 in split)
    if count == 1:
        args = ["--midi", few, "--patience", 3, "--out", tmp_path / "other"]
        assert "--patience needs at least two MIDI files" in refused("train", *args)
        assert not (tmp_path / "other").exists()


def test_of_few_segments_none_is_left_to_validate(tmp_path, monkeypatch, no_report):
    audio.write(tmp_path / "short.wav", calls(0)[: 3 * RATE // 4], RATE)
    monkeypatch.setattr(training, "fit", lambda *_, **__: None)
    command = ["train", "--wav", tmp_path, *TINY_SOUND, "--out", tmp_path / "run"]
    assert "--patience needs recordings with more segments" in refused(*command, "--patience", 2)
    assert not (tmp_path / "run").exists()
    said = succeeds(*command)
    assert "None is left to validate" in said and "None is left to test" in said


# Bad input. Each message names the option, what is expected and what was received.


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--dataset", "bach"], ["--dataset", "bach", *piano_roll.NAMES]),
        (
            ["--hidden-units", -4],
            ["`--hidden-units` must be an integer from 1 to 10000", "Received: --hidden-units=-4"],
        ),
        (["--recurrent-units", 0], ["--recurrent-units", "=0", "from 1"]),
        (["--recurrent-units", 4_000_000_000], ["--recurrent-units", "4000000000", "to 10000"]),
        (["--gibbs-steps", 1.5], ["--gibbs-steps", "1.5", "integer"]),
        (["--epochs", 0], ["--epochs", "=0", "at least 1"]),
        (["--batch-size", "many"], ["--batch-size", "many", "integer"]),
        (["--max-steps", -1], ["--max-steps", "=-1", "at least 1"]),
        (["--learning-rate", "nan"], ["--learning-rate", "nan", "above 0"]),
        (["--learning-rate", -0.1], ["--learning-rate", "-0.1", "above 0"]),
        (["--seed", -1], ["--seed", "=-1", "from 0"]),
        (["--model", "rnn"], ["--model", "rnn", "rnn-rbm", "rnn-bernoulli"]),
        (["--cell", "relu"], ["--cell", "relu", "tanh"]),
        (["--dataset", "nottingham", "--augment", 6, -5], ["--augment", "6 -5", "LOW"]),
        (["--augment", -200, 5], ["--augment", "=-200", "from -88 to 88"]),
        (["--midi", "nowhere"], ["--midi", "nowhere", "does not exist"]),
        ([], ["Give one of --dataset, --midi and --wav", "Received: none"]),
        (["--dataset", "nottingham", "--midi", "."], ["Received: --dataset and --midi"]),
        (["--midi", ".", "--wav", "."], ["Received: --midi and --wav"]),
        (
            ["--dataset", "nottingham", "--threshold", 85],
            ["`--threshold` has no effect with `--dataset`; remove it."],
        ),
        (["--midi", ".", "--valid", 0.6, "--test", 0.4], ["--valid", "--test", "below 1", "=0.6"]),
        (["--dataset", "nottingham", "--test", 0.2], ["--test", "no effect", "--dataset"]),
        (["--resume", "--overwrite"], ["--resume", "--overwrite", "one of them"]),
        (["--dataset", "nottingham", "--transpose", 1], ["--transpose", "no effect", "--dataset"]),
        (
            ["--dataset", "nottingham", "--model", "rbm", "--cell", "gru"],
            ["`--cell` has no effect with `--model rbm`; remove it."],
        ),
        (["--dataset", "nottingham", "--num-frequencies", 3], ["no effect", "--cell tanh"]),
        (["--dataset", "nottingham", "--momentum", 0.5], ["no effect", "--optimizer adam"]),
        (["--dropout", 1], ["--dropout", "=1", "of at least 0 and below 1"]),
        (["--recipe", "rnn-dbn-bach"], ["recipe", "rnn-dbn-bach", "rnn-dbn-jsb"]),
        (["--recipe", "nade-jsb", "--cell", "gru"], ["--cell", "no effect", "--model nade"]),
        (["--sizes", 3], ["--sizes", "No such option"]),
        (["--resume"], ["--resume", "config.json", "remove `--resume`"]),
    ],
)
def test_wrong_options_are_refused(args, parts, tmp_path):
    said = refused("train", *args, "--out", tmp_path / "run")
    assert [part for part in parts if part not in said] == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--augment", -5, 6], ["`--augment` has no effect with `--wav`"]),
        (["--transpose", 2], ["`--transpose` has no effect with `--wav`"]),
        (["--visibles", "normal"], ["--visibles", "normal", "gaussian", "gamma"]),
        (["--model", "rnn-nade", "--visibles", "gamma"], ["--visibles", "--model rnn-nade"]),
        (["--visibles", "gamma", "--centering-rate", 0.1], ["--centering-rate", "gamma"]),
        (["--pretrain-memory", 3], ["--pretrain-memory", "--visibles gaussian"]),
        (["--nonfinite", "ignore"], ["--nonfinite", "ignore", "skip", "shrink"]),
        (["--cell", "gru", "--gate-activation", "tanh"], ["--gate-activation", "--cell gru"]),
        (["--dataset", "nottingham"], ["one of", "--dataset and --wav"]),
        (["--wav", "nowhere"], ["--wav", "nowhere", "does not exist"]),
    ],
)
def test_wrong_options_of_runs_on_recordings_are_refused(args, parts, birds, tmp_path):
    said = refused("train", "--wav", birds, *args, "--out", tmp_path / "run")
    assert [part for part in parts if part not in said] == []
    assert not (tmp_path / "run").exists()


def test_own_midi_files_take_a_recipe_that_their_size_completes(
    music, tmp_path, monkeypatch, no_report
):
    begun = []
    monkeypatch.setattr(training, "fit", lambda folder, model, *_: begun.append(model))
    said = succeeds("train", "--midi", music, "--augment", 0, 0, "--out", tmp_path / "run")
    assert "4 sequences once cut: --recipe tied-nade-midi --batch-size 2 --epochs 100" in said
    options = read_config(tmp_path / "run")["options"]
    assert options["model"] == "rnn-tied-nade" and options["epochs"] == 100
    rolls = data.read_data(options).train
    p, sounds = piano_roll.note_frequencies(rolls), np.concatenate(rolls).any(axis=0)
    p = np.where(sounds, p, p / (~sounds).sum())
    bias = begun[0].head.visible_bias.numpy()
    np.testing.assert_allclose(bias, np.log(p / (1 - p)), atol=1e-5)
    assert bias[~sounds].max() < bias[sounds].min()
    said = " ".join(said.split())
    assert "An epoch has 2 batches of 2 sequences: 200 updates in 100 epochs." in said
    assert "give a smaller --batch-size, lower --max-steps, or raise --epochs" in said
    given = ["--midi", music, "--batch-size", 4, "--out", tmp_path / "given"]
    said = succeeds("train", *given)
    assert "once cut: --recipe tied-nade-midi --epochs 100" in " ".join(said.split())
    assert "An epoch has 1 batch of 4 sequences: 100 updates" in said
    other = ["--midi", music, "--model", "rnn-bernoulli", "--batch-size", 1]
    said = succeeds("train", *other, "--epochs", 1, "--max-steps", 4, "--out", tmp_path / "other")
    assert "once cut" not in said and "An epoch has" not in said
    assert read_config(tmp_path / "other")["options"]["recipe"] is None


def test_a_run_keeps_the_files_that_it_was_told_to_test_on(music, tmp_path, monkeypatch, no_report):
    monkeypatch.setattr(training, "fit", lambda *_, **__: None)
    (tmp_path / "list.txt").write_text("0.mid\n\n 2.mid\n", "utf-8-sig")  # as some editors write
    given = ["--midi", music, *TINY, "--out", tmp_path / "run", "--test-files"]
    succeeds("train", *given, tmp_path / "list.txt", "--valid", 0.4)
    (tmp_path / "list.txt").unlink()  # the run has its lines
    config = read_config(tmp_path / "run")
    assert config["data"]["files"] == {
        "train": ["1.mid", "3.mid"],
        "valid": ["4.mid", "5.mid"],
        "test": ["0.mid", "2.mid"],
    }
    assert data.read_data(config["options"]).files == config["data"]["files"]
    (tmp_path / "list.txt").write_bytes(b"\xff")
    assert "text file in UTF-8" in refused("train", *given, tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("torn.mid")
    said = refused("train", *given, tmp_path / "list.txt", "--overwrite")
    assert "--test-files" in said and "torn.mid, entry 1 of the list: no MIDI file that can" in said


def test_a_folder_without_music_is_refused(tmp_path):
    (tmp_path / "bad.mid").write_bytes(b"")
    said = refused("train", "--midi", tmp_path, "--out", tmp_path / "run")
    assert "--midi" in said and str(tmp_path) in said and "empty file" in said
    assert not (tmp_path / "run").exists()


def test_an_out_that_holds_other_things_is_refused(music, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    for more in ([], ["--overwrite"]):
        said = refused("train", "--midi", music, "--out", tmp_path, *more)
        assert "--out" in said and "thesis.tex" in said
    said = refused("train", "--midi", music, "--out", tmp_path / "thesis.tex")
    assert "--out" in said and "is a file" in said
