"""Windows, frames and the Fourier transform of each frame.

Frame t is made of the samples t H .. t H + L - 1, of frame length L and hop length H. There is no
padding here, so N samples make

    T = 1 + floor((N - L) / H)

frames. Where lengths are not given, L is 25 ms and H 10 ms.
"""

import numpy as np

from seqlayers.audio.files import check_samples
from seqlayers.checks import check_integer


def frame_lengths(sample_rate, frame_length=None, hop_length=None):
    """Lengths of frames in samples.

    Args:
        sample_rate: Samples a second.
        frame_length: Samples of a frame; those of 25 ms if None.
        hop_length: Samples from the start of a frame to that of the next; those of 10 ms if None.

    Returns:
        `(frame_length, hop_length)`.

    Raises:
        ValueError: If an argument is not a positive integer.

    Example:
        >>> frame_lengths(16000)
        (400, 160)
    """
    sample_rate = check_integer("sample_rate", sample_rate)
    if frame_length is None:
        frame_length = max(1, round(0.025 * sample_rate))
    if hop_length is None:
        hop_length = max(1, round(0.010 * sample_rate))
    return check_integer("frame_length", frame_length), check_integer("hop_length", hop_length)


def num_frames(num_samples, frame_length, hop_length):
    """How many frames fit into so many samples; 0 if there are fewer than one takes.

    Example:
        >>> num_frames(16000, 400, 160)
        98
    """
    num_samples = check_integer("num_samples", num_samples, least=0)
    frame_length = check_integer("frame_length", frame_length)
    hop_length = check_integer("hop_length", hop_length)
    return max(0, 1 + (num_samples - frame_length) // hop_length)


def window_weights(window, length):
    """The window w that a frame is seen through.

    Args:
        window: `"hann"`, `"hamming"` or `"rectangular"`; of one period, w_L would be w_0 again.
        length: Samples L of the frame.

    Returns:
        float32 array `(length,)`.

    Raises:
        ValueError: If `window` is not as above.

    Example:
        >>> window_weights("hann", 4)
        array([0. , 0.5, 1. , 0.5], dtype=float32)
    """
    heights = {"hann": 0.5, "hamming": 0.54, "rectangular": 1.0}
    if not isinstance(window, str) or window not in heights:
        raise ValueError(
            f"`window` must be one of {', '.join(heights)}. Received: window={window!r}."
        )
    a = heights[window]
    return (a - (1 - a) * np.cos(2 * np.pi * np.arange(length) / length)).astype("float32")


def frames(samples, frame_length, hop_length):
    """Frames [T, frame_length], a view of the samples."""
    frame_length = check_integer("frame_length", frame_length)
    hop_length = check_integer("hop_length", hop_length)
    samples = check_samples(samples, least=frame_length)
    return np.lib.stride_tricks.sliding_window_view(samples, frame_length)[::hop_length]


def frame_spectra(samples, frame_length, hop_length, fft_length=None, window="hann"):
    """Returns the Fourier transform of each frame.

    Args:
        samples: Floats `(N,)`.
        frame_length, hop_length: In samples.
        fft_length: Samples that a frame is filled up to with zeros; the next power of two that is
            not below `frame_length` if None.
        window: As in `window_weights`.

    Returns:
        complex64 array `(T, fft_length // 2 + 1)`. Column k is of frequency
        `k * sample_rate / fft_length`.

    Raises:
        ValueError: If an argument is not as above, or there are too few samples for a frame.

    Example:
        >>> frame_spectra(np.zeros(16000), 400, 160).shape
        (98, 257)
    """
    x = frames(samples, frame_length, hop_length)
    w = window_weights(window, frame_length)
    return np.fft.rfft(x * w, transform_length(frame_length, fft_length)).astype("complex64")


def transform_length(frame_length, fft_length=None):
    """Returns the length of the transform: the next power of two if `fft_length` is None."""
    if fft_length is None:
        return 1 << (frame_length - 1).bit_length()
    return check_integer("fft_length", fft_length, least=frame_length)
