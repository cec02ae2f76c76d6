"""Reading and writing label files of all formats."""

import functools
import os
from pathlib import Path

from seqlayers.checks import check_choice, check_integer, check_number
from seqlayers.datasets.labels import audacity, notmat, raven, tables, textgrid
from seqlayers.datasets.labels.annotation import Annotation, LabelError
from seqlayers.datasets.labels.text import NUMBER, decode, encode, lines, listed
from seqlayers.files import check_regular_file, write_atomically

TABLES = ("csv", "generic")  # which are written of many recordings
WRITABLE = ("audacity", "raven", "textgrid", *TABLES)
FORMATS = (*WRITABLE, "notmat")
SUFFIXES = (".txt", ".textgrid", ".csv", ".mat")
MAX_FILE_BYTES = 64 * 2**20
_OPTIONS = {"tier": "textgrid", "column": "raven", "channel": "raven"}


class NoEffect(ValueError):
    """An option that a format does not have.

    Attributes:
        option: Its name.
    """

    def __init__(self, option, value, format, path):
        super().__init__(
            f"`{option}` has no effect with the format {format!r} of {path}; remove it. "
            f"Received: {option}={value!r}."
        )
        self.option = option


def read(path, format=None, *, tier=None, column=None, channel=None):
    """Reads the labels of one recording.

    Args:
        path: The file: text in UTF-8, or in UTF-16 with a byte order mark, with any line ends and
            with points or commas in its numbers; or a `.not.mat`.
        format: One of `FORMATS`: `"audacity"`, `"raven"`, `"textgrid"`, `"csv"`, `"generic"` (of
            crowsetta) or `"notmat"`. If None, content and suffix decide.
        tier: Name of the tier of a TextGrid; may be None if there is one.
        column: Name of the column of labels in a table of Raven. If None, `"Annotation"`, or the
            one column that is none of Raven's own; without such columns, labels are empty.
        channel: Channel in a table of Raven whose labels are taken, counted from 0 as in
            `audio.read`; all if None.

    Returns:
        `Annotation`. A point label has a start that equals its end; empty intervals of a TextGrid
        are no labels, all other empty labels are labels. All are empty in a table without a column
        of labels.

    Raises:
        LabelError: If the file is larger than `MAX_FILE_BYTES`, damaged, of an unknown format, of
            several recordings, or has no such tier or column. The message has the number of the
            line.
        ValueError: If another argument is invalid, or has no effect with the format.
        OSError: If there is no such file or it cannot be opened.

    Example:
        >>> write("song.txt", Annotation([[0.1, 0.3]], ["a"]), "audacity")
        >>> read("song.txt").times
        array([[0.1, 0.3]])
    """
    found = annotations(path, format, tier=tier, column=column, channel=channel)
    if len(found) > 1:
        raise LabelError(
            "the table must be of one recording; `read_table` reads those of many. "
            f"Received: {listed(found)}",
            path,
        )
    return next(iter(found.values()), Annotation([], []))


def read_table(path, format=None, *, column=None, channel=None):
    """Reads the labels of many recordings from one table.

    Args:
        path: The file: a CSV with a column `file`, as `seqlayers segment` writes it, crowsetta's
            generic form, or a table of Raven with a column `Begin Path` or `Begin File`.
        format: `"csv"`, `"generic"` or `"raven"`; the content decides if None.
        column, channel: As in `read`.

    Returns:
        Dictionary of `Annotation` by the names of recordings, as the table has them.

    Raises:
        LabelError: If the file is damaged, or does not name recordings.
        ValueError: If `format` is another one, or another argument is invalid, or has no effect
            with the format.
        OSError: If there is no such file or it cannot be opened.

    Example:
        >>> write_table("songs.csv", {"one.wav": Annotation([[0.1, 0.3]], ["a"])})
        >>> list(read_table("songs.csv"))
        ['one.wav']
    """
    if format is not None:
        check_choice("format", format, (*TABLES, "raven"))
    found = annotations(path, format, column=column, channel=channel)
    if None in found:
        raise LabelError("the table must name its recordings, in a column `file`", path)
    return found


def write(path, annotation, format, *, sample_rate=None, duration=None):
    """Writes the labels of one recording, all of them or nothing, to a microsecond.

    Args:
        path: The file to make or to replace.
        annotation: `Annotation`.
        format: One of `WRITABLE`: `"audacity"`, `"raven"`, `"textgrid"`, `"csv"` or `"generic"`.
        sample_rate: Sample rate of the recording in Hz. `"generic"` has times in samples then, too,
            and `"raven"` the whole band as frequencies.
        duration: Duration of the recording in seconds, which a `"textgrid"` has; the end of the
            last label if None.

    Raises:
        LabelError: If the format cannot hold the labels: tabs and line breaks in `"audacity"` and
            `"raven"`; overlaps, points and empty labels in `"textgrid"`.
        ValueError: If another argument is invalid.
        OSError: If the file cannot be written; an older one is then untouched.

    Example:
        >>> write("song.TextGrid", Annotation([[0.1, 0.3]], ["a"]), "textgrid", duration=1.5)
    """
    check_choice("format", format, WRITABLE)
    sample_rate = _check_rate(sample_rate)
    if duration is not None:
        duration = check_number("duration", duration, above=0)
    _check_annotation("annotation", annotation)
    render = functools.partial(_text, path, annotation, format, sample_rate, duration)
    write_atomically(path, _of(path, render))


def check_writable(names, format):
    """Refuses labels that files of a format cannot hold, before any is written.

    Args:
        names: List of labels, strings.
        format: As in `write`.

    Raises:
        LabelError: As in `write`.
        ValueError: If another argument is invalid.
    """
    check_choice("format", format, WRITABLE)
    if names:
        encode(_text("", Annotation([[n, n + 1] for n in range(len(names))], names), format))


def _text(path, annotation, format, sample_rate=None, duration=None):
    """Returns the text of a file of labels."""
    renders = {
        "audacity": lambda: audacity.render(annotation),
        "raven": lambda: raven.render(annotation, sample_rate),
        "textgrid": lambda: textgrid.render(annotation, duration),
        "csv": lambda: tables.render({None: annotation}),
        "generic": lambda: tables.render_generic({None: annotation}, path, sample_rate),
    }
    return renders[format]()


def write_table(path, annotations, format="csv", *, sample_rate=None):
    """Writes the labels of many recordings as one table, all of it or nothing, to a microsecond.

    Args:
        path: The file to make or to replace.
        annotations: Dictionary of `Annotation` by the names of recordings. A recording without
            labels has no row.
        format: `"csv"`, with the columns file, onset_s, offset_s and label; or `"generic"`.
        sample_rate: Sample rate of all recordings in Hz, for the columns of samples of `"generic"`.

    Raises:
        LabelError: If a label or a name cannot be written.
        ValueError: If another argument is invalid.
        OSError: If the file cannot be written; an older one is then untouched.
    """
    check_choice("format", format, TABLES)
    sample_rate = _check_rate(sample_rate)
    for name, annotation in annotations.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(
                f"`annotations` must have names of recordings as keys. Received: {name!r}."
            )
        _check_annotation(f"annotations[{name!r}]", annotation)
    renders = {
        "csv": lambda: tables.render(annotations),
        "generic": lambda: tables.render_generic(annotations, path, sample_rate),
    }
    write_atomically(path, _of(path, renders[format]))


def annotations(path, format, *, tier=None, column=None, channel=None):
    """Reads the labels of one recording or of many, as `read` and `read_table` do.

    Args:
        path, format, tier, column, channel: As in `read`.

    Returns:
        Dictionary of `Annotation` by the names of recordings, None for one that is not named.
    """
    if format is not None:
        check_choice("format", format, FORMATS)
    if channel is not None:
        channel = check_integer("channel", channel, least=0)
    options = {"tier": tier, "column": column, "channel": channel}
    check_regular_file(path, LabelError)
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    try:
        if len(data) > MAX_FILE_BYTES:
            raise LabelError(f"the file must have at most {MAX_FILE_BYTES:,} bytes")
        if format is None and os.fspath(path).lower().endswith(".mat"):
            format = "notmat"
        text = None if format == "notmat" else decode(data)
        format = format or _format_of(text, Path(path).suffix.lower())
        for name, value in options.items():
            if value is not None and _OPTIONS[name] != format:
                raise NoEffect(name, value, format, path)
        found = _parse(text, data, format, options)
    except LabelError as error:
        raise error.in_file(path) from error.__cause__
    return {
        name: Annotation([row[:2] for row in rows], [row[2] for row in rows])
        for name, rows in found.items()
    }


def _parse(text, data, format, options):
    """Returns triples `(start, end, label)` by recording."""
    if format in TABLES:
        return tables.parse(text, generic=format == "generic")
    if format == "raven":
        return raven.parse(text, options["column"], options["channel"])
    parses = {
        "audacity": lambda: audacity.parse(text),
        "textgrid": lambda: textgrid.parse(text, options["tier"]),
        "notmat": lambda: notmat.parse(data),
    }
    return {None: parses[format]()}


def _format_of(text, suffix):
    """Returns the format of a text, by its beginning or else by the suffix of its file."""
    first = next((line for line in lines(text) if line.strip()), "")
    if textgrid.is_textgrid(text) or suffix == ".textgrid":
        return "textgrid"
    if raven.is_header(first):
        return "raven"
    if tables.is_table(text) or suffix == ".csv":
        return "csv"  # which reads the generic form, too
    times = [field.strip() for field in first.split("\t")[:2]]
    if suffix == ".txt" or (len(times) == 2 and all(map(NUMBER.fullmatch, times))):
        return "audacity"
    raise LabelError(
        "the format of the file must be known by its first line or by its suffix, which is .txt, "
        f".csv, .TextGrid or .mat. Known are {', '.join(FORMATS)}"
    )


def _of(path, render):
    """Returns what `render` returns, encoded; its errors name the file."""
    try:
        return encode(render())
    except LabelError as error:
        raise error.in_file(path) from error.__cause__


def _check_annotation(name, annotation):
    if not isinstance(annotation, Annotation):
        raise ValueError(
            f"`{name}` must be an `Annotation`. Received: {type(annotation).__name__}."
        )


def _check_rate(sample_rate):
    return None if sample_rate is None else check_integer("sample_rate", sample_rate)
