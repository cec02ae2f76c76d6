"""A disk that is full, or cannot be written, at any write: what was there stays whole.

The message tells the truth, and a training goes on when there is space again.
"""

import os
import shutil

import numpy as np
import pytest
from faults import processes, trainings
from faults.disks import Disk
from faults.helpers import times

from seqlayers import audio, plotting
from seqlayers.datasets import midi
from seqlayers.files import write_atomically

TRAININGS = times(1, 40)  # on as many sizes of the disk

pytestmark = pytest.mark.faults


@pytest.fixture
def disk(tmp_path):
    """A small disk."""
    disk = Disk(tmp_path / "disk")
    yield disk
    disk.close()


def check_message(log, *wanted):
    """Checks what a command that failed has printed."""
    text = processes.tail(log)
    for word in wanted:
        assert word in text, text
    for word in ("Traceback", "memory", "damaged", "defect", "begin anew", "whole .keras file"):
        assert word not in text, text


def check_whole(run):
    """Checks that all files of a run can be read."""
    for path in run.glob("*.keras"):
        assert trainings.contents(path)


def command(log, *args, environment=()):
    """Runs a command of the library and returns its exit status."""
    process = processes.start(log, processes.seqlayers_in, dict(environment), *args)
    process.join(300)
    return process.exitcode


@pytest.mark.long
def test_a_training_on_a_full_disk_goes_on_when_there_is_space(
    tmp_path, tried, music, chance, disk
):
    run = disk.folder / "run"
    shutil.copytree(music.folder, run)
    needed = disk.used()
    for n in range(TRAININGS):
        shutil.rmtree(run, ignore_errors=True)
        log = tmp_path / f"log-{n}"
        disk.resize(4 * int(chance.integers(1, 2 + needed // 4)))
        status = command(log, "train", *music.options, "--out", run)
        tried()
        if status:
            check_message(log, "No space left on device", str(disk.folder))
            check_whole(run)
        disk.resize(2**16)
        log = tmp_path / f"log-{n}-again"
        more = ["--resume"] if (run / "config.json").exists() else music.options
        assert command(log, "train", "--out", run, *more) == 0, processes.tail(log)
        trainings.check_same(run, music.folder)


def writers(music):
    """Functions that write to a path, by its name."""
    roll = np.ones((500, 88), "uint8")
    figure = plotting.learning_curve([1, 2], {"a": [3.0, 4.0]})
    return {
        "song.mid": lambda path: midi.write(path, roll),
        "sound.wav": lambda path: audio.write(path, np.zeros(20_000), 8000),
        "other.wav": lambda path: audio.write(path, np.random.default_rng(0).random(9000), 8000),
        "picture.png": lambda path: plotting.save(figure, path),
        "picture.svg": lambda path: plotting.save(figure, path),
        "picture": lambda path: plotting.save(figure, path),
        "notes.bin": lambda path: write_atomically(path, bytes(20_000)),
    }


def test_files_on_a_full_disk_stay_as_they_were(tried, disk):
    for name, write in writers(None).items():
        path = disk.folder / name
        path.write_bytes(b"old")
        disk.resize(disk.used())
        for _ in range(20):
            tried()
            try:
                write(path)
            except OSError as error:
                assert error.errno == 28, error  # no space left
                assert path.read_bytes() == b"old"
                assert os.listdir(disk.folder) == [name]
                disk.resize(disk.used() + 4 * 2**_ // 2)
            else:
                break
        assert path.read_bytes() != b"old"
        path.unlink()
        disk.resize(2**16)


def test_files_on_a_disk_that_cannot_be_written_stay_as_they_were(tried, disk):
    for name, write in writers(None).items():
        path = disk.folder / name
        path.write_bytes(b"old")
        disk.lock()
        tried()
        with pytest.raises(OSError, match="Read-only"):
            write(path)
        disk.lock(False)
        assert path.read_bytes() == b"old"
        assert os.listdir(disk.folder) == [name]
        path.unlink()


def commands(music, disk):
    """Commands that write to the disk, and what they make."""
    out, songs = disk.folder / "out", music.folder.parent / "songs"
    songs.mkdir(exist_ok=True)
    for n in range(20):
        midi.write(songs / f"{n}.mid", np.eye(88, dtype="uint8"))
    return {
        "generate": (["generate", music.folder, "--out", out, "--num", 2, "--steps", 50], "*.mid"),
        "shard": (["data", "shard", songs, out, "--shards", 2], "index.json"),
        "export": (["export", music.folder, out / "1"], "1/saved_model.pb"),
    }


NAMES = times(["export"], ["export", "generate", "shard"])


@pytest.mark.parametrize("name", NAMES)
def test_commands_on_a_full_disk_tell_so(tmp_path, tried, music, chance, disk, name):
    args, made = commands(music, disk)[name]
    assert times(0, command(tmp_path / "log", *args)) == 0, processes.tail(tmp_path / "log")
    needed = times(40, disk.used())
    for n in range(times(1, 10)):
        shutil.rmtree(disk.folder / "out", ignore_errors=True)
        disk.resize(4 * int(chance.integers(1, max(2, needed // 4))))
        log = tmp_path / f"log-{n}"
        assert command(log, *args) == 2, processes.tail(log)
        check_message(log, "No space left on device")
        assert not (disk.folder / "out" / made).exists()
        tried()


def test_a_full_temporary_folder_is_no_damage(tmp_path, tried, music, disk):
    disk.resize(4)
    log = tmp_path / "log"
    environment = {"TMPDIR": str(disk.folder)}
    status = command(log, "score", music.folder, environment=environment)
    tried()
    if status:
        check_message(log, "No space left on device")
