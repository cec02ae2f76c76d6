"""The signal-to-distortion ratio is that of its definition, whatever the level."""

import numpy as np
import pytest

from seqlayers.metrics import si_sdr


def test_noise_that_is_orthogonal_has_the_ratio_of_powers(rng):
    s, noise = rng.normal(size=(2, 1000))
    noise -= np.dot(noise, s) / np.dot(s, s) * s
    for decibels in (-10, 0, 25):
        level = np.sqrt(np.dot(s, s) / np.dot(noise, noise)) * 10 ** (-decibels / 20)
        assert si_sdr(s, s + level * noise) == pytest.approx(decibels)
        assert si_sdr(s, -s - level * noise) == pytest.approx(decibels)


def test_levels_of_both_sounds_have_no_effect(rng):
    s, y = rng.normal(size=(2, 100))
    expected = si_sdr(s, s + y)
    for one, other in ((1e-3, 1e6), (1e-200, 1e200)):
        assert si_sdr(one * s, other * (s + y)) == pytest.approx(expected)


def test_the_ratio_of_equal_and_of_unlike_sounds_is_infinite():
    assert si_sdr([1.0, -2.0], [2.0, -4.0]) == np.inf
    assert si_sdr([1.0, 0.0], [0.0, 1.0]) == -np.inf


@pytest.mark.parametrize(
    "reference, estimate, reason",
    [
        ([1.0, 2.0], [1.0], r"as many samples.*\(2,\) and \(1,\)"),
        ([[1.0]], [[1.0]], r"as many samples.*\(1, 1\)"),
        ([1.0, 2.0], [1.0, 2j], "`estimate` must have real samples.*complex"),
        ([0.0, 0.0], [1.0, 1.0], "`reference` must be finite and not silent.*Received: 0 samples"),
        ([1.0, 1.0], [0.0, np.nan], "`estimate` must be finite.*1 that are not finite"),
    ],
)
def test_arguments_are_checked(reference, estimate, reason):
    with pytest.raises(ValueError, match=reason):
        si_sdr(reference, estimate)
