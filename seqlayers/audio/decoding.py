"""Decoding of sound files, block by block, with the checks that libsndfile leaves out.

libsndfile reads as much as there is of a WAV file whose header promises more, without an error. The
header of a WAV file is therefore checked here first, as is the last page of an OGG file, which
marks the end of the stream.
"""

import os
import struct

import numpy as np

from seqlayers.files import FileError, check_regular_file

LARGE_BLOCK = 2**18  # numbers in all channels
SMALL_BLOCK = 4096  # samples; at most as many are lost before the place where a file is damaged
LONGEST_PAGE = 65307  # bytes of an OGG page
STREAMED = 0xFFFFFFFF  # size of a chunk whose writer did not know it


class AudioError(FileError):
    """A file that is not sound, is damaged or ends too early. See `FileError` for attributes."""


def decode(path, channel, strict=True, size=None):
    """Yields pairs `(block, sample rate)`.

    Args:
        path: The file.
        channel: The channel to take, counted from 0; `"mean"` for the mean of all; None for all.
        strict: If False, damage ends the sound instead of raising, once there are samples.
        size: Largest number of samples of a block. The last block is shorter, or empty.

    Raises:
        AudioError: If the file cannot be decoded, or holds NaN or infinity.
        OSError: If there is no such file or it cannot be opened.
    """
    path, done = os.fspath(path), 0
    try:
        _check_container(path, strict)
        for block, rate in _decoded(path, channel, strict, size):
            finite = np.isfinite(block)
            if not finite.all():
                raise AudioError(f"sample {done + np.argwhere(~finite)[0][0]} is not finite")
            done += len(block)
            yield block, rate
    except AudioError as error:
        raise AudioError(error.reason, path) from error.__cause__


def _decoded(path, channel, strict, size):
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, promised = file.samplerate, file.channels, file.frames
            if channel not in (None, "mean") and channel >= channels:
                raise AudioError(f"there is no channel {channel}; the file has {channels}")
            # A header may promise anything: memory is taken for one block at a time.
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
        reason = getattr(error, "error_string", error)
        raise AudioError(f"not a sound file, or a damaged one: {reason}") from error
    if strict and there != promised:
        raise AudioError(f"truncated: {there} of {promised} samples")


def _check_container(path, strict):
    check_regular_file(path, AudioError)
    with open(path, "rb") as file:
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
    """Checks the chunks up to the samples."""
    at, align = 12, None
    while at + 8 <= size:
        file.seek(at)
        name, length = file.read(4), int.from_bytes(file.read(4), "little")
        if name == b"fmt " and length >= 16:
            layout = file.read(16)
            tag, channels, rate, _, align, bits = struct.unpack("<HHIIHH", layout.ljust(16, b"\0"))
            if rate == 0:
                raise AudioError("damaged header: 0 samples per second")
            plain = tag in (1, 3, 0xFFFE)  # integers, floats, and either with an extended header
            if strict and plain and align != channels * -(-bits // 8):
                raise AudioError(
                    f"damaged header: {channels} channels of {bits} bits cannot take {align} bytes"
                )
            align = align if plain else None
        elif name == b"data":
            rest = size - at - 8
            if length == 0 and rest > 1 and (riff_length == STREAMED or riff_length + 9 < size):
                raise AudioError(
                    f"damaged header: no samples are declared, but {rest} bytes follow"
                )
            if strict and length != STREAMED and length > rest:
                raise AudioError(f"truncated: {rest} of {length} bytes of samples")
            if strict and align and min(length, rest) % align:
                raise AudioError(f"truncated: the last sample lacks some of its {align} bytes")
            return
        at += 8 + length + length % 2
