"""Label tracks of Audacity: start, end and label, separated by tabs, one label a line.

A label made in a spectrogram is followed by a line that begins with a backslash and has its lowest
and highest frequency in Hz, -1 if there is none. These are checked and not kept. The label may be
missing. A point label has equal times.
"""

from seqlayers.datasets.labels.annotation import LabelError
from seqlayers.datasets.labels.text import check_line, number, rows, seconds, span


def parse(text):
    """Returns triples `(start, end, label)`."""
    labels = []
    for line, content in rows(text):
        fields = content.split("\t")
        if fields[0].strip() == "\\":
            if not labels or len(fields) != 3:
                raise LabelError(
                    "a line that begins with a backslash must follow a label and have two "
                    f"frequencies. Received: {len(fields) - 1}, after {len(labels)} labels",
                    line=line,
                )
            for field in fields[1:]:
                number(field, "a frequency", line)
            continue
        if len(fields) not in (2, 3):
            raise LabelError(
                "the line must be a start, an end and a label, separated by tabs. "
                f"Received: {len(fields)} field{'s' * (len(fields) > 1)}",
                line=line,
            )
        label = fields[2] if len(fields) == 3 else ""
        labels.append((*span(*fields[:2], line), label))
    return labels


def render(annotation):
    """Returns the text of a file."""
    return "".join(
        f"{seconds(start)}\t{seconds(end)}\t{check_line(label)}\n"
        for (start, end), label in zip(annotation.times, annotation.labels, strict=True)
    )
