"""Pictures of kinds of segments: a map, and spectrograms of examples."""

import numpy as np

from seqlayers.plotting.figures import check_dict, check_list, check_numbers

# Kinds differ in color and in shape, the least common multiple of both lists: 42 pairs.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b59b00", "#5b4bb5", "#56b4e9")
_SHAPES = ("o", "s", "^", "D", "x", "+")
_NO_KIND = {"color": "#999999", "marker": "_"}
_ROWS, _EXAMPLES = 16, 3  # most kinds with spectrograms, and most spectrograms of each
_DECIBELS = 60  # from the loudest value of an example to the end of the color scale


def kind_map(places, numbers, examples=None):
    """Draws segments on a map, each kind in a color and a shape, and spectrograms of examples.

    Args:
        places: Places of segments on the map, `(N, 2)`, as `models.find_kinds` returns them.
        numbers: Their kinds, integers `(N,)` from 1; 0 for those of no kind.
        examples: Dict from kinds to lists of amplitudes `(T, bins)`, such as `abs(stft(samples))`.
            The first three of each of at most 16 kinds are drawn, on one scale of time.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If arrays do not match in shape, are not finite, or kinds are no integers from 0
            on.

    Example:
        >>> places = np.random.default_rng(0).normal(size=(30, 2))
        >>> figure = kind_map(places, (places[:, 0] > 0) + 1)
    """
    from matplotlib.figure import Figure

    places = check_numbers("places", places, "(segments, 2)")
    numbers = check_numbers("numbers", numbers, "(segments,)", low=0)
    if places.shape != (len(numbers), 2) or numbers.dtype.kind not in "iu":
        raise ValueError(
            "`places` must be `(N, 2)` and `numbers` N integers. "
            f"Received: shape {places.shape}, and {len(numbers)} of type {numbers.dtype}."
        )
    rows = _checked(examples)
    figure = Figure(figsize=(10 if rows else 7, max(6, 0.55 * len(rows))), layout="constrained")
    if not rows:
        _draw_map(figure.add_subplot(), places, numbers)
        return figure
    left, right = figure.subfigures(1, 2, width_ratios=[2, 1])
    _draw_map(left.add_subplot(), places, numbers)
    longest = max(len(each) for some in rows.values() for each in some)
    panels = right.subplots(len(rows), _EXAMPLES, squeeze=False)
    for axes, (number, some) in zip(panels, rows.items(), strict=True):
        for panel in axes:
            panel.set_axis_off()
        for panel, amplitudes in zip(axes, some, strict=False):
            _draw_example(panel, amplitudes, longest)
        color = _look(number)["color"]
        axes[0].text(-0.1, 0.5, number, transform=axes[0].transAxes, ha="right", color=color)
    return figure


def _checked(examples):
    """Returns the examples that are drawn, by kinds in order."""
    if examples is None or (isinstance(examples, dict) and not examples):  # without kinds
        return {}
    kept = {}
    for number, some in sorted(check_dict("examples", examples).items())[:_ROWS]:
        name = f"examples[{number}]"
        kept[number] = [
            check_numbers(f"{name}[{n}]", each, "(time, bins)", low=0)
            for n, each in enumerate(check_list(name, some)[:_EXAMPLES])
        ]
    return kept


def _look(number):
    if not number:
        return _NO_KIND
    n = int(number) - 1
    return {"color": _COLORS[n % len(_COLORS)], "marker": _SHAPES[n % len(_SHAPES)]}


def _draw_map(axes, places, numbers):
    for number in np.unique(numbers):
        own = places[numbers == number]
        axes.scatter(*own.T, s=14, linewidths=0.8, **_look(number))
        if number:
            middle = np.median(own, axis=0)
            style = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1}
            axes.text(*middle, number, ha="center", va="center", fontsize=9, bbox=style)
    none = int((numbers == 0).sum())
    kinds = len(np.unique(numbers[numbers > 0]))
    title = f"{len(numbers):,} segments, {kinds} kinds" + (f", {none:,} of no kind" * bool(none))
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_example(axes, amplitudes, longest):
    decibels = 20 * np.log10(np.maximum(amplitudes / (amplitudes.max() or 1.0), 1e-6))
    options = {"origin": "lower", "aspect": "auto", "cmap": "magma", "interpolation": "nearest"}
    axes.imshow(decibels.T, vmin=-_DECIBELS, vmax=0, **options)
    axes.set_xlim(-0.5, longest - 0.5)
