"""The history of a run: a dictionary for each finished epoch, with the keys of `COLUMNS`."""

import csv
import io
import math
import numbers
from pathlib import Path

from seqlayers import files
from seqlayers.runs.folder import TABLE

MONITOR = "val_log_likelihood"
ACCURACY, ERRORS = "val_accuracy", "val_error_rate"
_OF_ALL = ("epoch", "loss", "skipped_steps", "shrunk_steps", MONITOR)
COLUMNS = (*_OF_ALL, ACCURACY, ERRORS)  # the last two of runs on labels


def checked(history):
    """Returns a history that was read.

    Raises:
        ValueError: If it is no list of epochs in their order, each with numbers by their names.
    """
    if not isinstance(history, list):
        raise ValueError("the history is no list")
    for epoch, row in enumerate(history, 1):
        if not isinstance(row, dict) or not set(row) <= set(COLUMNS):
            raise ValueError(f"epoch {epoch} of the history has other columns than a run")
        values = row.values()
        if any(isinstance(v, bool) or not isinstance(v, numbers.Real) for v in values):
            raise ValueError(f"epoch {epoch} of the history holds other things than numbers")
        if row.get("epoch") != epoch:
            raise ValueError(f"epoch {epoch} of the history is missing")
    return history


def best_row(history):
    """Returns the row of the best validated epoch, the first of equals; None if there is none."""
    rows = [row for row in history if math.isfinite(row.get(MONITOR, math.nan))]
    return max(rows, key=lambda row: row[MONITOR], default=None)


def finished(history, options):
    """Returns whether all epochs are done, or `options["patience"]` of them were no better.

    Patience ends a run after an epoch that was validated; the others have not been compared.
    """
    if len(history) >= options["epochs"]:
        return True
    best = best_row(history)
    patience = options["patience"]
    compared = best and MONITOR in history[-1]
    return bool(patience and compared and len(history) - best["epoch"] >= patience)


def write_table(folder, history):
    """Writes the history to `metrics.csv` of a run."""
    text = io.StringIO(newline="")
    labels = any(ACCURACY in row for row in history)
    table = csv.DictWriter(text, COLUMNS if labels else _OF_ALL, lineterminator="\n")
    table.writeheader()
    table.writerows(history)
    files.write_atomically(Path(folder) / TABLE, text.getvalue().encode(), follow=False)


def has_rows(folder):
    """Returns whether `metrics.csv` of a run has at least one epoch."""
    path = Path(folder) / TABLE
    if files.mode_of(path) is None:
        return False
    files.check_regular_file(path)
    with open(path, "rb") as file:
        return bool(file.readline() and file.readline())
