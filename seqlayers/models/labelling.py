"""Labelled segments from the log-probabilities of the labels of frames.

With l_tc the log-probability of class c at frame t, and class 0 for no label, the labels y of the
frames are

    y = argmax  sum_t l_{t, y_t} - cost * (number of changes of y)

over all y whose runs of a label have at least `min_frames` frames. Let m_c be the least length of a
run (1 for class 0), S_tc the sum of l over the frames before t, V_tc the best sum over these that
ends in a run of c, and B_t = max_c V_tc. Then, in one pass over the frames,

    V_tc = max(V_{t-1, c} + l_{t-1, c},  B_{t - m_c} - cost + S_tc - S_{t - m_c, c})

which is exact. The label of a run is thus the one of the largest sum over its frames, and a run is
cut where two labels are better than one by more than the cost.
"""

from typing import Any, NamedTuple

import numpy as np

from seqlayers import metrics
from seqlayers.checks import check_integer, check_number, check_sequence


class Run(NamedTuple):
    """Neighbouring frames of one label.

    Attributes:
        start: First frame.
        end: Frame behind the last.
        label: Class, at least 1.
    """

    start: int
    end: int
    label: int


class Labelled(NamedTuple):
    """The labels that a model gives to a recording.

    Attributes:
        annotation: `datasets.labels.Annotation`, with times in seconds.
        confidences: Mean probability of the label over the frames of each segment, float64 `(N,)`.
        log_probs: Log-probabilities of frames, in nats, float32 `(T, 1 + classes)`.
    """

    annotation: Any
    confidences: Any
    log_probs: Any


class LabelScore(NamedTuple):
    """Agreement of the labels of a model with those of an expert.

    Attributes:
        accuracy: Share of frames that get the right label, no label included.
        log_prob: Mean log-probability of the right label of a frame, in nats.
        error_rate: Edits per label of the expert: the syllable, or phone, error rate.
        num_frames: Number of frames.
        num_labels: Number of labels of the expert; neighbours that touch and are alike are one.
    """

    accuracy: float
    log_prob: float
    error_rate: float
    num_frames: int
    num_labels: int


def best_labels(log_probs, change_cost=0.0, min_frames=1):
    """Returns the most probable labels of frames, with a cost for each change of the label.

    Args:
        log_probs: Log-probabilities of the classes of each frame, in nats, `(T, 1 + classes)`;
            class 0 is no label.
        change_cost: Nats that each change of the class costs.
        min_frames: Least number of frames of a run of one label. Class 0 may have one frame.

    Returns:
        int32 array `(T,)`.

    Raises:
        ValueError: If an argument is no such array or number.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1]])
        >>> best_labels(np.log(p)), best_labels(np.log(p), change_cost=0.5)
        (array([0, 1, 1, 0, 1, 0], dtype=int32), array([0, 1, 1, 1, 1, 0], dtype=int32))
    """
    l = check_sequence(log_probs, name="log_probs").astype("float64")  # noqa: E741 - the equations'
    cost = check_number("change_cost", change_cost, least=0)
    T, C = l.shape
    m = np.full(C, check_integer("min_frames", min_frames))
    m[0] = 1
    S = np.concatenate([np.zeros((1, C)), np.cumsum(l, axis=0)])
    # U = V - S does not change while a run goes on. Row t of B is that of the frames before t.
    U, first = np.full(C, -np.inf), np.zeros(C, int)
    B, ends_in = np.full(T + 1, -np.inf), np.zeros(T + 1, int)
    B[0] = cost  # the first run is no change
    began = np.empty((T, C), int)
    classes = np.arange(C)
    for t in range(T):
        start = t + 1 - m  # of a run that is just long enough
        at = np.maximum(start, 0)
        entered = np.where(start >= 0, B[at] - cost - S[at, classes], -np.inf)
        first = np.where(entered > U, start, first)
        U = np.maximum(entered, U)
        began[t] = first
        V = U + S[t + 1]
        ends_in[t + 1] = V.argmax()
        B[t + 1] = V[ends_in[t + 1]]
    y, t = np.empty(T, "int32"), T
    while t:
        c = ends_in[t]
        start = began[t - 1, c]
        y[start:t], t = c, start
    return y


def runs(labels):
    """Returns the runs of equal labels of frames, without those of class 0.

    Args:
        labels: Integers `(T,)`.

    Returns:
        List of `Run(start, end, label)`.

    Example:
        >>> runs([0, 2, 2, 1, 0, 1])
        [Run(start=1, end=3, label=2), Run(start=3, end=4, label=1), Run(start=5, end=6, label=1)]
    """
    labels = np.asarray(labels)
    edges = np.flatnonzero(np.diff(labels)) + 1
    bounds = np.concatenate([[0], edges, [len(labels)]]).tolist()
    pairs = zip(bounds[:-1], bounds[1:], strict=True)
    return [Run(a, b, int(labels[a])) for a, b in pairs if a < b and labels[a]]


def confidences(log_probs, found):
    """Returns the mean probability of its label over each run, float64 `(N,)`.

    Args:
        log_probs: As in `best_labels`.
        found: List of `Run`s.
    """
    means = [np.exp(log_probs[r.start : r.end, r.label]).mean(dtype="float64") for r in found]
    return np.array(means, "float64")


def compared(log_probs, found, targets):
    """Returns the `LabelScore` of recordings.

    Args:
        log_probs: List of log-probabilities of frames, as in `best_labels`.
        found: List of the labels of frames that were found, integers `(T,)`.
        targets: List of the right ones.

    Raises:
        ValueError: If no frame has a label.
    """
    y = np.concatenate(targets)
    nats = np.take_along_axis(np.concatenate(log_probs), y[:, None], axis=1)
    given, ours = ([[run.label for run in runs(each)] for each in x] for x in (targets, found))
    return LabelScore(
        float(np.mean(np.concatenate(found) == y)),
        float(nats.mean(dtype="float64")),
        metrics.phone_error_rate(given, ours),
        len(y),
        sum(map(len, given)),
    )
