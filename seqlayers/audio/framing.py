"""Frames of sound, and the Fourier transform of each frame.

Frame t consists of the samples t H .. t H + L - 1, of frame length L and hop length H. There is no
padding, so N samples make

    T = 1 + floor((N - L) / H)

frames. With x the samples of a frame, w the window and M the length of the transform,

    X_k = sum_n w_n x_n exp(-2 pi j k n / M),   k = 0 .. floor(M / 2)
"""

import numpy as np

from seqlayers.audio.files import HIGHEST_RATE, check_samples
from seqlayers.checks import as_float32, check_choice, check_integer

# Height a of each window a - (1 - a) cos(2 pi n / L).
WINDOWS = {"hann": 0.5, "hamming": 0.54, "rectangular": 1.0}


def frame_lengths(sample_rate, frame_length=None, hop_length=None):
    """Returns `(frame_length, hop_length)`, with the usual values of speech recognition for None.

    Args:
        sample_rate: Samples per second.
        frame_length: Samples per frame; 25 ms if None.
        hop_length: Samples from the start of a frame to that of the next; 10 ms if None.

    Raises:
        ValueError: If an argument is not a positive integer.

    Example:
        >>> frame_lengths(16000)
        (400, 160)
    """
    sample_rate = check_integer("sample_rate", sample_rate, most=HIGHEST_RATE)
    if frame_length is None:
        frame_length = max(1, round(0.025 * sample_rate))
    if hop_length is None:
        hop_length = max(1, round(0.010 * sample_rate))
    return check_integer("frame_length", frame_length), check_integer("hop_length", hop_length)


def num_frames(num_samples, frame_length, hop_length):
    """Returns the number T of frames in `num_samples` samples; 0 if they do not fill one.

    Args:
        num_samples: Number N of samples.
        frame_length: Samples L per frame.
        hop_length: Samples H from the start of a frame to that of the next.

    Raises:
        ValueError: If an argument is not an integer, or too small.

    Example:
        >>> num_frames(16000, 400, 160)
        98
    """
    num_samples = check_integer("num_samples", num_samples, least=0)
    frame_length = check_integer("frame_length", frame_length)
    hop_length = check_integer("hop_length", hop_length)
    return max(0, 1 + (num_samples - frame_length) // hop_length)


def window_weights(window, length):
    """Returns the window w that the samples of a frame are multiplied by.

    Args:
        window: `"hann"`, `"hamming"` or `"rectangular"`. Windows are periodic: w_L would be w_0.
        length: Samples L per frame.

    Returns:
        float32 array `(length,)`.

    Raises:
        ValueError: If `window` is another name, or `length` is not a positive integer.

    Example:
        >>> window_weights("hann", 4)
        array([0. , 0.5, 1. , 0.5], dtype=float32)
    """
    a = WINDOWS[check_choice("window", window, WINDOWS)]
    length = check_integer("length", length)
    return (a - (1 - a) * np.cos(2 * np.pi * np.arange(length) / length)).astype("float32")


def frames(samples, frame_length, hop_length):
    """Returns the frames `(T, frame_length)`, a view of the samples.

    Raises:
        ValueError: If the samples are invalid or fewer than a frame, or a length is not positive.
    """
    frame_length = check_integer("frame_length", frame_length)
    hop_length = check_integer("hop_length", hop_length)
    samples = check_samples(samples, least=frame_length)
    return np.lib.stride_tricks.sliding_window_view(samples, frame_length)[::hop_length]


def frame_spectra(samples, frame_length, hop_length, fft_length=None, window="hann"):
    """Computes the short-time Fourier transform X of sound, without padding.

    Args:
        samples: Floats `(N,)`.
        frame_length: Samples L per frame.
        hop_length: Samples H from the start of a frame to that of the next.
        fft_length: Length M of the transform, to which frames are padded with zeros; as in
            `transform_length` if None.
        window: As in `window_weights`.

    Returns:
        complex64 array `(T, fft_length // 2 + 1)`. Column k has frequency
        `k * sample_rate / fft_length`.

    Raises:
        ValueError: If the samples are invalid, fewer than a frame or so large that X is not finite,
            a length is not a positive integer, `fft_length` is below `frame_length`, or there is no
            such window.

    Example:
        >>> frame_spectra(np.zeros(16000), 400, 160).shape
        (98, 257)
    """
    x = frames(samples, frame_length, hop_length)
    w = window_weights(window, frame_length)
    with np.errstate(over="ignore", invalid="ignore"):
        X = np.fft.rfft(x * w, transform_length(frame_length, fft_length))
    return as_float32("samples", X)


def transform_length(frame_length, fft_length=None):
    """Returns `fft_length`; the first power of two not below `frame_length` if it is None."""
    if fft_length is None:
        return 1 << (frame_length - 1).bit_length()
    return check_integer("fft_length", fft_length, least=frame_length)
