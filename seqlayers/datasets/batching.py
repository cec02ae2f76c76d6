"""Batches of sequences of different lengths, with little padding and few shapes.

XLA compiles a step anew for each shape, and padding costs as much as real frames. Sequences of
similar length therefore share a batch, and a batch is padded to the next length of a ladder 8, 10,
13, 17, ... (each 1.25 times the one before, up to the longest sequence). All batches have the same
number of rows; rows missing in the last one are zero and masked. Order and augmentation of an epoch
are drawn from `(seed, epoch)` alone, so that a resumed run repeats an undisturbed one.
"""

import weakref

import numpy as np

from seqlayers.backends import import_tensorflow
from seqlayers.checks import check_integer, check_sequences

SHORTEST, GROWTH = 8, 1.25  # of the ladder of lengths


def batches(
    sequences,
    batch_size=32,
    *,
    max_steps=None,
    warm_up=0,
    shuffle=True,
    seed=0,
    first_epoch=0,
    augment=None,
):
    """Makes a `tf.data.Dataset` of padded batches and their masks.

    Each pass over the dataset is an epoch, the first with number `first_epoch`. A pass that is read
    to its last batch is followed by the next number; one that stops early is started again. Every
    epoch has the same number of batches and the same shapes. The dataset shuffles itself: give it
    to Keras as `model.fit(dataset, shuffle=False)`.

    `SequenceModel.fit` begins with the epoch that a callback such as `BackupAndRestore` resumes. In
    other Keras models the dataset cannot know it: give them the `first_epoch` of the resumed run.

    The data are in the memory of this process. The data service, which would read them from other
    processes, is refused, whatever else is applied before it: write them with `datasets.shards`.

    Args:
        sequences: A list of arrays `(T, F)`, whose T may differ, or one array `(N, T, F)`.
        batch_size: Number B of rows of every batch.
        max_steps: Number of frames that longer sequences are cut into, the last piece being
            shorter; each piece is then a sequence of its own, but for `warm_up`. Not cut if None.
        warm_up: Number W of frames before a piece that begin its row, so that a memory knows the
            past of the piece. They are for the memory alone: `SequenceModel.fit` takes no loss on
            the first W steps of a row. Where a sequence has fewer frames before the piece, these
            steps are masked. It needs `max_steps`.
        shuffle: Whether to draw, anew each epoch, which sequences of similar length share a batch,
            and the order of the batches. If False, batches go from the longest sequences to the
            shortest.
        seed: Non-negative integer that all draws start from.
        first_epoch: Number of the first epoch; in a resumed run, the number of epochs trained.
        augment: Function of a sequence `(T, F)` and a `numpy.random.Generator` that returns a
            sequence of the same shape; applied to each whole sequence in each epoch.

    Returns:
        Dataset of pairs `(frames, mask)`: float32 `(B, T, F)`, zero where padded, and bool
        `(B, T)`, False where padded; rows without a sequence, which fill up the last batch, are
        False throughout. Padding comes after the frames; T counts the steps of `warm_up`, too.

    Raises:
        ValueError: If sequences are not those that `checks.check_sequences` accepts, a number is
            out of range, or `augment` is not a function.

    Example:
        >>> frames, mask = next(iter(batches([np.ones((9, 88)), np.ones((5, 88))], batch_size=2)))
        >>> frames.shape, mask.numpy().sum(axis=1)
        (TensorShape([2, 9, 88]), array([9, 5]))
    """
    sequences = check_sequences(sequences)
    batch_size = check_integer("batch_size", batch_size)
    if max_steps is not None:
        max_steps = check_integer("max_steps", max_steps)
    warm_up = check_integer("warm_up", warm_up, least=0)
    if warm_up and max_steps is None:
        raise ValueError(
            "`warm_up` must be 0 where `max_steps` is None: sequences that are not cut have no "
            f"frames before them. Received: warm_up={warm_up}."
        )
    seed = check_integer("seed", seed, least=0)
    first_epoch = check_integer("first_epoch", first_epoch, least=0)
    if augment is not None and not callable(augment):
        raise ValueError(
            "`augment` must be a function of a sequence and a random generator, or None. "
            f"Received: augment={augment!r}."
        )

    pieces = _cut([len(sequence) for sequence in sequences], max_steps)
    place = Place(first_epoch, -(-len(pieces) // batch_size), max_steps, warm_up)

    def epoch():
        number, skipped = place.epoch_and_batch()
        rng = np.random.default_rng((seed, number))
        plan = _plan(pieces[:, 2] - pieces[:, 1], batch_size, rng if shuffle else None)
        drawn = [_augmented(sequence, augment, rng) for sequence in sequences]
        for rows, length in plan[skipped:]:
            yield _rows(drawn, pieces[rows], batch_size, length, warm_up)

    return as_dataset(epoch, place, batch_size, sequences[0].shape[1])


class Place:
    """Where the reading of a dataset goes on: the number of batches before, over all epochs.

    Args:
        first_epoch: Number of the epoch that is read first.
        num_batches: Number of batches of an epoch.
        max_steps: Number of frames that sequences are cut into; None if they are not cut.
        warm_up: Number of steps at the start of each row that are for the memory alone.

    Attributes:
        whole: Whether reading begins with a whole epoch, as that of a dataset of known length must.
        held: If False, the place moves when all batches of a pass are taken. If True, only
            `models.fitting` moves it, by whole epochs: a strategy of `tf.distribute` reads ahead in
            passes that Keras begins and drops, so that what is taken is no sign of progress.
    """

    def __init__(self, first_epoch, num_batches, max_steps=None, warm_up=0):
        self.num_batches, self.max_steps, self.warm_up = num_batches, max_steps, warm_up
        self.whole, self.held = True, False
        self.first = self.batch = first_epoch * num_batches

    def epoch_and_batch(self):
        """Returns the number of the epoch, and how many of its batches are behind."""
        return divmod(self.batch, self.num_batches)

    @staticmethod
    def of(dataset):
        """Returns the place of a dataset made by `as_dataset`, or made from one; None of others."""
        found = getattr(dataset, "_seqlayers_place", None)
        inputs = (Place.of(each) for each in dataset._inputs())
        return found or next((place for place in inputs if place is not None), None)


def with_length(dataset, num_batches):
    """Returns a dataset whose `cardinality` and `len` are a number that TensorFlow does not know.

    `assert_cardinality` is an operation, and fails where a worker reads a share of the dataset.
    Keras asks the object alone.
    """
    dataset.cardinality = lambda: num_batches
    return dataset


def pad(sequences, length=None):
    """Pads sequences of different lengths with zeros to one array.

    Args:
        sequences: A list of arrays `(T, F)` or one array `(N, T, F)`.
        length: Number of time steps of the result; that of the longest sequence if None.

    Returns:
        `(frames, mask)`: float32 `(N, length, F)`, and bool `(N, length)`, True where a
        frame is real.

    Raises:
        ValueError: If `check_sequences` refuses the sequences, or one is longer than `length`.

    Example:
        >>> frames, mask = pad([np.ones((2, 3)), np.ones((1, 3))])
        >>> frames.shape, mask.tolist()
        ((2, 2, 3), [[True, True], [True, False]])
    """
    sequences = check_sequences(sequences)
    longest = max(map(len, sequences))
    if length is None:
        length = longest
    elif check_integer("length", length) < longest:
        raise ValueError(
            f"`length` must be at least {longest}, the length of the longest sequence. "
            f"Received: length={length}."
        )
    frames = np.zeros((len(sequences), length, sequences[0].shape[1]), "float32")
    mask = np.zeros((len(sequences), length), bool)
    for n, sequence in enumerate(sequences):
        frames[n, : len(sequence)] = sequence
        mask[n, : len(sequence)] = True
    return frames, mask


def _rows(sequences, pieces, batch_size, length, warm_up):
    """Returns a batch of pieces (sequence, start, stop), each with the frames before it."""
    shape = batch_size, warm_up + length
    frames = np.zeros((*shape, sequences[0].shape[1]), "float32")
    mask = np.zeros(shape, bool)
    for row, (i, start, stop) in enumerate(pieces):
        before = min(start, warm_up)
        part = sequences[i][start - before : stop]
        steps = slice(warm_up - before, warm_up - before + len(part))
        frames[row, steps], mask[row, steps] = part, True
    return frames, mask


def _cut(lengths, max_steps):
    """Rows (sequence, start, stop), an int array `[pieces, 3]`."""
    return np.array(
        [
            (i, start, min(start + (max_steps or length), length))
            for i, length in enumerate(lengths)
            for start in range(0, length, max_steps or length)
        ]
    )


def ladder(longest):
    """Returns the lengths to pad to, up to that of the longest sequence."""
    rungs = [min(SHORTEST, longest)]
    while rungs[-1] < longest:
        rungs.append(min(int(np.ceil(rungs[-1] * GROWTH)), longest))
    return np.array(rungs)


def _plan(lengths, batch_size, rng=None):
    """The batches of an epoch, as pairs (indices of sequences, padded length).

    Only the order within a rung is drawn: its sequences are padded to the same length anyway, so
    all epochs have the same shapes. The batch that is not full holds the shortest sequences.
    """
    rungs_of = ladder(lengths.max())
    rungs = np.searchsorted(rungs_of, lengths)
    key = lengths if rng is None else rungs + rng.random(len(lengths))
    order = np.argsort(-key, kind="stable")
    groups = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if rng is not None:
        groups = [groups[i] for i in rng.permutation(len(groups))]
    return [(group, int(rungs_of[rungs[group].max()])) for group in groups]


def _augmented(sequence, augment, rng):
    if augment is None:
        return sequence
    augmented = np.asarray(augment(sequence, rng))
    if augmented.shape != sequence.shape:
        raise ValueError(
            f"`augment` must return a sequence of the shape it was given, {sequence.shape}. "
            f"Received: shape {augmented.shape}."
        )
    return augmented


def as_dataset(epoch, place, batch_size, features):
    """Returns a dataset of the pairs `(frames, mask)` that `epoch()` yields.

    Its `endless` goes on with the next epoch where one ends.

    They are read in the background. The end of a pass is noticed after the prefetching, because
    the background thread runs ahead and Keras begins passes that it never reads, one of them to
    build a model. A distribution strategy prefetches once more: `SequenceModel.fit` holds the
    place there, but in other models such a look may use up an epoch of two or three batches.

    Args:
        epoch: Function that returns an iterator over the batches from `place` to the epoch's end.
        place: The `Place`, which goes to the next epoch when the last batch is taken.
        batch_size: Number of rows of every batch, or None.
        features: Number of features of a frame.
    """
    tf = import_tensorflow("datasets.batches")  # the rest of the module works without it
    num_batches = place.num_batches

    def numbered():
        number, skipped = place.epoch_and_batch()
        for k, batch in enumerate(epoch(), start=skipped + 1):
            yield *batch, (number + 1) * num_batches if k == num_batches else 0

    def turn(batch):
        if not place.held:
            place.batch = max(place.batch, int(batch))
        return np.int64(0)

    def taken(frames, mask, batch):
        done = tf.cond(
            batch > 0,
            lambda: tf.ensure_shape(tf.numpy_function(turn, [batch], tf.int64), []),
            lambda: tf.constant(0, tf.int64),
        )
        with tf.control_dependencies([done]):
            return tf.identity(frames), tf.identity(mask)

    signature = (
        tf.TensorSpec((batch_size, None, features), tf.float32),
        tf.TensorSpec((batch_size, None), tf.bool),
        tf.TensorSpec((), tf.int64),
    )
    # TensorFlow keeps the generator's function until the process ends, and would keep the data.
    reference = weakref.ref(numbered)
    passes = (lambda: reference()()) if tf.executing_eagerly() else numbered
    dataset = tf.data.Dataset.from_generator(passes, output_signature=signature)
    dataset.passes = numbered  # what is made of the dataset keeps it, and so the data
    options = tf.data.Options()  # of all that is made of the dataset: the data service refuses it
    options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.FAIL
    dataset = dataset.with_options(options).prefetch(2).map(taken)
    endless = dataset.repeat()
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
    dataset._seqlayers_place = place  # TensorFlow keeps `turn` too: `place` must not hold the data
    dataset.endless = endless
    own = weakref.ref(dataset)
    dataset.apply = lambda function: _applied(own(), function)
    return dataset


def _applied(dataset, function):
    """Returns `dataset.apply(function)`; explains why the data service refuses the dataset."""
    tf = import_tensorflow("datasets.batches")
    try:
        return type(dataset).apply(dataset, function)
    except tf.errors.FailedPreconditionError as error:
        raise ValueError(
            "A dataset made of sequences in memory cannot be served to other processes; write the "
            "sequences with `datasets.shards.write` and serve `datasets.shards.load`. "
            f"Received: {error.message}"
        ) from error
