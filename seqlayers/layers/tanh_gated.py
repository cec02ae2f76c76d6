"""The tanh-gated unit of the RNN-RBM on spectrograms.

    z = gate(x V_z + u' W_z + b_z)           (1)  update gate  [B, M]
    r = gate(x V_r + u' W_r + b_r)           (2)  reset gate   [B, M]
    n = tanh(x V_n + (u' * r) W_n + b_n)     (3)  candidate    [B, M]
    u = (1 - z) * n + z * u'                 (4)  output       [B, M]

These are the four lines of the paper's `build_rnn_layer_1`, in their order; the numbers are ours,
since it gives none. A prime marks the step before. V, W and b are `kernel`, `recurrent_kernel` and
`bias`, with columns in the order z, r, n, which is that of Keras.

The paper's gate is tanh. With it z < 0 is possible: u' is then taken away and n counts more than
once, so that u is not bounded by 1, and where z stays near -1 it grows from frame to frame. With
`gate_activation="sigmoid"` the unit is `keras.layers.GRU` with `reset_after=False`, and |u| <= 1.

Reference: S. A. Razzaq, an RNN-RBM for the unsupervised modelling of audio spectrograms.
"""

from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.layers.gated import GatedCell, GatedRNN
from seqlayers.layers.scan import scan


@keras.saving.register_keras_serializable("seqlayers")
class TanhGatedCell(GatedCell):
    """One step of a gated unit whose gates are tanh, as published, or another function.

    Args:
        units: Size M of the output u.
        gate_activation: Activation of both gates: `"tanh"` is the paper's, `"sigmoid"` the safe
            one.
        **kwargs: Those of `keras.layers.SimpleRNNCell`: `activation` (of the candidate),
            `use_bias`, initializers, regularizers and constraints, `dropout`, `recurrent_dropout`
            and their `seed`.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: u, `(batch, M)`, in a list.

    Returns:
        u and the list of the state after the frame.

    Raises:
        ValueError: naming the argument that is wrong.

    Example:
        >>> keras.layers.RNN(TanhGatedCell(8))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """

    state_names = ("u",)
    fixed = ("recurrent_activation", "unit_forget_bias")
    why_fixed = "`gate_activation` is that of its gates, and no gate of it is to start open"

    def __init__(self, units, gate_activation="tanh", **kwargs):
        self._check_fixed(kwargs)
        super().__init__(check_integer("units", units), gate_activation, False, **kwargs)
        self.state_size = [self.units]

    @property
    def gate_activation(self):
        return self.recurrent_activation

    def build(self, input_shape):
        self._add_weights(input_shape, 3 * self.units)

    def call(self, inputs, states, training=False):
        M, gate, activation = self.units, self.gate_activation, self.activation
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        u = ops.cast(states[0], self.memory_dtype)
        (dropout,) = self._rows(states, training) or (1,)
        W_zr, W_n = self._weights()
        x_zr, x_n = ops.split(self.project(inputs), [2 * M], axis=-1)
        z, r = ops.split(gate(x_zr + ops.matmul(u * dropout, W_zr)), 2, axis=-1)  # (1)(2)
        n = activation(x_n + ops.matmul(u * r * dropout, W_n))  # (3)
        u = (1 - z) * n + z * u  # (4)
        return ops.cast(u, self.compute_dtype), [ops.cast(u, states[0].dtype)]

    def _weights(self):
        """W of both gates, and W of the candidate."""
        W = ops.cast(self.recurrent_kernel, self.memory_dtype)
        return tuple(ops.split(W, [2 * self.units], axis=-1))

    def _rows(self, states, training):
        """The dropout of u' on its way into the gates and the candidate, if any."""
        if not (training and self.recurrent_dropout):
            return ()
        return (ops.cast(self.get_recurrent_dropout_mask(states[0]), self.memory_dtype),)

    # All frames at once.

    def can_scan(self):
        return (
            self.activation is keras.activations.tanh
            and self.gate_activation in TanhGatedRecurrence.GATES
        )

    def scan(self, sequences, states, mask, training, jit_compile):
        if training and self.dropout:
            sequences = sequences * self.get_dropout_mask(sequences[0])
        time, _, features = ops.shape(sequences)
        x = self.project(ops.reshape(sequences, (-1, features)))
        outputs, states = scan(
            TanhGatedRecurrence(self.units, self.gate_activation),
            self._weights(),
            self._rows(states, training),
            (ops.reshape(x, (time, -1, 3 * self.units)),),
            tuple(ops.cast(s, self.memory_dtype) for s in states),
            mask,
            training,
            jit_compile,
        )
        return outputs, list(states)

    def get_config(self):
        gate_activation = keras.activations.serialize(self.gate_activation)
        return super().get_config() | {"gate_activation": gate_activation}


@dataclass(frozen=True)
class TanhGatedRecurrence:
    """The step of the cell above for `scan`. Frames are x V + b; rows the dropout of u'."""

    units: int
    gate: object

    GATES: ClassVar = {  # slopes, in terms of the value
        keras.activations.tanh: lambda y: 1 - y * y,
        keras.activations.sigmoid: lambda y: y * (1 - y),
    }
    state_row_axes: ClassVar = (0,)
    num_kept: ClassVar = 2  # z and r side by side, n
    num_extra: ClassVar = 0

    def step(self, weights, rows, frame, before):
        W_zr, W_n = weights
        (u,) = before
        v = u * rows[0] if rows else u
        x_zr, x_n = ops.split(frame[0], [2 * self.units], axis=-1)
        zr = self.gate(x_zr + ops.matmul(v, W_zr))
        z, r = ops.split(zr, 2, axis=-1)
        n = ops.tanh(x_n + ops.matmul(v * r, W_n))
        return ((1 - z) * n + z * u,), (zr, n)

    def step_gradient(self, weights, rows, frame, before, after, kept, d_after):
        W_zr, W_n = weights
        (u,), (du,) = before, d_after
        v = u * rows[0] if rows else u
        zr, n = kept
        z, r = ops.split(zr, 2, axis=-1)
        d_n = du * (1 - z) * (1 - n * n)  # before the tanh
        d_vr = ops.matmul(d_n, ops.transpose(W_n))
        d_zr = ops.concatenate([du * (u - n), d_vr * v], axis=-1) * self.GATES[self.gate](zr)
        d_v = d_vr * r + ops.matmul(d_zr, ops.transpose(W_zr))
        d_before = du * z + (d_v * rows[0] if rows else d_v)
        return (ops.concatenate([d_zr, d_n], axis=-1),), (d_before,), ()

    def weight_gradients(self, weights, rows, before, after, kept, d_frames, extra):
        M = self.units
        v = before[0] * rows[0] if rows else before[0]
        vr = v * kept[0][..., M:]
        d_zr, d_n = ops.split(ops.reshape(d_frames[0], (-1, 3 * M)), [2 * M], axis=-1)
        v, vr = (ops.transpose(ops.reshape(x, (-1, M))) for x in (v, vr))
        return ops.matmul(v, d_zr), ops.matmul(vr, d_n)


@keras.saving.register_keras_serializable("seqlayers")
class TanhGated(GatedRNN, cell=TanhGatedCell):
    """A layer of units whose gates are tanh, in all else like `keras.layers.LSTM`.

    Example:
        >>> TanhGated(8, return_sequences=True)(np.zeros((2, 10, 3))).shape
        TensorShape([2, 10, 8])
    """
