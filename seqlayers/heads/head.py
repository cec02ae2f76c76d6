"""The contract of a head: what is said of one frame, given what a memory keeps of those before."""

import random
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.energy.visibles import VISIBLES
from seqlayers.sampling import Use, fold_in, row_seeds, seed_pair


class FrameLogProb(NamedTuple):
    """log p(v_t | context_t) of each frame in nats, and its standard error; 0 where exact."""

    nats: Any  # [...]
    standard_error: Any  # [...]


class Head(keras.layers.Layer):
    """A distribution over a frame, whose parameters a context sets.

    A subclass gives `loss`, `log_prob`, `sample`, `reconstruct` and `kind`, and makes its weights
    in `build`. All of them take `context=None`, which is the model without time. Energies and
    likelihoods are computed in float32, or in float64 under a float64 policy, never in half
    precision.

    As a layer of a functional model it is called on frames, or on `[frames, context]`: it adds its
    loss to the model's, so that plain `fit` trains it, and returns the reconstruction.

    Args:
        visible_units: Number V of visible units in a frame.
        visibles: What a visible unit is, one of the class's `VISIBLES`.
        seed: Seed of all draws; made from Python's `random` if None, as in Keras. Weights start
            from Keras's own seed, `keras.utils.set_random_seed`.

    Call arguments:
        inputs: Frames `(..., V)`, or a pair of frames and context `(..., C)`.
        mask: Which frames count, bool `(...)`, or a pair of masks, of which the second is used
            where the first is None.
        training: Whether the loss is drawn anew each call. Without it, draws repeat.
    """

    VISIBLES: tuple[str, ...] = ("bernoulli",)
    has_code = False  # `encode` and `decode`
    has_reverse = False  # `reverse_log_prob`
    has_free_energy = False  # `free_energy`
    trains_in_layers = False  # `pretrain_layers`
    hidden_units: Any = None  # the argument of this name

    def __init__(self, visible_units, visibles="bernoulli", seed=None, **kwargs):
        super().__init__(**kwargs)
        if self.variable_dtype in ("float16", "bfloat16"):
            self.dtype_policy = "float32"
        check_integer("visible_units", visible_units)
        if visibles not in self.VISIBLES:
            raise ValueError(
                f"`visibles` of {type(self).__name__} must be one of {', '.join(self.VISIBLES)}. "
                f"Received: visibles={visibles!r}."
            )
        self.visible_units = visible_units
        self.visibles = visibles
        seed = random.randrange(2**31) if seed is None else seed
        seed_pair(seed)  # refuses what is no seed
        self.seed = int(seed)
        self.autocast = False
        self.supports_masking = True

    def add_weight(self, *args, **kwargs):
        # Keras would cast weights where a model of half precision is called, autocast or not.
        return super().add_weight(*args, autocast=False, **kwargs)

    @property
    def visible_kind(self):
        """The class of `seqlayers.energy.visibles` that `visibles` names."""
        return VISIBLES[self.visibles]

    @property
    def kind(self):
        """What `log_prob` gives: `"exact"`, `"estimate"` or `"lower_bound"`."""
        raise NotImplementedError

    @property
    def code_units(self):
        """Number of values in the code of a frame; None for a head without `has_code`."""
        return None

    @property
    def decodes_alone(self):
        """Whether `decode` needs no context."""
        return False

    def loss(self, frames, context=None, mask=None, seed=None, training=False):
        """A scalar whose gradient trains the head and, through `context`, the memory.

        Args:
            frames: `(..., V)`.
            context: `(..., C)`, or None for the model without time.
            mask: Which frames count, bool `(...)`; all if None.
            seed: A whole number, int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each
                other; the head's own if None.
            training: Whether what moves with training (chains, offsets) may move.
        """
        raise NotImplementedError

    def log_prob(self, frames, context=None, seed=None):
        """`FrameLogProb` of frames `(..., V)`; its quality is declared by `kind`."""
        raise NotImplementedError

    def reverse_log_prob(self, frames, context=None, seed=None):
        """As `log_prob`, but erring to the other side; only heads that estimate have it."""
        raise NotImplementedError

    def sample(self, context=None, seed=None, temperature=1.0, num_frames=None):
        """Draws frames, one for each context.

        Args:
            context: `(..., C)`, or None for the model without time.
            seed: A whole number, int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each
                other; the head's own if None.
            temperature: Divides the energy of a frame, a number or `(rows,)`: above 1 is bolder,
                below 1 safer.
            num_frames: Without context, the number of frames.

        Returns:
            Frames, `(..., V)`.
        """
        raise NotImplementedError

    def reconstruct(self, frames, context=None):
        """The frames as the head sees them, `(..., V)` in expectations."""
        raise NotImplementedError

    def without_context(self, **changes):
        """A new head like this one, for the model without time; `changes` replace arguments."""
        changes = {"name": f"{self.name}_without_context"} | changes
        head = type(self).from_config(self.get_config() | changes)
        head.build((None, self.visible_units))
        return head

    def check_frames(self, frames, name="frames"):
        """Checks a NumPy array `(..., V)` before work is done on it.

        Raises:
            ValueError: naming what is wrong, what came and what is wanted.
        """
        if frames.shape[-1] != self.visible_units:
            raise ValueError(
                f"`{name}` must have {self.visible_units} values a frame. "
                f"Received: shape {frames.shape}."
            )
        if not np.isfinite(frames).all():
            raise ValueError(f"`{name}` must be finite. Received: NaN or infinity.")
        kind = self.visible_kind
        if not kind.takes(frames).all():
            raise ValueError(
                f"`{name}` {kind.WANTED} for {kind.__name__} visibles. "
                f"Received: values from {frames.min()} to {frames.max()}."
            )

    def build(self, input_shape):
        frames_shape, context_shape = split_shape(input_shape)
        if frames_shape[-1] != self.visible_units:
            raise ValueError(
                f"`visible_units={self.visible_units}` must be the number of values in a frame. "
                f"Received: frames of shape {tuple(frames_shape)}."
            )
        self.context_units = None if context_shape is None else context_shape[-1]
        # Draws in a user's own model count calls; `SequenceModel` counts the optimizer's steps.
        self.calls = self.add_weight(
            name="calls", shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    def call(self, inputs, mask=None, training=False):
        frames, context = split(inputs)
        mask, context_mask = split(mask)
        mask = context_mask if mask is None else mask
        if training:
            self.calls.assign(self.calls + 1)
        seed = fold_in(fold_in(seed_pair(self.seed), Use.CALL), self.calls if training else 0)
        self.add_loss(self.loss(frames, context, mask, seed, training))
        return self.reconstruct(frames, context)

    def compute_output_spec(self, inputs, mask=None, training=False):
        return keras.KerasTensor(split(inputs)[0].shape, dtype=self.variable_dtype)

    def compute_mask(self, inputs, previous_mask=None):
        return split(previous_mask)[0]

    def get_config(self):
        return super().get_config() | {
            "visible_units": self.visible_units,
            "seed": self.seed,
        }

    def _add_context_kernel(self, side, units):
        """The weights from the context to the biases of one side; None without a context."""
        if self.context_units is None:
            return None
        return self.add_weight(
            name=f"context_{side}_kernel",
            shape=(self.context_units, units),
            initializer=self.context_initializer,
            regularizer=self.context_regularizer,
        )

    def _cast(self, frames, context):
        """Both in the dtype of the weights; refuses what there are no weights for."""
        if frames is not None:
            frames = ops.cast(frames, self.variable_dtype)
            if frames.shape[-1] not in (None, self.visible_units):  # it might broadcast
                raise ValueError(
                    f"`frames` must have {self.visible_units} values a frame. "
                    f"Received: shape {tuple(frames.shape)}."
                )
        if context is not None:
            if self.context_units is None:
                raise ValueError(
                    f"This `{type(self).__name__}` was built without a context. "
                    f"Received: a context of shape {tuple(context.shape)}."
                )
            context = ops.cast(context, self.variable_dtype)
        return frames, context

    def _for_frames(self, bias, context, num_frames):
        """A bias with a row for each frame to draw."""
        if context is not None:
            return ops.broadcast_to(bias, (*ops.shape(context)[:-1], self.visible_units))
        if num_frames is None:
            raise ValueError(
                "`num_frames` must say how many frames to draw where there is no context. "
                "Received: num_frames=None."
            )
        return ops.broadcast_to(bias, (num_frames, self.visible_units))

    def _row_temperature(self, temperature, frames):
        """A temperature that broadcasts with the frames `(rows, ..., V)`."""
        temperature = ops.cast(temperature, self.variable_dtype)
        return ops.reshape(temperature, (-1,) + (1,) * (len(frames.shape) - 1))

    def _seed(self, seed):
        """The pair, or the pairs, of what was given as a seed: those, a whole number or None."""
        seed = self.seed if seed is None else seed
        return seed_pair(seed) if isinstance(seed, int | np.integer) else seed

    def _one_seed(self, seed):
        """One seed for draws that belong to no row."""
        seed = self._seed(seed)
        return seed if len(seed.shape) == 1 else seed[0]

    def _row_seeds(self, seed, frames):
        """One seed a row, so that draws depend neither on the batch nor on padding."""
        seed = self._seed(seed)
        if len(seed.shape) > 1 or len(frames.shape) < 2:
            return seed
        return row_seeds(seed, ops.shape(frames)[0])


def split(inputs):
    """`(frames, context)` of what a head is called on: tensors, masks or None."""
    return tuple(inputs) if isinstance(inputs, list | tuple) else (inputs, None)


def split_shape(shape):
    """The shapes of frames and of context, of what a head is built for."""
    return tuple(shape) if isinstance(shape[0], list | tuple) else (shape, None)
