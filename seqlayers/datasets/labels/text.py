"""Text of label files: its encoding, its lines, and the numbers in it."""

import codecs
import math
import re
import reprlib

from seqlayers.datasets.labels.annotation import LabelError

LISTED = 10  # names that a message lists
_WHOLE = reprlib.Repr()
_WHOLE.maxstring = 200  # of 30 characters, two paths look alike
_BREAK = re.compile(r"\r\n|\n|\r")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# One way to match each text: with two, a long word of digits would take for ever.
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)


def decode(data):
    """Returns the text of a file: UTF-8, or UTF-16 with a byte order mark, which is removed.

    Raises:
        LabelError: If the bytes are no such text, with the number of the line.
    """
    mark, encoding = next((each for each in _MARKS if data.startswith(each[0])), (b"", "utf-8"))
    wanted = "the file must be text in UTF-8, or in UTF-16 with a byte order mark. Received: "
    data = data[len(mark) :]
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "ignore")
        byte = f"the byte 0x{data[error.start]:02x}"
        raise LabelError(wanted + byte, line=len(lines(before))) from error
    if "\0" in text:
        before = text[: text.index("\0")]
        raise LabelError(wanted + "the character NUL", line=len(lines(before)))
    return text


def encode(text):
    """Returns text as UTF-8.

    Raises:
        LabelError: If it holds a character that `decode` refuses.
    """
    wrong = re.search("[\0\ud800-\udfff]", text)
    if wrong:
        raise LabelError(
            "labels must be text that UTF-8 can hold, without the character NUL. "
            f"Received: {wrong[0]!r}"
        )
    return text.encode()


def lines(text):
    """Returns the lines of a text, ended as on Unix, Windows or old Macs."""
    return _BREAK.split(text)


def rows(text):
    """Returns pairs of number and text of the lines that are not blank."""
    return [(n, line) for n, line in enumerate(lines(text), 1) if line.strip()]


def check_once(names, wanted, line):
    """Refuses a header in which a column that is read is missing or is there twice.

    Args:
        names: Names of the columns.
        wanted: Names of those that are read.
        line: Number of the line.

    Raises:
        LabelError: If there is not one of each.
    """
    for name in wanted:
        if (number := names.count(name)) != 1:
            raise LabelError(
                f"the columns must include {name!r} once. Received: {number} among {listed(names)}",
                line=line,
            )


def by_column(names, fields, line, advice=""):
    """Returns the fields of a row by the names of their columns.

    Args:
        names: Names of the columns.
        fields: Texts of the fields.
        line: Number of the line.
        advice: What to do if there are too many fields, for the message.

    Raises:
        LabelError: If there are not as many fields as names.
    """
    if len(fields) != len(names):
        advice = advice if len(fields) > len(names) else ""
        raise LabelError(
            f"the row must have {len(names)} fields, as the header has{advice}. "
            f"Received: {len(fields)}",
            line=line,
        )
    return dict(zip(names, fields, strict=True))


def number(text, name, line):
    """Returns a number as a float; a comma counts as the decimal point.

    Args:
        text: The number, such as `"0.5"`, `"0,5"` or `"5e-1"`.
        name: Description of the number, for the message.
        line: Number of its line.

    Raises:
        LabelError: If `text` is no finite number.
    """
    value = math.nan
    if NUMBER.fullmatch(text.strip()):
        value = float(text.strip().replace(",", "."))
    if not math.isfinite(value):
        raise LabelError(f"{name} must be a number. Received: {reprlib.repr(text)}", line=line)
    return value


def span(start, end, line, names=("the start", "the end")):
    """Returns the start and the end of a label in seconds, from their texts.

    Raises:
        LabelError: As `number` and `check_span` do.
    """
    return check_span(number(start, names[0], line), number(end, names[1], line), line, names)


def check_span(start, end, line=None, names=("the start", "the end")):
    """Returns the start and the end of a label in seconds.

    Raises:
        LabelError: If the start is negative, the end lies before it, or one is not finite.
    """
    if not (0 <= start <= end < math.inf):
        raise LabelError(
            f"{names[0]} must be at least 0, and {names[1]} not before it. "
            f"Received: {start:g} to {end:g} s",
            line=line,
        )
    return start, end


def seconds(time):
    """Returns a time as it is written, to a microsecond."""
    return f"{time:.6f}"


def listed(names):
    """Returns names as text, quoted, the first `LISTED` of them."""
    names = list(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(map(_WHOLE.repr, names[:LISTED])) or "none") + more


def check_line(label):
    """Refuses a label that does not fit into a field of a table separated by tabs.

    Raises:
        LabelError: If it holds a tab or a line break.
    """
    if re.search(r"[\t\n\r]", label):
        raise LabelError(
            "labels in this format must not hold tabs or line breaks; replace them, or write "
            f'format="csv". Received: {reprlib.repr(label)}'
        )
    return label
