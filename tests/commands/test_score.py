"""`seqlayers score`."""

import json
import shutil

import keras
import pytest
from commands.helpers import CALLS, RATE, refused, seqlayers, succeeds, table

from seqlayers.datasets import midi
from seqlayers.metrics import Likelihood
from seqlayers.models import SequenceModel
from seqlayers.runs import loading


def test_a_score_tells_its_kind(trained, music):
    run = trained[0]
    said = succeeds("score", run)
    assert "best.keras on" in said
    assert "nats per frame (exact; per_frame, 8 frames of 1 sequence)" in said
    data = ["--midi", music / "0.mid", "--bracket", "--json"]
    said = json.loads(seqlayers("score", run / "last.keras", *data).stdout)
    assert (said["kind"], said["averaging"]) == ("exact", "per_frame")
    assert (said["frames"], said["sequences"], said["standard_error"]) == (8, 1, 0.0)
    assert said["reverse_nats"] is None  # no estimate, no other side
    model, _ = loading.load_model(run / "last.keras")
    assert said["nats"] == pytest.approx(model.score([midi.read(music / "0.mid")]).nats, abs=1e-6)


def test_a_score_of_a_folder_counts_skipped_files(trained, music):
    said = succeeds("score", trained[0], "--midi", music)
    assert "Skipped 2 of 8" in said and "48 frames of 6 sequences" in said


def test_a_score_of_files_that_a_run_was_trained_on_has_a_note(trained, music, tmp_path):
    run, splits = trained[0], "4 in its training split and 1 in its validation split"
    assert f"of 6 files by name, the run has {splits}" in succeeds("score", run, "--midi", music)
    elsewhere = shutil.copytree(music, tmp_path / "music")
    assert splits in succeeds("score", run, "--midi", elsewhere)
    said = seqlayers("score", run, "--midi", elsewhere / "0.mid")
    assert "of 1 file by name, the run has 1 in its training split;" in said.stderr
    assert "by name" not in succeeds("score", run, "--midi", music / "5.mid")  # which tests


def test_a_quiet_score_is_a_number_alone(trained, music):
    data = ["score", trained[0], "--midi", music]
    said = json.loads(succeeds(*data, "--json", "--quiet"))
    assert float(succeeds(*data, "--quiet")) == said["nats"]
    assert said["data"] == str(music) and said["sequences"] == 6


def test_a_score_that_has_not_converged_ends_with_a_status_of_its_own(trained, music, monkeypatch):
    lost = Likelihood(-1.5, float("inf"), "not_converged", 8, 1)
    monkeypatch.setattr(SequenceModel, "score", lambda *_, **__: lost)
    done = seqlayers("score", trained[0], "--midi", music / "0.mid", "--quiet")
    assert done.exit_code == 3
    assert done.stdout == "-1.5\n" and "has not converged" in done.stderr


def test_a_run_scores_its_own_recordings_and_others(trained_on_sound, birds):
    run = trained_on_sound[0]
    said = succeeds("score", run, "--split", "valid")
    assert f"on {birds} valid:" in said and "nats per frame (exact" in said
    best = max(float(row["val_log_likelihood"]) for row in table(run))
    assert float(said.split("valid: ")[1].split()[0]) == pytest.approx(best, abs=1e-3)
    said = succeeds("score", run / "last.keras", "--wav", birds / "evening")
    assert f"Resampled to {RATE} Hz" in said and f"of {CALLS} sequences" in said
    for option in (["--dataset", "nottingham"], ["--midi", birds]):
        said = refused("score", run, *option)
        assert f"{option[0]} needs a model of music" in said and "give --wav" in said
    said = refused("score", run, "--wav", birds / "silent.wav")
    assert "--wav" in said and "It is silent" in said


def test_files_without_a_model_are_refused(run, music, tmp_path):
    data = ["--midi", music / "0.mid"]
    assert "'nothing' does not exist" in refused("score", "nothing", *data)
    said = refused("score", tmp_path, *data)
    assert str(tmp_path) in said and ".keras file" in said
    whole = (run / "best.keras").read_bytes()
    (run / "best.keras").write_bytes(whole[:-50])
    for command in (["score", run, *data], ["generate", run, "--out", tmp_path / "songs"]):
        said = refused(*command)
        assert "best.keras: a model must be a whole .keras file" in said
    said = refused("export", run, tmp_path / "served")
    assert "best.keras: a model must be a whole .keras file" in said
    assert not (tmp_path / "songs").exists() and not (tmp_path / "served").exists()
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other.save(tmp_path / "other.keras")
    said = refused("score", tmp_path / "other.keras", *data)
    assert "must be a `SequenceModel`. Received: a `Sequential`" in said


def test_wrong_data_to_score_are_refused(trained, music):
    last = trained[0] / "last.keras"
    assert "give --dataset, --midi or --wav" in refused("score", last)
    both = ["--dataset", "nottingham", "--midi", music]
    assert "--dataset and --midi exclude each other" in refused("score", last, *both)
    assert "--wav needs a run on recordings" in refused("score", last, "--wav", music)
    assert "`--split` has no effect with `--midi`" in refused(
        "score", last, "--midi", music, "--split", "test"
    )
    adapting = ["score", last, "--midi", music, "--adapt-steps", 4]
    assert "`--adapt-steps` needs `--adapt`" in refused(*adapting)
    said = refused(*adapting, "--adapt", 0.1, "--bracket")
    assert "`--bracket` has no effect with `--adapt`" in said
    assert "--adapt" in refused(*adapting, "--adapt", 0)
    said = refused("score", last, "--midi", music / "torn.mid")
    assert "--midi" in said and "torn.mid: truncated" in said
    said = refused("score", last, "--dataset", "bach")
    assert "bach" in said and "musedata" in said
