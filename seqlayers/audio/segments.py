"""Segments of a recording: where somebody sings, calls or speaks.

With x the samples, or what of them lies in `band`, silence before the first and behind the last,
and w an odd number of samples,

    a_n   = 1/w sum_i |x_{n+i}|, |i| <= (w - 1) / 2      rectified and smoothed
    level = the `threshold`-th percentile of a           of this recording alone
    loud  : a_n >= level and a_n > 0

Runs of loud samples become segments in this order:

    runs whose gap is shorter than `min_spacing` are joined;
    those shorter than `min_length` or longer than `max_length` are left out;
    the others are padded by `buffer` on both sides, as far as the recording goes.

Names and numbers are those of the RNN-RBM paper on spectrograms, with its `window_length` called
`window`. It prints an outline of its code. What that leaves open is here so: all lengths, the
buffer too, are milliseconds; lengths are judged before the padding, the limits included; what is
too long is left out; a_n lies around n, since smoothing backwards would have segments come half a
window late; padded neighbours meet in the middle of their gap, so that no sample is in two.

`band` is ours. A microphone hears wind and hum as well, and may have an offset, all of which count
as loud. What lies from `low` to `high` is let through by

    h_n = c_n(high) - c_n(low),  c_n(f) ~ sin(2 pi f n) / n (1 + cos(pi n / H)),  sum_n c_n(f) = 1

for |n| < H, where f is in periods per sample and H is 4 ms, so that an edge is some 250 Hz wide.
An offset is then gone, and moments keep their times. On the Bengalese finch that our tests listen
to, such a band raises the F1 of whole syllables from 0.64 to 0.97, each at the best numbers found.
"""

import dataclasses
import itertools
import os
from typing import Any, NamedTuple

import numpy as np

from seqlayers.audio.files import check_samples, read_blocks
from seqlayers.checks import check_choice, check_integer

BLOCK = 2**18  # samples that are worked on at a time
FILTER = 4.0  # milliseconds to each side that the filter of a band sees
ROUNDING = 1e-10  # of a filtered sample
DROPPED_BITS = 11  # of float32, whose fraction has 23: 12 are left
OTHER_THRESHOLDS = (*range(5, 96, 5), 96, 97, 98, 99)  # tried where one finds nothing


class NoSegments(ValueError):
    """A recording in which no segment was found. Tells which threshold would find some."""


class Segments(NamedTuple):
    """What was found in a recording.

    Attributes:
        times: float64 `(N, 2)`, where segments start and end, in seconds, in order, disjoint.
        level: The level that smoothed samples were compared to.
        duration: That of the recording, in seconds.
    """

    times: Any
    level: float
    duration: float


def segments(
    samples,
    sample_rate,
    *,
    threshold=90.0,
    buffer=5.0,
    min_spacing=2.0,
    window=4.0,
    min_length=15.0,
    max_length=500.0,
    long="drop",
    band=None,
    level=None,
):
    """Finds the segments of a recording.

    Args:
        samples: Floats `(N,)`, at least one.
        sample_rate: Samples a second.
        threshold: Percentile, from 0 to 100, of the smoothed samples that the level is at.
        buffer: Milliseconds that are added before and behind each segment.
        min_spacing: Milliseconds; what is less apart is one segment.
        window: Milliseconds that are smoothed over; of the odd number of samples that is next.
        min_length, max_length: Milliseconds that a segment may have, without its buffers.
        long: `"drop"` leaves out what is longer than `max_length`, as the paper does; `"split"`
            cuts it in the fewest pieces of like length that are not.
        band: Pair `(low, high)` of frequencies in Hz, to look for segments in what lies between;
            `high` may be None for all above `low`, as it is where it is above half the sample
            rate. All that is heard if None.
        level: The level itself, such as that of another recording; that of `threshold` if None.

    Returns:
        `Segments(times, level, duration)`, at least one.

    Raises:
        NoSegments: If there is none. A kind of ValueError.
        ValueError: If an argument is not as above.

    Example:
        >>> t = np.arange(16000) / 16000
        >>> samples = np.sin(3000 * t) * ((t > 0.5) & (t < 0.55))
        >>> segments(samples, 16000).times.round(3)
        array([[0.493, 0.557]])
    """
    rules = _Rules(
        sample_rate,
        threshold=threshold,
        buffer=buffer,
        min_spacing=min_spacing,
        window=window,
        min_length=min_length,
        max_length=max_length,
        long=long,
        band=band,
        level=level,
    )
    samples = check_samples(samples)
    if not len(samples):
        raise ValueError("`samples` must hold at least one sample. Received: none.")
    a = np.concatenate([*_smoothed([samples], rules)])
    return _found(lambda: [a], lambda q: np.percentile(a, q), rules)


def segments_of_blocks(read, sample_rate, **options):
    """`segments` of a recording that comes in blocks, in memory that does not grow with it.

    It is read twice, first for the level and then for the segments; once if `level` is given; once
    more if there are none, to tell which threshold would find some. The level is that of `segments`
    or less, by at most one part in 4096. With the same level the segments are the same.

    Args:
        read: Function without arguments that returns an iterator over float arrays `(n,)`, which
            put together are the samples; each time from the start.
        sample_rate: Samples a second.
        **options: As in `segments`.

    Returns:
        `Segments(times, level, duration)`, at least one.

    Raises:
        NoSegments: If there is none. A kind of ValueError.
        ValueError: If an argument is not as above, or there are no samples.

    Example:
        >>> t = np.arange(16000) / 16000
        >>> samples = np.sin(3000 * t) * ((t > 0.5) & (t < 0.55))
        >>> segments_of_blocks(lambda: np.split(samples, 10), 16000, level=0.1).times.round(3)
        array([[0.494, 0.556]])
    """
    if not callable(read):
        raise ValueError(
            "`read` must be a function that returns the blocks, as they are read more than once. "
            f"Received: read={read!r}."
        )
    rules = _Rules(sample_rate, **options)

    def smoothed():
        return _smoothed(map(check_samples, read()), rules)

    histogram: list = []  # made once, and not at all if nobody asks for a percentile

    def percentile(q):
        if not histogram:
            histogram.append(_Histogram(smoothed()))
        return histogram[0].percentile(q)

    return _found(smoothed, percentile, rules)


def segments_of_file(path, *, sample_rate=None, channel="mean", **options):
    """`segments` of a sound file, in memory that does not grow with its length.

    Args:
        path: The file, as in `audio.read`.
        sample_rate: Samples a second that it is resampled to before; not resampled if None.
        channel: The channel to take, counted from 0; `"mean"` for the mean of all.
        **options: As in `segments`.

    Returns:
        `Segments(times, level, duration)`, as `segments_of_blocks` finds them.

    Raises:
        NoSegments: If there is none. Names the file.
        AudioError: If the file is damaged, as `audio.read` says.
        ValueError: If another argument is not as above.
        OSError: If there is no such file or it may not be read.

    Example:
        >>> t = np.arange(16000) / 16000
        >>> audio.write("a.wav", 0.5 * np.sin(3000 * t) * ((t > 0.5) & (t < 0.55)), 16000)
        >>> segments_of_file("a.wav").times.round(3)
        array([[0.493, 0.557]])
    """
    rate = rate_of_file(path) if sample_rate is None else check_integer("sample_rate", sample_rate)
    try:
        return segments_of_blocks(lambda: read_blocks(path, BLOCK, rate, channel), rate, **options)
    except NoSegments as error:
        raise NoSegments(f"{os.fspath(path)}: {error}") from None


def rate_of_file(path):
    """Samples a second of a sound file.

    Raises:
        AudioError: If the file is damaged at its start, as `audio.read` says.
        OSError: If there is no such file or it may not be read.
    """
    import soundfile

    next(read_blocks(path, 1), None)  # says what is wrong better than soundfile would
    return int(soundfile.info(os.fspath(path)).samplerate)


class Score(NamedTuple):
    """How well what was found agrees with what is there.

    Attributes:
        precision: Part of what was found that is there.
        recall: Part of what is there that was found.
        f1: Their harmonic mean.
    """

    precision: float
    recall: float
    f1: float


class SegmentScores(NamedTuple):
    """A `Score` of the moments segments start at, of those they end at, and of whole segments."""

    onset: Score
    offset: Score
    segment: Score


def segment_scores(found, reference, tolerance=0.010):
    """Compares segments with those somebody marked by hand.

    Moments are matched one to one if they are no further apart than `tolerance`, so that as many
    as possible are. A segment is matched if its start and its end are, with the same other one.

    Args:
        found, reference: Seconds `(N, 2)`, starts and ends, each in order; or lists of such arrays,
            one for each recording, whose counts are added.
        tolerance: Seconds.

    Returns:
        `SegmentScores(onset, offset, segment)`. A precision or recall of none is 0.

    Raises:
        ValueError: If an argument is not as above.

    Example:
        >>> scores = segment_scores([[0.1, 0.2], [0.5, 0.6]], [[0.105, 0.25]])
        >>> scores.onset, scores.segment.f1
        (Score(precision=0.5, recall=1.0, f1=0.6666666666666666), 0.0)
    """
    if not _is_number(tolerance) or tolerance < 0:
        raise ValueError(
            "`tolerance` must be a number of seconds, at least 0. "
            f"Received: tolerance={tolerance!r}."
        )
    found, reference = _recordings("found", found), _recordings("reference", reference)
    if len(found) != len(reference):
        raise ValueError(
            "`found` and `reference` must be of the same recordings. "
            f"Received: {len(found)} and {len(reference)}."
        )
    num_found, num_reference = sum(map(len, found)), sum(map(len, reference))
    scores = []
    for columns in (slice(0, 1), slice(1, 2), slice(0, 2)):
        pairs = zip(found, reference, strict=True)
        matched = sum(_num_matched(a[:, columns], b[:, columns], tolerance) for a, b in pairs)
        scores.append(
            Score(
                matched / max(1, num_found),
                matched / max(1, num_reference),
                2 * matched / max(1, num_found + num_reference),
            )
        )
    return SegmentScores(*scores)


@dataclasses.dataclass(frozen=True)
class _Rules:
    """Arguments of `segments`, checked, and what they are in samples."""

    sample_rate: int
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
        object.__setattr__(self, "sample_rate", check_integer("sample_rate", self.sample_rate))
        if not _is_number(self.threshold) or not 0 <= self.threshold <= 100:
            raise ValueError(
                "`threshold` must be a percentile, from 0 to 100. "
                f"Received: threshold={self.threshold!r}."
            )
        for name in ("buffer", "min_spacing", "window", "min_length", "max_length"):
            if not _is_number(getattr(self, name)) or getattr(self, name) < 0:
                raise ValueError(
                    f"`{name}` must be a number of milliseconds, at least 0. "
                    f"Received: {name}={getattr(self, name)!r}."
                )
        if self.samples(self.max_length) < max(1, self.samples(self.min_length)):
            raise ValueError(
                "`max_length` must be no less than `min_length`, and at least one sample. "
                f"Received: min_length={self.min_length}, max_length={self.max_length}."
            )
        check_choice("long", self.long, ("drop", "split"))
        if (
            self.long == "split"
            and self.samples(self.min_length) > self.samples(self.max_length) / 2
        ):
            raise ValueError(
                '`min_length` must be at most half of `max_length` with long="split", which cuts '
                "what is a little too long in halves. "
                f"Received: min_length={self.min_length}, max_length={self.max_length}."
            )
        if self.band is not None:
            self._check_band()
        if self.level is not None and (not _is_number(self.level) or self.level < 0):
            raise ValueError(
                f"`level` must be a number, at least 0, or None. Received: level={self.level!r}."
            )

    def _check_band(self):
        band, most = self.band, self.sample_rate / 2
        if isinstance(band, list | tuple) and len(band) == 2:
            band = (band[0], most if band[1] is None else band[1])
            if all(map(_is_number, band)) and 0 <= band[0] < min(band[1], most):
                band = (band[0], min(band[1], most))
                object.__setattr__(self, "band", band)
                return
        raise ValueError(
            "`band` must be a pair of frequencies in this order, the first from 0 to less than "
            f"half the sample rate, {most:g} Hz, or None. Received: band={self.band!r}."
        )

    def samples(self, milliseconds):
        return round(milliseconds * self.sample_rate / 1000)

    def kept(self, runs):
        """Runs `(R, 2)` that are neither too short nor, when cut or left out, too long."""
        least, most = self.samples(self.min_length), self.samples(self.max_length)
        starts, lengths = runs[:, 0], runs[:, 1] - runs[:, 0]
        if self.long == "split":
            pieces = -(-lengths // most)
            starts, lengths = np.repeat(starts, pieces), np.repeat(lengths, pieces)
            place = np.arange(len(starts)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
            pieces = np.repeat(pieces, pieces)
            cuts = [starts + lengths * (place + k) // pieces for k in (0, 1)]
            runs = np.stack(cuts, axis=1)
            lengths = runs[:, 1] - runs[:, 0]
        return runs[(least <= lengths) & (lengths <= most)]

    def padded(self, runs, num_samples):
        """Runs with their buffers, which neither leave the recording nor overlap."""
        buffer = self.samples(self.buffer)
        middles = (runs[:-1, 1] + runs[1:, 0]) // 2
        starts = np.maximum(runs[:, 0] - buffer, np.concatenate([[0], middles]))
        ends = np.minimum(runs[:, 1] + buffer, np.concatenate([middles, [num_samples]]))
        return np.stack([starts, ends], axis=1)


class _Runs:
    """Finds runs of loud samples, and joins and keeps them by the rules, block by block."""

    def __init__(self, level, rules):
        # No level is so low that silence is above it.
        self.level = np.maximum(np.float32(level), np.finfo("float32").tiny)
        self.rules, self.spacing = rules, rules.samples(rules.min_spacing)
        self.num_samples, self.loud = 0, False
        self.edges = np.zeros(0, "int64")  # start, end, start, .. of what may yet be joined
        self.found = []

    def feed(self, a):
        loud = a >= self.level
        edges = self.num_samples + np.flatnonzero(np.diff(loud, prepend=self.loud))
        self.num_samples, self.loud = self.num_samples + len(a), loud[-1]
        edges = np.concatenate([self.edges, edges])
        last = 2 * max(0, (len(edges) - 1) // 2)  # where the last run starts
        gaps = edges[1 : last + 1].reshape(-1, 2)
        gaps = gaps[gaps[:, 1] - gaps[:, 0] >= self.spacing]
        edges = np.concatenate([edges[:1], gaps.ravel(), edges[last + 1 :]])
        last = 2 * len(gaps)
        self.found.append(self.rules.kept(edges[:last].reshape(-1, 2)))
        self.edges = edges[last:]

    def finish(self):
        """All runs `(R, 2)`."""
        edges = np.append(self.edges, self.num_samples) if self.loud else self.edges
        return np.concatenate([*self.found, self.rules.kept(edges.reshape(-1, 2))])


class _Histogram:
    """How often each amplitude was, told apart by the first bits of float32.

    A percentile of it is that of the amplitudes or less, by at most one part in 4096.
    """

    def __init__(self, blocks):
        self.counts = np.zeros(2 ** (31 - DROPPED_BITS), "int64")
        for a in blocks:
            np.add.at(self.counts, a.view("uint32") >> DROPPED_BITS, 1)

    def percentile(self, q):
        """As `np.percentile`, of the low edges of the bins."""
        ranks = np.cumsum(self.counts)
        if not ranks[-1]:
            raise NoSegments("There are no samples.")
        place = np.asarray(q) / 100 * (ranks[-1] - 1)
        low = np.floor(place).astype("int64")
        bins = np.searchsorted(ranks, [low, np.minimum(low + 1, ranks[-1] - 1)], side="right")
        below, above = (bins.astype("uint32") << DROPPED_BITS).view("float32").astype("float64")
        return below + (place - low) * (above - below)


def _even(blocks):
    """Yields the samples in blocks of one length, the last one shorter."""
    held, room = [], BLOCK
    for block in blocks:
        while len(block):
            held.append(block[:room])
            block, room = block[room:], room - len(held[-1])
            if not room:
                yield np.concatenate(held)
                held, room = [], BLOCK
    if held:
        yield np.concatenate(held)


def _filtered(blocks, rules):
    """Yields what of the samples lies in the band, in blocks."""
    half = max(1, rules.samples(FILTER))
    n = np.arange(1 - half, half)
    weights = []
    for frequency in rules.band:
        c = np.sinc(2 * frequency / rules.sample_rate * n) * (1 + np.cos(np.pi * n / half))
        # Nothing lies below 0, and all below half the sample rate.
        weights.append(c / c.sum() if frequency else 0 * c)
    h = weights[1] - weights[0]
    held, silence = np.zeros(half - 1), np.zeros(half - 1)
    for block in itertools.chain(blocks, [silence]):
        x = np.concatenate([held, block])
        size = 4096 * (len(x) // 4096 + 1)  # no large prime, for speed
        y = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(h, size), size)
        y = y[len(h) - 1 : len(x)]
        y[np.abs(y) < ROUNDING] = 0  # silence is to stay silent
        held = x[max(0, len(x) - len(h) + 1) :]
        if len(y):
            yield y


def _smoothed(blocks, rules):
    """Yields a_n, float32, in blocks.

    Blocks are made even, and sums of |x| are added up one by one from the first sample on, so that
    not a bit depends on where blocks ended.
    """
    width = rules.samples(rules.window) | 1
    blocks = _even(blocks)
    if rules.band is not None:
        blocks = _filtered(blocks, rules)
    silence = np.zeros(width // 2, "float32")
    sums = np.zeros(1 + width // 2)  # before the first sample
    for block in itertools.chain(blocks, [silence]):
        more = np.concatenate([sums[-1:], np.abs(block)])
        sums = np.concatenate([sums, np.cumsum(more)[1:]])
        a = (sums[width:] - sums[:-width]) / width
        sums = sums[-width:]
        if len(a):
            yield a.astype("float32")


def _found(smoothed, percentile, rules):
    """Segments of a recording, of which `smoothed()` yields a_n in blocks."""
    level = percentile(rules.threshold) if rules.level is None else rules.level
    (scan,) = _scans(smoothed, [level], rules)
    runs, duration = scan.finish(), scan.num_samples / rules.sample_rate
    if len(runs):
        times = rules.padded(runs, scan.num_samples) / rules.sample_rate
        return Segments(times, float(level), duration)

    if not scan.num_samples:
        raise NoSegments("There are no samples.")
    levels = percentile(OTHER_THRESHOLDS)
    counts = [len(other.finish()) for other in _scans(smoothed, levels, rules)]
    found = [n for n, count in enumerate(counts) if count]
    advice = (
        "Nor is there with a `threshold` of 5, 10, .. 95, 96, .. 99: change `min_length` or "
        "`max_length`."
    )
    if not percentile(100):
        advice = "It is silent: all its samples are 0."
    elif found:
        # The nearest one; had the level been given, that at the nearest level.
        far = [abs(levels[n] - level) for n in found]
        if rules.level is None:
            far = [abs(OTHER_THRESHOLDS[n] - rules.threshold) for n in found]
        n = found[int(np.argmin(far))]
        advice = (
            f"A `threshold` of {OTHER_THRESHOLDS[n]}, which is a `level` of {levels[n]:.3g}, "
            f"would find {counts[n]}."
        )
    asked = f"threshold={rules.threshold}" if rules.level is None else f"level={rules.level}"
    raise NoSegments(
        f"There is no segment of {rules.min_length:g} to {rules.max_length:g} ms in "
        f"{duration:.3f} s of sound. {advice} Received: {asked}."
    )


def _scans(smoothed, levels, rules):
    scans = [_Runs(level, rules) for level in levels]
    for a in smoothed():
        for scan in scans:
            scan.feed(a)
    return scans


def _num_matched(a, b, tolerance):
    """How many rows of two lists agree, each with one of the other.

    As both lists rise, those that a row agrees with lie side by side and move on with it, so that
    to take the first that is left is best.
    """
    i = j = matched = 0
    while i < len(a) and j < len(b):
        distance = a[i] - b[j]
        if np.abs(distance).max() <= tolerance:
            i, j, matched = i + 1, j + 1, matched + 1
        elif distance.min() < -tolerance:  # too early for this and all later ones
            i += 1
        else:
            j += 1
    return matched


def _recordings(name, times):
    """A list of float64 arrays `(N, 2)`."""
    if not isinstance(times, list | tuple) or np.ndim(times[0] if len(times) else 0) < 2:
        times = [times]
    checked = []
    for n, recording in enumerate(times):
        try:
            recording = np.asarray(recording, "float64")
        except (ValueError, TypeError) as error:
            raise ValueError(f"`{name}` must hold numbers. Received: {error}.") from error
        recording = recording.reshape(-1, 2) if not recording.size else recording
        if recording.ndim != 2 or recording.shape[1] != 2 or not np.isfinite(recording).all():
            raise ValueError(
                f"`{name}` must be finite numbers `(N, 2)`, or a list of such arrays. "
                f"Received: shape {recording.shape} in recording {n}."
            )
        if (np.diff(recording, axis=0) < 0).any() or (recording[:, 0] > recording[:, 1]).any():
            raise ValueError(
                f"`{name}` must start and end in order, each before the next. "
                f"Received: another order in recording {n}."
            )
        checked.append(recording)
    return checked


def _is_number(value):
    return (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and bool(np.isfinite(value))
    )
