"""A minimal GRU, whose gate and candidate see the frame alone.

    z_t = sigmoid(x_t W_z + b_z)
    c_t = x_t W_c + b_c
    h_t = (1 - z_t) h_{t-1} + z_t c_t

`kernel` is [W_z, W_c] and `bias` [b_z, b_c]. The layer computes gates and candidates of all frames
at once and the linear recurrence by `linear_scan`.
Reference: L. Feng and others, Were RNNs All We Needed?, 2024.
"""

import keras
from keras import ops

from seqlayers.layers.linear_scan import linear_scan


class MinGRUCell(keras.layers.Layer):
    """One step of the minimal GRU.

    Args:
        units: Size of the output h.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], 2 * self.units), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(2 * self.units,), initializer="zeros")

    def decay_and_input(self, x):
        z, c = ops.split(ops.matmul(x, self.kernel) + self.bias, 2, axis=-1)
        z = ops.sigmoid(z)
        return 1 - z, z * c

    def call(self, inputs, states, training=False):
        a, b = self.decay_and_input(inputs)
        h = a * states[0] + b
        return h, [h]

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units), self.compute_dtype)]


class MinGRU(keras.layers.RNN):
    """The minimal GRU over sequences.

    Args:
        units: Size of the output.
        **kwargs: Those of `keras.layers.RNN` that change no order: not `go_backwards`.
    """

    def __init__(self, units, **kwargs):
        super().__init__(MinGRUCell(units), **kwargs)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        a, b = self.cell.decay_and_input(ops.swapaxes(sequences, 0, 1))
        mask = None if mask is None else ops.swapaxes(ops.cast(mask, "bool"), 0, 1)
        h = linear_scan(a, b, initial_state[0], mask)
        return h[-1], ops.swapaxes(h, 0, 1), [h[-1]]
