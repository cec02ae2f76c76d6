"""Selection tables of Raven: a header, then one selection a line, separated by tabs.

A selection has a row for each view, such as Waveform 1 and Spectrogram 1, with the same number in
the column Selection; it is one label. Channels count from 1 in the file. Annotations stand in a
column that the user named, beside any number of measurements.
"""

import re

from seqlayers.datasets.labels.annotation import LabelError
from seqlayers.datasets.labels.text import (
    by_column,
    check_line,
    listed,
    number,
    rows,
    seconds,
    span,
)

BEGIN, END = "Begin Time (s)", "End Time (s)"
ANNOTATION = "Annotation"
FREQUENCIES = ("Low Freq (Hz)", "High Freq (Hz)")
_FILES = ("Begin Path", "Begin File")
# Columns that Raven itself makes; measurements have their unit in parentheses.
_OWN = {"Selection", "View", "Channel", "Begin File", "End File", "Begin Path", "End Path"}
_OWN |= {"Begin Date Time", "End Date Time", "Begin Date", "Begin Hour", "Occupancy"}
_MEASURED = re.compile(r".+ \(.+\)")


def is_header(line):
    """Returns whether a line is the header of a selection table."""
    return BEGIN in _fields(line)


def parse(text, column=None, channel=None):
    """Returns triples `(start, end, label)`.

    Args:
        text: Text of the file.
        column: Name of the column of labels. If None, `"Annotation"`, or the one column that is
            none of Raven's own.
        channel: Channel to take, counted from 0; all if None.

    Raises:
        LabelError: If the table is damaged, of several recordings, or its column of labels is
            unknown.
    """
    (first, header), *contents = rows(text) or [(1, "")]
    names = _fields(header)
    for name in (BEGIN, END, *(["Channel"] if channel is not None else [])):
        if name not in names:
            raise LabelError(
                f"the columns must include {name!r}. Received: {listed(names)}", line=first
            )
    label = _column(names, column, first)
    file = next((name for name in _FILES if name in names), None)
    selections: dict = {}
    files: set = set()
    for line, content in contents:
        row = by_column(names, content.split("\t"), line)
        if channel is not None and number(row["Channel"], "'Channel'", line) != channel + 1:
            continue
        files.add(row.get(file))
        if len(files) > 1:
            raise LabelError(
                "the table must be of one recording; export one for each. "
                f"Received: {listed(sorted(files))} in {file!r}",
                line=line,
            )
        found = (*span(row[BEGIN], row[END], line, (repr(BEGIN), repr(END))), row[label])
        key = row.get("Selection") or line
        if selections.setdefault(key, found) != found:
            raise LabelError(
                f"selection {key} must have the same times and label in each of its rows. "
                f"Received: {listed(map(str, found))}",
                line=line,
            )
    return list(selections.values())


def render(annotation, sample_rate=None):
    """Returns the text of a file, with the whole band as frequencies if there is a sample rate."""
    band = ("0.000", f"{sample_rate / 2:.3f}") if sample_rate else ()
    view = "Spectrogram 1" if sample_rate else "Waveform 1"
    header = ["Selection", "View", "Channel", BEGIN, END, *FREQUENCIES[: len(band)], ANNOTATION]
    table = [header]
    for n, (times, label) in enumerate(zip(annotation.times, annotation.labels, strict=True), 1):
        table.append([str(n), view, "1", *map(seconds, times), *band, check_line(label)])
    return "".join("\t".join(row) + "\n" for row in table)


def _fields(header):
    return [name.strip() for name in header.split("\t")]


def _column(names, column, line):
    """Returns the name of the column of labels."""
    others = [n for n in names if n and n not in _OWN and not _MEASURED.fullmatch(n)]
    if column is None and ANNOTATION not in names and len(others) == 1:
        return others[0]
    wanted = ANNOTATION if column is None else column
    if wanted not in names:
        raise LabelError(
            "`column` must name the column of labels. "
            f"Received: column={column!r}, with the columns {listed(names)}",
            line=line,
        )
    return wanted
