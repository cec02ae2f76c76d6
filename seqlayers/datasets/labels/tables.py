"""Tables of comma-separated values, of one recording or of many.

The header names the columns, in any order: `onset_s`, `offset_s` and `label`, as in crowsetta's
simple form; `start` and `end`, as `seqlayers segment` writes them; `start_seconds`, `stop_seconds`
and `name`, as DAS writes them. A column `file`, or `notated_path` of crowsetta's generic form, has
the recording. Other columns are not read. Semicolons and tabs separate columns, too, as
spreadsheets write them where the comma is the decimal point.
"""

import csv
import io
from pathlib import PurePath
from typing import NamedTuple

from seqlayers.datasets.labels.annotation import LabelError
from seqlayers.datasets.labels.text import by_column, listed, seconds, span

ONSET = ("onset_s", "start", "start_seconds")
OFFSET = ("offset_s", "end", "stop_seconds")
LABEL = ("label", "name")
NOTATED = "notated_path"
RECORDING = (NOTATED, "file")
GENERIC = (
    "label",
    "onset_s",
    "offset_s",
    "onset_sample",
    "offset_sample",
    NOTATED,
    "annot_path",
    "sequence",
    "annotation",
)


def is_table(text):
    """Returns whether a text begins with the header of such a table."""
    return _header(text).complete


def parse(text, generic=False):
    """Returns triples `(start, end, label)` by recording, by None if none is named.

    Args:
        text: Text of the file.
        generic: Whether the table must have the column `notated_path` of the generic form.

    Raises:
        LabelError: If a column is missing, or a row is damaged.
    """
    header = _header(text)
    names = header.names
    if not header.complete or (generic and NOTATED not in names):
        wanted = [ONSET[0], OFFSET[0], LABEL[0], *([NOTATED] if generic else [])]
        raise LabelError(
            f"the columns must include {', '.join(wanted)}. Received: {listed(names)}",
            line=header.line,
        )
    onset, offset, label = (_column(names, choices) for choices in (ONSET, OFFSET, LABEL))
    recording = _column(names, RECORDING)
    found: dict = {} if recording else {None: []}
    advice = f"; quote fields with the separator {header.delimiter!r} in them"
    for line, fields in _rows(text, header.delimiter):
        if line == header.line:
            continue
        row = by_column(names, fields, line, advice)
        times = span(row[onset], row[offset], line, (onset, offset))
        name = row[recording].strip() or None if recording else None
        found.setdefault(name, []).append((*times, row[label]))
        if None in found and len(found) > 1:
            raise LabelError(
                f"{recording} must name the recording in all rows, or in none. "
                f"Received: {listed(map(str, found))}",
                line=line,
            )
    return found


def render(annotations):
    """Returns a table of annotations by recording; None is one that is not named."""
    named = None not in annotations
    rows = [
        [*([name] if named else []), seconds(start), seconds(end), label]
        for name, (start, end), label in _labels(annotations)
    ]
    return _written([[*(["file"] if named else []), ONSET[0], OFFSET[0], LABEL[0]], *rows])


def render_generic(annotations, path, sample_rate=None):
    """Returns a table in the generic form.

    Args:
        annotations: `Annotation` by recording.
        path: The file, whose name each row has.
        sample_rate: Sample rate in Hz; columns of samples are empty if None.
    """
    places = {name: n for n, name in enumerate(annotations)}
    rows = []
    for name, times, label in _labels(annotations):
        samples = [str(round(t * sample_rate)) if sample_rate else "" for t in times]
        own = [name or "", PurePath(path).name, "0", str(places[name])]
        rows.append([label, *map(seconds, times), *samples, *own])
    return _written([list(GENERIC), *rows])


def _labels(annotations):
    for name, annotation in annotations.items():
        for times, label in zip(annotation.times.tolist(), annotation.labels, strict=True):
            yield name, times, label


def _written(rows):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


class _Header(NamedTuple):
    """The first row of a table: its line, its names, and whether they are those of labels."""

    line: int
    delimiter: str
    names: list
    complete: bool


def _header(text):
    """Returns the header, with the separator by which it is complete, or with the first one."""
    headers = []
    for delimiter in ",;\t":
        try:
            line, fields = next(_rows(text, delimiter), (1, []))
        except LabelError as error:
            line, fields = error.line, []
        names = [field.strip() for field in fields]
        complete = all(_column(names, choices) for choices in (ONSET, OFFSET, LABEL))
        headers.append(_Header(line, delimiter, names, complete))
    return next((header for header in headers if header.complete), headers[0])


def _column(names, choices):
    """Returns the first of some names that is there; None if there is none."""
    return next((name for name in choices if name in names), None)


def _rows(text, delimiter):
    """Yields the number of the first line and the fields of each row; blank ones are skipped."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise LabelError(
                f"the row must be comma-separated values: {error}", line=line
            ) from error
        if fields is None:
            return
        if any(field.strip() for field in fields):
            yield line, fields
