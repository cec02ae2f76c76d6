"""Batches of windows of labelled recordings, at places that each epoch draws anew."""

import numpy as np

from seqlayers.backends import import_tensorflow
from seqlayers.checks import check_integer, check_sequences
from seqlayers.datasets.batching import Place, as_dataset


def windows(frames, targets, batch_size, window, *, training, seed, first_epoch, augment=None):
    """Makes a `tf.data.Dataset` of windows: `((frames, mask), targets, weights)`.

    An epoch has as many windows as the frames fill. In training each is moved by up to half its
    length, and the order is drawn, from `(seed, epoch)` alone.

    Args:
        frames: List of floats `(T, F)`.
        targets: List of integers `(T,)`, the class of each frame.
        batch_size: Number B of windows of a batch; those missing in the last one are masked.
        window: Number W of frames of a window, or of the longest recording if that is shorter.
        training: Whether to draw.
        seed: Non-negative integer.
        first_epoch: Number of the first epoch, as in `datasets.batches`.
        augment: Function of the frames of a window `(T, F)` and a `numpy.random.Generator` that
            returns frames of the same shape; for training.

    Returns:
        Dataset of float32 `(B, W, F)`, bool `(B, W)`, int32 `(B, W)` and float32 `(B, W)`; targets
        are 0 and weights 0 where there is no frame.

    Raises:
        ValueError: If an argument is invalid.
    """
    tf = import_tensorflow("models.FrameLabeller")
    frames = check_sequences(frames, name="frames")
    targets = check_targets(frames, targets)
    batch_size = check_integer("batch_size", batch_size)
    window = min(check_integer("window", window), max(map(len, frames)))
    seed = check_integer("seed", seed, least=0)
    # A class is a whole number, which float32 holds as it is: the last column of its frame.
    rows = [np.column_stack([x, y]).astype("float32") for x, y in zip(frames, targets, strict=True)]
    starts = [range(-(-len(x) // window)) for x in frames]
    places = np.array([(n, k) for n, own in enumerate(starts) for k in own])
    first_epoch = check_integer("first_epoch", first_epoch, least=0)
    place = Place(first_epoch, -(-len(places) // batch_size))

    def epoch():
        number, skipped = place.epoch_and_batch()
        rng = np.random.default_rng((seed, number))
        order = rng.permutation(len(places)) if training else np.arange(len(places))
        for k in range(place.num_batches):
            batch = np.zeros((batch_size, window, rows[0].shape[1]), "float32")
            mask = np.zeros((batch_size, window), bool)
            for row, (n, m) in enumerate(places[order[k * batch_size : (k + 1) * batch_size]]):
                moved = int(rng.integers(-window // 2, window // 2 + 1)) if training else 0
                start = max(0, min(m * window + moved, len(rows[n]) - window))
                part = rows[n][start : start + window]
                if augment is not None:
                    part = np.column_stack([augment(part[:, :-1], rng), part[:, -1:]])
                batch[row, : len(part)], mask[row, : len(part)] = part, True
            if k >= skipped:
                yield batch, mask

    def split(batch, mask):
        classes = tf.cast(batch[..., -1], tf.int32)
        return (batch[..., :-1], mask), classes, tf.cast(mask, tf.float32)

    return as_dataset(epoch, place, batch_size, rows[0].shape[1]).map(split)


def check_targets(frames, targets):
    """Returns the classes of the frames of each recording as int32 arrays."""
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
    return [each.astype("int32") for each in targets]
