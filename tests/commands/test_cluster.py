"""`seqlayers cluster`: what it finds, writes, draws, compares and refuses."""

import base64
import html
import json
import os
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from commands.helpers import CALLS, RATE, calls, refused, rows, succeeds

from seqlayers import audio
from seqlayers.commands.cluster import _command
from seqlayers.datasets import labels
from seqlayers.models import Kinds, kinds
from seqlayers.runs import kinds as run_kinds
from seqlayers.runs import segments
from seqlayers.runs.registry import MODELS

pytest.importorskip("sklearn")
NUMBER = 3 * CALLS
PARTS = (0, 0.2, ""), (0.2, 0.24, "call"), (0.24, 0.5, "")  # of half a second, in a TextGrid


class Broken(ModuleType):
    """A module as of a library that was built for another NumPy."""

    def __getattr__(self, name):
        raise ValueError("numpy.dtype size changed")


@pytest.fixture(scope="module")
def marks(birds, tmp_path_factory):
    """Labels of two recordings, one without a name, and some where nobody calls or none is."""
    folder = tmp_path_factory.mktemp("marks")
    times = 0.5 * np.arange(CALLS)[:, None] + [0.2, 0.24]
    names = ["low" if n % 2 else "high" for n in range(CALLS)]
    labels.write(folder / "a.txt", labels.Annotation(times, ["-", *names[1:]]), "audacity")
    more = labels.Annotation(np.vstack([times, [[0.02, 0.05]]]), [*names, "low"])
    labels.write(folder / "b.txt", more, "audacity")
    point = labels.Annotation([[0.1, 0.1]], ["low"])
    for name in ("silent", "zzz"):
        labels.write(folder / f"{name}.txt", point, "audacity")
    return folder


@pytest.fixture(scope="module")
def sorted_birds(trained_on_sound, birds, marks, tmp_path_factory):
    """The folder of all that the command writes, and its output, of the birds."""
    out = tmp_path_factory.mktemp("new") / "folder"
    written = ["--out", out / "kinds.csv", "--picture", out / "map.png", "--page", out / "map.html"]
    said = succeeds("cluster", trained_on_sound[0], birds, *written, "--labels", marks)
    return out, said


def data_of(path):
    text = re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"), re.S)
    return json.loads(text[1])


def test_each_segment_has_a_kind_and_a_confidence_in_a_table_of_labels(sorted_birds):
    out, said = sorted_birds
    table = rows(out / "kinds.csv")
    assert list(table[0]) == ["file", "onset_s", "offset_s", "label", "confidence"]
    assert len(table) == NUMBER and f"{NUMBER} segments of " in said and " 3 recordings" in said
    assert all(0 <= float(row["confidence"]) <= 1 for row in table)
    kinds = [row["label"] for row in table]
    found = [kinds.count(str(n)) for n in range(1, len(set(kinds) - {"-"}) + 1)]
    assert found == sorted(found, reverse=True) and sum(found) + kinds.count("-") == NUMBER
    read = labels.read_table(out / "kinds.csv")
    assert list(read) == ["a.wav", "b.wav", "evening/c.wav"]
    times = 0.5 * np.arange(CALLS)[:, None] + [0.2, 0.24]
    np.testing.assert_allclose(read["a.wav"].times, times, atol=0.03)
    assert [row["label"] for row in table][:CALLS] == read["a.wav"].labels
    assert "silent.wav: " in said and "text.wav: " in said
    assert f"Resampled to {RATE} Hz: 1 of {2 * RATE} Hz" in said


def test_the_page_has_the_map_and_the_sound_of_the_table(sorted_birds, birds):
    out, _ = sorted_birds
    data, table = data_of(out / "map.html"), rows(out / "kinds.csv")
    numbers = np.frombuffer(base64.b64decode(data["numbers"]), "<i2")
    assert [str(n) if n else "-" for n in numbers] == [row["label"] for row in table]
    assert data["recordings"] == ["a.wav", "b.wav", "evening/c.wav"]
    lengths = np.frombuffer(base64.b64decode(data["lengths"]), "<i4")
    times = np.frombuffer(base64.b64decode(data["times"]), "<f8").reshape(-1, 2)
    np.testing.assert_allclose(lengths / data["sound"]["rate"], np.diff(times)[:, 0], atol=1e-3)
    pcm = np.frombuffer(base64.b64decode(data["sound"]["data"]), "<i2")
    start = round(times[0, 0] * RATE)
    own = audio.read(birds / "a.wav").samples[start : start + lengths[0]]
    assert np.corrcoef(pcm[: lengths[0]], own)[0, 1] > 0.999
    assert (out / "map.png").read_bytes()[:4] == b"\x89PNG"


def test_agreement_with_labels_is_printed(sorted_birds):
    said = " ".join(sorted_birds[1].split())
    agreement = re.search(r"V-measure (\S+), adjusted mutual information (\S+)", said)
    assert 0 <= float(agreement[1]) <= 1 and -0.5 <= float(agreement[2]) <= 1
    assert f"Agreement with 2 labels of {2 * CALLS - 1} segments, found borders" in said
    assert f"{CALLS + 1} segments without a label, and 2 labels for which no segment" in said
    assert "Skipped 1 of 4 label files:" in said and "zzz.txt: there is no such recording" in said
    # The rules are the run's: no options are advised.
    assert "There is no segment of" in said and "--threshold" not in said


def test_borders_can_be_given_and_a_seed_repeats_the_kinds(sound_run, birds, marks, tmp_path):
    given = ["--labels", marks, "--given-borders"]
    said = succeeds("cluster", sound_run, birds, "--out", tmp_path / "a.csv", *given)
    assert f"{2 * CALLS + 1} segments" in said and "given borders" in said
    assert "Without labels, and not read: 2 recordings" in said
    np.testing.assert_allclose(
        labels.read_table(tmp_path / "a.csv")["b.wav"].times, labels.read(marks / "b.txt").times
    )
    succeeds("cluster", sound_run, birds, "--out", tmp_path / "b.csv", *given)
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()


def test_labels_are_those_of_the_tier_that_is_named(sound_run, birds, tmp_path):
    marks, page = tmp_path / "by hand", tmp_path / "page.html"
    marks.mkdir()
    for name in ("a", "b"):
        (marks / f"{name}.TextGrid").write_text(two_tiers())
    given = ["--labels", marks, "--given-borders", "--page", page]
    out = ["cluster", sound_run, birds, "--out", tmp_path / "kinds.csv"]
    assert "with the tiers 'phrases', 'calls'" in refused(*out, *given)
    said = succeeds(*out, *given, "--tier", "calls")
    assert f"Agreement with 1 label of {2 * CALLS} segments" in " ".join(said.split())
    command = f"--labels '{marks}' --tier calls --given-borders"
    assert command in html.unescape(page.read_text("utf-8"))


def two_tiers():
    """Returns the text of a TextGrid that has the calls in its second tier."""
    end = 0.5 * CALLS
    phrases = [(0, end, "all")]
    calls = [(0.5 * n + a, 0.5 * n + b, t) for n in range(CALLS) for a, b, t in PARTS]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', f"0 {end} <exists> 2"]
    for name, intervals in (("phrases", phrases), ("calls", calls)):
        lines += [f'"IntervalTier" "{name}" 0 {end} {len(intervals)}']
        lines += [f'{start} {stop} "{text}"' for start, stop, text in intervals]
    return "\n".join(lines)


def test_a_page_has_no_more_sound_than_it_may_and_says_so(sound_run, birds, tmp_path, monkeypatch):
    monkeypatch.setattr(run_kinds, "_SAMPLES", 2000)
    monkeypatch.setattr(run_kinds, "_LONGEST", 0.02)
    page = tmp_path / "page.html"
    succeeds("cluster", sound_run, birds, "--out", tmp_path / "a.csv", "--page", page)
    lengths = np.frombuffer(base64.b64decode(data_of(page)["lengths"]), "<i4")
    heard = lengths[lengths > 0]
    assert heard.tolist() == [round(0.02 * RATE)] * (2000 // 160)
    text = page.read_text("utf-8")
    assert f"{NUMBER - len(heard)} of {NUMBER} segments have no sound here" in text
    assert "Segments are heard for 0.02 s at most." in text


def test_a_model_that_has_diverged_is_refused(sound_run, birds, tmp_path, monkeypatch):
    monkeypatch.setattr(
        run_kinds, "encode_segments", lambda _, part, **__: np.full((len(part), 3), np.nan)
    )
    out = tmp_path / "kinds.csv"
    said = refused("cluster", sound_run, birds, "--out", out)
    assert "Invalid value for RUN: The model must have finite weights" in said
    assert not out.exists()


def test_the_page_holds_as_much_sound_of_each_kind_as_of_the_others():
    numbers = np.repeat([1, 2], [90, 10])
    kinds = Kinds(numbers, np.ones(100), np.zeros((100, 2)))
    chosen = run_kinds._chosen(kinds, np.full(100, 50), most=1000)
    assert [chosen[numbers == n].sum() for n in (1, 2)] == [10, 10]
    assert run_kinds._chosen(kinds, np.full(100, 50), most=5000).all()


def test_what_does_not_fit_is_refused_before_work(
    sound_run, trained, birds, marks, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "seqlayers.commands.cluster.import_runs", lambda: pytest.fail("work has begun")
    )
    out, there = tmp_path / "kinds.csv", tmp_path / "there.csv"
    there.write_text("old")
    low, late, bare = tmp_path / "low", tmp_path / "late", tmp_path / "bare"
    alone = shutil.copy(sound_run / "best.keras", tmp_path / "alone.keras")
    low.mkdir()
    late.mkdir()
    bare.mkdir()
    audio.write(low / "a.wav", calls(0, RATE // 2), RATE // 2)
    labels.write(late / "a.txt", labels.Annotation([[99, 100]], ["a"]), "audacity")
    (bare / "a.csv").write_text("start,end,Species\n0.2,0.2,low\n")
    for words, reason in (
        (
            [alone, birds, "--out", out],
            "RUN must be a run with --wav and without --labels.*alone.keras, without the config",
        ),
        ([trained[0], birds, "--out", out], "RUN must be.*a run with --midi"),
        ([sound_run, birds, "--out", there], "must not exist yet; add --overwrite.*there.csv"),
        ([sound_run, birds, "--out", out, "--page", "map.txt"], "--page must end as .html"),
        ([sound_run, birds, "--out", out, "--picture", "map.txt"], "--picture must end as"),
        ([sound_run, birds, "--out", out, "--page", "a.html", "--picture", "a.html"], "differ"),
        (
            [sound_run, birds, "--out", out, "--given-borders"],
            "`--given-borders` has no effect without `--labels`",
        ),
        ([sound_run, birds, "--out", out, "--tier", "a"], "`--tier` has no effect without"),
        (
            [sound_run, birds, "--out", out, "--labels", marks, "--tier", "a"],
            "`--tier` has no effect with the format 'audacity'",
        ),
        ([sound_run, birds / "a.wav", "--out", out], f"at least 20 segments.*{CALLS} segments"),
        ([sound_run, low, "--out", out], f"{RATE // 2} Hz, is below that of the run, {RATE} Hz"),
        ([sound_run, birds / "silent.wav", "--out", out], "at least 20 segments.*0 segments"),
        ([sound_run, sound_run, "--out", out], "RECORDINGS"),
        ([sound_run, birds, "--out", out, "--labels", late], "must end within their recording"),
        ([sound_run, birds, "--out", out, "--labels", low], "--labels.*there must be labels"),
        ([sound_run, birds, "--out", out, "--labels", bare], "must name segments.*bare, with 1"),
        (
            [sound_run, birds, "--out", out, "--labels", bare, "--given-borders"],
            "must mark segments.*bare, with 1 label, and none that lasts",
        ),
        ([sound_run, birds, "--out", there / "a.csv"], "lie in folders.*there.csv is none"),
        (
            [sound_run, birds, "--out", tmp_path / "a.png", "--picture", late / ".." / "a.png"],
            "--picture and --page must differ",
        ),
        (
            [sound_run, birds, "--out", sound_run / "config.json", "--overwrite"],
            "must not replace a recording, a label file or a file of RUN.*config.json",
        ),
        (
            [sound_run / "best.keras", birds, "--out", sound_run / "metrics.csv", "--overwrite"],
            "a file of RUN.*metrics.csv",
        ),
        (
            [sound_run, birds, "--out", birds / "a.wav", "--overwrite"],
            "must not replace a recording.*a.wav",
        ),
    ):
        assert re.search(reason, refused("cluster", *words)), reason
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere" / "lost.png")
    os.mkfifo(tmp_path / "pipe.csv")
    (late / "b.txt").write_text("0\t1\tlow\n")  # of no recording
    shutil.copytree(marks, tmp_path / "marks")
    shutil.copy(late / "b.txt", tmp_path / "marks" / "none.txt")
    for words, reason in (
        (["--out", tmp_path / "pipe.csv", "--overwrite"], "regular files alone.*pipe.csv"),
        (["--out", out, "--picture", tmp_path / "lost.png"], "regular files alone.*lost.png"),
        (
            [
                "--out",
                tmp_path / "marks" / "none.txt",
                "--labels",
                tmp_path / "marks",
                "--overwrite",
            ],
            "must not replace a recording, a label file.*none.txt",
        ),
        (["--out", sound_run / ".seqlayers-run", "--overwrite"], "file of RUN.*.seqlayers-run"),
        (["--out", out, "--page", sound_run / "report.html"], "file of RUN.*report.html"),
    ):
        assert re.search(reason, refused("cluster", sound_run, birds, *words)), reason
    with monkeypatch.context() as patch:
        alike = dict.fromkeys(MODELS, MODELS["nade"])
        patch.setattr("seqlayers.commands.cluster.MODELS", alike)
        assert "RUN must be a run of a model with a memory" in refused(
            *("cluster", sound_run, birds, "--out", out)
        )
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "sklearn.cluster", SimpleNamespace())
        assert "seqlayers[cluster]" in refused("cluster", sound_run, birds, "--out", out)
        patch.setitem(sys.modules, "sklearn.cluster", Broken("sklearn.cluster"))
        assert "install it anew" in refused("cluster", sound_run, birds, "--out", out)
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    assert "seqlayers[cluster]" in refused("cluster", sound_run, birds, "--out", out)
    assert there.read_text() == "old" and not out.exists()


def test_the_command_on_the_page_takes_names_that_begin_with_a_dash():
    names = [Path("runs/a"), Path("-odd"), Path("a b.csv"), Path("-a.html")]
    words = _command(*names, None, {"tier": "", "column": None}, False, 3)
    assert words == (
        "seqlayers cluster runs/a ./-odd --out 'a b.csv' --page ./-a.html --tier '' --seed 3"
    )


def test_segments_to_sort_are_as_many_as_kinds_need():
    assert segments.LEAST == kinds.LEAST
