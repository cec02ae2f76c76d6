"""Labels of frames and their runs, against all labellings of short recordings."""

import itertools

import numpy as np
import pytest

from seqlayers.models.labelling import Run, best_labels, confidences, runs


def log_probs(*rows):
    """Log-probabilities of frames; those of class 0 are the rest."""
    p = np.array(rows, "float64")
    return np.log(np.column_stack([1 - p.sum(axis=1), p]))


def value(labels, log_probs, cost):
    changes = sum(a != b for a, b in itertools.pairwise(labels))
    return sum(row[c] for row, c in zip(log_probs, labels, strict=True)) - cost * changes


@pytest.mark.parametrize("cost, least", [(0, 1), (0.7, 1), (0, 3), (0.4, 2), (5, 2)])
def test_labels_are_the_best_of_all_labellings(rng, cost, least):
    for _ in range(5):
        frames = np.log(rng.dirichlet([0.5] * 3, size=7))
        allowed = [
            y
            for y in itertools.product(range(3), repeat=7)
            if all(end - start >= least for start, end, _ in runs(y))
        ]
        best = max(allowed, key=lambda y: value(y, frames, cost))
        assert best_labels(frames, cost, least).tolist() == list(best)


def test_a_frame_that_differs_from_its_neighbours_is_outvoted_by_them():
    frames = log_probs([0.1, 0.1], *[[0.8, 0.1]] * 3, [0.3, 0.6], *[[0.8, 0.1]] * 3, [0.1, 0.1])
    assert best_labels(frames).tolist() == [0, 1, 1, 1, 2, 1, 1, 1, 0]
    assert best_labels(frames, change_cost=1).tolist() == [0, *[1] * 7, 0]


def test_a_run_is_cut_where_its_class_changes_clearly():
    frames = log_probs(*[[0.8, 0.1]] * 4, *[[0.1, 0.8]] * 4)
    assert best_labels(frames, change_cost=3).tolist() == [1] * 4 + [2] * 4
    assert best_labels(frames, change_cost=100).tolist() in ([1] * 8, [2] * 8)


def test_a_sound_that_is_too_short_is_no_label():
    frames = log_probs(*[[0.1]] * 4, *[[0.9]] * 3, *[[0.1]] * 4)
    assert best_labels(frames, 0, 3).tolist() == [0] * 4 + [1] * 3 + [0] * 4
    assert best_labels(frames, 0, 8).tolist() == [0] * 11
    assert best_labels(frames[4:7], 0, 8).tolist() == [0] * 3  # no run fits


def test_probabilities_of_0_are_possible():
    with np.errstate(divide="ignore"):
        frames = np.maximum(log_probs([0, 1.0], [0, 1.0], [1.0, 0]), -1e4)
    assert best_labels(frames, 2).tolist() == [2, 2, 1]


def test_runs_of_neighbouring_labels():
    assert runs([]) == []
    assert runs([0, 0]) == []
    assert runs([3]) == [Run(0, 1, 3)]
    assert runs([1, 1, 0, 1, 2]) == [Run(0, 2, 1), Run(3, 4, 1), Run(4, 5, 2)]


def test_confidence_is_the_mean_probability_of_the_label():
    frames = log_probs([0.5, 0.2], [0.7, 0.2], [0.1, 0.9 - 1e-9])
    np.testing.assert_allclose(confidences(frames, [Run(0, 2, 1), Run(2, 3, 2)]), [0.6, 0.9])
    assert confidences(frames, []).shape == (0,)


@pytest.mark.parametrize(
    "changed, name",
    [
        ({"log_probs": np.zeros(3)}, "log_probs"),
        ({"log_probs": np.full((3, 2), -np.inf)}, "log_probs"),
        ({"change_cost": -1}, "change_cost"),
        ({"min_frames": 0}, "min_frames"),
    ],
)
def test_wrong_arguments_are_named(changed, name):
    arguments = {"log_probs": np.zeros((3, 2)), "change_cost": 1, "min_frames": 1} | changed
    with pytest.raises(ValueError, match=f"`{name}`"):
        best_labels(**arguments)
