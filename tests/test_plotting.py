"""Pictures show what they are given, and are written whole or not at all."""

import numpy as np
import pytest

from seqlayers import plotting


def test_piano_rolls_draws_a_row_for_each_roll(rng):
    rolls = [rng.integers(0, 2, (length, 88)) for length in (5, 9)]
    figure = plotting.piano_rolls(rolls, ["real", "generated"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["real", "generated"]
    for axes, roll in zip(figure.axes, rolls, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), roll.T)
        assert axes.get_xlim() == (0, 9)


def test_piano_rolls_names_the_octaves_as_pianists_do():
    roll = np.zeros((4, 88))
    roll[0, [27, 39, 51]] = 1  # MIDI 48, 60, 72
    (axes,) = plotting.piano_rolls([roll], ["real"]).axes
    ticks = dict(
        zip(axes.get_yticks(), (t.get_text() for t in axes.get_yticklabels()), strict=True)
    )
    assert ticks == {48: "C3", 60: "C4", 72: "C5"}


def test_silence_can_be_drawn(tmp_path):
    figure = plotting.piano_rolls([np.zeros((3, 88))], ["real"])
    plotting.save(figure, tmp_path / "silence.png")
    assert (tmp_path / "silence.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("rolls, titles", [([], []), ([np.zeros((3, 88))], [])])
def test_rolls_and_titles_must_go_together(rolls, titles):
    with pytest.raises(ValueError, match="`rolls` and `titles`.*Received"):
        plotting.piano_rolls(rolls, titles)


def test_learning_curve_draws_scores_and_what_to_compare_them_to():
    figure = plotting.learning_curve([5, 10], {"RNN-RBM": [-9.0, -8.0]}, {"RBM": -10.0})
    curve, line = figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_xydata(), [[5, -9.0], [10, -8.0]])
    assert list(line.get_ydata()) == [-10.0, -10.0]
    assert line.get_label() == "RBM -10.00"


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(tmp_path):
    path = tmp_path / "curve.png"
    path.write_bytes(b"old")

    class Broken:
        def savefig(self, path, dpi):
            path.write_bytes(b"half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        plotting.save(Broken(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
