"""Generated sequences compared with real ones, and the activity of hidden units."""

from typing import NamedTuple

import numpy as np

from seqlayers.checks import check_integer, check_number

_MOST = 1e150  # of coordinates, whose squares must be finite


def long_term_spectrum(amplitudes):
    """Returns the mean power of each bin over all frames.

    Args:
        amplitudes: Non-negative floats `(T, F)` or `(N, T, F)`, or a list of arrays `(T, F)`.

    Returns:
        A float64 array `(F,)`.

    Raises:
        ValueError: If shapes differ, or values are negative or not finite.

    Example:
        >>> long_term_spectrum([[1.0, 2.0], [3.0, 2.0]])
        array([5., 4.])
    """
    frames = np.concatenate(_amplitudes("amplitudes", amplitudes))
    return np.square(frames).mean(axis=0)


def modulation_spectrum(amplitudes, num_frames=32):
    """Returns the modulation spectrum: the power of each bin's fluctuations at each rate.

        P_mk = mean_s |sum_t w_t (A_stk / a_k - 1) exp(-2 pi j m t / T)|^2 / sum_t w_t^2

    s counts pieces of T = `num_frames` frames that overlap by half, w is a Hann window, and a_k the
    mean of A_k over all pieces. Since A is divided by a_k, P does not depend on how loud a bin is;
    `long_term_spectrum` does. P of a silent bin is 0.

    Args:
        amplitudes: Non-negative floats `(T, F)` or `(N, T, F)`, or a list of arrays `(T, F)`.
            Sequences shorter than a piece are left out.
        num_frames: Number T of frames in a piece, at least 4.

    Returns:
        A float64 array `(num_frames // 2, F)`: P for m = 1 .. T / 2, in cycles per T frames.

    Raises:
        ValueError: If `amplitudes` are negative, not finite or of different shapes, if all
            sequences are shorter than a piece, or `num_frames` is below 4.
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


def log_spectral_distance(spectrum, other, floor=None):
    """Computes the log-spectral distance between power spectra, in dB.

        mean_t sqrt(mean_k (10 log10(P_tk / Q_tk))^2)

    Args:
        spectrum, other: P and Q, non-negative floats of one shape: one spectrum `(F,)`, such as
            that of `long_term_spectrum`, or one for each frame, `(T, F)`.
        floor: Power that smaller values are raised to; 80 dB below the largest of P and Q if None.

    Returns:
        A float; 0 if the two are equal.

    Raises:
        ValueError: If shapes differ, powers are negative or not finite, or `floor` is not positive.

    Example:
        >>> round(log_spectral_distance([1.0, 2.0], [10.0, 20.0]), 6)
        10.0
    """
    P, Q = (np.asarray(x, "float64") for x in (spectrum, other))
    if P.shape != Q.shape or not P.size or not P.ndim:
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
    if floor is None:
        floor = max(P.max(), Q.max()) * 1e-8
        if not floor:
            return 0.0  # silence twice
    floor = check_number("floor", floor, above=0)
    decibels = 10 * (np.log10(np.maximum(P, floor)) - np.log10(np.maximum(Q, floor)))
    return float(np.sqrt(np.square(decibels).mean(axis=-1)).mean())


class PrecisionRecall(NamedTuple):
    """Precision and recall of generated points.

    Attributes:
        precision: Share of generated points that lie among the real ones.
        recall: Share of real points that lie among the generated ones.
    """

    precision: float
    recall: float


def precision_recall(generated, real, neighbours=3):
    """Returns precision and recall of generated points, by k nearest neighbours.

    A point lies among a set S if, for some s in S, it is no farther from s than the k-th nearest
    neighbour of s in the rest of S. Precision is low when a model draws points unlike real ones,
    recall when it misses some kinds of real points. Distances are Euclidean. Use sets of one size,
    about a thousand points each: time grows with the product of the sizes.

    Args:
        generated: Points drawn by a model, floats `(N, ...)`, such as frames or the result of
            `pieces`.
        real: Real points, floats `(N', ...)` of the same shape.
        neighbours: Number k of neighbours, less than N and N'.

    Returns:
        `PrecisionRecall`.

    Raises:
        ValueError: If points differ in shape or are not finite, or a set has at most `neighbours`.

    Reference: T. Kynkaanniemi et al., Improved Precision and Recall Metric for Assessing Generative
    Models, NeurIPS 2019.

    Example:
        >>> real = np.array([[0.0], [1.0], [10.0], [11.0]])
        >>> precision_recall([[0.5], [0.6], [0.7]], real, neighbours=1)
        PrecisionRecall(precision=1.0, recall=0.0)
    """
    generated, real = _points(generated, real, neighbours)
    return PrecisionRecall(
        float(_among(generated, real, neighbours).any(axis=1).mean()),
        float(_among(real, generated, neighbours).any(axis=1).mean()),
    )


class DensityCoverage(NamedTuple):
    """Density and coverage of generated points.

    Attributes:
        density: Mean number of real neighbourhoods that a generated point lies in, over k; about 1
            if both sets are drawn alike.
        coverage: Share of real points that have a generated one in their neighbourhood.
    """

    density: float
    coverage: float


def density_coverage(generated, real, neighbours=5):
    """Returns density and coverage of generated points, by k nearest neighbours.

    The neighbourhood of a real point reaches to its k-th nearest real neighbour. Density is low
    when a model draws points unlike real ones, coverage when it misses some kinds of real points.
    Unlike the recall of `precision_recall`, coverage is not raised by generated points far from
    all others, whose own neighbourhoods would be large. For two sets of N points drawn alike it is
    about 1 - 1 / 2^k. Distances are Euclidean; use sets of one size.

    Args:
        generated, real, neighbours: As in `precision_recall`.

    Returns:
        `DensityCoverage`.

    Raises:
        ValueError: As in `precision_recall`.

    Reference: M. F. Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models,
    ICML 2020.

    Example:
        >>> real = np.array([[0.0], [1.0], [10.0], [11.0]])
        >>> density_coverage([[0.5], [0.6], [0.7]], real, neighbours=1)
        DensityCoverage(density=2.0, coverage=0.5)
    """
    generated, real = _points(generated, real, neighbours)
    among = _among(generated, real, neighbours)
    density = among.sum(axis=1).mean() / neighbours
    return DensityCoverage(float(density), float(among.any(axis=0).mean()))


def pieces(sequences, num_frames, hop=None):
    """Cuts sequences into pieces, as points for `precision_recall` and `density_coverage`.

    Args:
        sequences: Frames `(T, V)` or `(N, T, V)`, or a list of arrays `(T, V)`.
        num_frames: Number of frames in a piece.
        hop: Number of frames from one piece to the next; `num_frames` if None.

    Returns:
        A float64 array `(pieces, num_frames, V)`. Frames left over at the end are dropped.

    Raises:
        ValueError: If sequences differ in V, or none is as long as a piece.
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
    """Returns the mean activity of hidden units, and the share of silent ones.

    Args:
        activity: Expected hidden units in [0, 1], `(..., H)`, as `SequenceModel.encode` returns
            them.
        level: Threshold in (0, 1). A unit whose mean over all frames is below it counts as silent.

    Returns:
        Pair of floats: the mean over frames and units, and the share of units that are silent.

    Raises:
        ValueError: If values lie outside [0, 1], or `level` outside (0, 1).

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


def _points(generated, real, neighbours):
    """Returns checked points as float64 arrays `(N, V)`."""
    check_integer("neighbours", neighbours)
    points = [
        _points_of(name, values, neighbours)
        for name, values in (("generated", generated), ("real", real))
    ]
    shapes = [values.shape[1:] for values in points]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "`generated` and `real` must hold points of one shape. "
            f"Received: {shapes[0]} and {shapes[1]}."
        )
    return [values.reshape(len(values), -1) for values in points]


def _points_of(name, values, neighbours):
    try:
        values = np.asarray(values)
        if np.iscomplexobj(values):
            raise ValueError("complex numbers")
        points = values.astype("float64")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must hold points, floats `(N, ...)`. Received: {error}."
        ) from None
    if points.ndim < 2 or len(points) <= neighbours:
        raise ValueError(
            f"`{name}` must hold more than {neighbours} points, the number of `neighbours`, "
            f"floats `(N, ...)`. Received: shape {points.shape}."
        )
    if not (np.abs(points) < _MOST).all():
        raise ValueError(
            f"`{name}` must hold finite floats below {_MOST:g}. "
            f"Received: values from {points.min()} to {points.max()}."
        )
    return points


def _among(points, others, neighbours):
    """Returns `(points, others)`: which points lie as near to another as its k-th neighbour."""
    radii = np.array([np.partition(_squares(s, others), neighbours)[neighbours] for s in others])
    return np.array([_squares(point, others) <= radii for point in points])


def _squares(point, others):
    """Returns squared distances from a point, by differences: products would lose digits."""
    return np.square(others - point).sum(axis=1)


def _pieces(sequence, num_frames, hop):
    starts = range(0, len(sequence) - num_frames + 1, hop)
    return [sequence[start : start + num_frames] for start in starts]


def _sequences(name, values):
    """Returns a list of float64 arrays `(T, F)`, none of them empty."""
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
