"""Masks of frames: padded frames may hold anything, NaN included."""

from keras import ops

from seqlayers import replicas


def without_masked(frames, mask):
    """Returns frames `(..., V)` with 0 where `mask` `(...)` is False; unchanged if it is None."""
    return frames if mask is None else ops.where(mask[..., None], frames, 0)


def frames_first(mask):
    """Counts the frames of each row and sorts its steps: frames first, in their order.

    Args:
        mask: Steps that are frames, bool `(time, batch)`.

    Returns:
        n, the number of frames up to each step, and the steps, both int32 `(time, batch)`. The last
        frame at or before step t is at `steps[n[t] - 1]`, if there is one.
    """
    steps = ops.arange(ops.shape(mask)[0], dtype="int32")[:, None]
    order = ops.argsort(ops.where(mask, steps, steps + ops.shape(mask)[0]), axis=0)
    return ops.cumsum(ops.cast(mask, "int32"), axis=0), ops.cast(order, "int32")


def at_steps(x, steps):
    """Returns rows at steps of their own.

    Args:
        x: `(time, batch, ...)`.
        steps: int32, `(any, batch)`, or with more axes behind. A step before the first one counts
            as the first.

    Returns:
        An array of the axes of `steps`, then those of a step of x.
    """
    _, B, *rest = ops.shape(x)
    row = ops.reshape(ops.arange(B, dtype="int32"), (-1, *(1 for _ in steps.shape[2:])))
    return ops.take(ops.reshape(x, (-1, *rest)), ops.maximum(steps, 0) * B + row, axis=0)


def masked_mean(values, mask=None):
    """Returns the mean of the values whose mask is True; 0 if there are none.

    In a step under `tf.distribute` it is this replica's part of that mean over the whole batch,
    times the number of replicas: Keras takes the mean of losses over the replicas.
    """
    n = replicas.number()
    if mask is None and n == 1:
        return ops.mean(values)
    mask = ops.ones(ops.shape(values), "bool") if mask is None else mask
    count = replicas.average(ops.sum(ops.cast(mask, values.dtype)))
    return ops.sum(ops.where(mask, values, 0)) / ops.maximum(count, 1 / n)
