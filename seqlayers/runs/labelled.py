"""Recordings with the labels of an expert: checked, split, and made into frames and classes.

`read` finds what is wrong before TensorFlow is imported; `data` makes the `Data` of a run.
"""

import collections
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlayers import audio, files
from seqlayers.audio import AudioError
from seqlayers.datasets import labels as label_files
from seqlayers.datasets.labels import LabelError
from seqlayers.datasets.labels.text import listed
from seqlayers.datasets.piano_roll import SPLITS
from seqlayers.runs.data import Data, Place, sha256_of
from seqlayers.runs.sound import channel_of
from seqlayers.runs.sound import name as name_of

FEW = 10  # recordings with labels; fewer are split by time
SHOWN = 3  # most recordings that an error names
_LEAST = 2  # examples of a label: one to learn, one to judge


class Labelled(NamedTuple):
    """Recordings with labels.

    Attributes:
        annotations: `Annotation` of each recording, by its path.
        sources: Label file of each recording.
        rates: Sample rate of each recording in Hz.
        places: Lists by split of the `Place`s that belong to it.
        by_time: Whether each recording is split by time.
        skipped: Pairs `(path, reason)` of the recordings that are not used.
    """

    annotations: Any
    sources: Any
    rates: Any
    places: Any
    by_time: bool
    skipped: Any

    @property
    def classes(self):
        """The labels, sorted."""
        return sorted(counts(self.annotations.values()))

    def labels(self, split):
        """Returns the number of examples of each label in a split."""
        found = collections.Counter()
        for place in self.places[split]:
            annotation = self.annotations[Path(place.file)]
            starts = annotation.times[:, 0]
            for n in np.flatnonzero((place.start <= starts) & (starts < place.end)):
                found[annotation.labels[n]] += 1
        return found


def counts(annotations):
    """Returns the number of examples of each label."""
    return collections.Counter(label for each in annotations for label in each.labels)


def read(options, classes=None):
    """Reads and checks the labels of recordings, and splits them.

    Ten recordings with labels, or more, are split in the order of their paths: the last tenth
    tests, the tenth before it validates. Where there are fewer, each is split by time: the first
    eight tenths of its labels, by their duration, train, the ninth validates and the last one
    tests; the parts meet between two labels. A recording whose label file has no label trains.

    Args:
        options: All options of a run.
        classes: The labels that a run has learned, to score it on recordings that are all whole
            and in the split `test`. If None, labels may be any with two examples or more.

    Returns:
        `Labelled`.

    Raises:
        AudioError: If there is no recording, or none can be read.
        LabelError: If a label file belongs to no recording, or several to one; if one is damaged,
            or has points or labels beyond the end of its recording; if there is no label, one with
            a single example, or one that is not among `classes`.
    """
    wav, given = options["wav"], options["labels"]
    named = {name: options[name] for name in ("tier", "column")}
    matched = label_files.match(wav, given, **named)
    if matched.unmatched:
        others = [name_of(p, given) if isinstance(p, Path) else p for p in matched.unmatched]
        raise LabelError(
            "label files must belong to recordings, by their names; put others elsewhere. "
            f"Received: {listed(others)}, which belong to none",
            given,
        )
    skipped = [(path, "it has no label file") for path in matched.unlabelled]
    annotations, sources, rates, durations = {}, {}, {}, {}
    for path, annotation, source in zip(
        matched.recordings, matched.annotations, matched.sources, strict=True
    ):
        try:
            rates[path], durations[path] = _measured(path)
        except (AudioError, OSError) as error:
            skipped.append((path, files.reason_of(error)))
            continue
        label_files.check_duration(annotation, durations[path], source)
        _refuse_points(annotation, source)
        annotations[path], sources[path] = annotation, source
    if not annotations:
        reasons = "; ".join(f"{files.printable(path)}: {why}" for path, why in skipped[:SHOWN])
        raise AudioError(f"a recording with labels must be readable. Received: {reasons}", wav)
    _check_classes(counts(annotations.values()), classes, given)
    by_time = classes is None and sum(len(each) > 0 for each in annotations.values()) < FEW
    if by_time:
        places = _by_time(annotations, durations)
    else:
        splits = _by_path(annotations) if classes is None else dict.fromkeys(annotations, "test")
        places = {split: [] for split in SPLITS}
        for path, duration in durations.items():
            places[splits[path]].append(Place(str(path), 0.0, duration, duration))
    return Labelled(annotations, sources, rates, places, by_time, skipped)


def _measured(path):
    """Returns the sample rate of a recording and its duration in seconds."""
    rate, duration = audio.sample_rate_of(path), audio.duration_of(path)
    if not duration:
        raise AudioError("the recording must have samples. Received: none", path)
    return rate, duration


def _refuse_points(annotation, source):
    points = np.flatnonzero(annotation.times[:, 0] == annotation.times[:, 1])
    if len(points):
        raise LabelError(
            "labels must last, to be learned from the frames within them. Received: "
            f"{len(points)} of {len(annotation)} that are points, the first "
            f"{annotation.labels[points[0]]!r} at {annotation.times[points[0], 0]:.6f} s",
            source,
        )


def _check_classes(found, classes, path):
    if not found:
        raise LabelError("there must be a label. Received: label files without any", path)
    if set(found) == {""}:
        raise LabelError(
            "labels must be names of what is in the recordings. "
            f"Received: {found['']} labels, all of them empty",
            path,
        )
    if classes is not None:
        unknown = sorted(found.keys() - set(classes))
        if unknown:
            raise LabelError(
                f"labels must be among those that the run learned, {listed(classes)}. "
                f"Received: {listed(unknown)}",
                path,
            )
        return
    few = sorted(label for label, count in found.items() if count < _LEAST)
    if few:
        raise LabelError(
            f"each label must have {_LEAST} examples or more; label more of the recordings, or "
            f"rename or remove the label. Received: one example of {listed(few)}",
            path,
        )


def _by_path(annotations):
    """Returns the split of each recording, see `read`."""
    labelled = [path for path, annotation in annotations.items() if len(annotation)]
    held_out = len(labelled) // 10
    splits = dict.fromkeys(annotations, "train")
    splits |= dict.fromkeys(labelled[-2 * held_out :], "valid")
    return splits | dict.fromkeys(labelled[-held_out:], "test")


def _by_time(annotations, durations):
    """Returns the parts of recordings of each split."""
    places: dict = {split: [] for split in SPLITS}
    for path, annotation in annotations.items():
        duration = durations[path]
        for split, start, end in _parts(annotation, duration):
            places[split].append(Place(str(path), start, end, duration))
    return places


def _parts(annotation, duration):
    """Yields the name, start and end of the parts of a recording, see `read`."""
    lengths = np.diff(annotation.times)[:, 0]
    middles = np.cumsum(lengths) - lengths / 2
    tenths = (10 * middles / max(lengths.sum(), np.finfo(float).tiny)).astype(int)
    split, begun, end = "train", 0.0, 0.0
    for (start, own_end), tenth in zip(annotation.times.tolist(), tenths, strict=True):
        own = SPLITS[min(max(0, tenth - 7), 2)]
        if own != split and begun < end < duration:
            border = max(end, (end + start) / 2)
            yield split, begun, border
            split, begun = own, border
        end = max(end, own_end)
    yield split, begun, duration


def sample_rate(labelled, options):
    """Returns the sample rate of a run: the one given, else the lowest of the recordings."""
    return options["sample_rate"] or min(labelled.rates.values())


def data(labelled, labeller, options):
    """Makes the frames and the classes of recordings with labels.

    Args:
        labelled: `Labelled`.
        labeller: A `seqlayers.models.FrameLabeller`, which need not be trained.
        options: All options of the run, as in `read`.

    Returns:
        `Data`, with the labeller.
    """
    frames: dict = {split: [] for split in SPLITS}
    targets: dict = {split: [] for split in SPLITS}
    channel = channel_of(options)
    for path, annotation in labelled.annotations.items():
        x = labeller.frames(path, channel)
        y = labeller.targets(annotation, len(x))
        for split, places in labelled.places.items():
            for place in places:
                bounds = (round(t / place.duration * len(x)) for t in (place.start, place.end))
                own = slice(*bounds)
                if place.file == str(path) and len(x[own]):
                    frames[split].append(x[own])
                    targets[split].append(y[own])
    files_by_name = {name_of(path, options["wav"]): path for path in labelled.annotations}
    files_by_name |= {name_of(p, options["labels"]): p for p in labelled.sources.values()}
    return Data(
        **frames,
        files=list(files_by_name),
        skipped=labelled.skipped,
        hashes=[sha256_of(path) for path in files_by_name.values()],
        resampled=[(p, rate) for p, rate in labelled.rates.items() if rate != labeller.sample_rate],
        places=labelled.places,
        targets=targets,
        labeller=labeller,
    )
