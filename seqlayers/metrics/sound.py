"""Decoded sound compared with the original, sample by sample."""

import math

import numpy as np


def si_sdr(reference, estimate):
    """Computes the scale-invariant signal-to-distortion ratio of a sound, in dB.

        10 log10(|a s|^2 / |a s - y|^2),  a = s.y / |s|^2

    s is the reference and y the estimate. How loud y is has no effect; its delay and its phases
    have, so sounds with phases of their own, such as those of `audio.griffin_lim`, score low
    whatever they sound like.

    Args:
        reference, estimate: s and y, finite floats `(N,)`.

    Returns:
        A float; infinite, or above 300 by rounding, if y is s up to a factor; -infinite, or below
        -300, if y has nothing of s.

    Raises:
        ValueError: If shapes differ or are not `(N,)`, a sound is silent, or numbers are not real
            or not finite.

    Reference: J. Le Roux, S. Wisdom, H. Erdogan and J. R. Hershey, SDR - Half-baked or Well Done?,
    ICASSP 2019.

    Example:
        >>> round(si_sdr([1.0, 0.0, 1.0, 0.0], [2.0, 0.2, 2.0, -0.2]), 6)
        20.0
    """
    for name, sound in (("reference", reference), ("estimate", estimate)):
        if np.iscomplexobj(sound):
            raise ValueError(f"`{name}` must have real samples. Received: complex ones.")
    s, y = (np.asarray(sound, "float64") for sound in (reference, estimate))
    if s.ndim != 1 or s.shape != y.shape:
        raise ValueError(
            "`reference` and `estimate` must be sounds of as many samples, `(N,)`. "
            f"Received: shapes {s.shape} and {y.shape}."
        )
    for name, sound in (("reference", s), ("estimate", y)):
        if not np.isfinite(sound).all() or not sound.any():
            raise ValueError(
                f"`{name}` must be finite and not silent. "
                f"Received: {np.count_nonzero(sound)} samples that are not 0, "
                f"{np.count_nonzero(~np.isfinite(sound))} that are not finite."
            )
    s, y = s / np.abs(s).max(), y / np.abs(y).max()  # whose squares neither overflow nor vanish
    scaled = np.dot(s, y) / np.dot(s, s) * s
    signal, distortion = (float(np.square(x).sum()) for x in (scaled, scaled - y))
    if not distortion:
        return math.inf
    return 10 * math.log10(signal / distortion) if signal else -math.inf
