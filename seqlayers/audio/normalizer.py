"""Frames brought to a common size, and back."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from seqlayers.audio.spectra import as_float32, check_finite
from seqlayers.checks import check_choice, check_sequence, check_sequences
from seqlayers.files import write_atomically

DIVISOR_FLOOR = 1e-7  # of a bin's divisor, in parts of that of all bins: the rounding of float32


@dataclasses.dataclass(frozen=True, eq=False)
class Normalizer:
    """Brings frames to a common size, (frames - shift) / divisor, and back again.

    In a graph, `keras.layers.Normalization(mean=shift, variance=divisor**2)` does the same, as long
    as no divisor is below Keras's epsilon, 1e-7.

    Args:
        shift: Floats `(F,)` that are taken away, one for each bin.
        divisor: Floats `(F,)`, all positive.

    Raises:
        ValueError: If an argument is not as above.

    Example:
        >>> normalizer = Normalizer.fit([np.array([[1.0, 7.0], [3.0, 7.0]])])
        >>> normalizer.normalize([[4.0, 7.0]])
        array([[2., 0.]], dtype=float32)
    """

    shift: Any
    divisor: Any

    def __post_init__(self):
        shape = np.shape(self.shift)
        for name in ("shift", "divisor"):
            values = check_finite(name, getattr(self, name)).astype("float64")
            if values.ndim != 1 or not len(values) or values.shape != shape:
                raise ValueError(
                    "`shift` and `divisor` must each be an array `(F,)`. "
                    f"Received: shapes {shape} and {np.shape(self.divisor)}."
                )
            object.__setattr__(self, name, values)
        if self.divisor.astype("float32").min() <= 0:
            raise ValueError(
                "`divisor` must be positive in float32. "
                f"Received: {self.divisor.min():g} in bin {self.divisor.argmin()}."
            )

    @classmethod
    def fit(cls, frames, kind="standard", per_bin=True):
        """Finds shift and divisor, in one pass and memory that does not grow with it.

            divisor^2 = mean of (frames - shift)^2

        No bin's divisor is below `DIVISOR_FLOOR` times the root mean square of them all. So a bin
        that never moves becomes constant, and the noise of a model does not make it loud once it is
        restored. A recording in which it does move is far out there: of such bins, train on more
        or leave them out. If no bin moves, divisors are 1.

        Args:
            frames: Arrays `(T, F)`, as a list, a generator or a `tf.data.Dataset` of them.
            kind: `"standard"` to make the mean 0 and the variance 1; `"scale"` to make the mean
                square 1 without a shift, so that amplitudes stay positive, as gamma units
                want them.
            per_bin: Whether each bin has numbers of its own; otherwise all have the same.

        Returns:
            `Normalizer`.

        Raises:
            ValueError: If an argument is not as above, or there are no frames.
        """
        check_choice("kind", kind, ("standard", "scale"))
        count, mean, squares = 0, np.zeros(()), np.zeros(())
        for n, block in enumerate(frames):
            features = mean.shape[0] if count else None
            block = check_sequence(block, features, f"frames[{n}]").astype("float64")
            own, total = block.mean(axis=0), count + len(block)
            # `squares` are sums of (frames - mean)^2, which lose no digits to a large mean.
            squares = squares + np.square(block - own).sum(axis=0)
            squares = squares + np.square(own - mean) * (count * len(block) / total)
            mean = mean + (own - mean) * (len(block) / total)
            count = total
        if not count:
            raise ValueError("`frames` must hold at least one array. Received: none.")
        shift = np.zeros_like(mean)
        if kind == "standard":
            shift = mean if per_bin else np.full_like(mean, mean.mean())
        square = squares / count + np.square(mean - shift)  # mean of (frames - shift)^2
        overall = np.sqrt(square.mean())
        # Rounding may leave constants some deviation, which is no reason to blow them up.
        if overall <= 1e-7 * np.abs(mean).max():
            return cls(shift, np.ones_like(mean))
        own = np.sqrt(square) if per_bin else np.full_like(mean, overall)
        return cls(shift, np.maximum(own, DIVISOR_FLOOR * overall))

    def normalize(self, frames):
        """(frames - shift) / divisor.

        Args:
            frames: Floats `(..., F)`.

        Returns:
            float32 array `(..., F)`.

        Raises:
            ValueError: If the argument is not as above.
        """
        return self._moved(frames, lambda x: (x - self.shift) / self.divisor)

    def restore(self, frames):
        """frames * divisor + shift: `normalize` backwards, but for rounding."""
        return self._moved(frames, lambda x: x * self.divisor + self.shift)

    def get_config(self):
        """Lists of floats, for JSON."""
        return {"shift": self.shift.tolist(), "divisor": self.divisor.tolist()}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def save(self, path):
        """Writes a JSON file that `load` reads, all of it or nothing.

        Raises:
            OSError: If the file cannot be written; an older one is untouched then.
        """
        config = {"class": type(self).__name__} | self.get_config()
        write_atomically(path, json.dumps(config).encode())

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote, bit for bit.

        Raises:
            ValueError: If the file is damaged or holds something else. Names the file.
            OSError: If there is no such file or it may not be read.
        """
        try:
            config = json.loads(Path(path).read_bytes())
            name = config.pop("class", cls.__name__)
            if name != cls.__name__:
                raise ValueError(f"it holds a {name}.")
            return cls.from_config(config)
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{os.fspath(path)}: not a file of a {cls.__name__}, or a damaged one: {error}"
            ) from error

    def _moved(self, frames, move):
        frames = check_finite("frames", frames)
        if frames.shape[-1] != len(self.shift):
            raise ValueError(
                f"`frames` must have {len(self.shift)} bins. Received: shape {frames.shape}."
            )
        return as_float32("frames", move(frames))


class UnitNormalizer(Normalizer):
    """Brings frames between 0 and 1, as Bernoulli units want them.

        clip((frames - least) / (largest - least), 0, 1)

    Fit it to what is trained on; what others have beyond that is clipped. Arguments, saving and
    loading are those of `Normalizer`, with the least values as `shift`.

    Example:
        >>> normalizer = UnitNormalizer.fit([np.array([[1.0, 7.0], [3.0, 7.0]])])
        >>> normalizer.normalize([[2.0, 7.0], [9.0, 8.0]])
        array([[0.5, 0. ],
               [1. , 1. ]], dtype=float32)
    """

    @classmethod
    def fit(cls, frames, kind="unit", per_bin=True):
        """Finds the least and the largest values, in one pass and memory that does not grow.

        As in `Normalizer.fit`, a bin that never moves becomes constant, 0 here.

        Args:
            frames: Arrays `(T, F)`, as a list, a generator or a `tf.data.Dataset` of them.
            kind: `"unit"`, the only one.
            per_bin: Whether each bin has numbers of its own; otherwise all have the same.

        Returns:
            `UnitNormalizer`.

        Raises:
            ValueError: If an argument is not as above, or there are no frames.
        """
        check_choice("kind", kind, ("unit",))
        least = largest = None
        for n, block in enumerate(frames):
            features = None if least is None else len(least)
            block = check_sequence(block, features, f"frames[{n}]").astype("float64")
            low, high = block.min(axis=0), block.max(axis=0)
            least = low if least is None else np.minimum(least, low)
            largest = high if largest is None else np.maximum(largest, high)
        if least is None:
            raise ValueError("`frames` must hold at least one array. Received: none.")
        if not per_bin:
            least, largest = np.full_like(least, least.min()), np.full_like(least, largest.max())
        moved = largest - least
        floor = DIVISOR_FLOOR * max(moved.max(), np.abs(least).max())
        return cls(least, np.maximum(moved, floor) if floor else np.ones_like(moved))

    def normalize(self, frames):
        return np.clip(super().normalize(frames), 0, 1)


def normalize(sequences, groups=None):
    """Gives each feature mean 0 and variance 1, in each sequence or in each group of them.

    Args:
        sequences: List of arrays `(T, F)`.
        groups: For each sequence what group it is of, such as its speaker; the frames of a group
            are normalised together. Each sequence is a group of its own if None.

    Returns:
        List of float32 arrays `(T, F)`. A feature that never changes is 0.

    Raises:
        ValueError: If the lists are not as above.

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
        mean, deviation = mean_and_deviation([sequences[n] for n in indices])
        for n in indices:
            normalized[n] = ((sequences[n] - mean) / deviation).astype("float32")
    return normalized


def mean_and_deviation(sequences):
    """Mean and standard deviation of each feature over all frames, to normalise later ones by.

    Args:
        sequences: List of arrays `(T, F)`.

    Returns:
        Two float64 arrays `(F,)`. The deviation of a feature that never changes is said to be 1.

    Raises:
        ValueError: If the list is not as above.

    Example:
        >>> mean, deviation = mean_and_deviation([np.array([[1.0, 7.0], [3.0, 7.0]])])
        >>> mean.tolist(), deviation.tolist()
        ([2.0, 7.0], [1.0, 1.0])
    """
    frames = np.concatenate(check_sequences(sequences)).astype("float64")
    mean, deviation = frames.mean(axis=0), frames.std(axis=0)
    # Rounding may leave a constant some deviation, which is no reason to blow it up.
    return mean, np.where(deviation > 1e-7 * np.abs(mean), deviation, 1.0)
