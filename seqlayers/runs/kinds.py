"""Kinds of the segments of recordings, by a model of a run; and the page that they are heard on."""

import itertools

import numpy as np

from seqlayers import audio, files, report
from seqlayers.checks import NotFiniteError, counted
from seqlayers.datasets.recordings import sounds_at
from seqlayers.models import encode_segments, find_kinds
from seqlayers.models.kinds import NO_KIND
from seqlayers.runs.segments import frames
from seqlayers.runs.sound import channel_of

_AT_A_TIME = 256  # segments whose frames are held
_SAMPLES = 2_000_000  # of all sounds of a page, in 16 bits: about 5 MB of the file
_LONGEST = 1.0  # seconds of a sound of a page
_RATES = 8000, 96_000  # that every browser plays
_PEAK = 0.9  # of the loudest sound of a page


def vectors(model, found, options, sound):
    """Returns a vector of each segment; of the frames, those of a few segments are held at a time.

    Args:
        model: A `SequenceModel`.
        found: `runs.segments.Found`.
        options: All options of the run.
        sound: Its `SoundFrames`.

    Returns:
        float32 array `(N, F)`: means over thirds of what `encode_segments` has of the model.

    Raises:
        NotFiniteError: If they are not finite.
    """
    each = itertools.chain.from_iterable(frames(r, options, sound) for r in found.recordings)
    parts = []
    while part := list(itertools.islice(each, _AT_A_TIME)):
        parts.append(encode_segments(model, part, statistics=["thirds"]))
    vectors = np.concatenate(parts)
    if not np.isfinite(vectors).all():
        raise NotFiniteError(
            "The model must have finite weights; take an earlier one, or train with a smaller "
            "learning rate or sigmoid gates. Received: a model that has diverged."
        )
    return vectors


def sort(vectors, found, seed=0):
    """Sorts segments into kinds.

    Args:
        vectors: A vector of each segment.
        found: `runs.segments.Found`.
        seed: As in `find_kinds`.

    Returns:
        `models.Kinds`.

    Raises:
        ValueError: If all segments are the same.
    """
    return find_kinds(vectors, np.diff(found.times)[:, 0], seed=seed)


def examples(found, kinds, options, sound, num=3):
    """Returns spectra of the segments of each kind that are most sure to be of it.

    Args:
        found: `runs.segments.Found`.
        kinds: `models.Kinds` of its segments.
        options: All options of the run.
        sound: Its `SoundFrames`.
        num: Largest number of segments of each kind.

    Returns:
        Dictionary from kinds to lists of amplitudes `(T, bins)`.
    """
    order = np.argsort(-kinds.confidence, kind="stable")
    chosen = np.zeros(len(order), bool)
    for number in range(1, kinds.numbers.max() + 1):
        chosen[order[kinds.numbers[order] == number][:num]] = True
    parts = _read(found, chosen, options, sound.settings.sample_rate)
    return {
        int(number): [
            np.abs(audio.stft(parts[n], sound.settings))
            for n in np.flatnonzero(chosen & (kinds.numbers == number))
        ]
        for number in np.unique(kinds.numbers[chosen])
    }


def summary(found, kinds):
    """Returns how many segments of how many kinds there are, as a sentence without a full stop."""
    number, none = int(kinds.numbers.max()), int((kinds.numbers == NO_KIND).sum())
    text = (
        f"{counted(len(kinds.numbers), 'segment')} of {counted(number, 'kind')} in "
        f"{counted(len(found.recordings), 'recording')}"
    )
    return text + (f", {none:,} of them of no kind" if none else "")


def page(found, kinds, options, sound, title, commands=(), facts=(), notes=()):
    """Returns the `report.KindsPage` of segments.

    Args:
        found: `runs.segments.Found`.
        kinds: `models.Kinds` of its segments.
        options: All options of the run.
        sound: Its `SoundFrames`.
        title, commands, facts, notes: As of the page.
    """
    rate = min(max(sound.settings.sample_rate, _RATES[0]), _RATES[1])
    lengths = np.minimum(np.diff(found.times)[:, 0], _LONGEST) * rate
    parts = _read(found, _chosen(kinds, lengths, _SAMPLES), options, rate)
    heard = [samples for samples in parts if samples is not None and len(samples)]
    peak = max((np.abs(samples).max() for samples in heard), default=0) or 1
    silent = len(parts) - len(heard)
    more = [f"{silent:,} of {len(parts):,} segments have no sound here."] if silent else []
    if (np.diff(found.times) > _LONGEST).any():
        more.append(f"Segments are heard for {_LONGEST:g} s at most.")
    return report.KindsPage(
        title=title,
        summary=summary(found, kinds),
        numbers=kinds.numbers,
        places=kinds.places,
        confidence=kinds.confidence,
        times=found.times,
        recordings=[files.printable(recording.name) for recording in found.recordings],
        owners=found.owners,
        sounds=[None if samples is None else _PEAK / peak * samples for samples in parts],
        sample_rate=rate,
        commands=commands,
        facts=facts,
        notes=[*notes, *more],
    )


def _read(found, chosen, options, rate):
    """Returns for each segment at most a second of its samples, None for those not chosen."""
    parts: list = [None] * len(chosen)
    for number, recording in enumerate(found.recordings):
        own = np.flatnonzero(chosen & (found.owners == number))
        times = found.times[own]
        times[:, 1] = np.minimum(times[:, 1], times[:, 0] + _LONGEST)
        read = sounds_at(recording.file, times, rate, channel=channel_of(options))
        for n, samples in zip(own, read, strict=True):
            parts[n] = samples
    return parts


def _chosen(kinds, lengths, most):
    """Returns which segments fit into so many samples, drawn at random, as many of each kind."""
    drawn, ranks = np.random.default_rng(0).permutation(len(lengths)), np.zeros(len(lengths), int)
    for number in np.unique(kinds.numbers):
        own = drawn[kinds.numbers[drawn] == number]
        ranks[own] = np.arange(len(own))
    order = drawn[np.argsort(ranks[drawn], kind="stable")]
    chosen = np.zeros(len(lengths), bool)
    chosen[order[np.cumsum(lengths[order]) <= most]] = True
    return chosen
