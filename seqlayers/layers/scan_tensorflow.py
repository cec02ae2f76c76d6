"""`scan` on TensorFlow: two loops in a `tf.custom_gradient`.

XLA compiles both, in chunks of frames, or they are plain operations.
"""

import functools

import tensorflow as tf

from seqlayers import replicas
from seqlayers.layers import chunks_tensorflow as chunks
from seqlayers.layers import steps_tensorflow as steps
from seqlayers.layers.recurrence import frame_gradients


def run(recurrence, by_hand, weights, rows, frames, states, mask, training, jit_compile):
    """Runs a recurrence over time: `seqlayers.layers.scan.scan`."""
    assert by_hand, "the cell of a recurrence without a gradient runs in Keras's loop"
    forward, backward = chunks.forward, chunks.backward
    if not compiles(training, jit_compile):
        forward, backward = _plain_forward, _plain_backward
    structure = (weights, frames, states)
    leaves = tuple(map(tf.convert_to_tensor, tf.nest.flatten(structure)))
    rows = tuple(tf.stop_gradient(x) for x in rows)  # dropout is made of what a tape may watch
    returned, forward_mode = False, False

    # A tape is to record nothing within `loop` and `gradient`: their gradients are written here.

    @tf.custom_gradient
    def loop(*leaves):
        weights, frames, states = tf.nest.pack_sequence_as(structure, _constants(leaves))
        inputs = (weights, rows, frames)
        outputs, last, kept = forward(recurrence, bool(training), *inputs, states, mask)

        @tf.custom_gradient
        def gradient(*leaves_and_results):
            d_outputs, *d_last = d_results = leaves_and_results[len(leaves) :]
            again = None if training else forward(recurrence, True, *inputs, states, mask)[2]
            gradients = backward(
                recurrence,
                *inputs,
                mask,
                kept if training else again,
                tf.stop_gradient(d_outputs),
                _constants(d_last),
            )

            def second(*d_gradients):
                inputs = tf.nest.pack_sequence_as(structure, leaves_and_results[: len(leaves)])
                return _second(recurrence, inputs, rows, mask, d_results, d_gradients)

            return tf.nest.flatten(gradients), second

        def gradient_of(*d_results):
            nonlocal forward_mode
            forward_mode = forward_mode or not returned
            # Copies, so that `second` refers to tensors of the graph that `gradient` runs in.
            return gradient(*map(tf.identity, (*leaves, *d_results)))

        return (outputs, *last), gradient_of

    outputs, *last = loop(*leaves)
    returned = True
    # Forward mode asks for the gradient at once. In a graph TensorFlow then takes the Jacobian of
    # every custom gradient for 0.
    if forward_mode and not tf.executing_eagerly():
        weights, frames, states = tf.nest.pack_sequence_as(structure, leaves)
        return _unrolled(recurrence, weights, rows, frames, states, mask)
    return outputs, tuple(last)


def compiles(training, jit_compile):
    """Returns whether `run` has XLA compile the loops, as programs of their own."""
    if jit_compile == "auto":
        jit_compile = bool(training) or replicas.in_step()
    # Where XLA compiles the program around it as one, all sizes are known and shards would run one
    # after the other.
    return jit_compile and not within_xla()


def within_xla():
    """Returns whether XLA compiles the program that the code is part of."""
    return tf.__internal__.get_enclosing_xla_context() is not None


def _constants(tensors):
    return tuple(tf.stop_gradient(x) for x in tensors)


def _plain_forward(recurrence, keep, *arguments):
    return _plain(steps.forward, recurrence, keep)(*arguments)


def _plain_backward(recurrence, weights, *arguments):
    d_weights, d_frames, d_states = _plain(steps.backward, recurrence)(weights, *arguments)
    return d_weights, frame_gradients(recurrence, weights, d_frames), d_states


def _plain(function, *fixed):
    """Returns a function whose operations become those of the graph around it, if there is one.

    Converters to other runtimes cannot read a function that two layers call.
    """
    return (_graph if tf.executing_eagerly() else functools.partial)(function, *fixed)


@functools.lru_cache(maxsize=64)  # traced once for all layers that do the same
def _graph(function, *fixed):
    partial = functools.partial(function, *fixed)
    return tf.function(partial, autograph=False, reduce_retracing=True)


def _second(recurrence, *arguments):
    """Returns the gradients of `_backward`, by automatic differentiation.

    They are symbolic, as no tape records within a `tf.autodiff.ForwardAccumulator`. So they need a
    graph, also where functions are to run eagerly.
    """
    if not tf.executing_eagerly():
        return _symbolic_second(recurrence, *map(_copied, arguments))
    return _graph(_symbolic_second, recurrence).get_concrete_function(*arguments)(*arguments)


def _symbolic_second(recurrence, inputs, rows, mask, d_results, d_gradients):
    leaves = tf.nest.flatten(inputs)
    weights, frames, states = inputs
    results = tf.nest.flatten(steps.forward(recurrence, False, weights, rows, frames, states, mask))
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
        states, _ = steps.step_at(recurrence, weights, rows, frames, states, mask, t)
        outputs.append(states[0])
    return tf.stack(outputs), states
