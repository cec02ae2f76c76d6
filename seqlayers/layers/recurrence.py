"""One step of a recurrent layer and its gradient, as the loops of all backends run it."""

from typing import Any, Protocol

from keras import ops


class Recurrence(Protocol):
    """One step of a recurrent layer and its gradient, over tuples of tensors.

    A cell's `call` runs `step` alone, with automatic differentiation, and so does `scan` on JAX
    where there is no gradient by hand; all else is for `scan`. Instances are hashable and hold all
    sizes of the weights: what is compiled for one serves all that are equal to it. Rows of the
    batch are axis 0 of `rows`; `frame_row_axis` is their axis in frames stacked over time, and
    `state_row_axes` has that in each state. The first state is the output. With a `frame_row_axis`
    above 1 a frame is a chunk of frames; its gradient does not get the states after it.
    """

    frame_row_axis: int
    state_row_axes: tuple[int, ...]
    num_kept: int
    num_extra: int
    frame_kernel: int | None  # number of the weight V, where frames begin with x in place of x V
    runs_again: bool  # whether XLA runs steps again for the gradient: slower, keeps states alone

    def step(self, weights, rows, frame, before) -> tuple[Any, Any]:
        """Returns the states after a frame, and what `step_gradient` needs besides them."""

    def transposed(self, weights):
        """Returns what `step_gradient` multiplies by; in there XLA would transpose at each step."""

    def step_gradient(self, transposed, rows, frame, before, after, kept, d_after):
        """Returns gradients of the frame, of the states before, and more for `gradients`."""

    def gradients(self, weights, rows, frames, before, after, kept, d_frames, extra):
        """Returns gradients of the weights and of the frames, from all that is stacked over time.

        `d_frames` is what `step_gradient` returned as gradients of frames, with all columns. With
        a `frame_kernel` the first one is that of x V, here too.
        """


def frame_gradients(recurrence, weights, d_frames):
    """Returns the gradients of frames, from what `gradients` returned for them.

    It is for outside of compiled loops: a graph leaves the product out where x is data.
    """
    if recurrence.frame_kernel is None:
        return d_frames
    d_a, *others = d_frames
    V = weights[recurrence.frame_kernel]
    dx = ops.matmul(ops.reshape(d_a, (-1, V.shape[1])), ops.transpose(V))
    return ops.reshape(dx, (*ops.shape(d_a)[:-1], V.shape[0])), *others


def step(recurrence, weights, rows, frame, before, seen):
    """Returns the states after a frame, and what is kept.

    Rows that are not `seen` keep the states before it; all are seen if it is None.
    """
    after, kept = recurrence.step(weights, rows, frame, before)
    return after if seen is None else _where(recurrence, seen, after, before), kept


def step_gradient(recurrence, transposed, rows, frame, before, after, kept, seen, d_after):
    """Returns gradients of the frame, of the states before, and more for `gradients`."""
    if seen is None:
        return recurrence.step_gradient(transposed, rows, frame, before, after, kept, d_after)
    zeros = tuple(ops.zeros_like(d) for d in d_after)
    d_here = _where(recurrence, seen, d_after, zeros)
    d_past = _where(recurrence, seen, zeros, d_after)
    d_frame, d_before, extra = recurrence.step_gradient(
        transposed, rows, frame, before, after, kept, d_here
    )
    return d_frame, tuple(d + p for d, p in zip(d_before, d_past, strict=True)), extra


def _where(recurrence, seen, states, others):
    """Returns `states` in the rows that are `seen` and `others` in the rest."""
    chosen = []
    for state, other, axis in zip(states, others, recurrence.state_row_axes, strict=True):
        shape = [1] * len(state.shape)
        shape[axis] = -1
        chosen.append(ops.where(ops.reshape(seen, shape), state, other))
    return tuple(chosen)
