"""Segments that were found agree with those marked by hand, as far as they do."""

import numpy as np
import pytest
from reference import segments as reference

from seqlayers.metrics import most_alike, segment_scores


def test_scores_count_moments_that_agree():
    reference_times = [[0.1, 0.2], [0.5, 0.6], [0.9, 1.0]]
    found = [[0.105, 0.195], [0.49, 0.65], [0.7, 0.75], [0.93, 0.995]]
    onset, offset, segment = segment_scores(found, reference_times, 0.010001)
    assert onset[:3] == (2 / 4, 2 / 3, 4 / 7)
    assert offset[:3] == (2 / 4, 2 / 3, 4 / 7)
    assert segment[:3] == (1 / 4, 1 / 3, 2 / 7)
    np.testing.assert_allclose([onset.error, offset.error, segment.error], [0.0075, 0.005, 0.005])
    assert segment_scores(found, found) == ((1, 1, 1, 1, 0),) * 3
    pooled = segment_scores([found, np.zeros((0, 2))], [reference_times] * 2, 0.010001)
    assert pooled.onset[:3] == (2 / 4, 2 / 6, 4 / 10)
    for score in segment_scores([], reference_times):
        assert score[:3] == (0, 0, 0) and np.isnan(score.error)
    nothing = segment_scores([], []).onset
    assert nothing[:3] == (0, 0, 0) and np.isnan([nothing.r_value, nothing.error]).all()


def test_the_r_value_falls_with_moments_too_many_where_f1_hardly_does():
    marked = np.arange(10)[:, None] + [0.0, 0.5]
    missed, twice = marked[:8], np.sort(np.concatenate([marked, marked + 0.05]), axis=0)
    # recall 0.8, s = -0.2: r1 = 0.2 sqrt(2), r2 = 0
    np.testing.assert_allclose(segment_scores(missed, marked).onset.r_value, 1 - 0.1 * 2**0.5)
    # recall 1, s = 1: r1 = 1, |r2| = 1 / sqrt(2)
    doubled = segment_scores(twice, marked).onset
    np.testing.assert_allclose(doubled.r_value, 0.5 - 0.25 * 2**0.5)
    assert doubled.recall == 1 and doubled.f1 == 2 / 3


def test_no_moment_is_matched_twice():
    near = [[0.100, 0.101], [0.102, 0.103], [0.104, 0.105]]
    scores = segment_scores(near, [[0.101, 0.104]])
    assert scores.onset[:3] == scores.segment[:3] == (1 / 3, 1, 1 / 2)


def test_as_many_are_matched_as_can_be(rng):
    for _ in range(300):
        a, b = (
            np.sort(rng.integers(0, 40, (2 * n,))).reshape(-1, 2) / 1000
            for n in rng.integers(1, 9, 2)
        )
        tolerance = rng.integers(0, 12) / 1000 + 1e-9
        scores = segment_scores(a, b, tolerance)
        for columns, score in zip(([0], [1], [0, 1]), scores, strict=True):
            expected = reference.num_matched(a[:, columns], b[:, columns], tolerance)
            np.testing.assert_allclose(score.precision * len(a), expected)
            np.testing.assert_allclose(score.recall * len(b), expected)


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda: segment_scores([[0, 1]], [[0, 1]], -1), "`tolerance`.*-1"),
        (lambda: segment_scores([[0, 1, 2]], [[0, 1]]), r"`found`.*\(1, 3\) in recording 0"),
        (lambda: segment_scores([[0, 1]], [[2, 3], [0, 1]]), "`reference` must start and end"),
        (lambda: segment_scores([[0, np.nan]], [[0, 1]]), "`found` must be finite"),
        (lambda: segment_scores([[1, 0]], [[0, 1]]), "`found` must start and end in order"),
        (lambda: segment_scores([["a", "b"]], [[0, 1]]), "`found` must hold numbers.*'a'"),
        (lambda: segment_scores([[[0, 1]]] * 2, [[0, 1]]), "same recordings.*2 and 1"),
    ],
)
def test_arguments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call()


def test_a_found_segment_stands_for_the_one_that_it_shares_most_time_with():
    marked = [[0.0, 1.0], [1.0, 1.2], [1.1, 3.0], [4.0, 4.0]]
    found = [[0.1, 0.9], [0.1, 0.5], [1.05, 2.9], [1.0, 1.21], [3.9, 4.1], [5.0, 6.0]]
    assert most_alike(found, marked).tolist() == [0, -1, 2, 1, -1, -1]
    assert most_alike(found[:2], []).tolist() == [-1, -1]
    assert most_alike([], marked).shape == (0,)
    with pytest.raises(ValueError, match=r"`reference` must be finite numbers.*\(3,\)"):
        most_alike(found, [1.0, 2.0, 3.0])
