"""Recordings as the data of a run, and sound made of frames."""

import json

import numpy as np
import pytest
from commands.helpers import CALLS, RATE, calls

from seqlayers import audio
from seqlayers.audio import Normalizer, stft, to_frames
from seqlayers.datasets.recordings import frames_of_segments
from seqlayers.runs import sound as recordings
from seqlayers.runs.data import fingerprint, read_data
from seqlayers.runs.options import complete, sequence_rules


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """Two recordings at two rates, one of them in a folder below."""
    folder = tmp_path_factory.mktemp("birds")
    (folder / "evening").mkdir()
    audio.write(folder / "a.wav", calls(0), RATE)
    audio.write(folder / "evening" / "c.wav", calls(2, 2 * RATE), 2 * RATE)
    return folder


@pytest.fixture(scope="module")
def read(birds):
    """The data of a run on them."""
    return read_data(complete({"wav": str(birds)}))


@pytest.fixture(scope="module")
def sound(read):
    return read.sound


def test_each_recording_is_split_by_time_and_normalised_by_its_training_part(birds, read):
    corpus = frames_of_segments(sorted(map(str, birds.rglob("*.wav"))))
    parts = {"train": range(10), "valid": [10], "test": [11]}  # of twelve calls of like length
    for split, places in parts.items():
        expected = [corpus.sequences[CALLS * n + k] for n in range(2) for k in places]
        for ours, theirs in zip(read.splits[split], expected, strict=True):
            np.testing.assert_array_equal(ours, read.sound.normalizer.normalize(theirs))
    frames = np.concatenate(read.train)
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-3)


def test_runs_of_speech_are_split_into_sequences(tmp_path):
    """Two sentences of three seconds, each one run, are in all three splits."""
    t = np.arange(4 * RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20))
    x = 0.1 * voice * ((t > 0.5) & (t < 3.5)) + 1e-3 * np.random.default_rng(0).normal(size=len(t))
    for name in ("one", "two"):
        audio.write(tmp_path / f"{name}.wav", x, RATE)
    data = read_data(complete({"wav": str(tmp_path)}))
    assert [len(data.splits[split]) for split in ("train", "valid", "test")] == [20, 4, 2]
    assert max(map(len, data.train)) <= 0.25 * RATE / 128 + 2
    for given in ({"long": "drop"}, {"max_length": 5000}):
        assert len(read_data(complete({"wav": str(tmp_path), **given})).train) == 2
    paper = sequence_rules(complete({"wav": "a", "method": "percentile"}))
    assert paper == audio.SegmentRules(method="percentile")


@pytest.mark.parametrize("visibles", ["gamma", "bernoulli"])
def test_frames_are_what_visible_units_want(birds, visibles):
    data = read_data(complete({"wav": str(birds / "a.wav"), "visibles": visibles}))
    frames = np.concatenate(data.train)
    assert frames.min() >= 0
    if visibles == "gamma":
        assert data.sound.scale == "amplitude"
        np.testing.assert_allclose(np.square(frames).mean(axis=0), 1, rtol=1e-3)
    else:
        assert data.sound.normalizer.clipped
        assert frames.max() == 1 and np.concatenate(data.test).max() <= 1
    samples = recordings.to_sound(frames[:20].round(), data.sound)
    assert len(samples) == 19 * 128 and 0 < np.abs(samples).max() <= 1
    again = recordings.SoundFrames.from_config(json.loads(json.dumps(data.sound.get_config())))
    np.testing.assert_array_equal(again.normalizer.divisor, data.sound.normalizer.divisor)
    assert again[:2] == data.sound[:2] and again[2].clipped == data.sound[2].clipped


def test_a_run_keeps_the_normalizer_it_began_with(birds, read):
    other = read.sound._replace(normalizer=Normalizer(np.ones(129), np.full(129, 2.0)))
    moved = read_data(complete({"wav": str(birds)}), other)
    assert fingerprint(read) == fingerprint(moved)
    restored = read.sound.normalizer.restore(read.train[0])
    np.testing.assert_allclose(moved.train[0], (restored - 1) / 2, rtol=1e-4, atol=1e-4)


def test_frames_to_prime_with_end_before_the_padding(sound, birds):
    samples = audio.read(birds / "a.wav").samples
    frames = recordings.prime(birds / "a.wav", sound)
    assert len(frames) == len(samples) // 128
    expected = sound.normalizer.normalize(
        to_frames(stft(samples, sound.settings)[:-1], "log_amplitude")
    )
    np.testing.assert_allclose(frames, expected, rtol=1e-4, atol=1e-4)


def test_sound_of_real_frames_is_like_the_real_one(sound, birds):
    samples = audio.read(birds / "a.wav").samples
    samples = samples[: len(samples) // 128 * 128]
    frames = sound.normalizer.normalize(to_frames(stft(samples, sound.settings), sound.scale))
    made = recordings.to_sound(frames, sound, len(samples))
    one, other = (np.abs(stft(x, sound.settings)) for x in (samples, made))
    assert np.linalg.norm(one - other) < 0.1 * np.linalg.norm(one)


def test_sound_of_any_finite_frames_stays_within_full_scale(sound):
    for size in (1e3, 1e30):
        samples = recordings.to_sound(np.full((5, 129), size, "float32"), sound)
        assert samples.shape == (5 * 128 - 128,) and np.abs(samples).max() <= 1
    with pytest.raises(ValueError, match="`frames` must be finite.*Received: NaN"):
        recordings.to_sound(np.full((5, 129), np.nan), sound)
