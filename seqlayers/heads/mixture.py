"""The mean of several autoregressive heads, unit by unit.

    p(v_i = 1 | v_<i, context) = 1/K sum_k sigmoid(x_ki)
    x_i = log sum_k sigmoid(x_ki) - log sum_k sigmoid(-x_ki)

x_ki are the log-odds of head k, which reads its own part of the context, and x_i those of the
mixture. The mean is taken of the probabilities of each unit given those before it, not of those of
whole frames: so it is a distribution over frames, with exact likelihoods and draws.
"""

import keras
from keras import ops

from seqlayers.arrays import in_parts
from seqlayers.checks import check_integer
from seqlayers.heads.autoregressive import AutoregressiveHead
from seqlayers.heads.head import split_shape
from seqlayers.sampling import fold_in


@keras.saving.register_keras_serializable("seqlayers")
class MixtureHead(AutoregressiveHead):
    """The mean of several autoregressive heads over one frame, unit by unit.

    It has no weights but those of its heads. `seqlayers.models.Mixture` makes one of models that
    are trained already.

    Args:
        visible_units: Number V of visible units in a frame.
        heads: List of K autoregressive heads over frames of V units, such as `TiedNADE` or `NADE`.
        context_sizes: Number of values of the context that each head reads, in the order of the
            heads, 0 for one without a context; as the heads are built if None. It has no effect in
            a mixture without a context.
        seed: Seed of all draws.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If there is no head, one is not autoregressive, has frames of another size or
            several orders of the units, or `context_sizes` are not a size for each head; when
            built, if they do not add up to the context.

    Example:
        >>> head = MixtureHead(88, [NADE(88, 150), NADE(88, 50)], seed=0)
        >>> head.build((None, 88))
        >>> head.log_prob(np.zeros((2, 88))).nats.shape
        TensorShape([2])
    """

    def __init__(self, visible_units, heads, context_sizes=None, seed=None, **kwargs):
        super().__init__(visible_units, seed=seed, **kwargs)
        if not isinstance(heads, list | tuple) or not heads:
            raise ValueError(
                f"`heads` must be a list of at least one head. Received: heads={heads!r}."
            )
        self.heads = [self._check_head(f"heads[{k}]", head) for k, head in enumerate(heads)]
        if context_sizes is None and all(head.built for head in self.heads):
            context_sizes = tuple(head.context_units or 0 for head in self.heads)
        if context_sizes is not None:
            if not isinstance(context_sizes, list | tuple) or len(context_sizes) != len(heads):
                raise ValueError(
                    f"`context_sizes` must be a list of {len(heads)} sizes, one for each head. "
                    f"Received: context_sizes={context_sizes!r}."
                )
            sizes = (check_integer("context_sizes", size, least=0) for size in context_sizes)
            context_sizes = tuple(sizes)
        self.context_sizes = context_sizes

    def _check_head(self, name, head):
        if isinstance(head, dict):  # of a config
            head = keras.saving.deserialize_keras_object(head)
        if not isinstance(head, AutoregressiveHead):
            raise ValueError(
                f"`{name}` must be an autoregressive head, such as `TiedNADE` or `NADE`: others "
                f"have no probability of a unit given those before it. Received: {head!r}."
            )
        if head.visible_units != self.visible_units:
            raise ValueError(
                f"`{name}` must be of the same size as the mixture, {self.visible_units} visible "
                f"units. Received: a head of {head.visible_units}."
            )
        if head.variable_dtype != self.variable_dtype:
            raise ValueError(
                f"`{name}` must have weights of the mixture's type, {self.variable_dtype}. "
                f"Received: {head.variable_dtype}."
            )
        if not head.draws_in_order:
            raise ValueError(
                f"`{name}` must draw the units in one order, that of the frame. Received: {head!r} "
                "with several."
            )
        return head

    def build(self, input_shape):
        super().build(input_shape)
        frames_shape, context_shape = split_shape(input_shape)
        sizes = self._sizes()
        for k, (head, size) in enumerate(zip(self.heads, sizes, strict=True)):
            if not head.built:
                of_context = (*context_shape[:-1], size) if size else None
                head.build([frames_shape, of_context] if size else frames_shape)
            if (head.context_units or 0) != size:
                raise ValueError(
                    f"`heads[{k}]` must have been built with a context of {size} values, as this "
                    f"mixture is. Received: a head with {head.context_units}."
                )

    def _sizes(self):
        """Returns the sizes of the heads' contexts; 0 for all in a mixture without one."""
        if self.context_units is None:
            return (0,) * len(self.heads)
        if self.context_sizes is None or sum(self.context_sizes) != self.context_units:
            raise ValueError(
                "`context_sizes` must be the sizes of the heads' parts of the context, which add "
                f"up to {self.context_units}. Received: context_sizes={self.context_sizes}."
            )
        return self.context_sizes

    def log_odds(self, frames, context=None, dropout_seed=None):
        contexts = self._contexts(context)
        log_odds = []
        for k, (head, part) in enumerate(zip(self.heads, contexts, strict=True)):
            seed = None if dropout_seed is None else fold_in(dropout_seed, k)
            log_odds.append(head.log_odds(frames, part, seed))
        return _mean(log_odds)

    def begin(self, context, rows):
        of_heads = zip(self.heads, self._contexts(context), strict=True)
        return tuple(head.begin(part, rows) for head, part in of_heads)

    def unit_log_odds(self, carry, i):
        of_heads = zip(self.heads, carry, strict=True)
        return _mean([head.unit_log_odds(part, i) for head, part in of_heads])

    def append(self, carry, i, values):
        of_heads = zip(self.heads, carry, strict=True)
        return tuple(head.append(part, i, values) for head, part in of_heads)

    def _contexts(self, context):
        """Returns each head's part of a context; None for a head without one."""
        if context is None:
            return [None] * len(self.heads)
        parts = in_parts(context, self.context_sizes)
        return [
            part if size else None for part, size in zip(parts, self.context_sizes, strict=True)
        ]

    def get_config(self):
        return super().get_config() | {
            "heads": [_without_shapes(head) for head in self.heads],
            "context_sizes": self.context_sizes,
        }


def _without_shapes(head):
    """Returns the config of a head, which `MixtureHead.build` will build."""
    config = keras.saving.serialize_keras_object(head)
    return {name: value for name, value in config.items() if name != "build_config"}


def _mean(log_odds):
    """Returns the log-odds of the mean of probabilities with these log-odds."""
    x = ops.stack(log_odds)
    on, off = -ops.softplus(-x), -ops.softplus(x)  # log sigmoid(x), log sigmoid(-x)
    return ops.logsumexp(on, axis=0) - ops.logsumexp(off, axis=0)
