"""`scan` on JAX: `jax.lax.scan` each way.

JAX compiles every loop and keeps what a gradient needs only where one is taken, so that `training`
and `jit_compile` have no effect. Further gradients are those of the equations of `step_gradient`,
by automatic differentiation.
"""

import jax
import jax.numpy as jnp
import keras

from seqlayers.layers.recurrence import frame_gradients, step, step_gradient


def run(recurrence, by_hand, weights, rows, frames, states, mask, training, jit_compile):
    """Runs a recurrence over time: `seqlayers.layers.scan.scan`."""
    rows = jax.lax.stop_gradient(rows)
    scan = _compiled_by_hand if by_hand else _compiled if _of_keras(recurrence) else _scan
    return scan(recurrence, weights, frames, states, rows, mask)


def _of_keras(recurrence):
    """Returns whether all activations are functions of Keras.

    Any other may read a variable, of which `jax.jit` would keep the value it had.
    """
    functions = (f for f in vars(recurrence).values() if callable(f))
    return all(f is getattr(keras.activations, getattr(f, "__name__", ""), None) for f in functions)


def has_gpu():
    """Returns whether JAX runs on an accelerator."""
    return jax.default_backend() != "cpu"


def compiles(training, jit_compile):
    """Returns whether the loops are compiled."""
    return True


def within_xla():
    """Returns whether the code is part of a compiled program: loops always are."""
    return True


def _scan(*arguments):
    results, _ = _forward(*arguments)
    return results


def _forward(recurrence, weights, frames, states, rows, mask):
    """Returns the results and what the gradient needs, which costs nothing where it is not used."""

    def body(before, here):
        frame, seen = here
        after, kept = step(recurrence, weights, rows, frame, before, seen)
        return after, (after[0], before, kept)

    last, (outputs, before, kept) = jax.lax.scan(body, states, (frames, mask))
    return (outputs, last), (weights, frames, rows, mask, before, last, kept)


def _backward(recurrence, saved, d_results):
    weights, frames, rows, mask, before, last, kept = saved
    d_outputs, d_last = d_results
    transposed = recurrence.transposed(weights)

    def body(later, here):
        after, (d_output, *d_states) = later
        frame, seen, before, kept, d_here = here
        d_after = (d_output + d_here, *d_states)
        d_frame, d_before, extra = step_gradient(
            recurrence, transposed, rows, frame, before, after, kept, seen, d_after
        )
        return (before, d_before), (d_frame, extra)

    (_, d_states), (d_frames, extra) = jax.lax.scan(
        body, (last, d_last), (frames, mask, before, kept, d_outputs), reverse=True
    )
    after = tuple(jnp.concatenate([b[1:], s[None]]) for b, s in zip(before, last, strict=True))
    d_weights, d_frames = recurrence.gradients(
        weights, rows, frames, before, after, kept, d_frames, extra
    )
    d_frames = frame_gradients(recurrence, weights, d_frames)
    return d_weights, d_frames, d_states, None, None


_by_hand = jax.custom_vjp(_scan, nondiff_argnums=(0,))
_by_hand.defvjp(_forward, _backward)

# Compiled once for all layers of an equal recurrence, also where a layer is called by itself; there
# `_scan` alone is compiled anew at each call.
_compiled = jax.jit(_scan, static_argnums=0)
_compiled_by_hand = jax.jit(_by_hand, static_argnums=0)
