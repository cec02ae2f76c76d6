"""Agreement of segments with those marked by hand."""

from typing import NamedTuple

import numpy as np

from seqlayers.checks import check_number


class Score(NamedTuple):
    """Agreement of what was found with a reference.

    Attributes:
        precision: Share of what was found that is in the reference.
        recall: Share of the reference that was found.
        f1: Harmonic mean of both.
    """

    precision: float
    recall: float
    f1: float


class SegmentScores(NamedTuple):
    """Scores of found segments.

    Attributes:
        onset: `Score` of the starts.
        offset: `Score` of the ends.
        segment: `Score` of whole segments.
    """

    onset: Score
    offset: Score
    segment: Score


def segment_scores(found, reference, tolerance=0.010):
    """Compares segments with those marked by hand.

    Moments match, one to one, if they are at most `tolerance` apart; as many as possible are
    matched. A segment matches another if both its start and its end do.

    Args:
        found: Starts and ends in seconds, `(N, 2)`, each in order; or a list of such arrays, one
            for each recording, whose counts are added.
        reference: The same, marked by hand.
        tolerance: Seconds.

    Returns:
        `SegmentScores(onset, offset, segment)`. Precision and recall of nothing are 0.

    Raises:
        ValueError: If times are not such arrays, not finite or out of order, there are not as many
            recordings in both, or `tolerance` is negative.

    Example:
        >>> scores = segment_scores([[0.1, 0.2], [0.5, 0.6]], [[0.105, 0.25]])
        >>> scores.onset, scores.segment.f1
        (Score(precision=0.5, recall=1.0, f1=0.6666666666666666), 0.0)
    """
    check_number("tolerance", tolerance, least=0)
    found, reference = _recordings("found", found), _recordings("reference", reference)
    if len(found) != len(reference):
        raise ValueError(
            "`found` and `reference` must be of the same recordings. "
            f"Received: {len(found)} and {len(reference)}."
        )
    num_found, num_reference = sum(map(len, found)), sum(map(len, reference))
    scores = []
    for columns in (slice(0, 1), slice(1, 2), slice(0, 2)):
        pairs = zip(found, reference, strict=True)
        matched = sum(_num_matched(a[:, columns], b[:, columns], tolerance) for a, b in pairs)
        scores.append(
            Score(
                matched / max(1, num_found),
                matched / max(1, num_reference),
                2 * matched / max(1, num_found + num_reference),
            )
        )
    return SegmentScores(*scores)


def _num_matched(a, b, tolerance):
    """Returns how many rows of two sorted lists match, each with one of the other.

    The rows of b that match a row of a are neighbours and move on with it, so that taking the first
    one left is best.
    """
    i = j = matched = 0
    while i < len(a) and j < len(b):
        distance = a[i] - b[j]
        if np.abs(distance).max() <= tolerance:
            i, j, matched = i + 1, j + 1, matched + 1
        elif distance.min() < -tolerance:  # a[i] is too early for b[j] and all later ones
            i += 1
        else:
            j += 1
    return matched


def _recordings(name, times):
    """Returns a list of float64 arrays `(N, 2)`."""
    if not isinstance(times, list | tuple) or np.ndim(times[0] if len(times) else 0) < 2:
        times = [times]
    checked = []
    for n, recording in enumerate(times):
        try:
            recording = np.asarray(recording, "float64")
        except (ValueError, TypeError) as error:
            raise ValueError(f"`{name}` must hold numbers. Received: {error}.") from error
        recording = recording.reshape(-1, 2) if not recording.size else recording
        if recording.ndim != 2 or recording.shape[1] != 2 or not np.isfinite(recording).all():
            raise ValueError(
                f"`{name}` must be finite numbers `(N, 2)`, or a list of such arrays. "
                f"Received: shape {recording.shape} in recording {n}."
            )
        if (np.diff(recording, axis=0) < 0).any() or (recording[:, 0] > recording[:, 1]).any():
            raise ValueError(
                f"`{name}` must start and end in order, each before the next. "
                f"Received: another order in recording {n}."
            )
        checked.append(recording)
    return checked
