"""Pictures of hidden units: their activity, and their receptive fields."""

import numpy as np

from seqlayers.checks import check_integer, check_number
from seqlayers.plotting.figures import (
    RECONSTRUCTED,
    check_numbers,
    diverging,
    heat_map,
    image,
    new_figure,
    shades,
)
from seqlayers.plotting.rolls import FIRST_NOTE

_PIANO_KEYS = 88
_FLOAT32 = np.finfo("float32").min, np.finfo("float32").max  # norms of larger weights overflow
_PLACE_IN_OCTAVE = (0, 0.5, 1, 1.5, 2, 3, 3.5, 4, 4.5, 5, 5.5, 6)  # C is 0, C sharp 0.5, D 1


def hidden_activity(activity, title="", sort=False):
    """Draws the activity of each hidden unit over time, and its mean beside it.

    Colors run from 0 to 1, or from -1 to 1 if there are negative values, or further if values
    exceed 1. Bars are means of absolute values.

    Args:
        activity: Activity `(T, H)` of one sequence, such as one row of what `SequenceModel.encode`
            or any recurrent layer returns.
        title: Title of the picture.
        sort: Whether to sort the units by their mean, the most active on top.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If `activity` is not a finite array of two axes.
    """
    activity = check_numbers("activity", activity, "(time, units)")
    signed = activity.min() < 0
    means = np.abs(activity).mean(axis=0)
    order = np.argsort(means, kind="stable") if sort else np.arange(len(means))
    limit = max(1, np.abs(activity).max())
    T, H = activity.shape
    height = np.clip(0.03 * H, 2, 6)
    figure = new_figure(1, height, 2, sharey=True, sharex=False, width_ratios=(7, 1))
    axes, margin = figure.axes[:]
    colors = diverging() if signed else shades("white", RECONSTRUCTED)
    values = activity.T[order]
    drawn = heat_map(axes, values, first=1, vmin=-limit if signed else 0, vmax=limit, cmap=colors)
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel("time step")
    axes.set_ylabel("hidden units, by mean activity" if sort else "hidden unit")
    margin.barh(np.arange(H), means[order], height=1, color="#777777")
    margin.axvline(means.mean(), color="black", linewidth=0.8)
    margin.set_xlim(0, None if means.any() else 1)
    margin.set_title(f"mean {means.mean():.2f}", loc="left", fontsize=9)
    margin.set_xlabel("mean |activity|" if signed else "mean activity")
    figure.colorbar(drawn, ax=[axes, margin], label="activity", aspect=10 * height)
    return figure


def receptive_fields(kernel, first_note=FIRST_NOTE, num_units=12, sample_rate=None):
    """Draws the receptive fields of the hidden units with the largest weights, a panel for each.

    The weights of 88 visible units color the keys of a piano; others are drawn side by side. All
    panels share their colors, with zero white.

    Args:
        kernel: Weights W `(V, H)` between visible and hidden units, such as
            `head.kernel.numpy()`.
        first_note: MIDI number of the lowest key. Multiples of 12 are a C.
        num_units: Largest number of units to draw, those with the largest norm of their weights.
        sample_rate: Sample rate in Hz, if visible units are frequencies, evenly spaced from 0 to
            half of it.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If `kernel` is not a finite matrix, or a number is out of range.
    """
    kernel = check_numbers("kernel", kernel, "(visible units, hidden units)", *_FLOAT32)
    check_integer("first_note", first_note, least=0, most=127)
    check_integer("num_units", num_units)
    if sample_rate is not None:
        check_number("sample_rate", sample_rate, above=0)
    V, norms = len(kernel), np.linalg.norm(kernel, axis=0)
    chosen = np.argsort(-norms, kind="stable")[:num_units]
    limit = np.abs(kernel[:, chosen]).max() or 1.0
    options = {"cmap": diverging(), "clim": (-limit, limit)}
    piano = sample_rate is None and V == _PIANO_KEYS
    figure = new_figure(len(chosen), height=0.55 if piano else 0.45)
    panels = figure.axes[:]
    for axes, j in zip(panels, chosen, strict=True):
        if piano:
            drawn = _keyboard(axes, kernel[:, j], first_note, options)
        else:
            right = V - 0.5 if sample_rate is None else sample_rate / 2000
            extent = (-0.5 if sample_rate is None else 0, right, 0, 1)
            drawn = image(axes, kernel[None, :, j], extent, **options)
        axes.set_yticks([])
        axes.set_ylabel(
            f"unit {j}\nnorm {norms[j]:.3g}", rotation=0, ha="right", va="center", fontsize=8
        )
    if not piano:
        axes.set_xlabel("visible unit" if sample_rate is None else "kHz")
    figure.colorbar(drawn, ax=panels, label="weight", aspect=40)
    return figure


def _keyboard(axes, weights, first_note, options):
    """Draws weights as the colors of piano keys; a white key is as wide as the number 1."""
    from matplotlib.collections import PolyCollection

    notes = first_note + np.arange(len(weights))
    black = np.isin(notes % 12, (1, 3, 6, 8, 10))
    left = 7 * (notes // 12) + np.take(_PLACE_IN_OCTAVE, notes % 12)
    for keys, width, bottom in ((~black, 1, 0), (black, 0.6, 0.4)):
        x = left[keys] + (1 - width) / 2
        corners = [[(a, bottom), (a, 1), (a + width, 1), (a + width, bottom)] for a in x]
        drawn = PolyCollection(
            corners, array=weights[keys], edgecolors="#333333", linewidths=0.5, **options
        )
        axes.add_collection(drawn)
    axes.set_xlim(left.min(), left.max() + 1)
    axes.set_ylim(0, 1)
    octaves = notes % 12 == 0
    axes.set_xticks(left[octaves] + 0.5, [f"C{note // 12 - 1}" for note in notes[octaves]])
    axes.tick_params(length=0)
    return drawn
