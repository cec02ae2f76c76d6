"""Features for speech recognition: log-mel bands, MFCCs, log energy and their deltas.

With x the samples of a frame and X its Fourier transform (see `framing`),

    P_m = log(sum_k M_km |X_k|^2)                                   log-mel, m = 0 .. J-1
    c_i = sqrt(2 / J) sum_m P_m cos(pi i (m + 1/2) / J)             MFCC, i = 1, 2, ..
    E   = log(sum_n x_n^2)                                          log energy
    d_t = sum_i i (c_{t+i} - c_{t-i}) / (2 sum_i i^2)               delta, i = 1 .. width

Column m of M is a triangle over the frequencies. The edges and peaks of all J triangles are evenly
spaced on mel(f) = 2595 log10(1 + f / 700). Logarithms are natural; their arguments are at least
1e-10, which is below the noise of 16 bits. Beyond the ends, d_t repeats the first and the last
frame. There is neither pre-emphasis nor liftering: apart from leakage between bands, both only
shift or scale a feature, which `normalize` undoes.
"""

import numpy as np

from seqlayers.audio.files import HIGHEST_RATE
from seqlayers.audio.framing import frame_lengths, frame_spectra, frames, transform_length
from seqlayers.checks import as_float32, check_integer, check_number, check_sequence

FLOOR = 1e-10  # smallest argument of a logarithm


def mel_filterbank(sample_rate, fft_length, num_bands=40, low=20.0, high=None):
    """Returns the triangles M that sum the bins of a power spectrum into bands.

    Args:
        sample_rate: Samples per second.
        fft_length: Length of the Fourier transform.
        num_bands: Number J of triangles.
        low: Frequency in Hz at which the first triangle begins.
        high: Frequency in Hz at which the last triangle ends; half the sample rate if None.

    Returns:
        float32 array `(fft_length // 2 + 1, num_bands)`. Peaks are 1.

    Raises:
        ValueError: If a number is not a positive integer, the frequencies are out of order or out
            of range, or a triangle is so narrow that it holds no bin.

    Example:
        >>> mel_filterbank(16000, 512).shape
        (257, 40)
    """
    sample_rate = check_integer("sample_rate", sample_rate, most=HIGHEST_RATE)
    fft_length = check_integer("fft_length", fft_length)
    num_bands = check_integer("num_bands", num_bands)
    low = check_number("low", low)
    high = sample_rate / 2 if high is None else check_number("high", high)
    if not 0 <= low < high <= sample_rate / 2:
        raise ValueError(
            "`low` and `high` must be frequencies in this order, from 0 to half the sample rate, "
            f"{sample_rate / 2:g} Hz. Received: low={low}, high={high}."
        )
    mels = np.linspace(_mel(low), _mel(high), num_bands + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    frequencies = np.arange(fft_length // 2 + 1)[:, None] * sample_rate / fft_length
    with np.errstate(divide="ignore", invalid="ignore"):  # edges that float64 cannot tell apart
        rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling)).astype("float32")
    empty = np.flatnonzero(~(triangles > 0).any(axis=0) | ~np.isfinite(triangles).all(axis=0))
    if len(empty):
        raise ValueError(
            "Each band must hold a bin of the spectrum; use fewer bands or a longer transform. "
            f"Received: num_bands={num_bands} with fft_length={fft_length}, band {empty[0]} is "
            "empty."
        )
    return triangles


def log_mel(
    samples,
    sample_rate,
    num_bands=40,
    *,
    energy=True,
    frame_length=None,
    hop_length=None,
    low=20.0,
    high=None,
):
    """Computes log-mel features: the log power of each frame in bands of the mel scale.

    Args:
        samples: Floats `(N,)`.
        sample_rate: Samples per second.
        num_bands: Number J of bands.
        energy: Whether to append the log energy of the frame.
        frame_length: Samples per frame; 25 ms if None.
        hop_length: Samples from the start of a frame to that of the next; 10 ms if None.
        low: Lower end of the first band, in Hz.
        high: Upper end of the last band, in Hz; half the sample rate if None.

    Returns:
        float32 array `(T, num_bands + 1)`, or `(T, num_bands)` without energy.

    Raises:
        ValueError: If the samples are invalid, fewer than a frame or so large that their power is
            not finite in float32, or as in `mel_filterbank`.

    Example:
        >>> log_mel(np.zeros(16000), 16000).shape
        (98, 41)
    """
    frame_length, hop_length = frame_lengths(sample_rate, frame_length, hop_length)
    fft_length = transform_length(frame_length)
    filters = mel_filterbank(sample_rate, fft_length, num_bands, low, high)
    X = frame_spectra(samples, frame_length, hop_length, fft_length)
    with np.errstate(over="ignore", invalid="ignore"):
        P = _log((X.real**2 + X.imag**2) @ filters)  # [T, num_bands]
    if not energy:
        return P
    return np.hstack([P, log_energy(samples, frame_length, hop_length)[:, None]])


def mfcc(samples, sample_rate, num_coefficients=12, num_bands=26, *, energy=True, **options):
    """Computes mel-frequency cepstral coefficients c_1, c_2, .. and the log energy.

    The log energy takes the place of c_0, the mean of the bands.

    Args:
        samples: Floats `(N,)`.
        sample_rate: Samples per second.
        num_coefficients: Number of coefficients, below `num_bands`.
        num_bands: Number J of bands that they are computed from.
        energy: Whether to append the log energy of the frame.
        **options: `frame_length`, `hop_length`, `low` and `high`, as in `log_mel`.

    Returns:
        float32 array `(T, num_coefficients + 1)`, or `(T, num_coefficients)` without energy.

    Raises:
        ValueError: If there are not fewer coefficients than bands, or as in `log_mel`.

    Example:
        >>> mfcc(np.zeros(16000), 16000).shape
        (98, 13)
    """
    J = check_integer("num_bands", num_bands)
    if check_integer("num_coefficients", num_coefficients) >= J:
        raise ValueError(
            "`num_coefficients` must be below `num_bands`. "
            f"Received: num_coefficients={num_coefficients}, num_bands={num_bands}."
        )
    features = log_mel(samples, sample_rate, J, energy=energy, **options)
    m, i = np.arange(J)[:, None], np.arange(1, num_coefficients + 1)
    cosines = np.sqrt(2 / J) * np.cos(np.pi * i * (m + 0.5) / J)  # [J, num_coefficients]
    c = features[:, :J] @ cosines.astype("float32")
    return np.hstack([c, features[:, J:]])


def log_energy(samples, frame_length, hop_length):
    """Computes the log energy E of each frame, without a window.

    Args:
        samples: Floats `(N,)`.
        frame_length: Samples per frame.
        hop_length: Samples from the start of a frame to that of the next.

    Returns:
        float32 array `(T,)`.

    Raises:
        ValueError: If the samples are invalid, fewer than a frame or so large that their energy is
            not finite in float32, or a length is not positive.

    Example:
        >>> log_energy(np.ones(1000), 400, 160)
        array([5.9914646, 5.9914646, 5.9914646, 5.9914646], dtype=float32)
    """
    x = frames(samples, frame_length, hop_length)
    with np.errstate(over="ignore"):
        return _log(np.einsum("tn,tn->t", x, x))


def with_deltas(features, order=2, width=2, channels=False):
    """Appends the deltas of features: their slope, by regression over the neighbouring frames.

    Args:
        features: Floats `(T, F)`.
        order: 1 for deltas, 2 for deltas of deltas as well; at most 10.
        width: Number of frames on each side that a delta is computed from; at most 10,000.
        channels: If True, features, deltas and so on get a last axis of their own, as
            `ConvLSTMPatch` and convolutions take them, instead of being joined along F.

    Returns:
        float32 array `(T, (1 + order) * F)`, or `(T, F, 1 + order)` with channels.

    Raises:
        ValueError: If `features` is not such an array, a difference is not finite in float32, or a
            number is not a positive integer.

    Example:
        >>> with_deltas(np.arange(6.0)[:, None], order=1, width=1)[:, 1]
        array([0.5, 1. , 1. , 1. , 1. , 0.5], dtype=float32)
    """
    features = check_sequence(features, name="features").astype("float32")
    order, width = check_integer("order", order, most=10), check_integer("width", width, most=10**4)
    T, parts = len(features), [features]
    for _ in range(order):
        c = np.pad(parts[-1], [(width, width), (0, 0)], mode="edge")
        with np.errstate(over="ignore", invalid="ignore"):
            differences = sum(
                i * (c[width + i : width + i + T] - c[width - i : width - i + T])
                for i in range(1, width + 1)
            )
        divisor = np.float32(2 * sum(i**2 for i in range(1, width + 1)))
        parts.append(as_float32("features", differences) / divisor)
    return np.stack(parts, axis=-1) if channels else np.hstack(parts)


def _mel(frequency):
    return 2595 * np.log10(1 + frequency / 700)


def _log(power):
    """Returns the logarithm of the power of samples."""
    return np.log(np.maximum(as_float32("samples", power), np.float32(FLOOR)))
