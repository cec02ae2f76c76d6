"""What a model draws beside what is real, and what its hidden units do."""

from typing import NamedTuple

import numpy as np

from seqlayers.checks import check_integer, check_number


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
    check_number("floor_db", floor_db, below=0)
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
        generated: Points drawn by a model, floats `(N, ...)`: frames, or pieces of `pieces`.
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


def pieces(sequences, num_frames, hop=None):
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
    check_number("level", level, above=0, below=1)
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
