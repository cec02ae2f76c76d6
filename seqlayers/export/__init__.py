"""A model as a TensorFlow SavedModel, for programs that have neither this package nor Keras.

    serve          frames, lengths                                  -> context
    score          frames, lengths, seed                            -> log_prob, standard_error
    initial_state  rows                                             -> state
    step           frame, state                                     -> next state
    prime          frames, lengths, state                           -> next state
    generate       state, seed, first_step, num_steps, temperature  -> frames, next state
    encode         frames, lengths                                  -> code
    decode         code                                             -> frames

A state is the `context` of the next frame and the memory's `state_0`, `state_1`, ...; the next
state has the same names with `next_` before them. `serve` is the default signature. Without a
memory there is no state: `serve` returns `reconstruction`, `generate` returns frames only, and
`initial_state`, `step` and `prime` are missing. `encode` is there if the head has a code,
`decode` if the expected frame depends on it alone.

All inputs and outputs have the batch as their first axis, so that a server may join requests; all
floats are float32. The outputs of a row depend on that row alone, up to rounding; its draws depend
on its seed and on the number of the frame. The server keeps nothing between calls. A wrong input,
NaN or infinity in any of them included, fails its whole call; padding may hold anything.

A `FrameLabeller` has three of these endpoints, the last two unless it is bidirectional. A block has
`frames_per_step` neighbouring frames.

    serve          frames, lengths                                  -> log_probs
    initial_state  rows                                             -> state
    step           block, state                                     -> log_probs, next state

`saved_models/README.md` shows each signature in use.
"""

from seqlayers.backends import check_keras_on_tensorflow

check_keras_on_tensorflow("seqlayers.export")

# ruff: noqa: E402 - what follows needs TensorFlow

from seqlayers.export.saved_model import export, next_version

__all__ = ["export", "next_version"]
