"""Checks of the data a model is given, and one kind of dataset made from all its forms."""

import numpy as np
import tensorflow as tf

from seqlayers.checks import check_number, check_sequences
from seqlayers.datasets.batching import batches


def checked_sequences(head, x, mask=None, name="x"):
    """Returns sequences as a list of checked arrays, without the masked steps of an array."""
    if mask is not None:
        x = _without_masked(x, mask, name)
    sequences = check_sequences(x, head.visible_units, name)
    for sequence in sequences:
        head.check_frames(sequence, name)
    return sequences


def as_dataset(head, x, mask, batch_size, shuffle=False, name="x", **kwargs):
    """Returns a dataset of `frames` or `(frames, mask)`, from sequences or a user's own dataset."""
    if isinstance(x, tf.data.Dataset):
        if mask is not None or kwargs.get("max_steps") is not None:
            raise ValueError(
                f"`mask` and `max_steps` must be None where `{name}` is a `tf.data.Dataset`: its "
                "batches are `(frames, mask)`, already cut. Received: one of them."
            )
        return x.map(lambda *batch: _checked_batch(head, batch, name))
    return batches(checked_sequences(head, x, mask, name), batch_size, shuffle=shuffle, **kwargs)


def to_fit(head, x, mask, validation_data, validation_split, batch_size, **kwargs):
    """Returns the datasets to train and to validate on, given those of `SequenceModel.fit`."""
    if validation_split:
        x, validation_data = _split_off(checked_sequences(head, x, mask), validation_split)
        mask = None
    if validation_data is not None:
        validation_data = as_dataset(
            head, *as_pair(validation_data), batch_size, name="validation_data"
        )
    return as_dataset(head, x, mask, batch_size, seed=head.seed % 2**64, **kwargs), validation_data


def _without_masked(x, mask, name):
    """Returns the frames that `mask` keeps, a list of one array for each row that keeps any."""
    if isinstance(x, list | tuple) and len({len(row) for row in x}) > 1:
        raise ValueError(
            f"`mask` must go with an array `{name}`; the sequences of a list need no mask. "
            "Received: a mask and sequences of different lengths."
        )
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != np.shape(x)[:2]:
        raise ValueError(
            f"`mask` must be bool, one for each step of `{name}`. "
            f"Received: {mask.dtype} of shape {mask.shape}, {name} of shape {np.shape(x)}."
        )
    if not mask.any():
        raise ValueError("`mask` must keep at least one frame. Received: all steps masked.")
    return [row[keep] for row, keep in zip(np.asarray(x), mask, strict=True) if keep.any()]


def _checked_batch(head, batch, name):
    """Returns a batch of a user's `tf.data` pipeline, with the checks of `checked_sequences`."""
    frames, mask = as_pair(batch if len(batch) > 1 else batch[0])
    if isinstance(frames, tuple | dict):
        raise ValueError(
            f"`{name}` must give `frames` or `(frames, mask)`, the mask bool (batch, time). "
            f"Received: {', '.join(f'{p.dtype.name} {p.shape}' for p in tf.nest.flatten(batch))}."
        )
    if len(frames.shape) != 3 or frames.shape[-1] != head.visible_units:
        raise ValueError(
            f"`{name}` must give frames (batch, time, {head.visible_units}). "
            f"Received: shape {frames.shape}."
        )
    frames = tf.cast(frames, head.variable_dtype)
    seen = frames if mask is None else tf.where(mask[..., None], frames, 0)
    seen = tf.debugging.assert_all_finite(seen, f"`{name}` must be finite.")
    kind = head.visible_kind
    message = f"`{name}` {kind.WANTED} for {kind.__name__} visibles."
    check = tf.debugging.Assert(tf.reduce_all(kind.takes(seen)), [message])
    with tf.control_dependencies([check]):
        frames = tf.identity(frames)
    return frames if mask is None else (frames, mask)


def checked_prime(head, prime, num_sequences):
    """Returns the checked frames before generated ones, `(num_sequences, time, V)`."""
    if isinstance(prime, list | tuple) and len({len(row) for row in prime}) > 1:
        raise ValueError(
            "`prime` must have the same length for each sequence. "
            f"Received: lengths {[len(row) for row in prime]}."
        )
    prime = np.asarray(prime, "float32")
    if prime.ndim == 2:
        prime = np.repeat(prime[None], num_sequences or 1, axis=0)
    prime = np.stack(checked_sequences(head, prime, name="prime"))
    if num_sequences is not None and len(prime) != num_sequences:
        raise ValueError(
            "`prime` must have one row for each sequence. "
            f"Received: {len(prime)} rows and num_sequences={num_sequences}."
        )
    return tf.constant(prime)


def as_pair(data):
    """Returns the `(frames, mask)` of a batch or of an argument."""
    if isinstance(data, tuple) and len(data) == 3 and data[2] is None:
        data = data[:2]  # `train_on_batch` adds sample weights, here None
    if isinstance(data, tuple) and len(data) == 2:
        frames, mask = data
        if mask is None or _is_bool(mask):
            return frames, mask
    if isinstance(data, tuple) and len(data) == 1:
        return data[0], None
    return data, None


def _is_bool(array):
    return str(getattr(array, "dtype", "")) in ("bool", "<dtype: 'bool'>")


def _split_off(sequences, share):
    """Splits sequences in those to train on and the last ones, a `share`, to validate on."""
    check_number("validation_split", share, above=0, below=1)
    at = round(len(sequences) * (1 - share))
    if not 0 < at < len(sequences):
        raise ValueError(
            "`validation_split` must leave at least one sequence on each side. "
            f"Received: validation_split={share} of {len(sequences)} sequences."
        )
    return sequences[:at], sequences[at:]
