"""Pictures of the contents of a memory split by frequency."""

from typing import Any

from seqlayers.plotting.figures import check_dict, check_numbers, heat_map, new_figure

_SHAPE = "(time, memory states, frequencies)"  # of one sequence


def state_frequency(spectra, fractions: Any = (0.25, 0.5, 0.75, 1.0)):
    """Draws the amplitude of each frequency in each memory state, at a few times of a sequence.

    As figure 5 of the SFM paper: a row of panels for each spectrum, a panel for each time. In a
    panel, row k is frequency component k and a column is a memory state.

    Args:
        spectra: Dict from names to amplitudes `(T, D, K)` of D memory states at K frequencies, one
            row of what `SFM.spectrum` returns. Panels of a name share their colors, from 0 to its
            largest amplitude.
        fractions: Times to draw, as fractions of T in (0, 1].

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there are no spectra or no fractions, amplitudes are negative, or a fraction
            lies outside (0, 1].
    """
    spectra = {
        name: check_numbers(f"spectra[{name!r}]", a, _SHAPE, low=0)
        for name, a in check_dict("spectra", spectra).items()
    }
    fractions = check_numbers("fractions", fractions, "(times,)", 0, 1)
    if not fractions.all():
        raise ValueError("`fractions` must lie in (0, 1]; time starts at 1. Received: 0.")
    figure = new_figure(len(spectra), 1.7, columns=len(fractions), sharex=False)
    axes = iter(figure.axes[:])
    for name, amplitudes in spectra.items():
        row = [next(axes) for _ in fractions]
        for part, panel in zip(fractions, row, strict=True):
            t = max(1, round(part * len(amplitudes)))  # the first frame is t = 1
            image = heat_map(panel, amplitudes[t - 1].T, vmax=amplitudes.max())
            panel.set_title(f"{name}, t = {t}", loc="left", fontsize=9)
            panel.set_xlabel("memory state")
        row[0].set_ylabel("frequency component")
        figure.colorbar(image, ax=row, label="amplitude")
    return figure


def memory_spectrogram(amplitudes, title="", frequencies=None):
    """Draws the amplitude of each frequency over time, averaged over memory states.

    Args:
        amplitudes: Amplitudes `(T, D, K)` of D memory states at K frequencies, one row of what
            `SFM.spectrum` returns.
        title: Title of the picture.
        frequencies: The K frequencies in radians per step, to label the components with.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If amplitudes are negative or not finite, or there are not K frequencies.
    """
    amplitudes = check_numbers("amplitudes", amplitudes, _SHAPE, low=0)
    K = amplitudes.shape[2]
    figure = new_figure(1, height=2.5)
    (axes,) = figure.axes
    image = heat_map(axes, amplitudes.mean(axis=1).T, first=1)
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel("time step")
    axes.set_ylabel("frequency component")
    if frequencies is not None:
        frequencies = check_numbers("frequencies", frequencies, "(frequencies,)")
        if len(frequencies) != K:
            raise ValueError(
                f"`frequencies` must hold {K} numbers, one for each component. "
                f"Received: {len(frequencies)}."
            )
        axes.set_yticks(range(K), [f"{frequency:.2f}" for frequency in frequencies])
        axes.set_ylabel("radians per step")
    figure.colorbar(image, ax=axes, label="mean amplitude")
    return figure
