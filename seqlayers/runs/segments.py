"""Segments of recordings for a model of a run: found, or marked by somebody.

Nothing here needs TensorFlow, or holds more of a recording than a block and the frames of a
segment.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlayers import audio, files
from seqlayers.audio import AudioError, NoSegments
from seqlayers.datasets import labels as label_files
from seqlayers.datasets.recordings import frames_at
from seqlayers.runs import sound as run_sound
from seqlayers.runs.options import naming_flags, sequence_rules

LEAST = 20  # segments that are sorted into kinds, as of `models.find_kinds`
UNLABELLED = ("", "-")  # the second in labels of birdsong


class Marked(NamedTuple):
    """The segments of one recording.

    Attributes:
        file: Path of the recording.
        name: Its name in its folder.
        times: float64 `(N, 2)`, starts and ends in seconds, in order of the starts.
        annotation: `datasets.labels.Annotation` of somebody, or None.
    """

    file: Path
    name: str
    times: Any
    annotation: Any = None


class Found(NamedTuple):
    """Segments of recordings.

    Attributes:
        recordings: List of `Marked`, each with at least one segment.
        skipped: Pairs `(file, reason)` of recordings that cannot be read or have no segment.
        resampled: Pairs `(file, rate)` of recordings of a higher sample rate than the frames.
        unheard: Number of labels with names in recordings that have no segment here.
    """

    recordings: Any
    skipped: Any
    resampled: Any
    unheard: int = 0

    @property
    def times(self):
        """Starts and ends of all segments, `(N, 2)`."""
        return np.concatenate([np.zeros((0, 2)), *(each.times for each in self.recordings)])

    @property
    def owners(self):
        """Number of the recording of each segment, `(N,)`."""
        return np.repeat(np.arange(len(self.recordings)), [len(r.times) for r in self.recordings])


def find(path, options, sound, labels=None, given=False):
    """Finds the segments of recordings as the run found its own, or takes those of labels.

    Args:
        path: A recording or a folder of recordings.
        options: All options of the run.
        sound: Its `SoundFrames`.
        labels: `datasets.labels.Matched` of the same path, or None.
        given: If True, the segments are those of `labels`, and recordings without labels are not
            read.

    Returns:
        `Found`; `recordings` may be empty.

    Raises:
        AudioError: If there is no recording.
        LabelError: If labels end behind the end of their recording.
        ValueError: If options contradict each other.
    """
    rate, channel = sound.settings.sample_rate, run_sound.channel_of(options)
    annotations = dict(zip(labels.recordings, labels.annotations, strict=True)) if labels else {}
    sources = dict(zip(labels.recordings, labels.sources, strict=True)) if labels else {}
    rules = sequence_rules(options)
    marked, skipped, resampled = [], [], []
    for file in annotations if given else audio.find(path):
        annotation = annotations.get(file)
        try:
            own_rate = audio.sample_rate_of(file)
            if own_rate < rate:
                raise AudioError(
                    f"its sample rate, {own_rate} Hz, is below that of the run, {rate} Hz"
                )
            if annotation is not None:
                duration = audio.duration_of(file, channel)
            if not given:
                with naming_flags():
                    times = audio.segments_of_file(
                        file, rules, sample_rate=rate, channel=channel
                    ).times
        except NoSegments as error:  # what it advises to try is not for the rules of a run
            skipped.append((file, error.brief))
            continue
        except (AudioError, OSError) as error:
            skipped.append((file, files.reason_of(error)))
            continue
        if annotation is not None:
            label_files.check_duration(annotation, duration, sources[file])
        if given:
            end = duration if own_rate == rate else duration - 1 / rate  # resampling rounds
            times = np.minimum(annotation.times, end)
            times = times[np.diff(times)[:, 0] >= 1 / rate]  # the others are points
        if own_rate != rate:
            resampled.append((file, own_rate))
        if len(times):
            marked.append(Marked(file, run_sound.name(file, path), times, annotation))
    heard = {each.file for each in marked}
    unheard = sum(len(named(a)) for file, a in annotations.items() if file not in heard)
    return Found(marked, skipped, resampled, unheard)


def named(annotation):
    """Returns the labels of an annotation that have a name."""
    return [label for label in annotation.labels if label not in UNLABELLED]


def labels_of(found):
    """Returns the labels that somebody gave to segments.

    Args:
        found: `Found`.

    Returns:
        `(labels, missed)`: the label of each segment, None if it has none, and the number of
        labels that no segment stands for, those of recordings without a segment included.
    """
    from seqlayers.metrics import most_alike  # late: it imports Keras

    labels, missed = [], found.unheard
    for recording in found.recordings:
        if recording.annotation is None:
            labels += [None] * len(recording.times)
            continue
        own = [None if each in UNLABELLED else each for each in recording.annotation.labels]
        alike = most_alike(recording.times, recording.annotation.times)
        labels += [own[n] if n >= 0 else None for n in alike]
        missed += sum(own[n] is not None for n in set(range(len(own))) - set(alike.tolist()))
    return labels, missed


def frames(recording, options, sound):
    """Yields the normalised frames `(T, bins)` of each segment of a recording.

    Args:
        recording: `Marked`.
        options: All options of the run.
        sound: Its `SoundFrames`.

    Raises:
        AudioError: If the file has become shorter, or cannot be read any more.
    """
    yield from frames_at(
        recording.file, recording.times, *sound, channel=run_sound.channel_of(options)
    )
