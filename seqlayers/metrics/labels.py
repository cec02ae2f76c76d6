"""Accuracy of frame labels, phone error rate, and agreement of two clusterings."""

from itertools import groupby

import keras
import numpy as np
from keras import ops
from keras.src.backend import get_keras_mask  # on JAX a tensor does not hold its mask


@keras.saving.register_keras_serializable("seqlayers")
class FrameAccuracy(keras.metrics.Mean):
    """Share of frames whose most probable class is the right one, all frames of a split pooled.

    `keras.metrics.SparseCategoricalAccuracy` takes the mean over the time of each batch first, so
    that frames of short batches count more. Here all frames count alike. Frames that a Keras mask
    of the predictions excludes and frames with sample weight 0 are left out. The third part of a
    dataset reaches the metric if the metric is given in `weighted_metrics`.

    Args:
        name: Name in logs.
        dtype: Type of the result.

    Call arguments:
        y_true: Classes, integers `(..., time)`.
        y_pred: Probabilities or logits `(..., time, classes)`.
        sample_weight: Weights `(..., time)`, or `(...)` of whole sequences.

    Example:
        >>> accuracy = FrameAccuracy()
        >>> accuracy.update_state([[0, 1, 1]], [[[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]]])
        >>> round(float(accuracy.result()), 3)
        0.667
    """

    def __init__(self, name="frame_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        mask = get_keras_mask(y_pred)
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.argmax(y_pred, axis=-1)
        if len(y_true.shape) > len(y_pred.shape):  # Keras allows a last axis of 1
            y_true = ops.squeeze(y_true, axis=-1)
        right = ops.equal(ops.cast(y_true, "int32"), ops.cast(y_pred, "int32"))
        weights = ops.ones_like(right, dtype=self.dtype)
        for part in (mask, sample_weight):
            if part is not None:
                part = ops.cast(part, self.dtype)
                missing = len(weights.shape) - len(part.shape)
                weights = weights * ops.reshape(part, (*ops.shape(part), *[1] * missing))
        return super().update_state(ops.reshape(right, [-1]), ops.reshape(weights, [-1]))


def phone_error_rate(references, hypotheses):
    """Returns the phone error rate: edits per phone of the references, all utterances pooled.

    An edit is an insertion, a deletion or a substitution. `collapse_repeats` turns labels of
    frames into phones. For syllables of song it is the syllable error rate.

    Args:
        references: List of the phones spoken in each utterance, names or numbers.
        hypotheses: List of the phones recognised in each utterance.

    Returns:
        A float. Insertions can make it more than 1.

    Raises:
        ValueError: If the lists differ in length, or all references are empty.

    Example:
        >>> phone_error_rate([["sil", "k", "ae", "t"]], [["sil", "k", "ah", "ae"]])
        0.5
    """
    if len(references) != len(hypotheses):
        raise ValueError(
            "`references` and `hypotheses` must go together. "
            f"Received: {len(references)} and {len(hypotheses)} utterances."
        )
    spoken = sum(map(len, references))
    if not spoken:
        raise ValueError("`references` must hold at least one phone. Received: none.")
    return sum(map(_edits, references, hypotheses)) / spoken


def _edits(reference, hypothesis):
    """Returns the edits from one sequence to the other, by the algorithm of Wagner and Fischer."""
    numbers: dict = {}
    row, other = (
        np.array([numbers.setdefault(phone, len(numbers)) for phone in phones], int)
        for phones in (reference, hypothesis)
    )
    places = np.arange(len(other) + 1)
    edits = places  # from the phones of `row` so far to each beginning of `other`
    for phone in row:
        kept = np.minimum(edits[1:] + 1, edits[:-1] + (other != phone))
        kept = np.concatenate([edits[:1] + 1, kept])
        edits = np.minimum.accumulate(kept - places) + places  # insertions after it
    return int(edits[-1])


def collapse_repeats(labels):
    """Returns labels with each run of equal ones replaced by one.

    Args:
        labels: Sequence of names or numbers, one for each frame.

    Returns:
        List of labels, no two neighbours equal.

    Example:
        >>> collapse_repeats(["sil", "sil", "k", "ae", "ae", "sil"])
        ['sil', 'k', 'ae', 'sil']
    """
    return [label for label, _ in groupby(np.asarray(labels).tolist())]


def adjusted_mutual_information(labels, clusters):
    """Returns the adjusted mutual information (AMI) of two clusterings of the same items.

        AMI = (I - E[I]) / ((H_labels + H_clusters) / 2 - E[I])

    I is the mutual information of the two, H their entropies, and E[I] the mean of I over all ways
    to shuffle one of them. Names of groups do not matter.

    Args:
        labels, clusters: The group of each item, names or numbers.

    Returns:
        A float: 1 if the two agree, 0 on average if they are independent.

    Raises:
        ValueError: If the two differ in length, or are empty.

    Reference: N. X. Vinh, J. Epps and J. Bailey, Information Theoretic Measures for Clusterings
    Comparison, JMLR 2010.

    Example:
        >>> adjusted_mutual_information(["a", "a", "b", "b"], [1, 1, 0, 0])
        1.0
    """
    table = _counts(labels, clusters)
    N, a, b = table.sum(), table.sum(axis=1), table.sum(axis=0)
    if len(a) == len(b) == 1 or len(a) == len(b) == N:
        return 1.0  # one group, or one for each item, in both
    information = _entropy(a) + _entropy(b) - _entropy(table)
    # Under shuffling, the number n of items in both groups i and j is hypergeometric.
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, N + 1)))])
    expected = 0.0
    for i in a:
        for j in b:
            n = np.arange(max(1, i + j - N), min(i, j) + 1)
            log_p = (
                log_factorial[[i, j, N - i, N - j]].sum()
                - log_factorial[n]
                - log_factorial[i - n]
                - log_factorial[j - n]
                - log_factorial[N - i - j + n]
                - log_factorial[N]
            )
            expected += float(np.sum(n / N * np.log(N * n / (i * j)) * np.exp(log_p)))
    return float((information - expected) / ((_entropy(a) + _entropy(b)) / 2 - expected))


def v_measure(labels, clusters):
    """Returns the V-measure of clusters of labelled items.

        h = I / H_labels,  c = I / H_clusters
        V = 2 h c / (h + c) = 2 I / (H_labels + H_clusters)

    I is the mutual information of the two, H their entropies. The homogeneity h is 1 if no cluster
    has two labels, the completeness c is 1 if no label is in two clusters. Names of groups do not
    matter. Unlike `adjusted_mutual_information`, V grows with the number of clusters by chance.

    Args:
        labels, clusters: The group of each item, names or numbers.

    Returns:
        A float from 0 to 1; 1 if the two agree.

    Raises:
        ValueError: If the two differ in length, or are empty.

    Reference: A. Rosenberg and J. Hirschberg, V-Measure: A Conditional Entropy-Based External
    Cluster Evaluation Measure, EMNLP-CoNLL 2007, with beta = 1.

    Example:
        >>> round(v_measure(["a", "a", "b", "b"], [0, 0, 1, 2]), 3)
        0.8
    """
    table = _counts(labels, clusters)
    both = _entropy(table.sum(axis=1)) + _entropy(table.sum(axis=0))
    return 2 * (both - _entropy(table)) / both if both else 1.0


def _counts(labels, clusters):
    """Returns the number of items `(labels, clusters)` in each pair of groups."""
    if len(labels) != len(clusters) or not len(labels):
        raise ValueError(
            "`labels` and `clusters` must go together, and not be empty. "
            f"Received: {len(labels)} and {len(clusters)}."
        )
    rows, columns = (np.unique(np.asarray(x), return_inverse=True)[1] for x in (labels, clusters))
    table = np.zeros((rows.max() + 1, columns.max() + 1), int)
    np.add.at(table, (rows, columns), 1)
    return table


def _entropy(counts):
    p = counts[counts > 0] / counts.sum()
    return -float(np.sum(p * np.log(p)))
