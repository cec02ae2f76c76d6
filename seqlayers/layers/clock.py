"""Time, and how far frequencies have turned: exact to float32 rounding up to t = 2^24.

t counts frames. A turn is an angle in cycles: the fraction of f * t above a whole number, for a
frequency of f cycles per step. In float32 `cos(w * t)` is off by 2e-3 at t = 10^4.
"""

import numpy as np
from keras import ops

DIGIT = 256  # t is kept in digits: Keras casts states, and bfloat16 counts no further than 256
NUM_DIGITS = 3


def count(clock):
    """Returns t `(batch, 1)` from its digits `(batch, 3)`."""
    clock = ops.stop_gradient(clock)  # a count has no derivative
    places = ops.cast([DIGIT**n for n in range(NUM_DIGITS)], clock.dtype)
    return ops.sum(clock * places, axis=-1, keepdims=True)


def digits(t):
    """Returns the digits `(batch, 3)` of t `(batch, 1)`."""
    return ops.concatenate([ops.floor(t / DIGIT**n) % DIGIT for n in range(NUM_DIGITS)], axis=-1)


def fraction(x):
    """Returns x less the whole number below it."""
    return x - ops.floor(x)


def cycles(f, t):
    """Returns the fraction of f * t, for f in cycles per step and whole t below 2^24.

    f = a + b + c, a of 12 bits and b of the 12 after; t = low + 2^12 high. Then 2^12 a high is
    whole, and all other products but the last, which is below 1, are exact in float32.

    Args:
        f: Frequencies `(..., K)`. A NumPy array keeps its precision.
        t: Times `(..., 1)`, whose type is that of the result.
    """
    floor = np.floor if isinstance(f, np.ndarray) else ops.floor
    f = f - floor(f)
    a = floor(f * 2**12) / 2**12
    b = floor((f - a) * 2**24) / 2**24
    a, b, c = (ops.cast(part, t.dtype) for part in (a, b, f - a - b))
    high = ops.floor(t / 2**12)
    low = t - high * 2**12
    return fraction(fraction(a * low) + b * low + fraction(b * 2**12 * high) + c * t)


def accumulated(phase, f):
    """Returns the fraction of phase + f_1 + ... + f_t at all steps t, `(time, batch, K)`.

    The first 24 bits of each f are summed as integers, exactly: an overflow drops whole cycles
    alone. What is left of f is summed as floats.

    Args:
        phase: In cycles, `(batch, K)`.
        f: In cycles per step, from 0 to 1, `(time, batch, K)`.
    """
    exact = ops.stop_gradient(f)
    whole = ops.floor(exact * 2**24)
    rest = ops.cumsum(exact * 2**24 - whole, axis=0) / 2**24
    turns = ops.cumsum(ops.cast(whole, "int32"), axis=0) % 2**24
    turns = fraction(phase + ops.cast(turns, f.dtype) / 2**24 + rest)
    slope = ops.cumsum(f, axis=0)
    return turns + (slope - ops.stop_gradient(slope))  # 0, with the gradient of the sum


SHORTEST_PERIOD = 2  # in steps, that of half the sampling rate
FREQUENCIES = {
    "harmonic": lambda K: 2 * np.pi * np.arange(K) / K,
    "log": lambda K: np.pi * 2.0 ** (np.arange(K) - K + 1),
}


def as_frequencies(frequencies, num_frequencies):
    """Returns K frequencies in radians per step, float64.

    Args:
        frequencies: A name in `FREQUENCIES`; K numbers; or a pair of periods in steps, the shorter
            one first, for K of them, evenly spaced in their logarithm. With K = 2 two numbers are
            frequencies.
        num_frequencies: K.

    Raises:
        ValueError: If `frequencies` are none of these.
    """
    K = num_frequencies
    if isinstance(frequencies, str) and frequencies in FREQUENCIES:
        return FREQUENCIES[frequencies](K)
    try:
        array = np.array(frequencies, "float64")
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.shape == (2,) and K > 2 and SHORTEST_PERIOD <= array[0] < array[1] < np.inf:
        return 2 * np.pi / np.geomspace(array[1], array[0], K)
    # A range of periods, for which K is too small.
    aliases = K == 2 and np.all(array >= SHORTEST_PERIOD) and np.any(array > 2 * np.pi)
    if array.shape != (K,) or not np.all(np.isfinite(array)) or aliases:
        raise ValueError(
            '`frequencies` must be "harmonic", "log", as many finite numbers as `num_frequencies`, '
            "in radians per step, or, for 3 frequencies or more, a pair of periods in steps, "
            f"{SHORTEST_PERIOD} or more, the shorter one first. Received: "
            f"frequencies={frequencies!r}, num_frequencies={num_frequencies}."
        )
    return array
