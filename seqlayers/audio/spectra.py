"""Spectra of sound that models are trained on, and the way back to sound.

Frame t is made of the samples t H - (L - H) .. t H + H - 1, of frame length L and hop length H.
Before the first sample and behind the last there is silence, so that each sample lies in as many
frames as any other, and N samples make

    T = ceil((N + L - H) / H)

frames. With x_t the samples of frame t, w the window and F the Fourier transform of length L,

    X_t = F(w x_t)                                                          stft
    x_n = sum_t w_{n,t} (F^-1 X_t)_{n,t} / sum_t w_{n,t}^2                  inverse_stft

where n, t is the place of sample n in frame t. The second undoes the first. If the spectra were
changed, so that they may be those of no sound, it gives the sound whose spectra are nearest to
them in the mean square (Griffin and Lim, 1984).

Lengths of 256 and 64 samples at 16 kHz and a Hann window, which make 129 bins, are what the LSTBM
paper models the amplitudes of. They are `DEFAULT`.
"""

import dataclasses

import numpy as np

from seqlayers.audio.features import FLOOR
from seqlayers.audio.files import check_samples
from seqlayers.audio.framing import frame_spectra, num_frames, window_weights
from seqlayers.checks import check_choice, check_integer

EXPONENTS = {"amplitude": 1.0, "root_amplitude": 0.5, "power": 2.0}  # of |X|
SCALES = (*EXPONENTS, "log_amplitude")
AMPLITUDE_FLOOR = FLOOR**0.5  # of what a logarithm is taken of: 1e-5


@dataclasses.dataclass(frozen=True)
class Spectra:
    """How spectra are made of sound.

    Args:
        frame_length: Samples L of a frame, and of its Fourier transform.
        hop_length: Samples H from the start of a frame to that of the next.
        window: `"hann"`, `"hamming"` or `"rectangular"`.
        sample_rate: Samples a second of the sound; files of other rates are resampled.

    Attributes:
        num_bins: Number of frequencies, `L // 2 + 1`. Bin k is at `k * sample_rate / L` Hz.

    Raises:
        ValueError: If an argument is not as above, or frames overlap so little that the window
            hides some samples from all of them.

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
                "`hop_length` must be so short that each sample is seen through the window; half "
                f"of `frame_length` is. Received: hop_length={self.hop_length}, "
                f"frame_length={self.frame_length}, window={self.window!r}."
            )

    @property
    def num_bins(self):
        return self.frame_length // 2 + 1

    def num_frames(self, num_samples):
        """How many frames T so many samples make, at least 1 sample."""
        return -(-(check_integer("num_samples", num_samples) + self._before) // self.hop_length)

    def overlap(self):
        """The sum of w^2 over the frames that a sample lies in, float32 `(H,)`.

        It is the same for samples that are H apart.
        """
        w = window_weights(self.window, self.frame_length)
        return np.pad(w**2, (0, -len(w) % self.hop_length)).reshape(-1, self.hop_length).sum(axis=0)

    def get_config(self):
        """The arguments, for JSON."""
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
    """Spectra of sound.

    Args:
        samples: Floats `(N,)`, at least one.
        settings: `Spectra`.

    Returns:
        complex64 array `(T, num_bins)`.

    Raises:
        ValueError: If an argument is not as above.

    Example:
        >>> stft(np.zeros(16000)).shape
        (253, 129)
    """
    samples = check_samples(samples)
    if not len(samples):
        raise ValueError("`samples` must hold at least one sample. Received: none.")
    blocks = [*stft_of_blocks([samples], check_settings(settings))]
    return np.concatenate(blocks)


def stft_of_blocks(blocks, settings):
    """`stft` of sound that comes in blocks.

    Args:
        blocks: float32 arrays `(n,)`, which put together are the samples.
        settings: `Spectra`.

    Yields:
        complex64 arrays `(n, num_bins)`, n at least 1. There are none if there are no samples.
    """
    L, H = settings.frame_length, settings.hop_length
    held, num_samples, done = np.zeros(settings._before, "float32"), 0, 0
    for block in blocks:
        held, num_samples = np.concatenate([held, block]), num_samples + len(block)
        n = num_frames(len(held), L, H)
        if n:
            yield frame_spectra(held, L, H, L, settings.window)
            held, done = held[n * H :].copy(), done + n
    left = settings.num_frames(num_samples) - done if num_samples else 0
    if left:
        held = np.pad(held, (0, (left - 1) * H + L - len(held)))
        yield frame_spectra(held, L, H, L, settings.window)


def inverse_stft(spectrum, num_samples=None, settings=DEFAULT):
    """The sound that has given spectra, or of all sounds comes nearest to them: `stft` backwards.

    Args:
        spectrum: Complex array `(T, num_bins)`.
        num_samples: Samples N of the sound; the most that T frames can be of, `T H - (L - H)`,
            if None.
        settings: `Spectra`, those of `stft`.

    Returns:
        float32 array `(N,)`. Differs from what was given to `stft` by rounding alone.

    Raises:
        ValueError: If an argument is not as above, or T frames are not made of `num_samples`.

    Example:
        >>> samples = np.sin(np.arange(1000.0))
        >>> np.abs(inverse_stft(stft(samples), 1000) - samples).max() < 1e-6
        np.True_
    """
    settings = check_settings(settings)
    X = check_bins("spectrum", check_finite("spectrum", spectrum, "c"), settings)
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
    """What a model is trained on.

    Args:
        spectrum: Complex array `(..., num_bins)`, or amplitudes, floats that are not negative.
        scale: `"amplitude"`, |X|; `"root_amplitude"`, the square root of |X|, between what is loud
            and what is heard; `"power"`, |X|^2; or `"log_amplitude"`, the natural logarithm of |X|,
            of nothing below `AMPLITUDE_FLOOR`, which is less than the noise of 16 bits.

    Returns:
        float32 array `(..., num_bins)`.

    Raises:
        ValueError: If an argument is not as above, or the result is too large for float32.

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
    """Amplitudes of frames, whether they were recorded or made by a model: `to_frames` backwards.

    Args:
        frames: Floats `(..., num_bins)`. Where they are not logarithms, those below 0, which a
            model may draw, are taken for 0.
        scale: That of the frames, as in `to_frames`.

    Returns:
        float32 array `(..., num_bins)`. What was below the floor of the logarithm is at it.

    Raises:
        ValueError: If an argument is not as above, or the result is too large for float32.

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


def log_spectral_distortion(reference_amplitude, other_amplitude):
    """How far two spectra are apart, in dB.

        mean_t sqrt(mean_k (20 log10(A_tk / B_tk))^2)

    Args:
        reference_amplitude, other_amplitude: Floats A and B `(T, num_bins)`, none of them
            negative. What is below `AMPLITUDE_FLOOR` is taken to be at it.

    Returns:
        A float; 0 if the two are the same.

    Raises:
        ValueError: If an argument is not as above, or shapes differ.

    Example:
        >>> round(log_spectral_distortion(np.ones((3, 129)), np.full((3, 129), 10)), 4)
        20.0
    """
    A = check_amplitude("reference_amplitude", reference_amplitude)
    B = check_amplitude("other_amplitude", other_amplitude)
    if A.ndim != 2 or A.shape != B.shape or not A.size:
        raise ValueError(
            "`reference_amplitude` and `other_amplitude` must be of one shape, "
            f"`(T, num_bins)`. Received: shapes {A.shape} and {B.shape}."
        )
    decibels = [20 * np.log10(np.maximum(x.astype("float64"), AMPLITUDE_FLOOR)) for x in (A, B)]
    return float(np.sqrt(np.square(decibels[0] - decibels[1]).mean(axis=1)).mean())


def check_settings(settings):
    if not isinstance(settings, Spectra):
        raise ValueError(f"`settings` must be a `Spectra`. Received: settings={settings!r}.")
    return settings


def check_num_samples(num_samples, name, num_frames, settings):
    """How many samples the frames called `name` are to become."""
    most = num_frames * settings.hop_length - settings._before
    if most < 1:
        raise ValueError(
            f"`{name}` must have at least {settings.num_frames(1)} frames, as many as a single "
            f"sample makes. Received: {num_frames}."
        )
    if num_samples is None:
        return most
    least = max(1, most - settings.hop_length + 1)
    if not least <= check_integer("num_samples", num_samples) <= most:
        raise ValueError(
            f"`num_samples` must be from {least} to {most}, as {num_frames} frames are made of. "
            f"Received: num_samples={num_samples}."
        )
    return num_samples


def check_bins(name, array, settings):
    if array.ndim != 2 or array.shape[1] != settings.num_bins:
        raise ValueError(
            f"`{name}` must be an array `(T, {settings.num_bins})`. Received: shape {array.shape}."
        )
    return array


def check_amplitude(name, array):
    array = check_finite(name, array).astype("float32", copy=False)
    if array.min(initial=0) < 0:
        raise ValueError(f"`{name}` must not be negative. Received: {array.min():g}.")
    return array


def check_finite(name, array, kinds="biuf"):
    """An array of numbers with at least one axis, all finite in float32."""
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise ValueError(f"`{name}` must be an array of numbers. Received: {error}.") from error
    if array.dtype.kind not in kinds or array.ndim == 0:
        wanted = "real"
        if kinds == "c":
            wanted = "complex (of amplitudes alone, `griffin_lim` makes sound)"
        raise ValueError(
            f"`{name}` must be an array of numbers, {wanted}. "
            f"Received: shape {array.shape}, dtype {array.dtype}."
        )
    as_float32(name, array)
    return array


def as_float32(name, array):
    """The array as float32 or complex64, all finite."""
    with np.errstate(over="ignore"):
        array = array.astype("complex64" if array.dtype.kind == "c" else "float32", copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        at = tuple(np.argwhere(~finite)[0].tolist())
        raise ValueError(
            f"`{name}` must be finite in float32, as must what is made of it. "
            f"Received: what becomes {array[at]} at {at}."
        )
    return array
