"""Segments of a recording: where something sings, calls or speaks.

A sample n is loud if its loudness a_n, the smoothed magnitude of the samples around it (see
`loudness`), is above 0 and at least

    level = the `threshold`-th percentile of a, over this recording

Runs of loud samples become segments in this order:

    runs less than `min_spacing` apart are joined;
    runs shorter than `min_length` or longer than `max_length` are dropped (or cut, see `long`);
    the others are padded by `buffer` on both sides, as far as the recording goes.

Names and defaults are those of the RNN-RBM paper on spectrograms, which prints an outline of its
code; `window_length` is called `window` here. Where the outline leaves a choice: all lengths are
milliseconds, the buffer too; lengths are judged before the padding, limits included; a_n is centred
on n, because smoothing backwards would put segments half a window late; padded neighbours meet in
the middle of their gap, so that no sample is in two segments. `band` and `long` are not in the
paper. On the Bengalese finch of our tests, the band raises the F1 of whole syllables from 0.64 to
0.97, each at the best settings found.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np

from seqlayers.audio import loudness
from seqlayers.audio.files import check_samples, read_blocks, sample_rate_of
from seqlayers.audio.segment_search import Search
from seqlayers.checks import check_choice, check_integer, check_number
from seqlayers.files import FileError, printable

LONG = ("drop", "split")
LISTED = 10  # skipped recordings that a message lists
LONGEST_WINDOW = 60_000  # milliseconds


class NoSegments(FileError):
    """A recording without segments, or recordings none of which has one.

    Args:
        reason: Why there are none; for one recording, with a threshold that would find some.
        path: The file or folder; None if there is none.
        skipped: Pairs `(file, reason)`, if there are several recordings.
        suggested_threshold: The nearest threshold that would find segments; None if none of those
            tried does.
        suggested_level: The level of that threshold, or None.

    Attributes:
        reason, suggested_threshold, suggested_level: The arguments.
        path: The file or folder as a string, or None.
        skipped: The pairs. The message lists the first `LISTED`.
    """

    def __init__(
        self, reason, path=None, skipped=(), suggested_threshold=None, suggested_level=None
    ):
        lines = [f"\n{printable(file)}: {why}" for file, why in skipped[:LISTED]]
        if len(skipped) > LISTED:
            lines.append(f"\nand {len(skipped) - LISTED} more")
        super().__init__(reason + "".join(lines), path)
        self.skipped = list(skipped)
        self.suggested_threshold, self.suggested_level = suggested_threshold, suggested_level

    @classmethod
    def in_none(cls, skipped):
        """Returns the error for several recordings, all of them without segments.

        Args:
            skipped: Pairs `(file, reason)`.
        """
        return cls(
            "At least one recording must have a segment. "
            f"Received: {len(skipped)} recordings without one.",
            skipped=skipped,
        )


class Segments(NamedTuple):
    """The segments of a recording.

    Attributes:
        times: float64 `(N, 2)`, the start and end of each segment in seconds, in order, disjoint.
        level: The loudness above which samples are loud.
        duration: Duration of the recording in seconds.
    """

    times: Any
    level: float
    duration: float


@dataclasses.dataclass(frozen=True)
class SegmentRules:
    """Rules by which `segments` are found. Lengths are milliseconds.

    Args:
        threshold: Percentile of the loudness, from 0 to 100, that is the level.
        buffer: Length that is added before and behind each segment.
        min_spacing: Segments less than this apart are joined.
        window: Length that loudness is averaged over, rounded to an odd number of samples; at most
            a minute.
        min_length: Shortest length of a segment, without its buffers.
        max_length: Longest length of a segment, without its buffers.
        long: `"drop"` to drop segments longer than `max_length`, as the paper does; `"split"` to
            cut each into the fewest equal pieces that are no longer than that.
        band: Pair `(low, high)` in Hz, up to half the sample rate: only these frequencies count, or
            all above `low` if `high` is None. All frequencies if `band` is None.
        level: The level itself, such as that of another recording, in place of `threshold`.

    Raises:
        ValueError: If a number is out of range, or two contradict each other.

    Example:
        >>> SegmentRules(threshold=85, band=(500, None)).max_length
        500.0
    """

    threshold: float = 90.0
    buffer: float = 5.0
    min_spacing: float = 2.0
    window: float = 4.0
    min_length: float = 15.0
    max_length: float = 500.0
    long: str = "drop"
    band: Any = None
    level: float | None = None

    def __post_init__(self):
        check_number("threshold", self.threshold, least=0, most=100)
        for name in ("buffer", "min_spacing", "min_length"):
            check_number(name, getattr(self, name), least=0)
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


DEFAULT = SegmentRules()


def envelope(samples, sample_rate, rules=DEFAULT):
    """Computes the loudness of a recording that `segments` compares with the level.

    Args:
        samples: Floats `(N,)`, at least one.
        sample_rate: Samples per second.
        rules: `SegmentRules`, of which `window` and `band` have an effect.

    Returns:
        float32 array `(N,)`.

    Raises:
        ValueError: If the samples are invalid, or the rules do not fit the sample rate.

    Example:
        >>> envelope(np.ones(1000), 16000)[[0, 500]].round(3)
        array([0.508, 1.   ], dtype=float32)
    """
    return _envelope(_search(sample_rate, rules), samples)


def segments(samples, sample_rate, rules=DEFAULT):
    """Finds the segments of a recording.

    Args:
        samples: Floats `(N,)`, at least one.
        sample_rate: Samples per second.
        rules: `SegmentRules`.

    Returns:
        `Segments(times, level, duration)`, with at least one segment.

    Raises:
        NoSegments: If there is none. A kind of ValueError.
        ValueError: If the samples are invalid, or the rules do not fit the sample rate.

    Example:
        >>> t = np.arange(16000) / 16000
        >>> samples = np.sin(3000 * t) * ((t > 0.5) & (t < 0.55))
        >>> segments(samples, 16000).times.round(3)
        array([[0.493, 0.557]])
    """
    search = _search(sample_rate, rules)
    a = _envelope(search, samples)
    return _found(search, lambda: [a], lambda q: np.percentile(a, q))


def segments_of_blocks(read, sample_rate, rules=DEFAULT):
    """Finds the segments of a recording that comes in blocks, in memory that does not grow with it.

    The recording is read twice, first for the level and then for the segments; once if `rules` have
    a level; a third time if no segment is found, to name a threshold that would find some. The
    level is at most one part in 4096 below that of `segments`; with the same level, the segments
    are equal.

    Args:
        read: Function without arguments that returns an iterator over float arrays `(n,)`, which
            joined are the samples; each time from the start.
        sample_rate: Samples per second.
        rules: `SegmentRules`.

    Returns:
        `Segments(times, level, duration)`, with at least one segment.

    Raises:
        NoSegments: If there is none. A kind of ValueError.
        ValueError: If the samples are invalid, or the rules do not fit the sample rate.

    Example:
        >>> t = np.arange(16000) / 16000
        >>> samples = np.sin(3000 * t) * ((t > 0.5) & (t < 0.55))
        >>> read = lambda: iter(np.split(samples, 10))
        >>> segments_of_blocks(read, 16000, SegmentRules(level=0.1)).times.round(3)
        array([[0.494, 0.556]])
    """
    if not callable(read):
        raise ValueError(
            "`read` must be a function that returns the blocks, as they are read more than once. "
            f"Received: read={read!r}."
        )
    search = _search(sample_rate, rules)

    def smoothed():
        return search.loudness(map(check_samples, read()))

    histogram: list = []  # made once, and not at all if the level is given and finds segments

    def percentile(q):
        if not histogram:
            histogram.append(loudness.Histogram(smoothed()))
        return histogram[0].percentile(q)

    return _found(search, smoothed, percentile)


def segments_of_file(path, rules=DEFAULT, *, sample_rate=None, channel: int | str = "mean"):
    """Finds the segments of a sound file, in memory that does not grow with its length.

    Args:
        path: The file, as in `audio.read`.
        rules: `SegmentRules`.
        sample_rate: Samples per second to resample to; not resampled if None.
        channel: The channel to take, counted from 0; `"mean"` for the mean of all.

    Returns:
        `Segments(times, level, duration)`, as `segments_of_blocks` finds them.

    Raises:
        NoSegments: If there is none.
        AudioError: If the file is damaged, see `audio.read`.
        ValueError: If an argument is invalid, or the rules do not fit the sample rate.
        OSError: If there is no such file or it cannot be opened.

    Example:
        >>> t = np.arange(16000) / 16000
        >>> audio.write("a.wav", 0.5 * np.sin(3000 * t) * ((t > 0.5) & (t < 0.55)), 16000)
        >>> segments_of_file("a.wav").times.round(3)
        array([[0.493, 0.557]])
    """
    if sample_rate is None:
        sample_rate = sample_rate_of(path)
    rate = check_integer("sample_rate", sample_rate)
    read = functools.partial(read_blocks, path, loudness.BLOCK, rate, channel)
    try:
        return segments_of_blocks(read, rate, rules)
    except NoSegments as error:
        raise NoSegments(
            error.reason, path, (), error.suggested_threshold, error.suggested_level
        ) from None


def _envelope(search, samples):
    return np.concatenate([*search.loudness([check_samples(samples, least=1)])])


def _search(sample_rate, rules):
    if not isinstance(rules, SegmentRules):
        raise ValueError(f"`rules` must be a `SegmentRules`. Received: rules={rules!r}.")
    return Search(check_integer("sample_rate", sample_rate), rules)


def _found(search, smoothed, percentile):
    """Returns the `Segments` of a recording, whose loudness `smoothed()` yields in blocks."""
    rules = search.rules
    level = percentile(rules.threshold) if rules.level is None else rules.level
    runs, num_samples = search.runs(smoothed, level)
    duration = num_samples / search.rate
    if len(runs):
        times = search.padded(runs, num_samples) / search.rate
        return Segments(times, float(level), duration)
    if not num_samples:
        raise NoSegments("There are no samples.")
    asked = f"threshold={rules.threshold}" if rules.level is None else f"level={rules.level}"
    advice, suggestions = search.advice(smoothed, percentile, level)
    raise NoSegments(
        f"There is no segment of {rules.min_length:g} to {rules.max_length:g} ms in "
        f"{duration:.3f} s of sound. {advice} Received: {asked}.",
        **suggestions,
    )
