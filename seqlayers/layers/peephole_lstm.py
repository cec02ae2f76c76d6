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
second projection, which is not fed back, is a `Dense` layer beside it. Neither the memory cells nor
the projection are clipped; there is no `cell_clip` or `proj_clip`.

References: X. Li and X. Wu, Long Short-Term Memory based Convolutional Recurrent Neural Networks
for Large Vocabulary Speech Recognition, Interspeech 2015. H. Sak, A. Senior and F. Beaufays, Long
Short-Term Memory Recurrent Neural Network Architectures for Large Scale Acoustic Modeling,
Interspeech 2014.
"""

import keras
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.layers.gated import GatedCell, GatedRNN
from seqlayers.layers.peephole_lstm_recurrence import PeepholeLSTMRecurrence


@keras.saving.register_keras_serializable("seqlayers")
class PeepholeLSTMCell(GatedCell, equations=__doc__):
    """One step of an LSTM whose gates see its memory cells.

    With peepholes of zero and without projection it is `keras.layers.LSTMCell`.

    Args:
        units: Number M of memory cells.
        projection_units: Size R of the output, projected; None for no projection and R = M.
        kernel_initializer: Initializer of `kernel` and `projection_kernel`.
        recurrent_initializer: Initializer of `recurrent_kernel` and `peephole_kernel`.
        unit_forget_bias: Whether the biases of the forget gate start at 1.
        kernel_regularizer: Regularizer of `kernel` and `projection_kernel`.
        recurrent_regularizer: Regularizer of `recurrent_kernel` and `peephole_kernel`.
        kernel_constraint: Constraint of `kernel` and `projection_kernel`.
        recurrent_constraint: Constraint of `recurrent_kernel` and `peephole_kernel`.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: r `(batch, R)` and c `(batch, M)`.
        training: Whether to apply dropout.

    Returns:
        r and the list of the states after the frame.

    Raises:
        ValueError: If `units` or `projection_units` is not an integer of at least 1.

    Example:
        >>> keras.layers.RNN(PeepholeLSTMCell(8, projection_units=4))(np.zeros((2, 10, 3))).shape
        TensorShape([2, 4])
    """

    state_names = ("r", "c")

    def __init__(self, units, projection_units=None, **kwargs):
        super().__init__(units, **kwargs)
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

    @property
    def memory_dtype(self):
        return self.compute_dtype  # as in Keras's LSTM

    @property
    def recurrence(self):
        return PeepholeLSTMRecurrence(
            self.units, self.projection_units, self.activation, self.recurrent_activation
        )

    def has_gradient(self):
        return (
            self.activation is keras.activations.tanh
            and self.recurrent_activation is keras.activations.sigmoid
        )

    def project(self, inputs):
        """Returns x: its product with V is the recurrence's."""
        return inputs

    def _weights(self):
        b = ops.zeros((4 * self.units,)) if self.bias is None else self.bias
        weights = [self.kernel, self.recurrent_kernel, b, self.peephole_kernel]
        if self.projection_kernel is not None:
            weights.append(self.projection_kernel)
        return tuple(ops.cast(weight, self.memory_dtype) for weight in weights)

    def get_config(self):
        return super().get_config() | {"projection_units": self.projection_units}


@keras.saving.register_keras_serializable("seqlayers")
class PeepholeLSTM(GatedRNN, cell=PeepholeLSTMCell):
    """An LSTM whose gates see its memory cells, in all else like `keras.layers.LSTM`.

    Example:
        >>> PeepholeLSTM(8, projection_units=4, return_sequences=True)(np.zeros((2, 10, 3))).shape
        TensorShape([2, 10, 4])
    """
