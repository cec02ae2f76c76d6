"""Files of sound as streams of frames, in memory that does not grow with their length."""

import os
from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_choice, check_integer
from seqlayers.datasets.normalizer import Normalizer
from seqlayers.datasets.sound_file import AudioError, read_blocks
from seqlayers.datasets.spectra import DEFAULT, SCALES, check_settings, stft_of_blocks, to_frames


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
    settings = check_settings(settings)
    block_samples = check_integer("block_frames", block_frames) * settings.hop_length
    blocks = _sound(path, settings, channel, block_samples)

    def spectra():
        heard = False
        for spectrum in stft_of_blocks(blocks, settings):
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

    settings = check_settings(settings)
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
