"""Files of sound become frames, whatever their length and kind, or are told of."""

import os
import re
import tracemalloc

import numpy as np
import pytest
import soundfile

from seqlayers.datasets import audio
from seqlayers.datasets.normalizer import Normalizer
from seqlayers.datasets.sound_corpus import frames_of_files, stream_spectra
from seqlayers.datasets.spectra import SCALES, Spectra, stft, to_frames

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


def test_blocks_fit_together_whatever_the_hop(tmp_path, rng, settings):
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
