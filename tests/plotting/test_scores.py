"""Curves of training, and confusion matrices."""

import numpy as np
import pytest
from plotting.helpers import texts

from seqlayers import plotting


def test_learning_curve_draws_scores_and_what_to_compare_them_to():
    figure = plotting.learning_curve([5, 10], {"RNN-RBM": [-9.0, -8.0]}, {"RBM": -10.0})
    curve, line = figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_xydata(), [[5, -9.0], [10, -8.0]])
    assert list(line.get_ydata()) == [-10.0, -10.0]
    assert line.get_label() == "RBM -10.00"


@pytest.mark.parametrize(
    "epochs, scores, message",
    [
        ([1], {}, "`scores` must be a dict with at least one"),
        ([1, 2], {"a": [1.0]}, r"`scores\['a'\]`.*\(1,\) for epochs of shape \(2,\)"),
        ([], {"a": []}, r"`epochs` must be .*\(0,\)"),
        ([1], {"a": ["x"]}, r"`scores\['a'\]` must be a number"),
    ],
)
def test_a_learning_curve_needs_a_score_for_each_epoch(epochs, scores, message):
    with pytest.raises(ValueError, match=message):
        plotting.learning_curve(epochs, scores)


def test_monitors_are_drawn_in_a_panel_for_each_group():
    history = {"loss": [3.0, 2.0, 1.0], "val_loss": ([2], [4.0]), "gap": [0.1, 0.2, 0.3]}
    figure = plotting.monitor_curves(history, {"nats": ["loss", "val_loss"], "energy": ["gap"]})
    nats, energy = figure.axes
    np.testing.assert_array_equal(nats.lines[0].get_xydata(), [[1, 3], [2, 2], [3, 1]])
    np.testing.assert_array_equal(nats.lines[1].get_xydata(), [[2, 4]])
    np.testing.assert_allclose(energy.lines[0].get_xydata(), [[1, 0.1], [2, 0.2], [3, 0.3]])
    assert (nats.get_ylabel(), energy.get_ylabel()) == ("nats", "energy")
    assert energy.get_xlabel() == "epoch"
    alone = plotting.monitor_curves(history)
    assert [axes.get_ylabel() for axes in alone.axes] == list(history)


def test_what_is_not_finite_leaves_a_gap_and_is_counted():
    (axes,) = plotting.monitor_curves({"loss": [1.0, np.inf, 2.0]}).axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [1, np.nan, 2])
    assert texts(axes.get_legend().get_texts()) == ["loss (1 not finite)"]


@pytest.mark.parametrize(
    "history, groups, message",
    [
        ({}, None, "`history` must be a dict with at least one entry"),
        ({"loss": [1.0]}, {"nats": []}, r"`groups\['nats'\]` must be a list with at least one"),
        ({"loss": (1.0, 2.0, 3.0)}, None, r"`history\['loss'\]`.*pair.*3 items"),
        ({"loss": [1.0]}, {"nats": ["gap"]}, r"curves of `history`.*\['gap'\]"),
        ({"loss": [1.0, 2.0], "val": [1.0]}, None, "pairs.*'loss': 2, 'val': 1"),
        ({"val": ([1, 2], [1.0])}, None, r"`history\['val'\]`.*\(1,\)"),
    ],
)
def test_monitors_must_have_their_epochs(history, groups, message):
    with pytest.raises(ValueError, match=message):
        plotting.monitor_curves(history, groups)


def test_a_confusion_matrix_has_a_row_for_each_true_class(tmp_path):
    figure = plotting.confusion_matrix([[3, 1, 0], [0, 0, 0], [0, 5, 5]], ["aa", "b", "k"], "test")
    axes = figure.axes[0]
    (image,) = axes.images
    np.testing.assert_allclose(image.get_array(), [[0.75, 0.25, 0], [0, 0, 0], [0, 0.5, 0.5]])
    assert image.get_clim() == (0, 1)
    for tick_labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [text.get_text() for text in tick_labels] == ["aa", "b", "k"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first class on top
    assert axes.get_title(loc="left") == "test"


def test_61_phones_fit_in_a_confusion_matrix(tmp_path):
    figure = plotting.confusion_matrix(np.eye(61, dtype=int), [f"p{n}" for n in range(61)])
    plotting.save(figure, tmp_path / "phones.png")
    tops = [text.get_window_extent() for text in figure.axes[0].get_yticklabels()]
    assert all(above.y0 >= below.y1 - 1 for above, below in zip(tops, tops[1:], strict=False))


@pytest.mark.parametrize("matrix", [np.ones((2, 2)), np.ones((3, 2)), -np.eye(3), np.ones(3)])
def test_a_confusion_matrix_has_a_name_for_each_class(matrix):
    with pytest.raises(ValueError, match="`matrix` must .*Received"):
        plotting.confusion_matrix(matrix, ["aa", "b", "k"])
