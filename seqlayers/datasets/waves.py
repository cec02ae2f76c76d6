"""Square and sawtooth waves, a classification task for memories of frequencies.

    square:    y = V + (4 A / pi) sum_{n = 1, 3, 5, ..} sin(2 pi n (t + P) / T) / n          (17)
    sawtooth:  y = V + A / 2 - (A / pi) sum_{n = 1, 2, 3, ..} sin(2 pi n (t + P) / T) / n    (18)

T is the period, A the amplitude, P the phase and V the bias. In the limit, the square wave jumps
between V - A and V + A, and the sawtooth rises from V to V + A and falls back at once. A sequence
holds samples of a wave at random times in [0, L], where L is its length.

The numbers are those of section 4.1 of H. Hu and G.-J. Qi, State-Frequency Memory Recurrent Neural
Networks, ICML 2017: L ~ U(15, 125), T ~ U(50, 75), A ~ U(0.5, 2), P ~ U(0, 15),
V ~ U(0.25, 0.75), 500 samples (y, t) of each of 2,000 waves. The paper leaves open in which order
the samples come and how t is scaled. Here they are sorted by t, and t is that of the equations.
Nearly half of the waves are shorter than their period, so that some square ones never jump.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_integer, check_number

NAMES = ("square", "sawtooth")  # of the labels 0 and 1


class Waves(NamedTuple):
    """Pairs of x, float32 `(N, num_samples, 2)` of (y, t), and labels, int32 `(N,)`.

    Attributes:
        train: The pair to train on.
        test: The pair to test on.
    """

    train: Any
    test: Any


def load(
    num_sequences=2000,
    num_samples=500,
    seed=0,
    *,
    lengths: Sequence[int] = (15, 125),
    periods: Sequence[float] = (50, 75),
    amplitudes: Sequence[float] = (0.5, 2),
    phases: Sequence[float] = (0, 15),
    biases: Sequence[float] = (0.25, 0.75),
    terms=None,
):
    """Draws waves, half of them square (label 0) and half sawtooth (label 1).

    Args:
        num_sequences: Number of waves, even and at least 4. Four fifths of each type, rounded
            down, are for training and the others for testing. Both splits are shuffled.
        num_samples: Number of samples of each wave.
        seed: Non-negative integer that all draws start from.
        lengths, periods, amplitudes, phases, biases: Pairs `(low, high)` that L, T, A, P and V are
            drawn between, uniformly and anew for each wave. L, T and A are above 0.
        terms: Number of terms of the Fourier series; its limit if None.

    Returns:
        `Waves(train, test)`.

    Raises:
        ValueError: If a number is out of range, or a pair is not two finite numbers in order.

    Example:
        >>> (x, labels), test = load()
        >>> x.shape, np.bincount(labels), len(test[0])
        ((1600, 500, 2), array([800, 800]), 400)
    """
    num_sequences = check_integer("num_sequences", num_sequences, least=4)
    if num_sequences % 2:
        raise ValueError(
            "`num_sequences` must be even, half for each type. "
            f"Received: num_sequences={num_sequences}."
        )
    num_samples = check_integer("num_samples", num_samples)
    rng = np.random.default_rng(check_integer("seed", seed, least=0))
    ranges: list[Any] = [
        _check_range("lengths", lengths, positive=True),
        _check_range("periods", periods, positive=True),
        _check_range("amplitudes", amplitudes, positive=True),
        _check_range("phases", phases),
        _check_range("biases", biases),
    ]

    L, *parameters = (rng.uniform(low, high, (num_sequences, 1)) for low, high in ranges)
    t = np.sort(L * rng.random((num_sequences, num_samples)), axis=1)
    half = num_sequences // 2
    waves: Any = ((square, slice(half)), (sawtooth, slice(half, None)))
    y = [
        wave(t[rows], *(parameter[rows] for parameter in parameters), terms) for wave, rows in waves
    ]
    x = np.stack([np.concatenate(y), t], axis=-1).astype("float32")
    labels = np.repeat(np.array([0, 1], "int32"), half)

    is_train = np.tile(np.arange(half) < half * 4 // 5, 2)
    splits = [rng.permutation(np.flatnonzero(part)) for part in (is_train, ~is_train)]
    return Waves(*((x[rows], labels[rows]) for rows in splits))


def square(t, period, amplitude=1.0, phase=0.0, bias=0.0, terms=None):
    """Returns the square wave (17): V + A in the first half of each period, V - A in the second.

    Args:
        t: Times, a number or an array.
        period, amplitude, phase, bias: T, A, P and V, numbers or arrays that broadcast with `t`. T
            is above 0.
        terms: Number of terms of the Fourier series, n = 1, 3, .., 2 terms - 1; its limit if None,
            which is V where the wave jumps.

    Returns:
        y, a float64 array.

    Raises:
        ValueError: If `period` is not above 0, or `terms` is not a positive integer.

    Example:
        >>> square(np.array([1, 3, 5]), period=4)
        array([ 1., -1.,  1.])
    """
    x = _cycles(t, period, phase)
    if terms is None:
        shape = np.sign(0.5 - x) * (x > 0)
    else:
        shape = 4 / np.pi * _series(x, range(1, 2 * check_integer("terms", terms), 2))
    return amplitude * shape + bias


def sawtooth(t, period, amplitude=1.0, phase=0.0, bias=0.0, terms=None):
    """Returns the sawtooth wave (18), which rises from V to V + A in each period.

    Args:
        t: Times, a number or an array.
        period, amplitude, phase, bias: T, A, P and V, numbers or arrays that broadcast with `t`. T
            is above 0.
        terms: Number of terms of the Fourier series, n = 1, 2, .., terms; its limit if None, which
            is V + A / 2 where the wave falls.

    Returns:
        y, a float64 array.

    Raises:
        ValueError: If `period` is not above 0, or `terms` is not a positive integer.

    Example:
        >>> sawtooth(np.array([1, 3, 5]), period=4)
        array([0.25, 0.75, 0.25])
    """
    x = _cycles(t, period, phase)
    if terms is None:
        shape = np.where(x > 0, x, 0.5)
    else:
        shape = 0.5 - _series(x, range(1, check_integer("terms", terms) + 1)) / np.pi
    return amplitude * shape + bias


def _cycles(t, period, phase):
    """Position of the wave within its period, in [0, 1)."""
    period = np.asarray(period, "float64")
    if not (period > 0).all():
        raise ValueError(f"`period` must be above 0. Received: period={period}.")
    return (np.asarray(t, "float64") + phase) / period % 1.0


def _series(x, numbers):
    return sum(np.sin(2 * np.pi * n * x) / n for n in numbers)


def _check_range(name, pair, positive=False):
    try:
        low, high = (check_number(name, end, above=0 if positive else None) for end in pair)
        if low <= high:
            return low, high
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"`{name}` must be two numbers{' above 0' * positive}, the smaller first. "
        f"Received: {name}={pair!r}."
    )
