"""Pictures of recordings: spectrograms, segments, and spectra compared."""

import numpy as np

from seqlayers.checks import check_number
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
):
    """Draws the segments of a recording over its waveform and its spectrogram.

    Segments are blue spans. Labels made by hand stand above the waveform, each over a line of its
    length.

    Args:
        samples: Samples `(N,)`.
        sample_rate: Sample rate in Hz.
        segments: Start and end of each segment in seconds, `(number, 2)`; may be empty.
        labels: List of `(start, end, text)` in seconds.
        envelope: Smoothed loudness `(N,)` that was compared with `threshold`.
        threshold: Level above which there is sound, drawn as a horizontal line.
        amplitudes: Amplitudes `(T, bins)` of the spectrogram from 0 to half the sample rate, such
            as `abs(stft(samples))`. If None, only the waveform is drawn.
        hop_length: Samples from one frame of `amplitudes` to the next.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If arrays do not match in shape, `amplitudes` comes without `hop_length`, or a
            segment or label ends before it starts or lies outside the recording.
    """
    samples = check_numbers("samples", samples, "(samples,)")
    check_number("sample_rate", sample_rate, above=0)
    seconds = len(samples) / sample_rate
    segments = _check_times("segments", segments, seconds)
    try:
        labels = [] if labels is None else list(labels)
        texts = [str(text) for _, _, text in labels]
    except (TypeError, ValueError):
        raise ValueError(
            "`labels` must be a list of triples `(start, end, text)`. Received: "
            f"{labels[:3] if isinstance(labels, list) else type(labels).__name__}."
        ) from None
    named = _check_times("labels", [label[:2] for label in labels], seconds)
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

    figure = new_figure(1 if amplitudes is None else 2, height=2.2)
    wave = figure.axes[0]
    _waveform(wave, samples, sample_rate, color="#555555")
    if envelope is not None:
        _waveform(wave, envelope, sample_rate, color=RECONSTRUCTED, label="envelope")
    if threshold is not None:
        wave.axhline(threshold, color="black", linewidth=0.8, linestyle="--", label="threshold")
    _spans(wave, segments, facecolor=GENERATED, alpha=0.3, zorder=0, label=f"{len(segments)} found")
    above = wave.get_xaxis_transform()
    for (start, end), text in zip(named, texts, strict=True):
        options = {"transform": above, "clip_on": False}
        wave.plot((start, end), (1.04, 1.04), color=REAL, linewidth=1.5, **options)
        wave.text((start + end) / 2, 1.06, text, ha="center", va="bottom", fontsize=8, **options)
    wave.set_xlim(0, seconds)
    wave.set_ylabel("amplitude")
    figure.legend(loc="outside upper right", ncols=4, frameon=False, fontsize=8)

    if amplitudes is not None:
        below = figure.axes[1]
        loudest = amplitudes.max()
        drawn = _spectrogram(below, amplitudes, loudest, sample_rate, hop_length, _DECIBELS)
        _spans(below, segments, facecolor="none", edgecolor="white", linewidth=0.8)
        below.set_xlim(0, seconds)
        figure.colorbar(drawn, ax=below, label="dB")
    figure.axes[0 if amplitudes is None else 1].set_xlabel("seconds")
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


def _spectrogram(axes, amplitudes, loudest, sample_rate, hop_length, decibels):
    axes.set_ylabel("kHz")
    extent = (0, len(amplitudes) * hop_length / sample_rate, 0, sample_rate / 2000)
    values = _db(np.square(amplitudes.T / (loudest or 1.0)))
    return image(axes, values, extent, cmap="magma", vmin=-decibels, vmax=0)


def _waveform(axes, samples, sample_rate, **options):
    """Draws the smallest and largest sample of each of at most `_COLUMNS` spans of time."""
    starts = np.linspace(0, len(samples), min(len(samples), _COLUMNS), endpoint=False).astype(int)
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    axes.fill_between(starts / sample_rate, low, high, linewidth=0.6, **options)


def _spans(axes, times, **options):
    """Draws spans `(number, 2)` over the whole height of a panel."""
    starts, lengths = times[:, 0], times[:, 1] - times[:, 0]
    pairs = list(zip(starts, lengths, strict=True))
    axes.broken_barh(pairs, (0, 1), transform=axes.get_xaxis_transform(), **options)


def _db(power):
    return 10 * np.log10(np.maximum(power, 1e-20))


def _check_times(name, times, seconds):
    """Returns pairs of start and end, `(number, 2)`; the number may be 0."""
    none = times.shape[:1] == (0,) if isinstance(times, np.ndarray) else times in ([], ())
    if none:
        return np.zeros((0, 2))
    times = check_numbers(name, times, "(number, start and end)")
    if times.shape[1] != 2 or (times[:, 0] >= times[:, 1]).any():
        raise ValueError(
            f"`{name}` must each have a start and, after it, an end. "
            f"Received: {times[:3].tolist()!r}{' ...' if len(times) > 3 else ''}"
        )
    if times.min() < 0 or times.max() > seconds + 1e-6:
        raise ValueError(
            f"`{name}` must lie within the recording, from 0 to {seconds:g} seconds. "
            f"Received: from {times.min():g} to {times.max():g}."
        )
    return times


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
