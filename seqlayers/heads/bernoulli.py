"""Independent Bernoulli units.

    p(v_i = 1 | context) = sigmoid(b_i + context A)

b is `visible_bias` and A `context_visible_kernel`. Without a context each unit has a probability
of its own.
"""

import keras
from keras import ops

from seqlayers.heads.head import FrameLogProb, Head
from seqlayers.masks import masked_mean, without_masked
from seqlayers.sampling import bernoulli


@keras.saving.register_keras_serializable("seqlayers")
class BernoulliHead(Head):
    """Says of each visible unit how likely it is, independently of the others in the frame.

    Args:
        visible_units: Number V of visible units in a frame.
        context_initializer: Initializer of A.
        context_regularizer: Regularizer of A.
        seed: Seed of all draws.

    Example:
        >>> head = BernoulliHead(88, seed=0)
        >>> head.log_prob(np.zeros((2, 88))).nats.shape
        TensorShape([2])
    """

    def __init__(
        self,
        visible_units,
        context_initializer="glorot_uniform",
        context_regularizer=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(visible_units, seed=seed, **kwargs)
        self.context_initializer = keras.initializers.get(context_initializer)
        self.context_regularizer = keras.regularizers.get(context_regularizer)

    kind = "exact"

    def build(self, input_shape):
        super().build(input_shape)
        self.visible_bias = self.add_weight(
            name="visible_bias", shape=(self.visible_units,), initializer="zeros"
        )
        self.context_visible_kernel = self._add_context_kernel("visible", self.visible_units)

    def loss(self, frames, context=None, mask=None, seed=None, training=False):
        """Mean of -log p(v | context) over the frames that `mask` keeps, in nats."""
        frames = without_masked(frames, mask)
        return masked_mean(-self.log_prob(frames, context).nats, mask)

    def log_prob(self, frames, context=None, seed=None):
        frames, context = self._cast(frames, context)
        x = self._logits(context)
        nats = ops.sum(frames * x - ops.softplus(x), axis=-1)
        return FrameLogProb(nats, ops.zeros_like(nats))

    def sample(self, context=None, seed=None, temperature=1.0, num_frames=None):
        _, context = self._cast(None, context)
        x = self._for_frames(self._logits(context), context, num_frames)
        return bernoulli(x / self._row_temperature(temperature, x)).sample(
            seed=self._row_seeds(seed, x)
        )

    def reconstruct(self, frames, context=None):
        """The probability of each unit: what is expected of a frame before it is seen."""
        frames, context = self._cast(frames, context)
        return ops.broadcast_to(ops.sigmoid(self._logits(context)), ops.shape(frames))

    def _logits(self, context):
        if context is None:
            return self.visible_bias + 0.0
        return self.visible_bias + ops.matmul(context, self.context_visible_kernel)

    def get_config(self):
        return super().get_config() | {
            "context_initializer": keras.initializers.serialize(self.context_initializer),
            "context_regularizer": keras.regularizers.serialize(self.context_regularizer),
        }
