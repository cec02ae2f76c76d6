"""Rules by which segments of a recording are found. See `segments`."""

import dataclasses
from typing import Any

import numpy as np

from seqlayers.checks import check_choice, check_number

METHODS = ("contrast", "percentile")
LONG = ("drop", "split")
LONGEST_WINDOW = 60_000  # milliseconds
# Lengths that are None unless given, by method. None: estimated from the recording.
LENGTHS: dict[str, dict[str, float | None]] = {
    "contrast": {"buffer": 0.0, "min_spacing": None, "max_length": 10_000.0},
    "percentile": {"buffer": 5.0, "min_spacing": 2.0, "max_length": 500.0},
}


@dataclasses.dataclass(frozen=True)
class SegmentRules:
    """Rules by which `segments` are found. Lengths are milliseconds.

    Args:
        threshold: Percentile of the loudness, from 0 to 100, that is the level; 90 if None. It
            implies `method="percentile"`.
        buffer: Length that is added before and behind each segment. If None, 0 for "contrast" and 5
            for "percentile".
        min_spacing: Segments less than this apart are joined. If None, estimated for "contrast",
            and 2 for "percentile".
        window: Length that loudness is averaged over, rounded to an odd number of samples; at most
            a minute.
        min_length: Shortest length of a segment, without its buffers.
        max_length: Longest length of a segment, without its buffers. If None, 10,000 for "contrast"
            and 500 for "percentile".
        long: `"drop"` to drop segments longer than `max_length`, as the paper does; `"split"` to
            cut each into the fewest equal pieces that are no longer than that.
        band: Pair `(low, high)` in Hz, up to half the sample rate: only these frequencies count, or
            all above `low` if `high` is None. If `band` is None, it is estimated for "contrast",
            and all frequencies count for "percentile".
        level: The level itself, such as that of another recording, in place of `threshold`.
        dip: Segments are cut where loudness dips by this many dB between louder sounds, for at
            least three times `min_spacing`; see `segment_dips`. If None, estimated for "contrast",
            and there are no cuts for "percentile".
        method: `"contrast"` to estimate the level from the noise and the sound of the recording;
            `"percentile"` for the rule of the RNN-RBM paper on spectrograms. If None, "percentile"
            if `threshold` or `level` is given, else "contrast".

    Raises:
        ValueError: If a number is out of range, or two contradict each other.

    Example:
        >>> SegmentRules(threshold=85, band=(500, None)).max_length
        500.0
        >>> SegmentRules().method, SegmentRules().max_length
        ('contrast', 10000.0)
    """

    threshold: float | None = None
    buffer: float | None = None
    min_spacing: float | None = None
    window: float = 4.0
    min_length: float = 15.0
    max_length: float | None = None
    long: str = "drop"
    band: Any = None
    level: float | None = None
    dip: float | None = None
    method: str | None = None

    def __post_init__(self):
        self._settle_method()
        if self.dip is not None:
            check_number("dip", self.dip, above=0)
        for name, length in LENGTHS[self.method].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, length)
        for name in ("buffer", "min_length"):
            check_number(name, getattr(self, name), least=0)
        if self.min_spacing is not None:
            check_number("min_spacing", self.min_spacing, least=0)
        check_number("window", self.window, least=0, most=LONGEST_WINDOW)
        check_number("max_length", self.max_length, above=0)
        if self.max_length < self.min_length:
            raise ValueError(
                "`max_length` must be at least `min_length`. "
                f"Received: min_length={self.min_length}, max_length={self.max_length}."
            )
        check_choice("long", self.long, LONG)
        if self.long == "split" and self.min_length > self.max_length / 2:
            raise ValueError(
                '`min_length` must be at most half of `max_length` with long="split", which halves '
                "segments a little too long. "
                f"Received: min_length={self.min_length}, max_length={self.max_length}."
            )
        if self.band is not None:
            if not isinstance(self.band, list | tuple) or len(self.band) != 2:
                raise ValueError(
                    "`band` must be a pair of frequencies, the lower one first, or None. "
                    f"Received: band={self.band!r}."
                )
            low = check_number("band[0]", self.band[0], least=0)
            if self.band[1] is not None:
                check_number("band[1]", self.band[1], above=low)
            object.__setattr__(self, "band", tuple(self.band))
        if self.level is not None:
            check_number("level", self.level, least=0, most=float(np.finfo("float32").max))

    def _settle_method(self):
        given = [name for name in ("threshold", "level") if getattr(self, name) is not None]
        if self.method is None:
            object.__setattr__(self, "method", "percentile" if given else "contrast")
        check_choice("method", self.method, METHODS)
        if self.method == "percentile" and self.threshold is None:
            object.__setattr__(self, "threshold", 90.0)
        elif self.method == "contrast" and given:
            raise ValueError(
                f'`{given[0]}` must not be given with method="contrast", which estimates the '
                f"level. Received: {given[0]}={getattr(self, given[0])!r}."
            )
        if self.threshold is not None:
            check_number("threshold", self.threshold, least=0, most=100)


DEFAULT = SegmentRules()


def check_rules(rules):
    """Returns `rules`, or raises a ValueError unless they are a `SegmentRules`."""
    if not isinstance(rules, SegmentRules):
        raise ValueError(f"`rules` must be a `SegmentRules`. Received: rules={rules!r}.")
    return rules
