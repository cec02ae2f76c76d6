"""Batches of windows of labelled recordings, at places and gains that each epoch draws anew."""

import numpy as np

from seqlayers.backends import import_tensorflow
from seqlayers.checks import check_integer
from seqlayers.datasets.batching import Place, as_dataset

GAIN = 6.0  # standard deviation of the gains of windows, in dB
_NATS = np.log(10) / 10  # of log power in a dB


def windows(frames, targets, batch_size, window, training, seed, first_epoch):
    """Makes the dataset of `FrameLabeller.dataset`, of frames and targets that are checked.

    An epoch has as many windows as the frames fill. In training, those that would reach over an end
    of their recording are moved inwards. Features are logs of power: a gain adds one number to all.
    """
    tf = import_tensorflow("models.FrameLabeller")
    batch_size = check_integer("batch_size", batch_size)
    window = min(check_integer("window", window), max(map(len, frames)))
    seed = check_integer("seed", seed, least=0)
    first_epoch = check_integer("first_epoch", first_epoch, least=0)
    # float32 holds a class as it is: it is the last column of the row of a frame.
    rows = [np.column_stack([x, y]).astype("float32") for x, y in zip(frames, targets, strict=True)]
    places = [(n, start) for n, own in enumerate(rows) for start in range(0, len(own), window)]
    place = Place(first_epoch, -(-len(places) // batch_size))

    def epoch():
        number, skipped = place.epoch_and_batch()
        rng = np.random.default_rng((seed, number))
        order, moved = np.arange(len(places)), np.zeros(len(places), int)
        gains = np.zeros(len(places))
        if training:
            order = rng.permutation(order)
            moved = rng.integers(-(window // 2), window // 2 + 1, len(places))
            gains = _NATS * GAIN * rng.standard_normal(len(places))
        for k in range(skipped, place.num_batches):
            batch = np.zeros((batch_size, window, rows[0].shape[1]), "float32")
            mask = np.zeros((batch_size, window), bool)
            for row, at in enumerate(order[k * batch_size : (k + 1) * batch_size]):
                n, start = places[at]
                if training:
                    start = max(0, min(start + moved[at], len(rows[n]) - window))
                part = rows[n][start : start + window]
                batch[row, : len(part)], mask[row, : len(part)] = part, True
                batch[row, : len(part), :-1] += gains[at]
            yield batch, mask

    def split(batch, mask):
        classes = tf.cast(batch[..., -1], tf.int32)
        return (batch[..., :-1], mask), classes, tf.cast(mask, tf.float32)

    return as_dataset(epoch, place, batch_size, rows[0].shape[1]).map(split)


def check_targets(frames, targets, num_classes):
    """Returns the classes of the frames of each recording, as int32 arrays.

    Raises:
        ValueError: If there is not one class for each frame.
    """
    targets = [np.asarray(each) for each in targets]
    if len(targets) != len(frames):
        raise ValueError(
            "`targets` must have an array for each recording. "
            f"Received: {len(targets)} for {len(frames)} recordings."
        )
    for n, (x, y) in enumerate(zip(frames, targets, strict=True)):
        if y.shape != (len(x),) or y.dtype.kind not in "iu":
            raise ValueError(
                f"`targets[{n}]` must be integers `({len(x)},)`, one for each frame. "
                f"Received: shape {y.shape}, dtype {y.dtype}."
            )
        if y.min() < 0 or y.max() >= num_classes:
            raise ValueError(
                f"`targets[{n}]` must be classes from 0 to {num_classes - 1}. "
                f"Received: from {y.min()} to {y.max()}."
            )
    return [each.astype("int32") for each in targets]
