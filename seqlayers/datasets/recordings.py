"""Recordings as sequences of frames: the segments of sound files, and their split by time."""

import functools
import os
from typing import Any, NamedTuple

import numpy as np

from seqlayers import audio
from seqlayers.audio import AudioError, NoSegments, Sound, Spectra, stft, to_frames
from seqlayers.audio.files import check_channel, check_samples
from seqlayers.audio.loudness import BLOCK
from seqlayers.audio.segment_rules import DEFAULT as DEFAULT_RULES
from seqlayers.audio.spectra import DEFAULT, SCALES, check_settings
from seqlayers.checks import check_choice, check_integer
from seqlayers.files import reason_of

FRAME_LENGTH, HOP_LENGTH = 256, 128  # samples, in the RNN-RBM paper on spectrograms


class SegmentCorpus(NamedTuple):
    """Frames of the segments of recordings; each segment is a sequence.

    Attributes:
        sequences: List of float32 arrays `(T, num_bins)`, in order of the recordings and of time.
        files: The file of each sequence, or `"recordings[n]"` for a `Sound`.
        times: float64 `(N, 2)`, the start and end of each segment in its recording, in seconds.
        durations: Dictionary of the duration of each recording with segments, in seconds.
        levels: Dictionary of the level of each recording, see `Segments`.
        settings: `Spectra` of the frames.
        resampled: List of pairs `(file, rate)`, the recordings of another sample rate.
        skipped: List of pairs `(file, reason)`, the recordings that cannot be read or have no
            segment.
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
    rules=DEFAULT_RULES,
    *,
    settings=None,
    scale="log_amplitude",
    normalizer=None,
    channel: int | str = "mean",
):
    """Finds the segments of recordings and makes a sequence of frames from each.

    Files are read in blocks, a few times each; memory holds the frames of segments alone. Frames
    are those of `stft`, with silence around the segment; no frame spans two segments.

    Args:
        recordings: A file, a folder, a `Sound` of one channel, or a list of them. `audio.find`
            finds the files of a folder.
        rules: `SegmentRules`.
        settings: `Spectra`. Recordings of another sample rate are resampled before the search. If
            None, those of the RNN-RBM paper on spectrograms: frames of 256 samples every 128, at
            the lowest sample rate among the recordings, so that all of them have sound in each bin.
        scale: Scale of the frames, as in `to_frames`.
        normalizer: `Normalizer` of the frames; not normalised if None.
        channel: Channel of files to take, counted from 0; `"mean"` for the mean of all.

    Returns:
        `SegmentCorpus`, with at least one sequence.

    Raises:
        NoSegments: If no recording has a segment. Its `skipped` has the reason for each.
        AudioError: If a folder holds no sound file.
        ValueError: If another argument is invalid.
        FileNotFoundError: If a file or folder does not exist.

    Example:
        >>> rules = audio.SegmentRules(threshold=85, min_length=10, max_length=1000)
        >>> corpus = frames_of_segments("songs", rules)
        >>> train, validation = temporal_folds(corpus, 4)[-1]  # the first 4/5, and the rest
        >>> normalizer = audio.Normalizer.fit([corpus.sequences[n] for n in train])
        >>> v = [normalizer.normalize(corpus.sequences[n]) for n in validation]
    """
    check_choice("scale", scale, SCALES)
    if settings is not None:
        check_settings(settings)
    sounds, skipped = _opened(recordings, check_channel(channel))
    if settings is None:
        rate = min((rate for _, rate, _ in sounds), default=DEFAULT.sample_rate)
        settings = Spectra(FRAME_LENGTH, HOP_LENGTH, sample_rate=rate)
    if normalizer is not None:
        _check_normalizer(normalizer, settings)

    sequences: list[Any] = []
    files, times, durations, levels, resampled = [], [], {}, {}, []
    for name, rate, read in sounds:
        blocks = functools.partial(read, settings.sample_rate)
        try:
            found = audio.segments_of_blocks(blocks, settings.sample_rate, rules)
            parts = _cut(blocks(), found.times, settings.sample_rate)
            own = [_frames(samples, settings, scale) for samples in parts]
        except (AudioError, NoSegments, OSError) as error:
            skipped.append((name, reason_of(error)))
            continue
        sequences += own if normalizer is None else map(normalizer.normalize, own)
        files += [name] * len(own)
        times.append(found.times)
        durations[name], levels[name] = found.duration, found.level
        if rate != settings.sample_rate:
            resampled.append((name, rate))
    if not sequences:
        raise NoSegments.in_none(skipped)
    return SegmentCorpus(
        sequences, files, np.concatenate(times), durations, levels, settings, resampled, skipped
    )


def frames_at(
    path, times, settings, scale="log_amplitude", normalizer=None, *, channel: int | str = "mean"
):
    """Makes frames of given segments of a sound file, in the way of `frames_of_segments`.

    Args:
        path: The file, which is read once, in blocks.
        times: Starts and ends in seconds, `(N, 2)`, in order of the starts; they may overlap.
        settings: `Spectra`. A file of another sample rate is resampled.
        scale, normalizer, channel: As in `frames_of_segments`.

    Yields:
        float32 array `(T, num_bins)` of each segment.

    Raises:
        AudioError: If the file cannot be read, or ends before a segment does.
        ValueError: If another argument is invalid.
        OSError: If there is no such file or it cannot be opened.

    Example:
        >>> path = audio.find("songs")[0]
        >>> [each.shape[1] for each in frames_at(path, [[0.0, 0.04]], audio.Spectra(256, 128))]
        [129]
    """
    for samples in sounds_at(path, times, check_settings(settings).sample_rate, channel=channel):
        frames = _frames(samples, settings, check_choice("scale", scale, SCALES))
        yield frames if normalizer is None else normalizer.normalize(frames)


def sounds_at(path, times, sample_rate, *, channel: int | str = "mean"):
    """Reads given segments of a sound file.

    Args:
        path: The file, which is read once, in blocks.
        times: Starts and ends in seconds, `(N, 2)`, in order of the starts; they may overlap.
        sample_rate: Samples per second of the result.
        channel: As in `audio.read_blocks`.

    Yields:
        float32 array of the samples of each segment.

    Raises:
        AudioError: If the file cannot be read, or ends before a segment does.
        ValueError: If another argument is invalid.
        OSError: If there is no such file or it cannot be opened.
    """
    times = np.asarray(times, "float64").reshape(-1, 2)
    if (np.diff(times[:, 0]) < 0).any() or not (times[:, 0] <= times[:, 1]).all():
        raise ValueError(
            "`times` must be in order of the starts, and no end before its start. "
            f"Received: times={times.tolist()}."
        )
    yield from _cut(audio.read_blocks(path, BLOCK, sample_rate, channel), times, sample_rate)


def parts_by_time(corpus, num_parts, silence=True):
    """Cuts each recording into parts of equal duration, and returns the part of each segment.

    Args:
        corpus: `SegmentCorpus`.
        num_parts: Number of parts.
        silence: If True, a segment belongs to the part that it starts in. If False, the silence
            between segments is removed first: parts hold equal numbers of frames, and a segment
            belongs to the part that its middle lies in.

    Returns:
        Int array `(N,)` of parts, from 0 to `num_parts - 1`.

    Raises:
        ValueError: If `corpus` is not a `SegmentCorpus`, or `num_parts` is not a positive integer.
    """
    if not isinstance(corpus, SegmentCorpus):
        raise ValueError(f"`corpus` must be a `SegmentCorpus`. Received: corpus={corpus!r}.")
    num_parts = check_integer("num_parts", num_parts)
    if silence:
        places = corpus.times[:, 0]
        ends = np.array([corpus.durations[name] for name in corpus.files])
    else:
        lengths = np.array([len(sequence) for sequence in corpus.sequences])
        places, ends = np.zeros(len(lengths)), np.zeros(len(lengths))
        for name in set(corpus.files):
            own = np.array([file == name for file in corpus.files])
            sums = np.cumsum(lengths[own])
            places[own], ends[own] = sums - lengths[own] / 2, sums[-1]
    return np.minimum((num_parts * places / ends).astype(int), num_parts - 1)


def temporal_folds(corpus, num_folds=5, kind="forward"):
    """Splits segments by time, to train on some and validate on others of the same recordings.

    Each recording is cut into parts of equal duration. A segment belongs to the part that it starts
    in, also if it ends in a later one. Nothing is shuffled.

    Args:
        corpus: `SegmentCorpus`.
        num_folds: Number K of folds.
        kind: `"forward"`: of K + 1 parts, fold k trains on the first k + 1 and validates on the
            next one, so that nothing is validated by what came later. `"blocked"`: of K parts, fold
            k validates on part k and trains on all others. The RNN-RBM paper on spectrograms says
            "temporal cross-validation within sequences", which may be either.

    Returns:
        List of K pairs `(train, validation)`, int arrays of places in `corpus.sequences`, in order.

    Raises:
        ValueError: If `corpus` is not a `SegmentCorpus`, there is no such kind, or one side of a
            fold has no segment.

    Example:
        >>> for train, validation in temporal_folds(corpus, 3):
        ...     model.fit(batches([corpus.sequences[n] for n in train]), shuffle=False)
    """
    check_choice("kind", kind, ("forward", "blocked"))
    num_folds = check_integer("num_folds", num_folds, least=1 if kind == "forward" else 2)
    parts = parts_by_time(corpus, num_folds + 1 if kind == "forward" else num_folds)
    folds = []
    for k in range(num_folds):
        train, validation = parts != k, parts == k
        if kind == "forward":
            train, validation = parts <= k, parts == k + 1
        if not train.any() or not validation.any():
            side = "train on" if validation.any() else "validate on"
            raise ValueError(
                f"`num_folds` must be smaller: fold {k} has no segment to {side}. "
                f"Received: num_folds={num_folds}, for {len(parts)} segments."
            )
        folds.append((np.flatnonzero(train), np.flatnonzero(validation)))
    return folds


def _opened(recordings, channel):
    """Returns triples `(name, rate, read)` of recordings, and pairs `(name, reason)` of the others.

    `read(rate)` yields samples at another rate, in blocks.
    """
    if isinstance(recordings, str | os.PathLike | Sound):
        recordings = [recordings]
    kinds = str | os.PathLike | Sound
    if not isinstance(recordings, list | tuple) or not all(
        isinstance(recording, kinds) for recording in recordings
    ):
        raise ValueError(
            "`recordings` must be a path, a `Sound` or a list of them. "
            f"Received: recordings={recordings!r}."
        )
    sounds, skipped = [], []
    for n, recording in enumerate(recordings):
        if isinstance(recording, Sound):
            samples = check_samples(recording.samples)
            own = check_integer("sample_rate", recording.sample_rate)
            sounds.append((f"recordings[{n}]", own, functools.partial(_resampled, samples, own)))
            continue
        for path in map(str, audio.find(recording)):
            read = functools.partial(audio.read_blocks, path, BLOCK, channel=channel)
            try:
                sounds.append((path, audio.sample_rate_of(path), read))
            except (AudioError, OSError) as error:
                skipped.append((path, reason_of(error)))
    return sounds, skipped


def _resampled(samples, rate, new_rate):
    yield audio.resample(samples, rate, new_rate)


def _frames(samples, settings, scale):
    try:
        return to_frames(stft(samples, settings), scale)
    except ValueError as error:
        raise AudioError("the samples are too large for spectra in float32") from error


def _cut(blocks, times, rate):
    """Yields the samples of segments at times `(N, 2)` in seconds, in order of the starts."""
    held, first = np.zeros(0, "float32"), 0  # sample `first` and those behind it
    for start, end in np.rint(times * rate).astype(int):
        while first + len(held) < end:
            block = next(blocks, None)
            if block is None:
                raise AudioError(f"it ends before {end / rate:.3f} s, the end of a segment")
            past = min(len(held), max(0, start - first))
            held, first = np.concatenate([held[past:], block]), first + past
        yield held[start - first : end - first]


def _check_normalizer(normalizer, settings):
    if not isinstance(normalizer, audio.Normalizer):
        raise ValueError(
            f"`normalizer` must be a `Normalizer` or None. Received: normalizer={normalizer!r}."
        )
    if len(normalizer.shift) != settings.num_bins:
        raise ValueError(
            f"`normalizer` must have {settings.num_bins} bins, as `settings` have. "
            f"Received: {len(normalizer.shift)}."
        )
