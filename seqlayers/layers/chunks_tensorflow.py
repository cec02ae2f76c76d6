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
import itertools
import os

import tensorflow as tf

from seqlayers.layers import steps_tensorflow as steps

STEPS = 16  # of a chunk: more wait longer for the memory of what is kept, fewer for the calls


def forward(recurrence, keep, weights, rows, frames, states, mask):
    """Returns outputs, last states, and what `backward` needs, if it is to `keep` that.

    Where the recurrence runs again for its gradient, that are the states before each chunk.
    """
    grid = _Grid(recurrence, frames[0])
    axes = recurrence.state_row_axes
    again = keep and recurrence.runs_again
    program = _forward(recurrence, keep and not again)
    rows = grid.shards(rows, (0,) * len(rows))
    shapes = []  # of what a shard keeps of a chunk, known once the loop is traced

    def body(i, states, outputs, kept):
        sequences = (grid.chunk(frames, i), grid.chunk(mask, i, axis=1))
        parts = zip(rows, sequences[0], states, sequences[1], strict=True)
        results = [program(weights, *part, grid.num_steps(i)) for part in parts]
        of_shards, after, keeps = zip(*results, strict=True)
        keeps = states if again else [stacks + others for stacks, others in keeps]
        shapes[:] = [x.shape for x in keeps[0]]
        kept = tuple(_write(a, i, x) for a, x in zip(kept, keeps, strict=True))
        return i + 1, after, outputs.write(i, grid.joined(of_shards, grid.axis)), kept

    shapes_of_states = [x.shape for x in states]
    states = grid.shards(states, axes)
    first = states[0][0]
    number = len(axes) + (0 if again else recurrence.num_kept) if keep else 0
    kept = tuple(grid.arrays(first.dtype, [None] * number) for _ in states)
    (outputs,) = grid.arrays(first.dtype, [first.shape])
    _, states, outputs, kept = grid.loop(body, (0, states, outputs, kept))
    states = tuple(map(grid.joined, zip(*states, strict=True), axes))
    for x, shape in zip(states, shapes_of_states, strict=True):
        x.set_shape(shape)
    return grid.over_time(outputs, first.shape), states, (kept, shapes)


def backward(recurrence, weights, rows, frames, mask, kept, d_outputs, d_states):
    """Returns the gradients of weights, frames and first states."""
    grid = _Grid(recurrence, frames[0])
    axes = recurrence.state_row_axes
    program = _backward(recurrence)
    rows = grid.shards(rows, (0,) * len(rows))
    kept, shapes = kept

    def body(chunks_done, d_states, d_weights, arrays):
        i = grid.num_chunks - 1 - chunks_done
        keeps = [tuple(map(_read(i), arrays, shapes)) for arrays in kept]
        parts = zip(
            rows,
            grid.chunk(frames, i),
            grid.chunk(mask, i, axis=1),
            [(keep[: len(axes)], keep[len(axes) :]) for keep in keeps],
            grid.chunk(d_outputs, i),
            d_states,
            strict=True,
        )
        results = [program(weights, *part, grid.num_steps(i)) for part in parts]
        d_weights_here, d_frames, d_states = zip(*results, strict=True)
        d_weights = tf.nest.map_structure(tf.add, d_weights, d_weights_here)
        d_frames = [grid.joined(parts, grid.axis) for parts in zip(*d_frames, strict=True)]
        return chunks_done + 1, d_states, d_weights, _write(arrays, i, d_frames)

    d_weights = tuple(tuple(map(tf.zeros_like, weights)) for _ in rows)
    shapes_of_frames = [x.shape[1:] for x in frames]
    arrays = grid.arrays(d_outputs.dtype, shapes_of_frames)
    variables = (0, grid.shards(d_states, axes), d_weights, arrays)
    _, d_states, d_weights, arrays = grid.loop(body, variables)
    d_weights = tuple(sum(parts[1:], parts[0]) for parts in zip(*d_weights, strict=True))
    d_frames = tuple(map(grid.over_time, arrays, shapes_of_frames))
    return d_weights, d_frames, tuple(map(grid.joined, zip(*d_states, strict=True), axes))


# Compiled once for all layers that do the same: tracing again costs seconds under XLA.


@functools.lru_cache(maxsize=64)
def _forward(recurrence, keep):
    return _compiled(functools.partial(steps.forward, recurrence, keep))


@functools.lru_cache(maxsize=64)
def _backward(recurrence):
    def again(weights, rows, frames, mask, kept, d_outputs, d_states, num_steps):
        inputs, (states, _) = (weights, rows, frames), kept
        _, _, kept = steps.forward(recurrence, True, *inputs, states, mask, num_steps)
        return steps.backward(recurrence, *inputs, mask, kept, d_outputs, d_states, num_steps)

    backward = functools.partial(steps.backward, recurrence)
    return _compiled(again if recurrence.runs_again else backward)


def _compiled(function):
    return tf.function(function, jit_compile=True, autograph=False, reduce_retracing=True)


class _Grid:
    """Sequences `(time, batch, ...)` in chunks of `STEPS` frames, and in shards of equal size.

    Their sizes are unknown in a graph even where they are known outside: a program that was traced
    for a size would be traced and compiled again with the next.
    """

    def __init__(self, recurrence, frames):
        self.axis = axis = recurrence.frame_row_axis
        # A frame with axes before that of its rows is a chunk already.
        self._steps = STEPS if axis == 1 else 1
        self._known = frames.shape[0], frames.shape[axis]
        shape = tf.shape(_of_any_size(frames, (0, axis)))
        self._time, self._batch = shape[0], shape[axis]
        self._num_shards = 1 if frames.shape[axis] == 1 else _num_shards()
        self._rows = -(-self._batch // self._num_shards)
        self.num_chunks = -(-self._time // self._steps)

    def num_steps(self, i):
        """Returns the number of frames in chunk i."""
        return tf.minimum(self._time - i * self._steps, self._steps)

    def chunk(self, x, i, axis=None):
        """Returns chunk i of the shards of a tensor, of tensors in a tuple, or of None."""
        if x is None:
            return [None] * self._num_shards
        if isinstance(x, tuple):
            return list(zip(*(self.chunk(part, i, axis) for part in x), strict=True))
        axis = axis or self.axis
        steps = slice(i * self._steps, (i + 1) * self._steps)
        between = (slice(None),) * (axis - 1)
        x = _of_any_size(x, (0, axis))
        parts = [x[(steps, *between, rows)] for rows in self._slices()]
        return [_padded(part, {0: self._steps, axis: self._rows}) for part in parts]

    def shards(self, tensors, axes):
        """Returns a tuple of tensors for each shard, cut along their axes of rows."""
        shards = []
        for rows in self._slices():
            parts = []
            for x, axis in zip(tensors, axes, strict=True):
                part = _of_any_size(x, (axis,))[(slice(None),) * axis + (rows,)]
                parts.append(_padded(part, {axis: self._rows}))
            shards.append(tuple(parts))
        return tuple(shards)

    def _slices(self):
        bounds = [number * self._rows for number in range(self._num_shards + 1)]
        return [slice(*ends) for ends in itertools.pairwise(bounds)]

    def joined(self, shards, axis):
        """Returns the shards of a tensor as one, without the row that was added."""
        missing = self._rows * self._num_shards - self._batch
        last = shards[-1][(slice(None),) * axis + (slice(self._rows - missing),)]
        return tf.concat([*shards[:-1], last], axis)

    def arrays(self, dtype, shapes):
        """Returns an array over the chunks for frames of each shape, which may be None."""
        batch = self._batch if tf.executing_eagerly() else None
        arrays = []
        for shape in shapes:
            if shape is not None:
                shape = [self._steps, *self._with_rows(shape, batch)]
            # Read again by each gradient that is taken.
            array = tf.TensorArray(
                dtype, self.num_chunks, element_shape=shape, clear_after_read=False
            )
            arrays.append(array)
        return tuple(arrays)

    def over_time(self, array, shape):
        """Returns an array over the chunks as a tensor over time; `shape` is that of a frame."""
        of_frame = self._with_rows(shape, self._batch)
        x = steps.stacked(array, tf.stack([self._steps, *of_frame]))
        x = tf.reshape(x, tf.stack([self.num_chunks * self._steps, *of_frame]))[: self._time]
        time, batch = self._known
        x.set_shape([time, *self._with_rows(shape, batch)])
        return x

    def _with_rows(self, shape, rows):
        return [*shape[: self.axis - 1], rows, *shape[self.axis :]]

    def loop(self, body, variables):
        """Runs `body` for each chunk."""
        return tf.while_loop(lambda i, *_: i < self.num_chunks, body, variables)


def _num_shards():
    """Returns 2 on CPUs of two cores or more, else 1; larger numbers were not measured."""
    return 2 if (os.cpu_count() or 1) > 1 and not steps.has_gpu() else 1


def _of_any_size(x, axes):
    """Returns a tensor whose size in these axes a graph does not know."""
    shape = [None if axis in axes else size for axis, size in enumerate(x.shape)]
    return tf.compat.v1.placeholder_with_default(x, shape)


def _padded(x, sizes):
    """Returns a tensor with zeros appended to the axes in `sizes`, up to the size given there."""
    shape, known = tf.shape(x), x.shape.as_list()
    after = [0] * len(known)
    for axis, size in sizes.items():
        after[axis] = size - shape[axis]
        known[axis] = steps.known(size)
    x = tf.pad(x, [[0, number] for number in after])
    x.set_shape(known)
    return x


def _write(arrays, i, tensors):
    return tuple(a.write(i, x) for a, x in zip(arrays, tensors, strict=True))


def _read(i):
    """Returns a function that reads element i of an array, and sets the shape that was known."""

    def read(array, shape):
        x = array.read(i)
        x.set_shape(shape)
        return x

    return read
