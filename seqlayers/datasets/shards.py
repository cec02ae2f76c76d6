"""Sequences as TFRecord files, for data that memory cannot hold.

A folder of shards has

index.json                       what the shards hold, and the length and SHA-256 of each
shard-00000-of-00008.tfrecord    sequences 0, 8, 16, ...; one record each
sources.csv                      names of the files that the sequences come from, if they have any

A record is a `tf.train.Example` with the feature `frames`: the bytes of an array `(T, F)` in row
order, little-endian float32 or uint8. F and the type are in the index.

`load` reads in constant memory, in an order drawn from `(seed, epoch)`:

1. the shards are put in a random order;
2. `CYCLE` shards are read at a time, one record from each in turn;
3. blocks of `buffer_size` sequences are formed, and within a block `datasets.batches` is repeated:
   which sequences of similar length share a batch, and the order of the batches, are drawn.

So two sequences can share a batch only if they come within a block of each other. All is made of
operations of `tf.data`: no Python runs for a batch, and the data service can serve it from other
processes and machines.
"""

from pathlib import Path
from typing import Any

import numpy as np

from seqlayers.audio import Normalizer
from seqlayers.backends import import_tensorflow
from seqlayers.checks import check_flag, check_integer
from seqlayers.datasets.batching import Place, ladder, with_length
from seqlayers.datasets.shard_files import Index, Shard, ShardError, read_index, verify, write

__all__ = ["Index", "Shard", "ShardError", "load", "read_index", "verify", "write"]

CYCLE = 16  # shards read at a time
PARSED = 64  # records parsed by one operation, at most
BUFFER_BYTES = 32 * 2**20  # of the sequences of a block, if `buffer_size` is not given
MAX_BUFFER = 8192  # sequences


def load(
    folder,
    batch_size=32,
    *,
    max_steps=None,
    shuffle=True,
    seed=0,
    first_epoch=0,
    buffer_size=None,
    normalizer: Any = "own",
    endless=False,
    check=True,
):
    """Makes a `tf.data.Dataset` of padded batches and their masks from a folder of shards.

    As with `datasets.batches`, each pass over the dataset is an epoch with an order of its own, the
    first with number `first_epoch`; a pass that stops early is started again. `SequenceModel.fit`
    begins with the epoch that a callback such as `BackupAndRestore` resumes; give other Keras
    models the `first_epoch` of the resumed run.

    The data service may serve it, `dataset.apply(tf.data.experimental.service.distribute(...))`,
    with the `ShardingPolicy` DYNAMIC or OFF, and `tf.distribute` may split it, by files or by data.
    A share then ends with a batch of its own that is not full, and the service makes no promise of
    an order.

    Args:
        folder: The folder that `write` or `seqlayers data shard` made.
        batch_size: Number B of rows of every batch.
        max_steps: Number of frames that longer sequences are cut into, the last piece being
            shorter; each piece is then a sequence of its own. Not cut if None.
        shuffle: Whether to draw the order of each epoch, see `seqlayers.datasets.shards`. If False,
            all epochs have the order of the files; within a block, the longest come first.
        seed: Non-negative integer that all draws start from.
        first_epoch: Number of the first epoch; in a resumed run, the number of epochs trained.
        buffer_size: Number of sequences, or of pieces, in a block. More are mixed better and padded
            less; all of a block are in memory. If None, as many as have 32 MB, at most 8192. It is
            rounded up to whole batches.
        normalizer: `audio.Normalizer` of the frames, None for frames as they are stored, or `"own"`
            for the one in the index, if there is one. Validate with the one of the training data.
        endless: Whether the dataset goes on with the next epoch for ever. Use it with the data
            service and `steps_per_epoch`: a served dataset that is repeated repeats its order.
            A block may then hold the end of an epoch and the start of the next.
        check: Whether to read all shards once and compare their contents with the index, as
            `verify` does. A shard that changes later, or is not compared, raises a `DataLossError`
            of TensorFlow where it is read, which does not name the file; `verify` does.

    Returns:
        Dataset of pairs `(frames, mask)`: float32 `(B, T, F)`, zero where padded, and bool
        `(B, T)`, False where padded; rows without a sequence, which fill up the last batch, are
        False throughout. `len` of the dataset is the number of batches of an epoch;
        `read_index(folder).num_batches` computes it without a dataset.

    Raises:
        ShardError: If shards or index are damaged.
        FileNotFoundError: If there is no index.
        ValueError: If another argument is invalid.

    Example:
        >>> dataset = load("numbers", batch_size=8, max_steps=50)
        >>> model.fit(dataset, epochs=10, callbacks=[keras.callbacks.BackupAndRestore("backup")])
    """
    tf = import_tensorflow("datasets.shards.load")
    batch_size = check_integer("batch_size", batch_size)
    if max_steps is not None:
        max_steps = check_integer("max_steps", max_steps)
    shuffle, endless = check_flag("shuffle", shuffle), check_flag("endless", endless)
    seed = check_integer("seed", seed, least=0)
    first_epoch = check_integer("first_epoch", first_epoch, least=0)
    if buffer_size is not None:
        buffer_size = check_integer("buffer_size", buffer_size)
    index = verify(folder) if check_flag("check", check) else read_index(folder)
    normalizer = _normalizer(normalizer, index)
    pieces = index.num_pieces(max_steps)
    if buffer_size is None:
        most = BUFFER_BYTES * pieces // (index.num_frames * index.frame_bytes)
        buffer_size = min(max(most, 1), MAX_BUFFER)
    buffer_size = -(-min(buffer_size, pieces) // batch_size) * batch_size
    rungs = ladder(min(max(index.lengths), max_steps or max(index.lengths)))

    draws = _Draws(seed if shuffle else None)
    place = None if endless else _SharedPlace(first_epoch, -(-pieces // batch_size), max_steps)
    names = [str(Path(folder).absolute() / shard.file) for shard in index.shards]
    together = max(1, min(PARSED, buffer_size * index.num_sequences // pieces))
    dataset = _records(index, names, draws, place, first_epoch, together)
    if max_steps is not None:
        dataset = _cut(dataset, max_steps * index.frame_bytes)
    dataset = _batched(dataset, index, batch_size, buffer_size, rungs, draws)
    dataset = _decoded(dataset, index, batch_size, normalizer).prefetch(2)
    if place is None:
        return dataset.map(lambda begins, frames, mask: (frames, mask))
    dataset = dataset.map(place.taken)  # after the prefetching, which runs ahead
    dataset._seqlayers_place = place
    return with_length(dataset, tf.constant(place.num_batches, tf.int64))


class _SharedPlace(Place):
    """A `Place` that operations of `tf.data` read, and move when all batches of a pass are taken.

    It is kept in a table: a variable would belong to the strategy in whose scope it is made. Only a
    reader of all batches moves it, so that all readers of shares agree on the order of the shards.
    """

    _EPOCH, _HELD, _TAKEN = range(3)  # keys of the table

    def __init__(self, first_epoch, num_batches, max_steps):
        import tensorflow as tf

        with tf.init_scope(), tf.device("CPU"):
            never = np.iinfo("int64").min  # taken by a reader of a share without the first batch
            self.table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, never)
        super().__init__(first_epoch, num_batches, max_steps)

    def read(self, key):
        """Returns a number of the table, as a tensor."""
        return self.table.lookup(np.int64(key))

    @property
    def batch(self):
        return int(self.read(self._EPOCH)) * self.num_batches

    @batch.setter
    def batch(self, batch):
        self.table.insert(np.int64(self._EPOCH), np.int64(batch // self.num_batches))

    @property
    def held(self):
        return bool(self.read(self._HELD))

    @held.setter
    def held(self, held):
        self.table.insert(np.int64(self._HELD), np.int64(held))

    def epoch(self):
        """Returns the number of the epoch, as a tensor."""
        return self.read(self._EPOCH)

    def taken(self, begins, frames, mask):
        """Returns a batch that is taken; `begins` is True for the first one of a pass."""
        import tensorflow as tf

        count = tf.where(begins, np.int64(0), self.read(self._TAKEN)) + 1
        ends = (count == self.num_batches) & (self.read(self._HELD) == 0)
        epoch = self.epoch() + tf.cast(ends, tf.int64)
        keys = tf.constant([self._EPOCH, self._TAKEN], tf.int64)
        with tf.control_dependencies([self.table.insert(keys, [epoch, count])]):
            return tf.identity(frames), tf.identity(mask)


class _Draws:
    """Permutations drawn from numbers; the identity if the seed is None."""

    def __init__(self, seed):
        self.seed = None if seed is None else seed % 2**63

    def order(self, size, *numbers):
        """Returns the integers below `size` in an order drawn from `(seed, *numbers)`."""
        import tensorflow as tf

        if self.seed is None:
            return tf.range(size)
        key = tf.constant([self.seed, 0], tf.int64)
        for number in numbers:
            key = tf.random.fold_in(key, number, alg="philox")
        return tf.random.experimental.stateless_shuffle(tf.range(size), key, alg="philox")


def _records(index, names, draws, place, first_epoch, together):
    """Returns a dataset of triples, one for each sequence.

    They are the number of the epoch, whether the sequence is the first one of a pass, and its
    bytes. There is one source of as many elements as shards, or without end, and what follows it
    reads the files: there the data service and `tf.distribute` split a dataset. Nothing that
    follows may keep a state or have a source of its own, such as `scan` or `enumerate`: they would
    refuse it. So many records are parsed `together`.
    """
    import tensorflow as tf

    paths, count = tf.constant(names), len(names)
    single = tf.data.Dataset.from_tensors

    def shard(position):
        if place is None:
            epoch = first_epoch + position // count
        else:
            epoch = place.epoch()
        order = draws.order(count, epoch, 0)
        return epoch, position == 0, paths[order[position % count]]

    def read(epoch, first, path):
        epochs = single(epoch).repeat()
        firsts = single(first).concatenate(single(False).repeat())
        records = tf.data.TFRecordDataset(path, index.tf_compression)
        return tf.data.Dataset.zip(epochs, firsts, records)

    def parsed(epochs, firsts, records):
        features = {"frames": tf.io.FixedLenFeature((), tf.string)}
        return epochs, firsts, tf.io.parse_example(records, features)["frames"]

    positions = tf.data.Dataset.range(count if place else np.iinfo("int64").max)
    records = positions.map(shard).interleave(
        read,
        cycle_length=min(CYCLE, count),
        block_length=1,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return records.batch(together).map(parsed).unbatch()  # a `map` of each takes twice the time


def _cut(dataset, piece_bytes):
    """Cuts each sequence into pieces of so many bytes, the last one being shorter."""
    import tensorflow as tf

    def cut(epoch, first, sequence):
        def piece(start):
            part = tf.strings.substr(sequence, start, np.int64(piece_bytes))
            return epoch, first & (start == 0), part

        length = tf.cast(tf.strings.length(sequence), tf.int64)
        return tf.data.Dataset.range(0, length, piece_bytes).map(piece)

    return dataset.flat_map(cut)


def _batched(dataset, index, batch_size, buffer_size, rungs, draws):
    """Returns a dataset of batches, still in bytes.

    They are triples: whether the batch is the first of a pass, the bytes of B sequences, "" where
    there are no more, and the length to pad them to. A block is planned as an epoch is by
    `datasets.batches`.
    """
    import tensorflow as tf

    rungs = tf.constant(rungs, tf.int32)

    def planned(epochs, firsts, sequences):
        block = tf.strings.to_hash_bucket_fast(sequences[0], 2**62)  # its name, in draws
        lengths = tf.strings.length(sequences) // index.frame_bytes
        rung = tf.searchsorted(rungs, lengths)
        # Only the order within a rung is drawn: its sequences are padded to the same length.
        order = draws.order(tf.size(lengths), epochs[0], 1, block)
        key = lengths if draws.seed is None else tf.gather(rung, order)
        order = tf.gather(order, tf.argsort(-key, stable=True))
        longest = tf.gather(rungs, tf.gather(rung, order)[::batch_size])
        missing = tf.size(order)  # the place of "" behind the sequences
        order = tf.pad(order, [[0, -missing % batch_size]], constant_values=missing)
        groups = tf.reshape(order, (-1, batch_size))
        order = draws.order(tf.shape(groups)[0], epochs[0], 2, block)
        rows = tf.gather(tf.concat([sequences, [""]], 0), tf.gather(groups, order))
        begins = firsts[0] & (tf.range(tf.size(order)) == 0)
        return begins, rows, tf.gather(longest, order)

    return dataset.batch(buffer_size).map(planned).unbatch()


def _decoded(dataset, index, batch_size, normalizer):
    """Returns a dataset of `(begins, frames, mask)`."""
    import tensorflow as tf

    if normalizer is not None:
        shift, divisor = tf.constant(normalizer.shift), tf.constant(normalizer.divisor)

    def decoded(begins, sequences, length):
        mask = tf.sequence_mask(tf.strings.length(sequences) // index.frame_bytes, length)
        size = length * index.frame_bytes
        values = tf.io.decode_raw(sequences, index.dtype, little_endian=True, fixed_length=size)
        frames = tf.reshape(values, (batch_size, length, index.features))
        if normalizer is not None:
            frames = (tf.cast(frames, tf.float64) - shift) / divisor
            frames = tf.clip_by_value(frames, 0, 1) if normalizer.clipped else frames
            frames = tf.where(mask[..., None], frames, 0)
        return begins, tf.cast(frames, tf.float32), tf.ensure_shape(mask, (batch_size, None))

    return dataset.map(decoded, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _normalizer(normalizer, index):
    """Returns the `Normalizer` that an argument names, or None."""
    if isinstance(normalizer, str) and normalizer == "own":
        return index.normalizer
    if normalizer is None:
        return None
    if not isinstance(normalizer, Normalizer):
        raise ValueError(
            '`normalizer` must be a `Normalizer`, "own" or None. '
            f"Received: normalizer={normalizer!r}."
        )
    if len(normalizer.shift) != index.features:
        raise ValueError(
            f"`normalizer` must have {index.features} bins, as the shards have features. "
            f"Received: {len(normalizer.shift)}."
        )
    return normalizer
