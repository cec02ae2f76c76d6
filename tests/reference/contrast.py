"""Noise, band and level of a recording as the docstring of audio/contrast.py writes them."""

import numpy as np

from reference import segments


def channels(x, rate):
    """Edges of the channels in Hz, and the power of each, 0 in silence: `(frames, channels)`."""
    length = max(8, 2 * round(0.016 * rate / 2))
    window = [0.5 - 0.5 * np.cos(2 * np.pi * n / length) for n in range(length)]
    each = min(length // 2, max(1, round(250 * length / rate)))
    count = (length // 2) // each
    edges = [(0.5 + each * c) * rate / length for c in range(count)] + [rate / 2]
    power = []
    for start in range(0, len(x) - length + 1, length // 2):
        bins = abs(np.fft.fft(np.multiply(x[start : start + length], window))) ** 2
        power.append([np.mean(bins[1 + each * c : 1 + each * (c + 1)]) for c in range(count)])
    return edges, np.array(power)


def band(x, rate):
    """The low and the high edge of the band, and whether it is that of speech."""
    edges, power = channels(x, rate)
    noise, contrast = [], []
    for P in power.T:
        sounding = 10 * np.log10(P[P > 0])
        noise.append(np.percentile(sounding, 10))
        contrast.append(np.mean([max(0, each - noise[-1] - 10) for each in sounding]))
    above = [max(0, np.mean(P) - 10 ** (n / 10)) for P, n in zip(power.T, noise, strict=True)]
    contrast = [e if p >= max(above) / 1e6 else 0 for e, p in zip(contrast, above, strict=True)]
    voiced = contrast[0] >= max(contrast) / 3 and above[0] >= max(above) / 10**2.5
    counted = list(contrast)
    if max(contrast[1:]) > 0 and max(contrast[1:]) >= contrast[0] / 5:
        counted[0] = 0
    runs = segments.runs(counted, max(counted) / 5)
    sums = [sum(counted[first:last]) for first, last in runs]
    strong = [run for run, each in zip(runs, sums, strict=True) if each >= max(sums) / 2]
    low, high = strong[0][0], strong[-1][1]
    inside = range(max(1, low), high)
    deep = sum(above[c] for c in inside if edges[c] + edges[c + 1] < 3000)
    speech = deep > sum(above[c] for c in inside) / 2 and (voiced or edges[high] > 3000)
    return edges[0 if speech and voiced else low], edges[high], speech


def level(x, rate, window, low, high):
    """N, S and the level, in dB. The window is in milliseconds."""
    width = round(window * rate / 1000) | 1
    a = np.array(segments.smoothed(segments.filtered(x, rate, low, high), width))
    a = 20 * np.log10(a[a > 0])
    N = np.percentile(a, 10)
    margin = 5 * 20 * np.log10(1 + 0.76 / np.sqrt(2 * (high - low) * width / rate))
    S = np.percentile(a[a >= N + margin], 90)
    N = max(N, S - 80)
    return N, S, N + max(margin, (S - N) / 4)
