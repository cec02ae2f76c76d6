"""Agreement of segments with those marked by hand.

With M of N found moments matched to those of a reference, R in number,

    precision = M / N,   recall = M / R,   f1 = 2 M / (N + R)
    R-value = 1 - (|r1| + |r2|) / 2,   r1 = sqrt((1 - recall)^2 + s^2),
    r2 = (recall - 1 - s) / sqrt(2),   s = N / R - 1

F1 hardly falls if many moments too many are found, since more of them match by chance; the R-value
does. s is the over-segmentation.
Reference: O. Rasanen, U. Laine and T. Altosaar, An Improved Speech Segmentation Quality Measure:
the R-value, Interspeech 2009.
"""

from typing import NamedTuple

import numpy as np

from seqlayers.checks import check_number


class Score(NamedTuple):
    """Agreement of what was found with a reference.

    Attributes:
        precision: Share of what was found that is in the reference.
        recall: Share of the reference that was found.
        f1: Harmonic mean of both.
        r_value: 1 if both are 1, and lower the more is missed or found too often; may be negative.
        error: Median distance of matched moments in seconds; of both ends, if segments are matched.
            NaN if none are.
    """

    precision: float
    recall: float
    f1: float
    r_value: float
    error: float


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
        `SegmentScores(onset, offset, segment)`. Precision and recall of nothing are 0, and the
        R-value of an empty reference is NaN.

    Raises:
        ValueError: If times are not such arrays, not finite or out of order, there are not as many
            recordings in both, or `tolerance` is negative.

    Example:
        >>> scores = segment_scores([[0.1, 0.2], [0.5, 0.6]], [[0.105, 0.25]])
        >>> scores.onset.precision, scores.onset.recall, scores.segment.f1
        (0.5, 1.0, 0.0)
        >>> round(1000 * scores.onset.error)  # milliseconds
        5
    """
    check_number("tolerance", tolerance, least=0)
    found, reference = _recordings("found", found), _recordings("reference", reference)
    if len(found) != len(reference):
        raise ValueError(
            "`found` and `reference` must be of the same recordings. "
            f"Received: {len(found)} and {len(reference)}."
        )
    N, R = sum(map(len, found)), sum(map(len, reference))
    scores = []
    for columns in (slice(0, 1), slice(1, 2), slice(0, 2)):
        pairs = zip(found, reference, strict=True)
        distances = [_matched(a[:, columns], b[:, columns], tolerance) for a, b in pairs]
        M = sum(map(len, distances))
        recall = M / max(1, R)
        error = float(np.median(np.concatenate(distances))) if M else np.nan
        r_value = _r_value(recall, N / R - 1) if R else np.nan
        scores.append(Score(M / max(1, N), recall, 2 * M / max(1, N + R), r_value, error))
    return SegmentScores(*scores)


def most_alike(found, reference):
    """Returns the segment of a reference that each found segment stands for.

    That is the one with which it shares more than half of the time that the two have together.

    Args:
        found: Starts and ends in seconds, `(N, 2)`, of one recording.
        reference: The same, `(R, 2)`; may be empty.

    Returns:
        Int array `(N,)`: places in the reference, -1 for found segments that stand for none.

    Raises:
        ValueError: If times are not such arrays, or not finite.

    Example:
        >>> most_alike([[0.1, 0.2], [0.5, 0.9]], [[0.11, 0.22], [0.5, 0.6]])
        array([ 0, -1])
    """
    found, reference = _times("found", found), _times("reference", reference)
    alike = np.full(len(found), -1)
    if not len(reference):
        return alike
    starts, ends = reference.T
    for n, (start, end) in enumerate(found):
        shared = np.minimum(end, ends) - np.maximum(start, starts)
        excess = shared - (np.maximum(end, ends) - np.minimum(start, starts)) / 2
        if excess.max() > 0:
            alike[n] = excess.argmax()
    return alike


def _r_value(recall, s):
    r1, r2 = np.hypot(1 - recall, s), (recall - 1 - s) / np.sqrt(2)
    return float(1 - (r1 + abs(r2)) / 2)


def _matched(a, b, tolerance):
    """Returns the distances `(M, columns)` of the rows of two sorted lists that match, one to one.

    The rows of b that match a row of a are neighbours and move on with it, so that taking the first
    one left is best.
    """
    i = j = 0
    matched = [np.zeros((0, a.shape[1]))]
    while i < len(a) and j < len(b):
        distance = a[i] - b[j]
        if np.abs(distance).max() <= tolerance:
            matched.append(np.abs(distance)[None])
            i, j = i + 1, j + 1
        elif distance.min() < -tolerance:  # a[i] is too early for b[j] and all later ones
            i += 1
        else:
            j += 1
    return np.concatenate(matched)


def _recordings(name, times):
    """Returns a list of float64 arrays `(N, 2)`."""
    if not isinstance(times, list | tuple) or np.ndim(times[0] if len(times) else 0) < 2:
        times = [times]
    checked = []
    for n, recording in enumerate(times):
        recording = _times(name, recording, ", or a list of such arrays", f" in recording {n}")
        if (np.diff(recording, axis=0) < 0).any() or (recording[:, 0] > recording[:, 1]).any():
            raise ValueError(
                f"`{name}` must start and end in order, each before the next. "
                f"Received: another order in recording {n}."
            )
        checked.append(recording)
    return checked


def _times(name, recording, other="", place=""):
    """Returns a float64 array `(N, 2)`."""
    try:
        recording = np.asarray(recording, "float64")
    except (ValueError, TypeError) as error:
        raise ValueError(f"`{name}` must hold numbers. Received: {error}.") from error
    recording = recording.reshape(-1, 2) if not recording.size else recording
    if recording.ndim != 2 or recording.shape[1] != 2 or not np.isfinite(recording).all():
        raise ValueError(
            f"`{name}` must be finite numbers `(N, 2)`{other}. "
            f"Received: shape {recording.shape}{place}."
        )
    return recording
