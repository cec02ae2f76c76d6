"""Transposition of training sequences, with the shift as an input of the head.

    s drawn from low .. high                  for each row of a training step
    v'_{t,i} = v_{t,i-s}                      the frames that the memory reads and the head learns
    context_t = [memory(v'_1 .. v'_{t-1}), one-hot of s]

In scores, draws and exports s is 0: what is learned of other keys helps, and the head need not
average over them.
"""

from typing import NamedTuple

from keras import ops

from seqlayers.checks import check_integer
from seqlayers.masks import without_masked
from seqlayers.sampling import uniform


class Transposition(NamedTuple):
    """The smallest and the largest shift, in visible units (keys, so semitones)."""

    low: int
    high: int

    @classmethod
    def of(cls, memory, head, transpose):
        """Returns the argument `transpose` of `SequenceModel`, checked; None if it is None.

        Raises:
            ValueError: If `transpose` is no pair of integers with 0 between them, the model has no
                memory, or the visible units are not binary.
        """
        if transpose is None:
            return None
        if memory is None or head.visibles != "bernoulli":
            raise ValueError(
                "`transpose` must be None without a memory, to whose context the shift is added, "
                "and for visible units that are not binary. Received: "
                f"transpose={transpose!r}, memory={memory!r}, visibles={head.visibles!r}."
            )
        try:
            low, high = transpose
            most = head.visible_units - 1
            low = check_integer("transpose", low, -most, 0)
            return cls(low, check_integer("transpose", high, 0, most))
        except (TypeError, ValueError) as error:
            raise ValueError(
                "`transpose` must be a pair of integers, the lowest shift, at most 0, and the "
                f"highest one, at least 0, both less than {head.visible_units} units. "
                f"Received: transpose={transpose!r}."
            ) from error

    @property
    def num_shifts(self):
        """Number of shifts, the length of the one-hot."""
        return self.high - self.low + 1

    def one_hot(self, shift, dtype):
        """Returns the one-hot of shifts `(batch,)`, `(batch, num_shifts)`."""
        return ops.one_hot(shift - self.low, self.num_shifts, dtype=dtype)

    def draw(self, frames, mask, seeds):
        """Shifts each row by a number drawn among those that lose no unit.

        Args:
            frames: `(batch, time, V)`.
            mask: Which steps are frames, bool `(batch, time)`; all if None.
            seeds: A seed for each row, int32 `(batch, 2)`.

        Returns:
            The shifted frames, and the shifts, int32 `(batch,)`.
        """
        V = frames.shape[-1]
        sounds = ops.any(without_masked(frames, mask) > 0, axis=1)
        sounds = ops.cast(sounds, "int32")  # [B, V]
        # Where nothing sounds, these are the ends, and the shift is 0.
        lowest = ops.argmax(sounds, axis=-1)
        room_above = ops.argmax(ops.flip(sounds, axis=-1), axis=-1)
        low = ops.maximum(self.low, -ops.cast(lowest, "int32"))
        high = ops.minimum(self.high, ops.cast(room_above, "int32"))
        u = uniform((ops.shape(frames)[0], 1), seeds)[:, 0]
        number = ops.floor(u * ops.cast(high - low + 1, "float32"))
        shift = low + ops.cast(number, "int32")
        source = (ops.arange(V) - shift[:, None]) % V  # [B, V]
        source = ops.broadcast_to(source[:, None], ops.shape(frames))
        return ops.take_along_axis(frames, source, axis=-1), shift
