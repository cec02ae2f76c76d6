"""The loops of `steps_tensorflow`, compiled by XLA once for sequences of any length.

XLA compiles a program for each shape that it meets, in seconds. Here its programs run over chunks
of `STEPS` frames, and the last chunk is padded: a program is told how many of its frames there are
and runs no step over the rest. Results do not depend on the padding: outputs and states are those
of one loop over all frames, and the gradients of weights are sums over the chunks in their order.
What a chunk keeps and adds up is also small enough for a core's cache.

On CPUs one program runs its small products on one core, so the batch is cut in shards of equal size
that run side by side; the last one has a row of zeros where rows are missing.
"""

import functools
import os

import numpy as np
import tensorflow as tf

from seqlayers.layers import steps_tensorflow as steps
from seqlayers.layers.recurrence import frame_gradients

STEPS = 16  # of a chunk: more wait longer for the memory of what is kept, fewer for the calls


def forward(recurrence, keep, weights, rows, frames, states, mask):
    """Returns outputs, last states, and what `backward` needs, if it is to `keep` that.

    Where the recurrence runs again for its gradient, that are the states before each chunk.
    """
    loops = _loops(recurrence, _num_shards(recurrence, frames))
    arguments = (weights, rows, frames, states, mask)
    specs = _specs(recurrence, *arguments)
    outputs, last, kept = loops.forward[keep].get_concrete_function(*specs)(*arguments)
    outputs.set_shape(_known(recurrence, outputs, frames))
    for x, before in zip(last, states, strict=True):
        x.set_shape(before.shape)
    return outputs, last, kept


def backward(recurrence, weights, rows, frames, mask, kept, d_outputs, d_states):
    """Returns the gradients of weights, frames and first states."""
    loops = _loops(recurrence, _num_shards(recurrence, frames))
    arguments = (weights, rows, frames, d_states, mask)
    specs = _specs(recurrence, *arguments)
    (of_outputs,) = _specs(recurrence, frames=(d_outputs,))[2]
    of_kept = tf.nest.map_structure(tf.TensorSpec.from_tensor, kept)
    function = loops.backward.get_concrete_function(*specs, of_outputs, of_kept)
    d_weights, d_frames, d_states = function(*arguments, d_outputs, kept)
    for d, x in zip(d_frames, frames, strict=True):
        d.set_shape(x.shape)
    return d_weights, d_frames, d_states


def _specs(recurrence, weights=(), rows=(), frames=(), states=(), mask=None):
    """Returns the specs of arguments of any number of steps and rows."""

    def spec(x, *axes):
        shape = [None if axis in axes else size for axis, size in enumerate(x.shape)]
        return tf.TensorSpec(shape, x.dtype)

    axes = recurrence.state_row_axes[: len(states)]
    return (
        tuple(spec(x) for x in weights),
        tuple(spec(x, 0) for x in rows),
        tuple(spec(x, 0, recurrence.frame_row_axis) for x in frames),
        tuple(spec(x, axis) for x, axis in zip(states, axes, strict=True)),
        None if mask is None else spec(mask, 0, 1),
    )


def _known(recurrence, outputs, frames):
    """Returns the shape of outputs, with the number of steps and rows of frames."""
    shape, axis = outputs.shape.as_list(), recurrence.frame_row_axis
    shape[0], shape[axis] = frames[0].shape[0], frames[0].shape[axis]
    return shape


def _num_shards(recurrence, frames):
    """Returns 2 on CPUs of two cores or more, else 1; larger numbers were not measured."""
    one = frames[0].shape[recurrence.frame_row_axis] == 1
    return 1 if one or (os.cpu_count() or 1) == 1 or steps.has_gpu() else 2


@functools.lru_cache(maxsize=64)
def _loops(recurrence, num_shards):
    """Returns the loops of a recurrence, for all layers that do the same."""
    return _Loops(recurrence, num_shards)


class _Loops:
    """The loops over chunks, as functions of TensorFlow, and the programs that they run.

    Each is traced once, for any number of steps and rows. A model is traced several times.
    """

    def __init__(self, recurrence, num_shards):
        self._recurrence, self._num_shards = recurrence, num_shards
        self._again = recurrence.runs_again
        self._kept_shapes = []  # of what a shard keeps of a chunk
        self.forward, self._forward_shard, self._program = {}, {}, {}
        for keep in (False, True):
            self.forward[keep] = _graph(functools.partial(self._forward, keep))
            self._forward_shard[keep] = _graph(functools.partial(self._forward_chunks, keep))
            keep_steps = keep and not self._again
            program = steps.forward if recurrence.frame_row_axis == 1 else _of_a_chunk
            self._program[keep] = _xla(functools.partial(program, recurrence, keep_steps))
        self.backward = _graph(self._backward)
        self._backward_shard = _graph(self._backward_chunks)
        back = self._again_and_back if self._again else steps.backward
        self._program_back = _xla(functools.partial(back, recurrence))

    def _forward(self, keep, weights, rows, frames, states, mask):
        shards = _Shards(self._recurrence, self._num_shards, frames[0])
        outputs, last, kept = zip(
            *(
                self._forward_shard[keep](weights, *part)
                for part in shards.cut(rows, frames, states, mask)
            ),
            strict=True,
        )
        return shards.joined(outputs, shards.axis), shards.joined_states(last), kept

    def _forward_chunks(self, keep, weights, rows, frames, states, mask):
        chunks = _Chunks(self._recurrence, frames[0])

        def body(i, states, outputs, kept):
            part = (rows, chunks.of(frames, i), states, chunks.of(mask, i), chunks.num_steps(i))
            of_chunk, after, (stacks, others) = self._program[keep](weights, *part)
            if keep:
                keeps = states if self._again else (stacks or states) + others
                self._kept_shapes = [x.shape for x in keeps]
                kept = _write(kept, i, keeps)
            return i + 1, after, outputs.write(i, of_chunk), kept

        number = len(states) + (0 if self._again else self._recurrence.num_kept) if keep else 0
        kept, (outputs,) = (chunks.arrays(states[0].dtype, n) for n in (number, 1))
        _, last, outputs, kept = chunks.loop(body, (0, states, outputs, kept))
        outputs = chunks.over_time(outputs, frames[0], states[0].shape[-1])
        return outputs, last, tuple(array.flow for array in kept)

    @staticmethod
    def _again_and_back(
        recurrence, weights, rows, frames, mask, kept, d_outputs, d_states, num_steps
    ):
        inputs, (states, _) = (weights, rows, frames), kept
        _, _, kept = steps.forward(recurrence, True, *inputs, states, mask, num_steps)
        return steps.backward(recurrence, *inputs, mask, kept, d_outputs, d_states, num_steps)

    def _backward(self, weights, rows, frames, d_states, mask, d_outputs, kept):
        shards = _Shards(self._recurrence, self._num_shards, frames[0])
        parts = zip(shards.cut(rows, (*frames, d_outputs), d_states, mask), kept, strict=True)
        d_weights, d_frames, d_states = zip(
            *(self._backward_shard(weights, *part, kept) for part, kept in parts), strict=True
        )
        d_weights = tuple(sum(parts[1:], parts[0]) for parts in zip(*d_weights, strict=True))
        d_frames = tuple(shards.joined(parts, shards.axis) for parts in zip(*d_frames, strict=True))
        return d_weights, d_frames, shards.joined_states(d_states)

    def _backward_chunks(self, weights, rows, frames, d_states, mask, kept):
        *frames, d_outputs = frames
        chunks, number = _Chunks(self._recurrence, d_outputs), len(d_states)

        def read(flow, shape, i):
            x = tf.TensorArray(d_outputs.dtype, flow=flow).read(i)
            x.set_shape(shape)
            return x

        def body(chunks_done, d_states, d_weights, arrays):
            i = chunks.number - 1 - chunks_done
            keeps = tuple(read(*array, i) for array in zip(kept, self._kept_shapes, strict=True))
            more, d_frames, d_states = self._program_back(
                weights,
                rows,
                chunks.of(tuple(frames), i),
                chunks.of(mask, i),
                (keeps[:number], keeps[number:]),
                chunks.of(d_outputs, i),
                d_states,
                chunks.num_steps(i),
            )
            d_weights = tf.nest.map_structure(tf.add, d_weights, more)
            units[:] = [d.shape[-1] for d in d_frames]
            return chunks_done + 1, d_states, d_weights, _write(arrays, i, d_frames)

        units = []  # of the gradients of frames
        arrays = chunks.arrays(d_outputs.dtype, len(frames))
        variables = (0, d_states, tuple(map(tf.zeros_like, weights)), arrays)
        _, d_states, d_weights, arrays = chunks.loop(body, variables)
        d_frames = tuple(
            chunks.over_time(*part) for part in zip(arrays, frames, units, strict=True)
        )
        return d_weights, frame_gradients(self._recurrence, weights, d_frames), d_states


def _of_a_chunk(*arguments):
    """Returns what `steps.forward` does of one chunk, less the states before it: a copy of them."""
    outputs, after, (_, kept) = steps.forward(*arguments)
    return outputs, after, ((), kept)


def _graph(function):
    return tf.function(function, autograph=False)


def _xla(function):
    return tf.function(function, jit_compile=True, autograph=False)


class _Shards:
    """The rows of sequences `(time, batch, ...)` in shards of equal size."""

    def __init__(self, recurrence, number, frames):
        self.axis, self._state_axes = recurrence.frame_row_axis, recurrence.state_row_axes
        self._number, self._batch = number, tf.shape(frames)[self.axis]
        self._missing = -self._batch % number

    def cut(self, rows, frames, states, mask):
        """Returns rows, frames, states and mask of each shard, the last one with rows of zeros."""
        return list(
            zip(
                self._each(rows, [0] * len(rows)),
                self._each(frames, [self.axis] * len(frames)),
                self._each(states, self._state_axes),
                [None] * self._number if mask is None else self._cut(mask, 1),
                strict=True,
            )
        )

    def _each(self, tensors, axes):
        """Returns a tuple of tensors for each shard."""
        parts = [self._cut(x, axis) for x, axis in zip(tensors, axes, strict=True)]
        return list(zip(*parts, strict=True)) if parts else [()] * self._number

    def _cut(self, x, axis):
        if self._number == 1:
            return [x]
        return tf.split(_with_zeros(x, axis, self._missing), self._number, axis)

    def joined(self, parts, axis):
        """Returns the shards of a tensor as one, without the rows that were added."""
        if self._number == 1:
            return parts[0]
        return tf.concat(parts, axis)[(slice(None),) * axis + (slice(self._batch),)]

    def joined_states(self, parts):
        """Returns the states of all rows, of those of each shard."""
        return tuple(map(self.joined, zip(*parts, strict=True), self._state_axes))


class _Chunks:
    """Sequences `(time, batch, ...)` in chunks of `STEPS` frames."""

    def __init__(self, recurrence, frames):
        # A frame with axes before that of its rows is a chunk already.
        self._steps = STEPS if recurrence.frame_row_axis == 1 else 1
        self._time = tf.shape(frames)[0]
        self.number = -(-self._time // self._steps)

    def num_steps(self, i):
        """Returns the number of frames in chunk i."""
        return tf.minimum(self._time - i * self._steps, self._steps)

    def of(self, x, i):
        """Returns chunk i of a tensor, of the tensors in a tuple, or of None."""
        if x is None:
            return None
        if isinstance(x, tuple):
            return tuple(self.of(part, i) for part in x)
        first, number = np.eye(1, len(x.shape), dtype="int32")[0], self.num_steps(i)
        chunk = tf.slice(x, i * self._steps * first, (number + 1) * first - 1)  # -1: a whole axis
        chunk = _with_zeros(chunk, 0, self._steps - number)
        chunk.set_shape([self._steps, *x.shape[1:]])
        return chunk

    def arrays(self, dtype, number):
        """Returns arrays over the chunks."""
        return tuple(tf.TensorArray(dtype, self.number) for _ in range(number))

    def over_time(self, array, frames, units):
        """Returns an array over the chunks as a tensor over time, with so many units a row.

        Args:
            array: A `tf.TensorArray` of chunks.
            frames: Frames, whose other axes its elements have.
        """
        of_frame = tf.concat([tf.shape(frames)[1:-1], [units]], 0)
        x = steps.stacked(array, tf.concat([[self._steps], of_frame], 0))
        x = tf.reshape(x, tf.concat([[self.number * self._steps], of_frame], 0))
        x.set_shape([None, *frames.shape[1:-1], units])
        return x[: self._time]

    def loop(self, body, variables):
        """Runs `body` for each chunk."""
        return tf.while_loop(lambda i, *_: i < self.number, body, variables)


def _with_zeros(x, axis, number):
    """Returns a tensor with so many zeros appended along an axis; it is no copy if there are 0."""
    last = np.zeros((len(x.shape), 2), "int32")
    last[axis, 1] = 1
    padded = tf.pad(x, number * last)
    padded.set_shape([None if n == axis else size for n, size in enumerate(x.shape)])
    return padded


def _write(arrays, i, tensors):
    return tuple(a.write(i, x) for a, x in zip(arrays, tensors, strict=True))
