"""The data of runs: how they are split, and what a run on recordings keeps of them."""

from pathlib import Path

from seqlayers.datasets import midi
from seqlayers.runs import data
from seqlayers.runs.options import complete


def test_many_midi_files_are_split_by_tenths(monkeypatch):
    paths = [Path(f"music/{n:02}.mid") for n in range(25)]
    found = midi.Folder(paths, list(range(25)), [])
    monkeypatch.setattr(midi, "read_folder", lambda *_: found)
    options = complete({"midi": "music"})
    read = data.read_data(options)
    assert (read.train, read.valid, read.test) == (list(range(21)), [21, 22], [23, 24])
    assert read.files["test"] == ["23.mid", "24.mid"]
