"""Drawing new sequences from a model: all frames at once, or a stream, one frame at a time."""

import functools

import numpy as np
import tensorflow as tf
from keras import ops

from seqlayers.checks import NotFiniteError, check_integer, check_number, check_weights
from seqlayers.models.inputs import checked_prime
from seqlayers.sampling import Use, fold_in, row_seeds, seed_pair


def generate(model, num_steps, prime, num_sequences, temperature, seed):
    """Draws new sequences, see `SequenceModel.generate`."""
    num_steps = check_integer("num_steps", num_steps)
    state, seeds, temperature = started(model, prime, num_sequences, temperature, seed)
    compiled = model.compiled_function("draw", functools.partial(draw, model))
    frames = compiled(state, seeds, tf.constant(num_steps), temperature, _room(num_steps))
    return finite(frames[:, :num_steps].numpy())


def stream_frames(model, prime=None, temperature=1.0, seed=0):
    """Draws a sequence without end, each frame when it is asked for.

    A frame takes one compiled step, in which the head draws it and the memory reads it. The first
    frame waits for the compiler.

    Args:
        model: A `SequenceModel`.
        prime: Frames that come before, `(T, V)`; none if None.
        temperature: Divides the energy of a frame, as in `SequenceModel.generate`.
        seed: An integer of up to 64 bits. The frames are those of `generate` with this seed.

    Returns:
        An iterator of float32 arrays `(V,)` that never ends.

    Raises:
        ValueError: At once, if `temperature` is not a finite number above 0, `seed` is not an
            integer of up to 64 bits, `prime` does not hold frames of this model, or weights are
            not finite; later, if a frame is not finite.

    Example:
        >>> model, stream = RNNRBM.for_spectrograms(seed=0), SoundStream()
        >>> for frame in itertools.islice(stream_frames(model, seed=1), 5):
        ...     samples = stream.push(to_amplitude(frame, "log_amplitude"))  # to a loudspeaker
    """
    state, seeds, temperature = started(model, prime, 1, temperature, seed)
    seeds = fold_in(seeds, Use.GENERATE)

    def one(state, seeds, t, temperature):
        frame = model.head.sample(state.context, fold_in(seeds, t), temperature, num_frames=1)
        return frame, model.step(frame, state)

    def frames(state, t=0):
        step = model.compiled_function("stream", one)
        while True:
            frame, state = step(state, seeds, tf.constant(t), temperature)
            yield finite(frame.numpy())[0]
            t += 1

    return frames(state)


def prime(model, frames, state):
    """Returns the `State` after some frames, see `SequenceModel.prime`."""
    model.frames_shape(frames, "time, ")
    return _after(model, frames, ops.shape(frames)[1], state)


def _after(model, frames, num_steps, state):
    """Returns the `State` after the first `num_steps` of some frames."""

    def step(t, state):
        return model.step(ops.take(frames, t, axis=1), state)

    return ops.fori_loop(0, num_steps, step, state)


def draw(model, state, seeds, num_steps, temperature, room=None):
    """Draws frames after a `State`, see `SequenceModel.draw`; zeros fill up `room` frames."""
    has_memory = model.memory is not None
    frames = tf.TensorArray(
        model.head.variable_dtype,
        size=num_steps if room is None else room,
        element_shape=(seeds.shape[0], model.head.visible_units),
    )
    seeds = fold_in(seeds, Use.GENERATE)

    def body(t, state, frames):
        frame = model.head.sample(
            state.context if has_memory else None,
            fold_in(seeds, t),
            temperature,
            num_frames=ops.shape(seeds)[0],
        )
        state = model.step(frame, state) if has_memory else state
        return t + 1, state, frames.write(t, frame)

    state = state if has_memory else ()
    *_, frames = tf.while_loop(lambda t, *_: t < num_steps, body, (0, state, frames))
    return ops.swapaxes(frames.stack(), 0, 1)


def started(model, prime, num_sequences, temperature, seed):
    """Checks the arguments and returns the state after `prime`, a seed a row, the temperature."""
    check_weights(model.weights)
    temperature = check_number("temperature", temperature, above=0)
    seed = seed_pair(seed)
    if num_sequences is not None:
        num_sequences = check_integer("num_sequences", num_sequences)
    if prime is not None:
        prime = checked_prime(model.head, prime, num_sequences)
        num_sequences = len(prime)
    rows = num_sequences or 1
    state = model.initial_state(rows)
    if prime is not None and model.memory is not None:
        num_steps = prime.shape[1]
        padded = tf.pad(prime, [(0, 0), (0, _room(num_steps) - num_steps), (0, 0)])
        after = model.compiled_function("prime", functools.partial(_after, model))
        state = after(padded, tf.constant(num_steps), state)
    return state, row_seeds(seed, rows), tf.constant(temperature, tf.float32)


def _room(num_steps):
    """Returns the length that is compiled for a number of frames: few programs serve all."""
    return max(16, 2 ** (num_steps - 1).bit_length())


def finite(frames):
    """Returns drawn frames as float32.

    Raises:
        NotFiniteError: If some are not finite.
    """
    frames = frames.astype("float32")
    lost = np.count_nonzero(~np.isfinite(frames).all(axis=-1))
    if lost:
        raise NotFiniteError(
            "The drawn frames must be finite; use smaller weights, or a lower temperature. "
            f"Received: {lost} frames with NaN or infinity, from finite weights."
        )
    return frames
