"""Spectra follow their equations and become sound again."""

import json

import numpy as np
import pytest

from seqlayers.audio import (
    Spectra,
    inverse_stft,
    stft,
    to_amplitude,
    to_frames,
)
from seqlayers.audio.spectra import SCALES
from seqlayers.datasets import speech


def test_spectra_match_the_equations(rng, settings):
    L, H = settings.frame_length, settings.hop_length
    x = 0.1 * rng.normal(size=150)
    height = {"hann": 0.5, "hamming": 0.54, "rectangular": 1}[settings.window]
    expected = []
    for t in range(-(-(len(x) + L - H) // H)):
        X = np.zeros(L // 2 + 1, complex)
        for k in range(L // 2 + 1):
            for i in range(L):
                n = t * H - (L - H) + i
                w = height - (1 - height) * np.cos(2 * np.pi * i / L)
                if 0 <= n < len(x):
                    X[k] += w * x[n] * np.exp(-2j * np.pi * k * i / L)
        expected.append(X)
    actual = stft(x, settings)
    assert actual.dtype == "complex64"
    np.testing.assert_allclose(actual, expected, atol=2e-6)


@pytest.mark.filterwarnings(
    "ignore:NOLA"
)  # scipy's first sample, which we cut off with the silence
def test_spectra_and_sound_match_scipy(sentence):
    signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")
    x = sentence[:16000]
    window = {"window": "hann", "nperseg": 256, "noverlap": 192}
    padded = np.pad(x, (192, 192))  # 16000 is a multiple of the hop
    _, _, expected = signal.stft(padded, **window, boundary=None, padded=False)
    actual = stft(x)
    np.testing.assert_allclose(actual, 128 * expected.T, atol=2e-5)

    changed = actual * np.linspace(0, 1, 129, dtype="float32")
    _, expected = signal.istft(changed.T / 128, **window, boundary=False)
    np.testing.assert_allclose(inverse_stft(changed), expected[192:-192], atol=1e-6)


def test_speech_comes_back():
    for utterance in speech.load_examples():
        x = utterance.samples
        np.testing.assert_allclose(inverse_stft(stft(x), len(x)), x, rtol=0, atol=1e-6)


def test_noise_of_every_length_comes_back(rng, settings):
    L, H = settings.frame_length, settings.hop_length
    for N in (1, 2, H - 1, H, H + 1, L - 1, L, L + 1, 1001, 16001):
        x = rng.normal(size=N).astype("float32")
        X = stft(x, settings)
        assert X.shape == (settings.num_frames(N), settings.num_bins)
        np.testing.assert_allclose(inverse_stft(X, N, settings), x, rtol=0, atol=1e-5)


def test_each_sample_lies_in_as_many_frames_as_any_other():
    for n in range(300):
        x = np.zeros(300)
        x[n] = 1
        heard = np.abs(stft(x)).max(axis=1) > 1e-12
        assert heard.sum() in (3, 4)  # 3 where it lies on the window's zero
        assert n // 64 <= np.flatnonzero(heard)[0] and np.flatnonzero(heard)[-1] <= (n + 192) // 64


def test_without_a_number_of_samples_there_are_as_many_as_frames_can_hold(rng):
    x = rng.normal(size=6400)
    np.testing.assert_allclose(inverse_stft(stft(x)), x, atol=1e-5)
    assert inverse_stft(stft(x[:-10])).shape == (6400,)
    assert inverse_stft(stft(x[:1])).shape == (64,)


def test_changed_spectra_give_the_sound_that_is_nearest_to_them(rng):
    settings = Spectra(frame_length=8, hop_length=3, window="hamming")
    N = 10
    weight = np.sqrt([1, 2, 2, 2, 1])  # bins but the first and the last stand for two

    def flat(X):
        X = weight * X
        return np.concatenate([X.real.ravel(), X.imag.ravel()])

    S = rng.normal(size=(settings.num_frames(N), 5)) + 1j * rng.normal(
        size=(settings.num_frames(N), 5)
    )
    S[:, [0, -1]] = S[:, [0, -1]].real
    matrix = np.stack([flat(stft(unit, settings)) for unit in np.eye(N)], axis=1)
    expected = np.linalg.lstsq(matrix, flat(S), rcond=None)[0]
    np.testing.assert_allclose(inverse_stft(S, N, settings), expected, atol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_each_scale_has_a_way_back(sentence, scale):
    X = stft(sentence)
    frames = to_frames(X, scale)
    assert frames.dtype == "float32" and frames.shape == X.shape
    np.testing.assert_array_equal(frames, to_frames(np.abs(X), scale))
    np.testing.assert_allclose(to_amplitude(frames, scale), np.abs(X), rtol=1e-5, atol=1.01e-5)


def test_scales_are_what_they_say():
    X = np.array([[[3 + 4j, 0, 1e-9]]])
    np.testing.assert_allclose(to_frames(X, "amplitude"), [[[5, 0, 1e-9]]])
    np.testing.assert_allclose(to_frames(X, "power"), [[[25, 0, 1e-18]]], rtol=1e-6)
    floor = np.log(1e-5)
    np.testing.assert_allclose(to_frames(X, "log_amplitude"), [[[np.log(5), floor, floor]]])


def test_what_a_model_draws_below_0_is_taken_for_0():
    for scale in ("amplitude", "power"):
        np.testing.assert_array_equal(to_amplitude([[-1.0, 4.0]], scale)[0] > 0, [False, True])


def test_settings_become_json_and_come_back():
    settings = Spectra(frame_length=np.int64(400), hop_length=100)
    assert Spectra.from_config(json.loads(json.dumps(settings.get_config()))) == settings


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda X: Spectra(hop_length=256), "`hop_length`.*256, frame_length=256, window='hann'"),
        (lambda X: Spectra(hop_length=300), "`hop_length` must be short enough.*300"),
        (lambda X: Spectra(frame_length=1, hop_length=1), "`hop_length`.*1, frame_length=1"),
        (lambda X: Spectra(window="kaiser"), "`window`.*.hann. or .hamming.*kaiser"),
        (lambda X: Spectra(sample_rate=0), "`sample_rate`.*0"),
        (lambda X: Spectra().num_frames(0), "`num_samples`.*0"),
        (lambda X: stft(np.zeros(0)), "`samples` must hold at least 1 sample.*0"),
        (lambda X: stft(np.zeros((2, 500))), r"`samples`.*one channel.*\(2, 500\)"),
        (lambda X: stft(np.full(500, np.nan)), "`samples` must be finite.*nan at sample 0"),
        (lambda X: stft(np.zeros(500), 256), "`settings`.*256"),
        (lambda X: inverse_stft(X[:, :-1]), r"`spectrum`.*\(T, 129\).*\(10, 128\)"),
        (lambda X: inverse_stft(X[:3]), "`spectrum` must have at least 4 frames.*3"),
        (lambda X: inverse_stft(X, 449), "`num_samples` must be an integer from 385 to 448.*449"),
        (lambda X: inverse_stft(X * np.nan), r"`spectrum` must be finite.*nan.*\(0, 0\)"),
        (lambda X: inverse_stft(X.astype(str)), "`spectrum` must be an array of numbers.*<U"),
        (lambda X: inverse_stft(X.real), "numbers, complex.*griffin_lim.*float32"),
        (lambda X: inverse_stft([[1, 2], [3]]), "`spectrum` must be an array of numbers"),
        (lambda X: to_frames(X, "decibels"), '`scale`.*"power".*decibels'),
        (lambda X: to_frames(-X.real), "`spectrum` must not be negative.*-1"),
        (lambda X: to_frames(1e30 * X, "power"), "`spectrum` must be finite in float32.*inf"),
        (lambda X: to_amplitude(X), "`frames` must be an array of numbers, real"),
        (
            lambda X: to_amplitude(100 * X.real, "log_amplitude"),
            "`frames` must be finite.*results.*inf",
        ),
    ],
)
def test_arguments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call(np.ones((10, 129), "complex64"))
