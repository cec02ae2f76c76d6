"""The loops over time of `scan` on TensorFlow, forward and backward, for XLA or a graph."""

import tensorflow as tf

from seqlayers.layers.recurrence import step, step_gradient


def forward(recurrence, keep, weights, rows, frames, states, mask, num_steps=None):
    """Returns outputs, last states, and what `backward` needs, if it is to `keep` that.

    That are two tuples: the states before the first frame and after each, and what each step keeps;
    of a single chunk of frames the states before it, and what it keeps.

    Args:
        recurrence: A `seqlayers.layers.recurrence.Recurrence`.
        keep: Whether the backward pass follows.
        weights, rows, frames, states, mask: As `seqlayers.layers.scan.scan` has them.
        num_steps: Number of frames, a tensor, if those behind are padding. No step runs over them:
            their outputs and all that is kept of them are 0.
    """
    size = length(frames[0])
    if _is_one_chunk(recurrence, size):
        after, kept = step_at(recurrence, weights, rows, frames, states, mask, 0)
        return after[0][None], after, (states, kept) if keep else ((), ())
    # Element t is written in step t: converters to other runtimes know no other loop.
    outputs = tf.TensorArray(states[0].dtype, size, element_shape=states[0].shape)
    stacks = kept = ()
    if keep:
        stacks = tuple(tf.TensorArray(s.dtype, size + 1, element_shape=s.shape) for s in states)
        stacks = tuple(a.write(0, s) for a, s in zip(stacks, states, strict=True))
        kept = tuple(tf.TensorArray(states[0].dtype, size) for _ in range(recurrence.num_kept))

    def body(t, before, outputs, stacks, kept):
        states, keeps = step_at(recurrence, weights, rows, frames, before, mask, t)
        if keep:
            stacks = tuple(a.write(t + 1, s) for a, s in zip(stacks, states, strict=True))
            kept = tuple(a.write(t, k) for a, k in zip(kept, keeps, strict=True))
        else:
            outputs = outputs.write(t, states[0])
        return t + 1, states, outputs, stacks, kept

    end, bound = _ends(num_steps, size)
    _, states, outputs, stacks, kept = tf.while_loop(
        lambda t, *_: t < end,
        body,
        (0, states, outputs, stacks, kept),
        maximum_iterations=bound,
    )
    if not keep:
        outputs = stacked(outputs, tf.shape(states[0]))
        return tf.ensure_shape(outputs, [known(size), *states[0].shape]), states, ((), ())
    stacks, kept = (tuple(a.stack() for a in arrays) for arrays in (stacks, kept))
    return stacks[0][1:], states, (stacks, kept)


def backward(recurrence, weights, rows, frames, mask, kept, d_outputs, d_states, num_steps=None):
    """Returns the gradients of weights, frames and first states."""
    stacks, kept = kept
    size, transposed = length(d_outputs), recurrence.transposed(weights)
    if _is_one_chunk(recurrence, size):
        d_after = (d_states[0] + d_outputs[0], *d_states[1:])
        frame, seen = tuple(x[0] for x in frames), None if mask is None else mask[0]
        d_frame, d_states, extra = step_gradient(
            recurrence, transposed, rows, frame, stacks, None, kept, seen, d_after
        )
        d_frames, extra = (tuple(x[None] for x in part) for part in (d_frame, extra))
        d_weights, d_frames = recurrence.gradients(
            weights, rows, frames, stacks, None, kept, d_frames, extra
        )
        return d_weights, d_frames, d_states
    arrays = tuple(
        tf.TensorArray(d_outputs.dtype, size) for _ in range(len(frames) + recurrence.num_extra)
    )

    def body(t, d_after, arrays):
        d_after = (d_after[0] + d_outputs[t], *d_after[1:])
        d_frame, d_before, extra = step_gradient(
            recurrence,
            transposed,
            rows,
            tuple(x[t] for x in frames),
            tuple(s[t] for s in stacks),
            tuple(s[t + 1] for s in stacks),
            tuple(k[t] for k in kept),
            None if mask is None else mask[t],
            d_after,
        )
        arrays = tuple(a.write(t, d) for a, d in zip(arrays, d_frame + extra, strict=True))
        return t - 1, d_before, arrays

    # A variable of the loop: of an index that is made of `num_steps` XLA wants to know the number.
    end, bound = _ends(num_steps, size)
    _, d_states, arrays = tf.while_loop(
        lambda t, *_: t >= 0, body, (end - 1, d_states, arrays), maximum_iterations=bound
    )
    arrays = tuple(a.stack() for a in arrays)
    d_frames, extra = arrays[: len(frames)], arrays[len(frames) :]
    before, after = tuple(s[:-1] for s in stacks), tuple(s[1:] for s in stacks)
    d_weights, d_frames = recurrence.gradients(
        weights, rows, frames, before, after, kept, d_frames, extra
    )
    return d_weights, d_frames, d_states


def _is_one_chunk(recurrence, size):
    """Returns whether there is one step, of many frames: a loop would copy all that is theirs."""
    return recurrence.frame_row_axis > 1 and isinstance(size, int) and size == 1


def step_at(recurrence, weights, rows, frames, before, mask, t):
    """Returns the states after frame t, and what is kept."""
    frame, seen = tuple(x[t] for x in frames), None if mask is None else mask[t]
    return step(recurrence, weights, rows, frame, before, seen)


def length(x, axis=0):
    """Returns the size of an axis: an int where it is known, else a tensor."""
    return tf.shape(x)[axis] if x.shape[axis] is None else x.shape[axis]


def has_gpu():
    """Returns whether TensorFlow has a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def known(size):
    """Returns a size from `length` where it is known, else None."""
    return size if isinstance(size, int) else None


def stacked(array, element_shape):
    """Returns an array as a tensor. In a graph it may be empty, which `stack` refuses.

    Args:
        array: A `tf.TensorArray`.
        element_shape: Shape of its elements, a tensor.
    """
    if tf.executing_eagerly():  # where functions are to run eagerly
        return array.stack()
    return tf.raw_ops.TensorListStack(
        input_handle=array.flow, element_shape=element_shape, element_dtype=array.dtype
    )


def _ends(num_steps, size):
    """Returns the number of steps of a loop, and their bound, which XLA needs to differentiate it.

    XLA needs to know the bound, and so not the number.
    """
    return (size, size) if num_steps is None else (num_steps, None)
