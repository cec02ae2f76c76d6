"""Normalisation of frames and features to a common size: of all, of each recording or speaker.

    normalised = (frames - shift) / divisor

for each bin, where shift and divisor are, by `kind`,

    "standard": the mean, and the standard deviation
    "scale":    0, and the root mean square
    "unit":     the minimum, and the maximum minus the minimum; the result is clipped to [0, 1]

No divisor is below `DIVISOR_FLOOR` times that of all bins together. So a bin that never changes
becomes constant, and noise that a model draws there stays small when it is restored.
"""

import dataclasses
from typing import Any

import numpy as np

from seqlayers.checks import (
    as_float32,
    check_choice,
    check_finite,
    check_sequence,
    check_sequences,
)

KINDS = ("standard", "scale", "unit")
DIVISOR_FLOOR = 1e-7  # the rounding of float32


@dataclasses.dataclass(frozen=True, eq=False)
class Normalizer:
    """Normalises frames, and restores them.

    In a graph, `keras.layers.Normalization(mean=shift, variance=divisor**2)` does the same, if no
    divisor is below Keras's epsilon, 1e-7, and the result is not clipped.

    Args:
        shift: Floats `(F,)`, one for each bin.
        divisor: Positive floats `(F,)`.
        clipped: Whether normalised frames are clipped to [0, 1].

    Raises:
        ValueError: If an argument has another type or shape, or is not finite.

    Example:
        >>> normalizer = Normalizer.fit([np.array([[1.0, 7.0], [3.0, 7.0]])])
        >>> normalizer.normalize([[4.0, 7.0]])
        array([[2., 0.]], dtype=float32)
    """

    shift: Any
    divisor: Any
    clipped: bool = False

    def __post_init__(self):
        for name in ("shift", "divisor"):
            values = check_finite(name, getattr(self, name)).astype("float64")
            object.__setattr__(self, name, values)
        shapes = self.shift.shape, self.divisor.shape
        if self.shift.ndim != 1 or not self.shift.size or shapes[0] != shapes[1]:
            raise ValueError(
                "`shift` and `divisor` must each be an array `(F,)`. "
                f"Received: shapes {shapes[0]} and {shapes[1]}."
            )
        if not isinstance(self.clipped, bool | np.bool_):
            raise ValueError(
                "`clipped` must be True or False. "
                f"Received: an object of class {type(self.clipped).__name__}."
            )
        if self.divisor.astype("float32").min() <= 0:
            raise ValueError(
                "`divisor` must be positive in float32. "
                f"Received: {self.divisor.min():g} in bin {self.divisor.argmin()}."
            )

    @classmethod
    def fit(cls, frames, kind="standard"):
        """Computes shift and divisor in one pass, in memory that does not grow with the frames.

        Fit it to the training data. A bin that is constant there, but not in another recording, is
        far out of range in that one: train on more data, or remove such bins.

        Args:
            frames: Arrays `(T, F)`, as a list, a generator or a `tf.data.Dataset` of them.
            kind: `"standard"` for mean 0 and variance 1; `"scale"` for a mean square of 1 without a
                shift, so that amplitudes stay positive, as gamma units take them; `"unit"` for the
                range [0, 1], as Bernoulli units take it.

        Returns:
            `Normalizer`.

        Raises:
            ValueError: If there are no frames, they are not such arrays, or there is no such kind.
        """
        check_choice("kind", kind, KINDS)
        blocks = _blocks(frames)
        shift, divisor = _unit(blocks) if kind == "unit" else _moments(blocks, kind)
        return cls(shift, divisor, clipped=kind == "unit")

    def normalize(self, frames):
        """Returns normalised frames, float32 `(..., F)`.

        Args:
            frames: Floats `(..., F)`.

        Raises:
            ValueError: If the frames have another number of bins, or are not finite.
        """
        normalized = self._moved(frames, lambda x: (x - self.shift) / self.divisor)
        return np.clip(normalized, 0, 1) if self.clipped else normalized

    def restore(self, frames):
        """Returns frames before normalisation, float32 `(..., F)`, up to rounding and clipping.

        Args:
            frames: Normalised floats `(..., F)`.

        Raises:
            ValueError: If the frames have another number of bins, or are not finite.
        """
        return self._moved(frames, lambda x: x * self.divisor + self.shift)

    def get_config(self):
        """Returns the arguments as lists of floats and a bool, for JSON."""
        return {
            "shift": self.shift.tolist(),
            "divisor": self.divisor.tolist(),
            "clipped": self.clipped,
        }

    @classmethod
    def from_config(cls, config):
        """Returns the normaliser that `get_config` describes.

        Raises:
            ValueError: If `config` is anything else.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(config, dict) or not {"shift", "divisor"} <= set(config):
            raise ValueError(
                "`config` must be a dict with `shift` and `divisor`, as `get_config` returns it. "
                f"Received: an object of class {type(config).__name__}."
            )
        config = dict(config)
        # Earlier versions had two classes and wrote their name.
        name = config.pop("class", None)
        if name is not None:
            check_choice("class", name, ("Normalizer", "UnitNormalizer"))
            config["clipped"] = name == "UnitNormalizer"
        if unknown := [str(name) for name in config if name not in fields]:
            raise ValueError(
                f"`config` must have no other entries than {', '.join(sorted(fields))}. "
                f"Received: {unknown[0]}."
            )
        return cls(**config)

    def _moved(self, frames, move):
        frames = check_finite("frames", frames)
        if frames.shape[-1] != len(self.shift):
            raise ValueError(
                f"`frames` must have {len(self.shift)} bins. Received: shape {frames.shape}."
            )
        return as_float32("frames", move(frames))


def normalize(sequences, groups=None):
    """Normalises each recording, or each group of them, to mean 0 and variance 1 in each feature.

    Args:
        sequences: List of arrays `(T, F)`.
        groups: The group of each sequence, such as its speaker; groups are normalised as a whole.
            Each sequence is a group of its own if None.

    Returns:
        List of float32 arrays `(T, F)`. A feature that never changes is 0.

    Raises:
        ValueError: If the sequences are not such arrays, or there is not one group for each.

    Example:
        >>> a, b = normalize([np.array([[1.0], [5.0]]), np.array([[3.0]])], ["she", "she"])
        >>> a.ravel(), b.ravel()
        (array([-1.2247449,  1.2247449], dtype=float32), array([0.], dtype=float32))
    """
    sequences = check_sequences(sequences)
    groups = range(len(sequences)) if groups is None else groups
    if len(groups) != len(sequences):
        raise ValueError(
            "`groups` must have an entry for each sequence. "
            f"Received: {len(groups)} for {len(sequences)} sequences."
        )
    members: dict = {}
    for n, group in enumerate(groups):
        members.setdefault(group, []).append(n)
    normalized: list = [None] * len(sequences)
    for indices in members.values():
        normalizer = Normalizer.fit([np.concatenate([sequences[n] for n in indices])])
        for n in indices:
            normalized[n] = normalizer.normalize(sequences[n])
    return normalized


def _blocks(frames):
    """Yields arrays of frames, checked, as float64."""
    features = None
    for n, block in enumerate(frames):
        block = check_sequence(block, features, f"frames[{n}]").astype("float64")
        features = block.shape[1]
        yield block
    if features is None:
        raise ValueError("`frames` must hold at least one array. Received: none.")


def _moments(blocks, kind):
    """Returns shift and divisor of the kinds "standard" and "scale"."""
    count, mean, squares = 0, np.zeros(()), np.zeros(())
    for block in blocks:
        own, total = block.mean(axis=0), count + len(block)
        # `squares` are sums of (frames - mean)^2, which lose no digits to a large mean.
        squares = squares + np.square(block - own).sum(axis=0)
        squares = squares + np.square(own - mean) * (count * len(block) / total)
        mean = mean + (own - mean) * (len(block) / total)
        count = total
    shift = np.zeros_like(mean)
    if kind == "standard":
        shift = mean
    square = squares / count + np.square(mean - shift)  # mean of (frames - shift)^2
    overall = np.sqrt(square.mean())
    # Rounding may leave constants some deviation, which is not to be scaled up.
    if overall <= DIVISOR_FLOOR * np.abs(mean).max():
        return shift, np.ones_like(mean)
    return shift, np.maximum(np.sqrt(square), DIVISOR_FLOOR * overall)


def _unit(blocks):
    """Returns shift and divisor of the kind "unit"."""
    least = largest = None
    for block in blocks:
        low, high = block.min(axis=0), block.max(axis=0)
        least = low if least is None else np.minimum(least, low)
        largest = high if largest is None else np.maximum(largest, high)
    moved = largest - least
    floor = DIVISOR_FLOOR * max(moved.max(), np.abs(least).max())
    return least, np.maximum(moved, floor) if floor else np.ones_like(moved)
