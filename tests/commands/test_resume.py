"""`seqlayers train --resume`: a run that was stopped in any way goes on as if it had not been."""

import errno
import gc
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from commands.helpers import (
    EPOCHS,
    RATE,
    TINY,
    VALIDATED,
    calls,
    refused,
    seqlayers,
    succeeds,
    table,
    weights,
)

from seqlayers import audio
from seqlayers.commands.cli import Commands, silent_imports
from seqlayers.runs import folder, training
from seqlayers.runs.config import read_config

ROOT = Path(__file__).resolve().parents[2]
STATUSES = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


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
    """A process that a shell starts in the background ignores Ctrl-C, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def wait_for_epoch(process, run, epoch):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (run / "metrics.csv").exists() and len(table(run)) >= epoch:
            return
        time.sleep(0.005)
    process.kill()
    raise AssertionError(process.communicate()[0])


def status_of(function):
    """Returns the exit status of a command that calls the function."""
    group = Commands(commands={"it": click.Command("it", callback=function)})
    return CliRunner().invoke(group, ["it"]).exit_code


def interrupt_after(run, epoch, ended):
    """Sends Ctrl-C to this process, as soon as a run has finished an epoch."""
    while len(table(run)) < epoch and not ended.wait(0.005):
        pass
    if not ended.is_set():
        os.kill(os.getpid(), signal.SIGINT)


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

    ended = threading.Event()
    interrupt = threading.Thread(target=interrupt_after, args=(run, killed_at + 2, ended))
    interrupt.start()
    done = seqlayers(*go_on)
    ended.set()
    interrupt.join()
    said = done.output
    assert done.exit_code == 130, said
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


@pytest.mark.slow
def test_a_run_on_recordings_that_was_stopped_ends_as_one_that_was_not(
    both_runs_on_sound, tmp_path, no_report
):
    undisturbed, _, stopped = both_runs_on_sound
    run = shutil.copytree(stopped, tmp_path / "run")
    assert "1 epoch done" in succeeds("train", "--out", run, "--resume")
    for ours, theirs in zip(
        weights(run / "last.keras"), weights(undisturbed / "last.keras"), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    configs = [json.loads((f / "config.json").read_text()) for f in (run, undisturbed)]
    assert configs[0] == configs[1]


def become_earlier(run):
    """Makes of a run one of a version before recipes, whose checkpoints had the history alone."""
    (run / folder.MARKER).unlink()
    config = json.loads((run / "config.json").read_text())
    for name in ("recipe", "optimizer", "schedule", "recurrent_dropout"):
        del config["options"][name]
    (run / "config.json").write_text(json.dumps(config))
    for name in ("last.keras", "best.keras"):
        with zipfile.ZipFile(run / name) as archive:
            members = {member: archive.read(member) for member in archive.namelist()}
        metadata = json.loads(members["metadata.json"])
        history = metadata.pop("seqlayers")["history"]
        members["metadata.json"] = json.dumps(metadata)
        members["seqlayers_history.json"] = json.dumps(history)
        with zipfile.ZipFile(run / name, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)


def test_a_run_from_before_there_were_recipes_goes_on(run, no_report):
    become_earlier(run)
    assert "the run is finished" in succeeds("train", "--out", run, "--resume")
    more = EPOCHS + 1
    said = succeeds("train", "--out", run, "--resume", "--epochs", more)
    assert f"{EPOCHS} epochs done" in said and len(table(run)) == more


@pytest.mark.parametrize(
    "name, value", [("recurrent_units", 5), ("cell", "gru"), ("learning_rate", 0.5)]
)
def test_edited_options_are_refused_in_runs_of_earlier_versions_too(name, value, run):
    become_earlier(run)
    edit_options(run, **{name: value})
    said = refused("train", "--out", run, "--resume", "--epochs", EPOCHS + 1)
    assert "last.keras" in said and "must be of one run" in said


def edit_options(run, **options):
    config = json.loads((run / "config.json").read_text())
    config["options"] |= options
    (run / "config.json").write_text(json.dumps(config))


def test_a_checkpoint_of_another_run_is_refused_by_name(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other")
    edit_options(other, dropout=0.2)
    commands = [
        ["train", "--out", other, "--resume"],
        ["score", other],
        ["generate", other, "--out", tmp_path / "songs"],
        ["export", other, tmp_path / "exported"],
    ]
    for command in commands:
        said = refused(*command)
        assert "must be of one run" in said and "--dropout 0.1, and not 0.2" in said
        assert ("last.keras" if command[0] == "train" else "best.keras") in said
    assert not (tmp_path / "songs").exists() and not (tmp_path / "exported").exists()
    config = json.loads((run / "config.json").read_text())
    config["data"]["sha256"] = "0" * 64
    (run / "config.json").write_text(json.dumps(config))
    assert "trained with other data" in refused("score", run, "--dataset", "jsb_chorales")


def test_fewer_epochs_than_are_done_are_refused_and_not_written(run):
    before = (run / "config.json").read_bytes()
    said = refused("train", "--out", run, "--resume", "--epochs", 2)
    assert "--epochs must be at least" in said and f"Received: 2, and {EPOCHS} are done" in said
    assert (run / "config.json").read_bytes() == before


def test_the_advice_for_a_lost_checkpoint_begins_the_same_run_anew(run, monkeypatch, no_report):
    options = read_config(run)["options"]
    (run / "last.keras").unlink()
    said = seqlayers("train", "--out", run, "--resume").output
    assert "Finished epochs are kept" not in said
    command = shlex.split(said.partition("begin anew: ")[2].partition("\n")[0])
    monkeypatch.setattr(training, "fit", lambda *_, **__: None)
    assert command[0] == "seqlayers"
    assert "new, in" in succeeds(*command[1:])
    assert read_config(run)["options"] == options


def test_a_run_stopped_before_its_first_epoch_begins_anew(run, tmp_path, monkeypatch, no_report):
    def interrupted(*_):
        raise KeyboardInterrupt

    for name in ("last.keras", "best.keras", "metrics.csv"):
        (run / name).unlink()
    monkeypatch.setattr(training, "pretrain", interrupted)
    done = seqlayers("train", "--out", run, "--resume")
    assert done.exit_code == 130 and "No epoch is finished. Go on with: " in done.output
    new = tmp_path / "new"
    for command in (["score", run], ["generate", run, "--out", new], ["export", run, new]):
        said = refused(*command)
        assert "no model yet: the run has not finished an epoch; go on with" in said
        assert f"`seqlayers train --out {run} --resume`" in said
    monkeypatch.setattr(training, "fit", lambda run, model, history, *_: begun.append(history))
    begun = []
    assert "new, in" in succeeds("train", "--out", run, "--resume")
    assert begun == [[]]


@pytest.mark.parametrize("number, status", STATUSES)
@pytest.mark.parametrize("error", [None, ImportError])
def test_a_stop_within_an_import_ends_the_command_after_it(number, status, error):
    steps, handler = [], signal.getsignal(number)

    def command():
        with silent_imports():
            os.kill(os.getpid(), number)
            time.sleep(0.1)
            steps.append("the import goes on")
            if error:
                raise error
        steps.append("and the command after it")

    assert status_of(command) == status
    assert steps == ["the import goes on"] and signal.getsignal(number) is handler


def test_a_second_stop_ends_an_import_at_once():
    def command():
        with silent_imports():
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.1)
            raise AssertionError("the import went on")

    assert status_of(command) == 130


@pytest.mark.parametrize("number, status", STATUSES)
def test_a_stop_within_a_callback_of_the_garbage_collector_is_not_lost(number, status):
    hook, calls = sys.unraisablehook, []

    def callback(*_):
        if not calls:
            calls.append(number)
            os.kill(os.getpid(), number)
            time.sleep(10)

    def command():
        gc.callbacks.append(callback)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(callback)
        time.sleep(10)

    assert status_of(command) == status
    assert calls and sys.unraisablehook is hook


@pytest.mark.parametrize("number, status", STATUSES)
def test_signals_end_with_their_status_and_how_to_go_on(number, status, run, monkeypatch):
    def interrupted(*_, **__):
        os.kill(os.getpid(), number)
        time.sleep(10)

    monkeypatch.setattr(training, "fit", interrupted)
    before = signal.getsignal(number)
    done = seqlayers("train", "--out", run, "--resume", "--epochs", EPOCHS + 1)
    assert done.exit_code == status
    assert f"Go on with: seqlayers train --out {run} --resume" in done.output
    assert "Traceback" not in done.output
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    "module, function",
    [("seqlayers.runs.training", "fit"), ("seqlayers.commands.train", "write_config")],
    ids=["fit", "config"],
)
def test_a_full_disk_is_named(module, function, run, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # no name, as `write` does it

    monkeypatch.setattr(sys.modules[module], function, fail)
    said = refused("train", "--out", run, "--resume", "--epochs", 40)
    assert f"{run}: No space left on device." in said
    assert f"Go on with: seqlayers train --out {run} --resume" in said
    epochs = json.loads((run / "config.json").read_text())["options"]["epochs"]
    assert epochs == (40 if function == "fit" else EPOCHS)


def test_table_and_checkpoint_agree_whatever_was_torn(run):
    rows = table(run)
    (run / "metrics.csv").write_text("epoch,lo")
    (run / ".tmp-0123456789abcdef-last.keras").write_bytes(b"half a file")
    others = [run / ".tmp-0123-last.keras", run / ".tmp-mine-config.json"]
    for other in others:
        other.write_bytes(b"of another program")
    said = succeeds("train", "--out", run, "--resume")  # there is nothing left to train
    assert f"{EPOCHS} epochs done" in said and "the run is finished" in said
    assert table(run) == rows
    assert sorted(run.glob(".tmp-*")) == others


def test_resuming_with_other_options_or_data_is_refused(run, music, tmp_path):
    said = refused("train", "--out", run, "--resume", "--recurrent-units", 5)
    assert "--recurrent-units cannot change" in said
    assert "Received: 5, and the run has 3" in said
    config = json.loads((run / "config.json").read_text())
    other = shutil.copytree(music, tmp_path / "other")
    (other / "0.mid").unlink()
    config["options"]["midi"] = str(other)
    (run / "config.json").write_text(json.dumps(config))
    said = refused("train", "--out", run, "--resume", "--epochs", EPOCHS + 1)
    assert "must not change after it began" in said
    assert f"{other}, missing 0.mid." in said
    assert " sequences" not in said  # of a split that is another one
    shutil.rmtree(other)
    for command in (["train", "--out", run, "--resume", "--epochs", EPOCHS + 1], ["score", run]):
        assert f"put the folder back. Received: a run with --midi {other}" in refused(*command)


def test_resuming_on_other_recordings_is_refused(sound_run, birds, tmp_path, no_report):
    run = sound_run
    other = shutil.copytree(birds, tmp_path / "other")
    config = json.loads((run / "config.json").read_text())
    config["options"]["wav"] = str(other)
    (run / "config.json").write_text(json.dumps(config))
    assert "2 epochs done" in succeeds("train", "--out", run, "--resume")  # the same, elsewhere
    audio.write(other / "a.wav", calls(9), RATE)
    assert "the run is finished" in succeeds("train", "--out", run, "--resume")  # reads no data
    copy = shutil.copytree(run, tmp_path / "copy")
    for name in ("last.keras", "best.keras", "metrics.csv"):
        (copy / name).unlink()
    go_on = ["train", "--out", copy, "--resume"]
    assert "must not change" in refused(*go_on)
    shutil.copy(other / "b.wav", other / "d.wav")
    assert f"{other}, added d.wav; changed a.wav." in refused("score", run)
    shutil.rmtree(other)
    for command in (go_on, ["score", run], ["report", run]):
        said = refused(*command)
        assert (
            "put the recordings back" in said and f"--wav {other}, where there is nothing" in said
        )


@pytest.mark.parametrize(
    "name, damage, parts",
    [
        ("config.json", lambda data: data[:100], ["config.json", "damaged"]),
        ("config.json", lambda data: b"[]", ["config.json", "damaged"]),
        ("last.keras", lambda data: data[: len(data) // 2], ["last.keras", "--overwrite"]),
        ("last.keras", lambda data: b"", ["last.keras", "--overwrite"]),
        (
            "last.keras",
            lambda data: data.replace(b"\x89HDF", b"\x88HDF"),
            ["last.keras", "cannot be read"],
        ),
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


@pytest.mark.parametrize("part", ["sound", "normalizer", "scale", "class"])
def test_a_run_that_has_lost_its_normalizer_is_refused(part, sound_run):
    run = sound_run
    config = json.loads((run / "config.json").read_text())
    if part == "sound":
        del config["sound"]
    elif part == "class":
        config["sound"]["normalizer"]["class"] = "Path"
    else:
        config["sound"][part] = {} if part == "normalizer" else "loudness"
    (run / "config.json").write_text(json.dumps(config))
    for command in (["train", "--out", run, "--resume"], ["generate", run, "--wav", run / "x"]):
        said = refused(*command)
        assert "config.json: the file must be as" in said and "damaged" in said
