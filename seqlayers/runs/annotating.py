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
    `CONTEXT` of its neighbours. A label of more than a block is found in parts, and joined.

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
    held, first, begin, within = np.zeros(0, "float32"), 0, 0.0, False

    def label(limit):
        """Keeps the labels from `begin` to a border up to `limit` seconds.

        Returns:
            The border, and whether it lies within a label.
        """
        found = labeller.annotate(held, **decoding)
        own = found.annotation.times + first / rate
        if within:
            own[(own[:, 0] < begin) & (begin < own[:, 1]), 0] = begin
        gap = _gap(own, begin, limit)
        end = limit if gap is None else gap
        for (a, b), name, sure in zip(own, found.annotation.labels, found.confidences, strict=True):
            if not begin <= (a + b) / 2 < end:
                continue
            a, b = max(a, begin), min(b, end)
            if within and a == begin and names and (times[-1][1], names[-1]) == (a, name):
                first_part, _ = times.pop()
                parts = begin - first_part, b - begin
                confidences[-1] = np.average([confidences[-1], sure], weights=parts)
                times.append((first_part, b))
            else:
                times.append((a, b))
                names.append(name)
                confidences.append(sure)
        return end, gap is None

    for block in audio.read_blocks(path, sample_rate=rate, channel=channel):
        held = np.concatenate([held, block])
        if len(held) >= (BLOCK + 2 * CONTEXT) * rate:
            begin, within = label((first + len(held)) / rate - CONTEXT)
            kept = max(0, round((begin - CONTEXT) * rate) - first)
            held, first = held[kept:], first + kept
    duration = (first + len(held)) / rate
    if not duration:
        raise AudioError("the recording must have samples. Received: none", path)
    label(np.inf)
    ends = np.minimum(np.reshape(times, (-1, 2)), duration)  # the last frame may be longer
    return Annotated(Annotation(ends, names), np.array(confidences), duration)


def _gap(times, begin, limit):
    """Returns the last moment that no label spans, at most a block before `limit`, or None."""
    if np.isinf(limit):
        return limit
    starts = np.append(times[:, 0], np.inf)
    ends = np.append(begin, times[:, 1])
    moments = np.minimum((starts + ends) / 2, limit)
    # A moment far back would leave ever more to label again.
    late = moments > max(begin, limit - BLOCK)
    free = moments[(ends <= moments) & (moments <= starts) & late]
    return free.max() if len(free) else None
