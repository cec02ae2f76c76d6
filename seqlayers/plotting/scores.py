"""Pictures of scores: learning curves, monitors, confusion matrices."""

import numpy as np

from seqlayers.checks import check_number
from seqlayers.plotting.figures import check_dict, check_list, check_numbers, new_figure


def learning_curve(epochs, scores, references=None, ylabel="nats per frame"):
    """Draws scores over epochs, with horizontal lines for comparison.

    Args:
        epochs: Epoch of each score.
        scores: Dict from names to lists of scores, one for each of `epochs`.
        references: Dict from names to numbers, each drawn as a horizontal line.
        ylabel: Name and unit of the scores.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there are no scores, or not one for each epoch.
    """
    scores, epochs = check_dict("scores", scores), check_numbers("epochs", epochs, "(epochs,)")
    references = check_dict("references", references) if references is not None else {}
    for name, value in references.items():
        check_number(f"references[{name!r}]", value)
    figure = new_figure(1, height=3.5)
    (axes,) = figure.axes
    for name, values in scores.items():
        _curve(axes, name, epochs, values, f"scores[{name!r}]")
    for style, (name, value) in zip(
        ("--", ":", "-.") * len(references), references.items(), strict=False
    ):
        axes.axhline(value, linestyle=style, color="#777777", label=f"{name} {value:.2f}")
    _finish_curves(axes, ylabel)
    axes.set_xlabel("epoch")
    return figure


def monitor_curves(history, groups=None):
    """Draws the logs of a training, one panel for each group of curves that share a scale.

    `learning_curve` compares models by one score; `monitor_curves` shows many logs of one model.

    Args:
        history: Dict from names to values, one for each epoch, such as
            `keras.callbacks.History.history`; or to pairs `(epochs, values)` for logs of some
            epochs only. Values that are not finite leave gaps and are counted in the legend.
        groups: Dict from axis labels to lists of names in `history`; if None, each curve has a
            panel of its own.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there is nothing to draw, a name is not in `history`, or a curve has not one
            value for each of its epochs.

    Example:
        >>> history = model.fit(x, validation_data=y, validation_freq=5, epochs=50).history
        >>> for name in ("val_loss", "val_log_likelihood"):
        ...     history[name] = range(5, 51, 5), history[name]
        >>> figure = monitor_curves(history)
    """
    history = check_dict("history", history)
    if groups is None:
        groups = {name: [name] for name in history}
    groups = {
        label: check_list(f"groups[{label!r}]", names)
        for label, names in check_dict("groups", groups).items()
    }
    known = list(history)
    unknown = [name for names in groups.values() for name in names if name not in known]
    if unknown:
        raise ValueError(f"`groups` must name curves of `history`. Received: {unknown}.")
    for name, values in history.items():
        if not isinstance(values, tuple):
            history[name] = check_list(f"history[{name!r}]", values)
        elif len(values) != 2:
            raise ValueError(
                f"`history[{name!r}]` must be a list of values, or a pair `(epochs, values)`. "
                f"Received: {len(values)} items."
            )
    lengths = {name: len(v) for name, v in history.items() if not isinstance(v, tuple)}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "`history` must have a value for each epoch, or pairs `(epochs, values)`. "
            f"Received: numbers of values {lengths}."
        )
    figure = new_figure(len(groups), height=1.8)
    for axes, (ylabel, names) in zip(figure.axes[:], groups.items(), strict=True):
        for name in names:
            values = history[name]
            epochs, values = (
                values if isinstance(values, tuple) else (range(1, len(values) + 1), values)
            )
            _curve(axes, name, epochs, values, f"history[{name!r}]")
        _finish_curves(axes, ylabel)
    axes.set_xlabel("epoch")
    return figure


def confusion_matrix(matrix, labels, title=""):
    """Draws what is taken for what: in the row of a class, which share of it is given which name.

    Args:
        matrix: Counts `(classes, classes)`, a row for each true class and a column for each
            predicted one, as `tf.math.confusion_matrix` and scikit-learn return them.
        labels: Names of the classes.
        title: Title of the picture.

    Returns:
        A `matplotlib.figure.Figure`. The row of a class that never occurs is white.

    Raises:
        ValueError: If `matrix` is not square, has negative values, or does not match `labels`.
    """
    labels = check_list("labels", labels)
    matrix = check_numbers("matrix", matrix, "(classes, classes)", low=0)
    if matrix.shape != (len(labels),) * 2:
        raise ValueError(
            "`matrix` must hold a row and a column of counts for each of `labels`. "
            f"Received: shape {matrix.shape} for {len(labels)} labels."
        )
    totals = matrix.sum(axis=1, keepdims=True)
    figure = new_figure(1, height=7)
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


def _curve(axes, name, epochs, values, argument):
    """Draws a curve, with a gap where a value is not finite."""
    epochs = check_numbers("epochs", epochs, "(epochs,)")
    try:
        values = np.asarray(values)
    except (TypeError, ValueError):  # rows of several lengths
        values = np.empty(0, object)
    if values.dtype.kind not in "biuf" or values.shape != epochs.shape:
        raise ValueError(
            f"`{argument}` must be a number for each epoch. Received: {values.dtype} of shape "
            f"{values.shape} for epochs of shape {epochs.shape}."
        )
    lost = np.count_nonzero(~np.isfinite(values))
    label = f"{name} ({lost} not finite)" if lost else name
    axes.plot(epochs, np.where(np.isfinite(values), values, np.nan), marker=".", label=label)


def _finish_curves(axes, ylabel):
    axes.set_ylabel(ylabel)
    axes.locator_params(axis="x", integer=True)
    axes.grid(linewidth=0.4, color="#dddddd")
    axes.legend(framealpha=0.9, edgecolor="none", fontsize=8)  # readable above a line
