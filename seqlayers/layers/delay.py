"""The past as context: a sequence one step late.

    y_1 = first,  y_t = x_{t-1}

`first` is the context before the first frame. Behind a recurrent layer that reads v_1 .. v_T, y_t
depends on v_1 .. v_{t-1} and nothing later, as the context of v_t must.
"""

from typing import Any

import keras
from keras import ops


def delay(sequence, first, mask=None):
    """Moves a sequence one step later.

    Args:
        sequence: x, `(batch, time, units)`.
        first: Values of the steps that no frame precedes, `(units,)` or `(batch, units)`.
        mask: Steps that are frames, bool `(batch, time)`; all if None. Steps before the first frame
            of a row hold `first`, too.

    Returns:
        y, `(batch, time, units)`.
    """
    first = ops.cast(first, sequence.dtype)
    first = ops.broadcast_to(first[..., None, :], ops.shape(sequence[:, :1]))
    y = ops.concatenate([first, sequence[:, :-1]], axis=1)
    if mask is None:
        return y
    frames_before = ops.cumsum(ops.cast(mask, "int32"), axis=1) - ops.cast(mask, "int32")
    return ops.where(frames_before[..., None] > 0, y, first)


@keras.saving.register_keras_serializable("seqlayers")
class Delay(keras.layers.Layer):
    """A sequence one step late, with a learned first step.

    Args:
        initializer: Initializer of the first step. Default: "zeros".
        **kwargs: Those of `keras.layers.Layer`: `name`, `dtype` and `trainable`.

    Call arguments:
        inputs: x, `(batch, time, units)`.
        mask: Steps that are frames, bool `(batch, time)`; all if None.

    Returns:
        y, `(batch, time, units)`.

    Raises:
        ValueError: If the inputs do not have these axes, or are of other units than at first.

    Example:
        >>> Delay()(np.ones((1, 3, 1)))[0, :, 0]
        <tf.Tensor: shape=(3,), dtype=float32, numpy=array([0., 1., 1.], dtype=float32)>
    """

    def __init__(self, initializer: Any = "zeros", **kwargs):
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(initializer)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape):
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: input_shape[-1]})
        self.first = self.add_weight(
            name="first", shape=(input_shape[-1],), initializer=self.initializer
        )

    def call(self, inputs, mask=None):
        return delay(ops.cast(inputs, self.compute_dtype), self.first, mask)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {
            "initializer": keras.initializers.serialize(self.initializer)
        }
