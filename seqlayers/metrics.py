"""What a model is judged by."""

from itertools import groupby
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_integer


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


def adjusted_mutual_information(labels, clusters):
    """How well two ways to sort the same things agree, whatever their groups are called.

        AMI = (I - E[I]) / ((H_labels + H_clusters) / 2 - E[I])

    I is the mutual information of the two, H their entropies, and E[I] the mean of I over all ways
    to shuffle one of them, which grows with the number of groups.

    Args:
        labels, clusters: For each thing its group, names or numbers.

    Returns:
        A float: 1 if the two agree, 0 on average if they have nothing to do with one another.

    Raises:
        ValueError: If the two differ in length, or are empty.

    Reference: N. X. Vinh, J. Epps and J. Bailey, Information Theoretic Measures for Clusterings
    Comparison, JMLR 2010.

    Example:
        >>> adjusted_mutual_information(["a", "a", "b", "b"], [1, 1, 0, 0])
        1.0
    """
    if len(labels) != len(clusters) or not len(labels):
        raise ValueError(
            "`labels` and `clusters` must go together, and not be empty. "
            f"Received: {len(labels)} and {len(clusters)}."
        )
    rows, columns = (np.unique(np.asarray(x), return_inverse=True)[1] for x in (labels, clusters))
    table = np.zeros((rows.max() + 1, columns.max() + 1), int)
    np.add.at(table, (rows, columns), 1)
    N, a, b = len(rows), table.sum(axis=1), table.sum(axis=0)
    if len(a) == len(b) == 1 or len(a) == len(b) == N:
        return 1.0  # one group, or one for each thing, in both

    def entropy(counts):
        p = counts[counts > 0] / N
        return -float(np.sum(p * np.log(p)))

    information = entropy(a) + entropy(b) - entropy(table)
    # Under shuffling, n things are in group i and group j with a hypergeometric probability.
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
    return float((information - expected) / ((entropy(a) + entropy(b)) / 2 - expected))


# Spectra that a model draws, beside real ones.


def long_term_spectrum(amplitudes):
    """The mean power of each bin over all frames.

    Args:
        amplitudes: Floats `(T, F)` or `(N, T, F)`, none of them negative, or a list of arrays
            `(T, F)`.

    Returns:
        A float64 array `(F,)`.

    Raises:
        ValueError: If the argument is not as above.

    Example:
        >>> long_term_spectrum([[1.0, 2.0], [3.0, 2.0]])
        array([5., 4.])
    """
    frames = np.concatenate(_amplitudes("amplitudes", amplitudes))
    return np.square(frames).mean(axis=0)


def modulation_spectrum(amplitudes, num_frames=32):
    """How much each bin moves about its mean, at each rate from slow to fast.

        P_mk = mean_s |sum_t w_t (A_stk / a_k - 1) exp(-2 pi j m t / T)|^2 / sum_t w_t^2

    s counts pieces of T = `num_frames` frames, half of each shared with the next, w is a Hann
    window, and a_k the mean of A_k over all pieces. Since A is divided by it, P knows nothing of
    how loud a bin is; that is `long_term_spectrum`. A bin of silence has P = 0.

    Args:
        amplitudes: Floats `(T, F)` or `(N, T, F)`, none of them negative, or a list of arrays
            `(T, F)`. What is shorter than a piece is left out.
        num_frames: Number T of frames in a piece, 4 or more.

    Returns:
        A float64 array `(num_frames // 2, F)`: P for m = 1 .. T / 2, in cycles per T frames.

    Raises:
        ValueError: If an argument is not as above, or all sequences are shorter than a piece.
    """
    check_integer("num_frames", num_frames, least=4)
    sequences = _amplitudes("amplitudes", amplitudes)
    pieces = [p for s in sequences for p in _pieces(s, num_frames, num_frames // 2)]
    if not pieces:
        raise ValueError(
            f"`amplitudes` must hold a sequence of {num_frames} frames or more, or `num_frames` be "
            f"less. Received: sequences of at most {max(map(len, sequences))} frames."
        )
    A = np.stack(pieces)
    mean = A.mean(axis=(0, 1))
    moves = np.where(mean > 0, A / np.where(mean > 0, mean, 1) - 1, 0)
    window = np.hanning(num_frames + 1)[:-1, None]
    power = np.square(np.abs(np.fft.rfft(window * moves, axis=1)))
    return power.mean(axis=0)[1:] / np.square(window).sum()


def log_spectral_distance(spectrum, other, floor_db=-80.0):
    """How far two power spectra of any shape are apart, in dB.

        sqrt(mean_k (10 log10(P_k / Q_k))^2)

    Args:
        spectrum, other: P and Q, floats of one shape, none of them negative, as
            `long_term_spectrum` and `modulation_spectrum` give them.
        floor_db: What is less than the largest of P and Q by more than this counts as at that
            level; a number below 0.

    Returns:
        A float: 0 if the two are the same.

    Raises:
        ValueError: If an argument is not as above.

    Example:
        >>> round(log_spectral_distance([1.0, 2.0], [10.0, 20.0]), 6)
        10.0
    """
    if not -np.inf < floor_db < 0:
        raise ValueError(f"`floor_db` must be a number below 0. Received: floor_db={floor_db!r}.")
    P, Q = (np.asarray(x, "float64") for x in (spectrum, other))
    if P.shape != Q.shape or not P.size:
        raise ValueError(
            "`spectrum` and `other` must be of one shape and not empty. "
            f"Received: shapes {P.shape} and {Q.shape}."
        )
    for name, power in (("spectrum", P), ("other", Q)):
        if not (power >= 0).all() or not np.isfinite(power).all():
            raise ValueError(
                f"`{name}` must hold powers, 0 or more and finite. "
                f"Received: values from {power.min()} to {power.max()}."
            )
    floor = max(P.max(), Q.max()) * 10 ** (floor_db / 10)
    if not floor:
        return 0.0  # silence twice
    decibels = 10 * (np.log10(np.maximum(P, floor)) - np.log10(np.maximum(Q, floor)))
    return float(np.sqrt(np.square(decibels).mean()))


class PrecisionRecall(NamedTuple):
    """How much of what is generated is real, and how much of what is real is generated.

    Attributes:
        precision: Share of generated points that lie among the real ones.
        recall: Share of real points that lie among the generated ones.
    """

    precision: float
    recall: float


def precision_recall(generated, real, neighbours=3):
    """Which share of points lies among those of another set, both ways round.

    A point lies among a set S if for some s in S it is no farther from s than the k-th nearest
    neighbour of s in the rest of S. Precision falls when a model draws what never is, recall when
    it leaves out modes of what is. Distances are Euclidean. Sets of one size compare best; time
    grows with the product of the sizes, so a thousand points of each are a good choice.

    Args:
        generated: Points drawn by a model, floats `(N, ...)`: frames, or pieces of `segments`.
        real: Real points, floats `(N', ...)` of the same size.
        neighbours: k, less than N and N'.

    Returns:
        `PrecisionRecall`.

    Raises:
        ValueError: If an argument is not as above.

    Reference: T. Kynkaanniemi et al., Improved Precision and Recall Metric for Assessing Generative
    Models, NeurIPS 2019.

    Example:
        >>> real = np.array([[0.0], [1.0], [10.0], [11.0]])
        >>> precision_recall([[0.5], [0.6], [0.7]], real, neighbours=1)
        PrecisionRecall(precision=1.0, recall=0.0)
    """
    check_integer("neighbours", neighbours)
    points = {}
    for name, values in (("generated", generated), ("real", real)):
        values = np.asarray(values, "float64")
        if values.ndim < 2 or not np.isfinite(values).all() or len(values) <= neighbours:
            raise ValueError(
                f"`{name}` must hold more than {neighbours} points, the number of `neighbours`, "
                f"finite floats `(N, ...)`. Received: shape {values.shape}."
            )
        points[name] = values.reshape(len(values), -1)
    sizes = [values.shape[1] for values in points.values()]
    if sizes[0] != sizes[1]:
        raise ValueError(
            "`generated` and `real` must hold points of one size. "
            f"Received: {sizes[0]} and {sizes[1]} numbers a point."
        )
    return PrecisionRecall(
        _share_among(points["generated"], points["real"], neighbours),
        _share_among(points["real"], points["generated"], neighbours),
    )


def segments(sequences, num_frames, hop=None):
    """Pieces of sequences, as points for `precision_recall`.

    Args:
        sequences: Frames `(T, V)` or `(N, T, V)`, or a list of arrays `(T, V)`.
        num_frames: Number of frames in a piece.
        hop: Number of frames from one piece to the next; `num_frames` if None.

    Returns:
        A float64 array `(pieces, num_frames, V)`. Frames left over at an end are left out.

    Raises:
        ValueError: If an argument is not as above, or no sequence is as long as a piece.
    """
    check_integer("num_frames", num_frames)
    hop = num_frames if hop is None else check_integer("hop", hop)
    arrays = _sequences("sequences", sequences)
    pieces = [piece for array in arrays for piece in _pieces(array, num_frames, hop)]
    if not pieces:
        raise ValueError(
            f"`sequences` must hold one of {num_frames} frames or more. "
            f"Received: sequences of at most {max(map(len, arrays))} frames."
        )
    return np.stack(pieces)


def hidden_activity(activity, level=0.05):
    """How active hidden units are, and how many of them hardly ever.

    Args:
        activity: Expected hidden units in [0, 1], `(..., H)`, as `encode` of a model gives them.
        level: A unit whose mean over all frames is below it counts as silent.

    Returns:
        The mean over frames and units, and the share of units that are silent.

    Raises:
        ValueError: If an argument is not as above.

    Example:
        >>> hidden_activity([[1.0, 0.0], [0.5, 0.01]])
        (0.3775, 0.5)
    """
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie in (0, 1). Received: level={level!r}.")
    activity = np.asarray(activity, "float64")
    if activity.ndim < 2 or not activity.size or not ((activity >= 0) & (activity <= 1)).all():
        raise ValueError(
            "`activity` must hold expected hidden units in [0, 1], `(..., H)`. "
            f"Received: shape {activity.shape}."
        )
    means = activity.reshape(-1, activity.shape[-1]).mean(axis=0)
    return float(means.mean()), float((means < level).mean())


def _share_among(points, others, neighbours):
    """The share of points that lie among others, see `precision_recall`."""
    radii = np.array([np.partition(_squares(s, others), neighbours)[neighbours] for s in others])
    return float(np.mean([(_squares(point, others) <= radii).any() for point in points]))


def _squares(point, others):
    """Squares of the distances from a point; not by its product with them, which would round."""
    return np.square(others - point).sum(axis=1)


def _pieces(sequence, num_frames, hop):
    starts = range(0, len(sequence) - num_frames + 1, hop)
    return [sequence[start : start + num_frames] for start in starts]


def _sequences(name, values):
    """A list of float64 arrays `(T, F)`, none of them empty."""
    if not isinstance(values, list | tuple) or np.ndim(values[0] if len(values) else 0) < 2:
        values = np.asarray(values)
        values = list(values) if values.ndim == 3 else [values]
    arrays = [np.asarray(array, "float64") for array in values]
    wanted = arrays and arrays[0].shape[-1:]
    if not arrays or any(a.ndim != 2 or not a.size or a.shape[-1:] != wanted for a in arrays):
        raise ValueError(
            f"`{name}` must be frames `(T, F)`, `(N, T, F)` or a list of arrays `(T, F)`. "
            f"Received: shapes {[a.shape for a in arrays]}."
        )
    return arrays


def _amplitudes(name, values):
    arrays = _sequences(name, values)
    low, high = min(a.min() for a in arrays), max(a.max() for a in arrays)
    if not (low >= 0 and high < np.inf):
        raise ValueError(
            f"`{name}` must be amplitudes, 0 or more and finite. "
            f"Received: values from {low} to {high}."
        )
    return arrays
