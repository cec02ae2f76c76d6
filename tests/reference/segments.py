"""Segments as the docstrings of audio/loudness.py and segments.py write them, in loops."""

import numpy as np


def lowpass(frequency, rate, half):
    """c_n of a frequency in Hz, n = 1 - half .. half - 1; 0 for a frequency of 0."""
    c = []
    for n in range(1 - half, half):
        f = frequency / rate
        wave = 2 * f if n == 0 else np.sin(2 * np.pi * f * n) / (np.pi * n)
        c.append(wave * (1 + np.cos(np.pi * n / half)))
    return [weight / sum(c) for weight in c] if frequency else c


def filtered(x, rate, low, high):
    half = round(0.004 * rate)
    high = rate / 2 if high is None else high
    above, below = lowpass(high, rate, half), lowpass(low, rate, half)
    y = []
    for n in range(len(x)):
        total = 0.0
        for k in range(2 * half - 1):
            place = n - (k - half + 1)
            if 0 <= place < len(x):
                total += (above[k] - below[k]) * float(x[place])
        y.append(total)
    return y


def smoothed(x, width):
    """a_n, of an odd number of samples."""
    a = []
    for n in range(len(x)):
        total = 0.0
        for i in range(-(width // 2), width // 2 + 1):
            if 0 <= n + i < len(x):
                total += abs(float(x[n + i]))
        a.append(total / width)
    return a


def percentile(values, q):
    """Between the two values whose ranks are next to q / 100 (N - 1)."""
    values = sorted(values)
    place = q / 100 * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def runs(a, level):
    found, start = [], None
    for n in range(len(a) + 1):
        loud = n < len(a) and a[n] >= level and a[n] > 0
        if loud and start is None:
            start = n
        if not loud and start is not None:
            found.append((start, n))
            start = None
    return found


def joined(runs, spacing):
    found = []
    for start, end in runs:
        if found and start - found[-1][1] < spacing:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def dips(a, rate, depth, length):
    """Where dips of a depth in dB part sounds, of the values at each millisecond."""
    step, found, p, dip = max(1, round(rate / 1000)), [], 0.0, []
    for n in range(0, len(a), step):
        if dip:
            dip.append(a[n])
            if a[n] > min(dip) * 10 ** (depth / 20):
                if (len(dip) - 1) * step >= length:
                    found.append(n - step * (len(dip) - 1 - dip.index(min(dip))))
                p, dip = a[n], []
        elif a[n] > p:
            p = a[n]
        elif a[n] < p / 10 ** (depth / 20):
            dip = [a[n]]
    return found


def cut(runs, places):
    found = []
    for start, end in runs:
        edges = [start, *(n for n in places if start < n < end), end]
        found += zip(edges[:-1], edges[1:], strict=True)
    return found


def split(runs, most):
    found = []
    for start, end in runs:
        pieces = 1
        while (end - start) > pieces * most:
            pieces += 1
        for k in range(pieces):
            cut = [start + (end - start) * (k + i) // pieces for i in (0, 1)]
            found.append(tuple(cut))
    return found


def padded(runs, buffer, num_samples):
    found = []
    for k, (start, end) in enumerate(runs):
        first = 0 if k == 0 else (runs[k - 1][1] + start) // 2
        last = num_samples if k + 1 == len(runs) else (end + runs[k + 1][0]) // 2
        found.append((max(start - buffer, first), min(end + buffer, last)))
    return found


def segments(
    x, rate, threshold, buffer, min_spacing, window, min_length, max_length, long, band, dip=None
):
    """Start and end of each, in samples, and the level. Lengths are milliseconds."""
    buffer, min_spacing, window, min_length, max_length = (
        round(ms * rate / 1000) for ms in (buffer, min_spacing, window, min_length, max_length)
    )
    if band is not None:
        x = filtered(x, rate, *band)
    a = smoothed(x, window if window % 2 else window + 1)
    level = percentile(a, threshold)
    found = joined(runs(a, level), min_spacing)
    if dip is not None:
        found = cut(found, dips(a, rate, dip, 3 * min_spacing))
    if long == "split":
        found = split(found, max_length)
    found = [(s, e) for s, e in found if min_length <= e - s <= max_length]
    return padded(found, buffer, len(x)), level


def num_matched(a, b, tolerance):
    """The most rows of a and b that agree one to one, by augmenting paths."""
    agree = [
        [j for j in range(len(b)) if np.abs(np.subtract(a[i], b[j])).max() <= tolerance]
        for i in range(len(a))
    ]
    partner = {}

    def place(i, tried):
        for j in agree[i]:
            if j not in tried:
                tried.add(j)
                if j not in partner or place(partner[j], tried):
                    partner[j] = i
                    return True
        return False

    return sum(place(i, set()) for i in range(len(a)))
