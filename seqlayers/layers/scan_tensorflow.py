"""`scan` on TensorFlow: two loops in a `tf.custom_gradient`.

XLA compiles both. On CPUs one program of XLA's runs its small products on one core, so the batch is
cut in shards that run side by side.
"""

import contextlib
import contextvars
import functools
import os

import tensorflow as tf

from seqlayers.layers.recurrence import step, step_gradient


def run(recurrence, by_hand, weights, rows, frames, states, mask, training, jit_compile):
    """Runs a recurrence over time: `seqlayers.layers.scan.scan`."""
    assert by_hand, "the cell of a recurrence without a gradient runs in Keras's loop"
    jit_compile = bool(training) if jit_compile == "auto" else jit_compile
    jit_compile = jit_compile and not _compiled_whole.get()
    shard = functools.partial(_shard, recurrence, _num_shards() if jit_compile else 1)
    structure = (weights, frames, states)
    leaves = tuple(map(tf.convert_to_tensor, tf.nest.flatten(structure)))
    rows = tuple(tf.stop_gradient(x) for x in rows)  # dropout is made of what a tape may watch
    returned, forward_mode = False, False

    # A tape is to record nothing within `loop` and `gradient`: their gradients are written here.

    @tf.custom_gradient
    def loop(*leaves):
        weights, frames, states = tf.nest.pack_sequence_as(structure, _constants(leaves))
        shards = shard(rows, frames, states, mask)

        def forward(keep):
            results = [_forward(recurrence, keep, jit_compile)(weights, *part) for part in shards]
            return zip(*results, strict=True)

        outputs, last, *kept = forward(keep=bool(training))

        @tf.custom_gradient
        def gradient(*leaves_and_results):
            d_outputs, *d_last = d_results = leaves_and_results[len(leaves) :]
            _, _, stacks, keeps = (None, None, *kept) if kept else forward(keep=True)
            d_shards = shard((), (tf.stop_gradient(d_outputs),), _constants(d_last), None)
            gradients = [
                _backward(recurrence, jit_compile)(weights, *part, stack, keep, d_out, d_states)
                for part, stack, keep, (
                    _,
                    (d_out,),
                    d_states,
                    _,
                ) in zip(shards, stacks, keeps, d_shards, strict=True)
            ]
            d_weights, d_frames, d_states = zip(*gradients, strict=True)
            d_weights = [sum(parts[1:], parts[0]) for parts in zip(*d_weights, strict=True)]
            d_frames, d_states = _join(recurrence, d_frames, d_states)

            def second(*d_gradients):
                inputs = tf.nest.pack_sequence_as(structure, leaves_and_results[: len(leaves)])
                return _second(recurrence, inputs, rows, mask, d_results, d_gradients)

            return tf.nest.flatten((tuple(d_weights), d_frames, d_states)), second

        def gradient_of(*d_results):
            nonlocal forward_mode
            forward_mode = forward_mode or not returned
            # Copies, so that `second` refers to tensors of the graph that `gradient` runs in.
            return gradient(*map(tf.identity, (*leaves, *d_results)))

        (outputs,), last = _join(recurrence, [(part,) for part in outputs], last)
        return (outputs, *last), gradient_of

    outputs, *last = loop(*leaves)
    returned = True
    # Forward mode asks for the gradient at once. In a graph TensorFlow then takes the Jacobian of
    # every custom gradient for 0.
    if forward_mode and not tf.executing_eagerly():
        weights, frames, states = tf.nest.pack_sequence_as(structure, leaves)
        return _unrolled(recurrence, weights, rows, frames, states, mask)
    return outputs, tuple(last)


def _constants(tensors):
    return tuple(tf.stop_gradient(x) for x in tensors)


_compiled_whole = contextvars.ContextVar("compiled_whole", default=False)


@contextlib.contextmanager
def compiled_whole(really=True):
    """A context within which `scan` compiles nothing: XLA compiles the program around it as one.

    That program would run shards one after the other, and be compiled for each of them.
    """
    token = _compiled_whole.set(really)
    try:
        yield
    finally:
        _compiled_whole.reset(token)


def has_gpu():
    """Returns whether TensorFlow has a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def _num_shards():
    """Returns 2 on CPUs of two cores or more, else 1; larger numbers were not measured."""
    return 2 if (os.cpu_count() or 1) > 1 and not has_gpu() else 1


def _shard(recurrence, number, rows, frames, states, mask):
    """Returns the batch in parts of nearly equal size, each as `(rows, frames, states, mask)`."""
    axis = recurrence.frame_row_axis
    static = frames[0].shape[axis]
    if number == 1 or (static is not None and static < number):
        return [(rows, frames, states, mask)]
    size = tf.shape(frames[0])[axis] if static is None else static
    half = (size + 1) // 2
    parts = []
    for part in (slice(None, half), slice(half, None)):
        of_states = zip(states, recurrence.state_row_axes, strict=True)
        parts.append(
            (
                tuple(x[part] for x in rows),
                tuple(_rows(x, axis, part) for x in frames),
                tuple(_rows(x, of_state, part) for x, of_state in of_states),
                None if mask is None else mask[:, part],
            )
        )
    return parts


def _rows(x, axis, part):
    return x[(slice(None),) * axis + (part,)]


def _join(recurrence, frames, states):
    """Joins frames and states of all parts to those of the whole batch."""
    axis = recurrence.frame_row_axis
    frames = tuple(tf.concat(parts, axis) for parts in zip(*frames, strict=True))
    states = zip(zip(*states, strict=True), recurrence.state_row_axes, strict=True)
    return frames, tuple(tf.concat(parts, axis) for parts, axis in states)


# Compiled once for all layers that do the same: tracing again costs seconds under XLA.


@functools.lru_cache(maxsize=64)
def _forward(recurrence, keep, jit_compile):
    return _compiled(functools.partial(_all_steps, recurrence, keep), jit_compile)


def _all_steps(recurrence, keep, weights, rows, frames, states, mask):
    """Returns outputs and last states.

    With `keep` it also returns what the backward pass needs: the states after each frame, and what
    each step keeps.
    """
    num_steps = _length(frames[0])
    # Element t is written in step t: converters to other runtimes know no other loop.
    first = states if keep else states[:1]
    stacks = tuple(tf.TensorArray(s.dtype, num_steps, element_shape=s.shape) for s in first)
    num_kept = recurrence.num_kept if keep else 0
    kept = tuple(tf.TensorArray(states[0].dtype, num_steps) for _ in range(num_kept))

    def body(t, before, stacks, kept):
        states, keeps = _step(recurrence, weights, rows, frames, before, mask, t)
        stacks = tuple(a.write(t, s) for a, s in zip(stacks, states, strict=False))
        kept = tuple(a.write(t, k) for a, k in zip(kept, keeps, strict=False))
        return t + 1, states, stacks, kept

    _, states, stacks, kept = _loop(num_steps, body, (0, states, stacks, kept))
    stacks = tuple(_stacked(a, num_steps, s) for a, s in zip(stacks, first, strict=True))
    if not keep:
        return stacks[0], states
    return stacks[0], states, stacks, tuple(a.stack() for a in kept)


def _stacked(array, num_steps, like):
    """Returns an array as a tensor. In a graph there may be no steps, which `stack` refuses."""
    if tf.executing_eagerly():  # where functions are to run eagerly
        return array.stack()
    stack = tf.raw_ops.TensorListStack(
        input_handle=array.flow, element_shape=tf.shape(like), element_dtype=like.dtype
    )
    known = num_steps if isinstance(num_steps, int) else None
    stack.set_shape([known, *like.shape])
    return stack


@functools.lru_cache(maxsize=64)
def _backward(recurrence, jit_compile):
    """Returns a compiled function of the gradients of weights, frames and first states."""

    def backward(weights, rows, frames, states, mask, stacks, kept, d_outputs, d_states):
        num_steps = _length(d_outputs)
        arrays = tuple(
            tf.TensorArray(d_outputs.dtype, num_steps)
            for _ in range(len(frames) + recurrence.num_extra)
        )

        def body(steps_done, d_after, arrays):
            t = num_steps - 1 - steps_done
            # Not read from a longer stack that begins with the first states: it would be a copy.
            before = tuple(
                tf.where(t > 0, s[tf.maximum(t - 1, 0)], first)
                for s, first in zip(stacks, states, strict=True)
            )
            d_after = (d_after[0] + d_outputs[t], *d_after[1:])
            d_frame, d_before, extra = step_gradient(
                recurrence,
                weights,
                rows,
                tuple(x[t] for x in frames),
                before,
                tuple(s[t] for s in stacks),
                tuple(k[t] for k in kept),
                None if mask is None else mask[t],
                d_after,
            )
            arrays = tuple(a.write(t, d) for a, d in zip(arrays, d_frame + extra, strict=True))
            return steps_done + 1, d_before, arrays

        _, d_states, arrays = _loop(num_steps, body, (0, d_states, arrays))
        arrays = tuple(a.stack() for a in arrays)
        d_frames, extra = arrays[: len(frames)], arrays[len(frames) :]
        before = tuple(
            tf.concat([first[None], s[:-1]], 0) for s, first in zip(stacks, states, strict=True)
        )
        d_weights = recurrence.weight_gradients(
            weights, rows, before, stacks, kept, d_frames, extra
        )
        return d_weights, d_frames, d_states

    return _compiled(backward, jit_compile)


def _second(recurrence, *arguments):
    """Returns the gradients of `_backward`, by automatic differentiation.

    They are symbolic, as no tape records within a `tf.autodiff.ForwardAccumulator`. So they need a
    graph, also where functions are to run eagerly.
    """
    if not tf.executing_eagerly():
        return _symbolic_second(recurrence, *map(_copied, arguments))
    return _graph_of_second(recurrence).get_concrete_function(*arguments)(*arguments)


@functools.lru_cache(maxsize=64)
def _graph_of_second(recurrence):
    symbolic = functools.partial(_symbolic_second, recurrence)
    return tf.function(symbolic, autograph=False, reduce_retracing=True)


def _symbolic_second(recurrence, inputs, rows, mask, d_results, d_gradients):
    leaves = tf.nest.flatten(inputs)
    weights, frames, states = inputs
    results = tf.nest.flatten(_all_steps(recurrence, False, weights, rows, frames, states, mask))
    d_leaves = tf.gradients(results, leaves, d_results, unconnected_gradients="zero")
    leaves += d_results
    return tf.gradients(d_leaves, leaves, d_gradients, unconnected_gradients="zero")


def _copied(argument):
    return None if argument is None else tf.nest.map_structure(tf.identity, argument)


def _unrolled(recurrence, weights, rows, frames, states, mask):
    """Returns what `scan` returns, from one copy of the step for each frame."""
    if frames[0].shape[0] is None:
        raise NotImplementedError(
            "A `tf.autodiff.ForwardAccumulator` inside a `tf.function` needs sequences of a known "
            "number of steps; set it in the input's shape, or open the accumulator outside of the "
            f"function. Received: frames of shape {frames[0].shape}, time first."
        )
    outputs = []
    for t in range(frames[0].shape[0]):
        states, _ = _step(recurrence, weights, rows, frames, states, mask, t)
        outputs.append(states[0])
    return tf.stack(outputs), states


def _step(recurrence, weights, rows, frames, before, mask, t):
    """Returns the states after frame t, and what is kept."""
    frame, seen = tuple(x[t] for x in frames), None if mask is None else mask[t]
    return step(recurrence, weights, rows, frame, before, seen)


def _length(frames):
    """Returns the number of steps: an int where it is known, else a tensor."""
    return tf.shape(frames)[0] if frames.shape[0] is None else frames.shape[0]


def _compiled(function, jit_compile):
    """Returns `function` compiled, by XLA or as a graph.

    Within a graph that is not for XLA its operations become those of that graph: converters to
    other runtimes cannot read a function that two layers call.
    """
    graph = tf.function(
        function, jit_compile=jit_compile or None, autograph=False, reduce_retracing=True
    )
    if jit_compile:
        return graph
    return lambda *arguments: (graph if tf.executing_eagerly() else function)(*arguments)


def _loop(num_steps, body, variables):
    return tf.while_loop(lambda t, *_: t < num_steps, body, variables, maximum_iterations=num_steps)
