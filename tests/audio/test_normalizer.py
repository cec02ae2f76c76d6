"""Normalised frames are of a common size, and come back."""

import json

import numpy as np
import pytest

from seqlayers import audio
from seqlayers.audio import Normalizer
from seqlayers.audio.spectra import SCALES


def test_normalised_frames_have_mean_0_and_variance_1(rng):
    frames = [rng.gamma(2, np.arange(1, 6), (n, 5)) for n in (30, 1, 200)]
    normalizer = Normalizer.fit(frames)
    after = np.concatenate([normalizer.normalize(block) for block in frames])
    assert after.dtype == "float32"
    np.testing.assert_allclose(after.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(after.std(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(normalizer.shift, np.concatenate(frames).mean(axis=0))
    np.testing.assert_allclose(normalizer.divisor, np.concatenate(frames).std(axis=0))


def test_scaled_frames_stay_positive_and_have_mean_square_1(rng):
    frames = [rng.gamma(2, np.arange(1, 6), (100, 5))]
    after = Normalizer.fit(frames, kind="scale").normalize(frames[0])
    assert after.min() > 0
    np.testing.assert_allclose(np.square(after).mean(axis=0), 1, rtol=1e-6)


@pytest.mark.parametrize("kind", ["standard", "scale"])
def test_a_normalizer_is_fitted_in_one_pass(rng, kind):
    frames = 1e4 + rng.normal(size=(1000, 3))  # a mean that would swallow the digits
    whole = Normalizer.fit([frames], kind)
    blocks = Normalizer.fit((frames[n : n + 7] for n in range(0, 1000, 7)), kind)
    np.testing.assert_allclose(blocks.shift, whole.shift, rtol=1e-12)
    np.testing.assert_allclose(blocks.divisor, whole.divisor, rtol=1e-9)
    if kind == "standard":
        np.testing.assert_allclose(whole.divisor, frames.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("kind", ["standard", "scale"])
@pytest.mark.parametrize("scale", SCALES)
def test_restoring_undoes_normalising(sentence, kind, scale):
    frames = audio.to_frames(audio.stft(sentence), scale)
    normalizer = Normalizer.fit([frames], kind)
    restored = normalizer.restore(normalizer.normalize(frames))
    size = np.abs(frames) + np.abs(normalizer.shift) + normalizer.divisor
    np.testing.assert_allclose(restored / size, frames / size, rtol=0, atol=1e-6)


def test_a_bin_that_never_moves_stays_quiet(rng):
    frames = rng.normal(2, 1, (50, 3)).astype("float32")
    frames[:, 1] = 0.1
    frames[:, 2] = 0
    normalizer = Normalizer.fit([frames])
    after = normalizer.normalize(frames)
    np.testing.assert_allclose(after[:, 1:], 0, atol=1e-2)
    np.testing.assert_allclose(normalizer.restore(after), frames, atol=1e-6)
    np.testing.assert_allclose(  # a model that draws noise there is not heard
        normalizer.restore(rng.normal(size=(50, 3)))[:, 1:], frames[:, 1:], atol=1e-6
    )
    assert np.isfinite(normalizer.normalize(frames + 1)).all()
    scale = Normalizer.fit([frames], "scale")
    np.testing.assert_allclose(scale.normalize(frames)[:, 1:], [[1, 0]] * 50, rtol=1e-6)


@pytest.mark.parametrize("kind", ["standard", "scale"])
def test_silence_alone_is_no_reason_to_divide_by_0(kind):
    for value in (0.0, -11.512925):
        silence = np.full((20, 4), value, "float32")
        normalizer = Normalizer.fit([silence[:3], silence[3:]], kind)
        after = normalizer.normalize(silence)
        np.testing.assert_allclose(after, np.sign(value) if kind == "scale" else 0, atol=1e-6)
        np.testing.assert_array_equal(normalizer.restore(after), silence)


@pytest.mark.parametrize("kind", ["standard", "unit"])
def test_a_config_keeps_all_bits(rng, kind):
    normalizer = Normalizer.fit([rng.normal(size=(50, 129))], kind)
    other = Normalizer.from_config(json.loads(json.dumps(normalizer.get_config())))
    np.testing.assert_array_equal(other.shift, normalizer.shift)
    np.testing.assert_array_equal(other.divisor, normalizer.divisor)
    assert other.clipped == normalizer.clipped == (kind == "unit")


def test_a_config_of_an_earlier_version_names_a_class():
    numbers = {"shift": [0.0], "divisor": [2.0]}
    for name, expected in (("Normalizer", 1.5), ("UnitNormalizer", 1.0)):
        normalizer = Normalizer.from_config({"class": name} | numbers)
        np.testing.assert_array_equal(normalizer.normalize([[3.0]]), [[expected]])
    with pytest.raises(ValueError, match="`class`.*Path"):
        Normalizer.from_config({"class": "Path"} | numbers)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


RIGHT = {"shift": [0.0], "divisor": [1.0], "clipped": False}


@pytest.mark.parametrize(
    "config, reason",
    [
        (None, "`config` must be a dict"),
        ([1], "`config` must be a dict"),
        (nested(5000), "`config` must be a dict"),
        ({"shift": [0.0]}, "`config` must be a dict with `shift` and `divisor`"),
        (RIGHT | {"scale": 1}, "no other entries.*scale"),
        (RIGHT | {"class": nested(5000)}, "`class` must be"),
        (RIGHT | {"clipped": "no"}, "`clipped` must be True or False"),
        (RIGHT | {"clipped": nested(5000)}, "`clipped` must be True or False"),
        *[
            (RIGHT | {name: value}, f"`{name}` must be|`shift` and `divisor` must each be")
            for name in ("shift", "divisor")
            for value in (nested(60), nested(5000), {}, "1", ["1"], [None], [10**400], [1e39], [])
        ],
        (RIGHT | {"divisor": [0]}, "`divisor` must be positive"),
        (RIGHT | {"shift": [float("nan")]}, "`shift` must be finite"),
    ],
)
def test_what_is_no_config_is_refused(config, reason):
    with pytest.raises(ValueError, match=reason):
        Normalizer.from_config(config)


@pytest.mark.tensorflow
def test_keras_normalises_alike(rng):
    import keras

    frames = rng.gamma(2, 1, (10, 5)).astype("float32")
    normalizer = Normalizer.fit([frames])
    layer = keras.layers.Normalization(mean=normalizer.shift, variance=normalizer.divisor**2)
    np.testing.assert_allclose(layer(frames), normalizer.normalize(frames), atol=1e-5)


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda x: Normalizer.fit([]), "`frames` must hold at least one array.*none"),
        (lambda x: Normalizer.fit(x), r"`frames\[0\]` must be an array.*\(129,\)"),
        (lambda x: Normalizer.fit([x, x[:, 1:]]), r"`frames\[1\]` must have 129.*128"),
        (lambda x: Normalizer.fit([x], "mean"), '`kind`.*"scale".*mean'),
        (lambda x: Normalizer.fit([], "unit"), "`frames` must hold at least one array.*none"),
        (lambda x: Normalizer([0, 0], [1]), r"`shift` and `divisor`.*\(2,\) and \(1,\)"),
        (lambda x: Normalizer([0, 0], [1, -1]), "`divisor` must be positive.*-1 in bin 1"),
        (lambda x: Normalizer([0, 0], [1, np.nan]), "`divisor` must be finite.*nan"),
        (lambda x: Normalizer([0], [1]).normalize(x), r"`frames` must have 1 bins.*129"),
    ],
)
def test_arguments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call(np.ones((10, 129), "float32"))


def test_values_between_0_and_1_are_those_of_the_equation(rng):
    frames = [rng.normal(size=(n, 5)) * np.arange(1, 6) for n in (30, 1, 200)]
    whole = np.concatenate(frames)
    normalizer = Normalizer.fit(iter(frames), "unit")
    after = normalizer.normalize(whole)
    expected = (whole - whole.min(axis=0)) / (whole.max(axis=0) - whole.min(axis=0))
    np.testing.assert_allclose(after, expected, atol=1e-6)
    np.testing.assert_array_equal([after.min(axis=0), after.max(axis=0)], [[0] * 5, [1] * 5])
    np.testing.assert_allclose(normalizer.restore(after), whole, atol=1e-5)


def test_values_of_other_recordings_are_clipped():
    normalizer = Normalizer.fit([np.array([[0.0, 5.0], [2.0, 5.0]])], "unit")
    np.testing.assert_array_equal(
        normalizer.normalize([[-1, 5], [3, 6], [1, 4]]), [[0, 0], [1, 1], [0.5, 0]]
    )
    silence = np.full((3, 4), -11.512925, "float32")
    np.testing.assert_array_equal(Normalizer.fit([silence], "unit").normalize(silence), 0)
    np.testing.assert_array_equal(Normalizer.fit([0 * silence], "unit").normalize(0 * silence), 0)


def test_each_sequence_is_normalised_by_itself(rng):
    sequences = [rng.normal(3, 5, (length, 4)) for length in (30, 7)]
    for before, after in zip(sequences, audio.normalize(sequences), strict=True):
        assert after.shape == before.shape and after.dtype == "float32"
        np.testing.assert_allclose(after.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(after.std(axis=0), 1, atol=1e-5)


def test_a_speaker_is_normalised_as_a_whole(rng):
    sequences = [rng.normal(n, n + 1, (10 + n, 2)) for n in range(4)]
    speakers = ["her", "him", "her", "him"]
    after = audio.normalize(sequences, speakers)
    for own in ((0, 2), (1, 3)):
        frames = np.concatenate([after[n] for n in own])
        np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-5)
        whole = np.concatenate([sequences[n] for n in own])
        np.testing.assert_allclose(
            frames * whole.std(axis=0) + whole.mean(axis=0), whole, atol=1e-4
        )


def test_what_never_changes_becomes_0():
    constant = np.full((50, 1), -23.02585, "float32")
    np.testing.assert_allclose(audio.normalize([constant])[0], 0, atol=1e-5)


@pytest.mark.parametrize("groups", [["a", "b"], []])
def test_there_must_be_a_group_for_each_sequence(groups):
    with pytest.raises(ValueError, match=f"`groups`.*{len(groups)} for 1"):
        audio.normalize([np.ones((10, 1))], groups)
