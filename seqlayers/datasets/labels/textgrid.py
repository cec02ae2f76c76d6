"""TextGrids of Praat, in its long and its short text form.

Praat reads a text file by its free-standing numbers, strings in double quotes and flags such as
`<exists>`; all other words, and what follows a `!`, explain them to people. Read so, the two forms
are the same: the bounds of the file, then for each tier its class, name, bounds and items. An
interval has two times and a text, a point one time and a text. A quote within a string is doubled.
Intervals without text are the gaps between labels; points without text are labels.
"""

import re
import reprlib

from seqlayers.datasets.labels.annotation import LabelError
from seqlayers.datasets.labels.text import NUMBER, check_span, listed, number

NAME = "labels"  # of the tier that is written
INTERVALS, POINTS = "IntervalTier", "TextTier"
_FILES = ("ooTextFile", "ooTextFile short")  # the second as earlier versions wrote it
_TOKEN = re.compile(r'"[^"]*(?:""[^"]*)*"|![^\n]*|\S+')
_START = re.compile(r'\s*(File type\s*=\s*)?"ooTextFile( short)?"')


def is_textgrid(text):
    """Returns whether a text begins as the files of Praat do."""
    return _START.match(text) is not None


def parse(text, tier=None):
    """Returns triples `(start, end, label)`.

    Args:
        text: Text of the file.
        tier: Name of the tier. May be None if there is one.

    Raises:
        LabelError: If the file is damaged, or has no such tier.
    """
    values = _Values(text.replace("\r\n", "\n").replace("\r", "\n"))
    for wanted in (_FILES, ("TextGrid",)):
        if (word := values.string(f'"{wanted[0]}"')) not in wanted:
            raise LabelError(
                f'the file must be a TextGrid, with "{wanted[0]}". Received: {reprlib.repr(word)}',
                line=values.line,
            )
    _bounds(values)
    if (flag := values.next("the flag <exists>")) != "<exists>":
        raise LabelError(
            f"the file must have tiers, and so the flag <exists>. Received: {reprlib.repr(flag)}",
            line=values.line,
        )
    tiers = [_tier(values) for _ in range(values.count("the number of tiers"))]
    names = [name for name, _ in tiers]
    if tier is None and len(tiers) == 1:
        return tiers[0][1]
    if names.count(tier) != 1:
        raise LabelError(
            f"`tier` must name one of the tiers, and no other may have that name. "
            f"Received: {'no `tier`' if tier is None else f'{tier=}'}, with the tiers "
            f"{listed(names)}"
        )
    return tiers[names.index(tier)][1]


def render(annotation, duration=None):
    """Returns the text of a file with one tier of intervals, in the long form.

    Args:
        annotation: `Annotation`.
        duration: Duration of the recording in seconds; the end of the last label if None.

    Raises:
        LabelError: If labels overlap, are points or have no text, or end after the duration.
    """
    intervals, at = [], 0
    for times, label in zip(annotation.times.tolist(), annotation.labels, strict=True):
        start, end = (round(time * 10**6) for time in times)
        if start < at or start == end or not label.strip() or "\r" in label:
            raise LabelError(
                "labels of a TextGrid must not overlap, and must have a length and a text without "
                f"carriage returns. Received: {reprlib.repr(label)} from {times[0]:.6f} to "
                f"{times[1]:.6f} s"
            )
        intervals += [(at, start, "")] * (start > at) + [(start, end, label)]
        at = end
    total = at if duration is None else round(duration * 10**6)
    if total < at or total == 0:
        raise LabelError(
            "`duration` must be above 0 and not before the end of the last label. "
            f"Received: duration={duration}, with a label until {at / 10**6:.6f} s"
        )
    intervals += [(at, total, "")] * (total > at)
    bounds = f"xmin = 0\n{{0}}xmax = {_seconds(total)}\n"
    rows = [
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n',
        bounds.format(""),
        "tiers? <exists>\nsize = 1\nitem []:\n    item [1]:\n",
        f'        class = "{INTERVALS}"\n        name = "{NAME}"\n        ',
        bounds.format(" " * 8),
        f"        intervals: size = {len(intervals)}\n",
    ]
    for n, (start, end, label) in enumerate(intervals, 1):
        quoted = label.replace('"', '""')
        rows.append(
            f"        intervals [{n}]:\n            xmin = {_seconds(start)}\n"
            f'            xmax = {_seconds(end)}\n            text = "{quoted}"\n'
        )
    return "".join(rows)


def _seconds(microseconds):
    return f"{microseconds // 10**6}.{microseconds % 10**6:06d}"


def _tier(values):
    """Returns the name of the next tier, and its rows."""
    kind = values.string("the class of a tier")
    if kind not in (INTERVALS, POINTS):
        raise LabelError(
            f'the class of a tier must be "{INTERVALS}" or "{POINTS}". '
            f"Received: {reprlib.repr(kind)}",
            line=values.line,
        )
    name, rows = values.string("the name of a tier"), []
    _bounds(values)
    for _ in range(values.count("the number of labels")):
        start = end = values.number("a time")
        if kind == INTERVALS:
            end = values.number("a time")
        times = check_span(start, end, values.line)
        label = values.string("a text")
        if label.strip() or kind == POINTS:
            rows.append((*times, label))
    return name, rows


def _bounds(values):
    for what in ("the lower bound", "the upper bound"):
        values.number(what)


class _Values:
    """The numbers, strings and flags of a text, one after the other.

    Attributes:
        line: Line of the last one.
    """

    def __init__(self, text):
        self.line, self._at, self._text = 1, 0, text
        self._tokens = _TOKEN.finditer(text)

    def next(self, what):
        """Returns the next one as it is written. `what` says for the message which that is."""
        for token in self._tokens:
            self.line += self._text.count("\n", self._at, token.start())
            self._at, word = token.start(), token[0]
            if word[0] in '"<' or NUMBER.fullmatch(word):
                return word
        self.line += self._text.count("\n", self._at)
        raise LabelError(f"the file must go on with {what}. Received: its end", line=self.line)

    def string(self, what):
        """Returns the next one, a string, without its quotes."""
        word = self.next(what)
        if len(word) < 2 or word[0] != '"' or word[-1] != '"':
            raise LabelError(
                f"{what} must be in double quotes. Received: {reprlib.repr(word)}", line=self.line
            )
        return word[1:-1].replace('""', '"')

    def number(self, what):
        """Returns the next one, a number, as a float."""
        return number(self.next(what), what, self.line)

    def count(self, what):
        """Returns the next one, a number of items."""
        value = self.number(what)
        if value < 0 or value != int(value):
            raise LabelError(
                f"{what} must be an integer of at least 0. Received: {value:g}", line=self.line
            )
        return int(value)
