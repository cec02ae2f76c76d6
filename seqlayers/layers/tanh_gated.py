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

from typing import Any

import keras
from keras import ops

from seqlayers.layers.gated import GatedCell, GatedRNN
from seqlayers.layers.tanh_gated_recurrence import TanhGatedRecurrence


@keras.saving.register_keras_serializable("seqlayers")
class TanhGatedCell(GatedCell, equations=__doc__):
    """One step of a gated unit whose gates are tanh, as published, or another function.

    Args:
        units: Size M of the output u.
        gate_activation: Activation of both gates: `"tanh"` is the paper's, `"sigmoid"` the safe
            one.
        activation: Activation of the candidate.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: u `(batch, M)`.
        training: Whether to apply dropout.

    Returns:
        u and the list of the state after the frame.

    Raises:
        ValueError: If `units` is not an integer of at least 1, or an activation is unknown.

    Example:
        >>> keras.layers.RNN(TanhGatedCell(8))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 8])
    """

    state_names = ("u",)
    fixed = ("recurrent_activation", "unit_forget_bias")
    why_fixed = "`gate_activation` sets its gates, and none of them starts open"

    def __init__(self, units, gate_activation: Any = "tanh", **kwargs):
        self.check_fixed(kwargs)
        super().__init__(units, gate_activation, False, **kwargs)
        self.state_size = [self.units]

    @property
    def gate_activation(self):
        return self.recurrent_activation

    def build(self, input_shape):
        self._add_weights(input_shape, 3 * self.units)

    @property
    def recurrence(self):
        return TanhGatedRecurrence(self.units, self.gate_activation, self.activation)

    def has_gradient(self):
        return (
            self.activation is keras.activations.tanh
            and self.gate_activation in TanhGatedRecurrence.GATES
        )

    def _weights(self):
        """Returns W of both gates, and W of the candidate."""
        (W,) = super()._weights()
        return tuple(ops.split(W, [2 * self.units], axis=-1))

    def get_config(self):
        gate_activation = keras.activations.serialize(self.gate_activation)
        return super().get_config() | {"gate_activation": gate_activation}


@keras.saving.register_keras_serializable("seqlayers")
class TanhGated(GatedRNN, cell=TanhGatedCell):
    """A layer of units whose gates are tanh, in all else like `keras.layers.LSTM`.

    Example:
        >>> TanhGated(8, return_sequences=True)(np.zeros((2, 10, 3))).shape
        TensorShape([2, 10, 8])
    """
