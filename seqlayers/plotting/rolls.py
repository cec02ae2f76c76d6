"""Pictures of piano-rolls."""

import numpy as np

from seqlayers.checks import check_choice, check_integer
from seqlayers.plotting.figures import (
    GENERATED,
    REAL,
    RECONSTRUCTED,
    check_list,
    check_numbers,
    image,
    new_figure,
    shades,
)

FIRST_NOTE = 21  # MIDI number of key 0, A0
KINDS = {"real": REAL, "reconstructed": RECONSTRUCTED, "generated": GENERATED}
_LEAST_SEEN = 0.1  # a key that stays below looks white


def piano_rolls(rolls, titles, kinds, first_note=FIRST_NOTE):
    """Draws piano-rolls in a column, time to the right and pitch upward.

    Real rolls are black, reconstructed ones brown, generated ones blue; probabilities are shades of
    these. Keys at the edges that no roll uses are not drawn.

    Args:
        rolls: List of arrays `(T, keys)` of 0 and 1, or of probabilities, as
            `SequenceModel.reconstruct` returns them.
        titles: List of titles, one for each roll.
        kinds: List of `"real"`, `"reconstructed"` or `"generated"`, one for each roll.
        first_note: MIDI number of key 0.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the lists differ in length or are empty, a kind is unknown, or rolls hold
            values outside [0, 1] or differ in their number of keys.
    """
    rolls, titles = check_list("rolls", rolls), check_list("titles", titles)
    kinds = check_list("kinds", kinds)
    if not len(rolls) == len(titles) == len(kinds):
        raise ValueError(
            "`rolls`, `titles` and `kinds` must be lists of one length. "
            f"Received: {len(rolls)} rolls, {len(titles)} titles and {len(kinds)} kinds."
        )
    for n, kind in enumerate(kinds):
        check_choice(f"kinds[{n}]", kind, KINDS)
    first_note = check_integer("first_note", first_note, least=0, most=127)
    rolls = [
        check_numbers(f"rolls[{n}]", roll, "(time, keys)", 0, 1) for n, roll in enumerate(rolls)
    ]
    keys = {roll.shape[1] for roll in rolls}
    if len(keys) > 1:
        raise ValueError(f"`rolls` must have one number of keys. Received: {sorted(keys)}.")
    used = np.flatnonzero(np.max([roll.max(axis=0) for roll in rolls], axis=0) >= _LEAST_SEEN)
    low, high = (used[0], used[-1]) if len(used) else (0, rolls[0].shape[1] - 1)
    longest = max(len(roll) for roll in rolls)
    figure = new_figure(len(rolls), height=1.5)
    panels, shaded = figure.axes[:], {}
    for axes, roll, title, kind in zip(panels, rolls, titles, kinds, strict=True):
        extent = (0, len(roll), first_note - 0.5, first_note + roll.shape[1] - 0.5)
        drawn = image(axes, roll.T, extent, cmap=shades("white", KINDS[kind]), vmin=0, vmax=1)
        if ((roll > 0) & (roll < 1)).any():
            shaded[kind] = drawn
        axes.set_xlim(0, longest)
        axes.set_ylim(first_note + low - 2, first_note + high + 2)
        octaves = range(12 * -(-(first_note + low) // 12), first_note + high + 1, 12)
        axes.set_yticks(list(octaves), [f"C{note // 12 - 1}" for note in octaves])
        axes.grid(axis="y", linewidth=0.4, color="#cccccc")
        axes.set_title(title, loc="left", fontsize=9, color=KINDS[kind])
    panels[-1].set_xlabel("time step")
    for drawn in shaded.values():
        figure.colorbar(drawn, ax=panels, label="probability", aspect=15 * len(panels))
    return figure
