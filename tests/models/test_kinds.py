"""Segments are sorted into kinds, whose number is found, by their vectors and durations."""

import sys

import numpy as np
import pytest

from seqlayers.metrics import v_measure
from seqlayers.models import find_kinds, kinds

pytest.importorskip("sklearn")


@pytest.fixture
def groups(rng):
    """Vectors of three groups, of 40, 30 and 20 segments in mixed order, and the groups."""
    truth = rng.permutation(np.repeat([0, 1, 2], [20, 40, 30]))
    return rng.normal(size=(3, 12))[truth] + 0.1 * rng.normal(size=(90, 12)), truth


def test_groups_are_found_the_most_frequent_first(groups):
    vectors, truth = groups
    found = find_kinds(vectors, np.ones(90), seed=1)
    assert found.numbers.tolist() == np.array([3, 1, 2])[truth].tolist()
    assert found.places.shape == (90, 2) and found.places.dtype == "float32"
    assert 0 < found.confidence.min() and found.confidence.max() == 1
    again = find_kinds(vectors, np.ones(90), seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
    larger = find_kinds(1000 * vectors + 7, np.ones(90), seed=1)
    assert v_measure(truth, larger.numbers) == 1


def test_durations_part_what_vectors_do_not(groups, rng):
    vectors, truth = groups
    long = (truth == 1) & (np.arange(90) % 2 == 0)
    found = find_kinds(vectors, (0.04 + 0.04 * long) * rng.uniform(0.98, 1.02, 90))
    assert v_measure(truth + 3 * long, found.numbers) == 1


def test_what_lies_far_from_all_kinds_is_of_no_kind_or_not_sure(groups, rng):
    vectors, _ = groups
    found = find_kinds(np.vstack([vectors, [[50.0] * 12]]), np.ones(91))
    assert found.confidence[-1] < 0.5 < np.median(found.confidence)


def test_of_many_segments_some_are_drawn_and_the_others_are_of_the_nearest_kind(
    groups, monkeypatch
):
    vectors, truth = groups
    monkeypatch.setattr(kinds, "MOST", 60)
    monkeypatch.setattr(kinds, "_NEAR", 7)
    found = find_kinds(vectors, np.ones(90))
    assert np.bincount(found.numbers).tolist() == [0, 40, 30, 20]
    assert v_measure(truth, found.numbers) == 1
    assert len(np.unique(found.places, axis=0)) == 60


def test_numbers_whose_squares_are_too_large_are_sorted_as_smaller_ones(groups):
    vectors, _ = groups
    found, large = (find_kinds(scale * vectors, np.ones(90)) for scale in (1.0, 2.0**100))
    assert np.array_equal(found.numbers, large.numbers)
    assert np.array_equal(found.places, large.places)


def test_a_large_column_that_is_constant_changes_nothing(groups):
    vectors, _ = groups
    points = kinds.points_of(np.hstack([vectors, np.full((90, 1), 1e7)]), np.ones(90))
    expected = kinds.points_of(vectors, np.ones(90))
    np.testing.assert_allclose(np.delete(points, 12, axis=1), expected, rtol=1e-5, atol=1e-7)


def test_durations_that_differ_by_rounding_alone_count_as_equal(groups, rng):
    vectors, _ = groups
    times = np.round(np.arange(90)[:, None] * 0.3 + [0, 1 / 7], 6)
    points = kinds.points_of(vectors, np.diff(times, axis=1)[:, 0])
    assert np.array_equal(points, kinds.points_of(vectors, np.ones(90)))


LIKE = np.arange(30)[:, None] * 0.3 + [0, 0.1]  # segments as long as each other, but for rounding
NEARLY = 1 + 1e-7 * np.random.default_rng(0).normal(size=(30, 3))


@pytest.mark.parametrize(
    "vectors, durations, reason",
    [
        (np.ones((19, 3)), np.ones(19), "at least 20 segments. Received: 19"),
        (np.ones(30), np.ones(30), r"`vectors` must be finite numbers.*\(30,\)"),
        (np.full((30, 3), np.nan), np.ones(30), r"`vectors` must be.*not finite"),
        (np.ones((30, 3)), np.ones(29), r"`durations` must be 30 finite.*\(29,\)"),
        (np.ones((30, 3)), np.zeros(30), "`durations` must be 30 finite numbers above 0"),
        (np.ones((30, 3)), np.arange(30.0), "`durations` must be 30 finite.*with 1 other"),
        (np.ones((30, 3)), np.ones(30), "must not be the same for all of them"),
        (np.ones((30, 3)), np.diff(LIKE, axis=1)[:, 0], "must not be the same for all of them"),
        (NEARLY, np.ones(30), "must not be the same for all of them"),
        (np.tile(NEARLY, 200), np.ones(30), "must not be the same for all of them"),
    ],
)
def test_arguments_are_checked(vectors, durations, reason):
    with pytest.raises(ValueError, match=reason):
        find_kinds(vectors, durations)


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match=r"seqlayers\[cluster\]"):
        find_kinds(np.eye(30), np.ones(30))
