"""Sound files, read whole or refused, or block by block, and sampling rates changed.

soundfile reads and writes them (WAV, FLAC, OGG, MP3 and what else its libsndfile knows), soxr
resamples. Samples are float32 and full scale is 1: an integer of b bits is divided by 2 ** (b - 1).

libsndfile reads what it can of a WAV whose header promises more than the file has, and says
nothing. So before it does, the header is looked at here, as is the last page of an OGG, which
marks the end of a stream.
"""

import io
import os
import struct
from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_integer
from seqlayers.files import write_atomically

LARGE_BLOCK = 2**18  # numbers in all channels
SMALL_BLOCK = 4096  # samples; as many may be lost before the place where a file is damaged
LONGEST_PAGE = 65307  # bytes of an OGG page
STREAMED = 0xFFFFFFFF  # the size of a chunk whose writer did not know it


class AudioError(ValueError):
    """A file that is no sound file, is damaged, or ends too early. Names the file."""


class Sound(NamedTuple):
    """Samples, float32 `(N,)` or `(N, channels)`, and how many of them are a second."""

    samples: Any
    sample_rate: int


def read(path, sample_rate=None, channel="mean", strict=True):
    """Reads a sound file.

    Args:
        path: The file: WAV with 8, 16, 24 or 32 bits or floats, FLAC, OGG or MP3. What it
            is counts, not what its name ends in.
        sample_rate: Samples a second that are wanted; resampled if the file has another rate.
            That of the file if None.
        channel: The channel to take, counted from 0; `"mean"` for the mean of all; None for all.
        strict: If False, what comes before the damage is taken of files that end too early or have
            a broken header, where there is such a thing.

    Returns:
        `Sound(samples, sample_rate)`. There may be no samples, if the file says so.

    Raises:
        AudioError: If the file is empty, damaged, truncated, of a rate or format that is not
            known, has no such channel, or holds NaN or infinity.
        ValueError: If another argument is wrong.
        OSError: If there is no such file or it may not be read.

    Example:
        >>> write("a.wav", np.zeros(800, "float32"), 16000)
        >>> read("a.wav", sample_rate=8000).samples.shape
        (400,)
    """
    sample_rate, channel = _check_options(sample_rate, channel)
    try:
        with open(path, "rb") as file:
            _check_container(file, strict)
        samples, rate = _decode(os.fspath(path), channel, strict)
        finite = np.isfinite(samples)
        if not finite.all():
            raise AudioError(f"sample {np.argwhere(~finite)[0][0]} is not finite")
    except AudioError as error:
        raise AudioError(f"{os.fspath(path)}: {error}") from error.__cause__
    if sample_rate is None or sample_rate == rate:
        return Sound(samples, rate)
    return Sound(resample(samples, rate, sample_rate), sample_rate)


def read_blocks(path, block_samples=2**16, sample_rate=None, channel="mean"):
    """Reads a sound file block by block, in memory that does not grow with its length.

    The blocks put together are what `read` returns. A WAV that is cut short is refused before the
    first block; other damage is met where it lies, when the blocks before it are already out.

    Args:
        path: The file, as in `read`.
        block_samples: Samples of a block. The last one may have fewer, as may those of files with
            very many channels. Resampled, a block is what comes out at a time, about as many.
        sample_rate: Samples a second that are wanted; that of the file if None.
        channel: As in `read`.

    Yields:
        float32 arrays `(n,)`, or `(n, channels)` if `channel` is None, with n at least 1. There
        are none if the file has no samples.

    Raises:
        AudioError: As `read` does, when the block is asked for.
        ValueError: If another argument is wrong, at once.
        OSError: If there is no such file or it may not be read.

    Example:
        >>> write("a.wav", np.zeros(800, "float32"), 16000)
        >>> [len(block) for block in read_blocks("a.wav", 300)]
        [300, 300, 200]
    """
    block_samples = check_integer("block_samples", block_samples)
    sample_rate, channel = _check_options(sample_rate, channel)
    return _blocks(os.fspath(path), block_samples, sample_rate, channel)


def write(path, samples, sample_rate, bits=16):
    """Writes a WAV file, all of it or nothing.

    Args:
        path: The file to make or to replace.
        samples: Floats `(N,)` or `(N, channels)`. With 16 and 24 bits, between -1 and 1.
        sample_rate: Samples a second.
        bits: 16 or 24 for integers, to which samples are rounded; 32 for floats.

    Raises:
        ValueError: If an argument is not as above, or there is more than a WAV file holds.
        OSError: If the file cannot be written; an older one is untouched then.

    Example:
        >>> t = np.arange(16000) / 16000
        >>> write("a440.wav", 0.5 * np.sin(2 * np.pi * 440 * t), 16000)
    """
    import soundfile

    samples = check_samples(samples, channels=True)
    sample_rate = check_integer("sample_rate", sample_rate)
    if bits not in (16, 24, 32):
        raise ValueError(f"`bits` must be 16, 24 or 32. Received: bits={bits!r}.")
    if samples.size * (bits // 8) >= STREAMED - 1024:
        raise ValueError(
            "A WAV file holds 4 GB; write the sound in parts. "
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
        # soundfile takes the upper bits of an int32 for the 24.
        samples = integers.astype("int16") if bits == 16 else integers.astype("int32") << 8
        subtype = f"PCM_{bits}"
    file = io.BytesIO()
    try:
        soundfile.write(file, samples, sample_rate, format="WAV", subtype=subtype)
    except (RuntimeError, OverflowError) as error:
        raise ValueError(
            "A WAV file cannot hold this. "
            f"Received: shape {samples.shape}, sample_rate={sample_rate} ({error})."
        ) from error
    write_atomically(path, file.getvalue())


def resample(samples, sample_rate, new_rate):
    """Changes the sampling rate, with a filter that leaves out what the lower rate cannot hold.

    Args:
        samples: Floats `(N,)` or `(N, channels)`.
        sample_rate: Samples a second that they have.
        new_rate: Samples a second that are wanted.

    Returns:
        float32 array, of `N * new_rate / sample_rate` samples rounded to an integer. Moments keep
        their times: there is no delay.

    Raises:
        ValueError: If an argument is not as above.

    Example:
        >>> resample(np.zeros(441, "float32"), 44100, 16000).shape
        (160,)
    """
    import soxr

    samples = check_samples(samples, channels=True)
    sample_rate = check_integer("sample_rate", sample_rate)
    new_rate = check_integer("new_rate", new_rate)
    if sample_rate == new_rate:
        return samples.copy()
    return np.asarray(soxr.resample(samples, sample_rate, new_rate), "float32")


def check_samples(samples, channels=False, least=0):
    """Makes sure that an array holds sound.

    Args:
        samples: Floats `(N,)`, all finite.
        channels: Takes `(N, channels)`, too.
        least: The smallest N that will do.

    Returns:
        float32 array of the same shape.

    Raises:
        ValueError: If something is not as above.
    """
    samples = np.asarray(samples)
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
            f"`samples` must hold at least {least} samples, those of a frame. "
            f"Received: {len(samples)}."
        )
    with np.errstate(over="ignore"):
        samples = samples.astype("float32", copy=False)
    if not np.isfinite(samples).all():
        at = np.argwhere(~np.isfinite(samples))[0][0]
        raise ValueError(f"`samples` must be finite. Received: {samples[at]} at sample {at}.")
    return samples


def _check_options(sample_rate, channel):
    if sample_rate is not None:
        sample_rate = check_integer("sample_rate", sample_rate)
    if channel is not None and channel != "mean":
        channel = check_integer("channel", channel, least=0)
    return sample_rate, channel


def _blocks(path, block_samples, sample_rate, channel):
    """What `read_blocks` yields."""
    import soxr

    stream, done = None, 0
    try:
        with open(path, "rb") as file:
            _check_container(file, strict=True)
        for block, rate in _decoded(path, channel, strict=True, size=block_samples):
            finite = np.isfinite(block)
            if not finite.all():
                raise AudioError(f"sample {done + np.argwhere(~finite)[0][0]} is not finite")
            done += len(block)
            if sample_rate in (None, rate):
                if len(block):
                    yield block
                continue
            if stream is None:
                channels = block.shape[1] if block.ndim == 2 else 1
                stream = soxr.ResampleStream(rate, sample_rate, channels)
            # Where the rate is low, many samples are made of one.
            step = max(1, min(block_samples, block_samples * rate // sample_rate))
            for at in range(0, len(block), step):
                resampled = stream.resample_chunk(block[at : at + step])
                if len(resampled):
                    yield resampled
        if stream is not None:
            rest = stream.resample_chunk(block[:0], last=True)
            if len(rest):
                yield rest
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from error.__cause__


def _decode(path, channel, strict):
    """Samples and their rate."""
    blocks, rates = zip(*_decoded(path, channel, strict), strict=True)
    return np.concatenate(blocks), rates[0]


def _decoded(path, channel, strict, size=None):
    """Blocks of at most `size` samples, the last one shorter or empty, each with the rate."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, promised = file.samplerate, file.channels, file.frames
            if channel not in (None, "mean") and channel >= channels:
                raise AudioError(f"there is no channel {channel}; the file has {channels}")
            # A header may promise anything, so that only what is there is allocated.
            most = max(1, LARGE_BLOCK // channels) if strict else SMALL_BLOCK
            size = min(size or most, most)
            there, whole = 0, True
            while whole:
                try:
                    block = file.read(size, dtype="float32", always_2d=True)
                except RuntimeError:
                    if strict or not there:
                        raise
                    break
                there, whole = there + len(block), len(block) == size
                if channel == "mean":
                    block = block.mean(axis=1) if channels > 1 else block[:, 0]
                elif channel is not None:
                    block = block[:, channel].copy()
                yield block, int(rate)
    except (RuntimeError, TypeError) as error:  # TypeError: a name that ends in .raw
        reason = str(error).partition(": ")[2] or str(error)
        raise AudioError(f"not a sound file, or a damaged one: {reason}") from error
    if strict and there != promised:
        raise AudioError(f"truncated: {there} of {promised} samples")


def _check_container(file, strict):
    head = file.read(12)
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise AudioError("empty file")
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        _check_wav(file, size, int.from_bytes(head[4:8], "little"), strict)
    if head[:4] == b"OggS" and strict:
        file.seek(max(0, size - LONGEST_PAGE))
        tail = file.read()
        last = tail.rfind(b"OggS")
        if last < 0 or len(tail) < last + 6 or not tail[last + 5] & 4:
            raise AudioError("truncated: the last page of the stream is missing")


def _check_wav(file, size, riff_length, strict):
    """Looks at the chunks up to the samples."""
    at, align = 12, None
    while at + 8 <= size:
        file.seek(at)
        name, length = file.read(4), int.from_bytes(file.read(4), "little")
        if name == b"fmt " and length >= 16:
            layout = file.read(16)
            tag, channels, rate, _, align, bits = struct.unpack("<HHIIHH", layout.ljust(16, b"\0"))
            if rate == 0:
                raise AudioError("damaged header: 0 samples a second")
            plain = tag in (1, 3, 0xFFFE)  # integers, floats and either with an extended header
            if strict and plain and align != channels * -(-bits // 8):
                raise AudioError(
                    f"damaged header: {channels} channels of {bits} bits cannot take {align} bytes"
                )
            align = align if plain else None
        elif name == b"data":
            rest = size - at - 8
            if length == 0 and rest > 1 and (riff_length == STREAMED or riff_length + 9 < size):
                raise AudioError(f"damaged header: it tells of no samples, but {rest} bytes follow")
            if strict and length != STREAMED and length > rest:
                raise AudioError(f"truncated: {rest} of {length} bytes of samples")
            if strict and align and min(length, rest) % align:
                raise AudioError(f"truncated: the last sample lacks some of its {align} bytes")
            return
        at += 8 + length + length % 2
