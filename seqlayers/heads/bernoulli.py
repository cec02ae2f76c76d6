"""Independent Bernoulli units.

    p(v_i = 1 | context) = sigmoid(b_i + context A)

b is `visible_bias` and A `context_visible_kernel`. Without a context each unit has one probability
for all frames.
"""

from typing import Any

import keras
from keras import ops

from seqlayers.heads.autoregressive import frame_log_prob
from seqlayers.heads.head import FrameLogProb, Head
from seqlayers.masks import masked_mean, without_masked
from seqlayers.sampling import bernoulli


@keras.saving.register_keras_serializable("seqlayers")
class BernoulliHead(Head):
    """Independent Bernoulli units over one frame, whose log-odds are set by a context.

    Args:
        visible_units: Number V of visible units in a frame.
        context_initializer: Initializer of A.
        context_regularizer: Regularizer of A.
        seed: Seed of all draws.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If `visible_units` is not an integer of at least 1, or `seed` is not one of 64
            bits.

    Example:
        >>> head = BernoulliHead(88, seed=0)
        >>> head.build((None, 88))
        >>> head.log_prob(np.zeros((2, 88))).nats.shape
        TensorShape([2])
    """

    def __init__(
        self,
        visible_units,
        context_initializer: Any = "glorot_uniform",
        context_regularizer=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(visible_units, seed=seed, **kwargs)
        self.set_weight_options(
            context_initializer=context_initializer, context_regularizer=context_regularizer
        )

    kind = "exact"
    has_exact_gradient = True

    def build(self, input_shape):
        super().build(input_shape)
        self.visible_bias = self.add_weight(
            name="visible_bias", shape=(self.visible_units,), initializer="zeros"
        )
        self.context_visible_kernel = self.add_context_kernel("visible", self.visible_units)

    def loss(self, frames, context=None, mask=None, seed=None, training=False):
        """Returns the mean of -log p(v | context) over the frames that `mask` keeps, in nats."""
        frames = without_masked(frames, mask)
        return masked_mean(-self.log_prob(frames, context).nats, mask)

    def log_prob(self, frames, context=None, seed=None):
        frames, context = self.cast_inputs(frames, context)
        x = self._logits(context)
        nats = frame_log_prob(frames, x)
        return FrameLogProb(nats, ops.zeros_like(nats))

    def sample(self, context=None, seed=None, temperature=1.0, num_frames=None):
        _, context = self.cast_inputs(None, context)
        x = self.frame_rows(self._logits(context), context, num_frames)
        return bernoulli(x / self.row_temperatures(temperature, x)).sample(
            seed=self.row_seeds(seed, x)
        )

    def reconstruct(self, frames, context=None):
        """Returns the probability of each unit, `(..., V)`, whatever the frames hold."""
        frames, context = self.cast_inputs(frames, context)
        return ops.broadcast_to(ops.sigmoid(self._logits(context)), ops.shape(frames))

    def _logits(self, context):
        if context is None:
            return self.visible_bias + 0.0
        return self.visible_bias + ops.matmul(context, self.context_visible_kernel)
