"""Pictures. Each function returns a Matplotlib figure; `save` writes one whole or not at all.

Matplotlib comes with `pip install seqlayers[plot]` and is imported when a picture is made.
"""

import numpy as np

from seqlayers.files import replacing

_FIRST_NOTE = 21  # MIDI number of key 0, A0
_INK = {"Greys": "#222222", "Blues": "#1f5fa8"}


def piano_rolls(rolls, titles, first_note=_FIRST_NOTE):
    """Draws piano-rolls in a column, time to the right and pitch upward.

    Args:
        rolls: List of arrays `(T, keys)`; 0 is silence.
        titles: A title for each.
        first_note: MIDI number of key 0.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if the lists differ in length or are empty.
    """
    if not len(rolls) or len(rolls) != len(titles):
        raise ValueError(
            "`rolls` and `titles` must be lists of one length above 0. "
            f"Received: {len(rolls)} rolls and {len(titles)} titles."
        )
    used = np.flatnonzero(np.any([np.any(roll, axis=0) for roll in rolls], axis=0))
    low, high = (used[0], used[-1]) if len(used) else (0, rolls[0].shape[1] - 1)
    longest = max(len(roll) for roll in rolls)
    figure = _figure(len(rolls), height=1.5)
    for axes, roll, title in zip(figure.axes, rolls, titles, strict=True):
        colors = "Greys" if title.startswith("real") else "Blues"
        axes.imshow(
            np.asarray(roll).T,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            cmap=colors,
            vmin=0,
            vmax=1,
            extent=(0, len(roll), first_note - 0.5, first_note + roll.shape[1] - 0.5),
        )
        axes.set_xlim(0, longest)
        axes.set_ylim(first_note + low - 2, first_note + high + 2)
        octaves = range(12 * -(-(first_note + low) // 12), first_note + high + 1, 12)
        axes.set_yticks(list(octaves), [f"C{note // 12 - 1}" for note in octaves])
        axes.grid(axis="y", linewidth=0.4, color="#cccccc")
        axes.set_title(title, loc="left", fontsize=9, color=_INK[colors])
    figure.axes[-1].set_xlabel("time step")
    return figure


def learning_curve(epochs, scores, references=None, ylabel="nats per frame"):
    """Draws scores over epochs, with horizontal lines to compare them to.

    Args:
        epochs: Number of the epoch of each score.
        scores: Dict of a name and a list of scores, one for each of `epochs`.
        references: Dict of a name and a number, drawn as a line across.
        ylabel: What a score is.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure = _figure(1, height=3.5)
    (axes,) = figure.axes
    for name, values in scores.items():
        axes.plot(epochs, values, marker=".", label=name)
    for style, (name, value) in zip(
        ("--", ":", "-.") * len(references or ()), (references or {}).items(), strict=False
    ):
        axes.axhline(value, linestyle=style, color="#777777", label=f"{name} {value:.2f}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    axes.grid(linewidth=0.4, color="#dddddd")
    axes.legend(frameon=False, fontsize=8)
    return figure


def save(figure, path, dpi=110):
    """Writes a figure as the kind of file that the end of `path` names."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def _figure(rows, height):
    # Without pyplot no window system is asked for and no figure is kept alive.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.5 + height * rows), layout="constrained")
    figure.subplots(rows, 1, sharex=True)
    return figure
