"""Sound files: reading, writing, resampling, and finding them in a folder.

soundfile reads and writes them (WAV, FLAC, OGG, MP3 and others that its libsndfile supports), soxr
resamples. Samples are float32 at full scale 1: an integer of b bits is divided by 2 ** (b - 1).
"""

import errno
import io
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlayers import files
from seqlayers.audio.damage import AudioError
from seqlayers.audio.decoding import decode
from seqlayers.checks import as_float32, check_integer

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
HIGHEST_RATE = 2**31 - 1  # which a file can have
TOO_LARGE = "the samples are too large to be resampled in float32"


class Sound(NamedTuple):
    """Sound in memory.

    Attributes:
        samples: float32 array `(N,)` or `(N, channels)`.
        sample_rate: Samples per second.
    """

    samples: Any
    sample_rate: int


def find(path):
    """Returns the sound files in a folder and its subfolders, sorted by path.

    Files count by their suffix: one of `SUFFIXES`, in any case. Hidden files and folders, whose
    names start with a dot, do not.

    Args:
        path: A folder, or a single file, which counts whatever its name.

    Returns:
        List of `pathlib.Path`, with at least one file.

    Raises:
        AudioError: If a folder holds no sound file.
        FileNotFoundError: If there is nothing at `path`.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if not path.is_dir():
        return [path]
    found = files.find(path, SUFFIXES)
    if not found:
        kinds = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
        raise AudioError(f"the folder must hold a sound file ({kinds}). Received: none", path)
    return found


def read(path, sample_rate=None, channel: int | str = "mean", strict=True):
    """Reads a sound file.

    Args:
        path: The file: WAV of 8, 16, 24 or 32 bits or floats, FLAC, OGG, MP3, or another format of
            libsndfile. Its content decides, not its suffix.
        sample_rate: Sample rate of the result, to which the file is resampled if its own differs;
            the file's own if None.
        channel: The channel to take, counted from 0; `"mean"` for the mean of all; None for all.
        strict: If True, a file is read whole or refused. If False, a file that ends too early or
            has a broken header gives the samples before the damage, if there are any, and files
            that were joined into one give those of the first.

    Returns:
        `Sound(samples, sample_rate)`. A file may hold no samples.

    Raises:
        AudioError: If the file is empty, damaged, truncated, joined from several, of an unknown
            format or rate, no regular file, has no such channel, or holds NaN or infinity.
        ValueError: If `sample_rate` or `channel` is invalid.
        OSError: If there is no such file or it cannot be opened.

    Example:
        >>> write("a.wav", np.zeros(800, "float32"), 16000)
        >>> read("a.wav", sample_rate=8000).samples.shape
        (400,)
    """
    sample_rate, channel = _check_options(sample_rate, channel)
    blocks, rates = zip(*decode(path, channel, strict), strict=True)
    samples, rate = np.concatenate(blocks), rates[0]
    if sample_rate is None or sample_rate == rate:
        return Sound(samples, rate)
    try:
        return Sound(resample(samples, rate, sample_rate), sample_rate)
    except ValueError as error:
        raise AudioError(TOO_LARGE, path) from error


def read_blocks(path, block_samples=2**16, sample_rate=None, channel: int | str = "mean"):
    """Reads a sound file block by block, in memory that does not grow with its length.

    The blocks joined are what `read` returns, to the sample. A file that its container shows to be
    truncated is refused before the first block; other damage is found where it lies, after the
    blocks before it.

    Args:
        path: The file, as in `read`.
        block_samples: Samples per block. The last block may have fewer, as may all blocks of a file
            with very many channels. With resampling, about as many come out at a time.
        sample_rate: Sample rate of the result; the file's own if None.
        channel: As in `read`.

    Yields:
        float32 arrays `(n,)`, or `(n, channels)` if `channel` is None, with n at least 1; none if
        the file holds no samples.

    Raises:
        AudioError: As in `read`, when the block is asked for.
        ValueError: If another argument is invalid, at once.
        OSError: If there is no such file or it cannot be opened.

    Example:
        >>> write("a.wav", np.zeros(800, "float32"), 16000)
        >>> [len(block) for block in read_blocks("a.wav", 300)]
        [300, 300, 200]
    """
    block_samples = check_integer("block_samples", block_samples)
    sample_rate, channel = _check_options(sample_rate, channel)
    return _blocks(path, block_samples, sample_rate, channel)


def _blocks(path, block_samples, sample_rate, channel):
    import soxr

    stream = None
    for block, rate in decode(path, channel, size=block_samples):
        if sample_rate in (None, rate):
            if len(block):
                yield block
            continue
        if stream is None:
            channels = block.shape[1] if block.ndim == 2 else 1
            stream = soxr.ResampleStream(rate, sample_rate, channels)
        # From a low rate one sample becomes many.
        step = max(1, min(block_samples, block_samples * rate // sample_rate))
        for at in range(0, len(block), step):
            resampled = stream.resample_chunk(block[at : at + step])
            if len(resampled):
                yield _finite(resampled, path)
    if stream is not None:
        rest = stream.resample_chunk(block[:0], last=True)
        if len(rest):
            yield _finite(rest, path)


def _finite(samples, path):
    """Returns resampled samples, which may be beyond those of the file."""
    if not np.isfinite(samples).all():
        raise AudioError(TOO_LARGE, path)
    return samples


def sample_rate_of(path):
    """Returns the sample rate of a sound file.

    Args:
        path: The file.

    Raises:
        AudioError: If the file is damaged at its start.
        OSError: If there is no such file or it cannot be opened.
    """
    _, rate = next(decode(path, channel=None, size=1))
    return rate


def duration_of(path, channel: int | str = "mean"):
    """Returns the duration of a sound file in seconds, 0 if it has no samples.

    The file is decoded a block at a time to its end, which its header may have wrong.

    Args:
        path: The file.
        channel: As in `read`.

    Raises:
        AudioError: If the file is damaged or has no such channel.
        OSError: If there is no such file or it cannot be opened.
    """
    rate = sample_rate_of(path)
    return sum(map(len, read_blocks(path, channel=channel))) / rate


def write(path, samples, sample_rate, bits=16):
    """Writes a WAV file, all of it or nothing.

    Args:
        path: The file to make or to replace. Its name ends as .wav or has no suffix.
        samples: Floats `(N,)` or `(N, channels)`; from -1 to 1 with 16 and 24 bits.
        sample_rate: Samples per second.
        bits: 16 or 24 for integers, to which samples are rounded; 32 for floats.

    Raises:
        ValueError: If `path` has another suffix, samples are not finite or beyond full scale,
            `bits` is another number, or the sound is more than a WAV file holds.
        OSError: If the file cannot be written; an older one is then untouched.

    Example:
        >>> t = np.arange(16000) / 16000
        >>> write("a440.wav", 0.5 * np.sin(2 * np.pi * 440 * t), 16000)
    """
    import soundfile

    if Path(path).suffix.lower() not in ("", ".wav"):
        raise ValueError(
            "`path` must end as .wav, the format that is written, or have no suffix. "
            f"Received: path={str(path)!r}."
        )
    samples = check_samples(samples, channels=True)
    sample_rate = check_integer("sample_rate", sample_rate)
    if bits not in (16, 24, 32):
        raise ValueError(f"`bits` must be 16, 24 or 32. Received: bits={bits!r}.")
    if samples.size * (bits // 8) >= 2**32 - 1024:
        raise ValueError(
            "A WAV file holds at most 4 GB; write the sound in parts. "
            f"Received: {samples.size} samples of {bits} bits."
        )
    subtype = "FLOAT"
    if bits < 32:
        peak = np.abs(samples).max(initial=0)
        if peak > 1:
            raise ValueError(
                "`samples` must lie between -1 and 1; divide them by their peak, or use np.clip "
                f"or bits=32. Received: a peak of {peak:.4g}."
            )
        top = 2 ** (bits - 1)
        integers = np.rint(samples.astype("float64") * top).clip(-top, top - 1)
        # soundfile takes 24 bits from the upper end of an int32.
        samples = integers.astype("int16") if bits == 16 else integers.astype("int32") << 8
        subtype = f"PCM_{bits}"
    file = io.BytesIO()
    try:
        soundfile.write(file, samples, sample_rate, format="WAV", subtype=subtype)
    except (RuntimeError, OverflowError) as error:
        raise ValueError(
            "A WAV file cannot hold this sound. "
            f"Received: shape {samples.shape}, sample_rate={sample_rate} ({error})."
        ) from error
    files.write_atomically(path, file.getvalue())


def resample(samples, sample_rate, new_rate):
    """Changes the sample rate, without aliasing and without delay.

    Args:
        samples: Floats `(N,)` or `(N, channels)`.
        sample_rate: Samples per second now.
        new_rate: Samples per second afterwards.

    Returns:
        float32 array of `N * new_rate / sample_rate` samples, rounded to an integer.

    Raises:
        ValueError: If samples are not finite floats, before or after, or a rate is not an integer
            from 1 to 2 ** 31 - 1.

    Example:
        >>> resample(np.zeros(441, "float32"), 44100, 16000).shape
        (160,)
    """
    import soxr

    samples = check_samples(samples, channels=True)
    sample_rate = check_integer("sample_rate", sample_rate, most=HIGHEST_RATE)
    new_rate = check_integer("new_rate", new_rate, most=HIGHEST_RATE)
    if sample_rate == new_rate:
        return samples.copy()
    return as_float32("samples", soxr.resample(samples, sample_rate, new_rate))


def check_samples(samples, channels=False, least=0):
    """Returns samples as a float32 array.

    Args:
        samples: Floats `(N,)`, all finite.
        channels: Whether `(N, channels)` is accepted as well.
        least: Smallest N accepted.

    Raises:
        ValueError: If `samples` has another shape or type, is too short, or is not finite.
    """
    try:
        samples = np.asarray(samples)
    except ValueError as error:
        raise ValueError(f"`samples` must be an array of floats. Received: {error}.") from error
    if samples.ndim != 1 and not (channels and samples.ndim == 2 and samples.shape[1] > 0):
        wanted = "`(N,)` or `(N, channels)`" if channels else "`(N,)`, of one channel"
        raise ValueError(f"`samples` must be an array {wanted}. Received: shape {samples.shape}.")
    if samples.dtype.kind != "f":
        raise ValueError(
            "`samples` must be floats; divide integers of b bits by 2 ** (b - 1). "
            f"Received: dtype {samples.dtype}."
        )
    if len(samples) < least:
        raise ValueError(
            f"`samples` must hold at least {least} sample{'s' * (least > 1)}. "
            f"Received: {len(samples)}."
        )
    with np.errstate(over="ignore"):
        samples = samples.astype("float32", copy=False)
    if not np.isfinite(samples).all():
        at = np.argwhere(~np.isfinite(samples))[0][0]
        raise ValueError(f"`samples` must be finite. Received: {samples[at]} at sample {at}.")
    return samples


def check_channel(channel):
    """Returns `channel` if it is `"mean"` or an integer of at least 0."""
    return channel if channel == "mean" else check_integer("channel", channel, least=0)


def _check_options(sample_rate, channel):
    if sample_rate is not None:
        sample_rate = check_integer("sample_rate", sample_rate, most=HIGHEST_RATE)
    return sample_rate, None if channel is None else check_channel(channel)
