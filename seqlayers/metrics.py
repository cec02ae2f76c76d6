"""What a model is judged by."""

from itertools import groupby
from typing import NamedTuple

import keras
import numpy as np
from keras import ops


class Likelihood(NamedTuple):
    """Log-likelihood of data under a model.

    Attributes:
        nats: Mean of log p(v_t | v_1 .. v_{t-1}), natural logarithm, per frame.
        standard_error: Standard error of the estimate of that mean; 0 where it is exact. It says
            nothing of how the mean would vary with other data.
        kind: `"exact"`, `"estimate"` or `"lower_bound"`.
        frames: Number of frames in the mean.
        sequences: Number of sequences they come from.
        averaging: `"per_frame"`: all frames of all sequences count alike, the first ones included.
        reverse_nats: The cautious estimate from the other side; the truth lies between. None
            where it was not asked for.
    """

    nats: float
    standard_error: float
    kind: str
    frames: int
    sequences: int
    averaging: str = "per_frame"
    reverse_nats: float | None = None

    def __str__(self):
        text = f"{self.nats:.3f} nats per frame ({self.kind}"
        if self.standard_error:
            text += f", standard error {self.standard_error:.4f}"
        if self.reverse_nats is not None:
            text += f", from the other side {self.reverse_nats:.3f}"
        return text + f"; {self.averaging}, {self.frames:,} frames of {self.sequences:,} sequences)"


def softmax_score(frames, logits):
    """The score of polyphony in Table 2 of the SFM paper; it is not a log-likelihood.

    A softmax shares one unit of probability among all keys, and a frame scores the sum of log
    softmax(logits) over its pressed keys. It cannot say that several keys sound at once: even one
    who knows the frame scores no more than `softmax_ceiling`. Silence scores 0.

    Args:
        frames: Which keys are pressed, `(..., keys)` of 0 and 1.
        logits: `(..., keys)`.

    Returns:
        Scores in nats, `(...)`.

    Reference: H. Hu and G.-J. Qi, State-Frequency Memory Recurrent Neural Networks, ICML 2017.

    Example:
        >>> softmax_score([[1.0, 1.0, 0.0]], [[20.0, 20.0, 0.0]])  # -2 log 2
        <tf.Tensor: shape=(1,), dtype=float32, numpy=array([-1.3862944], dtype=float32)>
    """
    logits = ops.convert_to_tensor(logits)
    frames = ops.cast(frames, logits.dtype)
    return ops.sum(frames * ops.log_softmax(logits, axis=-1), axis=-1)


def softmax_ceiling(frames):
    """The best possible `softmax_score` of each frame: -n log n where n keys are pressed.

    Args:
        frames: Which keys are pressed, array `(..., keys)` of 0 and 1.

    Returns:
        A float64 array `(...)`.

    Example:
        >>> softmax_ceiling([[0, 0, 0], [1, 0, 0], [1, 1, 0]]).round(3)
        array([ 0.   ,  0.   , -1.386])
    """
    n = np.sum(frames, axis=-1, dtype="float64")
    return 0.0 - n * np.log(np.maximum(n, 1))


@keras.saving.register_keras_serializable("seqlayers")
class FrameAccuracy(keras.metrics.Mean):
    """Share of frames whose most probable class is the right one, all frames of a split pooled.

    `keras.metrics.SparseCategoricalAccuracy` takes the mean over each batch's time first, so that a
    frame counts the more, the shorter its batch is padded. Here all frames count alike. Left out is
    what a Keras mask of the predictions leaves out and what has sample weight 0; a dataset's third
    part reaches the metric if it is given as one of `weighted_metrics`.

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
        mask = getattr(y_pred, "_keras_mask", None)
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.argmax(y_pred, axis=-1)
        if len(y_true.shape) > len(y_pred.shape):  # Keras lets classes have an axis of 1 behind
            y_true = ops.squeeze(y_true, axis=-1)
        right = ops.equal(ops.cast(y_true, "int64"), ops.cast(y_pred, "int64"))
        weights = ops.ones_like(right, dtype=self.dtype)
        for part in (mask, sample_weight):
            if part is not None:
                part = ops.cast(part, self.dtype)
                missing = len(weights.shape) - len(part.shape)
                weights = weights * ops.reshape(part, (*ops.shape(part), *[1] * missing))
        return super().update_state(ops.reshape(right, [-1]), ops.reshape(weights, [-1]))


def phone_error_rate(references, hypotheses):
    """Insertions, deletions and substitutions, divided by the phones there are.

    To make phones of frames, `collapse_repeats`.

    Args:
        references: For each utterance the phones that were spoken, names or numbers.
        hypotheses: For each utterance the phones that were recognised.

    Returns:
        Edit distances of all utterances, divided by the lengths of all references. Insertions can
        make it more than 1.

    Raises:
        ValueError: If the lists differ in length, or all references are empty.

    Example:
        >>> phone_error_rate([["sil", "k", "ae", "t"]], [["sil", "k", "ah", "ae"]])
        0.5
    """
    import tensorflow as tf

    if len(references) != len(hypotheses):
        raise ValueError(
            "`references` and `hypotheses` must go together. "
            f"Received: {len(references)} and {len(hypotheses)} utterances."
        )
    spoken = sum(map(len, references))
    if not spoken:
        raise ValueError("`references` must hold at least one phone. Received: none.")
    numbers: dict = {}

    def sparse(sequences):
        rows = [[numbers.setdefault(phone, len(numbers)) for phone in row] for row in sequences]
        indices = [(n, k) for n, row in enumerate(rows) for k in range(len(row))]
        values = [number for row in rows for number in row]
        shape = (len(rows), max(map(len, rows)))
        return tf.SparseTensor(
            np.reshape(indices, (-1, 2)).astype("int64"), np.array(values, "int64"), shape
        )

    truth, hypothesis = sparse(references), sparse(hypotheses)
    return float(tf.reduce_sum(tf.edit_distance(hypothesis, truth, normalize=False))) / spoken


def collapse_repeats(labels):
    """Phones of frames, greedily: each run of one label becomes one.

    Args:
        labels: Sequence of names or numbers, one for each frame.

    Returns:
        List of them, no two neighbours alike.

    Example:
        >>> collapse_repeats(["sil", "sil", "k", "ae", "ae", "sil"])
        ['sil', 'k', 'ae', 'sil']
    """
    return [label for label, _ in groupby(np.asarray(labels).tolist())]
