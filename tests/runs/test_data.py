"""The data of runs: how they are split, and what a run on recordings keeps of them."""

from pathlib import Path

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
        (NAMES, {"test_files": []}, "`--test-files` must list at least one"),
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
