"""Pictures of hidden units: how active they are, and their weights."""

import numpy as np
import pytest
from plotting.helpers import texts, titles

from seqlayers import plotting


def test_hidden_activity_is_a_map_of_units_over_time_beside_their_means():
    activity = np.array([[0.0, 0.9, 0.2], [0.0, 0.7, 0.4]])  # 2 steps of 3 units
    figure = plotting.hidden_activity(activity, "a chorale")
    axes, margin, scale = figure.axes
    np.testing.assert_array_equal(axes.images[0].get_array(), activity.T)
    assert axes.images[0].get_clim() == (0, 1)
    assert (axes.get_xlim(), axes.get_ylim()) == ((0.5, 2.5), (-0.5, 2.5))
    np.testing.assert_allclose([bar.get_width() for bar in margin.patches], [0, 0.8, 0.3])
    assert [bar.get_y() + bar.get_height() / 2 for bar in margin.patches] == [0, 1, 2]
    assert titles(figure) == ["a chorale", "mean 0.37"]
    assert scale.get_ylabel() == "activity"


def test_sorted_the_most_active_unit_is_on_top():
    activity = np.array([[0.0, 0.9, 0.2], [0.0, 0.7, 0.4]])
    axes, margin, _ = plotting.hidden_activity(activity, sort=True).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), activity.T[[0, 2, 1]])
    np.testing.assert_allclose([bar.get_width() for bar in margin.patches], [0, 0.3, 0.8])
    assert "by mean" in axes.get_ylabel()


def test_outputs_below_zero_are_drawn_with_zero_white_and_count_by_size():
    outputs = np.array([[-0.5, 0.1], [0.5, 0.1], [-0.5, 0.1]])
    figure = plotting.hidden_activity(outputs)
    axes, margin, _ = figure.axes
    image = axes.images[0]
    assert image.get_clim() == (-1, 1)
    np.testing.assert_allclose(image.to_rgba(0.0), (1, 1, 1, 1), atol=0.01)
    assert image.to_rgba(-1.0)[2] > image.to_rgba(-1.0)[0]  # blue
    assert image.to_rgba(1.0)[0] > image.to_rgba(1.0)[2]  # brown
    np.testing.assert_allclose([bar.get_width() for bar in margin.patches], [0.5, 0.1])
    wide = plotting.hidden_activity(3 * outputs).axes[0].images[0]
    assert wide.get_clim() == (-1.5, 1.5)


@pytest.mark.parametrize("shape", [(5,), (2, 5, 3), (0, 3)])
def test_the_activity_of_one_sequence_is_asked_for(shape):
    with pytest.raises(ValueError, match=r"`activity`.*`\(time, units\)`.*Received: shape"):
        plotting.hidden_activity(np.zeros(shape))
    with pytest.raises(ValueError, match="`activity`.*finite.*1 of 4"):
        plotting.hidden_activity([[0, 1], [np.nan, 0]])


def test_weights_of_88_keys_are_the_colors_of_a_piano(rng):
    W = rng.normal(size=(88, 3)) * [1, 3, 2]
    *panels, scale = plotting.receptive_fields(W).axes
    assert [axes.get_ylabel().split()[1] for axes in panels] == ["1", "2", "0"]
    for axes, j in zip(panels, (1, 2, 0), strict=True):
        white, black = axes.collections
        notes = 21 + np.arange(88)
        is_black = np.isin(notes % 12, (1, 3, 6, 8, 10))
        np.testing.assert_array_equal(white.get_array(), W[~is_black, j])
        np.testing.assert_array_equal(black.get_array(), W[is_black, j])
        left = [path.vertices[:, 0].min() for path in white.get_paths()]
        assert (np.diff(left) == 1).all() and len(left) == 52  # side by side
        limit = np.abs(W).max()
        assert white.get_clim() == black.get_clim() == (-limit, limit)
        np.testing.assert_allclose(white.cmap(white.norm(0.0)), (1, 1, 1, 1), atol=0.01)
    assert scale.get_ylabel() == "weight"


def test_a_black_key_lies_over_the_gap_of_the_white_ones_beside_it():
    *_, axes, _ = plotting.receptive_fields(np.ones((88, 1)), num_units=1).axes
    white, black = ([p.vertices for p in keys.get_paths()] for keys in axes.collections)
    middles = [key[:4, 0].mean() - white[0][:, 0].min() for key in black]
    assert middles[:6] == pytest.approx([1, 3, 4, 6, 7, 8])  # of A B, C D E, F G A B
    assert black[0][:, 1].min() > white[0][:, 1].min()
    assert np.ptp(black[0][:, 0]) < np.ptp(white[0][:, 0])


def test_the_octaves_of_a_piano_begin_at_its_cs():
    axes = plotting.receptive_fields(np.ones((88, 2)), num_units=1).axes[0]
    assert texts(axes.get_xticklabels()) == [f"C{n}" for n in range(1, 9)]
    assert (np.diff(axes.get_xticks()) == 7).all()
    white = axes.collections[0].get_paths()
    assert white[2].vertices[:4, 0].mean() == axes.get_xticks()[0]  # A, B, C
    other = plotting.receptive_fields(np.ones((88, 2)), first_note=24, num_units=1).axes[0]
    assert other.get_xticks()[0] == other.get_xlim()[0] + 0.5


def test_weights_of_other_units_lie_side_by_side(rng):
    W = rng.normal(size=(10, 4))
    norms = np.linalg.norm(W, axis=0)
    *panels, _ = plotting.receptive_fields(W, num_units=2).axes
    for axes, j in zip(panels, np.argsort(-norms)[:2], strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), W[None, :, j])
        assert axes.get_ylabel() == f"unit {j}\nnorm {norms[j]:.3g}"
        assert axes.get_xlim() == (-0.5, 9.5)
    assert panels[-1].get_xlabel() == "visible unit"


def test_weights_of_88_frequencies_are_no_piano(rng):
    *panels, _ = plotting.receptive_fields(rng.normal(size=(88, 4)), sample_rate=16000).axes
    assert len(panels) == 4 and panels[-1].get_xlabel() == "kHz"
    assert panels[0].get_xlim() == (0, 8)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"kernel": np.zeros(88)}, r"`kernel`.*\(88,\)"),
        ({"kernel": np.full((88, 2), np.inf)}, "`kernel`.*176 of 176"),
        ({"kernel": np.zeros((88, 2)), "num_units": 0}, "`num_units`"),
        ({"kernel": np.zeros((88, 2)), "first_note": 2.5}, "`first_note`"),
        ({"kernel": np.zeros((88, 2)), "sample_rate": 0}, "`sample_rate`.*0"),
    ],
)
def test_receptive_fields_name_the_wrong_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        plotting.receptive_fields(**arguments)
