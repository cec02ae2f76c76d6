"""The segments of recordings become sequences of frames, and are split by time."""

import os
import re

import numpy as np
import pytest
import soundfile

from seqlayers import audio, metrics
from seqlayers.audio import Normalizer, NoSegments, SegmentRules, Spectra, stft, to_frames
from seqlayers.datasets.recordings import (
    SegmentCorpus,
    frames_at,
    frames_of_segments,
    parts_by_time,
    sounds_at,
    temporal_folds,
)

RATE = 16000


def calls(*times, seconds=1.0, rate=RATE, frequency=1000, noise=1e-3):
    """A recording with a tone from each start to each end, over faint noise."""
    t = np.arange(round(seconds * rate)) / rate
    x = noise * np.random.default_rng(0).normal(size=len(t))
    for start, end in times:
        x += 0.5 * np.sin(2 * np.pi * frequency * t) * ((start <= t) & (t < end))
    return x.astype("float32")


FINDING = {"threshold": 80, "buffer": 2}


@pytest.fixture
def songs(tmp_path):
    """Two recordings of ten calls and of five."""
    folder = tmp_path / "songs"
    folder.mkdir()
    ten = [(k / 10 + 0.02, k / 10 + 0.04 + k / 1000) for k in range(10)]
    audio.write(folder / "ten.wav", calls(*ten), RATE)
    five = calls(*ten[::2], seconds=0.95, frequency=3000)
    soundfile.write(folder / "five.flac", np.stack([five, 0 * five], axis=1), RATE)
    return folder


def test_each_segment_is_a_sequence(songs):
    corpus = frames_of_segments(songs, SegmentRules(**FINDING), channel=0)
    assert corpus.files == [str(songs / "five.flac")] * 5 + [str(songs / "ten.wav")] * 10
    assert corpus.times.shape == (15, 2) and len(corpus.sequences) == 15
    assert corpus.settings == Spectra(256, 128, "hann", RATE)
    assert corpus.durations == {corpus.files[0]: 0.95, corpus.files[-1]: 1.0}
    assert corpus.resampled == corpus.skipped == []
    for name in corpus.durations:
        samples = audio.read(name, channel=0).samples
        found = audio.segments(samples, RATE, SegmentRules(**FINDING, level=corpus.levels[name]))
        own = [n for n, file in enumerate(corpus.files) if file == name]
        np.testing.assert_array_equal(corpus.times[own], found.times)
        for n in own:
            start, end = np.rint(corpus.times[n] * RATE).astype(int)
            expected = to_frames(stft(samples[start:end], corpus.settings), "log_amplitude")
            assert corpus.sequences[n].dtype == "float32"
            np.testing.assert_array_equal(corpus.sequences[n], expected)
            assert corpus.sequences[n].shape == (-(-(end - start + 128) // 128), 129)


def test_given_segments_have_the_frames_of_those_that_are_found(songs):
    corpus = frames_of_segments(songs / "ten.wav", SegmentRules(**FINDING))
    normalizer = Normalizer.fit(corpus.sequences)
    given = songs / "ten.wav", corpus.times, corpus.settings
    for frames, expected in zip(frames_at(*given), corpus.sequences, strict=True):
        np.testing.assert_array_equal(frames, expected)
    first = next(frames_at(*given, "log_amplitude", normalizer))
    np.testing.assert_array_equal(first, normalizer.normalize(corpus.sequences[0]))
    samples = audio.read(songs / "ten.wav").samples
    overlapping = [[0.1, 0.5], [0.2, 0.3], [0.45, 1.0]]
    for part, (start, end) in zip(sounds_at(given[0], overlapping, RATE), overlapping, strict=True):
        np.testing.assert_array_equal(part, samples[round(start * RATE) : round(end * RATE)])
    for times, error, reason in (
        ([[0.5, 0.6], [0.1, 0.2]], ValueError, "in order of the starts"),
        ([[0.5, 0.4]], ValueError, "no end before its start"),
        ([[0.5, 1.1]], audio.AudioError, "ends before 1.100 s"),
    ):
        with pytest.raises(error, match=reason):
            list(sounds_at(given[0], times, RATE))


def test_the_frequency_of_a_call_is_that_of_its_bin(songs):
    corpus = frames_of_segments(songs, SegmentRules(**FINDING), channel=0, scale="amplitude")
    for frames, name in zip(corpus.sequences, corpus.files, strict=True):
        frequency = 3000 if "five" in name else 1000
        assert frames.sum(axis=0).argmax() * RATE / 256 == frequency


def test_sounds_in_memory_are_taken_as_files_are(songs):
    sound = audio.read(songs / "ten.wav")
    corpus = frames_of_segments([sound, songs / "ten.wav"], SegmentRules(**FINDING))
    assert corpus.files == ["recordings[0]"] * 10 + [str(songs / "ten.wav")] * 10
    for a, b in zip(corpus.sequences[:10], corpus.sequences[10:], strict=True):
        np.testing.assert_array_equal(a, b)
    assert frames_of_segments(sound, SegmentRules(**FINDING)).files == ["recordings[0]"] * 10


def test_rates_that_differ_become_one_and_that_is_told(songs):
    slow = calls((0.2, 0.3), (0.6, 0.7), rate=8000)
    corpus = frames_of_segments(
        [audio.Sound(slow, 8000), songs / "ten.wav"], SegmentRules(threshold=75)
    )
    assert corpus.settings.sample_rate == 8000
    assert corpus.resampled == [(str(songs / "ten.wav"), RATE)]
    assert {len(frames.T) for frames in corpus.sequences} == {129}
    native = frames_of_segments(songs / "ten.wav", SegmentRules(threshold=75))
    assert native.resampled == [] and len(native.times) == 10
    np.testing.assert_allclose(corpus.times[-10:], native.times, atol=0.004)

    faster = frames_of_segments(
        songs, SegmentRules(**FINDING), settings=Spectra(512, 128, sample_rate=32000), channel=0
    )
    assert [rate for _, rate in faster.resampled] == [RATE, RATE]
    assert {len(frames.T) for frames in faster.sequences} == {257}


def test_recordings_without_segments_are_skipped_and_told_of(songs):
    audio.write(songs / "silent.wav", np.zeros(RATE), RATE)
    audio.write(songs / "none.wav", np.zeros(0), RATE)
    whole = (songs / "ten.wav").read_bytes()
    (songs / "cut.wav").write_bytes(whole[:-1000])
    (songs / "text.wav").write_bytes(b"la la la " * 30)
    (songs / "notes.txt").write_bytes(b"not even said to be sound")
    audio.write(songs / "long.wav", calls((0.1, 0.9)), RATE)
    corpus = frames_of_segments(songs, SegmentRules(**FINDING), channel=0)
    assert len(set(corpus.files)) == 2
    told = {os.path.basename(path): reason for path, reason in corpus.skipped}
    assert sorted(told) == ["cut.wav", "long.wav", "none.wav", "silent.wav", "text.wav"]
    assert "truncated" in told["cut.wav"] and "not a sound file" in told["text.wav"]
    assert "silent: all" in told["silent.wav"] and "no samples" in told["none.wav"]
    assert re.search(
        r"no segment of 15 to 500 ms.*`threshold` of \d+.*would find", told["long.wav"]
    )
    with pytest.raises(NoSegments, match="must have a segment(.|\n)*silent.wav: There") as raised:
        frames_of_segments([songs / "silent.wav", songs / "notes.txt"], SegmentRules(**FINDING))
    assert raised.value.path is None
    assert sorted(os.path.basename(file) for file, _ in raised.value.skipped) == [
        "notes.txt",
        "silent.wav",
    ]


def test_sequences_are_normalised_by_what_was_fitted_to_others(songs):
    plain = frames_of_segments(songs / "ten.wav", SegmentRules(**FINDING))
    normalizer = Normalizer.fit(plain.sequences[:5], "unit")
    corpus = frames_of_segments(songs / "ten.wav", SegmentRules(**FINDING), normalizer=normalizer)
    for before, after in zip(plain.sequences, corpus.sequences, strict=True):
        np.testing.assert_array_equal(after, normalizer.normalize(before))
        assert 0 <= after.min() and after.max() <= 1


def test_folds_go_forward_in_time_within_each_recording(songs):
    corpus = frames_of_segments(songs, SegmentRules(**FINDING), channel=0)
    duration = np.array([corpus.durations[name] for name in corpus.files])
    start = corpus.times[:, 0] / duration
    folds = temporal_folds(corpus, 4)
    assert len(folds) == 4
    for k, (train, validation) in enumerate(folds):
        assert start[train].max() < (k + 1) / 5 <= start[validation].min()
        assert start[validation].max() < (k + 2) / 5
        assert {corpus.files[n] for n in train} == {corpus.files[n] for n in validation}
    seen = np.concatenate([folds[0][0]] + [validation for _, validation in folds])
    assert sorted(seen) == list(range(15))  # each is judged once, but for those only trained on


def test_blocked_folds_judge_each_segment_once(songs):
    corpus = frames_of_segments(songs, SegmentRules(**FINDING), channel=0)
    folds = temporal_folds(corpus, 5, kind="blocked")
    assert sorted(np.concatenate([validation for _, validation in folds])) == list(range(15))
    for train, validation in folds:
        assert sorted([*train, *validation]) == list(range(15))
        for name in corpus.durations:  # what is judged lies together in time
            own = [n for n in validation if corpus.files[n] == name]
            assert own == list(range(own[0], own[-1] + 1))


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
def test_without_silence_a_segment_is_of_the_part_its_middle_lies_in(lengths, tenths):
    sequences = [np.zeros((length, 1)) for length in (*lengths, *lengths)]
    files = ["a"] * len(lengths) + ["b"] * len(lengths)
    corpus = SegmentCorpus(sequences, files, *[None] * 6)
    assert [*parts_by_time(corpus, 10, silence=False)] == [*tenths, *tenths]


@pytest.mark.parametrize("kind", ["forward", "blocked"])
def test_no_sample_is_on_both_sides_of_a_fold(rng, kind):
    """Though calls lie across the cuts, and buffers would overlap."""
    edges = np.sort(rng.uniform(0, 2, 61))
    times = [(a + 0.003, b) for a, b in zip(edges[:-1], edges[1:], strict=True) if b - a > 0.01]
    sound = audio.Sound(calls(*times, seconds=2, noise=0), RATE)
    options = {"level": 0.1, "window": 1, "min_length": 5, "buffer": 20}
    corpus = frames_of_segments([sound, sound], SegmentRules(**options))
    crossing = 0
    for k, (train, validation) in enumerate(temporal_folds(corpus, 5, kind)):
        cut = 2 * (k + 1) / (6 if kind == "forward" else 5)
        crossing += ((corpus.times[:, 0] < cut) & (cut < corpus.times[:, 1])).sum()
        sides = []
        for side in (train, validation):
            heard = np.zeros((2, 2 * RATE), bool)
            for n in side:
                start, end = np.rint(corpus.times[n] * RATE).astype(int)
                heard[int(corpus.files[n] == "recordings[1]"), start:end] = True
            sides.append(heard)
        assert not (sides[0] & sides[1]).any() and sides[0].any() and sides[1].any()
    assert crossing


def test_a_song_of_a_finch_becomes_its_syllables(shared_data):
    path = shared_data / "wav" / "bengalese_finch_gy6or6_0821_stereo.wav"
    options = {"threshold": 55, "buffer": 0, "min_length": 25, "band": (500, 10000)}
    corpus = frames_of_segments(path, SegmentRules(**options), channel=0)
    assert corpus.settings.sample_rate == 32000 and corpus.sequences[0].shape[1] == 129
    with np.load(shared_data / "bird" / "bengalese_finch_gy6or6.npz") as data:
        n = [name.endswith("0821.202") for name in data["ids"]].index(True)
        at = np.concatenate([[0], np.cumsum(data["syllable_counts"])])[[n, n + 1]]
        columns = [data["syllable_start"], data["syllable_end"]]
        marked = np.stack([column[slice(*at)] for column in columns], axis=1) / 32000
    assert metrics.segment_scores(corpus.times, marked).segment.f1 > 0.95


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda c: frames_of_segments(7), "`recordings` must be a path, a `Sound`.*7"),
        (
            lambda c: frames_of_segments([]),
            "one recording must have a segment.*: 0 recordings without",
        ),
        (lambda c: frames_of_segments("a", scale="mel"), "`scale`.*mel"),
        (lambda c: frames_of_segments("a", channel="left"), "`channel`.*left"),
        (lambda c: frames_of_segments("a", settings=256), "`settings`.*256"),
        (lambda c: frames_of_segments(audio.Sound(np.zeros(9) / 1, 0)), "`sample_rate`.*0"),
        (lambda c: frames_of_segments(audio.Sound(np.full(9, np.nan), 8)), "finite.*nan"),
        (lambda c: frames_of_segments(audio.Sound(np.zeros(0), 8000)), "There are no samples"),
        (lambda c: frames_of_segments(SOUND, SegmentRules(threshold=101)), "`threshold`.*101"),
        (
            lambda c: frames_of_segments(SOUND, SegmentRules(min_length=20, max_length=10)),
            "`max_length` must be at least",
        ),
        (lambda c: frames_of_segments(SOUND, normalizer=2), "`normalizer` must be a.*2"),
        (lambda c: frames_of_segments(["a", None]), "`recordings` must be a path, .*None"),
        (lambda c: parts_by_time([], 2), r"`corpus` must be a `SegmentCorpus`.*\[\]"),
        (lambda c: parts_by_time(c, 0), "`num_parts`.*0"),
        (lambda c: temporal_folds([], 2), r"`corpus` must be a `SegmentCorpus`.*\[\]"),
        (lambda c: temporal_folds(c, 0), "`num_folds`.*0"),
        (lambda c: temporal_folds(c, 1, "blocked"), "`num_folds` must be.*at least 2.*1"),
        (lambda c: temporal_folds(c, 2, "shuffled"), '`kind`.*"blocked".*shuffled'),
        (lambda c: temporal_folds(c, 9), "`num_folds` must be smaller.*num_folds=9, for 2"),
    ],
)
def test_arguments_of_segments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call(frames_of_segments(SOUND, SegmentRules(threshold=80)))


SOUND = audio.Sound(calls((0.2, 0.3), (0.6, 0.7)), RATE)


def test_a_folder_without_sound_is_an_error(tmp_path):
    with pytest.raises(audio.AudioError, match="must hold a sound file.*Received: none"):
        frames_of_segments(tmp_path)
    with pytest.raises(FileNotFoundError, match="missing.wav"):
        frames_of_segments([tmp_path / "missing.wav"])


def test_a_recording_too_loud_for_spectra_is_skipped(songs):
    loud = 3e38 * np.sign(np.sin(np.arange(RATE) / 7.0))
    loud[1000:] = 0
    audio.write(songs / "loud.wav", loud, RATE, bits=32)
    corpus = frames_of_segments(songs, SegmentRules(threshold=55, max_length=1000))
    reasons = {os.path.basename(file): reason for file, reason in corpus.skipped}
    assert "too large for spectra" in reasons["loud.wav"]
