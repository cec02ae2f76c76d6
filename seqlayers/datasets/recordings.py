"""Files of sound as streams of frames, in memory that does not grow with their length."""

import os
from typing import Any, NamedTuple

import numpy as np

from seqlayers.audio.files import AudioError, Sound, check_samples, read_blocks, resample
from seqlayers.audio.normalizer import Normalizer
from seqlayers.audio.segments import BLOCK, NoSegments, rate_of_file, segments_of_blocks
from seqlayers.audio.spectra import (
    DEFAULT,
    SCALES,
    Spectra,
    check_settings,
    stft,
    stft_of_blocks,
    to_frames,
)
from seqlayers.checks import check_choice, check_integer


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
            skipped.append((path, _reason(path, error)))
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


class SegmentCorpus(NamedTuple):
    """Frames of the segments of recordings, each segment a sequence.

    Attributes:
        sequences: List of float32 arrays `(T, num_bins)`, in order of the recordings and of time.
        files: For each sequence the file that it is of, or `"recordings[n]"` for a `Sound`.
        times: float64 `(N, 2)`, where in it the segment starts and ends, in seconds.
        durations: Dict, seconds of each recording that has segments.
        levels: Dict, the level of each, as in `Segments`.
        settings: The `Spectra` that frames were made by.
        resampled: List of pairs `(file, rate)`, recordings of another rate than `settings`.
        skipped: List of pairs `(file, reason)`, files that are not read or have no segment.
    """

    sequences: Any
    files: Any
    times: Any
    durations: Any
    levels: Any
    settings: Any
    resampled: Any
    skipped: Any


def frames_of_segments(
    recordings,
    *,
    settings=None,
    scale="log_amplitude",
    normalizer=None,
    channel="mean",
    **options,
):
    """Finds the segments of recordings and makes a sequence of frames of each.

    Files are read in blocks, a few times each. Memory holds the frames of segments alone. Frames
    are those of `stft`, with silence around the segment, and none is of two segments.

    Args:
        recordings: A file, a folder or a `Sound` of one channel, or a list of them. Folders are
            gone through as in `frames_of_files`.
        settings: `Spectra`. Recordings of other rates are resampled before segments are looked
            for. If None, those of the RNN-RBM paper on spectrograms: frames of 256 samples every
            128, at the lowest rate there is, so that each bin was heard in all recordings.
        scale: Of the frames, as in `to_frames`.
        normalizer: `Normalizer` that frames are normalised by; not normalised if None.
        channel: Of files, the channel to take, counted from 0; `"mean"` for the mean of all.
        **options: As in `segments`.

    Returns:
        `SegmentCorpus`, with at least one sequence.

    Raises:
        ValueError: If an argument is not as above, or there is no recording that has a segment.
            The message tells why, for each.
        FileNotFoundError: If one of the files or folders does not exist.

    Example:
        >>> corpus = frames_of_segments("songs", threshold=85, min_length=10, max_length=1000)
        >>> train, validation = temporal_folds(corpus, 4)[-1]  # the first 4/5, and the rest
        >>> normalizer = UnitNormalizer.fit([corpus.sequences[n] for n in train])
        >>> v = [normalizer.normalize(corpus.sequences[n]) for n in validation]
    """
    check_choice("scale", scale, SCALES)
    if settings is not None:
        check_settings(settings)
    channel = _check_channel(channel)
    sounds, skipped = _recordings(recordings, channel)
    if settings is None:
        rate = min((rate for _, rate, _ in sounds), default=DEFAULT.sample_rate)
        settings = Spectra(frame_length=256, hop_length=128, sample_rate=rate)
    if normalizer is not None:
        _check_normalizer(normalizer, settings)

    sequences, files, times, durations, levels, resampled = [], [], [], {}, {}, []
    for name, rate, read in sounds:
        blocks = lambda read=read: read(settings.sample_rate)  # noqa: E731
        try:
            found = segments_of_blocks(blocks, settings.sample_rate, **options)
            own = []
            for samples in _cut(blocks(), np.rint(found.times * settings.sample_rate)):
                own.append(to_frames(stft(samples, settings), scale))
        except (AudioError, NoSegments, OSError) as error:
            skipped.append((name, _reason(name, error)))
            continue
        sequences += own if normalizer is None else map(normalizer.normalize, own)
        files += [name] * len(own)
        times.append(found.times)
        durations[name], levels[name] = found.duration, found.level
        if rate != settings.sample_rate:
            resampled.append((name, rate))
    if not sequences:
        reasons = "".join(f"\n{name}: {reason}" for name, reason in skipped)
        raise ValueError(
            "`recordings` must hold a recording that has a segment. "
            f"Received: {len(skipped)} files or sounds.{reasons}"
        )
    times = np.concatenate(times)
    return SegmentCorpus(sequences, files, times, durations, levels, settings, resampled, skipped)


def temporal_folds(corpus, num_folds=5, kind="forward"):
    """Splits segments by time, to train on some and to judge by others of the same recordings.

    Each recording is cut in parts of like duration. A segment is of the part it starts in, and so
    it is whole on one side, the earlier one, when it goes beyond. Nothing is shuffled.

    Args:
        corpus: `SegmentCorpus`.
        num_folds: Number K of folds.
        kind: `"forward"`: of K + 1 parts, fold k trains on the first k + 1 and validates on the
            next, so that nothing is judged by what came later there. `"blocked"`: of K parts,
            fold k validates on part k and trains on all others. The paper says `temporal
            cross-validation within sequences`, which may be either.

    Returns:
        List of K pairs `(train, validation)`, int arrays of places in `corpus.sequences`, in order.

    Raises:
        ValueError: If an argument is not as above, or one side of a fold would have no segment.

    Example:
        >>> for train, validation in temporal_folds(corpus, 3):
        ...     model.fit(batches([corpus.sequences[n] for n in train]), shuffle=False)
    """
    if not isinstance(corpus, SegmentCorpus):
        raise ValueError(f"`corpus` must be a `SegmentCorpus`. Received: corpus={corpus!r}.")
    check_choice("kind", kind, ("forward", "blocked"))
    num_folds = check_integer("num_folds", num_folds, least=1 if kind == "forward" else 2)
    num_parts = num_folds + 1 if kind == "forward" else num_folds
    durations = np.array([corpus.durations[name] for name in corpus.files])
    parts = np.minimum((corpus.times[:, 0] / durations * num_parts).astype(int), num_parts - 1)
    folds = []
    for k in range(num_folds):
        train, validation = parts != k, parts == k
        if kind == "forward":
            train, validation = parts <= k, parts == k + 1
        if not train.any() or not validation.any():
            side = "train on" if validation.any() else "validate on"
            raise ValueError(
                f"`num_folds` must be so small that each has segments; fold {k} has none to {side}."
                f" Received: num_folds={num_folds}, for {len(parts)} segments."
            )
        folds.append((np.flatnonzero(train), np.flatnonzero(validation)))
    return folds


def _sound(path, settings, channel, block_samples=2**16):
    return read_blocks(path, block_samples, settings.sample_rate, _check_channel(channel))


def _reason(path, error):
    """Why a file is skipped, without its name."""
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or str(error).removeprefix(f"{path}: ")


def _recordings(recordings, channel):
    """Triples `(name, rate, read)` of files and sounds, and pairs `(name, reason)` of the others.

    `read(rate)` yields samples at another rate, in blocks.
    """
    if isinstance(recordings, str | os.PathLike | Sound):
        recordings = [recordings]
    if not isinstance(recordings, list | tuple):
        raise ValueError(
            "`recordings` must be a path, a `Sound` or a list of them. "
            f"Received: recordings={recordings!r}."
        )
    sounds, skipped = [], []
    for n, recording in enumerate(recordings):
        if isinstance(recording, Sound):
            samples = check_samples(recording.samples)
            own = check_integer("sample_rate", recording.sample_rate)
            read = lambda rate, x=samples, own=own: iter([resample(x, own, rate)])  # noqa: E731
            sounds.append((f"recordings[{n}]", own, read))
            continue
        for path in _files(recording, "recordings"):
            read = lambda rate, path=path: read_blocks(path, BLOCK, rate, channel)  # noqa: E731
            try:
                sounds.append((path, rate_of_file(_check_regular(path)), read))
            except (AudioError, OSError) as error:
                skipped.append((path, _reason(path, error)))
    return sounds, skipped


def _cut(blocks, bounds):
    """Yields the samples of segments, whose bounds `(N, 2)` in samples are in order."""
    held, first = np.zeros(0, "float32"), 0  # sample `first` and those behind it
    for start, end in bounds.astype(int):
        while first + len(held) < end:
            block = next(blocks, None)
            if block is None:
                raise AudioError("it became shorter while it was read")
            past = min(len(held), max(0, start - first))
            held, first = np.concatenate([held[past:], block]), first + past
        yield held[start - first : end - first]


def _files(paths, name="paths"):
    """All files, in order, as strings."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    if not isinstance(paths, list | tuple):
        raise ValueError(f"`{name}` must be a path or a list of paths. Received: {name}={paths!r}.")
    found = []
    for path in map(os.fspath, paths):
        if not os.path.isdir(path):
            if not os.path.exists(path):
                raise FileNotFoundError(f"`{name}` must exist. Received: {path}.")
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
    _check_regular(path)
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


def _check_regular(path):
    if not os.path.isfile(path):  # to open a pipe would be to wait for its other end
        raise AudioError("not a regular file")
    return path


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
