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
them in the mean square (Griffin and Lim, 1984). Of amplitudes A alone, whose phases are lost,

    y_i = stft(inverse_stft(A c_{i-1} / |c_{i-1}|)),   c_i = y_i + momentum (y_i - y_{i-1})

makes a sound, of phases c_0 that are drawn and y_0 = 0 (N. Perraudin, P. Balazs and P. L.
Sondergaard, A Fast Griffin-Lim Algorithm, WASPAA 2013). With momentum 0 it is the algorithm of
Griffin and Lim.

Lengths of 256 and 64 samples at 16 kHz and a Hann window, which make 129 bins, are what the LSTBM
paper models the amplitudes of. They are `DEFAULT`.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_choice, check_integer
from seqlayers.datasets import audio, batching
from seqlayers.datasets.sound_file import AudioError, check_samples, read_blocks
from seqlayers.files import write_atomically

SCALES = ("amplitude", "log_amplitude", "power")
AMPLITUDE_FLOOR = audio.FLOOR**0.5  # of what a logarithm is taken of: 1e-5
DIVISOR_FLOOR = 1e-7  # of a bin's divisor, in parts of that of all bins: the rounding of float32


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
        w = audio._window(self.window, self.frame_length)
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
    blocks = [*_spectra_of_blocks([samples], _check_settings(settings))]
    return np.concatenate(blocks)


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
    settings = _check_settings(settings)
    X = _check_bins("spectrum", _check_finite("spectrum", spectrum, "c"), settings)
    N = _check_num_samples(num_samples, "spectrum", len(X), settings)
    L, H = settings.frame_length, settings.hop_length
    w = audio._window(settings.window, L)
    with np.errstate(over="ignore", invalid="ignore"):
        frames = np.fft.irfft(X, L).astype("float32") * w  # [T, L]
        hops = np.pad(frames, [(0, 0), (0, -L % H)]).reshape(len(X), -1, H)
        x = np.zeros((len(X) + hops.shape[1] - 1, H), "float32")
        for k in range(hops.shape[1]):
            x[k : k + len(X)] += hops[:, k]
        x /= settings.overlap()
    return _as_float32("spectrum", x.ravel()[settings._before :][:N])


def griffin_lim(
    amplitude, num_samples=None, num_iterations=60, momentum=0.99, seed=0, settings=DEFAULT
):
    """Makes a sound of amplitudes alone, by the fast algorithm of Griffin and Lim.

    Args:
        amplitude: Floats `(T, num_bins)`, none of them negative.
        num_samples: Samples N of the sound, as in `inverse_stft`.
        num_iterations: Number of times that the phases are made anew of the sound they make.
        momentum: From 0 to 1.
        seed: Non-negative integer that the first phases are drawn from.
        settings: `Spectra`, those of `stft`.

    Returns:
        float32 array `(N,)`, the same for the same seed.

    Raises:
        ValueError: If an argument is not as above, or T frames are not made of `num_samples`.

    Example:
        >>> amplitude = np.abs(stft(np.sin(np.arange(1000.0))))
        >>> griffin_lim(amplitude, 1000).shape
        (1000,)
    """
    settings = _check_settings(settings)
    A = _check_bins("amplitude", _check_amplitude("amplitude", amplitude), settings)
    N = _check_num_samples(num_samples, "amplitude", len(A), settings)
    num_iterations = check_integer("num_iterations", num_iterations, least=0)
    if not (isinstance(momentum, int | float | np.number) and 0 <= momentum <= 1):
        raise ValueError(f"`momentum` must be from 0 to 1. Received: momentum={momentum!r}.")
    rng = np.random.default_rng(check_integer("seed", seed, least=0))

    c = np.exp(2j * np.pi * rng.random(A.shape)).astype("complex64")
    before = np.zeros_like(c)
    for _ in range(num_iterations):
        y = stft(inverse_stft(A * _phase(c), N, settings), settings)
        c = y + np.float32(momentum) * (y - before)
        before = y
    return inverse_stft(A * _phase(c), N, settings)


def to_frames(spectrum, scale="amplitude"):
    """What a model is trained on.

    Args:
        spectrum: Complex array `(..., num_bins)`, or amplitudes, floats that are not negative.
        scale: `"amplitude"`, |X|; `"log_amplitude"`, the natural logarithm of |X|, of nothing
            below `AMPLITUDE_FLOOR`, which is less than the noise of 16 bits; or `"power"`, |X|^2.

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
        spectrum = np.abs(_check_finite("spectrum", spectrum, "c"))
    A = _check_amplitude("spectrum", spectrum)
    if scale == "log_amplitude":
        return np.log(np.maximum(A, np.float32(AMPLITUDE_FLOOR)))
    with np.errstate(over="ignore"):
        return A.copy() if scale == "amplitude" else _as_float32("spectrum", A**2)


def to_amplitude(frames, scale="amplitude"):
    """Amplitudes of frames, whether they were recorded or made by a model: `to_frames` backwards.

    Args:
        frames: Floats `(..., num_bins)`. Amplitudes and powers below 0, which a model may draw,
            are taken for 0.
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
    frames = _check_finite("frames", frames)
    if scale == "log_amplitude":
        with np.errstate(over="ignore"):
            return _as_float32("frames", np.exp(frames))
    A = np.maximum(frames, 0)
    return _as_float32("frames", A if scale == "amplitude" else np.sqrt(A))


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
    A = _check_amplitude("reference_amplitude", reference_amplitude)
    B = _check_amplitude("other_amplitude", other_amplitude)
    if A.ndim != 2 or A.shape != B.shape or not A.size:
        raise ValueError(
            "`reference_amplitude` and `other_amplitude` must be of one shape, "
            f"`(T, num_bins)`. Received: shapes {A.shape} and {B.shape}."
        )
    decibels = [20 * np.log10(np.maximum(x.astype("float64"), AMPLITUDE_FLOOR)) for x in (A, B)]
    return float(np.sqrt(np.square(decibels[0] - decibels[1]).mean(axis=1)).mean())


@dataclasses.dataclass(frozen=True, eq=False)
class Normalizer:
    """Brings frames to a common size, (frames - shift) / divisor, and back again.

    In a graph, `keras.layers.Normalization(mean=shift, variance=divisor**2)` does the same, as long
    as no divisor is below Keras's epsilon, 1e-7.

    Args:
        shift: Floats `(F,)` that are taken away, one for each bin.
        divisor: Floats `(F,)`, all positive.

    Raises:
        ValueError: If an argument is not as above.

    Example:
        >>> normalizer = Normalizer.fit([np.array([[1.0, 7.0], [3.0, 7.0]])])
        >>> normalizer.normalize([[4.0, 7.0]])
        array([[2., 0.]], dtype=float32)
    """

    shift: Any
    divisor: Any

    def __post_init__(self):
        shape = np.shape(self.shift)
        for name in ("shift", "divisor"):
            values = _check_finite(name, getattr(self, name)).astype("float64")
            if values.ndim != 1 or not len(values) or values.shape != shape:
                raise ValueError(
                    "`shift` and `divisor` must each be an array `(F,)`. "
                    f"Received: shapes {shape} and {np.shape(self.divisor)}."
                )
            object.__setattr__(self, name, values)
        if self.divisor.astype("float32").min() <= 0:
            raise ValueError(
                "`divisor` must be positive in float32. "
                f"Received: {self.divisor.min():g} in bin {self.divisor.argmin()}."
            )

    @classmethod
    def fit(cls, frames, kind="standard", per_bin=True):
        """Finds shift and divisor, in one pass and memory that does not grow with it.

            divisor^2 = mean of (frames - shift)^2

        No bin's divisor is below `DIVISOR_FLOOR` times the root mean square of them all. So a bin
        that never moves becomes constant, and neither a recording in which it does nor the noise
        of a model makes it loud. If no bin moves, divisors are 1.

        Args:
            frames: Arrays `(T, F)`, as a list, a generator or a `tf.data.Dataset` of them.
            kind: `"standard"` to make the mean 0 and the variance 1; `"scale"` to make the mean
                square 1 without a shift, so that amplitudes stay positive, as gamma units
                want them.
            per_bin: Whether each bin has numbers of its own; otherwise all have the same.

        Returns:
            `Normalizer`.

        Raises:
            ValueError: If an argument is not as above, or there are no frames.
        """
        check_choice("kind", kind, ("standard", "scale"))
        count, mean, squares = 0, np.zeros(()), np.zeros(())
        for n, block in enumerate(frames):
            features = mean.shape[0] if count else None
            block = batching.check_sequence(block, features, f"frames[{n}]").astype("float64")
            own, total = block.mean(axis=0), count + len(block)
            # `squares` are sums of (frames - mean)^2, which lose no digits to a large mean.
            squares = squares + np.square(block - own).sum(axis=0)
            squares = squares + np.square(own - mean) * (count * len(block) / total)
            mean = mean + (own - mean) * (len(block) / total)
            count = total
        if not count:
            raise ValueError("`frames` must hold at least one array. Received: none.")
        shift = np.zeros_like(mean)
        if kind == "standard":
            shift = mean if per_bin else np.full_like(mean, mean.mean())
        square = squares / count + np.square(mean - shift)  # mean of (frames - shift)^2
        overall = np.sqrt(square.mean())
        # Rounding may leave constants some deviation, which is no reason to blow them up.
        if overall <= 1e-7 * np.abs(mean).max():
            return cls(shift, np.ones_like(mean))
        own = np.sqrt(square) if per_bin else np.full_like(mean, overall)
        return cls(shift, np.maximum(own, DIVISOR_FLOOR * overall))

    def normalize(self, frames):
        """(frames - shift) / divisor.

        Args:
            frames: Floats `(..., F)`.

        Returns:
            float32 array `(..., F)`.

        Raises:
            ValueError: If the argument is not as above.
        """
        return self._moved(frames, lambda x: (x - self.shift) / self.divisor)

    def restore(self, frames):
        """frames * divisor + shift: `normalize` backwards, but for rounding."""
        return self._moved(frames, lambda x: x * self.divisor + self.shift)

    def get_config(self):
        """Lists of floats, for JSON."""
        return {"shift": self.shift.tolist(), "divisor": self.divisor.tolist()}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def save(self, path):
        """Writes a JSON file that `load` reads, all of it or nothing.

        Raises:
            OSError: If the file cannot be written; an older one is untouched then.
        """
        write_atomically(path, json.dumps(self.get_config()).encode())

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote, bit for bit.

        Raises:
            ValueError: If the file is damaged or holds something else. Names the file.
            OSError: If there is no such file or it may not be read.
        """
        try:
            return cls.from_config(json.loads(Path(path).read_bytes()))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{os.fspath(path)}: not a file of a Normalizer, or a damaged one: {error}"
            ) from error

    def _moved(self, frames, move):
        frames = _check_finite("frames", frames)
        if frames.shape[-1] != len(self.shift):
            raise ValueError(
                f"`frames` must have {len(self.shift)} bins. Received: shape {frames.shape}."
            )
        return _as_float32("frames", move(frames))


def stream_spectra(path, settings=DEFAULT, block_frames=1024, channel="mean"):
    """Spectra of a sound file, block by block, in memory that does not grow with its length.

    Args:
        path: The file, as in `audio.read`.
        settings: `Spectra`. A file of another rate is resampled.
        block_frames: About how many frames a block has.
        channel: The channel to take, counted from 0; `"mean"` for the mean of all.

    Yields:
        complex64 arrays `(n, num_bins)`, n at least 1. Put together, they are `stft` of the whole.

    Raises:
        AudioError: If the file is empty or damaged, as `audio.read` says, or has no samples; when
            the block is asked for.
        ValueError: If another argument is not as above, at once.
        OSError: If there is no such file or it may not be read.

    Example:
        >>> audio.write("a.wav", np.zeros(16000), 16000)
        >>> sum(len(block) for block in stream_spectra("a.wav"))
        253
    """
    settings = _check_settings(settings)
    block_samples = check_integer("block_frames", block_frames) * settings.hop_length
    blocks = _sound(path, settings, channel, block_samples)

    def spectra():
        heard = False
        for spectrum in _spectra_of_blocks(blocks, settings):
            heard = True
            yield spectrum
        if not heard:
            raise AudioError(f"{os.fspath(path)}: there are no samples")

    return spectra()


class Corpus(NamedTuple):
    """Frames of sound files.

    Attributes:
        dataset: `tf.data.Dataset` of float32 frames, `(length, num_bins)` or `(T, num_bins)`.
        files: List of the files that are read, in this order.
        skipped: List of pairs `(path, reason)`, the files that are not, and why.
    """

    dataset: Any
    files: Any
    skipped: Any


def frames_of_files(
    paths,
    length=None,
    *,
    settings=DEFAULT,
    scale="amplitude",
    normalizer=None,
    channel="mean",
):
    """Makes a dataset of the frames of sound files, which are read anew each time, in blocks.

    Each file is read through once before, as only that tells if it is whole, and as Keras wants to
    know how many sequences there are. What is no sound, is damaged, or is shorter than a frame, is
    left out and told of. Shuffle and batch the dataset as you like. If a file is gone or damaged
    when it is read again, the dataset fails and names it.

    Args:
        paths: A file, a folder, or a list of them. All files in a folder and in the folders in it
            are taken, in order of their names; names that start with a dot are passed over.
        length: Frames of a sequence. Files are cut in sequences of this length, and the frames
            that are left over at their ends are left out. A file is one sequence if None, and
            memory must hold the longest.
        settings: `Spectra`.
        scale: Of the frames, as in `to_frames`.
        normalizer: `Normalizer` that frames are normalised by; not normalised if None.
        channel: The channel to take, counted from 0; `"mean"` for the mean of all.

    Returns:
        `Corpus(dataset, files, skipped)`.

    Raises:
        ValueError: If an argument is not as above, or there is no file that can be used. The
            message tells why, for each.
        FileNotFoundError: If one of `paths` does not exist.

    Example:
        >>> corpus = frames_of_files("speech", length=100)
        >>> normalizer = Normalizer.fit(corpus.dataset)
        >>> corpus = frames_of_files(corpus.files, length=100, normalizer=normalizer)
        >>> model.fit(corpus.dataset.shuffle(1000, seed=0).batch(32), shuffle=False)
    """
    import tensorflow as tf  # here, so that the rest of the module works without it

    settings = _check_settings(settings)
    check_choice("scale", scale, SCALES)
    if length is not None:
        length = check_integer("length", length)
    if normalizer is not None:
        _check_normalizer(normalizer, settings)
    _check_channel(channel)

    files, skipped, count = [], [], 0
    for path in _files(paths):
        try:
            pieces = _num_pieces(path, length, settings, channel)
        except (AudioError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            skipped.append((path, reason or str(error).removeprefix(f"{path}: ")))
        else:
            files.append(path)
            count += pieces
    if not files:
        reasons = "".join(f"\n{path}: {reason}" for path, reason in skipped)
        raise ValueError(
            "`paths` must hold a sound file that can be used. "
            f"Received: paths={paths!r}, with {len(skipped)} files.{reasons}"
        )

    def sequences():
        for path in files:
            blocks = stream_spectra(path, settings, channel=channel)
            frames = (to_frames(block, scale) for block in blocks)
            if normalizer is not None:
                frames = map(normalizer.normalize, frames)
            yield from _pieces(frames, length)

    signature = tf.TensorSpec((length, settings.num_bins), tf.float32)
    dataset = tf.data.Dataset.from_generator(sequences, output_signature=signature)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
    return Corpus(dataset, files, skipped)


def _spectra_of_blocks(blocks, settings):
    """Yields the spectra of the sound that blocks of samples make, with silence around it."""
    L, H = settings.frame_length, settings.hop_length
    held, num_samples, done = np.zeros(settings._before, "float32"), 0, 0
    for block in blocks:
        held, num_samples = np.concatenate([held, block]), num_samples + len(block)
        n = audio.num_frames(len(held), L, H)
        if n:
            yield audio.stft(held, L, H, L, settings.window)
            held, done = held[n * H :].copy(), done + n
    left = settings.num_frames(num_samples) - done if num_samples else 0
    if left:
        held = np.pad(held, (0, (left - 1) * H + L - len(held)))
        yield audio.stft(held, L, H, L, settings.window)


def _sound(path, settings, channel, block_samples=2**16):
    return read_blocks(path, block_samples, settings.sample_rate, _check_channel(channel))


def _files(paths):
    """All files, in order, as strings."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    if not isinstance(paths, list | tuple):
        raise ValueError(f"`paths` must be a path or a list of paths. Received: paths={paths!r}.")
    found = []
    for path in map(os.fspath, paths):
        if not os.path.isdir(path):
            if not os.path.exists(path):
                raise FileNotFoundError(f"`paths` must exist. Received: {path}.")
            found.append(path)
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [
                os.path.join(folder, name) for name in sorted(names) if not name.startswith(".")
            ]
    return found


def _num_pieces(path, length, settings, channel):
    """How many sequences a file makes; at least one, or an AudioError."""
    if not os.path.isfile(path):  # to open a pipe would be to wait for its other end
        raise AudioError("not a regular file")
    num_samples = sum(len(block) for block in _sound(path, settings, channel))
    if num_samples < settings.frame_length:
        raise AudioError(
            f"too short: {num_samples} samples at {settings.sample_rate} Hz, "
            f"where a frame takes {settings.frame_length}"
        )
    if length is None:
        return 1
    num_frames = settings.num_frames(num_samples)
    if num_frames < length:
        raise AudioError(f"too short: {num_frames} frames, where a sequence takes {length}")
    return num_frames // length


def _pieces(blocks, length):
    """Yields what blocks of frames hold, in pieces of one length, or in one piece."""
    if length is None:
        yield np.concatenate(list(blocks))
        return
    held, num_held = [], 0
    for block in blocks:
        held, num_held = [*held, block], num_held + len(block)
        if num_held >= length:
            joined = np.concatenate(held)
            whole = num_held - num_held % length
            yield from joined[:whole].reshape(-1, length, joined.shape[1])
            held, num_held = [joined[whole:].copy()], num_held - whole


def _phase(c):
    """c / |c|, and 1 where c is 0."""
    size = np.abs(c)
    return np.where(size > 0, c / np.where(size > 0, size, 1), 1)


def _check_settings(settings):
    if not isinstance(settings, Spectra):
        raise ValueError(f"`settings` must be a `Spectra`. Received: settings={settings!r}.")
    return settings


def _check_channel(channel):
    return channel if channel == "mean" else check_integer("channel", channel, least=0)


def _check_normalizer(normalizer, settings):
    if not isinstance(normalizer, Normalizer):
        raise ValueError(
            f"`normalizer` must be a `Normalizer` or None. Received: normalizer={normalizer!r}."
        )
    if len(normalizer.shift) != settings.num_bins:
        raise ValueError(
            f"`normalizer` must be of {settings.num_bins} bins, as `settings` are. "
            f"Received: one of {len(normalizer.shift)}."
        )


def _check_num_samples(num_samples, name, num_frames, settings):
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


def _check_bins(name, array, settings):
    if array.ndim != 2 or array.shape[1] != settings.num_bins:
        raise ValueError(
            f"`{name}` must be an array `(T, {settings.num_bins})`. Received: shape {array.shape}."
        )
    return array


def _check_amplitude(name, array):
    array = _check_finite(name, array).astype("float32", copy=False)
    if array.min(initial=0) < 0:
        raise ValueError(f"`{name}` must not be negative. Received: {array.min():g}.")
    return array


def _check_finite(name, array, kinds="biuf"):
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
    _as_float32(name, array)
    return array


def _as_float32(name, array):
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
