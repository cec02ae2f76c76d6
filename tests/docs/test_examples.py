"""The examples of all docstrings run, and print what they say. `make docs` runs this file.

An example may use what stands in `SCENE` and `FILES` without making it, and the public names.
"""

import doctest
import importlib
import itertools
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from seqlayers import audio, datasets, export, metrics, models
from seqlayers.datasets import midi, piano_roll

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("site")]

PACKAGE = Path(__file__).resolve().parents[2] / "seqlayers"
# Later rooms replace names of earlier ones; a module's own names replace them all.
ROOMS = ("plotting", "metrics", "datasets", "audio", "energy", "heads", "layers", "models")
# They need data that do not ship.
SKIPPED = {f"seqlayers.datasets.speech.{name}" for name in ("load_arctic", "load_timit", "folds")}
SIZES = {"visible_units": 88, "hidden_units": 4, "recurrent_units": 4}


def short_rolls():
    rolls = piano_roll.load("jsb_chorales")
    return piano_roll.PianoRolls(*([roll[:16] for roll in split[:8]] for split in rolls))


def small_model():
    model = models.RNNNADE(**SIZES, seed=0)
    model.compile("adam", jit_compile=False)
    return model


def model_of_spectra():
    model = models.RNNRBM.for_spectrograms(seed=0)
    model.compile("adam", jit_compile=False)
    return model


def spectra(seed=0):
    return np.random.default_rng(seed).normal(size=(4, 64, 129)).astype("float32")


def measures():
    return metrics.music_measures(metrics.pieces(short_rolls().test, 16))


SCENE = {
    "model": small_model,
    "rolls": short_rolls,
    "frames": spectra,
    "corpus": lambda: datasets.recordings.frames_of_segments(sound()),
    "x": lambda: short_rolls().train,
    "y": lambda: short_rolls().valid,
    "history": dict,
    "data": lambda: np.exp(spectra(0)),
    "drawn": lambda: np.exp(spectra(1)),
    "frequencies": lambda: np.linspace(0, 8000, 129),
}
SCENE_OF = {
    "seqlayers.plotting.music.music_measures": {"real": lambda: short_rolls().test},
    "seqlayers.datasets.recordings.temporal_folds": {"model": model_of_spectra},
}


compile_model = models.SequenceModel.compile


def uncompiled(self, *args, jit_compile=False, **kwargs):
    compile_model(self, *args, jit_compile=jit_compile, **kwargs)


def sound():
    """Ten bursts of noise, 40 ms each."""
    noise = np.random.default_rng(0).normal(size=(10, 8000)).astype("float32")
    noise[:, 640:] *= 1e-3
    return audio.Sound(noise.reshape(-1), 16000)


def write_music(path):
    path.mkdir()
    midi.write(path / "one.mid", short_rolls().train[0])


def write_songs(path):
    path.mkdir()
    for name in ("one.wav", "two.wav"):
        audio.write(path / name, 0.1 * sound().samples, 16000)


def write_labelled(path):
    write_songs(path)
    times = [[0.5 * k, 0.5 * k + 0.04] for k in range(10)]
    for name in ("one", "two"):
        annotation = datasets.labels.Annotation(times, ["a", "b"] * 5)
        datasets.labels.write(path / f"{name}.txt", annotation, "audacity")


FILES = {
    "labelled": write_labelled,
    "new.wav": lambda path: audio.write(path, 0.1 * sound().samples, 16000),
    "my_music": write_music,
    "songs": write_songs,
    "model.keras": lambda path: small_model().save(path),
    "numbers": lambda path: datasets.shards.write(short_rolls().train, path, num_shards=2),
}


def modules():
    """Names of all modules with an example, which are not imported for that."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if ">>> " in path.read_text("utf-8"):
            yield ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


class Checker(doctest.OutputChecker):
    """Compares what is printed, where an example says what is."""

    def check_output(self, want, got, optionflags):
        return not want or super().check_output(want, got, optionflags)


@pytest.fixture
def run(tmp_path, monkeypatch):
    def run(test):
        """Runs an example and returns what fails in it.

        What it trains, it trains on short pieces, and does not compile: that takes 40 seconds.
        """
        with monkeypatch.context() as patch:
            patch.setattr(models.SequenceModel, "compile", uncompiled)
            return run_in(test, patch)

    def run_in(test, patch):
        source = "".join(example.source for example in test.examples)
        folder = tmp_path / test.name
        folder.mkdir()
        patch.chdir(folder)
        for name, write in FILES.items():
            if f'"{name}"' in source and not re.search(r"\b(write|replacing)\(", source):
                write(folder / name)
        if ".fit(" in source or ".generate(given" in source:
            rolls = short_rolls()
            patch.setattr(piano_roll, "load", lambda name: rolls)
        scene = SCENE | SCENE_OF.get(test.name, {})
        used = {name: make for name, make in scene.items() if re.search(rf"\b{name}\b", source)}
        made = {name: make() for name, make in used.items()}
        rooms = [importlib.import_module(f"seqlayers.{room}") for room in ROOMS]
        names = {name: getattr(room, name) for room in rooms for name in room.__all__}
        names |= {room.__name__.split(".")[-1]: room for room in rooms}
        names |= {
            "np": np,
            "keras": keras,
            "itertools": itertools,
            "next_version": export.next_version,
            "tf": importlib.import_module("tensorflow"),
        }
        test.globs = names | test.globs | made
        runner = doctest.DocTestRunner(Checker(), verbose=False, optionflags=doctest.ELLIPSIS)
        told = []
        runner.run(test, out=told.append)
        return "".join(told)

    return run


@pytest.mark.parametrize("name", list(modules()))
def test_the_examples_of_a_module_run(name, run):
    name = name.removesuffix(".__init__")
    tests = doctest.DocTestFinder().find(importlib.import_module(name), name)
    tests = [test for test in tests if test.examples and test.name not in SKIPPED]
    assert tests and "".join(map(run, tests)) == ""


def test_an_example_that_prints_something_else_is_seen(run):
    parser = doctest.DocTestParser()
    assert run(parser.get_doctest(">>> 1 + 1\n2\n", {}, "right", None, 0)) == ""
    assert "Expected:" in run(parser.get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0))
