"""Spectra of sound, the frames that models are trained on, and the way back to sound.

Frame t consists of the samples t H - (L - H) .. t H + H - 1, of frame length L and hop length H.
The sound is padded with silence on both sides, so that each sample lies in as many frames as any
other. N samples make

    T = ceil((N + L - H) / H)

frames. With x_t the samples of frame t, w the window and F the Fourier transform of length L,

    X_t = F(w x_t)                                                          stft
    x_n = sum_t w_{n,t} (F^-1 X_t)_{n,t} / sum_t w_{n,t}^2                  inverse_stft

where n, t is the place of sample n in frame t. The second undoes the first. For spectra that no
sound has, such as those of a model, it returns the sound whose spectra are nearest in the mean
square (Griffin and Lim, 1984).

Lengths of 256 and 64 samples at 16 kHz and a Hann window, which make 129 bins, are those of the
LSTBM paper. They are `DEFAULT`.
"""

import dataclasses

import numpy as np

from seqlayers.audio.features import FLOOR
from seqlayers.audio.files import check_samples
from seqlayers.audio.framing import frame_spectra, window_weights
from seqlayers.checks import as_float32, check_choice, check_finite, check_integer

EXPONENTS = {"amplitude": 1.0, "root_amplitude": 0.5, "power": 2.0}  # of |X|
SCALES = (*EXPONENTS, "log_amplitude")
AMPLITUDE_FLOOR = FLOOR**0.5  # smallest argument of a logarithm: 1e-5


@dataclasses.dataclass(frozen=True)
class Spectra:
    """Settings of `stft`.

    Args:
        frame_length: Samples L per frame, and the length of the Fourier transform.
        hop_length: Samples H from the start of a frame to that of the next.
        window: `"hann"`, `"hamming"` or `"rectangular"`.
        sample_rate: Samples per second of the sound. Files of another rate are resampled.

    Attributes:
        num_bins: Number of frequencies, `L // 2 + 1`. Bin k is at `k * sample_rate / L` Hz.

    Raises:
        ValueError: If a number is not a positive integer, there is no such window, or frames
            overlap so little that the window hides some samples from all of them.

    Example:
        >>> Spectra().num_bins, Spectra().num_frames(16000)
        (129, 253)
    """

    frame_length: int = 256
    hop_length: int = 64
    window: str = "hann"
    sample_rate: int = 16000

    def __post_init__(self):
        for name in ("frame_length", "hop_length", "sample_rate"):
            object.__setattr__(self, name, check_integer(name, getattr(self, name)))
        overlap = self.overlap()
        if overlap.min() <= 1e-3 * overlap.max():
            raise ValueError(
                "`hop_length` must be short enough for each sample to be seen through the window, "
                f"such as half of `frame_length`. Received: hop_length={self.hop_length}, "
                f"frame_length={self.frame_length}, window={self.window!r}."
            )

    @property
    def num_bins(self):
        return self.frame_length // 2 + 1

    def num_frames(self, num_samples):
        """Returns the number T of frames of `num_samples` samples, at least 1."""
        return -(-(check_integer("num_samples", num_samples) + self._before) // self.hop_length)

    def overlap(self):
        """Returns the sum of w^2 over the frames that a sample lies in, float32 `(H,)`.

        It is the same for samples that are H apart.
        """
        w = window_weights(self.window, self.frame_length)
        return np.pad(w**2, (0, -len(w) % self.hop_length)).reshape(-1, self.hop_length).sum(axis=0)

    def get_config(self):
        """Returns the arguments, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    @property
    def _before(self):
        """Zeros before the first sample."""
        return self.frame_length - self.hop_length


DEFAULT = Spectra()


def stft(samples, settings=DEFAULT):
    """Computes the short-time Fourier transform of sound, padded with silence on both sides.

    Args:
        samples: Floats `(N,)`, at least one.
        settings: `Spectra`.

    Returns:
        complex64 array `(T, num_bins)`.

    Raises:
        ValueError: If the samples are invalid or none, or `settings` is not a `Spectra`.

    Example:
        >>> stft(np.zeros(16000)).shape
        (253, 129)
    """
    settings = check_settings(settings)
    L, H, before = settings.frame_length, settings.hop_length, settings._before
    samples = check_samples(samples, least=1)
    behind = settings.num_frames(len(samples)) * H - len(samples)
    return frame_spectra(np.pad(samples, (before, behind)), L, H, L, settings.window)


def inverse_stft(spectrum, num_samples=None, settings=DEFAULT):
    """Computes the sound that has given spectra, or whose spectra are nearest to them.

    Args:
        spectrum: Complex array `(T, num_bins)`.
        num_samples: Samples N of the sound; the most that T frames can have, `T H - (L - H)`, if
            None.
        settings: The `Spectra` given to `stft`.

    Returns:
        float32 array `(N,)`. It differs from the sound given to `stft` by rounding alone.

    Raises:
        ValueError: If the spectra are not such an array or not finite, or `num_samples` samples do
            not make T frames.

    Example:
        >>> samples = np.sin(np.arange(1000.0))
        >>> np.abs(inverse_stft(stft(samples), 1000) - samples).max() < 1e-6
        np.True_
    """
    settings = check_settings(settings)
    wanted = "complex (`griffin_lim` makes sound from amplitudes alone)"
    X = check_bins("spectrum", check_finite("spectrum", spectrum, "c", wanted), settings)
    N = check_num_samples(num_samples, "spectrum", len(X), settings)
    L, H = settings.frame_length, settings.hop_length
    w = window_weights(settings.window, L)
    with np.errstate(over="ignore", invalid="ignore"):
        frames = np.fft.irfft(X, L).astype("float32") * w  # [T, L]
        hops = np.pad(frames, [(0, 0), (0, -L % H)]).reshape(len(X), -1, H)
        x = np.zeros((len(X) + hops.shape[1] - 1, H), "float32")
        for k in range(hops.shape[1]):
            x[k : k + len(X)] += hops[:, k]
        x /= settings.overlap()
    return as_float32("spectrum", x.ravel()[settings._before :][:N])


def to_frames(spectrum, scale="amplitude"):
    """Scales spectra to the frames that a model is trained on.

    Args:
        spectrum: Complex array `(..., num_bins)`, or non-negative amplitudes.
        scale: `"amplitude"`, |X|; `"root_amplitude"`, the square root of |X|, closer to loudness;
            `"power"`, |X|^2; or `"log_amplitude"`, the natural logarithm of |X|, where |X|
            counts as at least `AMPLITUDE_FLOOR`, 1e-5, which is below the noise of 16 bits.

    Returns:
        float32 array `(..., num_bins)`.

    Raises:
        ValueError: If the spectra are not finite or negative, there is no such scale, or the result
            is too large for float32.

    Example:
        >>> to_frames(np.array([[3 + 4j, 0]]), "power")
        array([[25.,  0.]], dtype=float32)
    """
    check_choice("scale", scale, SCALES)
    spectrum = np.asarray(spectrum)
    if spectrum.dtype.kind == "c":
        spectrum = np.abs(check_finite("spectrum", spectrum, "c"))
    A = check_amplitude("spectrum", spectrum)
    if scale == "log_amplitude":
        return np.log(np.maximum(A, np.float32(AMPLITUDE_FLOOR)))
    with np.errstate(over="ignore"):
        return as_float32("spectrum", A ** np.float32(EXPONENTS[scale]))


def to_amplitude(frames, scale="amplitude"):
    """Computes the amplitudes of frames, recorded or drawn by a model: the inverse of `to_frames`.

    Args:
        frames: Floats `(..., num_bins)`. Negative values, which a model may draw, count as 0 unless
            they are logarithms.
        scale: The scale given to `to_frames`.

    Returns:
        float32 array `(..., num_bins)`. Logarithms of amplitudes below the floor give the floor.

    Raises:
        ValueError: If the frames are not finite, there is no such scale, or the result is too large
            for float32.

    Example:
        >>> to_amplitude(to_frames(np.array([[3 + 4j, 0]]), "power"), "power")
        array([[5., 0.]], dtype=float32)
    """
    check_choice("scale", scale, SCALES)
    frames = check_finite("frames", frames)
    if scale == "log_amplitude":
        with np.errstate(over="ignore"):
            return as_float32("frames", np.exp(frames))
    A = np.maximum(frames, 0)
    with np.errstate(over="ignore"):
        return as_float32("frames", A ** np.float32(1 / EXPONENTS[scale]))


def check_settings(settings):
    """Returns `settings` if it is a `Spectra`."""
    if not isinstance(settings, Spectra):
        raise ValueError(f"`settings` must be a `Spectra`. Received: settings={settings!r}.")
    return settings


def check_num_samples(num_samples, name, num_frames, settings):
    """Returns the number of samples that the frames of argument `name` become, checked."""
    most = num_frames * settings.hop_length - settings._before
    if most < 1:
        raise ValueError(
            f"`{name}` must have at least {settings.num_frames(1)} frames, as many as one sample "
            f"makes. Received: {num_frames}."
        )
    if num_samples is None:
        return most
    least = max(1, most - settings.hop_length + 1)
    return check_integer("num_samples", num_samples, least, most)


def check_bins(name, array, settings):
    """Returns `array` if it is `(T, num_bins)`."""
    if array.ndim != 2 or array.shape[1] != settings.num_bins:
        raise ValueError(
            f"`{name}` must be an array `(T, {settings.num_bins})`. Received: shape {array.shape}."
        )
    return array


def check_amplitude(name, array):
    """Returns amplitudes as float32, finite and not negative."""
    array = check_finite(name, array).astype("float32", copy=False)
    if array.min(initial=0) < 0:
        raise ValueError(f"`{name}` must not be negative. Received: {array.min():g}.")
    return array
