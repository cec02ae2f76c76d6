"""The folder of a run: nothing outside it is written, and nothing of others is deleted."""

import json
import multiprocessing
import os
import shutil

import pytest

from seqlayers.runs import folder
from seqlayers.runs.folder import MARKER, RunError, claim, clear, is_run, remove_curves

EVENTS = "events.out.tfevents.1795842947.a-host.example.3552.0.v2"
FILES = ("config.json", "last.keras", "best.keras", "metrics.csv", "report.html", ".lock", MARKER)
TORN = ".tmp-0123456789abcdef-last.keras"
NAMES = (*FILES, TORN, "tensorboard", "tensorboard/train", f"tensorboard/validation/{EVENTS}")


@pytest.fixture
def run(tmp_path):
    """The folder of a run, with a file under each of its names."""
    run = tmp_path / "run"
    with claim(run):
        for name in FILES[:5]:
            (run / name).write_bytes(b"{}")
        for part in ("train", "validation"):
            (run / "tensorboard" / part).mkdir(parents=True)
            (run / "tensorboard" / part / EVENTS).write_bytes(b"curves")
    return run


def tree(path):
    return {file.relative_to(path).as_posix() for file in path.rglob("*")}


def exchange(path, make):
    """Puts something else under a name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    make(path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_what_is_no_file_of_ours_is_refused_by_name_and_left(name, kind, run):
    if kind == "folder" and name.startswith("tensorboard") and not name.endswith(EVENTS):
        return  # which it must be
    outside = run.parent / "outside"
    outside.mkdir()
    (outside / EVENTS).write_bytes(b"precious")
    target = outside if name in NAMES[-3:-1] else outside / EVENTS
    if kind == "dangling link":
        target = outside / "missing"
    make = {"pipe": os.mkfifo, "folder": os.mkdir}.get(kind, lambda p: p.symlink_to(target))
    exchange(run / name, make)
    before = tree(run)
    for how in ({"resume": True}, {"overwrite": True}, {}):
        with pytest.raises(RunError, match="so that nothing else is written") as caught:
            with claim(run, **how):
                pytest.fail("the folder was claimed")
        assert caught.value.path == str(run / name)
    assert tree(run) == before
    assert tree(outside) == {EVENTS} and (outside / EVENTS).read_bytes() == b"precious"


def test_a_lock_is_not_emptied(run):
    (run / ".lock").write_bytes(b"kept")
    with claim(run, overwrite=True):
        pass
    assert (run / ".lock").read_bytes() == b"kept"


def test_a_link_that_comes_after_the_check_is_not_followed(run, tmp_path, monkeypatch):
    notes = tmp_path / "notes"
    notes.write_bytes(b"precious")
    exchange(run / ".lock", lambda path: path.symlink_to(notes))
    monkeypatch.setattr(folder, "check", lambda *_: None)
    with pytest.raises(RunError, match=".lock: .*a symbolic link"):
        with claim(run, resume=True):
            pytest.fail("the folder was claimed")
    outside = tmp_path / "outside"
    (outside / "train").mkdir(parents=True)
    (outside / "train" / EVENTS).write_bytes(b"precious")
    for name in ("tensorboard/train", "tensorboard"):
        exchange(run / name, lambda path: path.symlink_to(outside))
        with pytest.raises(RunError, match="must be a folder or nothing"):
            remove_curves(run)
    assert notes.read_bytes() == (outside / "train" / EVENTS).read_bytes() == b"precious"


def test_overwriting_deletes_what_a_run_wrote_and_nothing_else(run):
    others = {"notes.txt", ".tmp-mine-config.json", ".tmp-0123-config.json"}
    others |= {f"tensorboard/{name}" for name in ("mine.txt", "train/mine.v2", f"more/{EVENTS}")}
    for name in others:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(b"of others")
    (run / TORN).write_bytes(b"torn")
    with claim(run, overwrite=True):
        clear(run)
    folders = {"tensorboard", "tensorboard/train", "tensorboard/more"}
    assert tree(run) == others | folders | {".lock", MARKER}


def test_empty_folders_of_curves_are_deleted(run):
    with claim(run, overwrite=True):
        clear(run)
    assert tree(run) == {".lock", MARKER}


@pytest.mark.parametrize("name", ["config.json", "tensorboard", "metrics.csv", "last.keras"])
def test_a_folder_with_files_of_these_names_is_no_run(name, tmp_path):
    if name == "tensorboard":
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_bytes(b"of others")
    else:
        (tmp_path / name).write_text('{"options": {}, "model": "mine"}')
    before = tree(tmp_path)
    for how in ({}, {"overwrite": True}):
        with pytest.raises(FileExistsError, match=f"holds {name} and no run"):
            with claim(tmp_path, **how):
                pytest.fail("the folder was claimed")
    with pytest.raises(FileNotFoundError, match="--resume` needs the folder of a run"):
        with claim(tmp_path, resume=True):
            pytest.fail("the folder was claimed")
    assert tree(tmp_path) == before


def test_a_run_of_an_earlier_version_is_one_by_its_config(tmp_path):
    config = {"options": {"model": "rbm"}, "versions": {"seqlayers": "0.1.0"}, "data": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "last.keras").write_bytes(b"a model")
    assert is_run(tmp_path)
    with claim(tmp_path, resume=True):
        pass
    (tmp_path / "config.json").write_text(json.dumps(config)[:-5])  # damaged: whose is it?
    with pytest.raises(FileExistsError, match="and no run"):
        with claim(tmp_path, overwrite=True):
            pytest.fail("the folder was claimed")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with claim(tmp_path, overwrite=True):
        clear(tmp_path)
    assert tree(tmp_path) == {".lock", MARKER}


@pytest.mark.parametrize("text", ["", "Signature: another program", "signature"])
def test_a_marker_of_something_else_is_none(text, tmp_path):
    (tmp_path / MARKER).write_text(text)
    (tmp_path / "config.json").write_text("{}")
    assert not is_run(tmp_path)


def test_a_damaged_config_of_a_marked_run_can_be_overwritten(run):
    with claim(run, overwrite=True):
        clear(run)
    assert not (run / "config.json").exists()


def _begin(run, begun):
    with claim(run):
        (run / "config.json").write_text("{}")
        begun.put(True)


def test_a_run_that_began_while_the_folder_was_checked_is_kept(tmp_path, monkeypatch):
    run, check = tmp_path / "run", folder.check

    def check_then_another_begins(*how):
        check(*how)
        monkeypatch.setattr(folder, "check", check)
        fork = multiprocessing.get_context("fork")
        begun = fork.SimpleQueue()
        other = fork.Process(target=_begin, args=(run, begun))
        other.start()
        other.join()
        assert begun.get()

    monkeypatch.setattr(folder, "check", check_then_another_begins)
    with pytest.raises(FileExistsError, match="which holds one"):
        with claim(run):
            pytest.fail("the folder was claimed")
    assert (run / "config.json").read_text() == "{}"
