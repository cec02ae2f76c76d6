"""Files of a run that are links, special, of another run, damaged or edited.

A command ends with a message, nothing outside the folder of the run changes, and no file of another
run is taken.
"""

import json
import os
import shutil

import pytest
from faults import processes, trainings
from faults.helpers import times

FILES = ["config.json", "last.keras", "best.keras", "metrics.csv", "tensorboard", ".lock"]
KINDS = ["a link", "a link to nothing", "a pipe", "a folder", "a link to a device"]
ALL = [(file, kind) for file in FILES for kind in KINDS]
CASES = times([(".lock", "a link"), ("metrics.csv", "a pipe")], ALL)

pytestmark = pytest.mark.faults


@pytest.fixture
def run(music, tmp_path):
    """A copy of a finished run whose last epochs are not trained yet."""
    run = tmp_path / "run"
    shutil.copytree(music.folder, run)
    return run


def resume(run, log, *more):
    """Resumes a run and returns the exit status and the output."""
    process = processes.start(log, processes.seqlayers, "train", "--resume", "--out", run, *more)
    process.join(120)
    if process.exitcode is None:
        process.kill()
        pytest.fail("it does not end")
    text = processes.tail(log)
    assert process.exitcode in (0, 2) and "Traceback" not in text and "defect" not in text, text
    return process.exitcode, text


@pytest.mark.parametrize("file, kind", CASES)
def test_nothing_outside_the_run_is_written(run, tmp_path, tried, file, kind):
    path, notes = run / file, tmp_path / "notes"
    notes.write_text("not the run's")
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "a link":
        path.symlink_to(notes)
    elif kind == "a link to nothing":
        path.symlink_to(tmp_path / "nothing")
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    resume(run, tmp_path / "log", "--epochs", 22)
    assert notes.read_text() == "not the run's"
    assert not (tmp_path / "nothing").exists()
    tried()


def test_a_checkpoint_of_another_run_is_refused(run, tmp_path, tried, train):
    def other(folder):
        options = trainings.write_music(folder)
        for name, value in {"--recurrent-units": "5", "--epochs": "1"}.items():
            options[options.index(name) + 1] = value
        return options

    shutil.copy(train(other).folder / "last.keras", run / "last.keras")
    status, text = resume(run, tmp_path / "log", "--epochs", 22)
    assert status == 2 and "last.keras" in text, text
    tried()


EDITS = {"recurrent_units": 4, "dropout": 0.2, "seed": 3, "batch_size": 3, "augment": [0, 1]}


@pytest.mark.parametrize("name", times(["dropout"], list(EDITS)))
def test_an_edited_option_is_refused(run, tmp_path, tried, name):
    config = json.loads((run / "config.json").read_text())
    config["options"][name] = EDITS[name]
    (run / "config.json").write_text(json.dumps(config))
    status, text = resume(run, tmp_path / "log", "--epochs", 22)
    assert status == 2 and "config.json" in text, text
    tried()
