"""Segments compared with those marked by hand, `seqlayers segment --reference`."""

import csv

import click
import numpy as np

from seqlayers.commands.cli import silent_imports
from seqlayers.files import printable


def read(path, columns):
    """Reads a table of segments: a CSV file as `seqlayers segment` writes it.

    Args:
        path: The file.
        columns: Names of the columns of files, starts and ends; others are not read.

    Returns:
        Dictionary from the name of each file to the starts and ends in seconds, `(N, 2)`, in order.

    Raises:
        click.UsageError: If a column is missing, or a line has no numbers.
    """
    times: dict[str, list[list[float]]] = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            if missing := [each for each in columns if each not in (table.fieldnames or ())]:
                raise click.UsageError(
                    f"--reference must have the columns {', '.join(columns)}. "
                    f"Received: {printable(path)}, without {', '.join(missing)}."
                )
            for row in table:
                name, *marks = (row[each] for each in columns)
                times.setdefault(name, []).append(_seconds(path, table.line_num, marks))
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(
            f"--reference must be a CSV file in UTF-8. Received: {printable(path)}, {error}."
        ) from error
    return {name: np.array(sorted(each)) for name, each in times.items()}


def check_names(marked, names):
    """Refuses marks of recordings that are not among those of these names."""
    if gone := sorted(marked.keys() - set(names)):
        raise click.UsageError(
            "--reference must name recordings of SOURCE as --out does. "
            f"Received: {printable(gone[0])}, which is none of {', '.join(sorted(names)[:3])}."
        )


def show(found, marked, tolerance):
    """Prints precision, recall, F1, R-value and the median error of onsets, offsets and segments.

    Recordings without a mark are not compared.

    Args:
        found: Dictionary from names of recordings to starts and ends in seconds, `(N, 2)`; those
            without a segment may be missing.
        marked: The same, marked by hand.
        tolerance: Milliseconds.
    """
    with silent_imports():
        from seqlayers.metrics import segment_scores  # late: it imports Keras
    scores = segment_scores(
        [found.get(name, np.zeros((0, 2))) for name in marked],
        list(marked.values()),
        tolerance / 1000,
    )
    number = sum(map(len, marked.values()))
    click.echo(f"Agreement with {number} marks, boundaries right within {tolerance:g} ms:")
    click.echo(f"{'':10s}{'precision':>11s}{'recall':>8s}{'F1':>8s}{'R-value':>9s}{'error':>10s}")
    for name, score in scores._asdict().items():
        error = "none" if np.isnan(score.error) else f"{1000 * score.error:.1f} ms"
        click.echo(
            f"{name + 's':10s}{score.precision:11.3f}{score.recall:8.3f}{score.f1:8.3f}"
            f"{score.r_value:9.3f}{error:>10s}"
        )


def _seconds(path, line, marks):
    try:
        start, end = map(float, marks)
    except (TypeError, ValueError):
        start, end = np.nan, np.nan
    if not 0 <= start <= end < np.inf:
        raise click.UsageError(
            "--reference must have a start and an end in seconds in each line, the start first. "
            f"Received: {', '.join(map(str, marks))} in line {line} of {printable(path)}."
        )
    return [start, end]
