"""Kinds of segments, found without labels: t-SNE and HDBSCAN of vectors and durations.

    x = v / |v|,  d = w log(duration) / |log(duration)|,  |y| the total deviation of y over segments
    places = t-SNE in two dimensions of the first principal components of [x, d]
    kinds  = HDBSCAN of the places

HDBSCAN chooses the number of kinds: it returns the groups that stay together over the widest range
of densities. Groups of fewer than `max(5, sqrt(N) / 2)` segments are no kinds, and a segment in
none of the groups has no kind. Where there are more than `MOST` segments, that many are drawn at
random and sorted into kinds; each of the others is of the kind of the nearest one.

References: L. van der Maaten and G. Hinton, Visualizing Data using t-SNE, JMLR 2008. R. Campello,
D. Moulavi and J. Sander, Density-Based Clustering Based on Hierarchical Density Estimates, PAKDD
2013. T. Sainburg, M. Thielk and T. Gentner, Finding, visualizing, and quantifying latent structure
across diverse animal vocal repertoires, PLOS Computational Biology 2020, has the same order of
steps, with UMAP.
"""

from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_integer

LEAST = 20  # segments
MOST = 5000  # of which t-SNE makes a map in a minute
NO_KIND = 0
_DURATION = 0.25  # w: deviation of durations beside that of vectors
_COMPONENTS = 20
_PERPLEXITY = 30
_NEAR = 1024  # segments whose nearest ones are searched at a time
# Deviations below these are rounding: of float32, relative to the largest value of a column, and of
# the logarithms of durations that were written in seconds with six decimals.
_EQUAL, _EQUAL_DURATIONS = 1e-6, 1e-4


class Kinds(NamedTuple):
    """Kinds of segments.

    Attributes:
        numbers: Int array `(N,)`: the kind of each segment, 1 for the most frequent kind and so on;
            0 for a segment of no kind.
        confidence: float32 `(N,)`, from 0 to 1: how far in the dense part of its kind a segment is.
        places: float32 `(N, 2)`, a map on which alike segments are near each other.
    """

    numbers: Any
    confidence: Any
    places: Any


def find_kinds(vectors, durations, *, seed=0):
    """Sorts segments into kinds, whose number is found.

    Args:
        vectors: Floats `(N, F)`, a vector of each of at least `LEAST` segments, as
            `encode_segments` makes them.
        durations: Duration of each segment, `(N,)`, above 0, in any unit.
        seed: Seed of the map, and of the draw of `MOST` segments.

    Returns:
        `Kinds(numbers, confidence, places)`. There are no kinds or at least two, never one.
        Segments that differ by degree alone may be cut into a few kinds, and so may few segments
        that have no kinds.

    Raises:
        ValueError: If there are too few segments, all are the same up to rounding, or arrays are
            not finite or do not match.
        ImportError: If scikit-learn is not installed: pip install 'seqlayers[cluster]'.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> centres = rng.normal(size=(3, 8))
        >>> vectors = np.repeat(centres, 20, axis=0) + 0.05 * rng.normal(size=(60, 8))
        >>> int(find_kinds(vectors, np.ones(60)).numbers.max())
        3
    """
    points = points_of(vectors, durations)
    seed = check_integer("seed", seed, least=0, most=2**32 - 1)
    try:
        from sklearn.cluster import HDBSCAN
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise ImportError(
            "`find_kinds` needs scikit-learn: pip install 'seqlayers[cluster]'."
        ) from error
    N = len(points)
    drawn = np.sort(np.random.default_rng(seed).permutation(N)[:MOST])
    num_components = min(_COMPONENTS, len(drawn), points.shape[1])
    pca = PCA(num_components, svd_solver="full").fit(points[drawn])
    points = pca.transform(points)
    perplexity = min(_PERPLEXITY, (len(drawn) - 1) / 3)
    tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    places = tsne.fit_transform(points[drawn])
    least = max(5, round(len(drawn) ** 0.5 / 2))
    found = HDBSCAN(min_cluster_size=least, copy=True).fit(places)
    nearest = np.arange(N) if N == len(drawn) else _nearest(points, points[drawn])
    confidence = found.probabilities_.astype("float32")
    return Kinds(
        _by_size(found.labels_[nearest]), confidence[nearest], places.astype("float32")[nearest]
    )


def points_of(vectors, durations):
    """Returns `[x, d]` of segments, float32 `(N, F + 1)`; arguments as in `find_kinds`."""
    vectors, durations = _checked(vectors, durations)
    v = _scaled(vectors, _EQUAL * np.abs(vectors).max(axis=0))
    d = _scaled(np.log(durations).astype("float32")[:, None], _EQUAL_DURATIONS)
    if not (v.any() or d.any()):
        raise ValueError(
            "The vectors and durations of segments must not be the same for all of them. "
            f"Received: {len(vectors)} equal ones."
        )
    return np.hstack([v, _DURATION * d])


def _checked(vectors, durations):
    vectors, durations = np.asarray(vectors, "float32"), np.asarray(durations, "float64")
    if vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():
        raise ValueError(
            f"`vectors` must be finite numbers `(N, F)`. Received: shape {vectors.shape}"
            f"{', not finite' if vectors.ndim == 2 and vectors.shape[1] else ''}."
        )
    if len(vectors) < LEAST:
        raise ValueError(f"There must be at least {LEAST} segments. Received: {len(vectors)}.")
    good = (0 < durations) & (durations < np.inf)
    if durations.shape != (len(vectors),) or not good.all():
        raise ValueError(
            f"`durations` must be {len(vectors)} finite numbers above 0, one for each vector. "
            f"Received: shape {durations.shape}, with {np.count_nonzero(~good)} other numbers."
        )
    return vectors, durations


def _scaled(x, least):
    """Returns x less its mean, of a total deviation of 1.

    Columns whose deviation is `least` or below are 0.
    """
    _, places = np.frexp(np.abs(x).max())
    x = np.ldexp(x, -places)  # exact: squares of large numbers would overflow
    x = x - x.mean(axis=0)
    x[:, np.sqrt(np.square(x).mean(axis=0)) <= np.ldexp(least, -places)] = 0
    deviation = np.sqrt(np.square(x).sum(axis=1).mean())
    return x / deviation if deviation > 0 else x


def _by_size(labels):
    """Returns numbers from 1 on, the largest group first; those of no group, -1, are 0."""
    groups, sizes = np.unique(labels[labels >= 0], return_counts=True)
    numbers = np.full(labels.max() + 2, NO_KIND)
    numbers[groups[np.argsort(-sizes, kind="stable")]] = np.arange(1, len(groups) + 1)
    return numbers[labels]  # -1 is the last


def _nearest(points, others):
    """Returns the place of the nearest of other points for each point."""
    squares = np.square(others).sum(axis=1)
    parts = [points[n : n + _NEAR] for n in range(0, len(points), _NEAR)]
    return np.concatenate([(squares - 2 * part @ others.T).argmin(axis=1) for part in parts])
