"""Segments of a recording: where something sings, calls or speaks.

A sample n is loud if its loudness a_n, the smoothed magnitude of the samples around it (see
`loudness`), is above 0 and at least

    level = estimated from the noise and the sound of this recording, see `contrast`
          = the `threshold`-th percentile of a, over this recording             (`"percentile"`)

Runs of loud samples become segments in this order:

    runs less than `min_spacing` apart are joined;
    they are cut where loudness dips by `dip`;
    runs shorter than `min_length` or longer than `max_length` are dropped (or cut, see `long`);
    the others are padded by `buffer` on both sides, as far as the recording goes.

The percentile, its names and its defaults are those of the RNN-RBM paper on spectrograms, which
prints an outline of its code; `window_length` is called `window` here. Where the outline leaves a
choice: all lengths are milliseconds, the buffer too; lengths are judged before the padding, limits
included; a_n is centred on n, because smoothing backwards would put segments half a window late;
padded neighbours meet in the middle of their gap, so that no sample is in two segments. `band`,
`dip` and `long` are not in the paper.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np

from seqlayers.audio import loudness
from seqlayers.audio.contrast import describe, estimate
from seqlayers.audio.files import check_samples, read_blocks, sample_rate_of
from seqlayers.audio.segment_rules import DEFAULT, check_rules
from seqlayers.audio.segment_search import Search
from seqlayers.checks import check_integer
from seqlayers.files import FileError, printable

LISTED = 10  # skipped recordings that a message lists


class NoSegments(FileError):
    """A recording without segments, or recordings none of which has one.

    Args:
        reason: Why there are none; for one recording, with a threshold that would find some.
        path: The file or folder; None if there is none.
        skipped: Pairs `(file, reason)`, if there are several recordings.
        suggested_threshold: The nearest threshold that would find segments; None if none of those
            tried does.
        suggested_level: The level of that threshold, or None.
        found: `Segments` with no times and all that was measured; None for several recordings, or
            without samples.
        brief: The reason without what to try; `reason` if it is None.

    Attributes:
        reason, suggested_threshold, suggested_level, found, brief: The arguments.
        path: The file or folder as a string, or None.
        skipped: The pairs. The message lists the first `LISTED`.
    """

    def __init__(
        self,
        reason,
        path=None,
        skipped=(),
        suggested_threshold=None,
        suggested_level=None,
        found=None,
        brief=None,
    ):
        lines = [f"\n{printable(file)}: {why}" for file, why in skipped[:LISTED]]
        if len(skipped) > LISTED:
            lines.append(f"\nand {len(skipped) - LISTED} more")
        super().__init__(reason + "".join(lines), path)
        self.skipped = list(skipped)
        self.suggested_threshold, self.suggested_level = suggested_threshold, suggested_level
        self.found, self.brief = found, brief or reason

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
        rules: `SegmentRules` that find the same: with this level, and with the band and the spacing
            that were estimated.
        noise, sound: Loudness of the noise and of the sound; None with a percentile.
        percentile: Percentile of the loudness that the level is; None if the level was given.
        raised: Share of the recording in pieces of about 2 s whose own noise is 5 dB above `noise`;
            None with a percentile.
        dropped: Numbers of runs of loud samples that were too short and too long.
    """

    times: Any
    level: float
    duration: float
    rules: Any = None
    noise: float | None = None
    sound: float | None = None
    percentile: float | None = None
    raised: float | None = None
    dropped: tuple[int, int] = (0, 0)


def envelope(samples, sample_rate, rules=DEFAULT):
    """Computes the loudness of a recording that `segments` compares with the level.

    Args:
        samples: Floats `(N,)`, at least one.
        sample_rate: Samples per second.
        rules: `SegmentRules`, of which `window` and `band` have an effect; without a band, all
            frequencies count. `Segments.rules` have the band that was estimated.

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
        array([[0.498, 0.552]])
    """
    search = _search(sample_rate, rules)
    samples = check_samples(samples, least=1)
    if rules.method == "contrast":
        return segments_of_blocks(lambda: iter([samples]), search.rate, rules)
    a = _envelope(search, samples)
    return _found(search, lambda: [a], lambda q: np.percentile(a, q))


def segments_of_blocks(read, sample_rate, rules=DEFAULT):
    """Finds the segments of a recording that comes in blocks, in memory that does not grow with it.

    The recording is read three times: for the band, for the level and for the segments; twice if
    the level is a percentile, once if `rules` have a level; once more if no segment is found, to
    name a threshold that would find some. A level that is a percentile is at most one part in 4096
    below that of `segments`; with the same level, the segments are equal.

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
    search, found = _search(sample_rate, rules), None

    def blocks():
        return map(check_samples, read())

    if rules.method == "contrast":
        found = estimate(blocks, search.rate, rules)
        search = Search(search.rate, found.rules)

    def smoothed():
        return search.loudness(blocks())

    histogram: list = []  # made once, and not at all if the level is given and finds segments

    def percentile(q):
        if not histogram:
            histogram.append(loudness.Histogram(smoothed()))
        return histogram[0].percentile(q)

    return _found(search, smoothed, percentile, found)


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
        array([[0.498, 0.552]])
    """
    if sample_rate is None:
        sample_rate = sample_rate_of(path)
    rate = check_integer("sample_rate", sample_rate)
    read = functools.partial(read_blocks, path, loudness.BLOCK, rate, channel)
    try:
        return segments_of_blocks(read, rate, rules)
    except NoSegments as error:
        raise NoSegments(
            error.reason,
            path,
            suggested_threshold=error.suggested_threshold,
            suggested_level=error.suggested_level,
            found=error.found,
            brief=error.brief,
        ) from None


def _envelope(search, samples):
    return np.concatenate([*search.loudness([check_samples(samples, least=1)])])


def _search(sample_rate, rules):
    return Search(check_integer("sample_rate", sample_rate), check_rules(rules))


def _found(search, smoothed, percentile, contrast=None):
    """Returns the `Segments` of a recording, whose loudness `smoothed()` yields in blocks."""
    rules = search.rules
    if rules.level is None:
        rules = dataclasses.replace(rules, level=float(percentile(rules.threshold)))
    runs, dropped, num_samples = search.runs(smoothed, rules.level)
    duration = num_samples / search.rate
    asked = search.rules.threshold if search.rules.level is None else None
    measured = contrast[1:] if contrast else (None, None, asked, None)
    times = search.padded(runs, num_samples) / search.rate
    found = Segments(times, rules.level, duration, rules, *measured, dropped)
    if len(runs):
        return found
    if not num_samples:
        raise NoSegments("There are no samples.")
    asked = f"threshold={rules.threshold}" if search.rules.level is None else f"level={rules.level}"
    advice, suggestions = search.advice(smoothed, percentile, rules.level)
    if contrast:
        asked = f'method="contrast", {describe(rules, contrast.noise, contrast.sound)}'
        if suggestions:
            names = ("band", "buffer", "min_spacing", "max_length", "dip")
            fixed = ", ".join(f"{name}={getattr(rules, name)}" for name in names)
            advice = f"{advice[:-1]}, with {fixed}."
    brief = (
        f"There is no segment of {rules.min_length:g} to {rules.max_length:g} ms in "
        f"{duration:.3f} s of sound. Runs of loud samples: {dropped[0]} shorter, {dropped[1]} "
        "longer."
    )
    raise NoSegments(
        f"{brief} {advice} Received: {asked}.",
        found=found,
        brief=brief,
        **suggestions,
    )
