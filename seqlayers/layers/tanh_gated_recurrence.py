"""The tanh-gated unit as a recurrence; `tanh_gated` has the equations.

The gradient is that of a candidate that is tanh, with gates as in `GATES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops


@dataclass(frozen=True)
class TanhGatedRecurrence:
    """One step of the unit and its gradient. Frames are x V + b; rows the dropout of u', if any."""

    units: int
    gate: Callable = keras.activations.tanh
    activation: Callable = keras.activations.tanh

    GATES: ClassVar = {  # slopes, in terms of the value
        keras.activations.tanh: lambda y: 1 - y * y,
        keras.activations.sigmoid: lambda y: y * (1 - y),
    }
    frame_row_axis: ClassVar = 1
    state_row_axes: ClassVar = (0,)
    num_kept: ClassVar = 2  # z and r side by side, n
    num_extra: ClassVar = 0
    runs_again: ClassVar = False
    frame_kernel: ClassVar = None

    def step(self, weights, rows, frame, before):
        W_zr, W_n = weights
        (u,) = before
        v = u * rows[0] if rows else u
        x_zr, x_n = ops.split(frame[0], [2 * self.units], axis=-1)
        zr = self.gate(x_zr + ops.matmul(v, W_zr))  # (1)(2)
        z, r = ops.split(zr, 2, axis=-1)
        n = self.activation(x_n + ops.matmul(v * r, W_n))  # (3)
        return ((1 - z) * n + z * u,), (zr, n)  # (4)

    def transposed(self, weights):
        return tuple(map(ops.transpose, weights))

    def step_gradient(self, transposed, rows, frame, before, after, kept, d_after):
        W_zr, W_n = transposed
        (u,), (du,) = before, d_after
        v = u * rows[0] if rows else u
        zr, n = kept
        z, r = ops.split(zr, 2, axis=-1)
        d_n = du * (1 - z) * (1 - n * n)  # before the tanh
        d_vr = ops.matmul(d_n, W_n)
        d_zr = ops.concatenate([du * (u - n), d_vr * v], axis=-1) * self.GATES[self.gate](zr)
        d_v = d_vr * r + ops.matmul(d_zr, W_zr)
        d_before = du * z + (d_v * rows[0] if rows else d_v)
        return (ops.concatenate([d_zr, d_n], axis=-1),), (d_before,), ()

    def gradients(self, weights, rows, frames, before, after, kept, d_frames, extra):
        M = self.units
        v = before[0] * rows[0] if rows else before[0]
        vr = v * kept[0][..., M:]
        d_zr, d_n = ops.split(ops.reshape(d_frames[0], (-1, 3 * M)), [2 * M], axis=-1)
        v, vr = (ops.transpose(ops.reshape(x, (-1, M))) for x in (v, vr))
        return (ops.matmul(v, d_zr), ops.matmul(vr, d_n)), d_frames
