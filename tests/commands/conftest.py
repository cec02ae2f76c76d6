"""Music, recordings and runs that tests of the command line share."""

import hashlib
import shutil

import numpy as np
import pytest
from commands.helpers import RATE, TINY, TINY_SOUND, calls, succeeds

from seqlayers import audio
from seqlayers.datasets import midi
from seqlayers.runs import checkpoints, loading, training

_load_model, _loaded = loading.load_model, {}


def _load_model_once(source, labels=False):
    """`load_model`, which compiles a model once for all files with the same contents."""
    _, file, _ = checkpoints.check(source)
    key = hashlib.sha256(file.read_bytes()).digest(), labels
    if key not in _loaded:
        _loaded[key] = _load_model(source, labels)[0]
    return _loaded[key], file


@pytest.fixture(autouse=True)
def load_model_once(monkeypatch):
    """Commands that score, draw or export share models. Training loads its own."""
    monkeypatch.setattr(loading, "load_model", _load_model_once)


@pytest.fixture
def no_report(monkeypatch):
    """No scoring of the test split after a training."""
    monkeypatch.setattr("seqlayers.commands.train._report", lambda *_: None)


@pytest.fixture(scope="session")
def music(tmp_path_factory):
    """Six small MIDI files, and two that cannot be read."""
    folder = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    for n in range(6):
        midi.write(folder / f"{n}.mid", (rng.random((8, 88)) < 0.05).astype("uint8"))
    (folder / "text.mid").write_text("not music")
    (folder / "torn.mid").write_bytes((folder / "0.mid").read_bytes()[:60])
    return folder


@pytest.fixture(scope="session")
def trained(music, tmp_path_factory):
    """A run on music that nothing disturbed, and its output."""
    run = tmp_path_factory.mktemp("runs") / "run"
    return run, succeeds("train", "--midi", music, *TINY, "--out", run)


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that run, to spoil."""
    shutil.copytree(trained[0], tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="session")
def birds(tmp_path_factory):
    """Three recordings at two rates, one of them in a folder below, and files without a segment."""
    folder = tmp_path_factory.mktemp("birds")
    (folder / "evening").mkdir()
    audio.write(folder / "a.wav", calls(0), RATE)
    audio.write(folder / "b.wav", calls(1), RATE)
    audio.write(folder / "evening" / "c.wav", calls(2, 2 * RATE), 2 * RATE)
    audio.write(folder / "silent.wav", np.zeros(RATE), RATE)
    (folder / "text.wav").write_text("not sound")
    (folder / "notes.txt").write_text("not even said to be sound")
    (folder / ".hidden.wav").write_text("of another program")
    return folder


@pytest.fixture(scope="session")
def both_runs_on_sound(birds, tmp_path_factory):
    """A run on recordings, its output, and a copy of the run after its first epoch."""
    folder = tmp_path_factory.mktemp("runs")
    run, copy = folder / "run", folder / "copy"

    class Copy(training.Progress):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            if epoch == 0:
                shutil.copytree(run, copy)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "Progress", Copy)
        said = succeeds("train", "--wav", birds, *TINY_SOUND, "--out", run)
    return run, said, copy


@pytest.fixture(scope="session")
def trained_on_sound(both_runs_on_sound):
    """A run on recordings that nothing disturbed, and its output."""
    return both_runs_on_sound[:2]


@pytest.fixture
def sound_run(trained_on_sound, tmp_path):
    """A copy of that run, to spoil."""
    shutil.copytree(trained_on_sound[0], tmp_path / "run")
    return tmp_path / "run"
