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
        self.forward, self._program = {}, {}
        for keep in (False, True):
            self.forward[keep] = _graph(functools.partial(self._forward, keep))
            keep_steps = keep and not self._again
            self._program[keep] = _xla(functools.partial(steps.forward, recurrence, keep_steps))
        self.backward = _graph(self._backward)
        back = self._again_and_back if self._again else steps.backward
        self._program_back = _xla(functools.partial(back, recurrence))

    def _forward(self, keep, weights, rows, frames, states, mask):
        axes = self._recurrence.state_row_axes
        grid = _Grid(self._recurrence, self._num_shards, frames[0])
        rows = grid.shards(rows, (0,) * len(rows))

        def body(i, states, outputs, kept):
            parts = zip(rows, grid.chunk(frames, i), states, grid.chunk(mask, i, 1), strict=True)
            results = [self._program[keep](weights, *part, grid.num_steps(i)) for part in parts]
            of_shards, after, keeps = zip(*results, strict=True)
            if keep:
                keeps = states if self._again else [stacks + others for stacks, others in keeps]
                self._kept_shapes = [x.shape for x in keeps[0]]
                kept = tuple(_write(a, i, x) for a, x in zip(kept, keeps, strict=True))
            return i + 1, after, outputs.write(i, grid.joined(of_shards, grid.axis)), kept

        first = states[0]  # of the shape of an output
        states = grid.shards(states, axes)
        number = len(axes) + (0 if self._again else self._recurrence.num_kept) if keep else 0
        kept = tuple(grid.arrays(first.dtype, number) for _ in states)
        (outputs,) = grid.arrays(first.dtype, 1)
        _, states, outputs, kept = grid.loop(body, (0, states, outputs, kept))
        states = tuple(map(grid.joined, zip(*states, strict=True), axes))
        kept = tuple(tuple(array.flow for array in arrays) for arrays in kept)
        return grid.over_time(outputs, first.shape, tf.shape(first)), states, kept

    @staticmethod
    def _again_and_back(
        recurrence, weights, rows, frames, mask, kept, d_outputs, d_states, num_steps
    ):
        inputs, (states, _) = (weights, rows, frames), kept
        _, _, kept = steps.forward(recurrence, True, *inputs, states, mask, num_steps)
        return steps.backward(recurrence, *inputs, mask, kept, d_outputs, d_states, num_steps)

    def _backward(self, weights, rows, frames, d_states, mask, d_outputs, kept):
        axes = self._recurrence.state_row_axes
        grid = _Grid(self._recurrence, self._num_shards, frames[0])
        rows = grid.shards(rows, (0,) * len(rows))

        def read(flow, shape, i):
            x = tf.TensorArray(d_outputs.dtype, flow=flow).read(i)
            x.set_shape(shape)
            return x

        def body(chunks_done, d_states, d_weights, arrays):
            i = grid.num_chunks - 1 - chunks_done
            keeps = [
                tuple(read(*array, i) for array in zip(flows, self._kept_shapes, strict=True))
                for flows in kept
            ]
            parts = zip(
                rows,
                grid.chunk(frames, i),
                grid.chunk(mask, i, 1),
                [(keep[: len(axes)], keep[len(axes) :]) for keep in keeps],
                grid.chunk(d_outputs, i),
                d_states,
                strict=True,
            )
            results = [self._program_back(weights, *part, grid.num_steps(i)) for part in parts]
            more, d_frames, d_states = zip(*results, strict=True)
            d_weights = tf.nest.map_structure(tf.add, d_weights, more)
            d_frames = [grid.joined(parts, grid.axis) for parts in zip(*d_frames, strict=True)]
            return chunks_done + 1, d_states, d_weights, _write(arrays, i, d_frames)

        d_weights = tuple(tuple(map(tf.zeros_like, weights)) for _ in rows)
        arrays = grid.arrays(d_outputs.dtype, len(frames))
        variables = (0, grid.shards(d_states, axes), d_weights, arrays)
        _, d_states, d_weights, arrays = grid.loop(body, variables)
        d_weights = tuple(sum(parts[1:], parts[0]) for parts in zip(*d_weights, strict=True))
        d_frames = tuple(
            grid.over_time(array, x.shape[1:], tf.shape(x)[1:])
            for array, x in zip(arrays, frames, strict=True)
        )
        return d_weights, d_frames, tuple(map(grid.joined, zip(*d_states, strict=True), axes))


def _graph(function):
    return tf.function(function, autograph=False)


def _xla(function):
    return tf.function(function, jit_compile=True, autograph=False)


class _Grid:
    """Sequences `(time, batch, ...)` in chunks of `STEPS` frames, and in shards of equal size."""

    def __init__(self, recurrence, num_shards, frames):
        self.axis = axis = recurrence.frame_row_axis
        # A frame with axes before that of its rows is a chunk already.
        self._steps = STEPS if axis == 1 else 1
        shape = tf.shape(frames)
        self._time, self._batch = shape[0], shape[axis]
        self._num_shards = num_shards
        self._rows = -(-self._batch // num_shards)
        self.num_chunks = -(-self._time // self._steps)
        bounds = [number * self._rows for number in range(num_shards + 1)]
        self._slices = [slice(*ends) for ends in itertools.pairwise(bounds)]

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
        chunk = x[i * self._steps : (i + 1) * self._steps]
        return [self._shard(chunk, axis, rows, {0: self._steps}) for rows in self._slices]

    def shards(self, tensors, axes):
        """Returns a tuple of tensors for each shard, cut along their axes of rows."""
        pairs = list(zip(tensors, axes, strict=True))
        return tuple(
            tuple(self._shard(x, axis, rows, {}) for x, axis in pairs) for rows in self._slices
        )

    def _shard(self, x, axis, rows, sizes):
        """Returns rows of a tensor, with zeros appended up to their number and to `sizes`."""
        x = x[(slice(None),) * axis + (rows,)]
        sizes, shape, known = sizes | {axis: self._rows}, tf.shape(x), x.shape.as_list()
        after = [0] * len(known)
        for axis, size in sizes.items():
            after[axis] = size - shape[axis]
            known[axis] = steps.known(size)
        x = tf.pad(x, [[0, number] for number in after])
        x.set_shape(known)
        return x

    def joined(self, shards, axis):
        """Returns the shards of a tensor as one, without the row that was added."""
        missing = self._rows * self._num_shards - self._batch
        last = shards[-1][(slice(None),) * axis + (slice(self._rows - missing),)]
        return tf.concat([*shards[:-1], last], axis)

    def arrays(self, dtype, number):
        """Returns arrays over the chunks."""
        return tuple(tf.TensorArray(dtype, self.num_chunks) for _ in range(number))

    def over_time(self, array, known, shape):
        """Returns an array over the chunks as a tensor over time.

        Args:
            array: A `tf.TensorArray`.
            known: Shape of a frame, with None for what is known at run time alone.
            shape: The same at run time.
        """
        x = steps.stacked(array, tf.concat([[self._steps], shape], 0))
        x = tf.reshape(x, tf.concat([[self.num_chunks * self._steps], shape], 0))
        x.set_shape([None, *known])
        return x[: self._time]

    def loop(self, body, variables):
        """Runs `body` for each chunk."""
        return tf.while_loop(lambda i, *_: i < self.num_chunks, body, variables)


def _write(arrays, i, tensors):
    return tuple(a.write(i, x) for a, x in zip(arrays, tensors, strict=True))
