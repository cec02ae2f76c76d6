"""Labels of recordings of any length, by a trained `FrameLabeller`, a minute at a time."""

from typing import Any, NamedTuple

import numpy as np

from seqlayers import audio
from seqlayers.audio import AudioError
from seqlayers.datasets.labels import Annotation

BLOCK = 60.0  # seconds that are labelled at once
CONTEXT = 2.0  # seconds before and behind those whose labels are kept


class Annotated(NamedTuple):
    """The labels of a recording.

    Attributes:
        annotation: `Annotation`.
        confidences: Mean probability of each label over its frames, float64 `(N,)`.
        duration: Duration of the recording in seconds.
    """

    annotation: Any
    confidences: Any
    duration: float


def annotate(labeller, path, channel: int | str = "mean", **decoding):
    """Labels a recording, in memory that does not grow with its length.

    Longer recordings than `BLOCK` are labelled in blocks that meet between two labels, each with
    `CONTEXT` of its neighbours. A label of more than a block is cut.

    Args:
        labeller: A `seqlayers.models.FrameLabeller`.
        path: The recording.
        channel: Channel to take, counted from 0; `"mean"` for the mean of all.
        **decoding: Arguments of `FrameLabeller.annotate`.

    Returns:
        `Annotated`.

    Raises:
        AudioError: If the file is damaged or has no samples.
        OSError: If it cannot be opened.
    """
    rate = labeller.sample_rate
    times, names, confidences = [], [], []
    held, first, begin = np.zeros(0, "float32"), 0, 0.0

    def label(limit):
        """Keeps the labels from `begin` to a gap before `limit` seconds, and returns the gap."""
        found = labeller.annotate(held, **decoding)
        own = found.annotation.times + first / rate
        end = _gap(own, begin, limit)
        for (a, b), name, sure in zip(own, found.annotation.labels, found.confidences, strict=True):
            if begin <= (a + b) / 2 < end:
                times.append((max(a, begin), min(b, end)))
                names.append(name)
                confidences.append(sure)
        return end

    for block in audio.read_blocks(path, sample_rate=rate, channel=channel):
        held = np.concatenate([held, block])
        if len(held) >= (BLOCK + 2 * CONTEXT) * rate:
            begin = label((first + len(held)) / rate - CONTEXT)
            kept = max(0, round((begin - CONTEXT) * rate) - first)
            held, first = held[kept:], first + kept
    duration = (first + len(held)) / rate
    if not duration:
        raise AudioError("the recording must have samples. Received: none", path)
    label(np.inf)
    ends = np.minimum(np.reshape(times, (-1, 2)), duration)  # the last frame may be longer
    return Annotated(Annotation(ends, names), np.array(confidences), duration)


def _gap(times, begin, limit):
    """Returns the last moment up to `limit` that no label spans; `limit` if they span all."""
    if np.isinf(limit):
        return limit
    starts = np.append(times[:, 0], np.inf)
    ends = np.append(begin, times[:, 1])
    moments = np.minimum((starts + ends) / 2, limit)
    free = moments[(ends <= moments) & (moments <= starts) & (moments > begin)]
    return free.max(initial=begin) if len(free) else limit
