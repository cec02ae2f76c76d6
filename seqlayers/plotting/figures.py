"""The parts of all pictures: figures, heat maps, colors, and checks of the data."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from seqlayers.checks import check_number
from seqlayers.files import replacing

# Colors of real data, of its reconstruction by a model, and of what a model generates.
REAL, RECONSTRUCTED, GENERATED = "#222222", "#b4541a", "#1f5fa8"


def save(figure, path, dpi=110):
    """Writes a figure to a file, in the format of its suffix, or as PNG if it has none.

    Args:
        figure: A `matplotlib.figure.Figure`.
        path: File to write; its folder must exist. If writing fails, an older file stays.
        dpi: Dots per inch.

    Raises:
        ValueError: If `figure` is no figure, `path` is no file name, or Matplotlib writes no format
            of its suffix.
        OSError: If the file cannot be written.
    """
    from matplotlib.figure import Figure

    if not isinstance(figure, Figure):
        raise ValueError(
            "`figure` must be a Matplotlib figure, as the functions of `plotting` return it. "
            f"Received: an object of class {type(figure).__name__}."
        )
    if not isinstance(path, str | Path):
        raise ValueError(f"`path` must be a file name. Received: path={path!r}.")
    check_number("dpi", dpi, above=0)
    # Matplotlib adds a suffix to a name that has none unless it is told the format.
    kind = Path(path).suffix[1:].lower() or "png"
    known = sorted(figure.canvas.get_supported_filetypes())
    if kind not in known:
        raise ValueError(
            f"`path` must have a suffix of a picture ({', '.join(known)}), or none for PNG. "
            f"Received: path={path}."
        )
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi, format=kind)


def save_pages(figures, path):
    """Writes figures to the pages of a PDF file, one after the other.

    Args:
        figures: Iterable of `matplotlib.figure.Figure`, at least one; those of a generator are made
            when they are written.
        path: File to write, which ends as .pdf; its folder must exist. If writing fails, an older
            file stays.

    Raises:
        ValueError: If there is no figure, or `path` does not end as .pdf.
        OSError: If the file cannot be written.
    """
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    if not isinstance(path, str | Path) or Path(path).suffix.lower() != ".pdf":
        raise ValueError(f"`path` must be a file name that ends as .pdf. Received: path={path!r}.")
    if not isinstance(figures, Iterable):
        raise ValueError(
            f"`figures` must be an iterable. Received: an object of class {type(figures).__name__}."
        )
    with replacing(path) as temporary:
        with PdfPages(temporary) as pages:
            for number, figure in enumerate(figures):
                if not isinstance(figure, Figure):
                    raise ValueError(
                        "`figures` must be Matplotlib figures. Received: an object of class "
                        f"{type(figure).__name__} at {number}."
                    )
                pages.savefig(figure)
            if not pages.get_pagecount():
                raise ValueError("`figures` must hold at least one figure. Received: none.")


def new_figure(rows, height, columns=1, sharex=True, **options):
    """Makes a figure of `rows` panels, each `height` inches high, one below the other."""
    # Without pyplot no window system is asked for and no figure is kept alive.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.5 + height * rows), layout="constrained")
    figure.subplots(rows, columns, sharex=sharex, **options)
    return figure


def shades(*colors):
    """Returns a colormap that runs evenly from color to color."""
    from matplotlib.colors import LinearSegmentedColormap

    # A list: matplotlib 3.8 takes a pair for a color and its alpha.
    return LinearSegmentedColormap.from_list("shades", list(colors))


def diverging():
    """Returns a colormap with zero white, for values from -limit to limit."""
    return shades(GENERATED, "white", RECONSTRUCTED)


def image(axes, values, extent, **options):
    """Draws `values`, row 0 at the bottom, over `extent` `(left, right, bottom, top)`."""
    return axes.imshow(
        values, origin="lower", aspect="auto", interpolation="nearest", extent=extent, **options
    )


def heat_map(axes, values, first=0, vmin=0, **options):
    """Draws `values`, each over a whole number: columns from `first`, rows from 0."""
    axes.locator_params(integer=True)
    rows, columns = values.shape
    extent = (first - 0.5, first + columns - 0.5, -0.5, rows - 0.5)
    return image(axes, values, extent, vmin=vmin, **options)


def check_dict(name, value):
    """Returns `value` as a dict. Raises a ValueError unless it is one with at least one entry."""
    if not isinstance(value, Mapping) or not value:
        received = "none" if isinstance(value, Mapping) else type(value).__name__
        raise ValueError(f"`{name}` must be a dict with at least one entry. Received: {received}.")
    return dict(value)


def check_list(name, value):
    """Returns `value` as a list. Raises a ValueError unless it is one with at least one item."""
    try:
        items = [] if isinstance(value, bytes | Mapping) else list(value)
    except TypeError:  # neither a list nor anything like one
        items = []
    if not items:
        received = "none" if value is not None and not np.size(value) else type(value).__name__
        raise ValueError(f"`{name}` must be a list with at least one item. Received: {received}.")
    return items


def check_numbers(name, values, shape, low=-np.inf, high=np.inf):
    """Returns `values` as an array of a shape such as `"(time, bins)"`, with none of its sizes 0.

    Raises:
        ValueError: unless there are as many axes, and all values are finite, from `low` to `high`.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):  # rows of several lengths
        array = np.empty(0, object)
    problem = None
    if array.dtype.kind not in "biuf":
        problem = f"{type(values).__name__} that is no array of real numbers"
    elif array.ndim != len(shape.rstrip(",)").split(",")) or not array.size:
        problem = f"shape {array.shape}"
    elif not np.isfinite(array).all():
        problem = f"not finite: {np.count_nonzero(~np.isfinite(array))} of {array.size} values"
    elif array.min() < low or array.max() > high:
        problem = f"values from {array.min():g} to {array.max():g}"
    if problem:
        limits = [f"{limit:g} or {word}" for limit, word in ((low, "above"), (high, "below"))]
        limits = [text for text in limits if "inf" not in text]
        raise ValueError(
            f"`{name}` must be finite numbers `{shape}`{''.join(', ' + text for text in limits)}. "
            f"Received: {problem}."
        )
    return array
