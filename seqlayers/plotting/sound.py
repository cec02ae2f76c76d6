"""Pictures of recordings: spectrograms, segments, and spectra compared."""

import numpy as np

from seqlayers.checks import check_number
from seqlayers.plotting.checks import check_band, check_labels, check_times
from seqlayers.plotting.figures import (
    GENERATED,
    REAL,
    RECONSTRUCTED,
    check_dict,
    check_list,
    check_numbers,
    image,
    new_figure,
)

_DECIBELS = 80  # from the loudest value to the end of the color scale
_ENVELOPE = 100  # dB from the loudest value of an envelope to the end of its axis
_COLUMNS = 2000  # of a waveform; more cannot be seen


def spectrograms(amplitudes, sample_rate, hop_length, decibels=_DECIBELS):
    """Draws spectrograms, one panel below the other, with a common color scale.

    As figure 3 of the LSTBM paper.

    Args:
        amplitudes: Dict from names to amplitudes `(T, bins)` from 0 to half the sample rate, such
            as `abs(stft(samples))`.
        sample_rate: Sample rate in Hz.
        hop_length: Samples from one frame to the next.
        decibels: Range of the colors, in dB below the loudest bin of all panels.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there is nothing to draw, amplitudes are negative or not finite, or a number
            is not above 0.
    """
    amplitudes = {
        name: check_numbers(f"amplitudes[{name!r}]", a, "(time, bins)", low=0)
        for name, a in check_dict("amplitudes", amplitudes).items()
    }
    check_number("sample_rate", sample_rate, above=0)
    check_number("hop_length", hop_length, above=0)
    check_number("decibels", decibels, above=0)
    loudest = max(a.max() for a in amplitudes.values())
    figure = new_figure(len(amplitudes), height=2.2)
    panels = figure.axes[:]
    for axes, (name, a) in zip(panels, amplitudes.items(), strict=True):
        drawn = _spectrogram(axes, a, loudest, sample_rate, hop_length, decibels)
        axes.set_title(name, loc="left", fontsize=9)
    panels[-1].set_xlabel("seconds")
    figure.colorbar(drawn, ax=panels, label="dB")
    return figure


def segments(
    samples,
    sample_rate,
    segments,
    labels=None,
    envelope=None,
    threshold=None,
    amplitudes=None,
    hop_length=None,
    start=0.0,
    band=None,
    title=None,
):
    """Draws a stretch of a recording, the segments in it, and what they were found by.

    Segments are bars above the spectrogram; labels made by hand are bars with text above them.
    Below are the waveform, and the envelope in dB with its threshold. Nothing lies on the sound.

    Args:
        samples: Samples `(N,)`.
        sample_rate: Sample rate in Hz.
        segments: Start and end of each segment in seconds of the recording, `(number, 2)`; may be
            empty.
        labels: List of `(start, end, text)` in seconds of the recording.
        envelope: Smoothed loudness `(N,)` that was compared with `threshold`.
        threshold: Level above which there is sound, a dashed line beside the envelope.
        amplitudes: Amplitudes `(T, bins)` of the spectrogram from 0 to half the sample rate, such
            as `abs(stft(samples))`. If None, no spectrogram is drawn.
        hop_length: Samples from one frame of `amplitudes` to the next.
        start: Where in the recording the samples begin, in seconds.
        band: Pair `(low, high)` in Hz that the envelope is of; `high` may be None. Lines in the
            spectrogram.
        title: Text above the picture.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If arrays do not match in shape, `amplitudes` comes without `hop_length`, or a
            segment or label ends before it starts or lies outside the samples.
    """
    samples = check_numbers("samples", samples, "(samples,)")
    check_number("sample_rate", sample_rate, above=0)
    start = check_number("start", start, least=0)
    end = start + len(samples) / sample_rate
    segments = check_times("segments", segments, start, end)
    named, texts = check_labels(labels, start, end)
    if envelope is not None:
        envelope = check_numbers("envelope", envelope, "(samples,)", low=0)
        if len(envelope) != len(samples):
            raise ValueError(
                f"`envelope` must have a value for each of {len(samples)} samples. "
                f"Received: {len(envelope)}."
            )
    if threshold is not None:
        check_number("threshold", threshold, above=0)
    if (amplitudes is None) != (hop_length is None):
        raise ValueError(
            "`amplitudes` and `hop_length` must be given together. Received: "
            f"amplitudes {'missing' if amplitudes is None else 'given'}, hop_length={hop_length!r}."
        )
    if amplitudes is not None:
        amplitudes = check_numbers("amplitudes", amplitudes, "(time, bins)", low=0)
        check_number("hop_length", hop_length, above=0)
    edges = [] if band is None else check_band(band)

    heights = {"bars": 0.15 + 0.15 * bool(texts), "spectrogram": 1.0, "wave": 0.5, "envelope": 0.6}
    if amplitudes is None:
        del heights["spectrogram"]
    if envelope is None:
        del heights["envelope"]
    ratios = {"height_ratios": list(heights.values())}
    whole = 2.2 * sum(heights.values()) / len(heights)
    figure = new_figure(len(heights), height=whole, gridspec_kw=ratios)
    panels = dict(zip(heights, figure.axes[:], strict=True))
    _bars(panels["bars"], segments, named, texts)
    _waveform(panels["wave"], samples, sample_rate, start, color="#555555")
    panels["wave"].set_ylabel("amplitude")
    if amplitudes is not None:
        axes = panels["spectrogram"]
        drawn = _spectrogram(
            axes, amplitudes, amplitudes.max(), sample_rate, hop_length, _DECIBELS, start
        )
        axes.hlines(np.divide(edges, 1000), start, end, colors="white", linewidth=0.6, alpha=0.7)
        figure.colorbar(drawn, ax=list(panels.values()), label="dB", shrink=0.5, anchor=(0, 1))
    if envelope is not None:
        _levels(panels["envelope"], envelope, threshold, sample_rate, start)
        figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    figure.axes[0].set_xlim(start, end)
    panels[list(heights)[-1]].set_xlabel("seconds")
    if title is not None:
        figure.suptitle(str(title), fontsize=9, x=0.01, ha="left")
    return figure


def spectrum_comparison(frequencies, real, generated, rates=None, modulation=None):
    """Draws the long-term spectra of real and of generated sound, and their modulation spectra.

    Both are in dB; long-term spectra relative to the strongest real frequency, so that a model that
    is too loud can be seen.

    Args:
        frequencies: Frequency of each bin in Hz, `(bins,)`.
        real: Mean power of each bin of real sound, `(bins,)`, as `metrics.long_term_spectrum`
            returns it.
        generated: Mean power of each bin of generated sound, `(bins,)`.
        rates: Rates of modulation in Hz, `(rates,)`: m r / T for the row m = 1 .. T / 2 of
            `metrics.modulation_spectrum`, with T frames per piece and r frames per second.
        modulation: Pair of modulation powers, of real and of generated sound, each `(rates,)` or
            `(rates, bins)`; the mean over bins is drawn.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If arrays do not match in shape or hold negative values, or only one of `rates`
            and `modulation` is given.

    Example:
        >>> real, generated = (metrics.long_term_spectrum(x) for x in (data, drawn))
        >>> modulation = [metrics.modulation_spectrum(x, 32) for x in (data, drawn)]
        >>> rates = np.arange(1, 17) * 125 / 32
        >>> spectrum_comparison(frequencies, real, generated, rates, modulation)
    """
    frequencies = check_numbers("frequencies", frequencies, "(bins,)", low=0)
    pair = _check_pair(("real", "generated"), (real, generated), len(frequencies), "frequencies")
    if (rates is None) != (modulation is None):
        raise ValueError(
            "`rates` and `modulation` must be given together. Received: "
            f"rates {'missing' if rates is None else 'given'}, "
            f"modulation {'missing' if modulation is None else 'given'}."
        )
    curves = [("long-term average", "kHz", frequencies / 1000, pair, pair[0].max() or 1.0)]
    if rates is not None:
        rates = check_numbers("rates", rates, "(rates,)", low=0)
        modulation = check_list("modulation", modulation)
        if len(modulation) != 2:
            raise ValueError(
                "`modulation` must be a pair, of real and of generated sound. "
                f"Received: {len(modulation)} items."
            )
        names = "modulation[0]", "modulation[1]"
        modulation = [np.mean(m, axis=1) if np.ndim(m) == 2 else m for m in modulation]
        pair = _check_pair(names, modulation, len(rates), "rates")
        curves.append(("modulation of the amplitudes", "Hz", rates, pair, 1.0))
    figure = new_figure(1, 2.8, columns=len(curves), sharex=False)
    for axes, (title, unit, x, pair, zero) in zip(figure.axes, curves, strict=True):
        for power, name, color in zip(pair, ("real", "generated"), (REAL, GENERATED), strict=True):
            axes.plot(x, _db(power / zero), color=color, label=name)
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_xlabel(unit)
        axes.set_ylabel("dB")
        axes.grid(linewidth=0.4, color="#dddddd")
        axes.legend(frameon=False, fontsize=8)
    return figure


def _spectrogram(axes, amplitudes, loudest, sample_rate, hop_length, decibels, start=0.0):
    axes.set_ylabel("kHz")
    end = start + len(amplitudes) * hop_length / sample_rate
    extent = (start, end, 0, sample_rate / 2000)
    values = _db(np.square(amplitudes.T / (loudest or 1.0)))
    return image(axes, values, extent, cmap="magma", vmin=-decibels, vmax=0)


def _waveform(axes, samples, sample_rate, start, **options):
    """Draws the smallest and largest sample of each of at most `_COLUMNS` spans of time."""
    starts = np.linspace(0, len(samples), min(len(samples), _COLUMNS), endpoint=False).astype(int)
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    axes.fill_between(start + starts / sample_rate, low, high, linewidth=0.6, **options)


def _bars(axes, segments, named, texts):
    """Draws segments as bars, and those with a text as bars above them."""
    rows = [("found", segments, GENERATED)] + [("marked", named, REAL)] * bool(texts)
    for row, (_, times, color) in enumerate(rows):
        pairs = np.stack([times[:, 0], times[:, 1] - times[:, 0]], axis=1)
        edge = {"edgecolor": "white", "linewidth": 0.8}  # between bars that touch
        axes.broken_barh(pairs.tolist(), (row + 0.1, 0.6), facecolor=color, **edge)
    for (start, end), text in zip(named, texts, strict=True):
        axes.text((start + end) / 2, 1.75, text, ha="center", va="bottom", fontsize=7, clip_on=True)
    axes.set_ylim(0, len(rows) + 0.5 * bool(texts))
    names = [f"{len(times)} {name}" for name, times, _ in rows]
    axes.set_yticks(np.arange(len(rows)) + 0.4, names, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _levels(axes, envelope, threshold, sample_rate, start):
    """Draws an envelope in dB, and the threshold that it was compared with."""
    loudest = envelope.max() or 1.0
    levels = 20 * np.log10(np.maximum(envelope, loudest * 10 ** (-_ENVELOPE / 20)))
    _waveform(axes, levels, sample_rate, start, color=RECONSTRUCTED, label="envelope")
    if threshold is not None:
        options = {"color": "black", "linewidth": 0.8, "linestyle": "--", "label": "threshold"}
        axes.axhline(20 * np.log10(threshold), **options)
    axes.set_ylabel("dB")


def _db(power):
    return 10 * np.log10(np.maximum(power, 1e-20))


def _check_pair(names, powers, count, places):
    """Returns two arrays of powers, one for each of `count` places."""
    powers = [
        check_numbers(name, power, f"({places},)", low=0)
        for name, power in zip(names, powers, strict=True)
    ]
    for name, power in zip(names, powers, strict=True):
        if len(power) != count:
            raise ValueError(
                f"`{name}` must have a power for each of {count} `{places}`. "
                f"Received: {len(power)}."
            )
    return powers
