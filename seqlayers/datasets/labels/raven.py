"""Selection tables of Raven: a header, then one selection a line, separated by tabs.

A selection has a row for each view, such as Waveform 1 and Spectrogram 1, with the same number in
the column Selection; it is one label. Channels count from 1 in the file. Annotations stand in a
column that the user named, beside any number of measurements; without one, labels are empty. Times
of recordings that Raven opened in a row count from the start of the first; the column of offsets
has those from the start of each.
"""

from seqlayers.datasets.labels.annotation import TOLERANCE, LabelError
from seqlayers.datasets.labels.text import (
    by_column,
    check_line,
    check_once,
    check_span,
    listed,
    number,
    rows,
    seconds,
    span,
)

BEGIN, END = "Begin Time (s)", "End Time (s)"
ANNOTATION = "Annotation"
FREQUENCIES = ("Low Freq (Hz)", "High Freq (Hz)")
OFFSET = "File Offset (s)"
_FILES = ("Begin Path", "Begin File")
# Columns that Raven itself makes. Measurements have their unit in parentheses, or are relative.
_OWN = {"Selection", "View", "Channel", "Begin File", "End File", "Begin Path", "End Path"}
_OWN |= {"Begin Date Time", "End Date Time", "Begin Date", "End Date", "Begin Hour", "End Hour"}
_OWN |= {"Begin Clock Time", "End Clock Time", "Occupancy", "Energy", "PFC Num Inf Pts"}
_MEASURED = (")", " Rel.", " Relative")


def is_header(line):
    """Returns whether a line is the header of a selection table."""
    return BEGIN in _fields(line)


def parse(text, column=None, channel=None):
    """Returns triples `(start, end, label)` by recording, by None if none is named.

    Args:
        text: Text of the file.
        column: Name of the column of labels. If None, `"Annotation"`, or the one column that is
            none of Raven's own.
        channel: Channel to take, counted from 0; all if None.

    Raises:
        LabelError: If the table is damaged, of several recordings without offsets, or its column of
            labels is unknown.
    """
    (first, header), *contents = rows(text) or [(1, "")]
    names = _fields(header)
    check_once(names, [BEGIN, END, *(["Channel"] if channel is not None else [])], first)
    label = _column(names, column, first)
    file = next((name for name in _FILES if name in names), None)
    found: dict = {} if file else {None: {}}
    for line, content in contents:
        row = by_column(names, content.split("\t"), line)
        if channel is not None and number(row["Channel"], "'Channel'", line) != channel + 1:
            continue
        selections = found.setdefault(row[file].strip() or None if file else None, {})
        if len(found) > 1 and (None in found or OFFSET not in names):
            raise LabelError(
                f"a table of several recordings must have {file!r} and {OFFSET!r} in all rows. "
                f"Received: {listed(map(str, found))}, with the columns {listed(names)}",
                line=line,
            )
        selection = (*_times(row, line), row[label] if label else "")
        key = row.get("Selection") or line
        if selections.setdefault(key, selection) != selection:
            raise LabelError(
                f"selection {key} must have the same times and label in each of its rows. "
                f"Received: {listed(map(str, selection))}",
                line=line,
            )
    return {name: list(selections.values()) for name, selections in found.items()}


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


def _times(row, line):
    """Returns the start and the end of a selection, from the start of its recording."""
    start, end = span(row[BEGIN], row[END], line, (repr(BEGIN), repr(END)))
    if OFFSET in row:
        own = number(row[OFFSET], repr(OFFSET), line)
        if abs(own - start) > TOLERANCE:  # else the same time, rounded
            return check_span(own, own + (end - start), line, (repr(OFFSET), repr(END)))
    return start, end


def _column(names, column, line):
    """Returns the name of the column of labels; None if the table has none."""
    others = [n for n in names if n and n not in _OWN and not n.endswith(_MEASURED)]
    if column is None and ANNOTATION not in names and len(others) < 2:
        return others[0] if others else None
    wanted = ANNOTATION if column is None else column
    if names.count(wanted) != 1:
        raise LabelError(
            "`column` must name the column of labels. "
            f"Received: {'no `column`' if column is None else f'{column=}'}, with the columns "
            f"{listed(names)}",
            line=line,
        )
    return wanted
