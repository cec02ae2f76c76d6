"""Features of sound are what their equations and other libraries say."""

import numpy as np
import pytest
from reference import features as reference

from seqlayers import audio

RATE = 16000


def test_log_mel_matches_the_equations(short):
    expected = reference.log_mel(short, 800, 20, 8, 32, 5, 30, 390)
    options = {"frame_length": 20, "hop_length": 8, "low": 30, "high": 390}
    actual = audio.log_mel(short, 800, 5, energy=False, **options)
    assert actual.dtype == "float32"
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    with_energy = audio.log_mel(short, 800, 5, **options)
    np.testing.assert_array_equal(with_energy[:, :5], actual)
    np.testing.assert_allclose(with_energy[:, 5], reference.log_energy(short, 20, 8), rtol=1e-5)


def test_mfcc_matches_the_equations(short):
    P = reference.log_mel(short, 800, 20, 8, 32, 5, 20, 400)
    actual = audio.mfcc(short, 800, 4, 5, frame_length=20, hop_length=8)
    np.testing.assert_allclose(actual[:, :4], reference.cepstrum(P, 4), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(actual[:, 4], reference.log_energy(short, 20, 8), rtol=1e-5)


@pytest.mark.tensorflow
def test_mfcc_matches_tensorflow(speech):
    import tensorflow as tf

    P = audio.log_mel(speech, RATE, 26, energy=False)
    expected = tf.signal.mfccs_from_log_mel_spectrograms(P)[:, 1:13]
    actual = audio.mfcc(speech, RATE, energy=False)
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_filters_and_features_match_librosa(speech):
    librosa = pytest.importorskip("librosa", reason="librosa is not installed (extra `bench`)")
    filters = {"sr": RATE, "n_fft": 512, "htk": True, "norm": None}
    for J, low, high in ((40, 20, None), (26, 0, 7600)):
        expected = librosa.filters.mel(n_mels=J, fmin=low, fmax=high, **filters)
        actual = audio.mel_filterbank(RATE, 512, J, low, high)
        np.testing.assert_allclose(actual, expected.T, atol=1e-5)

    # librosa would put a frame shorter than the transform in the middle of it.
    options = {"frame_length": 512, "hop_length": 160, "low": 0, "high": 7600}
    X = librosa.stft(speech, n_fft=512, hop_length=160, center=False)
    P = audio.log_mel(speech, RATE, 26, energy=False, **options)
    np.testing.assert_allclose(P, np.log(np.maximum(1e-10, expected @ np.abs(X) ** 2)).T, atol=1e-3)

    expected = librosa.feature.mfcc(S=P.T, n_mfcc=13, norm="ortho")[1:].T
    actual = audio.mfcc(speech, RATE, energy=False, **options)
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3)

    def delta(features):
        return librosa.feature.delta(features, width=5, axis=0, mode="nearest")

    expected = np.hstack([P, delta(P), delta(delta(P))])
    np.testing.assert_allclose(audio.with_deltas(P), expected, atol=1e-4)


def test_filters_overlap_so_that_no_power_is_lost():
    filters = audio.mel_filterbank(RATE, 2048, 40, 0)
    edges = reference.hertz(np.linspace(0, reference.mel(RATE / 2), 42))
    inside = slice(*np.ceil(edges[[1, -2]] * 2048 / RATE).astype(int))
    # In hertz, not in mel, a triangle rises as its neighbour falls.
    np.testing.assert_allclose(filters[inside].sum(axis=1), 1, rtol=1e-5)


def test_silence_has_a_floor():
    features = audio.log_mel(np.zeros(800), RATE)
    np.testing.assert_allclose(features, np.log(1e-10), rtol=1e-6)
    quietest = np.random.default_rng(0).integers(-1, 2, 16000) / np.float32(2**15)
    assert audio.log_mel(quietest, RATE).min() > np.log(1e-10) + 1


def test_default_lengths_are_25_and_10_ms():
    assert audio.frame_lengths(16000) == (400, 160)
    assert audio.frame_lengths(44100) == (1102, 441)
    assert audio.frame_lengths(8000, hop_length=100) == (200, 100)


@pytest.mark.parametrize("num_samples", [400, 559, 560, 561, 16000])
def test_frames_are_those_that_fit(num_samples):
    expected = len(reference.frames(np.zeros(num_samples), 400, 160))
    assert audio.num_frames(num_samples, 400, 160) == expected
    assert len(audio.log_mel(np.zeros(num_samples), RATE)) == expected


def test_too_few_samples_are_no_frame():
    assert audio.num_frames(399, 400, 160) == 0
    assert audio.num_frames(0, 400, 160) == 0
    for samples in (np.zeros(399), np.zeros(0)):
        with pytest.raises(ValueError, match="at least 400 samples.*Received"):
            audio.log_mel(samples, RATE)


def test_deltas_match_the_equations(rng):
    features = rng.normal(size=(9, 3))
    for width in (1, 2, 4):
        first = reference.delta(features, width)
        expected = np.hstack([features, first, reference.delta(first, width)])
        actual = audio.with_deltas(features, order=2, width=width)
        assert actual.dtype == "float32"
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_deltas_can_be_channels(rng):
    features = rng.normal(size=(9, 3))
    flat, channels = audio.with_deltas(features), audio.with_deltas(features, channels=True)
    assert channels.shape == (9, 3, 3)
    np.testing.assert_array_equal(channels.transpose(0, 2, 1).reshape(9, 9), flat)


def test_the_delta_of_a_slope_is_its_slope():
    features = 3 * np.arange(20.0)[:, None]
    np.testing.assert_allclose(audio.with_deltas(features, order=1)[2:-2, 1], 3)
    one_frame = audio.with_deltas(np.ones((1, 2)))
    np.testing.assert_array_equal(one_frame, [[1, 1, 0, 0, 0, 0]])


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda x: audio.log_mel(x, RATE, 400), "fewer bands.*num_bands=400 .*band 0 is empty"),
        (lambda x: audio.log_mel(x, RATE, high=9000), "half the sample rate, 8000 Hz.*high=9000"),
        (lambda x: audio.log_mel(x, 0), "`sample_rate`.*0"),
        (lambda x: audio.mfcc(x, RATE, 26, 26), "below `num_bands`.*26"),
        (lambda x: audio.with_deltas(x), r"`features`.*\(1000,\)"),
        (lambda x: audio.with_deltas(x[:, None], width=0), "`width`.*0"),
        (lambda x: audio.log_mel(x, RATE, 1, low=100, high=100 + 1e-13), "band 0 is empty"),
        (lambda x: audio.mel_filterbank(RATE, 512, 1, 1e-320, 2e-320), "band 0 is empty"),
    ],
)
def test_arguments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call(np.zeros(1000, "float32"))


FEATURES = {
    "log_mel": lambda x: audio.log_mel(x, RATE),
    "mfcc": lambda x: audio.mfcc(x, RATE),
    "log_energy": lambda x: audio.log_energy(x, 400, 160),
    "stft": audio.stft,
}


@pytest.mark.parametrize("feature", FEATURES.values(), ids=FEATURES)
def test_samples_too_large_for_float32_are_refused(feature, rng):
    x = rng.uniform(-1, 1, 1000)
    for scale in (1e-44, 1e-30, 1e10, 1e16):
        assert np.isfinite(feature(scale * x)).all()
    for scale in (3e38,) if feature is audio.stft else (1e20, 1e30, 3e38):
        with pytest.raises(ValueError, match="`samples` must be finite.*give finite results"):
            feature(scale * x)


def test_deltas_too_large_for_float32_are_refused():
    with pytest.raises(ValueError, match="`features` must be finite.*give finite results"):
        audio.with_deltas([[3e38], [-3e38], [3e38], [-3e38]])
