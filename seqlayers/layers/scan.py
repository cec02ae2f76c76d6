"""The loop over time that the recurrent layers share, with its backward pass written by hand.

    s_t, k_t = step(frame_t, s_{t-1})                     forward; k_t is kept for the way back
    df_t, ds_{t-1}, e_t = step_gradient(k_t, ds_t)        backward, t = T .. 1
    dW, df = gradients(frames, s, k, df, e)               once, over all T x B rows

Autodiff of a loop multiplies small matrices at each step to sum up the gradients of the weights;
here those products leave the loop and are one each. TensorFlow and JAX each have their own loops,
over the same `Recurrence`.
"""

import keras

BACKEND = keras.backend.backend()
if BACKEND == "tensorflow":
    from seqlayers.layers.scan_tensorflow import compiles, run, within_xla  # noqa: F401
    from seqlayers.layers.steps_tensorflow import has_gpu  # noqa: F401
elif BACKEND == "jax":
    from seqlayers.layers.scan_jax import compiles, has_gpu, run, within_xla  # noqa: F401


def can_scan(by_hand):
    """Returns whether `scan` takes a recurrence; if not, it is Keras's loop that runs its cell.

    Args:
        by_hand: Whether the recurrence has its gradient, which TensorFlow's half needs.
    """
    return BACKEND == "jax" or (BACKEND == "tensorflow" and by_hand)


def scan(
    recurrence,
    by_hand,
    weights,
    rows,
    frames,
    states,
    mask=None,
    training=False,
    jit_compile: bool | str = "auto",
):
    """Runs a recurrence over time.

    Args:
        recurrence: A `seqlayers.layers.recurrence.Recurrence`.
        by_hand: Whether to use its gradient and not automatic differentiation.
        weights: Tuple of tensors.
        rows: Tuple of tensors with a row for each sequence, the same at all steps. They get no
            gradient.
        frames: Tuple of tensors `(time, batch, ...)`.
        states: Tuple of the states before the first frame.
        mask: Which steps are frames, bool `(time, batch)`. States stay as they are at other steps.
        training: Whether to keep what the gradient needs. Without it a gradient runs forward anew.
            JAX keeps it where a gradient is taken.
        jit_compile: Whether XLA compiles the loops. `"auto"` is True in training and in the steps
            of `evaluate` and `predict`: an exported model is to hold plain operations, for servers
            that have no XLA. JAX always compiles them.

    Returns:
        The outputs `(time, batch, units)` and the tuple of the states after the last frame.
    """
    return run(recurrence, by_hand, weights, rows, frames, states, mask, training, jit_compile)
