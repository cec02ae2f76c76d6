"""One recurrent cell shared by all keys of a piano-roll, each key with states of its own.

    o_c  = sum of x_j over the keys j = c, c + O, c + 2 O, ..         a pitch class, c = 0 .. O - 1
    f_i  = [x_{i-W} .. x_{i+W},                                       the keys around key i
            o_{i mod O}, o_{(i+1) mod O}, .. o_{(i+O-1) mod O},       pitch classes, its own first
            q]                                                        what all keys read alike
    r_i, s_i = cell(f_i, s'_i)                                        i = 0 .. V - 1
    y    = [r_01, r_11, .. r_(V-1)1, r_02, ..]                        unit by unit, U values a key

A prime marks the frame before. A frame is [x, q]: V values of keys, x, and any others, q. W is
`window` and O `octave`; keys outside of the frame are 0. Weights and features are the same for all
keys: a frame that is moved by some keys has an output that is moved by as many. Before any frame r
is 0, unless the cell fixes it.

The output is U channels with a value for each key.
Reference: D. D. Johnson, Generating Polyphonic Music Using Tied Parallel Networks, EvoMUSART 2017:
its TP-LSTM, with an LSTM as the cell.
"""

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.layers import parts as recurrent
from seqlayers.layers.scanned import MemoryRNN, known_features


@keras.saving.register_keras_serializable("seqlayers")
class KeySharedCell(recurrent.CellOfParts, equations=__doc__):
    """One step of a recurrent cell that all keys share, with the keys as rows of its batch.

    Args:
        inner: The cell of a key, a list of cells to stack, or a recurrent layer with
            `return_sequences=True`, which then runs over whole sequences.
        window: Number W of keys that a key reads on each side of it.
        octave: Number O of pitch classes; None to leave them out.
        num_keys: Number V of keys, the first values of a frame; None if all values are keys.

    Call arguments:
        inputs: A frame [x, q], `(batch, features)`.
        states: those of `inner`, each one key by key, `(batch, V * size)`.
        training: Whether to apply the dropout of `inner`.

    Returns:
        y `(batch, U * V)`, unit by unit, and the list of the states after the frame.

    Raises:
        ValueError: If `inner` is neither a recurrent layer nor made of cells, or a number is out of
            range; on building, if the window is wider than the keyboard or there are fewer features
            than keys.

    Example:
        >>> cell = KeySharedCell(keras.layers.LSTMCell(16), num_keys=88)
        >>> keras.layers.RNN([PositionCell(16), cell])(np.zeros((2, 10, 88))).shape
        TensorShape([2, 1408])
    """

    def __init__(self, inner, window=12, octave=12, num_keys=None, **kwargs):
        super().__init__(**kwargs)
        self.inner = recurrent.as_part("inner", inner)
        self.window = check_integer("window", window, least=0)
        self.octave = None if octave is None else check_integer("octave", octave)
        self.num_keys = None if num_keys is None else check_integer("num_keys", num_keys)
        self.keys = None  # V, known when it is built

    @property
    def parts(self):
        return [self.inner]

    @property
    def state_size(self):
        sizes = keras.tree.flatten(self.inner.cell.state_size)
        return [None if None in (self.keys, size) else self.keys * size for size in sizes]

    @property
    def state_names(self):
        return tuple(f"{name} of all keys" for name in recurrent.state_names(self.inner.cell))

    @property
    def output_size(self):
        size = recurrent.output_size(self.inner.cell)
        return None if None in (self.keys, size) else self.keys * size

    def build(self, input_shape):
        features = known_features(self, input_shape)
        V = features if self.num_keys is None else self.num_keys
        if V > features:
            raise ValueError(
                "`num_keys` must be at most the number of features of a frame. "
                f"Received: num_keys={V}, and {features} features."
            )
        if self.window > V:
            raise ValueError(
                "`window` must be at most the number of keys, else it is wider than the "
                f"keyboard. Received: window={self.window}, and {V} keys."
            )
        self.keys, W, classes = V, self.window, self.octave or 0
        key = np.arange(V)[:, None]
        around = key + np.arange(-W, W + 1)
        around = np.where((around < 0) | (around >= V), V, around)  # place V holds a 0
        rotated = (key + np.arange(classes)) % max(classes, 1)
        self.places = np.concatenate([around, V + 1 + rotated], axis=1)
        self.class_of_key = key % max(classes, 1) == np.arange(classes)
        if not self.inner.built:
            self.inner.build((None, None, 2 * W + 1 + classes + features - V))
        self.supports_jit = self.inner.supports_jit

    def get_initial_state(self, batch_size=None):
        if self.keys is None:
            return super().get_initial_state(batch_size)  # refuses
        rows = self.inner.get_initial_state(batch_size * self.keys)
        return self._of_frames(keras.tree.flatten(rows))

    def inputs_of_parts(self, inputs):
        return [self.features(ops.cast(inputs, self.compute_dtype))]

    def states_of_parts(self, states):
        """Returns states with a row for each key."""
        rows = [ops.reshape(s, (-1, s.shape[-1] // self.keys)) for s in states]
        return [keras.tree.pack_sequence_as(recurrent.nested(self.inner.cell), rows)]

    def features(self, inputs):
        """Returns f of all keys, `(.., batch * V, F)`, of frames `(.., batch, features)`."""
        *before, batch, _ = ops.shape(inputs)
        x, q = inputs[..., : self.keys], inputs[..., self.keys :]
        o = ops.matmul(x, ops.convert_to_tensor(self.class_of_key, x.dtype))
        values = ops.concatenate([x, ops.zeros_like(x[..., :1]), o], axis=-1)
        f = ops.take(values, self.places, axis=-1)  # [.., B, V, F]
        if q.shape[-1]:
            q = ops.broadcast_to(q[..., None, :], (*ops.shape(f)[:-1], q.shape[-1]))
            f = ops.concatenate([f, q], axis=-1)
        return ops.reshape(f, (*before, batch * self.keys, f.shape[-1]))

    def call(self, inputs, states, training=False):
        (f,), (before,) = self.inputs_of_parts(inputs), self.states_of_parts(states)
        r, after = self.inner.cell(f, before, training=training)
        return self._outputs(r), self._of_frames(keras.tree.flatten(after))

    def scan(self, sequences, states, mask, training, jit_compile):
        (f,), (before,) = self.inputs_of_parts(sequences), self.states_of_parts(states)
        f = ops.swapaxes(f, 0, 1)
        if mask is not None:
            mask = ops.repeat(ops.swapaxes(mask, 0, 1), self.keys, axis=0)
        r, after = recurrent.outputs_and_states(self.inner, f, before, mask, training)
        return self._outputs(ops.swapaxes(r, 0, 1)), self._of_frames(keras.tree.flatten(after))

    def _of_frames(self, rows):
        return [ops.reshape(row, (-1, self.keys * row.shape[-1])) for row in rows]

    def _outputs(self, r):
        """Returns y of r `(.., batch * V, U)`."""
        *before, rows, U = ops.shape(r)
        r = ops.reshape(r, (*before, rows // self.keys, self.keys, U))
        y = ops.reshape(ops.swapaxes(r, -1, -2), (*before, rows // self.keys, U * self.keys))
        return ops.cast(y, self.compute_dtype)

    def first_output(self, inputs):
        f = ops.convert_to_numpy(self.features(np.asarray(inputs, "float32")[None]))
        r = np.nan_to_num([recurrent.first_output(self.inner.cell, row) for row in f])
        return np.transpose(r).ravel().astype("float32")

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        names = ("window", "octave", "num_keys")
        return super().get_config() | {"inner": inner} | {k: getattr(self, k) for k in names}


@keras.saving.register_keras_serializable("seqlayers")
class KeyShared(MemoryRNN, cell=KeySharedCell):
    """A recurrent cell that all keys share, with the keys as rows of its batch: a TP-LSTM.

    Example:
        >>> KeyShared(keras.layers.LSTMCell(16))(np.zeros((2, 10, 88))).shape
        TensorShape([2, 10, 1408])
    """
