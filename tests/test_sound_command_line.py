"""Recordings on the command line: segments, runs on their spectra, sound drawn from them."""

import csv
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from command_line import refused, succeeds, table, weights

from seqlayers import audio
from seqlayers.audio import Normalizer, Spectra, UnitNormalizer, stft, to_frames
from seqlayers.datasets.recordings import frames_of_segments
from seqlayers.runs import folder as runs
from seqlayers.runs import sound as recordings

RATE = 8000
CALLS = 12  # of each recording, 40 ms every half second
TINY = "--hidden-units 4 --recurrent-units 3 --recurrent-layers 1 --gibbs-steps 1".split()
TINY += "--sampling-steps 2 --epochs 2 --validate-every 1 --batch-size 8".split()
SOUND = ["--seed", 7, "--seconds", 1.2]


def calls(seed, rate=RATE, number=CALLS):
    """Short calls over faint noise, one in each half second."""
    t = np.arange(number * rate // 2) / rate
    rng = np.random.default_rng(seed)
    pitch = np.repeat(rng.uniform(500, 3000, number), rate // 2)
    loud = (0.2 < t % 0.5) & (t % 0.5 < 0.24)
    x = 0.4 * np.sin(2 * np.pi * pitch * t) * loud + 1e-3 * rng.normal(size=len(t))
    return x.astype("float32")


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """Three recordings, of two rates, one of them below; and two that are of no use."""
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


@pytest.fixture(scope="module")
def trained(birds, tmp_path_factory):
    """A run that nothing disturbed, and what was said."""
    run = tmp_path_factory.mktemp("runs") / "run"
    return run, succeeds("train", "--wav", birds, *TINY, "--out", run)


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that run, to spoil."""
    shutil.copytree(trained[0], tmp_path / "run")
    return tmp_path / "run"


# Runs.


def test_a_run_keeps_how_frames_are_made_of_sound(trained, birds):
    run, said = trained
    config = runs.read_config(run)
    assert config["options"]["wav"] == str(birds)
    assert config["data"]["files"] == ["a.wav", "b.wav", "evening/c.wav"]
    sound = config["sound"]
    assert sound.settings == Spectra(256, 128, sample_rate=RATE)
    assert sound.scale == "log_amplitude" and type(sound.normalizer) is Normalizer
    counts = config["data"]["sequences"]
    assert counts == {"train": 30, "valid": 3, "test": 3}
    assert "test: " in said and "nats per frame (exact" in said
    assert [bool(row["val_log_likelihood"]) for row in table(run)] == [True, True]
    assert keras.saving.load_model(run / "last.keras").head.visible_units == 129


def test_what_was_skipped_and_resampled_is_said(trained, birds):
    _, said = trained
    assert "Skipped 2 of 5 recordings:" in said
    assert f"{birds / 'silent.wav'}: There is no segment" in said and "It is silent" in said
    assert f"{birds / 'text.wav'}: not a sound file" in said
    assert "notes.txt" not in said and ".hidden" not in said
    assert f"Resampled to {RATE} Hz: 1 of {2 * RATE} Hz" in said


def test_each_recording_is_split_by_time_and_only_what_trains_is_seen(birds):
    data = runs.read_data(runs.completed({"wav": str(birds), "model": "rnn-rbm"}))
    corpus = frames_of_segments(sorted(map(str, birds.rglob("[abc].wav"))))
    parts = {"train": range(10), "valid": [10], "test": [11]}  # of twelve calls of like length
    for split, places in parts.items():
        expected = [corpus.sequences[CALLS * n + k] for n in range(3) for k in places]
        for ours, theirs in zip(getattr(data, split), expected, strict=True):
            np.testing.assert_array_equal(ours, data.sound.normalizer.normalize(theirs))
    frames = np.concatenate(data.train)
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize(
    "lengths, tenths",
    [
        ([7] * 10, range(10)),
        ([5], [5]),
        ([5, 5], [2, 7]),
        ([80, 10, 10], [4, 8, 9]),
        ([1, 99], [0, 5]),
        ([99, 1], [4, 9]),
    ],
)
def test_a_segment_is_of_the_tenth_its_middle_lies_in(lengths, tenths):
    assert [*recordings._tenths(lengths)] == [*tenths]


@pytest.mark.parametrize("visibles", ["gamma", "bernoulli"])
def test_frames_are_what_visible_units_want(birds, visibles):
    options = runs.completed({"wav": str(birds / "a.wav"), "model": "rbm", "visibles": visibles})
    data = runs.read_data(options)
    frames = np.concatenate(data.train)
    assert frames.min() >= 0
    if visibles == "gamma":
        assert data.sound.scale == "amplitude"
        np.testing.assert_allclose(np.square(frames).mean(axis=0), 1, rtol=1e-3)
    else:
        assert type(data.sound.normalizer) is UnitNormalizer
        assert frames.max() == 1 and np.concatenate(data.test).max() <= 1
    samples = recordings.to_sound(frames[:20].round(), data.sound)
    assert len(samples) == 19 * 128 and 0 < np.abs(samples).max() <= 1
    again = recordings.Sound.from_config(json.loads(json.dumps(data.sound.get_config())))
    np.testing.assert_array_equal(again.normalizer.divisor, data.sound.normalizer.divisor)
    assert again[:2] == data.sound[:2] and type(again[2]) is type(data.sound[2])


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_as_one_that_was_not(trained, run, birds):
    succeeds("train", "--wav", birds, *TINY, "--epochs", 1, "--out", run, "--overwrite")
    said = succeeds("train", "--out", run, "--resume", "--epochs", 2)
    assert "1 epochs done" in said
    for ours, theirs in zip(
        weights(run / "last.keras"), weights(trained[0] / "last.keras"), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    configs = [json.loads((folder / "config.json").read_text()) for folder in (run, trained[0])]
    assert configs[0]["sound"] == configs[1]["sound"]


def test_a_run_keeps_the_normalizer_it_was_begun_with(run):
    config = runs.read_config(run)
    other = config["sound"]._replace(normalizer=Normalizer(np.ones(129), np.full(129, 2.0)))
    ours, moved = (runs.read_data(config["options"], s) for s in (config["sound"], other))
    assert runs.fingerprint(ours) == runs.fingerprint(moved) == config["data"]["sha256"]
    restored = config["sound"].normalizer.restore(ours.train[0])
    np.testing.assert_allclose(moved.train[0], (restored - 1) / 2, rtol=1e-4, atol=1e-4)


def test_resuming_on_other_recordings_is_refused(run, birds, tmp_path, monkeypatch):
    monkeypatch.setattr("seqlayers.commands.train._report", lambda *_: None)
    other = shutil.copytree(birds, tmp_path / "other")
    config = json.loads((run / "config.json").read_text())
    config["options"]["wav"] = str(other)
    (run / "config.json").write_text(json.dumps(config))
    assert "2 epochs done" in succeeds("train", "--out", run, "--resume")  # the same, elsewhere
    audio.write(other / "a.wav", calls(9), RATE)
    assert "data must stay what they were" in refused("train", "--out", run, "--resume")
    assert "data must stay what they were" in refused("score", run)
    shutil.rmtree(other)
    assert str(other) in refused("train", "--out", run, "--resume")


@pytest.mark.parametrize("part", ["sound", "normalizer", "scale", "class"])
def test_a_run_that_has_lost_its_normalizer_is_refused(part, run):
    config = json.loads((run / "config.json").read_text())
    if part == "sound":
        del config["sound"]
    elif part == "class":
        config["sound"]["normalizer"]["class"] = "Path"
    else:
        config["sound"][part] = {} if part == "normalizer" else "loudness"
    (run / "config.json").write_text(json.dumps(config))
    for command in (["train", "--out", run, "--resume"], ["generate", run, "--wav", run / "x"]):
        said = refused(*command)
        assert "config.json must be as" in said and "damaged" in said


@pytest.mark.slow
def test_the_published_rule_for_gradients_is_counted(birds, tmp_path):
    run, published = tmp_path / "run", ["--recipe", "rnn-rbm-spectrograms", "--epochs", 1]
    published += ["--hidden-units", 3, "--gibbs-steps", 1, "--num-betas", 5, "--recurrent-units", 2]
    said = succeeds("train", "--wav", birds / "a.wav", *published, "--out", run)
    assert f"{birds / 'a.wav'}: 10 train, 1 valid, 1 test sequences" in said
    assert [row["shrunk_steps"] for row in table(run)] == ["0.0"]
    model = keras.saving.load_model(run / "last.keras")
    assert (model.nonfinite, len(model.memory.cell.cells)) == ("shrink", 3)
    assert [cell.gate_activation for cell in model.memory.cell.cells] == [
        keras.activations.tanh
    ] * 3
    said = refused("train", "--out", run, "--resume", "--epochs", 3)
    assert "--epochs cannot change" in said  # the learning rate has fallen


def test_of_few_segments_none_is_left_to_validate(tmp_path, monkeypatch):
    audio.write(tmp_path / "short.wav", calls(0)[: 3 * RATE // 4], RATE)
    monkeypatch.setattr(runs, "fit", lambda *_, **__: None)
    monkeypatch.setattr("seqlayers.commands.train._report", lambda *_: None)
    command = ["train", "--wav", tmp_path, *TINY, "--out", tmp_path / "run"]
    assert "--patience needs recordings of more segments" in refused(*command, "--patience", 2)
    assert not (tmp_path / "run").exists()
    said = succeeds(*command)
    assert "none is left to validate" in said and "none is left to test" in said


# Scores, sound, models to serve.


def test_a_run_scores_its_own_recordings_and_others(run, birds):
    said = succeeds("score", run, "--split", "valid")
    assert f"on {birds} valid:" in said and "nats per frame (exact" in said
    best = max(float(row["val_log_likelihood"]) for row in table(run))
    assert float(said.split("valid: ")[1].split()[0]) == pytest.approx(best, abs=1e-3)
    said = succeeds("score", run / "last.keras", "--wav", birds / "evening")
    assert f"Resampled to {RATE} Hz" in said and f"of {CALLS} sequences" in said
    for option in (["--dataset", "nottingham"], ["--midi", birds]):
        said = refused("score", run, *option)
        assert f"{option[0]} is for models of music" in said and "give --wav" in said
    said = refused("score", run, "--wav", birds / "silent.wav")
    assert "--wav" in said and "It is silent" in said


@pytest.fixture(scope="module")
def sounds(trained, tmp_path_factory):
    """The folder of two sounds, and what was said."""
    folder = tmp_path_factory.mktemp("sounds") / "new" / "sounds"
    return folder, succeeds("generate", trained[0], "--wav", folder, "--num", 2, *SOUND)


def test_generate_writes_sound_that_its_seed_names(sounds, trained, tmp_path):
    folder, said = sounds
    paths = [folder / f"seed7_{n}.wav" for n in (1, 2)]
    assert said.split() == [str(path) for path in paths]
    (first, rate), (second, _) = map(audio.read, paths)
    assert rate == RATE and len(first) == round(1.2 * RATE)  # longer than any call
    assert 0 < np.abs(first).max() <= 1 and (first != second).any()
    again = ["generate", trained[0], "--wav", tmp_path, "--num", 1, *SOUND]
    (tmp_path / "seed7_1.wav").write_text("older")
    said = refused(*again)
    assert "--wav" in said and "seed7_1.wav" in said and "--overwrite" in said
    succeeds(*again, "--overwrite")
    again = audio.read(tmp_path / "seed7_1.wav").samples
    np.testing.assert_allclose(again, first, atol=2**-12)  # sums over other rows are rounded


def test_generate_goes_on_after_a_recording(sounds, trained, birds, tmp_path):
    frames = -(-round(1.2 * RATE) // 128) + 1  # of as many samples
    options = ["--num", 1, "--steps", frames, "--seed", 7, "--prime", birds / "evening" / "c.wav"]
    succeeds("generate", trained[0] / "best.keras", "--wav", tmp_path, *options)
    primed = audio.read(tmp_path / "seed7_1.wav").samples
    assert len(primed) == frames * 128 - 128
    alone = audio.read(sounds[0] / "seed7_1.wav").samples
    assert (primed[: len(alone)] != alone).any()


def test_the_frames_of_a_recording_to_go_on_from_end_before_the_silence_behind_it(trained, birds):
    sound = runs.read_config(trained[0])["sound"]
    samples = audio.read(birds / "a.wav").samples
    frames = recordings.prime(birds / "a.wav", sound)
    assert len(frames) == len(samples) // 128
    expected = sound.normalizer.normalize(
        to_frames(stft(samples, sound.settings)[:-1], "log_amplitude")
    )
    np.testing.assert_allclose(frames, expected, rtol=1e-4, atol=1e-4)


def test_sound_of_real_frames_is_like_the_real_one(trained, birds):
    sound = runs.read_config(trained[0])["sound"]
    samples = audio.read(birds / "a.wav").samples
    samples = samples[: len(samples) // 128 * 128]
    frames = sound.normalizer.normalize(to_frames(stft(samples, sound.settings), sound.scale))
    made = recordings.to_sound(frames, sound, len(samples))
    one, other = (np.abs(stft(x, sound.settings)) for x in (samples, made))
    assert np.linalg.norm(one - other) < 0.1 * np.linalg.norm(one)


def test_sound_of_any_finite_frames_stays_within_full_scale(trained):
    sound = runs.read_config(trained[0])["sound"]
    for size in (1e3, 1e30):
        samples = recordings.to_sound(np.full((5, 129), size, "float32"), sound)
        assert samples.shape == (5 * 128 - 128,) and np.abs(samples).max() <= 1
    with pytest.raises(ValueError, match="`frames` must be finite. Received: NaN"):
        recordings.to_sound(np.full((5, 129), np.nan), sound)


@pytest.mark.slow
def test_an_exported_model_tells_how_frames_are_made(run, tmp_path):
    path = tmp_path / "served" / "1"
    succeeds("export", run, path)
    assert (path / "saved_model.pb").exists()
    told = json.loads((path / "assets.extra" / "sound.json").read_text())
    assert told == json.loads((run / "config.json").read_text())["sound"]


# Segments.


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_segments_go_to_a_table(birds, tmp_path):
    out = tmp_path / "new" / "segments.csv"
    said = succeeds("segment", birds, "--out", out)
    assert "Skipped 2 of 5 recordings:" in said
    assert f"a.wav: {CALLS} segments, " in said and f"of {CALLS / 2:.3f} s" in said
    assert f"{3 * CALLS} segments in 3 recordings" in said and str(out) in said
    found = rows(out)
    assert list(found[0]) == ["file", "start", "end"]
    assert [row["file"] for row in found[::CALLS]] == ["a.wav", "b.wav", "evening/c.wav"]
    for n, row in enumerate(found):
        start = 0.2 + n % CALLS / 2
        assert float(row["start"]) == pytest.approx(start, abs=0.01)
        assert float(row["end"]) == pytest.approx(start + 0.04, abs=0.01)


def test_segments_follow_the_options_and_may_be_drawn(birds, tmp_path):
    out, picture = tmp_path / "a.csv", tmp_path / "a.png"
    command = ["segment", birds / "a.wav", "--out", out, "--picture", picture]
    succeeds(*command, "--buffer", 20, "--sample-rate", 2 * RATE, "--band", 300, 3500)
    assert {row["file"] for row in rows(out)} == {"a.wav"} and len(rows(out)) == CALLS
    assert float(rows(out)[0]["end"]) - float(rows(out)[0]["start"]) > 0.07
    assert picture.read_bytes().startswith(b"\x89PNG")
    said = refused(*command)
    assert str(out) in said and "--overwrite" in said
    succeeds(*command, "--overwrite", "--max-length", 30, "--long", "split")
    assert len(rows(out)) == 2 * CALLS


def test_a_table_is_written_whole_or_not_at_all(birds, tmp_path, monkeypatch):
    out = tmp_path / "a.csv"
    out.write_text("what was there")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seqlayers.files._flush", full)
    said = refused("segment", birds / "a.wav", "--out", out, "--overwrite")
    assert f"{out}: No space left on device." in said
    assert out.read_text() == "what was there" and list(tmp_path.iterdir()) == [out]


# Bad input. Each message names what it is about, what came and what is wanted.


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--threshold", 101], ["--threshold", "'101'", "from 0 to 100"]),
        (["--threshold", -1], ["--threshold", "'-1'", "from 0 to 100"]),
        (["--threshold", "nan"], ["--threshold", "'nan'", "from 0 to 100"]),
        (["--min-length", -3], ["--min-length", "'-3'", "at least 0"]),
        (["--buffer", "inf"], ["--buffer", "'inf'", "at least 0"]),
        (["--min-length", 600], ["--min-length must not be above --max-length", "600 and 500"]),
        (["--max-length", 5], ["--min-length must not be above --max-length", "15 and 5"]),
        (["--max-length", 0, "--min-length", 0], ["`max_length`", "at least one sample"]),
        (["--band", 3000, 300], ["--band", "LOW before HIGH", "3000 300"]),
        (["--band", 5000, 9000], ["`band`", "4000 Hz", "9000"]),
        (["--long", "keep"], ["--long", "keep", "drop", "split"]),
        (["--sample-rate", 0], ["--sample-rate", "0", "1<=x"]),
        (["--channel", 3], ["there is no channel 3"]),
    ],
)
@pytest.mark.parametrize("command", ["train", "segment"])
def test_wrong_options_of_segments_are_refused(command, args, parts, birds, tmp_path):
    source = [birds / "a.wav"] if command == "segment" else ["--wav", birds / "a.wav"]
    said = refused(command, *source, *args, "--out", tmp_path / "out")
    assert [part for part in parts if part not in said] == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--augment", -5, 6], ["--augment", "no part in --wav", "no notes to shift"]),
        (["--transpose", 2], ["--transpose", "no part in --wav"]),
        (["--visibles", "normal"], ["--visibles", "normal", "gaussian", "gamma"]),
        (["--model", "rnn-nade", "--visibles", "gamma"], ["--visibles", "--model rnn-nade"]),
        (["--visibles", "gamma", "--centering-rate", 0.1], ["--centering-rate", "gamma"]),
        (["--pretrain-memory", 3], ["--pretrain-memory", "--visibles gaussian"]),
        (["--nonfinite", "ignore"], ["--nonfinite", "ignore", "skip", "shrink"]),
        (["--cell", "gru", "--gate-activation", "tanh"], ["--gate-activation", "--cell gru"]),
        (["--dataset", "nottingham"], ["one of them", "--dataset and --wav"]),
        (["--wav", "nowhere"], ["--wav", "nowhere", "does not exist"]),
    ],
)
def test_wrong_options_of_runs_on_recordings_are_refused(args, parts, birds, tmp_path):
    said = refused("train", "--wav", birds, *args, "--out", tmp_path / "run")
    assert [part for part in parts if part not in said] == []
    assert not (tmp_path / "run").exists()


def useless(folder):
    """Recordings of no use, by name, and what is said of them."""
    noise = 1e-3 * np.random.default_rng(0).normal(size=RATE)
    noise[2000:4000] += 0.5 * np.sin(np.arange(2000))
    audio.write(folder / "loud.wav", noise, RATE)
    audio.write(folder / "silent.wav", np.zeros(RATE), RATE)
    audio.write(folder / "empty.wav", np.zeros(0), RATE)
    (folder / "text.wav").write_text("not sound")
    whole = (folder / "loud.wav").read_bytes()
    (folder / "torn.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "none").mkdir()
    (folder / "none" / "song.mid").write_text("")
    return folder


@pytest.mark.parametrize(
    "name, parts",
    [
        ("loud.wav", ["There is no segment of 15 to 100 ms", "`threshold` of", "would find"]),
        ("silent.wav", ["There is no segment", "It is silent"]),
        ("empty.wav", ["empty.wav: There are no samples"]),
        ("text.wav", ["text.wav: not a sound file"]),
        ("torn.wav", ["torn.wav: truncated"]),
        ("none", ["none: there must be a recording", "*.wav", "without any"]),
        (".", ["loud.wav", "silent.wav", "text.wav", "Received: 5 that have none"]),
    ],
)
@pytest.mark.parametrize("command", ["train", "segment"])
def test_recordings_of_no_use_are_refused(command, name, parts, tmp_path):
    path = useless(tmp_path) / name
    source = [path] if command == "segment" else ["--wav", path]
    said = refused(command, *source, "--max-length", 100, "--out", tmp_path / "out")
    assert ("SOURCE" if command == "segment" else "--wav") in said
    assert [part for part in parts if part not in said] == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--out", "songs"], ["--out is for MIDI files", "give --wav", "a run on recordings"]),
        (["--wav", "sounds", "--step-in-beats", 1], ["--step-in-beats", "MIDI files only"]),
        (["--wav", "sounds", "--steps", 9, "--seconds", 1], ["--steps and --seconds"]),
        (["--wav", "sounds", "--steps", 1], ["2 to 100000 steps", "0.016 s", "Received: 1."]),
        (["--wav", "sounds", "--seconds", 1e9], ["2 to 100000 steps", "0.016 s"]),
        (["--wav", "sounds", "--seconds", -1], ["--seconds", "-1", "above 0"]),
        (["--wav", "sounds", "--prime", "text.wav"], ["--prime", "text.wav: not a sound file"]),
        (["--wav", "sounds", "--prime", "short.wav"], ["--prime", "short.wav: too short"]),
        (["--wav", "sounds", "--prime", "none.wav"], ["--prime", "does not exist"]),
    ],
)
def test_wrong_wishes_for_sound_are_refused(args, parts, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.wav").write_text("not sound")
    audio.write("short.wav", np.zeros(20), RATE)
    said = refused("generate", trained[0], *args)
    assert [part for part in parts if part not in said] == []
    assert not Path("sounds").exists() and not Path("songs").exists()


def test_a_picture_of_another_kind_is_refused_before_any_work(birds, tmp_path):
    picture = tmp_path / "a.xyz"
    said = refused("segment", birds, "--out", tmp_path / "a.csv", "--picture", picture)
    assert "--picture must end as .png" in said and str(picture) in said
    assert not list(tmp_path.iterdir())
