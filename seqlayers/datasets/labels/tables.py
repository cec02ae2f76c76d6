"""Tables of comma-separated values, of one recording or of many.

The header names the columns, in any order: `onset_s`, `offset_s` and `label`, as in crowsetta's
simple form; `start` and `end`, as `seqlayers segment` writes them; `start_seconds`, `stop_seconds`
and `name`, as DAS writes them, with an empty start where a name has no segment. Without a column
of labels, all are empty. A column `file`, or `notated_path` of crowsetta's generic form, has the
recording. Other columns are not read. Semicolons and tabs separate columns, too, as spreadsheets
write them where the comma is the decimal point.
"""

import csv
import io
from pathlib import PurePath
from typing import NamedTuple

from seqlayers.datasets.labels.annotation import LabelError
from seqlayers.datasets.labels.text import by_column, check_once, listed, seconds, span

DAS = ("start_seconds", "stop_seconds")
SPANS = (("onset_s", "offset_s"), ("start", "end"), DAS)
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
    return _header(text).span is not None


def parse(text, generic=False):
    """Returns triples `(start, end, label)` by recording, by None if none is named.

    Args:
        text: Text of the file.
        generic: Whether the table must have the columns of the generic form.

    Raises:
        LabelError: If a column is missing or is there twice, or a row is damaged.
    """
    header = _header(text)
    names, ends = header.names, header.span
    if generic and ends is not None:
        ends = ends if "label" in names and NOTATED in names else None
    if ends is None:
        wanted = ", or ".join(map(" and ".join, SPANS))
        if generic:
            wanted = ", ".join(["label", *SPANS[0], NOTATED])
        raise LabelError(
            f"the columns must include {wanted}. Received: {listed(names)}", line=header.line
        )
    label, recording = _column(names, LABEL), _column(names, RECORDING)
    check_once(names, filter(None, [*ends, label, recording]), header.line)
    found: dict = {} if recording else {None: []}
    advice = f"; quote fields with the separator {header.delimiter!r} in them"
    for line, fields in _rows(text, header.delimiter):
        if line == header.line:
            continue
        row = by_column(names, fields, line, advice)
        if ends == DAS and row[DAS[0]].strip().lower() in ("", "nan"):
            continue  # a name without a segment
        times = span(*(row[name] for name in ends), line, ends)
        name = row[recording].strip() or None if recording else None
        found.setdefault(name, []).append((*times, row[label] if label else ""))
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
    return _written([[*(["file"] if named else []), *SPANS[0], LABEL[0]], *rows])


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
    """The first row of a table: its line, its names, and those of starts and ends, or None."""

    line: int
    delimiter: str
    names: list
    span: tuple | None


def _header(text):
    """Returns the header, with the separator by which it has starts and ends, or the first one."""
    headers = []
    for delimiter in ",;\t":
        try:
            line, fields = next(_rows(text, delimiter), (1, []))
        except LabelError as error:
            line, fields = error.line, []
        names = [field.strip() for field in fields]
        ends = next((ends for ends in SPANS if set(ends) <= set(names)), None)
        headers.append(_Header(line, delimiter, names, ends))
    return next((header for header in headers if header.span), headers[0])


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
