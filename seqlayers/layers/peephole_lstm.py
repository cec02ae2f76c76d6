"""LSTM with diagonal peepholes, and with a projection of its output (LSTMP).

    i = sigmoid(x V_i + r' W_i + c' * p_i + b_i)    (3)  input gate    [B, M]
    f = sigmoid(x V_f + r' W_f + c' * p_f + b_f)    (4)  forget gate   [B, M]
    a = tanh(x V_c + r' W_c + b_c)                  (5)  cell input    [B, M]
    c = f * c' + i * a                              (6)  memory cells  [B, M]
    o = sigmoid(x V_o + r' W_o + c * p_o + b_o)     (7)  output gate   [B, M]
    h = o * tanh(c)                                 (8)                [B, M]
    r = h P, or h where there is no projection           output        [B, R]

Numbers are those of Li and Wu. A prime marks the step before. V, W and b are `kernel`,
`recurrent_kernel` and `bias`, with columns in the order i, f, c, o, which is that of Keras; the
rows of `peephole_kernel` are p_i, p_f, p_o, and P is `projection_kernel`.

The projection is the recurrent one of Sak, Senior and Beaufays, linear and without bias. Their
second projection, which is not fed back, is a `Dense` layer beside it. Nothing is clipped: neither
the memory cells nor the projection, as `cell_clip` and `proj_clip` do elsewhere.

References: X. Li and X. Wu, Long Short-Term Memory based Convolutional Recurrent Neural Networks
for Large Vocabulary Speech Recognition, Interspeech 2015. H. Sak, A. Senior and F. Beaufays, Long
Short-Term Memory Recurrent Neural Network Architectures for Large Scale Acoustic Modeling,
Interspeech 2014.
"""

from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.layers.gated import GatedCell, GatedRNN
from seqlayers.layers.scan import scan


@keras.saving.register_keras_serializable("seqlayers")
class PeepholeLSTMCell(GatedCell):
    """One step of an LSTM whose gates see its memory cells.

    With peepholes of zero and without projection it is `keras.layers.LSTMCell`.

    Args:
        units: Number M of memory cells.
        projection_units: Size R of the output, projected; None for no projection and R = M.
        **kwargs: Those of `keras.layers.LSTMCell`. Initializer, regularizer and constraint of
            `recurrent_kernel` are those of `peephole_kernel`, too, and those of `kernel` those of
            `projection_kernel`.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: r `(batch, R)` and c `(batch, M)`.

    Returns:
        r and the list of the states after the frame.

    Raises:
        ValueError: naming the argument that is wrong.

    Example:
        >>> keras.layers.RNN(PeepholeLSTMCell(8, projection_units=4))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 4])
    """

    state_names = ("r", "c")

    def __init__(self, units, projection_units=None, **kwargs):
        super().__init__(check_integer("units", units), **kwargs)
        if projection_units is not None:
            projection_units = check_integer("projection_units", projection_units)
        self.projection_units = projection_units
        self.output_size = projection_units or self.units
        self.state_size = [self.output_size, self.units]

    def build(self, input_shape):
        M, R = self.units, self.projection_units or self.units
        kernel = {
            "initializer": self.kernel_initializer,
            "regularizer": self.kernel_regularizer,
            "constraint": self.kernel_constraint,
        }
        recurrent = {
            "initializer": self.recurrent_initializer,
            "regularizer": self.recurrent_regularizer,
            "constraint": self.recurrent_constraint,
        }
        self._add_weights(input_shape, 4 * M, recurrent_rows=R)
        self.projection_kernel = None
        self.peephole_kernel = self.add_weight(name="peephole_kernel", shape=(3, M), **recurrent)
        if self.projection_units:
            self.projection_kernel = self.add_weight(
                name="projection_kernel", shape=(M, R), **kernel
            )

    def _initial_bias(self, shape, dtype=None):
        if not self.unit_forget_bias:
            return self.bias_initializer(shape, dtype=dtype)
        M = self.units
        i, c_o = (self.bias_initializer((size,), dtype=dtype) for size in (M, 2 * M))
        return ops.concatenate([i, ops.ones((M,), dtype=dtype), c_o])

    def project(self, inputs):
        """x V, `(batch, 4 M)`."""
        return ops.matmul(inputs, self.kernel)

    def call(self, inputs, states, training=False):
        r, c = states
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout:
            r = r * self.get_recurrent_dropout_mask(r)
        return self.step(self.project(inputs), r, c)

    def step(self, x, r, c):
        """The output and the states after a frame, of which `x` is x V."""
        gate, activation = self.recurrent_activation, self.activation
        p_i, p_f, p_o = ops.unstack(ops.cast(self.peephole_kernel, c.dtype), 3)
        x = x + ops.matmul(r, self.recurrent_kernel)
        i, f, a, o = ops.split(x if self.bias is None else x + self.bias, 4, axis=-1)
        i = gate(i + c * p_i)  # (3)
        f = gate(f + c * p_f)  # (4)
        c = f * c + i * activation(a)  # (5)(6)
        o = gate(o + c * p_o)  # (7)
        h = o * activation(c)  # (8)
        r = h if self.projection_kernel is None else ops.matmul(h, self.projection_kernel)
        return r, [r, c]

    # All frames at once.

    def can_scan(self):
        return (
            self.activation is keras.activations.tanh
            and self.recurrent_activation is keras.activations.sigmoid
        )

    def scan(self, sequences, states, mask, training, jit_compile):
        if training and self.dropout:
            sequences = sequences * self.get_dropout_mask(sequences[0])
        rows = ()
        if training and self.recurrent_dropout:
            rows = (self.get_recurrent_dropout_mask(states[0]),)
        time, _, features = ops.shape(sequences)
        frames = self.project(ops.reshape(sequences, (-1, features)))
        frames = ops.reshape(frames, (time, -1, 4 * self.units))
        return self.scan_projected(frames, rows, states, mask, training, jit_compile)

    def scan_projected(self, frames, rows, states, mask, training, jit_compile):
        """`scan` of x V `(time, batch, 4 M)`. `rows` holds the dropout of r', if any."""
        b = ops.zeros((4 * self.units,)) if self.bias is None else self.bias
        weights = [self.recurrent_kernel, b, self.peephole_kernel]
        if self.projection_kernel is not None:
            weights.append(self.projection_kernel)
        weights, states = (
            tuple(ops.cast(x, frames.dtype) for x in tensors) for tensors in (weights, states)
        )
        recurrence = PeepholeLSTMRecurrence(self.units, self.projection_units)
        outputs, states = scan(
            recurrence, weights, rows, (frames,), states, mask, training, jit_compile
        )
        return outputs, list(states)

    def get_config(self):
        return super().get_config() | {"projection_units": self.projection_units}


@dataclass(frozen=True)
class PeepholeLSTMRecurrence:
    """The step of the cell above for `scan`. Frames are x V; rows the dropout of r', if any."""

    units: int
    projection_units: int | None

    state_row_axes: ClassVar = (0, 0)
    num_kept: ClassVar = 5  # i, f, a, o, tanh(c): joined in one array they cost a third more time

    @property
    def num_extra(self):  # the gradient of r
        return int(self.projection_units is not None)

    def step(self, weights, rows, frame, before):
        W, b, p, *P = weights
        r, c = before
        x = frame[0] + ops.matmul(r * rows[0] if rows else r, W) + b
        i, f, a, o = ops.split(x, 4, axis=-1)
        i = ops.sigmoid(i + c * p[0])
        f = ops.sigmoid(f + c * p[1])
        a = ops.tanh(a)
        c = f * c + i * a
        o = ops.sigmoid(o + c * p[2])
        tanh_c = ops.tanh(c)
        h = o * tanh_c
        return (ops.matmul(h, P[0]) if P else h, c), (i, f, a, o, tanh_c)

    def step_gradient(self, weights, rows, frame, before, after, kept, d_after):
        W, _, p, *P = weights
        dr, dc = d_after
        i, f, a, o, tanh_c = kept
        dh = ops.matmul(dr, ops.transpose(P[0])) if P else dr
        d_o = dh * tanh_c * o * (1 - o)  # before the sigmoid
        dc = dc + dh * o * (1 - tanh_c * tanh_c) + d_o * p[2]
        d_i = dc * a * i * (1 - i)
        d_f = dc * before[1] * f * (1 - f)
        d_a = dc * i * (1 - a * a)
        d_x = ops.concatenate([d_i, d_f, d_a, d_o], axis=-1)
        dr_before = ops.matmul(d_x, ops.transpose(W))
        dc = dc * f + d_i * p[0] + d_f * p[1]
        return (d_x,), (dr_before * rows[0] if rows else dr_before, dc), (dr,) if P else ()

    def weight_gradients(self, weights, rows, before, after, kept, d_frames, extra):
        M, R = self.units, self.projection_units or self.units
        r = before[0] * rows[0] if rows else before[0]
        d_x = ops.reshape(d_frames[0], (-1, 4 * M))
        dW = ops.matmul(ops.transpose(ops.reshape(r, (-1, R))), d_x)
        c_before, c = (ops.reshape(stack[1], (-1, M)) for stack in (before, after))
        d_i, d_f, _, d_o = ops.split(d_x, 4, axis=-1)
        dp = [ops.sum(d * seen, axis=0) for d, seen in ((d_i, c_before), (d_f, c_before), (d_o, c))]
        gradients = (dW, ops.sum(d_x, axis=0), ops.stack(dp))
        if self.projection_units is None:
            return gradients
        h = ops.reshape(kept[3] * kept[4], (-1, M))
        dP = ops.matmul(ops.transpose(h), ops.reshape(extra[0], (-1, R)))
        return (*gradients, dP)


@keras.saving.register_keras_serializable("seqlayers")
class PeepholeLSTM(GatedRNN, cell=PeepholeLSTMCell):
    """An LSTM whose gates see its memory cells, in all else like `keras.layers.LSTM`.

    Example:
        >>> PeepholeLSTM(8, projection_units=4, return_sequences=True)(np.zeros((2, 10, 3))).shape
        TensorShape([2, 10, 4])
    """
