"""Checks of the data a model is given, and one kind of dataset made from all its forms."""

import collections
import itertools

import keras
import numpy as np
import tensorflow as tf

from seqlayers.checks import check_integer, check_number, check_sequences
from seqlayers.datasets.batching import Place, batches, pad, with_length
from seqlayers.datasets.batching import as_dataset as dataset_of

# Data that come as batches.
OF_BATCHES = tf.data.Dataset, keras.utils.PyDataset, collections.abc.Iterator


def checked_sequences(head, x, mask=None, name="x"):
    """Returns sequences as a list of checked arrays, without the masked steps of an array."""
    if isinstance(x, tf.RaggedTensor):
        x = [row.to_tensor() if isinstance(row, tf.RaggedTensor) else row for row in x]
    _refuse_sparse(x, name)
    if mask is not None:
        x = _without_masked(x, mask, name)
    sequences = check_sequences(x, head.visible_units, name)
    for sequence in sequences:
        head.check_frames(sequence, name)
    return sequences


def as_dataset(head, x, mask, batch_size, shuffle=False, name="x", **kwargs):
    """Returns a dataset of `frames` or `(frames, mask)`, from sequences or a user's own batches."""
    if not isinstance(x, OF_BATCHES):
        batch_size = rows_of_batch(batch_size)
        x = checked_sequences(head, x, mask, name)
        return batches(x, batch_size, shuffle=shuffle, **kwargs)
    if mask is not None or kwargs.get("max_steps") is not None or kwargs.get("warm_up"):
        raise ValueError(
            f"`mask` and `max_steps` must be None, and `warm_up` 0, where `{name}` is a "
            "`tf.data.Dataset`, a `PyDataset` or a generator: its batches are `(frames, mask)`, "
            "already cut; `datasets.batches` has the same arguments. Received: one of them."
        )
    if isinstance(x, tf.data.Dataset):
        checked = x.map(lambda *batch: _checked_batch(head, batch, name))
        return with_length(checked, x.cardinality())
    if isinstance(x, keras.utils.PyDataset):
        if x.num_batches is not None:
            return _of_py_dataset(head, x, name, shuffle, **kwargs)
        x = (x[number] for number in itertools.count())
    return _of_iterator(head, x, name)


def rows_of_batch(batch_size):
    """Returns the argument `batch_size`, checked; 32 if it is None, as in Keras."""
    return 32 if batch_size is None else check_integer("batch_size", batch_size)


def to_fit(
    head,
    x,
    mask,
    validation_data,
    validation_split,
    batch_size,
    validation_batch_size,
    steps_per_epoch,
    first_epoch,
    **kwargs,
):
    """Returns the datasets to train and to validate on, and the `Place` of the first, if any.

    The arguments are those of `SequenceModel.fit`.
    """
    if validation_split:
        x, validation_data = _split_off(checked_sequences(head, x, mask), validation_split)
        mask = None
    if validation_data is not None:
        size = batch_size if validation_batch_size is None else validation_batch_size
        validation_data = as_dataset(head, *as_pair(validation_data), size, name="validation_data")
    kwargs |= {"seed": head.seed % 2**64, "first_epoch": first_epoch}
    data = as_dataset(head, x, mask, batch_size, **kwargs)
    place = Place.of(data)
    if place is not None and steps_per_epoch is not None and not isinstance(x, tf.data.Dataset):
        data, place.whole = data.endless, False
        place.first = place.batch = first_epoch * steps_per_epoch
    return data, validation_data, place


def _of_py_dataset(head, x, name, shuffle, seed=0, first_epoch=0, max_steps=None, warm_up=0):
    """Returns a dataset of the batches of a `PyDataset` of known length, in an order drawn anew."""
    place = Place(first_epoch, check_integer("num_batches", x.num_batches))

    def epoch():
        number, skipped = place.epoch_and_batch()
        order = np.arange(place.num_batches)
        if shuffle:
            order = np.random.default_rng((seed, number)).permutation(place.num_batches)
        x.on_epoch_begin()
        for n in order[skipped:]:
            batch = _as_batch(head, x[int(n)], name)
            if n == order[-1]:
                x.on_epoch_end()
            yield batch

    return dataset_of(epoch, place, None, head.visible_units)


def _of_iterator(head, x, name):
    """Returns a dataset of the batches that an iterator has left."""

    def rest():
        batch = None
        for batch in x:
            yield _as_batch(head, batch, name)
        if batch is None:
            raise ValueError(
                f"`{name}` must give batches in every epoch: a generator without an end, with "
                "`steps_per_epoch`, or a `PyDataset`. Received: a generator that has ended."
            )

    signature = (
        tf.TensorSpec((None, None, head.visible_units), tf.float32),
        tf.TensorSpec((None, None), tf.bool),
    )
    return tf.data.Dataset.from_generator(rest, output_signature=signature)


def _as_batch(head, batch, name):
    """Returns a checked batch of a user's own code as arrays `(frames, mask)`."""
    frames, mask = as_pair(batch)
    if isinstance(frames, tuple | dict):
        raise _not_a_pair(name, f"a {type(batch).__name__} of {len(batch)}")
    return padded(head, frames, mask, name)


def padded(head, x, mask=None, name="x"):
    """Returns checked sequences as arrays `(frames, mask)` of one batch, in their order."""
    sequences = checked_sequences(head, x, mask, name)
    if mask is None:
        return pad(sequences)
    frames = np.where(np.asarray(mask)[..., None], np.asarray(x), 0)
    return frames.astype("float32"), np.asarray(mask)


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
    if isinstance(frames, tf.RaggedTensor) and mask is None:
        mask = tf.sequence_mask(frames.row_lengths())
        frames = frames.to_tensor(shape=(None, None, head.visible_units))
    _refuse_sparse(frames, name)
    if isinstance(frames, tuple | dict):
        parts = tf.nest.flatten(batch)
        raise _not_a_pair(name, ", ".join(f"{part.dtype.name} {part.shape}" for part in parts))
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


def _not_a_pair(name, received):
    return ValueError(
        f"`{name}` must give `frames` or `(frames, mask)`, the mask bool (batch, time). "
        f"Received: {received}."
    )


def _refuse_sparse(x, name):
    if isinstance(x, tf.SparseTensor | tf.IndexedSlices) or hasattr(x, "tocsr"):
        raise ValueError(
            f"`{name}` must be dense; pass it through `tf.sparse.to_dense`. "
            f"Received: a sparse {type(x).__name__}."
        )


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
