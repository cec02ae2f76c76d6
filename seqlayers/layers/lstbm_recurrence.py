"""LSTBM and the hidden units of temporal RBMs as recurrences; `lstbm` has the equations."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops


def drawn(means, u, lowest=0):
    """Returns units of `lowest` and 1 with these means: 1 where u is below its probability.

    Their gradient is that of the means; the term that brings it is 0.
    """
    ones = ops.cast(u < (means - lowest) / (1 - lowest), means.dtype)
    return lowest + (1 - lowest) * ones + (means - ops.stop_gradient(means))


@dataclass(frozen=True)
class BoltzmannRecurrence:
    """One step of the hidden units of a temporal RBM and its gradient.

    Frames are x W + b and, where units are drawn, uniform numbers. Rows are the dropout of h', if
    any.
    """

    units: int

    frame_row_axis: ClassVar = 1
    state_row_axes: ClassVar[tuple[int, ...]] = (0,)
    num_kept: ClassVar = 1  # the mean of h
    num_extra: ClassVar = 0
    runs_again: ClassVar = False
    frame_kernel: ClassVar = None

    def step(self, weights, rows, frame, before):
        mean = ops.sigmoid(self.logits(weights, rows, frame, before))  # of (7)(8)
        h = drawn(mean, frame[1]) if len(frame) > 1 else mean
        return (h,), (mean,)

    def transposed(self, weights):
        return ops.transpose(weights[0])

    def step_gradient(self, transposed, rows, frame, before, after, kept, d_after):
        d_y = d_after[0] * kept[0] * (1 - kept[0])
        return self.d_frame(d_y, frame), (self.d_output(d_y, transposed, rows),), ()

    @staticmethod
    def logits(weights, rows, frame, before):
        """Returns x W + h' U + b."""
        h = before[0] * rows[0] if rows else before[0]
        return frame[0] + ops.matmul(h, weights[0])

    @staticmethod
    def d_frame(d_y, frame):
        """Returns the gradients of a frame from that of the logits; uniform numbers have none."""
        return (d_y, *(ops.zeros_like(u) for u in frame[1:]))

    @staticmethod
    def d_output(d_y, transposed, rows):
        """Returns the gradient of h' from that of the logits."""
        d_h = ops.matmul(d_y, transposed)
        return d_h * rows[0] if rows else d_h

    def gradients(self, weights, rows, frames, before, after, kept, d_frames, extra):
        h = before[0] * rows[0] if rows else before[0]
        h = ops.reshape(h, (-1, self.units))
        d_y = ops.reshape(d_frames[0], (-1, d_frames[0].shape[-1]))
        return (ops.matmul(ops.transpose(h), d_y),), d_frames


@dataclass(frozen=True)
class LSTBMRecurrence(BoltzmannRecurrence):
    """One step of the LSTBM and its gradient. Frames and rows are as in `BoltzmannRecurrence`."""

    variant: str

    frame_row_axis: ClassVar = 1
    state_row_axes: ClassVar[tuple[int, ...]] = (0, 0)

    @property
    def num_kept(self):  # the means of f, i, o and g, and tanh(c)
        return 5 if self.variant == "lstm" else 4

    def step(self, weights, rows, frame, before):
        c = before[1]
        f, i, o, g = ops.split(self.logits(weights, rows, frame, before), 4, axis=-1)
        g = ops.tanh(g) if self.variant == "lstm" else ops.sigmoid(g)
        means = (ops.sigmoid(f), ops.sigmoid(i), ops.sigmoid(o), g)  # (18)-(21)
        f, i, o, g = self.hidden_units(means, frame)
        c = c * f + g * i  # (10)
        if self.variant == "paper":
            return (ops.sigmoid(c * o), c), means  # (11)
        tanh_c = ops.tanh(c)
        return (o * tanh_c, c), (*means, tanh_c)

    def hidden_units(self, means, frame):
        """Returns f, i, o and g: their means, or draws where the frame has uniform numbers."""
        if len(frame) == 1:
            return means
        u = ops.split(frame[1], 4, axis=-1)
        lowest = (0, 0, 0, -1 if self.variant == "lstm" else 0)
        return tuple(map(drawn, means, u, lowest))

    def step_gradient(self, transposed, rows, frame, before, after, kept, d_after):
        (h, c), (dh, dc), means = after, d_after, kept[:4]
        f, i, o, g = self.hidden_units(means, frame)
        if self.variant == "paper":
            d_c_o = dh * h * (1 - h)
            d_o = d_c_o * c
            dc = dc + d_c_o * o
        else:
            tanh_c = kept[4]
            d_o = dh * tanh_c
            dc = dc + dh * o * (1 - tanh_c * tanh_c)
        slopes = [p * (1 - p) for p in means]
        if self.variant == "lstm":
            slopes[3] = 1 - means[3] * means[3]
        d_units = (dc * before[1], dc * g, d_o, dc * i)
        d_y = ops.concatenate([d * s for d, s in zip(d_units, slopes, strict=True)], axis=-1)
        return self.d_frame(d_y, frame), (self.d_output(d_y, transposed, rows), dc * f), ()
