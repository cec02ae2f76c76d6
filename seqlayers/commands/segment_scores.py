"""Segments compared with those marked by hand, `seqlayers segment --reference`."""

import click
import numpy as np

from seqlayers.checks import counted
from seqlayers.commands.cli import list_unmatched, naming, note, silent_imports
from seqlayers.datasets import labels
from seqlayers.files import printable
from seqlayers.runs.options import naming_flags


def read(source, reference, names, **options):
    """Reads the marks of recordings: label files of a folder, a table, or one label file.

    Args:
        source: The recordings, a folder or a file.
        reference: The label files, a folder or a file.
        names: Dictionary from the paths of the recordings to their names.
        options: `tier` and `column`, as in `datasets.labels.match`.

    Returns:
        Dictionary from names of recordings with marks to `datasets.labels.Annotation`, and the list
        of the files that were read.

    Raises:
        click.UsageError: If a file cannot be read, a table has marks of another recording, a
            segment lies in another, or there is none.
    """
    with naming("--reference"), naming_flags():
        matched = labels.match(source, reference, **options)
    if reference.is_dir():
        list_unmatched(matched, "label files")
    elif matched.unmatched:
        raise click.UsageError(
            "--reference must name recordings of SOURCE as --out does. "
            f"Received: {printable(matched.unmatched[0])}, which is none of "
            f"{', '.join(list(names.values())[:3])}."
        )
    if not any(map(len, matched.annotations)):
        raise click.UsageError(
            "--reference must mark at least one segment. "
            f"Received: {printable(reference)}, with none."
        )
    marked = dict(zip(map(names.get, matched.recordings), matched.annotations, strict=True))
    for (name, annotation), path in zip(marked.items(), matched.sources, strict=True):
        inside = np.flatnonzero(np.diff(annotation.times[:, 1]) < 0)
        if len(inside):
            outer, inner = annotation.times[inside[0]], annotation.times[inside[0] + 1]
            raise click.UsageError(
                "--reference must not have a segment within another. "
                f"Received: {inner[0]:g} to {inner[1]:g} within {outer[0]:g} to {outer[1]:g} s of "
                f"{name} in {printable(path)}."
            )
    return marked, matched.sources


def show(found, marked, tolerance):
    """Prints precision, recall, F1, R-value and the median error of onsets, offsets and segments.

    Recordings without label files are not compared. Neither are those that cannot be read, which
    are named. Those with marks behind their end are named and compared.

    Args:
        found: Dictionary from names of recordings that can be read to `audio.Segments`.
        marked: Dictionary from names to `datasets.labels.Annotation`, marked by hand.
        tolerance: Milliseconds.
    """
    if unread := sorted(marked.keys() - found.keys()):
        note(f"Not compared, as they cannot be read: {', '.join(unread)}.")
        marked = {name: each for name, each in marked.items() if name in found}
    for name, each in marked.items():
        end = each.times[:, 1].max(initial=0)
        if end > found[name].duration + tolerance / 1000:
            note(
                f"{name} lasts {found[name].duration:.3f} s and has marks up to {end:g} s. "
                "--reference must be of the same recording, in seconds."
            )
    with silent_imports():
        from seqlayers.metrics import segment_scores  # late: it imports Keras
    scores = segment_scores(
        [found[name].times for name in marked],
        [each.times for each in marked.values()],
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
