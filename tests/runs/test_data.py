"""The data of runs: how they are split, and what a run on recordings keeps of them."""

import re
from pathlib import Path

import numpy as np
import pytest

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


NAMES = [f"{n:02}.mid" for n in range(20)]


def split(names=NAMES, **options):
    return data.split_files(names, complete({"midi": "music"} | options))


def test_shares_of_midi_files_are_as_asked():
    asked = split(valid=0.25, test=0.3)
    assert asked == {"train": NAMES[:9], "valid": NAMES[9:14], "test": NAMES[14:]}
    assert split(valid=0, test=0) == {"train": NAMES, "valid": [], "test": []}
    assert split(NAMES[:2], valid=0)["test"] == NAMES[1:2]


def test_a_seed_draws_the_split_and_leaves_the_order_of_each_part():
    drawn, other = split(split_seed=1), split(split_seed=2)
    assert drawn == split(split_seed=1) and drawn != other and drawn != split()
    for part in (drawn, other):
        assert sorted(sum(part.values(), [])) == NAMES
        assert all(names == sorted(names) for names in part.values())
        assert [len(names) for names in part.values()] == [16, 2, 2]


def test_listed_files_validate_and_test_and_shares_divide_the_rest():
    listed = split(test_files=["03.mid", "./01.mid"], valid=0.1)
    assert listed["test"] == ["01.mid", "03.mid"] and listed["valid"] == NAMES[-2:]
    both = split(test_files=["03.mid"], valid_files=["19.mid"])
    assert both["valid"] == ["19.mid"] and len(both["train"]) == 18


@pytest.mark.parametrize(
    "names, options, message",
    [
        (NAMES, {"valid": 0.5, "test": 0.5}, "`--valid` and `--test` must together be below 1"),
        (NAMES[:3], {"valid": 0.9, "test": 0.05}, "`--test` must leave .*: --test=0.05, 3 files"),
        (NAMES, {"test_files": ["no.mid"]}, "`--test-files` must list .* Received: no.mid"),
        (
            NAMES,
            {"test_files": ["01.mid"], "valid_files": ["01.mid"]},
            "no file in common. Received: 01.mid",
        ),
        (NAMES[:2], {"test_files": NAMES[:1], "valid_files": NAMES[1:2]}, "all of the 2 files"),
        (NAMES, {"test_files": []}, "`--test-files` must list at least one file"),
        (NAMES, {"test_files": ["1", "1"]}, "`--test-files` must list each once"),
        (NAMES, {"test_files": ["01.mid"], "test": 0.2}, "`--test` has no effect .*--test-files"),
        (
            NAMES,
            {"test_files": ["01.mid"], "valid_files": ["02.mid"], "split_seed": 1},
            "`--split-seed` has no effect",
        ),
    ],
)
def test_splits_that_cannot_be_are_refused_by_name(names, options, message):
    with pytest.raises(ValueError, match=message):
        split(names, **options)


def test_a_listed_path_that_is_no_music_is_refused_with_the_reason(tmp_path):
    music = tmp_path / "music"
    (music / "folk").mkdir(parents=True)
    for path in (music / "torn.mid", music / "a.mid", tmp_path / "b.mid"):
        path.write_text("")
    for listed, reason in (
        ("no.mid", "no such file below --midi"),
        ("../b.mid", "outside of the folder"),
        (str(tmp_path / "b.mid"), "outside of the folder"),
        (str(music / "a.mid"), "not written as a path below --midi"),
        ("folk", "a folder"),
        ("torn.mid", "no MIDI file that can be read"),
    ):
        message = re.escape(f"Received: {listed}, entry 2 of the list: {reason}.")
        with pytest.raises(ValueError, match=message):
            options = complete({"midi": str(music), "test_files": ["a.mid", listed]})
            data.split_files(["a.mid", "z.mid"], options)


def test_files_that_were_added_lost_or_changed_are_named():
    roll = np.eye(3, 88, dtype="uint8")
    names = {"train": ["a.mid", "b.mid"], "valid": ["c.mid"], "test": []}
    before = data.Data([roll, roll], [roll], [], names)
    about = {"files": names, "file_sha256": data.file_hashes(before)}
    now = data.Data(
        [roll], [1 - roll, roll], [], names | {"train": ["b.mid"], "valid": ["c.mid", "d.mid"]}
    )
    found = data.changed_files(about, now)
    assert found == {"added": ["d.mid"], "missing": ["a.mid"], "changed": ["c.mid"]}
    del about["file_sha256"]  # as in earlier versions
    assert data.changed_files(about, now) == found | {"changed": []}
    assert not any(data.changed_files({"sha256": "0"}, data.Data([roll], [], [])).values())
