"""`seqlayers train --labels`, `annotate`, and `score` of labels."""

import json
import shutil

import click
import numpy as np
import pytest
from commands.helpers import refused, rows, seqlayers, succeeds, table, weights

from seqlayers import audio
from seqlayers.commands import run_data
from seqlayers.commands.train import train
from seqlayers.datasets import labels
from seqlayers.datasets.labels import Annotation
from seqlayers.runs import training
from seqlayers.runs.options import complete

RATE = 32000
STOPPED = 4  # epochs
TINY_LABELS = f"--units 6 --epochs {STOPPED + 1} --max-steps 100 --batch-size 4".split()
TINY_LABELS += "--learning-rate 0.02 --schedule constant".split()


def song(seed, number=12):
    """Two kinds of calls, one of them every 120 ms, over faint noise, and their labels."""
    rng = np.random.default_rng(seed)
    names = rng.choice(["a", "b"], number).tolist()
    starts = 0.12 * np.arange(number) + 0.03
    t = np.arange(round(0.12 * number * RATE)) / RATE
    samples = 1e-3 * rng.normal(size=len(t))
    for start, name in zip(starts, names, strict=True):
        on = (t >= start) & (t < start + 0.06)
        samples[on] += 0.3 * np.sin(2 * np.pi * {"a": 2000, "b": 5000}[name] * t[on])
    return samples, Annotation(np.stack([starts, starts + 0.06], axis=1), names)


def write_song(folder, name, seed, label_folder=None, gain=1.0, rate=RATE):
    samples, annotation = song(seed)
    path = folder / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.write(path, gain * audio.resample(samples, RATE, rate), rate)
    if label_folder:
        target = label_folder / f"{name}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        labels.write(target, annotation, "audacity")


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Two labelled recordings, one of them in a folder below, and one without labels."""
    folder = tmp_path_factory.mktemp("songs")
    for name, seed in (("one", 0), ("day2/two", 1)):
        write_song(folder / "wav", name, seed, folder / "labels")
    write_song(folder / "wav", "unlabelled", 2)
    return folder


@pytest.fixture(scope="module")
def both_runs(songs, tmp_path_factory):
    """A run, its output, and a copy of the run one epoch before its end."""
    folder = tmp_path_factory.mktemp("runs")
    run, copy = folder / "run", folder / "copy"

    class Copy(training.Progress):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            if epoch + 1 == STOPPED:
                shutil.copytree(run, copy)

    data = ["--wav", songs / "wav", "--labels", songs / "labels"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "Progress", Copy)
        said = succeeds("train", *data, *TINY_LABELS, "--out", run)
    return run, said, copy


def test_a_run_learns_labels_and_reports_them(both_runs):
    run, said, _ = both_runs
    assert "unlabelled.wav: it has no label file" in said
    assert "2 recordings, 24 labels of 2 kinds" in said
    assert "Labels split within each recording: 20 train, 2 valid, 2 test" in said
    assert "labeller patches with" in said
    accuracy, errors = (
        float(said.split(f"{name} ")[-1].split()[0]) for name in ("accuracy", "rate")
    )
    assert accuracy > 0.95 and errors == 0
    last = table(run)[-1]
    assert float(last["val_accuracy"]) > 0.9 and float(last["val_error_rate"]) == 0
    about = json.loads((run / "config.json").read_text())
    assert about["data"]["files"] == ["day2/two.wav", "one.wav", "day2/two.txt", "one.txt"]
    assert about["options"]["model"] is None and "sound" not in about


@pytest.mark.parametrize("rate", [16000, 22050])
def test_frames_that_suit_speech_are_reported(rate, songs, capsys):
    given = {"wav": str(songs / "wav"), "labels": str(songs / "labels"), "sample_rate": rate}
    with click.Context(train):
        run_data.read_data(complete(given))
    note = "Frames are 10.0 ms apart at 16000 Hz, as suits speech. For song, give --sample-rate"
    assert (note in capsys.readouterr().err) == (rate == 16000)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(both_runs, tmp_path, no_report):
    undisturbed, _, stopped = both_runs
    run = shutil.copytree(stopped, tmp_path / "run")
    assert f"{STOPPED} epochs done" in succeeds("train", "--out", run, "--resume")
    for ours, theirs in zip(
        weights(run / "last.keras"), weights(undisturbed / "last.keras"), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert (run / "metrics.csv").read_bytes() == (undisturbed / "metrics.csv").read_bytes()
    said = succeeds("train", "--out", run, "--resume")
    assert "the run is finished" in said and f"seqlayers annotate {run} RECORDINGS" in said


def test_a_run_does_not_go_on_with_other_labels(both_runs, songs, tmp_path):
    run, data = tmp_path / "run", shutil.copytree(songs, tmp_path / "songs")
    shutil.copytree(both_runs[2], run)
    config = json.loads((run / "config.json").read_text())
    config["options"] |= {"wav": str(data / "wav"), "labels": str(data / "labels")}
    (run / "config.json").write_text(json.dumps(config))
    labels.write(data / "labels" / "one.txt", song(0)[1], "csv")  # the same in other bytes
    assert "changed one.txt." in refused("train", "--out", run, "--resume")
    assert "changed one.txt." in refused("score", run)
    shutil.rmtree(data / "labels")
    said = refused("train", "--out", run, "--resume")
    assert f"put the label files back. Received: a run with --labels {data / 'labels'}" in said
    assert "--units cannot change" in refused("train", "--out", run, "--resume", "--units", 5)
    said = refused("train", "--out", run, "--resume", "--report")
    assert "`--report` has no effect with `--labels`" in said


def test_annotate_writes_the_labels_of_new_recordings(both_runs, songs, tmp_path):
    write_song(tmp_path / "new", "day3/three", 3)
    write_song(tmp_path / "new", "four", 4, gain=0.5, rate=24000)
    (tmp_path / "new" / "torn.wav").write_bytes(b"RIFF")
    command = ["annotate", both_runs[0], tmp_path / "new", "--out", tmp_path / "out"]
    said = succeeds(*command, "--below", 1, "--check", tmp_path / "check.csv")
    assert "Skipped 1 of 3 recordings:" in said and "torn.wav" in said
    assert "Resampled to 32000 Hz: 1 of 24000 Hz\nA lower rate lacks high frequencies" in said
    assert "24 labels, 24 with a confidence below 1" in said and "and 14 more" in said
    for name, seed in (("day3/three", 3), ("four", 4)):
        found, truth = labels.read(tmp_path / "out" / f"{name}.txt"), song(seed)[1]
        assert found.labels == truth.labels
        np.testing.assert_allclose(found.times, truth.times, atol=0.005)
    checked = rows(tmp_path / "check.csv")
    assert [row["file"] for row in checked] == ["day3/three.wav"] * 12 + ["four.wav"] * 12
    assert all(0.3 < float(row["confidence"]) <= 1 for row in checked)
    assert labels.read_table(tmp_path / "check.csv")["four.wav"].labels == song(4)[1].labels
    assert "must not exist yet" in refused(*command)
    for path in ("new/four.wav", "out/four.txt"):
        more = ["--overwrite", "--check", tmp_path / path]
        assert "--check must be neither a recording nor a label file" in refused(*command, *more)
    said = succeeds(*command, "--overwrite", "--min-duration", 2000)
    assert "0 labels" in said.splitlines()[-1]
    assert not len(labels.read(tmp_path / "out" / "four.txt"))


@pytest.mark.parametrize("format", labels.WRITABLE)
def test_annotate_writes_files_that_a_training_matches(format, both_runs, tmp_path):
    write_song(tmp_path / "new", "a", 3)
    shutil.copy(tmp_path / "new" / "a.wav", tmp_path / "new" / "a.flac")  # known by its content
    succeeds("annotate", both_runs[0], tmp_path / "new", "--out", tmp_path, "--format", format)
    matched = labels.match(tmp_path / "new", tmp_path)
    assert [path.name for path in matched.recordings] == ["a.flac", "a.wav"]
    assert [each.labels for each in matched.annotations] == [song(3)[1].labels] * 2
    assert not matched.unmatched


def test_annotate_writes_nothing_outside_its_folder(both_runs, tmp_path):
    write_song(tmp_path / "new", "day3/three", 3)
    out, other = tmp_path / "out", tmp_path / "other"
    out.mkdir()
    other.mkdir()
    command = ["annotate", both_runs[0], tmp_path / "new", "--out", out, "--overwrite"]
    (out / "day3").symlink_to(other)
    assert "--out must hold no links to other folders" in refused(*command)
    (out / "day3").unlink()
    (out / "day3").mkdir()
    (out / "day3" / "three.txt").symlink_to(other / "three.txt")
    assert "there must be a regular file or none" in refused(*command)
    assert not [*other.iterdir()]


def test_annotate_refuses_recordings_none_of_which_can_be_read(both_runs, tmp_path):
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    said = refused("annotate", both_runs[0], tmp_path, "--out", tmp_path / "out")
    assert "Invalid value for RECORDINGS: none can be read." in said
    assert not (tmp_path / "out").exists()


def test_a_score_compares_labels(both_runs, songs, tmp_path):
    run = both_runs[0]
    data = ["--wav", songs / "wav", "--labels", songs / "labels"]
    said = seqlayers("score", run / "last.keras", *data, "--json")
    told = json.loads(said.stdout)
    assert told["accuracy"] > 0.95 and told["error_rate"] == 0 and told["num_labels"] == 24
    assert seqlayers("score", run, *data, "--min-duration", 2000, "--quiet").stdout.endswith(
        " 1.0\n"
    )
    own = succeeds("score", run)
    assert "wav test: accuracy" in own and "error rate 0.0000 of 2 labels" in own
    moved = shutil.copy(run / "best.keras", tmp_path / "moved.keras")
    assert "accuracy" in succeeds("score", moved, *data)
    assert "A .keras file needs data" in refused("score", moved)
    for more, part in (
        (["--wav", songs / "wav"], "`--wav` needs `--labels`"),
        (["--labels", songs / "labels"], "`--labels` needs `--wav`"),
        ([*data, "--bracket"], "`--bracket` has no effect with a run that learned labels"),
        ([*data, "--split", "test"], "`--split` has no effect with `--wav`"),
        (["--dataset", "jsb_chorales"], "`--dataset` has no effect with a run that learned"),
    ):
        assert part in refused("score", run, *more)
    labels.write(tmp_path / "four.txt", Annotation([[0.1, 0.2]], ["new"]), "audacity")
    write_song(tmp_path, "four", 4)
    said = refused("score", run, "--wav", tmp_path, "--labels", tmp_path)
    assert "must be among those that the run learned, 'a', 'b'. Received: 'new'" in said


def test_an_export_has_the_labels(both_runs, tmp_path):
    path = tmp_path / "served" / "1"
    assert succeeds("export", both_runs[0], path).split()[-1] == str(path)
    told = json.loads((path / "assets.extra" / "labels.json").read_text())
    assert told["classes"] == ["a", "b"] and told["sample_rate"] == RATE
    assert (path / "saved_model.pb").exists() and "frames_per_step" in told


def test_runs_of_one_kind_are_refused_by_the_commands_of_the_other(
    both_runs, trained, songs, tmp_path
):
    run, out = both_runs[0], tmp_path / "out"
    learned = "take runs that learned labels. Received:"
    for command in (["generate", run, "--out", out], ["report", run]):
        assert learned in refused(*command)
    moved = shutil.copy(run / "best.keras", tmp_path / "moved.keras")
    said = refused("generate", moved, "--out", out)
    assert "must be a `SequenceModel`. Received: a `FrameLabeller`" in said
    annotate = ["annotate", trained[0], songs / "wav", "--out", out]
    assert "`seqlayers annotate` needs a run that learned labels" in refused(*annotate)
    moved = shutil.copy(trained[0] / "best.keras", tmp_path / "music.keras")
    said = refused("annotate", moved, songs / "wav", "--out", out)
    assert "must be a `FrameLabeller`" in said
    data = ["--wav", songs / "wav", "--labels", songs / "labels"]
    assert "needs a run that learned labels" in refused("score", trained[0], *data)
    said = refused("score", trained[0], "--min-duration", 5)
    assert "`--min-duration` has no effect without a run that learned labels" in said
    assert not out.exists()


@pytest.fixture
def unread(monkeypatch):
    """No import of TensorFlow: what is refused is refused before."""

    def fail():
        raise AssertionError("too late")

    monkeypatch.setattr(run_data, "import_runs", fail)


def annotated(*rows):
    return Annotation([row[:2] for row in rows], [row[2] for row in rows])


AB = (0.1, 0.2, "a"), (0.3, 0.4, "a"), (0.5, 0.6, "b"), (0.7, 0.8, "b")


@pytest.mark.parametrize(
    "files, part",
    [
        ({}, "must be labels of a recording, found by its name. Received: recordings 'one.wav'"),
        ({"two.txt": AB}, "Received: recordings 'one.wav'; labels '/"),
        (
            {"one.txt": AB, "two.txt": AB},
            "put others elsewhere. Received: 'two.txt', which belong to none",
        ),
        ({"one.txt": AB, "one.csv": AB}, "'one.wav' must have one label file"),
        ({"one.txt": [*AB, (1.0, 9.5, "a")]}, "one.txt: labels must end within their recording"),
        ({"one.txt": [*AB, (1.0, 1.1, "c")]}, "Received: one example of 'c'"),
        ({"one.txt": [*AB, (1.0, 1.0, "b")]}, "one.txt: labels must last"),
        ({"one.txt": []}, "there must be a label. Received: label files without any"),
        ({"one.txt": "0.1\tx\ta\n"}, "one.txt: line 1: the end must be a number"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused_by_name(files, part, tmp_path, unread):
    write_song(tmp_path, "one", 0)
    folder = tmp_path / "labels"
    folder.mkdir()
    for name, content in files.items():
        if isinstance(content, str):
            (folder / name).write_text(content)
        else:
            labels.write(
                folder / name, annotated(*content), "csv" if ".csv" in name else "audacity"
            )
    data = ["--wav", tmp_path / "one.wav", "--labels", folder]
    said = refused("train", *data, "--out", tmp_path / "run")
    assert part in said and "Invalid value for --labels" in said
    assert not (tmp_path / "run").exists()


def test_recordings_that_cannot_be_learned_are_refused_by_name(tmp_path, unread):
    write_song(tmp_path, "one", 0, tmp_path / "labels")
    (tmp_path / "one.wav").write_bytes(b"RIFF")
    data = ["train", "--wav", tmp_path / "one.wav", "--labels", tmp_path / "labels"]
    said = refused(*data, "--out", tmp_path / "run")
    assert "Invalid value for --wav" in said and "one.wav" in said and "must be readable" in said
    (tmp_path / "empty").mkdir()
    data[2] = tmp_path / "empty"
    assert "Invalid value for --wav" in refused(*data, "--out", tmp_path / "run")
    said = refused("train", "--labels", tmp_path / "labels", "--out", tmp_path / "run")
    assert "Give one of --dataset, --midi and --wav" in said
    assert not (tmp_path / "run").exists()
