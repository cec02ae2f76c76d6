"""`seqlayers report`, and pages that `seqlayers train --report` refreshes."""

import base64
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from commands.helpers import CALLS, RATE, TINY, refused, succeeds

from seqlayers import audio
from seqlayers.metrics import Likelihood
from seqlayers.runs import folder, reporting
from seqlayers.runs.data import Data
from seqlayers.runs.options import complete


def data_of(path):
    text = re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"), re.S)
    return json.loads(text[1])


def test_a_run_on_music_has_a_page_that_its_seed_repeats(run, music):
    said = succeeds("report", run, "--num", 2)
    path = run / folder.REPORT
    assert str(path) in said and 20_000 < path.stat().st_size < 3_000_000
    data = data_of(path)
    real, *drawn = [piece for piece in data["pieces"] if piece["group"]]
    assert (real["title"], real["frames"]["shape"]) == ("5.mid", [8, 88])
    assert [piece["title"] for piece in drawn] == ["generated 1", "generated 2"]
    assert real["seconds"] == 0.25 and real["hidden"]["name"] == "outputs of the memory"
    nats = np.frombuffer(base64.b64decode(real["nats"]), "<f4")
    order = [frame for _, frame in data["worst"]]
    assert sorted(order) == list(range(8)) and order[0] == nats.argmin()
    assert data["charts"][0]["curves"][0]["x"] == [5, 10, 12]
    levels = ["independent keys", "held chord", "frame table"]
    assert [name for name, _ in data["charts"][0]["levels"]] == levels
    text = path.read_text("utf-8")
    assert f"{nats.mean():.3f}".replace("-", "−") in text
    assert f"seqlayers train --midi {music} --model rnn-bernoulli" in text

    first = path.read_bytes()
    assert str(path) in refused("report", run) and path.read_bytes() == first
    succeeds("report", run, "--num", 2, "--overwrite")
    assert path.read_bytes() == first
    succeeds("report", run, "--num", 2, "--seed", 1, "--out", run / "new" / "other.html")
    other = data_of(run / "new" / "other.html")["pieces"]
    assert [piece == one for piece, one in zip(other, data["pieces"], strict=True)] == [
        piece["group"] != "Generated" for piece in other
    ]


def test_recordings_are_played_as_they_are_with_their_segments(sound_run, birds):
    succeeds("report", sound_run, "--num", 1)
    data = data_of(sound_run / folder.REPORT)
    real = [piece for piece in data["pieces"] if piece["group"] == "Real"]
    assert [piece["title"] for piece in real] == ["a.wav", "b.wav"]
    for piece in real:
        start, end, whole = map(float, re.findall(r"\d+\.\d+", piece["note"]))
        assert (start, end, whole) == (0, 6, 6) and len(piece["segments"]) == CALLS
        played = np.frombuffer(base64.b64decode(piece["sound"]["data"]), "<i2") / 32767
        samples, rate = audio.read(birds / piece["title"])
        assert piece["sound"]["rate"] == rate == RATE
        cut = samples[round(start * RATE) :][: len(played)]
        np.testing.assert_allclose(played, cut, atol=1e-4)
        for begin, stop in piece["segments"]:  # calls, each in the first half of a half second
            call = np.abs(played[round(begin * RATE) : round(stop * RATE)])
            assert call.max() > 0.3 and 0.18 < (start + begin) % 0.5 < 0.22
        nats = np.frombuffer(base64.b64decode(piece["nats"]), "<f4")
        at = np.flatnonzero(np.isfinite(nats)) * piece["seconds"]
        judged = piece["segments"][-2:]  # the test split: the last tenth of twelve
        assert all(any(begin - 0.02 <= t <= stop + 0.04 for begin, stop in judged) for t in at)
        assert len(at) > 0
    assert 0 < len(data["worst"]) <= 10
    (drawn,) = [piece for piece in data["pieces"] if piece["group"] == "Generated"]
    assert drawn["sound"]["rate"] == RATE and drawn["hidden"]["shape"][1] == 4


def test_a_run_without_a_finished_epoch_has_a_page_without_a_model(run, tmp_path):
    for name in (folder.LAST, folder.BEST, folder.TABLE):
        (run / name).unlink()
    succeeds("report", run, "--out", tmp_path / "a.html")
    data = data_of(tmp_path / "a.html")
    assert [piece["title"] for piece in data["pieces"]] == ["5.mid"] and data["charts"] == []
    assert "There is no model yet" in (tmp_path / "a.html").read_text("utf-8")


def test_weights_that_are_not_finite_are_named_on_the_page(run, tmp_path, monkeypatch):
    loaded = reporting.load_model

    def spoiled(source):
        model, file = loaded(source)
        kept = model.head.kernel.numpy() if hasattr(model.head, "kernel") else None
        weight = model.trainable_weights[0] if kept is None else model.head.kernel
        weight.assign(np.full(weight.shape, np.nan))
        return model, file

    monkeypatch.setattr(reporting, "load_model", spoiled)
    succeeds("report", run, "--out", tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text("utf-8")
    assert "The model cannot be scored or played. The weights must be finite" in text
    assert [piece["group"] for piece in data_of(tmp_path / "a.html")["pieces"]] == ["Real"]


@pytest.mark.parametrize(
    "spoil, parts",
    [
        (lambda run: run / folder.LAST, ["RUN must be the folder of a run", "last.keras"]),
        (lambda run: run.parent, ["RUN must be the folder of a run"]),
    ],
)
def test_what_is_no_run_is_refused(spoil, parts, run):
    said = refused("report", spoil(run))
    assert [part for part in parts if part not in said] == []


def test_a_link_in_the_place_of_the_page_is_refused(run, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (run / folder.REPORT).symlink_to(tmp_path / "precious")
    assert "regular file" in refused("report", run, "--overwrite")
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_training_keeps_its_page_up_to_date(music, tmp_path, no_report, monkeypatch):
    out, seen, write = tmp_path / "run", [], reporting.Refreshed._write

    def counted(self):
        write(self)
        data = data_of(out / folder.REPORT)
        seen.append((len(self.whole), [piece["title"] for piece in data["pieces"]]))

    monkeypatch.setattr(reporting.Refreshed, "_write", counted)
    monkeypatch.setattr(reporting, "_SECONDS", 0)
    command = ["train", "--midi", music, *TINY, "--epochs", 2, "--out", out]
    assert folder.REPORT in succeeds(*command, "--report")
    assert seen == [(n, ["4.mid", "generated 1", "generated 2"]) for n in (1, 2)]
    assert data_of(out / folder.REPORT)["pieces"][0]["title"] == "5.mid"  # the test split at last


def test_a_finished_run_gets_the_page_that_was_asked_for(run):
    said = succeeds("train", "--out", run, "--resume", "--report")
    assert "the run is finished" in said and str(run / folder.REPORT) in said
    assert data_of(run / folder.REPORT)["pieces"][0]["title"] == "5.mid"


@pytest.fixture
def rolls(rng):
    return [(rng.random((12, 88)) < 0.05).astype("uint8") for _ in range(9)]


def test_a_page_in_training_shows_no_test_split(rolls):
    options = complete({"dataset": "jsb_chorales"})
    for data, split, shown in (
        (Data(rolls[:4], rolls[4:6], rolls[6:]), None, "test"),
        (Data(rolls[:4], rolls[4:6], []), None, "valid"),
        (Data(rolls[:4], rolls[4:6], rolls[6:]), "valid", "valid"),
        (Data(rolls[:4], [], rolls[6:]), "valid", "train"),
    ):
        page = reporting.RunReport("a", options, data, split=split, most=1)
        assert page.split == shown
        assert page.sequences[0] is data.splits[shown][0]


def test_a_page_tells_which_epoch_and_which_commands_made_it(rolls):
    data, options = Data(rolls[:4], rolls[4:6], rolls[6:]), complete({"dataset": "jsb_chorales"})
    options |= {"epochs": 9, "test_files": ["a b.mid", "c.mid"]}
    history = [{"epoch": n, "val_log_likelihood": -n} for n in (1, 2)]
    drawing = reporting.Drawing(2, 0.5, 20240601)
    page = reporting.RunReport("a", options, data, drawing, out="b.html").page(history)
    assert page.summary == "2 of 9 epochs, best on the validation split after epoch 1."
    train, again = page.commands
    assert "--test-files test_files.txt" in train
    listed = "test_files.txt, a text file to make, with a line for each of: a b.mid, c.mid"
    assert dict(page.facts)["--test-files"] == listed
    given = "--num 2 --temperature 0.5 --seed 20240601 --out b.html"
    assert again == f"seqlayers report a {given}"


def test_an_estimate_has_its_other_side_once_training_is_over(rolls, monkeypatch):
    def scored(model, sequences, bracket):
        reverse = -3.2 if bracket else None
        likelihood = Likelihood(-3.0, 0.1, model.head.kind, 36, 3, reverse_nats=reverse)
        return likelihood, [np.zeros(len(each)) for each in sequences]

    monkeypatch.setattr(reporting, "likelihood_and_frames", scored)
    data, options = Data(rolls[:4], rolls[4:6], rolls[6:]), complete({"dataset": "jsb_chorales"})
    history = [{"epoch": n, "val_log_likelihood": -n} for n in (1, 2)]
    for kind, most, reverse in (
        ("exact", None, None),
        ("estimate", None, -3.2),
        ("estimate", 1, None),
    ):
        model = SimpleNamespace(
            head=SimpleNamespace(kind=kind, has_code=False),
            memory=None,
            count_params=lambda: 9,
            generate=lambda num_steps, num_sequences, **_: np.zeros((num_sequences, num_steps, 88)),
        )
        page = reporting.RunReport("a", options, data, most=most).page(history, model)
        own = page.scores[-1]
        assert own.own and (own.nats, own.error, own.reverse) == (-3.0, 0.1, reverse)
    assert page.summary.endswith("epochs; shown: epoch 2; best so far: epoch 1.")


def test_a_run_is_compared_with_baselines_and_with_presets_on_its_data(rolls):
    data, options = Data(rolls[:4], rolls[4:6], rolls[6:]), complete({"dataset": "jsb_chorales"})
    whole = reporting.RunReport("a", options, data)
    names = [score.name for score in whole.beside]
    assert names[:3] == ["independent keys", "held chord", "frame table"]
    assert "preset tied-nade-jsb" in names and "preset tied-nade-nottingham" not in names
    # In training, a page shows some of the validation split, and its curve is that of all of it.
    part = reporting.RunReport("a", options, data, split="valid", most=1)
    assert part.levels == whole.levels and len(part.sequences) == 1
    assert [score.name for score in part.beside] == names[:3]
    assert part.beside[0].nats != pytest.approx(part.levels[0][1])
