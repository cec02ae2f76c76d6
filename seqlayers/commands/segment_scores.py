"""Segments compared with those marked by hand, `seqlayers segment --reference`."""

import csv

import click
import numpy as np

from seqlayers.checks import counted
from seqlayers.commands.cli import note, silent_imports
from seqlayers.files import printable


def read(path, columns):
    """Reads a table of segments: a CSV file as `seqlayers segment` writes it.

    Args:
        path: The file.
        columns: Names of the columns of files, starts and ends; others are not read.

    Returns:
        Dictionary from the name of each file to the starts and ends in seconds, `(N, 2)`, in order.

    Raises:
        click.UsageError: If a column is missing, a line has no numbers, a segment lies in another,
            or there is none.
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
    if not times:
        raise click.UsageError(
            f"--reference must mark at least one segment. Received: {printable(path)}, with none."
        )
    marked = {name: np.array(sorted(each)) for name, each in times.items()}
    for name, each in marked.items():
        inside = np.flatnonzero(np.diff(each[:, 1]) < 0)
        if len(inside):
            outer, inner = each[inside[0]], each[inside[0] + 1]
            raise click.UsageError(
                "--reference must not have a segment within another. "
                f"Received: {inner[0]:g} to {inner[1]:g} within {outer[0]:g} to {outer[1]:g} s of "
                f"{printable(name)} in {printable(path)}."
            )
    return marked


def check_names(marked, names):
    """Refuses marks of recordings that are not among those of these names."""
    if gone := sorted(marked.keys() - set(names)):
        raise click.UsageError(
            "--reference must name recordings of SOURCE as --out does. "
            f"Received: {printable(gone[0])}, which is none of {', '.join(sorted(names)[:3])}."
        )


def show(found, marked, tolerance):
    """Prints precision, recall, F1, R-value and the median error of onsets, offsets and segments.

    Recordings without a mark are not compared. Neither are those that cannot be read, which are
    named. Those with marks behind their end are named and compared.

    Args:
        found: Dictionary from names of recordings that can be read to `audio.Segments`.
        marked: Dictionary from names to starts and ends in seconds, `(N, 2)`, marked by hand.
        tolerance: Milliseconds.
    """
    if unread := sorted(marked.keys() - found.keys()):
        note(f"Not compared, as they cannot be read: {', '.join(unread)}.")
        marked = {name: each for name, each in marked.items() if name in found}
    for name, each in marked.items():
        if each[-1, 1] > found[name].duration + tolerance / 1000:
            note(
                f"{name} lasts {found[name].duration:.3f} s and has marks up to {each[-1, 1]:g} s. "
                "--reference must be of the same recording, in seconds."
            )
    with silent_imports():
        from seqlayers.metrics import segment_scores  # late: it imports Keras
    scores = segment_scores(
        [found[name].times for name in marked],
        list(marked.values()),
        tolerance / 1000,
    )
    number = sum(map(len, marked.values()))
    click.echo(
        f"Agreement with {counted(number, 'mark')}, boundaries right within {tolerance:g} ms:"
    )
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
