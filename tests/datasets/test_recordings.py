"""Files of sound become frames, whatever their length and kind, or are told of."""

import os
import re
import tracemalloc

import numpy as np
import pytest
import soundfile

from seqlayers import audio
from seqlayers.audio import Normalizer, Spectra, UnitNormalizer, stft, to_frames
from seqlayers.audio.spectra import SCALES
from seqlayers.datasets.recordings import (
    frames_of_files,
    frames_of_segments,
    stream_spectra,
    temporal_folds,
)

RATE = 16000


@pytest.fixture
def folder(tmp_path, sentence):
    """Two sentences that can be read, in files of different kinds."""
    audio.write(tmp_path / "a.wav", sentence, RATE)
    (tmp_path / "more").mkdir()
    soundfile.write(tmp_path / "more" / "b.flac", sentence[:9000], RATE)
    return tmp_path


FORMATS = {
    "8 bit at 8000 Hz": ({"subtype": "PCM_U8"}, 8000, 1),
    "24 bit stereo at 44100 Hz": ({"subtype": "PCM_24"}, 44100, 2),
    "floats at 16000 Hz": ({"subtype": "FLOAT"}, RATE, 1),
    "three channels at 11025 Hz": ({"subtype": "PCM_16"}, 11025, 3),
}


@pytest.mark.parametrize("options, rate, channels", FORMATS.values(), ids=FORMATS)
def test_streamed_spectra_are_those_of_the_whole_file(tmp_path, rng, options, rate, channels):
    path = tmp_path / "sound.wav"
    for N in (2, 255, 30_001):
        soundfile.write(path, rng.uniform(-0.5, 0.5, (N, channels)), rate, **options)
        expected = stft(audio.read(path, sample_rate=RATE).samples)
        for block_frames in (1, 7, 1024):
            blocks = list(stream_spectra(path, block_frames=block_frames))
            assert all(len(block) and block.dtype == "complex64" for block in blocks)
            np.testing.assert_allclose(np.concatenate(blocks), expected, rtol=0, atol=1e-6)


def test_blocks_fit_together_whatever_the_hop(tmp_path, rng):
    settings = Spectra(frame_length=33, hop_length=10, window="hamming")
    path = tmp_path / "sound.wav"
    audio.write(path, rng.uniform(-1, 1, 3001), RATE)
    expected = stft(audio.read(path).samples, settings)
    for block_frames in (1, 3):
        blocks = stream_spectra(path, settings, block_frames)
        np.testing.assert_allclose(np.concatenate(list(blocks)), expected, rtol=0, atol=1e-6)


def test_a_channel_can_be_picked(tmp_path, rng):
    path = tmp_path / "sound.wav"
    audio.write(path, rng.uniform(-1, 1, (1000, 2)), RATE)
    spectrum = np.concatenate(list(stream_spectra(path, channel=1)))
    np.testing.assert_array_equal(spectrum, stft(audio.read(path, channel=1).samples))
    assert frames_of_files(path, channel=1).files == [str(path)]
    with pytest.raises(ValueError, match="no channel 2; the file has 2"):
        frames_of_files(path, channel=2)


def test_files_become_whole_sentences_of_frames(folder, sentence):
    corpus = frames_of_files(folder, scale="log_amplitude")
    assert corpus.files == [str(folder / "a.wav"), str(folder / "more" / "b.flac")]
    assert corpus.skipped == [] and len(corpus.dataset) == 2
    for _ in range(2):  # it can be read again
        for frames, samples in zip(corpus.dataset, (sentence, sentence[:9000]), strict=True):
            expected = to_frames(stft(samples), "log_amplitude")
            assert frames.dtype == "float32"
            np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-5)


def test_files_become_sequences_of_one_length(folder, sentence):
    corpus = frames_of_files([folder / "more", str(folder / "a.wav")], length=100)
    assert corpus.files[0].endswith("b.flac")
    assert corpus.dataset.element_spec.shape == (100, 129)
    pieces = np.stack([frames.numpy() for frames in corpus.dataset])
    expected = np.abs(stft(sentence))
    assert len(corpus.dataset) == len(pieces) == 1 + len(expected) // 100
    np.testing.assert_allclose(pieces[0], expected[:100], atol=1e-5)
    np.testing.assert_allclose(pieces[1:].reshape(-1, 129), expected[:300], atol=1e-5)


def test_long_sequences_are_put_together_of_many_blocks(tmp_path, rng):
    audio.write(tmp_path / "a.wav", rng.uniform(-1, 1, 64 * 5000), RATE)
    expected = np.abs(stft(audio.read(tmp_path / "a.wav").samples))
    for length in (700, 1500, 5003):
        pieces = list(frames_of_files(tmp_path, length=length).dataset)
        assert len(pieces) == 5003 // length
        whole = np.concatenate([piece.numpy() for piece in pieces])
        np.testing.assert_array_equal(whole, expected[: len(whole)])


def test_frames_are_normalised_by_what_was_fitted_to_the_files(folder):
    corpus = frames_of_files(folder)
    normalizer = Normalizer.fit(corpus.dataset)
    again = frames_of_files(corpus.files, normalizer=normalizer)
    frames = np.concatenate([frames.numpy() for frames in again.dataset])
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-4)


def damaged(folder, sentence):
    """Puts files that cannot be used in a folder; returns why, by name."""
    whole = (folder / "a.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[:-1000])
    promising = whole[:40] + (2**31).to_bytes(4, "little") + whole[44:]
    (folder / "promise.wav").write_bytes(promising)
    soundfile.write(folder / "nan.wav", sentence * np.nan, RATE, subtype="FLOAT")
    audio.write(folder / "none.wav", np.zeros(0), RATE)
    audio.write(folder / "short.wav", sentence[:255], RATE)
    audio.write(folder / "shorter.wav", sentence[:255], 2 * RATE)
    flac = (folder / "more" / "b.flac").read_bytes()
    (folder / "half.flac").write_bytes(flac[: len(flac) // 2])
    (folder / "notes.txt").write_bytes(b"la la la " * 30)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "gone.wav").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.wav")
    (folder / ".hidden").write_bytes(b"not told of")
    return {
        "cut.wav": "truncated",
        "promise.wav": "truncated",
        "nan.wav": "sample 0 is not finite",
        "none.wav": "0 samples",
        "short.wav": "255 samples .* takes 256",
        "shorter.wav": "128 samples at 16000 Hz",
        "half.flac": "damaged",
        "notes.txt": "not a sound file",
        "empty.wav": "empty file",
        "gone.wav": "not a regular file",
        "pipe.wav": "not a regular file",
    }


def test_files_that_cannot_be_used_are_skipped_and_told_of(folder, sentence):
    before = [frames.numpy() for frames in frames_of_files(folder).dataset]
    reasons = damaged(folder, sentence)
    corpus = frames_of_files(folder)
    assert len(corpus.files) == 2
    for frames, expected in zip(corpus.dataset, before, strict=True):
        np.testing.assert_array_equal(frames, expected)
    assert [path for path, _ in corpus.skipped] == [str(folder / name) for name in sorted(reasons)]
    for path, reason in corpus.skipped:
        assert re.search(reasons[os.path.basename(path)], reason), path
        assert path not in reason


def test_if_no_file_can_be_used_all_reasons_are_told(folder, sentence):
    reasons = damaged(folder, sentence)
    with pytest.raises(ValueError, match="`paths` must hold a sound file") as raised:
        frames_of_files([folder / name for name in ("cut.wav", "notes.txt", "half.flac")])
    for name in ("cut.wav", "notes.txt", "half.flac"):
        assert f"{folder / name}: " in str(raised.value)
    assert reasons["cut.wav"] in str(raised.value)
    with pytest.raises(ValueError, match="a.wav: too short: 375 frames.*takes 1000"):
        frames_of_files(folder / "a.wav", length=1000)


def test_what_is_damaged_after_it_was_looked_at_is_named(folder):
    import tensorflow as tf

    corpus = frames_of_files(folder)
    (folder / "a.wav").write_bytes(b"la la la " * 30)
    with pytest.raises(tf.errors.OpError, match="a.wav: not a sound file"):
        list(corpus.dataset)


def test_silence_and_clipping_give_finite_frames(tmp_path, sentence):
    audio.write(tmp_path / "silence.wav", np.zeros(4000), RATE)
    audio.write(tmp_path / "clipped.wav", (100 * sentence).clip(-1, 1), RATE)
    for scale in SCALES:
        clipped, silence = frames_of_files(tmp_path, scale=scale).dataset
        assert np.isfinite(clipped).all()
        expected = np.log(1e-5) if scale == "log_amplitude" else 0
        np.testing.assert_allclose(silence, expected, rtol=1e-6)


def test_ten_minutes_take_no_more_memory_than_ten_seconds(tmp_path):
    path, minute = tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, 60 * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(10):
            file.write(minute)
    whole = 10 * 60 * RATE / 64 * 129 * 8  # bytes of the spectra
    tracemalloc.start()
    try:
        num_frames = sum(len(block) for block in stream_spectra(path))
        streamed = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        corpus = frames_of_files(path, length=500)
        num_pieces = sum(1 for _ in corpus.dataset)
        in_pieces = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert num_frames == Spectra().num_frames(10 * 60 * RATE) and num_pieces == num_frames // 500
    assert streamed < whole / 10 and in_pieces < whole / 10
    assert streamed < 10e6 and in_pieces < 20e6


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda: stream_spectra("a.wav", block_frames=0), "`block_frames`.*0"),
        (lambda: stream_spectra("a.wav", channel=None), "`channel`.*None"),
        (lambda: frames_of_files(7), "`paths` must be a path or a list.*7"),
        (lambda: frames_of_files([]), r"`paths` must hold a sound file.*paths=\[\]"),
        (lambda: frames_of_files("a", length=0), "`length`.*0"),
        (lambda: frames_of_files("a", scale="mel"), "`scale`.*mel"),
        (lambda: frames_of_files("a", channel="left"), "`channel`.*left"),
        (lambda: frames_of_files("a", normalizer=2), "`normalizer` must be a.*2"),
        (
            lambda: frames_of_files("a", normalizer=Normalizer([0], [1])),
            "`normalizer` must be of 129 bins.*one of 1",
        ),
    ],
)
def test_arguments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call()


def test_a_path_that_does_not_exist_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="`paths` must exist.*missing.wav"):
        frames_of_files([tmp_path, tmp_path / "missing.wav"])
    with pytest.raises(FileNotFoundError):
        next(stream_spectra(tmp_path / "missing.wav"))


def test_a_file_without_samples_has_no_spectra(tmp_path):
    audio.write(tmp_path / "none.wav", np.zeros(0), RATE)
    with pytest.raises(audio.AudioError, match="none.wav: there are no samples"):
        list(stream_spectra(tmp_path / "none.wav"))


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
    corpus = frames_of_segments(songs, channel=0, **FINDING)
    assert corpus.files == [str(songs / "five.flac")] * 5 + [str(songs / "ten.wav")] * 10
    assert corpus.times.shape == (15, 2) and len(corpus.sequences) == 15
    assert corpus.settings == Spectra(256, 128, "hann", RATE)
    assert corpus.durations == {corpus.files[0]: 0.95, corpus.files[-1]: 1.0}
    assert corpus.resampled == corpus.skipped == []
    for name in corpus.durations:
        samples = audio.read(name, channel=0).samples
        found = audio.segments(samples, RATE, **FINDING, level=corpus.levels[name])
        own = [n for n, file in enumerate(corpus.files) if file == name]
        np.testing.assert_array_equal(corpus.times[own], found.times)
        for n in own:
            start, end = np.rint(corpus.times[n] * RATE).astype(int)
            expected = to_frames(stft(samples[start:end], corpus.settings), "log_amplitude")
            assert corpus.sequences[n].dtype == "float32"
            np.testing.assert_array_equal(corpus.sequences[n], expected)
            assert corpus.sequences[n].shape == (-(-(end - start + 128) // 128), 129)


def test_the_frequency_of_a_call_is_that_of_its_bin(songs):
    corpus = frames_of_segments(songs, channel=0, scale="amplitude", **FINDING)
    for frames, name in zip(corpus.sequences, corpus.files, strict=True):
        frequency = 3000 if "five" in name else 1000
        assert frames.sum(axis=0).argmax() * RATE / 256 == frequency


def test_sounds_in_memory_are_taken_as_files_are(songs):
    sound = audio.read(songs / "ten.wav")
    corpus = frames_of_segments([sound, songs / "ten.wav"], **FINDING)
    assert corpus.files == ["recordings[0]"] * 10 + [str(songs / "ten.wav")] * 10
    for a, b in zip(corpus.sequences[:10], corpus.sequences[10:], strict=True):
        np.testing.assert_array_equal(a, b)
    assert frames_of_segments(sound, **FINDING).files == ["recordings[0]"] * 10


def test_rates_that_differ_become_one_and_that_is_told(songs):
    slow = calls((0.2, 0.3), (0.6, 0.7), rate=8000)
    corpus = frames_of_segments([audio.Sound(slow, 8000), songs / "ten.wav"], threshold=75)
    assert corpus.settings.sample_rate == 8000
    assert corpus.resampled == [(str(songs / "ten.wav"), RATE)]
    assert {len(frames.T) for frames in corpus.sequences} == {129}
    native = frames_of_segments(songs / "ten.wav", threshold=75)
    assert native.resampled == [] and len(native.times) == 10
    np.testing.assert_allclose(corpus.times[-10:], native.times, atol=0.004)

    faster = frames_of_segments(
        songs, settings=Spectra(512, 128, sample_rate=32000), channel=0, **FINDING
    )
    assert [rate for _, rate in faster.resampled] == [RATE, RATE]
    assert {len(frames.T) for frames in faster.sequences} == {257}


def test_recordings_without_segments_are_skipped_and_told_of(songs):
    audio.write(songs / "silent.wav", np.zeros(RATE), RATE)
    audio.write(songs / "none.wav", np.zeros(0), RATE)
    whole = (songs / "ten.wav").read_bytes()
    (songs / "cut.wav").write_bytes(whole[:-1000])
    (songs / "notes.txt").write_bytes(b"la la la " * 30)
    audio.write(songs / "long.wav", calls((0.1, 0.9)), RATE)
    corpus = frames_of_segments(songs, channel=0, **FINDING)
    assert len(set(corpus.files)) == 2
    told = {os.path.basename(path): reason for path, reason in corpus.skipped}
    assert sorted(told) == ["cut.wav", "long.wav", "none.wav", "notes.txt", "silent.wav"]
    assert "truncated" in told["cut.wav"] and "not a sound file" in told["notes.txt"]
    assert "silent: all" in told["silent.wav"] and "no samples" in told["none.wav"]
    assert re.search(
        r"no segment of 15 to 500 ms.*`threshold` of \d+.*would find", told["long.wav"]
    )
    with pytest.raises(ValueError, match="a recording that has a segment(.|\n)*silent.wav: There"):
        frames_of_segments([songs / "silent.wav", songs / "notes.txt"], **FINDING)


def test_sequences_are_normalised_by_what_was_fitted_to_others(songs):
    plain = frames_of_segments(songs / "ten.wav", **FINDING)
    normalizer = UnitNormalizer.fit(plain.sequences[:5])
    corpus = frames_of_segments(songs / "ten.wav", normalizer=normalizer, **FINDING)
    for before, after in zip(plain.sequences, corpus.sequences, strict=True):
        np.testing.assert_array_equal(after, normalizer.normalize(before))
        assert 0 <= after.min() and after.max() <= 1


def test_folds_go_forward_in_time_within_each_recording(songs):
    corpus = frames_of_segments(songs, channel=0, **FINDING)
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
    corpus = frames_of_segments(songs, channel=0, **FINDING)
    folds = temporal_folds(corpus, 5, kind="blocked")
    assert sorted(np.concatenate([validation for _, validation in folds])) == list(range(15))
    for train, validation in folds:
        assert sorted([*train, *validation]) == list(range(15))
        for name in corpus.durations:  # what is judged lies together in time
            own = [n for n in validation if corpus.files[n] == name]
            assert own == list(range(own[0], own[-1] + 1))


@pytest.mark.parametrize("kind", ["forward", "blocked"])
def test_no_sample_is_on_both_sides_of_a_fold(rng, kind):
    """Though calls lie across the cuts, and buffers would overlap."""
    edges = np.sort(rng.uniform(0, 2, 61))
    times = [(a + 0.003, b) for a, b in zip(edges[:-1], edges[1:], strict=True) if b - a > 0.01]
    sound = audio.Sound(calls(*times, seconds=2, noise=0), RATE)
    options = {"level": 0.1, "window": 1, "min_length": 5, "buffer": 20}
    corpus = frames_of_segments([sound, sound], **options)
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
    corpus = frames_of_segments(path, channel=0, **options)
    assert corpus.settings.sample_rate == 32000 and corpus.sequences[0].shape[1] == 129
    with np.load(shared_data / "bird" / "bengalese_finch_gy6or6.npz") as data:
        n = [name.endswith("0821.202") for name in data["ids"]].index(True)
        at = np.concatenate([[0], np.cumsum(data["syllable_counts"])])[[n, n + 1]]
        columns = [data["syllable_start"], data["syllable_end"]]
        marked = np.stack([column[slice(*at)] for column in columns], axis=1) / 32000
    assert audio.segment_scores(corpus.times, marked).segment.f1 > 0.95


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda c: frames_of_segments(7), "`recordings` must be a path, a `Sound`.*7"),
        (lambda c: frames_of_segments([]), "`recordings` must hold.*0 files or sounds"),
        (lambda c: frames_of_segments("a", scale="mel"), "`scale`.*mel"),
        (lambda c: frames_of_segments("a", channel="left"), "`channel`.*left"),
        (lambda c: frames_of_segments("a", settings=256), "`settings`.*256"),
        (lambda c: frames_of_segments(audio.Sound(np.zeros(9) / 1, 0)), "`sample_rate`.*0"),
        (lambda c: frames_of_segments(audio.Sound(np.full(9, np.nan), 8)), "finite.*nan"),
        (lambda c: frames_of_segments(audio.Sound(np.zeros(0), 8000)), "There are no samples"),
        (lambda c: frames_of_segments(SOUND, threshold=101), "`threshold`.*101"),
        (lambda c: frames_of_segments(SOUND, min_length=20, max_length=10), "`max_length` must"),
        (lambda c: frames_of_segments(SOUND, normalizer=2), "`normalizer` must be a.*2"),
        (lambda c: temporal_folds([], 2), r"`corpus` must be a `SegmentCorpus`.*\[\]"),
        (lambda c: temporal_folds(c, 0), "`num_folds`.*0"),
        (lambda c: temporal_folds(c, 1, "blocked"), "`num_folds` must be.*at least 2.*1"),
        (lambda c: temporal_folds(c, 2, "shuffled"), '`kind`.*"blocked".*shuffled'),
        (lambda c: temporal_folds(c, 9), "`num_folds` must be so small.*num_folds=9, for 2"),
    ],
)
def test_arguments_of_segments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call(frames_of_segments(SOUND, threshold=80))


SOUND = audio.Sound(calls((0.2, 0.3), (0.6, 0.7)), RATE)


def test_a_folder_without_sound_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="`recordings` must hold.*0 files or sounds"):
        frames_of_segments(tmp_path)
    with pytest.raises(FileNotFoundError, match="`recordings` must exist.*missing.wav"):
        frames_of_segments([tmp_path / "missing.wav"])
