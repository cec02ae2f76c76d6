"""LSTM with peepholes and a projection as a recurrence; `peephole_lstm` has the equations.

The gradient is that of tanh, with gates that are sigmoids.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops


@dataclass(frozen=True)
class PeepholeLSTMRecurrence:
    """One step of the LSTM and its gradient. Frames are x; rows the dropout of r', if any.

    Each step computes its own x V: that of all frames would take four times the memory of the
    outputs, and reading it step by step is slower.
    """

    units: int
    projection_units: int | None
    activation: Callable = keras.activations.tanh
    recurrent_activation: Callable = keras.activations.sigmoid
    runs_again: bool = False

    frame_row_axis: ClassVar = 1
    frame_kernel: ClassVar = None
    state_row_axes: ClassVar = (0, 0)
    num_kept: ClassVar = 4  # i, f, a, o: joined in one array they cost a third more time

    @property
    def num_extra(self):  # the gradient of r
        return int(self.projection_units is not None)

    def step(self, weights, rows, frame, before):
        gate, activation = self.recurrent_activation, self.activation
        V, W, b, p, *P = weights
        r, c = before
        x = ops.matmul(frame[0], V) + ops.matmul(r * rows[0] if rows else r, W) + b
        i, f, a, o = ops.split(x, 4, axis=-1)
        i = gate(i + c * p[0])  # (3)
        f = gate(f + c * p[1])  # (4)
        a = activation(a)  # (5)
        c = f * c + i * a  # (6)
        o = gate(o + c * p[2])  # (7)
        h = o * activation(c)  # (8)
        return (ops.matmul(h, P[0]) if P else h, c), (i, f, a, o)

    def transposed(self, weights):
        _, W, _, p, *P = weights
        return ops.transpose(W), p, *map(ops.transpose, P)

    def step_gradient(self, transposed, rows, frame, before, after, kept, d_after):
        W, p, *P = transposed
        dr, dc = d_after
        i, f, a, o = kept
        tanh_c = ops.tanh(after[1])
        dh = ops.matmul(dr, P[0]) if P else dr
        d_o = dh * tanh_c * o * (1 - o)  # before the sigmoid
        dc = dc + dh * o * (1 - tanh_c * tanh_c) + d_o * p[2]
        d_i = dc * a * i * (1 - i)
        d_f = dc * before[1] * f * (1 - f)
        d_a = dc * i * (1 - a * a)
        d_y = ops.concatenate([d_i, d_f, d_a, d_o], axis=-1)
        dr_before = ops.matmul(d_y, W)
        dr_before = dr_before * rows[0] if rows else dr_before
        dc = dc * f + d_i * p[0] + d_f * p[1]
        return (d_y,), (dr_before, dc), (dr,) if P else ()

    def gradients(self, weights, rows, frames, before, after, kept, d_frames, extra):
        M, R = self.units, self.projection_units or self.units
        r = before[0] * rows[0] if rows else before[0]
        d_y = ops.reshape(d_frames[0], (-1, 4 * M))
        x, r = (ops.reshape(stack, (-1, ops.shape(stack)[-1])) for stack in (frames[0], r))
        dV, dW = (ops.matmul(ops.transpose(seen), d_y) for seen in (x, r))
        d_x = ops.reshape(ops.matmul(d_y, ops.transpose(weights[0])), ops.shape(frames[0]))
        c_before, c = (ops.reshape(stack[1], (-1, M)) for stack in (before, after))
        d_i, d_f, _, d_o = ops.split(d_y, 4, axis=-1)
        dp = [ops.sum(d * seen, axis=0) for d, seen in ((d_i, c_before), (d_f, c_before), (d_o, c))]
        gradients = (dV, dW, ops.sum(d_y, axis=0), ops.stack(dp))
        if self.projection_units is None:
            return gradients, (d_x,)
        h = ops.reshape(kept[3], (-1, M)) * ops.tanh(c)
        dP = ops.matmul(ops.transpose(h), ops.reshape(extra[0], (-1, R)))
        return (*gradients, dP), (d_x,)
