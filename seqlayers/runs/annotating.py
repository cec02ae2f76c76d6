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
    kept: list = []  # start, end, label and confidence
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
            if within and a == begin and kept and kept[-1][1:3] == (begin, name):
                a, _, _, before = kept.pop()
                sure = np.average([before, sure], weights=[begin - a, b - begin])
            kept.append((a, b, name, sure))
        return end, gap is None

    for block in audio.read_blocks(path, sample_rate=rate, channel=channel):
        held = np.concatenate([held, block])
        if len(held) >= (BLOCK + 2 * CONTEXT) * rate:
            begin, within = label((first + len(held)) / rate - CONTEXT)
            done = max(0, round((begin - CONTEXT) * rate) - first)
            held, first = held[done:], first + done
    duration = (first + len(held)) / rate
    if not duration:
        raise AudioError("the recording must have samples. Received: none", path)
    label(np.inf)
    times = np.reshape([row[:2] for row in kept], (-1, 2))
    annotation = Annotation(
        np.minimum(times, duration),  # the last frame may be longer
        [row[2] for row in kept],
    )
    return Annotated(annotation, np.array([row[3] for row in kept]), duration)


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
