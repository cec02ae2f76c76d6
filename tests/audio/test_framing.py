"""Frames and their Fourier transforms follow their equations."""

import numpy as np
import pytest
from reference import features as reference

from seqlayers import audio
from seqlayers.audio.framing import frame_spectra

RATE = 16000


def test_stft_matches_the_equations(short):
    for L, H, fft_length in ((32, 13, None), (20, 10, 64), (33, 40, None)):
        expected = reference.stft(short, L, H, fft_length or (32 if L == 32 else 64))
        actual = frame_spectra(short, L, H, fft_length)
        assert actual.dtype == "complex64"
        np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.tensorflow
def test_stft_matches_tensorflow(speech):
    import tensorflow as tf

    for name, function in (("hann", "hann_window"), ("hamming", "hamming_window")):
        expected = tf.signal.stft(speech, 400, 160, 512, getattr(tf.signal, function))
        actual = frame_spectra(speech, 400, 160, window=name)
        np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_a_sine_is_found_in_its_bin():
    t = np.arange(RATE) / RATE
    X = np.abs(frame_spectra(np.sin(2 * np.pi * 1000 * t), 256, 128))
    assert X.shape[1] == 129
    np.testing.assert_array_equal(X.argmax(axis=1), 1000 * 256 // RATE)
    np.testing.assert_allclose(X.max(axis=1), 256 / 4, rtol=1e-4)  # half the window's sum


def test_frames_of_the_timit_sample_are_as_counted(shared_data):
    with np.load(shared_data / "speech" / "timit_sample.npz") as data:
        lengths = data["lengths"]
    assert sum(audio.num_frames(n, *audio.frame_lengths(RATE)) for n in lengths) == 48695


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda x: frame_spectra(x[None], 8, 4), r"`samples`.*one channel.*\(1, 1000\)"),
        (lambda x: frame_spectra(x.astype("int16"), 8, 4), "must be floats; divide.*int16"),
        (lambda x: frame_spectra(x * np.nan, 8, 4), "must be finite.*nan at sample 0"),
        (lambda x: frame_spectra(x, 8, 0), "`hop_length`.*0"),
        (lambda x: frame_spectra(x, 8, 4, 6), "`fft_length`.*at least 8.*6"),
        (
            lambda x: frame_spectra(x, 8, 4, window="kaiser"),
            "`window` must be .hann. or .hamming.*kaiser",
        ),
    ],
)
def test_arguments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call(np.zeros(1000, "float32"))
