"""Masks of frames: padded frames may hold anything, NaN included."""

from keras import ops


def without_masked(frames, mask):
    """Returns frames `(..., V)` with 0 where `mask` `(...)` is False; unchanged if it is None."""
    return frames if mask is None else ops.where(mask[..., None], frames, 0)


def masked_mean(values, mask=None):
    """Returns the mean of the values whose mask is True; 0 if there are none."""
    if mask is None:
        return ops.mean(values)
    weights = ops.cast(mask, values.dtype)
    return ops.sum(ops.where(mask, values, 0)) / ops.maximum(ops.sum(weights), 1)
