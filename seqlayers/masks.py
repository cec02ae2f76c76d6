"""Masks of frames: padded frames may hold anything, NaN included."""

from keras import ops

from seqlayers import replicas


def without_masked(frames, mask):
    """Returns frames `(..., V)` with 0 where `mask` `(...)` is False; unchanged if it is None."""
    return frames if mask is None else ops.where(mask[..., None], frames, 0)


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
