"""The position of the next frame: in its bar, and at the start of its sequence.

    n_0 = 0,  n_t = n_{t-1} + 1                   number of frames read; the next one is number n_t
    y_t = [x_t, (n_t mod M = 0 .. M - 1), (n_t = 0 .. F - 1)]

M is `metre`, F `first_steps`, and x_t the frame, which is left out without `pass_inputs`. Frames
are counted from the first one of the sequence, number 0: it begins a bar here, whether it does in
the music or not. Masked steps do not count. For music without a metre, `metre=None` leaves the F
flags alone. A piece that is cut from a sequence counts from its own first frame, so that cuts, and
the frames that warm up the memory before it, are to be multiples of M.

Before any frame y is [0, (0 mod M = 0 .. M - 1), (0 = 0 .. F - 1)].
"""

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_flag, check_integer
from seqlayers.layers.clock import NUM_DIGITS, count, digits
from seqlayers.layers.scanned import MemoryRNN, ScannedCell, known_features
from seqlayers.masks import at_steps, frames_first


@keras.saving.register_keras_serializable("seqlayers")
class PositionCell(ScannedCell, equations=__doc__):
    """One step of a count of frames, that passes the frame on with the position of the next one.

    In a stack, the cells above it read the position: `[PositionCell(16), LSTMCell(256)]`.

    Args:
        metre: Number M of frames in a bar; None for data without bars.
        first_steps: Number F of frames at the start of a sequence that have a flag each.
        pass_inputs: Whether the output begins with the frame.

    Call arguments:
        inputs: x, `(batch, features)`.
        states: n in three digits of base 256, `(batch, 3)`, as 16-bit floats count to 256 only.

    Returns:
        y `(batch, features + M + F)`, and the list of the states after the frame.

    Raises:
        ValueError: If `metre` is not an integer of at least 1, `first_steps` is not one of at least
            0, or nothing is left to return.

    Example:
        >>> keras.layers.RNN(PositionCell(4, first_steps=0))(np.zeros((1, 5, 2)))
        <tf.Tensor: shape=(1, 6), dtype=float32, numpy=array([[0., 0., 0., 1., 0., 0.]], ...)>
    """

    state_names = ("clock",)

    def __init__(self, metre=None, first_steps=3, pass_inputs=True, **kwargs):
        super().__init__(**kwargs)
        self.metre = None if metre is None else check_integer("metre", metre)
        self.first_steps = check_integer("first_steps", first_steps, least=0)
        self.pass_inputs = check_flag("pass_inputs", pass_inputs)
        if not (self.metre or self.first_steps or self.pass_inputs):
            raise ValueError(
                "`metre`, `first_steps` or `pass_inputs` must be set, else there is no output. "
                "Received: metre=None, first_steps=0, pass_inputs=False."
            )
        self.state_size, self.output_size = [NUM_DIGITS], None

    def build(self, input_shape):
        passed = known_features(self, input_shape) if self.pass_inputs else 0
        self.output_size = passed + (self.metre or 0) + self.first_steps

    def call(self, inputs, states):
        outputs, after = self.scan(inputs[None], states)
        return outputs[0], after

    def scan(self, sequences, states, mask=None, training=False, jit_compile=False):
        before = count(ops.cast(states[0], "float32"))
        kept = ops.ones_like(sequences[..., 0], "float32")
        kept = kept if mask is None else ops.where(mask, kept, 0)
        n = before + ops.cumsum(kept, axis=0)[..., None]  # [T, B, 1], exact below 2^24
        if mask is not None and self.pass_inputs:  # masked steps repeat the frame before
            frames, order = frames_first(mask)
            sequences = at_steps(sequences, at_steps(order, frames - 1))
        after = ops.cast(digits(n[-1]), states[0].dtype)
        return self.outputs(sequences, n), [after]

    def outputs(self, inputs, n):
        """Returns y of frames `(..., features)` and n `(..., 1)`."""
        found = [inputs] if self.pass_inputs else []
        if self.metre:
            found.append(n % self.metre == np.arange(self.metre, dtype="float32"))
        if self.first_steps:
            found.append(n == np.arange(self.first_steps, dtype="float32"))
        return ops.concatenate([ops.cast(part, self.compute_dtype) for part in found], axis=-1)

    def first_output(self, inputs):
        found = [inputs] if self.pass_inputs else []
        if self.metre:
            found.append(np.arange(self.metre) == 0)
        found.append(np.arange(self.first_steps) == 0)
        return np.concatenate(found).astype("float32")

    def get_config(self):
        names = ("metre", "first_steps", "pass_inputs")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("seqlayers")
class Position(MemoryRNN, cell=PositionCell):
    """A count of frames, that passes each frame on with the position of the next one.

    Example:
        >>> Position(16)(np.zeros((2, 10, 88))).shape
        TensorShape([2, 10, 107])
    """
