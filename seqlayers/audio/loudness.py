"""Loudness of a recording over time, and its percentiles, block by block.

With x the samples, silence before the first and behind the last, and w an odd number,

    a_n = 1/w sum_i |x_{n+i}|,   |i| <= (w - 1) / 2

is the loudness at sample n. It may be restricted to a band of frequencies from `low` to `high`, as
a microphone also picks up wind and hum, or has an offset. The filter is

    h_n    = c_n(high) - c_n(low),   |n| < H
    c_n(f) ~ sin(2 pi f n) / n (1 + cos(pi n / H)),   sum_n c_n(f) = 1

where f is in periods per sample and H is 4 ms, so that an edge is about 250 Hz wide. It has no
delay.
"""

import itertools

import numpy as np

BLOCK = 2**18  # samples that are processed at a time
FILTER = 4.0  # H in milliseconds
ROUNDING = 1e-10  # filtered samples below this are silence
DROPPED_BITS = 11  # of float32, whose fraction has 23: 12 are left


def band_filter(low, high, sample_rate):
    """Returns the filter h of a band, float64 `(2 H - 1,)`.

    Args:
        low: Lower edge in Hz; 0 for none.
        high: Upper edge in Hz; half the sample rate for none.
        sample_rate: Samples per second.
    """
    half = max(1, round(FILTER * sample_rate / 1000))
    n = np.arange(1 - half, half)
    weights = []
    for frequency in (low, high):
        c = np.sinc(2 * frequency / sample_rate * n) * (1 + np.cos(np.pi * n / half))
        weights.append(c / c.sum() if frequency else 0 * c)  # nothing lies below 0 Hz
    return weights[1] - weights[0]


def smoothed(blocks, width, band=None):
    """Yields the loudness a of a recording, float32, in blocks.

    Sums of |x| are added up one by one from the first sample on, over blocks of one length, so that
    the result does not depend on where the given blocks end, bit for bit.

    Args:
        blocks: Float arrays `(n,)`, which joined are the samples.
        width: Odd number w of samples.
        band: Filter of `band_filter`; all frequencies count if None.
    """
    blocks = even(blocks)
    if band is not None:
        blocks = _filtered(blocks, band)
    silence = np.zeros(width // 2, "float32")
    sums = np.zeros(1 + width // 2)  # before the first sample
    for block in itertools.chain(blocks, [silence]):
        more = np.concatenate([sums[-1:], np.abs(block)])
        sums = np.concatenate([sums, np.cumsum(more)[1:]])
        a = (sums[width:] - sums[:-width]) / width
        sums = sums[-width:]
        if len(a):
            yield a.astype("float32")


class Histogram:
    """Histogram of loudness, whose bins are the values that share the first bits of float32.

    A percentile of it is at most one part in 4096 below that of the values, and never above.

    Args:
        blocks: float32 arrays `(n,)` of non-negative values.
    """

    def __init__(self, blocks):
        self.counts = np.zeros(2 ** (31 - DROPPED_BITS), "int64")
        for a in blocks:
            np.add.at(self.counts, a.view("uint32") >> DROPPED_BITS, 1)

    def percentile(self, q, above=0.0):
        """Returns percentiles as `np.percentile` does, of the lower edges of bins; 0 of nothing.

        Args:
            q: Percentiles.
            above: Only values from this one on count, and those in its bin.
        """
        ranks = np.cumsum(np.where(np.arange(len(self.counts)) < _bin(above), 0, self.counts))
        if not ranks[-1]:
            return np.zeros(np.shape(q))
        place = np.asarray(q) / 100 * (ranks[-1] - 1)
        low = np.floor(place).astype("int64")
        bins = np.searchsorted(ranks, [low, np.minimum(low + 1, ranks[-1] - 1)], side="right")
        below, above = (bins.astype("uint32") << DROPPED_BITS).view("float32").astype("float64")
        return below + (place - low) * (above - below)

    def share_below(self, value):
        """Returns the share of the values that are below that one, or rather below its bin."""
        return float(self.counts[: _bin(value)].sum() / max(1, self.counts.sum()))


def _bin(value):
    return np.float32(value).view("uint32") >> DROPPED_BITS


def even(blocks):
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


def _filtered(blocks, h):
    """Yields the samples convolved with h, in blocks."""
    half = (len(h) + 1) // 2
    held, silence = np.zeros(half - 1), np.zeros(half - 1)
    for block in itertools.chain(blocks, [silence]):
        x = np.concatenate([held, block])
        size = 4096 * (len(x) // 4096 + 1)  # no large prime factor, for speed
        y = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(h, size), size)
        y = y[len(h) - 1 : len(x)]
        y[np.abs(y) < ROUNDING] = 0  # silence stays silent
        held = x[max(0, len(x) - len(h) + 1) :]
        if len(y):
            yield y
