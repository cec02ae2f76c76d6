"""Piano rolls show the notes, keys and kinds they are given."""

import numpy as np
import pytest
from plotting.helpers import texts, titles

from seqlayers import plotting


def test_piano_rolls_draws_a_row_for_each_roll(rng):
    rolls = [rng.integers(0, 2, (length, 88)) for length in (5, 9)]
    figure = plotting.piano_rolls(rolls, ["a chorale", "a model"], ["real", "generated"])
    assert titles(figure) == ["a chorale", "a model"]
    for axes, roll in zip(figure.axes, rolls, strict=True):  # and no scale: there are no shades
        np.testing.assert_array_equal(axes.images[0].get_array(), roll.T)
        assert axes.get_xlim() == (0, 9)


def test_the_kind_of_a_roll_is_its_color_whatever_its_title(rng):
    rolls, kinds = rng.integers(0, 2, (3, 4, 88)), ["generated", "reconstructed", "real"]
    figure = plotting.piano_rolls(rolls, ["real?", "a", "b"], kinds)
    inks = [axes.images[0].to_rgba(1.0) for axes in figure.axes]
    assert len({tuple(ink) for ink in inks}) == 3
    assert inks[0][2] > 0.6 > 2 * inks[0][0]  # blue
    assert inks[1][0] > 0.6 > 2 * inks[1][2]  # brown
    assert max(inks[2][:3]) < 0.2  # black
    for axes in figure.axes:
        assert axes.images[0].to_rgba(0.0) == (1, 1, 1, 1)


def test_probabilities_are_shades_between_white_and_ink(rng):
    roll = rng.random((6, 88))
    figure = plotting.piano_rolls([roll > 0.5, roll], ["x", "x seen"], ["real", "reconstructed"])
    *panels, scale = figure.axes
    assert scale.get_ylabel() == "probability"
    np.testing.assert_array_equal(panels[1].images[0].get_array(), roll.T)
    assert [axes.images[0].get_clim() for axes in panels] == [(0, 1), (0, 1)]
    greens = [panels[1].images[0].to_rgba(p)[1] for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert greens == sorted(greens, reverse=True) and greens[-1] < 0.5


def test_keys_too_faint_to_be_seen_do_not_widen_a_picture():
    roll = np.full((4, 88), 0.01)
    roll[1, 39:52] = 0.9  # MIDI 60 to 72
    axes = plotting.piano_rolls([roll], ["x"], ["reconstructed"]).axes[0]
    assert axes.get_ylim() == (58, 74)


def test_piano_rolls_names_the_octaves_as_pianists_do():
    roll = np.zeros((4, 88))
    roll[0, [27, 39, 51]] = 1  # MIDI 48, 60, 72
    (axes,) = plotting.piano_rolls([roll], ["x"], ["real"]).axes
    ticks = dict(zip(axes.get_yticks(), texts(axes.get_yticklabels()), strict=True))
    assert ticks == {48: "C3", 60: "C4", 72: "C5"}


def test_silence_can_be_drawn(tmp_path):
    figure = plotting.piano_rolls([np.zeros((3, 88))], ["x"], ["real"])
    plotting.save(figure, tmp_path / "silence.png")
    assert (tmp_path / "silence.png").read_bytes().startswith(b"\x89PNG")


ROLL = np.zeros((3, 88))


@pytest.mark.parametrize(
    "rolls, names, kinds, message",
    [
        ([], [], [], "`rolls` must be a list with at least one item.*none"),
        ([ROLL], "ab", ["real"], "1 rolls, 2 titles and 1 kinds"),
        ([ROLL], ["a"], ["reel"], r"`kinds\[0\]` must be \"real\" or .*'reel'"),
        ([ROLL, ROLL[0]], "ab", ["real"] * 2, r"`rolls\[1\]`.*`\(time, keys\)`.*\(88,\)"),
        ([ROLL[:0]], "a", ["real"], r"`rolls\[0\]`.*\(0, 88\)"),
        ([ROLL, ROLL[:, 1:]], "ab", ["real"] * 2, r"one number of keys.*\[87, 88\]"),
        ([ROLL + 2], "a", ["real"], "0 or above, 1 or below.*from 2 to 2"),
        ([ROLL + np.nan], "a", ["real"], "finite numbers.*264 of 264"),
        ([[[0, 1], [0]]], "a", ["real"], "list that is no array of real numbers"),
    ],
)
def test_rolls_titles_and_kinds_must_go_together(rolls, names, kinds, message):
    with pytest.raises(ValueError, match=message):
        plotting.piano_rolls(rolls, names, kinds)
