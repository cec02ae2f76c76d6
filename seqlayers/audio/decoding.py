"""Decoding of sound files, block by block, with the checks that libsndfile leaves out."""

import os
import re

import numpy as np

from seqlayers.audio import containers
from seqlayers.audio.damage import AudioError
from seqlayers.files import check_regular_file

LARGE_BLOCK = 2**18  # numbers in all channels
SMALL_BLOCK = 4096  # samples; at most as many are lost before the place where a file is damaged
UNKNOWN = 2**63 - 1  # libsndfile's number of samples where the file does not say
NOTED = re.compile(r"^(\*\*\* File s|S)eems to be (a )?truncated", re.MULTILINE)  # in its log
WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
WIDTHS |= {"ULAW": 1, "ALAW": 1}


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
    check_regular_file(path, AudioError)
    try:
        for block, rate in _decoded(path, channel, strict, size):
            finite = np.isfinite(block)
            if not finite.all():
                raise AudioError(f"sample {done + np.argwhere(~finite)[0][0]} is not finite")
            done += len(block)
            yield block, rate
    except AudioError as error:
        raise AudioError(error.reason, path) from error.__cause__


def _decoded(path, channel, strict, size):
    from seqlayers.audio.sequential import SequentialFile

    with open(path, "rb") as raw:
        num_bytes = os.fstat(raw.fileno()).st_size
        if not num_bytes:
            raise AudioError("empty file")
        found = containers.contents(raw, num_bytes, strict)
        try:
            # As bytes, for names that are not UTF-8.
            with SequentialFile(found.file or os.fsencode(path)) as file:
                yield from _blocks(file, found, channel, strict, size)
        except (RuntimeError, TypeError) as error:  # TypeError: a name that ends in .raw
            reason = getattr(error, "error_string", error)
            raise AudioError(f"not a sound file, or a damaged one: {reason}") from error


def _blocks(file, found, channel, strict, size):
    rate, channels = int(file.samplerate), file.channels
    if channel not in (None, "mean") and channel >= channels:
        raise AudioError(f"there is no channel {channel}; the file has {channels}")
    promised = _num_samples(file, found, strict)
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
            with np.errstate(over="ignore", invalid="ignore"):  # `decode` refuses what comes of it
                block = block.mean(axis=1) if channels > 1 else block[:, 0]
        elif channel is not None:
            block = block[:, channel].copy()
        yield block, rate
    if strict and promised not in (there, UNKNOWN):
        raise AudioError(f"truncated: {there} of {promised} samples")


def _num_samples(file, found, strict):
    """Returns the number of samples that a file must have."""
    width = WIDTHS.get(file.subtype)
    if found.num_bytes is not None and width is not None:
        num_samples, more = divmod(found.num_bytes, width * file.channels)
        if more and strict:
            raise AudioError(
                f"truncated: the last sample lacks some of its {width * file.channels} bytes"
            )
        return num_samples
    # In formats that `containers` does not know.
    if strict and found == containers.Contents() and NOTED.search(file.extra_info):
        raise AudioError("truncated: the header declares more samples than there are")
    return file.frames if found.num_samples is None else found.num_samples
