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


def state_frequency(spectra, fractions=(0.25, 0.5, 0.75, 1.0)):
    """Draws how strong each frequency is in each memory state, at a few times of a sequence.

    Figure 5 of the SFM paper: a row of panels for each spectrum, a panel for each time; in a panel,
    row k is frequency component k and a column is a memory state.

    Args:
        spectra: Dict of a name and amplitudes `(T, D, K)` of D memory states at K frequencies, as a
            row of `SFM.spectrum` is. Panels of a name share their colors, from 0 to its largest
            amplitude.
        fractions: Times to look at, as parts of T, above 0 and up to 1.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there are no spectra or no fractions, or one is not as above.
    """
    spectra = {name: _check_spectrum(f"spectra[{name!r}]", a) for name, a in spectra.items()}
    if not spectra or not len(fractions) or not all(0 < part <= 1 for part in fractions):
        raise ValueError(
            "`spectra` and `fractions` must not be empty, and fractions lie above 0 and up to 1. "
            f"Received: {len(spectra)} spectra and fractions={fractions!r}."
        )
    figure = _figure(len(spectra), 1.7, columns=len(fractions), sharex=False)
    axes = iter(figure.axes[:])
    for name, amplitudes in spectra.items():
        row = [next(axes) for _ in fractions]
        for part, panel in zip(fractions, row, strict=True):
            t = max(1, round(part * len(amplitudes)))  # the first frame is t = 1
            image = _heat_map(panel, amplitudes[t - 1].T, first=0, vmax=amplitudes.max())
            panel.set_title(f"{name}, t = {t}", loc="left", fontsize=9)
            panel.set_xlabel("memory state")
        row[0].set_ylabel("frequency component")
        figure.colorbar(image, ax=row, label="amplitude")
    return figure


def memory_spectrogram(amplitudes, title="", frequencies=None):
    """Draws how strong each frequency is in the memory over time, averaged over memory states.

    Args:
        amplitudes: Amplitudes `(T, D, K)` of D memory states at K frequencies, as a row of
            `SFM.spectrum` is.
        title: What is drawn.
        frequencies: The K frequencies, in radians a step, to write beside the components.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if an argument is not as above.
    """
    amplitudes = _check_spectrum("amplitudes", amplitudes)
    K = amplitudes.shape[2]
    figure = _figure(1, height=2.5)
    (axes,) = figure.axes
    image = _heat_map(axes, amplitudes.mean(axis=1).T, first=1)
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel("time step")
    axes.set_ylabel("frequency component")
    if frequencies is not None:
        if np.shape(frequencies) != (K,):
            raise ValueError(
                f"`frequencies` must hold {K} numbers, one for each component. "
                f"Received: shape {np.shape(frequencies)}."
            )
        axes.set_yticks(range(K), [f"{frequency:.2f}" for frequency in frequencies])
        axes.set_ylabel("radians a step")
    figure.colorbar(image, ax=axes, label="mean amplitude")
    return figure


def spectrograms(amplitudes, sample_rate, hop_length, decibels=80):
    """Draws spectra over time, one panel below the other, all with one scale of colors.

    Figure 3 of the LSTBM paper.

    Args:
        amplitudes: Dict of a name and amplitudes `(T, bins)` from 0 to half the sample rate, as
            `abs(stft(samples))` has them.
        sample_rate: Samples a second of the sound.
        hop_length: Samples from one frame to the next.
        decibels: How far below the loudest bin of all panels colors end.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there is nothing to draw, or amplitudes are not as above.
    """
    amplitudes = {name: np.asarray(a) for name, a in amplitudes.items()}
    for name, a in amplitudes.items():
        if a.ndim != 2 or not a.size or not (a >= 0).all():
            raise ValueError(
                f"`amplitudes[{name!r}]` must be `(time, bins)` and not negative. "
                f"Received: shape {a.shape}."
            )
    if not amplitudes:
        raise ValueError("`amplitudes` must hold at least one spectrum. Received: none.")
    loudest = max(a.max() for a in amplitudes.values()) or 1.0
    figure = _figure(len(amplitudes), height=2.2)
    for axes, (name, a) in zip(figure.axes[:], amplitudes.items(), strict=True):
        image = axes.imshow(
            20 * np.log10(np.maximum(a.T / loudest, 1e-12)),
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            cmap="magma",
            vmin=-decibels,
            vmax=0,
            extent=(0, len(a) * hop_length / sample_rate, 0, sample_rate / 2000),
        )
        axes.set_title(name, loc="left", fontsize=9)
        axes.set_ylabel("kHz")
    figure.axes[len(amplitudes) - 1].set_xlabel("seconds")
    figure.colorbar(image, ax=figure.axes[: len(amplitudes)], label="dB")
    return figure


def confusion_matrix(matrix, labels, title=""):
    """Draws what is taken for what: in the row of a class, which share of it is given which name.

    Args:
        matrix: Counts `(classes, classes)`, as `tf.math.confusion_matrix` and scikit-learn make
            them: a row for each true class, a column for each predicted one.
        labels: Names of the classes.
        title: What is drawn.

    Returns:
        A `matplotlib.figure.Figure`. The row of a class that never occurs is white.

    Raises:
        ValueError: if `matrix` is not as above, or there is another number of labels.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(labels),) * 2 or not matrix.size or not (matrix >= 0).all():
        raise ValueError(
            "`matrix` must hold a row and a column of counts for each of `labels`. "
            f"Received: shape {matrix.shape} for {len(labels)} labels."
        )
    totals = matrix.sum(axis=1, keepdims=True)
    figure = _figure(1, height=7)
    (axes,) = figure.axes
    image = axes.imshow(matrix / np.maximum(totals, 1), cmap="Blues", vmin=0, vmax=1)
    size = min(9, 350 / len(labels))
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=size)
    axes.set_yticks(range(len(labels)), labels, fontsize=size)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, loc="left", fontsize=9)
    figure.colorbar(image, ax=axes, label="share of the true class")
    return figure


def save(figure, path, dpi=110):
    """Writes a figure as the kind of file that the end of `path` names."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def _heat_map(axes, values, first, vmax=None):
    """Draws `values`, row 0 at the bottom and the leftmost column over the number `first`."""
    axes.locator_params(integer=True)
    rows, columns = values.shape
    return axes.imshow(
        values,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        vmin=0,
        vmax=vmax,
        extent=(first - 0.5, first + columns - 0.5, -0.5, rows - 0.5),
    )


def _check_spectrum(name, amplitudes):
    amplitudes = np.asarray(amplitudes)
    if amplitudes.ndim != 3 or not amplitudes.size:
        raise ValueError(
            f"`{name}` must be amplitudes `(time, memory states, frequencies)` of one sequence. "
            f"Received: shape {amplitudes.shape}."
        )
    return amplitudes


def _figure(rows, height, columns=1, sharex=True):
    # Without pyplot no window system is asked for and no figure is kept alive.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.5 + height * rows), layout="constrained")
    figure.subplots(rows, columns, sharex=sharex)
    return figure
