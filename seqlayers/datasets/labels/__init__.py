"""Label files of the field: Audacity, Raven, Praat, CSV, crowsetta's generic form, `.not.mat`.

All are read as an `Annotation`, and all but the last written from one. crowsetta itself is not
used: it needs pandas, pandera and pydantic, for formats that are a page each.
"""

from seqlayers.datasets.labels.annotation import Annotation, LabelError, check_duration
from seqlayers.datasets.labels.formats import (
    FORMATS,
    WRITABLE,
    check_writable,
    read,
    read_table,
    write,
    write_table,
)
from seqlayers.datasets.labels.matching import Matched, match

__all__ = [
    "Annotation",
    "FORMATS",
    "LabelError",
    "Matched",
    "WRITABLE",
    "check_duration",
    "check_writable",
    "match",
    "read",
    "read_table",
    "write",
    "write_table",
]
