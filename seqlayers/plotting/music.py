"""Pictures of measures of music."""

import itertools
import math
import numbers

import numpy as np

from seqlayers.checks import check_number
from seqlayers.plotting.figures import (
    GENERATED,
    REAL,
    RECONSTRUCTED,
    check_dict,
    check_numbers,
    new_figure,
)

_COLORS = (GENERATED, RECONSTRUCTED, "#3a7d44", "#7b4b94")  # of models, in turn
_LINES = ("--", "-", ":", "-.")  # of temperatures, in turn
_LEAST_SHARE = 0.002  # of a bin at the end of a distribution that is drawn


def music_measures(real, generated):
    """Draws measures of music, real beside generated, each in a panel of its own.

    A number is drawn over the temperature of the draws, with a black line for real music; an array,
    such as the shares of chord sizes, over its index, with black bars for real music. NaN leaves a
    gap.

    Args:
        real: Measures of real music, a `metrics.MusicMeasures` or any dict from names to numbers
            and arrays `(bins,)`.
        generated: Dict from names of models to dicts from temperatures to measures of what the
            model generates, with the names of `real`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there is nothing to draw, a temperature is not above 0, or measures differ in
            their names or are not numbers.

    Example:
        >>> drawn = {t: model.generate(64, num_sequences=30, temperature=t) for t in (0.8, 1, 1.2)}
        >>> measures = {t: metrics.music_measures(rolls) for t, rolls in drawn.items()}
        >>> figure = music_measures(metrics.music_measures(real), {"LSTM and NADE": measures})
    """
    real = _measures("real", real)
    models = {
        model: {
            check_number(f"generated[{model!r}]", temperature, above=0): _measures(
                f"generated[{model!r}][{temperature!r}]", measures, real
            )
            for temperature, measures in check_dict(f"generated[{model!r}]", each).items()
        }
        for model, each in check_dict("generated", generated).items()
    }
    figure = new_figure(math.ceil(len(real) / 2), height=2.2, columns=2, sharex=False)
    *panels, spare = figure.axes if len(real) % 2 else (*figure.axes, None)
    if spare is not None:
        spare.remove()
    for axes, (name, value) in zip(panels, real.items(), strict=True):
        draw = _over_temperature if np.ndim(value) == 0 else _over_index
        draw(axes, value, {model: _of(name, each) for model, each in models.items()})
        axes.set_title(name.replace("_", " "), loc="left", fontsize=9)
        axes.grid(linewidth=0.4, color="#dddddd")
    labelled = {}
    for axes in panels:
        labelled |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(
        labelled.values(), labelled.keys(), loc="outside lower center", ncols=3, fontsize=8
    )
    return figure


def _of(name, measures):
    """Returns one of the measures at each temperature, in order."""
    return {temperature: measures[temperature][name] for temperature in sorted(measures)}


def _over_temperature(axes, real, models):
    axes.axhline(real, color=REAL, label="real")
    for (model, values), color in zip(models.items(), itertools.cycle(_COLORS), strict=False):
        axes.plot(list(values), list(values.values()), marker=".", color=color, label=model)
    axes.set_xlabel("temperature")


def _over_index(axes, real, models):
    shares = [real, *(each for values in models.values() for each in values.values())]
    last = max(np.flatnonzero(each >= _LEAST_SHARE).max(initial=0) for each in shares) + 1
    axes.bar(np.arange(len(real[:last])), real[:last], color=REAL, alpha=0.3, label="real")
    for (model, values), color in zip(models.items(), itertools.cycle(_COLORS), strict=False):
        for (temperature, each), line in zip(values.items(), itertools.cycle(_LINES), strict=False):
            label = f"{model}, temperature {temperature:g}"
            each = each[:last]
            axes.plot(np.arange(len(each)), each, line, marker=".", color=color, label=label)
    axes.locator_params(axis="x", integer=True)


def _measures(name, measures, like=None):
    """Returns checked measures, a dict of floats and arrays, in the order of `like`."""
    if hasattr(measures, "_asdict"):
        measures = measures._asdict()
    measures = check_dict(name, measures)
    if like is not None and set(measures) != set(like):
        raise ValueError(
            f"`{name}` must have the measures of `real`, {sorted(map(str, like))}. "
            f"Received: {sorted(map(str, measures))}."
        )
    return {key: _measure(f"{name}[{key!r}]", measures[key]) for key in like or measures}


def _measure(name, value):
    if not isinstance(value, numbers.Real):
        return check_numbers(name, value, "(bins,)")
    return math.nan if math.isnan(value) else check_number(name, value)
