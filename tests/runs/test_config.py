"""`config.json`: every part is checked as the command line checks it."""

import json

import numpy as np
import pytest

from seqlayers.runs import config
from seqlayers.runs.config import CONFIG, Identity, config_of, read_config, write_config
from seqlayers.runs.data import Data
from seqlayers.runs.folder import RunError
from seqlayers.runs.options import complete

OPTIONS = complete({"midi": "music", "model": "rnn-nade", "augment": [-5, 6], "patience": 3})


@pytest.fixture
def run(tmp_path):
    rolls = [np.zeros((4, 88), "uint8")]
    files = {"train": ["a.mid"], "valid": ["b.mid"], "test": ["c.mid"]}
    write_config(tmp_path, OPTIONS, Data(rolls, rolls, rolls, files))
    return tmp_path


def change(run, *path, value=None, delete=False):
    whole = json.loads((run / CONFIG).read_text())
    part = whole
    for name in path[:-1]:
        part = part[name]
    if delete:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    (run / CONFIG).write_text(json.dumps(whole))


def test_what_was_written_is_read(run):
    read = read_config(run)
    assert read["options"] == OPTIONS
    assert read["data"]["sequences"] == {"train": 1, "valid": 1, "test": 1}
    assert read_config(run / "missing") is None


WRONG = (True, -1, 1.5, "x", [], {}, None, 1e300, [1, 2, 3], "", [[1], [2]])


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_has_a_value_that_the_command_line_could_give(name, run):
    """Each wrong value is refused by name, or is right for this option and kept."""
    refused = 0
    for value in WRONG:
        change(run, "options", name, value=value)
        try:
            assert read_config(run)["options"][name] == value
            assert complete({k: v for k, v in OPTIONS.items() if v is not None} | {name: value})
        except RunError as error:
            refused += 1
            assert error.path == str(run / CONFIG) and "must be as `seqlayers train`" in str(error)
    assert refused >= 5


@pytest.mark.parametrize(
    "path, values",
    [
        (["options"], [[], None, {}, "x", {"model": "gan"}]),
        (["data"], [{}, [], None]),
        (["data", "sha256"], ["", "x" * 64, 1, None]),
        (["data", "sequences"], [{}, {"train": 1}, []]),
        (["data", "sequences", "train"], [-1, "1", 1.5, True]),
        (["data", "frames", "valid"], [None, [], -1]),
        (["data", "files"], [1, {"train": 1}, [1], {"train": [], "valid": [], "test": [None]}]),
        (["data", "files_skipped"], [-1, "0"]),
        (["data", "file_sha256"], [[], {"a.mid": "0"}, {"a.mid": 1}]),
        (["data", "more"], [1]),
        (["versions"], [{}, [], {"keras": 1}]),
        (["versions", "keras"], [3, None]),
        (["sound"], [{}, None, 1]),
        (["more"], [1]),
        (["options", "more"], [1]),
    ],
)
def test_any_other_part_is_refused_by_name(path, values, run):
    before = (run / CONFIG).read_bytes()
    for value in values:
        change(run, *path, value=value)
        with pytest.raises(RunError, match=f"{CONFIG}: the file must be as"):
            read_config(run)
        (run / CONFIG).write_bytes(before)


@pytest.mark.parametrize("path", [["options"], ["data"], ["versions"], ["data", "frames"]])
def test_a_missing_part_is_refused(path, run):
    change(run, *path, delete=True)
    with pytest.raises(RunError, match=f"lacks its '{path[-1]}'"):
        read_config(run)


@pytest.mark.parametrize("sources", [{}, {"midi": "a", "wav": "b"}])
def test_a_run_has_one_source_of_data(sources, run):
    change(run, "options", "midi", delete=True)
    for name, value in sources.items():
        change(run, "options", name, value=value)
    with pytest.raises(RunError):
        read_config(run)


@pytest.mark.parametrize("text", [b"[" * 5000, b'{"options":' * 5000, b"\xff", b"", b"[]", b"NaN"])
def test_a_file_that_is_no_json_object_is_refused(text, run):
    (run / CONFIG).write_bytes(text)
    with pytest.raises(RunError, match=f"{CONFIG}: the file must be as"):
        read_config(run)


def test_the_config_beside_a_model_counts_if_it_is_of_a_run(run):
    assert config_of(run / "best.keras")["options"] == OPTIONS
    assert config_of(run / "mine.keras")["options"] == OPTIONS
    (run / CONFIG).write_text('{"of": "another program"}')
    assert config_of(run / "mine.keras") is None
    with pytest.raises(RunError):
        config_of(run)


def test_an_identity_differs_by_each_option_that_cannot_change():
    run = Identity(OPTIONS, "0" * 64)
    assert run.difference(Identity.from_config(json.loads(json.dumps(run.get_config())))) is None
    for name, value in (("epochs", 7), ("patience", None), ("validate_every", 1), ("midi", "b")):
        assert run.difference(run._replace(options=OPTIONS | {name: value})) is None
    linear = run._replace(options=OPTIONS | {"schedule": "linear"})
    assert linear.difference(linear._replace(options=linear.options | {"epochs": 7}))
    for name, value in (("seed", 1), ("augment", [0, 1]), ("midi", None), ("hidden_units", 9)):
        assert run.difference(run._replace(options=OPTIONS | {name: value}))
    assert run.difference(run._replace(sha256="1" * 64)) == "other data"


def test_versions_are_those_of_the_libraries():
    assert set(config.versions()) == {"seqlayers", "keras", "tensorflow"}
