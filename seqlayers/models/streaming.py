"""Sequences without end, drawn one frame at a time."""

import numpy as np
import tensorflow as tf

from seqlayers.models.inputs import checked_prime
from seqlayers.sampling import Use, fold_in, row_seeds, seed_pair


def stream_frames(model, prime=None, temperature=1.0, seed=0):
    """Draws a sequence, each frame when it is asked for: `model.generate` without an end.

    A frame takes one compiled step, in which the head draws it and the memory reads it. The first
    one waits for the compiler.

    Args:
        model: A `SequenceModel`.
        prime: Frames that come before, `(T, V)`.
        temperature: As in `SequenceModel.generate`.
        seed: Whole number. The frames are those of `generate` with it.

    Returns:
        An iterator of float32 arrays `(V,)` that never ends.

    Raises:
        ValueError: If an argument is not as above, at once.

    Example:
        >>> stream = SoundStream(settings)
        >>> for frame in stream_frames(model, seed=1):
        ...     speaker.write(stream.push(to_amplitude(normalizer.restore(frame), scale)))
    """
    if not isinstance(temperature, float | int) or not 0 < temperature < np.inf:
        raise ValueError(
            f"`temperature` must be a number above 0. Received: temperature={temperature!r}."
        )
    state = model.initial_state(1)
    if prime is not None:
        prime = checked_prime(model.head, prime, 1)
        if model.memory is not None:
            state = model.compiled_function("prime", model.prime)(prime, state)
    seeds = fold_in(row_seeds(seed_pair(seed), 1), Use.GENERATE)
    temperature = tf.constant(temperature, tf.float32)

    def one(state, seeds, t, temperature):
        frame = model.head.sample(state.context, fold_in(seeds, t), temperature, num_frames=1)
        return frame, model.step(frame, state)

    def frames(state, t=0):
        step = model.compiled_function("stream", one)
        while True:
            frame, state = step(state, seeds, tf.constant(t), temperature)
            yield frame.numpy()[0].astype("float32")
            t += 1

    return frames(state)
