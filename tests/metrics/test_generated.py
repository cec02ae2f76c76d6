"""Spectra, coverage and hidden activity are those of their definitions."""

import numpy as np
import pytest

from seqlayers.metrics import (
    density_coverage,
    hidden_activity,
    log_spectral_distance,
    long_term_spectrum,
    modulation_spectrum,
    pieces,
    precision_recall,
)


def test_the_long_term_spectrum_is_the_mean_power_of_all_frames_pooled(rng):
    sequences = [rng.random((length, 3)) for length in (4, 1, 7)]
    expected = np.square(np.concatenate(sequences)).mean(axis=0)
    np.testing.assert_allclose(long_term_spectrum(sequences), expected, rtol=1e-12)
    array = rng.random((2, 5, 3))
    np.testing.assert_allclose(long_term_spectrum(array), np.square(array).mean(axis=(0, 1)))


def test_a_bin_that_swings_has_its_modulation_at_its_rate_and_nowhere_else():
    T, t = 32, np.arange(160)
    swing = 5 * (1 + 0.5 * np.cos(2 * np.pi * 4 * t / T))
    A = np.stack([swing, np.full(160, 5.0), np.zeros(160), swing / 1000], axis=-1)
    P = modulation_spectrum(A, T)
    assert P.shape == (T // 2, 4)
    assert P[:, 0].argmax() == 3  # m = 4, of which 0 is left out
    # |sum_t w_t 0.5 cos|^2 = (0.25 sum w)^2, and of a Hann window (sum w)^2 / sum w^2 = 2 T / 3.
    assert P[3, 0] == pytest.approx(0.25**2 * 2 * T / 3)
    np.testing.assert_allclose(P[[0, 1, *range(5, 16)], 0], 0, atol=1e-20)
    np.testing.assert_allclose(P[:, 1:3], 0, atol=1e-20)
    np.testing.assert_allclose(P[:, 3], P[:, 0], atol=1e-12)  # loudness has no effect


def test_white_noise_is_modulated_alike_at_all_rates(rng):
    A = 3 + 0.3 * rng.normal(size=(400, 64, 2))  # variance 0.01 of A / a - 1
    P = modulation_spectrum(A, 16)
    np.testing.assert_allclose(P[:-1], 0.01, rtol=0.15)
    short = modulation_spectrum([A[0], A[1, :15]], 16)  # what is short is left out
    np.testing.assert_array_equal(short, modulation_spectrum(A[0], 16))


def test_a_level_is_a_distance_of_spectra_and_none_of_modulations(rng):
    A = 0.1 + rng.random((3, 64, 5))
    louder = log_spectral_distance(long_term_spectrum(10 * A), long_term_spectrum(A))
    assert louder == pytest.approx(20)
    assert log_spectral_distance(modulation_spectrum(10 * A), modulation_spectrum(A)) < 1e-9


def test_the_distance_of_spectra_is_in_decibels_both_ways_and_has_a_floor():
    P = np.array([1.0, 10.0, 100.0])
    assert log_spectral_distance(P, P) == 0 == log_spectral_distance([0.0], [0.0])
    assert log_spectral_distance(P, P[::-1]) == pytest.approx(np.sqrt(800 / 3))
    assert log_spectral_distance(P[::-1], P) == log_spectral_distance(P, P[::-1])
    assert log_spectral_distance([1.0, 0.0], [1.0, 1e-3], 1e-6) == pytest.approx(np.sqrt(900 / 2))
    assert log_spectral_distance([1.0, 0.0], [1.0, 1e-3], 0.01) == 0
    assert log_spectral_distance([1.0, 0.0], [1.0, 1e-3]) == pytest.approx(np.sqrt(2500 / 2))


def test_the_distance_of_spectrograms_is_the_mean_over_frames(rng):
    P, Q = rng.gamma(2, 1, (2, 20, 129))
    expected = sum(
        np.sqrt(np.mean((10 * np.log10(p / q)) ** 2)) / 20 for p, q in zip(P, Q, strict=True)
    )
    assert log_spectral_distance(P, Q) == pytest.approx(expected)
    assert log_spectral_distance(0 * P, 0 * P + 1, floor=1e-10) == pytest.approx(100)


def by_definition(points, others, k):
    """Precision and recall of points among others, one pair after the other."""
    among = 0
    for x in points:
        inside = False
        for n, s in enumerate(others):
            distances = [np.linalg.norm(s - o) for m, o in enumerate(others) if m != n]
            inside |= bool(np.linalg.norm(x - s) <= sorted(distances)[k - 1])
        among += inside
    return among / len(points)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_are_those_of_their_definition(rng, k):
    real, generated = rng.normal(size=(12, 2)), 2 + 0.7 * rng.normal(size=(9, 2))
    found = precision_recall(generated, real, neighbours=k)
    expected = by_definition(generated, real, k), by_definition(real, generated, k)
    assert found == pytest.approx(expected)
    assert 0 < found.precision < 1 and 0 < found.recall < 1


def test_precision_falls_with_what_never_is_and_recall_with_what_is_left_out(rng):
    two = np.concatenate([rng.normal(size=(60, 3, 2)), 50 + rng.normal(size=(60, 3, 2))])
    one, far = two[:60], 500 + rng.normal(size=(60, 3, 2))
    assert precision_recall(two, two) == (1, 1)
    assert precision_recall(one, two) == (1, 0.5)
    assert precision_recall(two, one) == (0.5, 1)
    assert precision_recall(far, two) == (0, 0)


@pytest.mark.parametrize("k", [1, 3])
def test_density_and_coverage_are_those_of_their_definition(rng, k):
    real, generated = rng.normal(size=(12, 2)), 1 + 0.7 * rng.normal(size=(9, 2))
    reached = np.zeros((len(generated), len(real)), bool)
    for n, s in enumerate(real):
        distances = [np.linalg.norm(s - o) for m, o in enumerate(real) if m != n]
        for m, x in enumerate(generated):
            reached[m, n] = np.linalg.norm(x - s) <= sorted(distances)[k - 1]
    found = density_coverage(generated, real, neighbours=k)
    assert found == pytest.approx((reached.sum() / (k * len(generated)), reached.any(0).mean()))
    assert found.density > 0 and 0 < found.coverage < 1


def test_coverage_of_points_drawn_alike_is_that_of_theory(rng):
    found = [density_coverage(*rng.normal(size=(2, 200, 3)), neighbours=2) for _ in range(20)]
    density, coverage = np.mean(found, axis=0)
    assert density == pytest.approx(1, abs=0.05)
    # None of the N points drawn is nearer than the second of the N - 1 others.
    expected = 1 - (199 / 399) * (198 / 398)
    assert coverage == pytest.approx(expected, abs=0.02)


def test_points_far_from_all_raise_recall_and_not_coverage(rng):
    real = rng.normal(size=(60, 2))
    far = 50 * rng.normal(size=(60, 2))
    assert precision_recall(far, real).recall > 0.9
    assert density_coverage(far, real, neighbours=3).coverage < 0.2
    assert density_coverage(real, real, neighbours=3).coverage == 1


def test_pieces_lie_within_one_sequence(rng):
    long, short = rng.random((7, 2)), rng.random((2, 2))
    np.testing.assert_array_equal(pieces([long, short], 3), [long[:3], long[3:6]])
    assert pieces([long, short], 2, hop=1).shape == (7, 2, 2)
    assert pieces(np.stack([long, long]), 7).shape == (2, 7, 2)


def test_a_hidden_unit_is_silent_by_its_mean_over_all_frames():
    activity = np.zeros((2, 5, 4))
    activity[..., 0], activity[0, 0, 1], activity[..., 2] = 1, 0.9, 0.06  # means 1, 0.09, 0.06, 0
    assert hidden_activity(activity) == pytest.approx((1.15 / 4, 0.25))
    assert hidden_activity(activity, level=0.07)[1] == 0.5
    assert hidden_activity(activity, level=0.1)[1] == 0.75


@pytest.mark.parametrize(
    "message, function, arguments",
    [
        ("`amplitudes` must be amplitudes.*-1", long_term_spectrum, [[[-1.0, 2.0]]]),
        ("`amplitudes` must be amplitudes.*nan", long_term_spectrum, [[[np.nan, 2.0]]]),
        ("`amplitudes` must be frames", long_term_spectrum, [[]]),
        ("`amplitudes` must be frames", long_term_spectrum, [[np.ones((2, 3)), np.ones((2, 4))]]),
        (
            "`num_frames` must be an integer of at least 4",
            modulation_spectrum,
            [np.ones((9, 2)), 3],
        ),
        ("8 frames or more.*at most 5", modulation_spectrum, [np.ones((2, 5, 2)), 8]),
        ("one shape.*\\(2,\\) and \\(3,\\)", log_spectral_distance, [np.ones(2), np.ones(3)]),
        ("`other` must hold powers", log_spectral_distance, [np.ones(2), -np.ones(2)]),
        ("`floor` must be", log_spectral_distance, [np.ones(2), np.ones(2), 0.0]),
        (
            "`real` must hold more than 3 points",
            precision_recall,
            [np.ones((4, 2)), np.ones((3, 2))],
        ),
        ("`generated` must hold", precision_recall, [np.full((4, 2), np.nan), np.ones((4, 2))]),
        ("`real` must hold more than 5", density_coverage, [np.ones((6, 2)), np.ones((5, 2))]),
        ("one shape.*2,.*3,", precision_recall, [np.ones((4, 2)), np.ones((4, 3))]),
        ("one shape", density_coverage, [np.ones((6, 2, 3)), np.ones((6, 3, 2))]),
        ("`real` must hold points.*'a'", density_coverage, [np.ones((6, 1)), [["a"]] * 6]),
        ("`real` must hold points.*complex", density_coverage, [np.ones((6, 1)), [[1j]] * 6]),
        (
            "`generated` must hold finite",
            density_coverage,
            [np.full((6, 1), 1e200), np.ones((6, 1))],
        ),
        ("`neighbours` must be an integer", precision_recall, [np.ones((4, 2))] * 2 + [0]),
        ("6 frames or more.*at most 5", pieces, [np.ones((5, 2)), 6]),
        ("`hop` must be an integer", pieces, [np.ones((5, 2)), 2, 0]),
        ("`activity` must hold.*\\(3,\\)", hidden_activity, [np.ones(3)]),
        ("`activity` must hold", hidden_activity, [np.full((3, 2), 1.5)]),
        ("`level` must be a finite number", hidden_activity, [np.ones((3, 2)), 1]),
    ],
)
def test_what_no_spectrum_or_set_of_points_is_is_refused(message, function, arguments):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
