"""A memory before a head: the context of each frame.

    context_1 = u_0,  context_t = memory(v_1 .. v_{t-1})

The memory is any Keras recurrent layer, the head any `seqlayers.heads.Head`. u_0 is learned, but
for values that the memory fixes: what a `FrameHistory` or a `Position` returns before any frame is
known, so a `Joined` memory learns u_0 for its other parts. The memory starts from u_0, too: it is
the first state of the last cell, which by Keras's convention is that cell's output. A cell whose
output has another size starts as it does in Keras.

With `transpose` each context ends with a one-hot of the shift, see `models.transposition`. It is
part of the `State`, and so the same for all frames of a sequence.
"""

import copy
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.heads import Head
from seqlayers.layers.delay import delay
from seqlayers.masks import without_masked
from seqlayers.models.distributed import Distributed
from seqlayers.models.memory import (
    all_outputs,
    as_memory,
    first_context,
    first_states,
    next_states,
    outputs_in_training,
)
from seqlayers.models.transposition import Transposition


class State(NamedTuple):
    """The state of a model between two frames: `step` takes one and returns the next.

    Attributes:
        context: Context of the next frame, `(batch, C)`; None without a memory.
        memory: States of the memory's cells.
    """

    context: Any
    memory: Any


class ContextModel(Distributed, keras.Model):
    """A memory and a head in one Keras model: their weights, contexts, states and config.

    A subclass calls `build` at the end of its `__init__`, once it has made its metrics.

    Args:
        memory: The memory, as in `SequenceModel`.
        head: A `seqlayers.heads.Head`.
        transpose: Shifts in training, as in `SequenceModel`.
        **kwargs: `name` and `dtype`, as in `keras.Model`.
    """

    learns_initial_context = True  # False in a model whose u_0 stays 0

    def __init__(self, memory, head, transpose=None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(head, Head):
            raise ValueError(f"`head` must be a `seqlayers.heads.Head`. Received: head={head!r}.")
        self.autocast = False  # memory and head have dtypes of their own
        self.memory = as_memory(memory)
        self.head = head
        self.transposition = Transposition.of(self.memory, head, transpose)

    @property
    def num_shifts(self):
        """Number of values at the end of a context that encode the shift; 0 without `transpose`."""
        return 0 if self.transposition is None else self.transposition.num_shifts

    def build(self, input_shape):
        if input_shape[-1] != self.head.visible_units:
            raise ValueError(
                f"Frames must have the {self.head.visible_units} visible units of the head. "
                f"Received: shape {tuple(input_shape)}."
            )
        if hasattr(self, "initial_context"):
            return  # `__init__` has built the model, and a user may build it once more
        shapes = input_shape
        if self.memory is not None:
            if not self.memory.built:
                self.memory.build(input_shape)
            *shape, size = self.memory.compute_output_shape(input_shape)
            shapes = [input_shape, (*shape, size + self.num_shifts)]
        if not self.head.built:
            self.head.build(shapes)
        self.initial_context = None
        if self.memory is None:
            return
        self._fixed = first_context(self.memory, input_shape[-1])
        if num_open := int(np.isnan(self._fixed).sum()):
            self.initial_context = self.add_weight(
                name="initial_context",
                shape=(num_open,),
                initializer="zeros",
                trainable=self.learns_initial_context,
            )

    def call(self, frames, mask=None, training=False):
        if self.memory is None:
            return self.head.reconstruct(frames)
        return self.contexts(frames, mask, training)

    def contexts(self, frames, mask=None, training=False, shift=0):
        """Computes the context of each frame from the frames before it.

        Args:
            frames: `(batch, time, V)`.
            mask: Which steps are frames, bool `(batch, time)`; all if None.
            training: Whether the memory's dropout is on.
            shift: With `transpose`, the shift that the head reads, an integer or int32
                `(batch,)`.

        Returns:
            `(batch, time, C)`; None without a memory.
        """
        if self.memory is None:
            return None
        self.frames_shape(frames, "time, ")
        start = self._state_before(ops.shape(frames)[0], shift)
        inputs = self.memory_input(without_masked(frames, mask))
        outputs = self.memory_outputs(inputs, start.memory, mask, training)
        return delay(self._with_shift(outputs, start.context), start.context, mask)

    def memory_outputs(self, inputs, states, mask, training=False):
        """Returns the outputs `(batch, time, C)` of what the memory reads, from these states on."""
        if training:
            return outputs_in_training(self.memory, inputs, states, mask)
        return self.memory(inputs, initial_state=states, mask=mask)

    def contexts_after(self, state, frames, mask=None):
        """Computes the contexts of frames that follow a `State`: a long sequence, piece by piece.

        Args:
            state: A `State` of `batch` sequences.
            frames: `(batch, time, V)`.
            mask: Which steps are frames, bool `(batch, time)`; all if None.

        Returns:
            The contexts `(batch, time, C)`, None without a memory, and the `State` after the last
            frame of each sequence.
        """
        if self.memory is None:
            return None, state
        inputs = self.memory_input(without_masked(frames, mask))
        outputs, memory = all_outputs(self.memory, inputs, state.memory, mask)
        outputs = self._with_shift(outputs, state.context)
        one_more = [(0, 0), (0, 1)]
        outputs = ops.pad(outputs, [*one_more, (0, 0)])
        mask = None if mask is None else ops.pad(mask, one_more)
        contexts = delay(outputs, state.context, mask)
        return contexts[:, :-1], State(contexts[:, -1], memory)

    def memory_input(self, frames):
        """Returns what the memory reads of frames `(..., V)`: here the frames themselves."""
        return frames

    def initial_state(self, batch_size=1, shift=0):
        """Returns the `State` before the first frame, for `batch_size` sequences.

        Args:
            batch_size: Number of sequences.
            shift: With `transpose`, the shift that the head reads, for music in another key.

        Raises:
            ValueError: If `batch_size` is not an integer of at least 1, or `shift` is none of
                `transpose`.
        """
        if hasattr(batch_size, "numpy") or not ops.is_tensor(batch_size):
            batch_size = check_integer("batch_size", batch_size)
        low, high = self.transposition or (0, 0)
        return self._state_before(batch_size, check_integer("shift", shift, low, high))

    def _state_before(self, batch_size, shift=0):
        if self.memory is None:
            return State(None, [])
        context = ops.broadcast_to(self._first_context(), (batch_size, len(self._fixed)))
        context = ops.cast(context, self.memory.compute_dtype)
        memory = first_states(self.memory, context, batch_size)
        if self.transposition is not None:
            shift = ops.broadcast_to(shift, (batch_size,))
            shift = self.transposition.one_hot(shift, context.dtype)
            context = ops.concatenate([context, shift], axis=-1)
        return State(context, memory)

    def _with_shift(self, outputs, context):
        """Returns outputs of the memory, with the shift of a context `(batch, ...)`."""
        if self.transposition is None:
            return outputs
        shift = context[:, -self.num_shifts :]
        if len(outputs.shape) == 3:
            shape = (*ops.shape(outputs)[:2], self.num_shifts)
            shift = ops.broadcast_to(shift[:, None], shape)
        return ops.concatenate([outputs, ops.cast(shift, outputs.dtype)], axis=-1)

    def _first_context(self):
        """Returns u_0 `(C,)`: `initial_context` where the memory fixes no value."""
        is_open = np.isnan(self._fixed)
        if not is_open.any():
            return ops.convert_to_tensor(self._fixed)
        if is_open.all():
            return self.initial_context
        values = ops.concatenate([self.initial_context, self._fixed[~is_open]])
        order = np.where(is_open, np.cumsum(is_open), is_open.sum() + np.cumsum(~is_open)) - 1
        return ops.take(values, order, axis=0)

    def step(self, frame, state):
        """Returns the `State` after one more frame `(batch, V)`.

        Raises:
            ValueError: If `state` is no `State`, or does not have a row for each frame.
        """
        if not isinstance(state, State):
            raise ValueError(
                "`state` must be a `State`, as `initial_state`, `prime` or `step` return it. "
                f"Received: {type(state).__name__}."
            )
        shape = self.frames_shape(frame, "")
        if self.memory is None:
            return state
        rows = state.context.shape[0]
        if None not in (rows, shape[0]) and rows != shape[0]:
            raise ValueError(
                f"`state` must have a row for each frame. Received: {rows} rows and frames of "
                f"shape {shape}."
            )
        output, memory = next_states(self.memory, self.memory_input(frame), state.memory)
        return State(self._with_shift(output, state.context), memory)

    def frames_shape(self, frames, time):
        """Returns the shape of frames, `(batch, time, V)`, or `(batch, V)` if `time` is empty.

        Raises:
            ValueError: If they have another.
        """
        shape, V = tuple(np.shape(frames)), self.head.visible_units
        if len(shape) != (3 if time else 2) or shape[-1] not in (None, V):
            raise ValueError(
                f"Frames must have the shape (batch, {time}{V}). Received: shape {shape}."
            )
        return shape

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "memory": None if self.memory is None else serialize(self.memory),
            "head": serialize(self.head),
        }

    @classmethod
    def from_config(cls, config):
        config = copy.deepcopy(config)  # Keras takes parts out of it
        for part in ("memory", "head", "dtype"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)
