"""Keras's simple recurrent unit as a recurrence.

    u = tanh(x V + b + u' W)

V is `kernel`, W `recurrent_kernel`, b `bias` of `keras.layers.SimpleRNNCell`; a prime marks the
step before.
"""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops


@dataclass(frozen=True)
class SimpleRNNRecurrence:
    """One step of the unit and its gradient. Frames are x V + b."""

    units: int

    frame_row_axis: ClassVar = 1
    state_row_axes: ClassVar = (0,)
    num_kept: ClassVar = 0
    num_extra: ClassVar = 0
    runs_again: ClassVar = False
    frame_kernel: ClassVar = None

    def step(self, weights, rows, frame, before):
        return (ops.tanh(frame[0] + ops.matmul(before[0], weights[0])),), ()

    def transposed(self, weights):
        return ops.transpose(weights[0])

    def step_gradient(self, transposed, rows, frame, before, after, kept, d_after):
        (u,), (du,) = after, d_after
        d_sum = du * (1 - u * u)  # before the tanh
        return (d_sum,), (ops.matmul(d_sum, transposed),), ()

    def gradients(self, weights, rows, frames, before, after, kept, d_frames, extra):
        u, d_sum = (ops.reshape(x[0], (-1, self.units)) for x in (before, d_frames))
        return (ops.matmul(ops.transpose(u), d_sum),), d_frames
