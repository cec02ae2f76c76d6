"""The command line: what it writes, how a stopped run goes on, and what it refuses."""

import errno
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from command_line import refused, seqlayers, succeeds, table, weights

from seqlayers import audio
from seqlayers.__main__ import cli
from seqlayers.datasets import midi, piano_roll
from seqlayers.models import SequenceModel
from seqlayers.runs import folder as runs
from seqlayers.runs import recipes
from seqlayers.runs.options import DEFAULTS, complete

ROOT = Path(__file__).resolve().parents[1]
EPOCHS = 16
TINY = "--hidden-units 4 --recurrent-units 3 --gibbs-steps 1 --batch-size 2".split()
TINY += ["--augment", "-5", "6", "--epochs", str(EPOCHS), "--validate-every", "5"]
VALIDATED = [5, 10, 15, 16]


def start(*args, **kwargs):
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "seqlayers", *map(str, args)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **kwargs,
    )


@pytest.fixture(autouse=True)
def ctrl_c():
    """What a shell starts in the background, these tests included, does not hear Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Six small MIDI files, and two that cannot be read."""
    folder = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    for n in range(6):
        midi.write(folder / f"{n}.mid", (rng.random((8, 88)) < 0.05).astype("uint8"))
    (folder / "text.mid").write_text("not music")
    (folder / "torn.mid").write_bytes((folder / "0.mid").read_bytes()[:60])
    return folder


@pytest.fixture(scope="module")
def trained(music, tmp_path_factory):
    """A run that nothing disturbed, and what was said."""
    run = tmp_path_factory.mktemp("runs") / "run"
    return run, succeeds("train", "--midi", music, *TINY, "--out", run)


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that run, to spoil."""
    shutil.copytree(trained[0], tmp_path / "run")
    return tmp_path / "run"


# What is written and said.


def test_a_run_holds_configuration_metrics_and_models(trained):
    run, said = trained
    assert {path.name for path in run.iterdir()} == {
        *("config.json", "metrics.csv", "tensorboard", "last.keras", "best.keras", ".lock")
    }
    config = json.loads((run / "config.json").read_text())
    assert set(config["options"]) == set(DEFAULTS)
    assert config["options"]["hidden_units"] == 4
    assert config["versions"]["keras"] == keras.__version__
    assert config["data"]["sequences"] == {"train": 4, "valid": 1, "test": 1}
    assert config["data"]["files"]["test"] == ["5.mid"]
    rows = table(run)
    assert [int(row["epoch"]) for row in rows] == list(range(1, EPOCHS + 1))
    assert [int(row["epoch"]) for row in rows if row["val_log_likelihood"]] == VALIDATED
    assert "test: " in said and "nats per frame (exact" in said
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
    model, file = runs.load_model(run)
    assert file.name == "best.keras"
    valid = runs.read_data(json.loads((run / "config.json").read_text())["options"]).valid
    assert model.score(valid).nats == pytest.approx(best, abs=1e-5)


@pytest.mark.slow
def test_an_rbm_trains_and_takes_the_place_of_a_run_that_it_overwrites(run, music):
    (run / "notes.txt").write_text("mine")
    options = ["--midi", music, "--model", "rbm", "--hidden-units", 24, "--epochs", 1]
    options += ["--max-steps", 5, "--out", run]
    assert "--overwrite to delete it" in refused("train", *options)
    said = succeeds("train", *options, "--overwrite")
    assert "nats per frame (estimate" in said and "from the other side" in said
    assert len(table(run)) == 1
    assert (run / "notes.txt").read_text() == "mine"
    config = json.loads((run / "config.json").read_text())
    assert config["options"]["cell"] is None


@pytest.mark.slow
def test_a_recurrent_model_of_independent_keys_trains(music, tmp_path):
    options = ["--model", "rnn-bernoulli", "--recurrent-units", 3, "--cell", "gru"]
    said = succeeds("train", "--midi", music, *options, "--epochs", 1, "--out", tmp_path / "run")
    assert "nats per frame (exact" in said and "from the other side" not in said
    assert runs.load_model(tmp_path / "run")[0].memory.cell.units == 3


def test_a_recipe_trains_with_what_is_told_otherwise(music, tmp_path):
    run = tmp_path / "run"
    tiny = "--hidden-units 4 --recurrent-units 3 --epochs 2 --batch-size 2 --pretrain-head 1"
    tiny = [*tiny.split(), "--pretrain-memory", 1, "--optimizer", "nesterov", "--max-steps", 8]
    said = succeeds("train", "--recipe", "sfm-nade-jsb", "--midi", music, *tiny, "--out", run)
    assert "rnn-nade with" in said and "(exact;" in said
    options = json.loads((run / "config.json").read_text())["options"]
    assert options["recipe"] == "sfm-nade-jsb" and options["dataset"] is None
    assert options["cell"] == "sfm" and options["schedule"] == "linear"  # of the recipe
    assert options["recurrent_units"] == 3 and options["optimizer"] == "nesterov"  # as told
    said = refused("train", "--out", run, "--resume", "--epochs", 3)
    assert "--epochs cannot change" in said  # the learning rate has fallen to 0


def test_recipes_are_listed_with_what_they_reached():
    said = succeeds("recipes")
    assert [name for name in [*recipes.names(), *recipes.sound_names()] if name not in said] == []
    said = succeeds("recipes", "rnn-rbm-jsb")
    assert "--gibbs-steps" in said and "-6.27" in said and "--cell" in said
    assert "must be one of" in refused("recipes", "rnn-rbm-bach")


def test_a_run_of_before_there_were_recipes_goes_on(run):
    config = json.loads((run / "config.json").read_text())
    for name in ("recipe", "optimizer", "schedule", "dropout"):
        del config["options"][name]
    (run / "config.json").write_text(json.dumps(config))
    assert "epochs done" in succeeds("train", "--out", run, "--resume")


def test_a_run_stopped_before_its_first_epoch_begins_anew(run, music, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    for name in ("last.keras", "best.keras", "metrics.csv"):
        (run / name).unlink()
    monkeypatch.setattr(runs, "pretrain", interrupted)
    assert seqlayers("train", "--out", run, "--resume").exit_code == 130
    monkeypatch.undo()
    assert "new, in" in succeeds("train", "--out", run, "--resume", "--epochs", 1)


def test_score_says_what_kind_of_number_it_is(run, music):
    said = succeeds("score", run)
    assert "best.keras on" in said
    assert "nats per frame (exact; per_frame, 8 frames of 1 sequences)" in said
    data = ["--midi", music / "0.mid", "--bracket", "--json"]
    said = json.loads(succeeds("score", run / "last.keras", *data))
    assert (said["kind"], said["averaging"]) == ("exact", "per_frame")
    assert (said["frames"], said["sequences"], said["standard_error"]) == (8, 1, 0.0)
    assert said["reverse_nats"] == pytest.approx(said["nats"])
    model, _ = runs.load_model(run / "last.keras")
    assert said["nats"] == pytest.approx(model.score([midi.read(music / "0.mid")]).nats, abs=1e-6)


def test_score_of_a_folder_counts_what_it_skips(run, music):
    said = succeeds("score", run, "--midi", music)
    assert "Skipped 2 of 8" in said and "48 frames of 6 sequences" in said


def test_generate_writes_midi_files_that_its_seed_names(run, music, tmp_path):
    songs = tmp_path / "new" / "songs"
    said = succeeds("generate", run, "--out", songs, "--num", 3, "--steps", 6, "--seed", 7)
    paths = [songs / f"seed7_{n}.mid" for n in (1, 2, 3)]
    assert said.split() == [str(path) for path in paths]
    first = midi.read(paths[0])
    assert len(first) <= 6
    again = ["generate", run, "--out", songs, "--num", 1, "--steps", 6, "--seed", 7]
    assert "seed7_1.mid" in refused(*again)
    succeeds(*again, "--overwrite")
    np.testing.assert_array_equal(midi.read(paths[0]), first)
    primed = ["--seed", 8, "--num", 1, "--steps", 4, "--prime", music / "0.mid"]
    succeeds("generate", run, "--out", songs, *primed, "--temperature", 0.5)
    assert (songs / "seed8_1.mid").exists()


@pytest.mark.slow
@pytest.mark.skipif("export" not in vars(SequenceModel), reason="SequenceModel has no export yet")
def test_export_writes_a_saved_model(run, tmp_path):
    path = tmp_path / "served" / "1"
    assert succeeds("export", run, path).split()[-1] == str(path)
    assert (path / "saved_model.pb").exists()
    assert f"Received: {path}, which does" in refused("export", run, path)


def test_data_lists_sets_with_counts_and_terms():
    said = succeeds("data")
    for name in piano_roll.NAMES:
        about = piano_roll.info(name)
        assert name in said and f"{about.sequences['train']:,}" in said
        assert about.terms.split(". ")[-1].split()[0] in said
        detail = " ".join(succeeds("data", name).split())
        assert " ".join(about.terms.split()) in detail
        assert f"{about.frames['test']:,} frames" in detail


def examples():
    for name in (None, *cli.commands):
        lines = succeeds(*filter(None, [name]), "--help").split("Examples:\n")[1]
        lines = lines.split("\n\n")[0].replace("\\\n", " ").splitlines()
        assert lines, name
        yield from (shlex.split(line) for line in lines)


def fit_in_name_only(folder, model, history, options, data, **_):
    """Leaves a small new model, where there is to be one of recordings."""
    if options["wav"]:
        small = {"hidden_units": 4, "recurrent_units": 3, "recurrent_layers": 1}
        runs.build_model(options | small, num_steps=1).save(Path(folder) / runs.LAST)


def test_examples_of_the_help_work_as_printed(trained, tmp_path, monkeypatch, rng):
    tiny = [(rng.random((6, 88)) < 0.05).astype("uint8")]
    monkeypatch.setattr(piano_roll, "load", lambda name: piano_roll.PianoRolls(tiny, tiny, tiny))
    monkeypatch.setattr(runs, "fit", fit_in_name_only)  # training is tested elsewhere
    monkeypatch.setattr("seqlayers.commands.train._report", lambda *_: None)
    commands = list(examples())
    assert {words[1] for words in commands} == set(cli.commands)
    monkeypatch.chdir(tmp_path)
    Path("music").mkdir()
    midi.write("music/one.mid", tiny[0])
    midi.write("song.mid", tiny[0])
    Path("birds").mkdir()
    for path in ("birds/one.wav", "evening.wav", "song.wav"):
        sound = 0.001 * rng.normal(size=16000)
        for start in range(400, 16000, 1600):  # of 8000 samples a second
            sound[start : start + 200] = np.sin(np.arange(200))
        audio.write(path, sound, 8000)
    done = set()
    for words in sorted(commands, key=lambda words: words[1] != "train"):
        if "--overwrite" not in words and " ".join(words) in done:
            continue  # the overview shows some of them once more
        if words[1] != "train" and not Path("runs/jsb/last.keras").exists():
            shutil.rmtree("runs/jsb")
            shutil.copytree(trained[0], "runs/jsb")
            config = json.loads(Path("runs/jsb/config.json").read_text())
            config["options"] |= {"dataset": "jsb_chorales", "midi": None}
            config["data"]["sha256"] = runs.fingerprint(runs.Data(tiny, tiny, tiny))
            Path("runs/jsb/config.json").write_text(json.dumps(config))
        if words[1] == "export" and "export" not in vars(SequenceModel):
            continue
        succeeds(*words[1:])
        done.add(" ".join(words))


def test_help_and_lists_do_not_import_tensorflow():
    script = (
        "import sys, types, runpy\n"
        "package = types.ModuleType('seqlayers')\n"  # without what its __init__ imports
        "package.__path__, package.__version__ = [sys.argv.pop(1)], '0'\n"
        "sys.modules['seqlayers'] = package\n"
        "try:\n"
        "    runpy.run_module('seqlayers.__main__', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    for arguments in (["--help"], ["train", "--help"], ["data"]):
        command = [sys.executable, "-c", script, str(ROOT / "seqlayers"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout


# Stopping and going on.


def wait_for_epoch(process, run, epoch):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (run / "metrics.csv").exists() and len(table(run)) >= epoch:
            return
        time.sleep(0.005)
    process.kill()
    raise AssertionError(process.communicate()[0])


@pytest.mark.slow
def test_a_run_stopped_in_any_way_ends_as_if_it_had_not_been(trained, music, tmp_path):
    run = tmp_path / "run"
    go_on = ["train", "--out", run, "--resume"]

    process = start("train", "--midi", music, *TINY, "--out", run)
    wait_for_epoch(process, run, 2)
    assert "another process is at work" in refused(*go_on)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    killed_at = len(table(run))

    process = start(*go_on)
    wait_for_epoch(process, run, killed_at + 2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert f"{killed_at} epochs done" in said or f"{killed_at + 1} epochs done" in said
    assert f"Go on with: seqlayers train --out {run} --resume" in said
    assert "Traceback" not in said
    assert killed_at + 2 <= len(table(run)) < EPOCHS

    succeeds(*go_on)
    undisturbed = trained[0]
    for name in ("last.keras", "best.keras"):
        for ours, theirs in zip(weights(run / name), weights(undisturbed / name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert (run / "metrics.csv").read_bytes() == (undisturbed / "metrics.csv").read_bytes()
    assert list(tensorboard_steps(run)) == [list(range(1, EPOCHS + 1)), VALIDATED]
    assert not list(run.glob(".tmp-*"))


def tensorboard_steps(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for name, tag in (("train", "epoch_loss"), ("validation", "epoch_log_likelihood")):
        events = EventAccumulator(str(run / "tensorboard" / name), {"tensors": 0})
        events.Reload()
        yield [event.step + 1 for event in events.Tensors(tag)]


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_with_their_status_and_how_to_go_on(number, status, run, monkeypatch):
    def interrupted(*_, **__):
        os.kill(os.getpid(), number)
        time.sleep(10)

    monkeypatch.setattr(runs, "fit", interrupted)
    before = signal.getsignal(number)
    done = seqlayers("train", "--out", run, "--resume")
    assert done.exit_code == status
    assert f"Go on with: seqlayers train --out {run} --resume" in done.output
    assert "Traceback" not in done.output
    assert signal.getsignal(number) is before


def test_a_full_disk_leaves_the_last_model_and_table(run):
    config = json.loads((run / "config.json").read_text())
    model, history = runs.last_model(run, config["options"], None)
    before = {name: (run / name).read_bytes() for name in ("last.keras", "metrics.csv")}
    saver = runs._Saver(run, history, config["options"] | {"epochs": 100})
    saver.set_model(model)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before["last.keras"]) // 2, unlimited[1]))
    try:
        with pytest.raises(OSError):
            saver.on_epoch_end(EPOCHS, {"loss": 0.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert before == {name: (run / name).read_bytes() for name in before}
    assert not list(run.glob(".tmp-*"))
    saver.on_epoch_end(EPOCHS, {"loss": 0.0})  # and there is room again
    assert len(runs.last_model(run, config["options"], None)[1]) == EPOCHS + 2


@pytest.mark.parametrize("function", ["fit", "write_config"])
def test_a_full_disk_is_said(function, run, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # no name, as `write` does it

    monkeypatch.setattr(runs, function, fail)
    said = refused("train", "--out", run, "--resume", "--epochs", 40)
    assert f"{run}: No space left on device." in said
    assert f"Go on with: seqlayers train --out {run} --resume" in said
    epochs = json.loads((run / "config.json").read_text())["options"]["epochs"]
    assert epochs == (40 if function == "fit" else EPOCHS)


def test_table_and_checkpoint_agree_whatever_was_torn(run):
    rows = table(run)
    (run / "metrics.csv").write_text("epoch,lo")
    (run / ".tmp-0123-last.keras").write_bytes(b"half a file")
    said = succeeds("train", "--out", run, "--resume")  # there is nothing left to train
    assert f"{EPOCHS} epochs done" in said and "test: " in said
    assert table(run) == rows
    assert not list(run.glob(".tmp-*"))


def test_early_stopping_needs_nothing_but_the_history():
    values = [None, -9.0, None, -8.0, None, -8.5, None, float("nan")]
    history = [
        {"epoch": n} | ({} if v is None else {runs.MONITOR: v}) for n, v in enumerate(values, 1)
    ]
    assert runs.best_row(history)["epoch"] == 4
    options = {"epochs": 100, "patience": 4}
    assert [runs.finished(history[:n], options) for n in range(9)] == [False] * 8 + [True]
    assert not runs.finished(history, options | {"patience": None})
    assert runs.finished(history, options | {"patience": None, "epochs": 8})
    assert runs.best_row(history[:1]) is None


@pytest.mark.parametrize("count, split", [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1))])
def test_small_folders_are_split_and_said_to_be(count, split, music, tmp_path, monkeypatch):
    folder = tmp_path / "few"
    folder.mkdir()
    for n in range(count):
        shutil.copy(music / f"{n}.mid", folder)
    monkeypatch.setattr(runs, "fit", lambda *_, **__: None)
    monkeypatch.setattr("seqlayers.commands.train._report", lambda *_: None)
    said = succeeds("train", "--midi", folder, *TINY, "--out", tmp_path / "run")
    counts = json.loads((tmp_path / "run" / "config.json").read_text())["data"]["sequences"]
    assert tuple(counts.values()) == split
    assert ("none is left to" in said) == (0 in split)
    if count == 1:
        args = ["--midi", folder, "--patience", 3, "--out", tmp_path / "other"]
        assert "--patience needs at least two MIDI files" in refused("train", *args)
        assert not (tmp_path / "other").exists()


def test_many_files_go_by_tenths(monkeypatch):
    paths = [Path(f"music/{n:02}.mid") for n in range(25)]
    found = midi.Folder(paths, list(range(25)), [])
    monkeypatch.setattr(midi, "read_folder", lambda *_: found)
    options = complete({"midi": "music"})
    data = runs.read_data(options)
    assert (data.train, data.valid, data.test) == (list(range(21)), [21, 22], [23, 24])
    assert data.files["test"] == ["23.mid", "24.mid"]


# Bad input. Each message names what it is about, what came and what is wanted.


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--dataset", "bach"], ["--dataset", "bach", *piano_roll.NAMES]),
        (["--hidden-units", -4], ["--hidden-units", "-4", "1<=x"]),
        (["--recurrent-units", 0], ["--recurrent-units", "0", "1<=x"]),
        (["--recurrent-units", 4_000_000_000], ["--recurrent-units", "4000000000", "x<=10000"]),
        (["--gibbs-steps", 1.5], ["--gibbs-steps", "1.5", "integer"]),
        (["--epochs", 0], ["--epochs", "0", "x>=1"]),
        (["--batch-size", "many"], ["--batch-size", "many", "integer"]),
        (["--max-steps", -1], ["--max-steps", "-1", "x>=1"]),
        (["--learning-rate", "nan"], ["--learning-rate", "nan", "above 0"]),
        (["--learning-rate", -0.1], ["--learning-rate", "-0.1", "above 0"]),
        (["--seed", -1], ["--seed", "-1", "0<=x"]),
        (["--model", "rnn"], ["--model", "rnn", "rnn-rbm", "rnn-bernoulli"]),
        (["--cell", "relu"], ["--cell", "relu", "tanh"]),
        (["--dataset", "nottingham", "--augment", 6, -5], ["--augment", "6 -5", "LOW"]),
        (["--augment", -200, 5], ["--augment", "-200", "-88<=x<=88"]),
        (["--midi", "nowhere"], ["--midi", "nowhere", "does not exist"]),
        ([], ["Give --dataset, --midi or --wav", "Received: none"]),
        (["--dataset", "nottingham", "--midi", "."], ["Received: --dataset and --midi"]),
        (["--midi", ".", "--wav", "."], ["Received: --midi and --wav"]),
        (["--dataset", "nottingham", "--threshold", 85], ["--threshold", "no part", "music"]),
        (["--resume", "--overwrite"], ["--resume", "--overwrite", "one of them"]),
        (["--dataset", "nottingham", "--transpose", 1], ["--transpose", "no part", "--dataset"]),
        (
            ["--dataset", "nottingham", "--model", "rbm", "--cell", "gru"],
            ["--cell", "no part", "--model rbm"],
        ),
        (["--dataset", "nottingham", "--num-frequencies", 3], ["no part", "--cell tanh"]),
        (["--dataset", "nottingham", "--momentum", 0.5], ["no part", "--optimizer adam"]),
        (["--dropout", 1], ["--dropout", "'1'", "1 left out"]),
        (["--recipe", "rnn-dbn-bach"], ["--recipe", "rnn-dbn-bach", "rnn-dbn-jsb"]),
        (["--recipe", "nade-jsb", "--cell", "gru"], ["--cell", "no part", "--model nade"]),
        (["--sizes", 3], ["--sizes", "No such option"]),
        (["--resume"], ["--resume", "config.json", "leave it out"]),
    ],
)
def test_wrong_options_are_refused(args, parts, tmp_path):
    said = refused("train", *args, "--out", tmp_path / "run")
    assert [part for part in parts if part not in said] == []
    assert not (tmp_path / "run").exists()


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


def test_resuming_with_other_options_or_data_is_refused(run, music, tmp_path):
    said = refused("train", "--out", run, "--resume", "--hidden-units", 5)
    assert "--hidden-units cannot change" in said and "Received: 5, and the run has 4" in said
    config = json.loads((run / "config.json").read_text())
    other = shutil.copytree(music, tmp_path / "other")
    (other / "0.mid").unlink()
    config["options"]["midi"] = str(other)
    (run / "config.json").write_text(json.dumps(config))
    assert "data must stay what they were" in refused("train", "--out", run, "--resume")


@pytest.mark.parametrize(
    "name, damage, parts",
    [
        ("config.json", lambda data: data[:100], ["config.json", "damaged"]),
        ("config.json", lambda data: b"[]", ["config.json", "damaged"]),
        ("last.keras", lambda data: data[: len(data) // 2], ["last.keras", "--overwrite"]),
        ("last.keras", lambda data: b"", ["last.keras", "--overwrite"]),
        ("last.keras", lambda data: data.replace(b"\x89HDF", b"\x88HDF"), ["last.keras", "damage"]),
        ("last.keras", None, ["last.keras", "missing", "--overwrite"]),
    ],
)
def test_resuming_from_damage_is_refused(name, damage, parts, run):
    if damage is None:
        (run / name).unlink()
    else:
        (run / name).write_bytes(damage((run / name).read_bytes()))
    said = refused("train", "--out", run, "--resume")
    assert [part for part in parts if part not in said] == []


def test_models_that_are_none_are_refused(run, music, tmp_path):
    data = ["--midi", music / "0.mid"]
    assert "'nothing' does not exist" in refused("score", "nothing", *data)
    said = refused("score", tmp_path, *data)
    assert str(tmp_path) in said and ".keras file" in said
    whole = (run / "best.keras").read_bytes()
    (run / "best.keras").write_bytes(whole[:-50])
    for command in (["score", run, *data], ["generate", run, "--out", tmp_path / "songs"]):
        said = refused(*command)
        assert "best.keras, which cannot be read" in said
    said = refused("export", run, tmp_path / "served")
    assert "best.keras, which cannot be read" in said
    assert not (tmp_path / "songs").exists() and not (tmp_path / "served").exists()
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other.save(tmp_path / "other.keras")
    said = refused("score", tmp_path / "other.keras", *data)
    assert "SequenceModel" in said and "holds a Sequential" in said


def test_wrong_data_to_score_are_refused(run, music):
    last = run / "last.keras"
    assert "give --dataset, --midi or --wav" in refused("score", last)
    both = ["--dataset", "nottingham", "--midi", music]
    assert "--dataset and --midi do not go together" in refused("score", last, *both)
    assert "--wav needs a run on recordings" in refused("score", last, "--wav", music)
    assert "--split has no part" in refused("score", last, "--midi", music, "--split", "test")
    said = refused("score", last, "--midi", music / "torn.mid")
    assert "--midi" in said and "torn.mid: truncated" in said
    said = refused("score", last, "--dataset", "bach")
    assert "bach" in said and "musedata" in said


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--temperature", -1], ["--temperature", "-1", "above 0"]),
        (["--temperature", "inf"], ["--temperature", "inf", "above 0"]),
        (["--steps", 0], ["--steps", "0", "1<=x"]),
        (["--num", -3], ["--num", "-3", "1<=x"]),
        (["--prime", "text.mid"], ["--prime", "text.mid: not a MIDI file"]),
        (["--prime", "torn.mid"], ["--prime", "torn.mid: truncated"]),
        (["--prime", "none.mid"], ["--prime", "none.mid", "does not exist"]),
        (["--wav", "sounds"], ["--out or --wav", "Received: both"]),
        (["--seconds", 2], ["--seconds", "--wav only", "give --steps"]),
    ],
)
def test_wrong_wishes_for_music_are_refused(args, parts, trained, music, tmp_path, monkeypatch):
    monkeypatch.chdir(music)
    said = refused("generate", trained[0], "--out", tmp_path / "songs", *args)
    assert [part for part in parts if part not in said] == []
    assert not (tmp_path / "songs").exists()
    said = refused("generate", trained[0], "--wav", tmp_path / "sounds")
    assert "--wav needs a run on recordings" in said and "--out" in said
    assert "Received: none" in refused("generate", trained[0])


def test_debug_shows_the_traceback(run):
    (run / "config.json").write_text("{")
    done = seqlayers("train", "--out", run, "--resume", "--debug")
    assert done.exit_code == 2
    assert "Traceback" in done.output and "Error: config.json must be" in done.output


def test_what_nobody_thought_of_is_said_in_two_lines(monkeypatch):
    def fail(name):
        raise RuntimeError("a defect")

    monkeypatch.setattr(piano_roll, "info", fail)
    done = seqlayers("data")
    assert done.exit_code == 1
    assert "RuntimeError: a defect" in done.output and "Traceback" not in done.output
