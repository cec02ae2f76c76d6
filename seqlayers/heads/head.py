"""The contract of a head: a distribution over one frame, given a context.

How to write a head
-------------------

A head is a Keras layer, a subclass of `Head`, that owns the parameters of p(v | context). It is
registered by `keras.saving.register_keras_serializable("seqlayers")`, so that files load. v are
frames `(..., V)`; the context `(..., C)` is what a memory computed from the frames before, with the
same leading axes. `context=None` is the model without time, and every method takes it.

1. `__init__` passes `visible_units` and `seed` on to `Head`, gives initializers and regularizers to
   `set_weight_options`, with `context_initializer` and `context_regularizer` among them, and checks
   its other arguments with `seqlayers.checks`. `get_config` adds these to the config of `Head`.
2. `build` calls that of `Head`, which sets `context_units`, and makes the weights. The kernels from
   the context are made by `add_context_kernel`. The one that leads to the visible units, if there
   is one, is `context_visible_kernel`, so that a memory can be pre-trained with another head.
3. Required: `loss`, `log_prob`, `sample`, `reconstruct` and `kind`.
4. Optional, each declared by a class flag, which is all that models and exports look at:

   flag                    methods and attributes
   `has_code`              `encode`, `decode`, `code_units`, `decodes_alone`
   `has_reverse`           `reverse_log_prob`, for a head whose `kind` is an estimate or a bound
   `has_free_energy`       `free_energy`
   `has_exact_gradient`    none: `log_prob` is exact and has a gradient, in compiled graphs, too
   `trains_in_layers`      `pretrain_layers`, `stack_on`; `hidden_units` is a tuple

   A head with hidden units has their number, or a tuple of numbers, as `hidden_units`.
5. Every method passes its frames and context through `cast_inputs`, which refuses those that do not
   fit, and `loss` its mask, too. `sample` has `frame_rows` for its rows and `row_temperatures` for
   its temperature.
6. All draws come from the argument `seed`. The method `row_seeds` makes a seed for each row of it,
   and `fold_in` of `seqlayers.sampling` makes another of these for each place of use.
7. Frames that `mask` leaves out may hold anything, NaN included: `without_masked` and `masked_mean`
   of `seqlayers.masks` keep them out of losses and gradients.
8. Under `tf.distribute` a loss is a `masked_mean`, or the same on all replicas. So is state that a
   step assigns: sums over frames go through `seqlayers.replicas.total`.

`BernoulliHead` is the shortest head; one with an RBM is a subclass of `AnnealedHead`, one whose
units are drawn one after the other of `AutoregressiveHead`, which has all of step 3. A line in
`HEADS` of `tests/heads/test_contract.py` makes every promise of the contract a test of the new
head.
"""

import random
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from seqlayers import replicas
from seqlayers.checks import check_choice, check_integer, check_number
from seqlayers.energy.visibles import VISIBLES
from seqlayers.masks import without_masked
from seqlayers.sampling import Use, fold_in, row_seeds, seed_pair


class FrameLogProb(NamedTuple):
    """log p(v_t | context_t) of each frame, and its standard error.

    Attributes:
        nats: `(...)`.
        standard_error: `(...)`; 0 where exact.
    """

    nats: Any
    standard_error: Any


class Head(keras.layers.Layer):
    """A distribution over one frame, whose parameters are set by a context.

    The base class of all heads; its module describes how to write one. Energies and likelihoods are
    computed in float32, or in float64 under a float64 policy, never in half precision.

    As a layer of a functional model it is called on frames, or on `[frames, context]`: it adds its
    loss to the model's, so that plain `fit` trains it, and returns the reconstruction.

    Args:
        visible_units: Number V of visible units in a frame.
        visibles: Kind of the visible units, one of the class's `VISIBLES`.
        seed: Seed of all draws, an integer of 64 bits; drawn from Python's `random` if None, as in
            Keras. Weights start from Keras's own seed, `keras.utils.set_random_seed`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If `visible_units` is not an integer of at least 1, `visibles` is not one of
            `VISIBLES`, or `seed` is not an integer of 64 bits.

    Attributes:
        VISIBLES: Kinds of visible units that the class takes.
        has_code: Whether the head has `encode`, `decode` and `code_units`.
        has_reverse: Whether the head has `reverse_log_prob`.
        has_free_energy: Whether the head has `free_energy`.
        has_exact_gradient: Whether `log_prob` is exact and has a gradient, by which
            `SequenceModel.score` adapts weights.
        trains_in_layers: Whether the head has `pretrain_layers` and `stack_on`.
        hidden_units: Number of hidden units, or a tuple of one for each layer; None without any.
        context_units: Number C of values in a context; None if built without one.

    Call arguments:
        inputs: Frames `(..., V)`, or a pair of frames and context `(..., C)`.
        mask: Which frames count, bool `(...)`, or a pair of masks, of which the second is used
            where the first is None.
        training: Whether the loss is drawn anew each call. Without it, draws repeat.
    """

    VISIBLES: tuple[str, ...] = ("bernoulli",)
    has_code = False
    has_reverse = False
    has_free_energy = False
    has_exact_gradient = False
    trains_in_layers = False
    hidden_units: Any = None

    _weight_options: tuple[str, ...] = ()

    def __init__(self, visible_units, visibles="bernoulli", seed=None, **kwargs):
        super().__init__(**kwargs)
        if self.variable_dtype in ("float16", "bfloat16"):
            self.dtype_policy = "float32"
        self.visible_units = check_integer("visible_units", visible_units)
        self.visibles = check_choice("visibles", visibles, self.VISIBLES)
        seed = random.randrange(2**31) if seed is None else seed
        seed_pair(seed)  # refuses what is no seed
        self.seed = int(seed)
        self.autocast = False
        self.supports_masking = True

    # Required.

    @property
    def kind(self):
        """Quality of `log_prob`: `"exact"`, `"estimate"` or `"lower_bound"`."""
        raise NotImplementedError

    def loss(self, frames, context=None, mask=None, seed=None, training=False):
        """Returns a scalar whose gradient trains the head and, through `context`, the memory.

        Args:
            frames: `(..., V)`.
            context: `(..., C)`, or None for the model without time.
            mask: Which frames count, bool `(...)`; all if None.
            seed: An integer, int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each
                other; the head's own if None.
            training: Whether state that moves with training (chains, offsets) may move.
        """
        raise NotImplementedError

    def log_prob(self, frames, context=None, seed=None):
        """Returns the `FrameLogProb` of frames `(..., V)`, exact or not as `kind` declares."""
        raise NotImplementedError

    def sample(self, context=None, seed=None, temperature=1.0, num_frames=None):
        """Draws frames, one for each context.

        Args:
            context: `(..., C)`, or None for the model without time.
            seed: An integer, int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each
                other; the head's own if None.
            temperature: Divisor of the energy of a frame, a number above 0 or `(rows,)`: above 1
                is bolder, below 1 safer.
            num_frames: Without context, the number of frames.

        Returns:
            Frames, `(..., V)`.
        """
        raise NotImplementedError

    def reconstruct(self, frames, context=None):
        """Returns the expected frames `(..., V)`, given `frames` as far as the head sees them."""
        raise NotImplementedError

    # Optional.

    def encode(self, frames, context=None):
        """Returns the code of frames `(..., V)`, `(..., code_units)`. Declared by `has_code`."""
        raise NotImplementedError

    def decode(self, code, context=None):
        """Returns the expected frames `(..., V)` of a code `(..., code_units)`.

        Declared by `has_code`.

        Raises:
            ValueError: If the code is of another size, or `context` is None in a head that does not
                `decodes_alone`.
        """
        raise NotImplementedError

    @property
    def code_units(self):
        """Number of values in the code of a frame; None without `has_code`."""
        return None

    @property
    def decodes_alone(self):
        """Whether `decode` needs no context."""
        return False

    def reverse_log_prob(self, frames, context=None, seed=None):
        """Returns the `FrameLogProb` of `log_prob` with an error to the other side.

        Declared by `has_reverse`.
        """
        raise NotImplementedError

    def free_energy(self, frames, context=None):
        """Returns F(v | context) of frames `(..., V)` in nats, `(...)`.

        log p is -F less the log partition function, which the context sets. Declared by
        `has_free_energy`.
        """
        raise NotImplementedError

    def pretrain_layers(self, frames, train, seed, restart=True):
        """Trains the layers one after another, without context. Declared by `trains_in_layers`.

        Args:
            frames: `(N, V)`.
            train: Function of a head of one layer and of frames for it, which trains the head and
                returns a list of losses.
            seed: An integer that the draws of all layers start from.
            restart: Whether layers start anew; if not, they go on with the weights they have.

        Returns:
            A list of the losses of all layers, the lowest first.
        """
        raise NotImplementedError

    def stack_on(self, shallower):
        """Takes all weights of a head with one layer less; the top layer changes nothing yet.

        Declared by `trains_in_layers`.

        Args:
            shallower: A built head like this one but for the last of `hidden_units`.

        Raises:
            ValueError: If `shallower` differs in anything else, or one of the two is not built.
        """
        raise NotImplementedError

    # Common to all heads.

    @property
    def visible_kind(self):
        """The class of `seqlayers.energy.visibles` that `visibles` names."""
        return VISIBLES[self.visibles]

    def without_context(self, **changes):
        """Returns a new, built head like this one for the model without time.

        Args:
            **changes: Arguments of the new head that differ from this one's.
        """
        changes = {"name": f"{self.name}_without_context"} | changes
        head = type(self).from_config(self.get_config() | changes)
        head.build((None, self.visible_units))
        return head

    def check_frames(self, frames, name="frames"):
        """Checks a NumPy array of frames before work is done on it.

        Args:
            frames: `(..., V)`.
            name: Name of the argument, for the message.

        Raises:
            ValueError: If frames are of another size, are not finite, or hold values that
                `visibles` cannot have.
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
        frames = without_masked(frames, mask)
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
        options = {
            name: _keras_module(name).serialize(getattr(self, name))
            for name in self._weight_options
        }
        own = {"visible_units": self.visible_units, "seed": self.seed}
        return super().get_config() | own | options

    # Helpers for subclasses.

    def set_weight_options(self, **options):
        """Sets initializers and regularizers, `..._initializer` and `..._regularizer`.

        `get_config` holds them. Their order matters: each initializer without a seed draws one.

        Args:
            **options: Initializers and regularizers, in any form that Keras takes.
        """
        for name, value in options.items():
            setattr(self, name, _keras_module(name).get(value))
        self._weight_options = tuple(options)

    def add_weight(self, *args, **kwargs):
        # Keras would cast weights where a model of half precision is called, autocast or not.
        return super().add_weight(*args, autocast=False, **kwargs)

    def add_context_kernel(self, side, units):
        """Makes the kernel `context_<side>_kernel` `(C, units)`; None without a context."""
        if self.context_units is None:
            return None
        return self.add_weight(
            name=f"context_{side}_kernel",
            shape=(self.context_units, units),
            initializer=self.context_initializer,
            regularizer=self.context_regularizer,
        )

    def cast_inputs(self, frames, context, mask=None):
        """Returns frames and context in the dtype of the weights; either may be None.

        Raises:
            ValueError: If the head is not built, frames or context are of another size or differ in
                their other axes, which might broadcast, there is a context and the head was built
                without one, or, outside of a graph, frames that `mask` keeps hold values that
                `visibles` cannot have.
        """
        if not self.built:
            raise ValueError(
                f"This `{type(self).__name__}` has no weights yet: give it to a model, or call "
                f"`build((None, {self.visible_units}))` first. Received: a head that is not built."
            )
        if frames is not None:
            frames = self.cast("frames", frames, self.visible_units)
            values = _values(frames)
            if values is not None and mask is not None:
                mask = _values(mask)
                values = None if mask is None else np.where(mask[..., None], values, 0)
            if values is not None:
                self.check_frames(values)
        if context is not None:
            if self.context_units is None:
                raise ValueError(
                    f"This `{type(self).__name__}` was built without a context. "
                    f"Received: a context of shape {tuple(np.shape(context))}."
                )
            context = self.cast("context", context, self.context_units)
            if frames is not None:
                self.check_axes(context, frames)
        return frames, context

    def check_axes(self, context, values, name="frames"):
        """Checks that a context and the values it goes with have the same axes but for the last."""
        axes, wanted = tuple(context.shape[:-1]), tuple(values.shape[:-1])
        alike = len(axes) == len(wanted) and all(
            a is None or b is None or a == b for a, b in zip(axes, wanted, strict=True)
        )
        if not alike:
            raise ValueError(
                f"`context` must have a row for each row of `{name}`, shape "
                f"{(*wanted, self.context_units)}. Received: shape {tuple(context.shape)}."
            )

    def cast(self, name, values, size):
        """Returns values `(..., size)` in the dtype of the weights.

        Args:
            name: Name of the argument, for the message.
            values: `(..., size)`.
            size: Size of the last axis.

        Raises:
            ValueError: If the values are no numbers, or the last axis has another size.
        """
        if not hasattr(values, "dtype"):
            values = np.asarray(values)
        if getattr(values.dtype, "kind", "f") not in "biufV":  # V: bfloat16
            raise ValueError(f"`{name}` must hold real numbers. Received: dtype {values.dtype}.")
        if len(values.shape) == 0 or values.shape[-1] not in (None, size):
            raise ValueError(
                f"`{name}` must have {size} values a frame. Received: shape {tuple(values.shape)}."
            )
        return ops.cast(values, self.variable_dtype)

    def frame_rows(self, bias, context, num_frames):
        """Returns a bias of the visible units with a row for each frame to draw, `(..., V)`."""
        if context is not None:
            return ops.broadcast_to(bias, (*ops.shape(context)[:-1], self.visible_units))
        if num_frames is None:
            raise ValueError(
                "`num_frames` must be the number of frames to draw where there is no context. "
                "Received: num_frames=None."
            )
        if _values(num_frames) is not None:
            num_frames = check_integer("num_frames", num_frames, least=0)
        return ops.broadcast_to(bias, (num_frames, self.visible_units))

    def row_temperatures(self, temperature, frames):
        """Returns a temperature that broadcasts with the frames `(rows, ..., V)`."""
        values = _values(temperature)
        if values is not None and values.ndim == 0:
            temperature = check_number("temperature", values.item(), above=0)
        elif values is not None and not (
            values.shape in ((1,), tuple(frames.shape[:1]))
            and np.all(values > 0)
            and np.all(values < np.inf)
        ):
            raise ValueError(
                "`temperature` must be a finite number above 0, or one for each of "
                f"{frames.shape[0]} rows. Received: temperature={temperature!r}."
            )
        temperature = ops.cast(temperature, self.variable_dtype)
        return ops.reshape(temperature, (-1,) + (1,) * (len(frames.shape) - 1))

    def row_seeds(self, seed, frames):
        """Returns one seed a row, so that draws depend neither on the batch nor on padding."""
        seed = self._seed(seed)
        if len(seed.shape) == 1:
            return seed if len(frames.shape) < 2 else row_seeds(seed, ops.shape(frames)[0])
        if None not in (seed.shape[0], frames.shape[0]) and seed.shape[0] != frames.shape[0]:
            raise ValueError(
                f"`seed` must be one pair, or one for each of {frames.shape[0]} rows. "
                f"Received: shape {tuple(seed.shape)}."
            )
        return seed

    def one_seed(self, seed):
        """Returns one seed, for draws that belong to no row."""
        seed = self._seed(seed)
        return seed if len(seed.shape) == 1 else replicas.first_of_all(seed)

    def _seed(self, seed):
        """Returns the pair, or the pairs, of an argument `seed`."""
        seed = self.seed if seed is None else seed
        if np.ndim(seed) == 0:
            return seed_pair(seed)
        seed = seed if hasattr(seed, "shape") else np.asarray(seed)
        if seed.shape[-1] not in (None, 2):
            raise ValueError(
                "`seed` must be an integer, a pair of int32 or one pair for each row. "
                f"Received: shape {tuple(seed.shape)}."
            )
        return seed


def _values(argument):
    """Returns an argument as an array; None if it is a tensor of a graph, without values yet."""
    if isinstance(argument, np.ndarray | np.generic) or not hasattr(argument, "dtype"):
        return np.asarray(argument)
    if isinstance(argument, keras.KerasTensor):
        return None
    if getattr(argument.dtype, "name", argument.dtype) == "bfloat16":
        argument = ops.cast(argument, "float32")  # NumPy cannot read a scalar of TensorFlow's
    try:
        return ops.convert_to_numpy(argument)
    except (NotImplementedError, TypeError):  # a tensor of TensorFlow's graphs, a tracer of JAX
        return None


def _keras_module(option):
    """Returns the module of Keras whose objects an option of a weight takes."""
    return keras.initializers if option.endswith("_initializer") else keras.regularizers


def split(inputs):
    """Returns `(frames, context)` of a head's inputs: tensors, masks or None."""
    return _as_pair(inputs) if isinstance(inputs, list | tuple) else (inputs, None)


def split_shape(shape):
    """Returns the shapes of frames and of context of a head's input shape."""
    return _as_pair(shape) if isinstance(shape[0], list | tuple) else (shape, None)


def _as_pair(parts):
    if len(parts) != 2:
        raise ValueError(
            "The inputs of a head must be frames, or `[frames, context]`. "
            f"Received: a list of {len(parts)}."
        )
    return tuple(parts)
