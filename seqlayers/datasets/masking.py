"""Masks of time and of features in sequences of frames: SpecAugment, with draws one can name.

    w = 0 .. min(W, p n)    width of a mask, all alike; p n is rounded down
    s = 0 .. n - w          its first step or feature, all alike
    x[s .. s + w - 1] = value

n is the number T of steps for a mask of time, of features for one of features, where p is 1. Masks
may overlap. Steps that only pad a sequence are not counted in T and not masked.

The masks of a sequence are drawn from its number, the epoch and a seed alone. They do not depend on
the batch, on the order of the sequences, or on how many threads or workers read them, and a resumed
run draws those of an undisturbed one. Training needs them, validation does not.

As printed, s is below n - w, so that the last step and the last feature are never masked: those of
n - 1 have the distribution above. `time_mask` and `freq_mask` of `tfio.audio` keep to the print,
and draw w below their `param`.

Reference: D. S. Park et al., SpecAugment: A Simple Data Augmentation Method for Automatic Speech
Recognition, Interspeech 2019.
"""

from typing import NamedTuple

import numpy as np

from seqlayers.backends import import_tensorflow
from seqlayers.checks import check_integer, check_number

_TIME, _FEATURES = range(2)  # axes of a sequence, and numbers that their draws start from


class Policy(NamedTuple):
    """Numbers and sizes of masks. The defaults suit seconds of speech, 40 bands every 10 ms.

    Attributes:
        time_masks: Number of masks of time.
        time_width: Largest width W of a mask of time, in steps.
        time_share: Largest share p of the steps of a sequence in one mask of time, at most 1.
        feature_masks: Number of masks of features.
        feature_width: Largest width W of a mask of features.
        value: Value that masked numbers have: 0 is the mean of normalised features.
    """

    time_masks: int = 2
    time_width: int = 20
    time_share: float = 0.2
    feature_masks: int = 2
    feature_width: int = 8
    value: float = 0.0


def mask(frames, epoch, number, policy=None, seed=0, length=None):
    """Masks a sequence. For the `map` of a `tf.data.Dataset`, or called with arrays.

    Args:
        frames: Floats `(T, F)`, or `(T, F, C)` with C channels that are masked together, such as a
            band, its delta and the delta of that.
        epoch: Number of the epoch, a non-negative integer or a scalar tensor.
        number: Number of the sequence, a non-negative integer or a scalar tensor.
        policy: A `Policy`; `Policy()` if None.
        seed: Non-negative integer that all draws start from.
        length: Number of steps that are frames, an integer or a scalar tensor; those behind them
            are padding. T if None.

    Returns:
        A tensor of the shape and type of `frames`.

    Raises:
        ValueError: If `frames` are not such floats, or a number is out of range.

    Example:
        >>> frames = np.ones((6, 4), "float32")
        >>> policy = Policy(time_masks=1, time_width=3, time_share=0.5, feature_masks=0)
        >>> mask(frames, 0, 0, policy)[:, 0].numpy()
        array([1., 1., 1., 1., 0., 1.], dtype=float32)
    """
    tf = import_tensorflow("datasets.masking")
    policy, seed = _checked(policy), check_integer("seed", seed, least=0)
    try:
        frames = tf.convert_to_tensor(frames)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`frames` must be floats. Received: an object of class {type(frames).__name__}."
        ) from error
    if frames.shape.rank not in (2, 3) or not frames.dtype.is_floating:
        raise ValueError(
            "`frames` must be floats `(time, features)` or `(time, features, channels)`. "
            f"Received: shape {frames.shape}, dtype {frames.dtype.name}."
        )
    shape = tf.shape(frames, tf.int64)
    length = shape[0] if length is None else tf.minimum(_integer("length", length), shape[0])
    key = tf.constant([seed % 2**63, 0], tf.int64)
    for each in (_integer("epoch", epoch), _integer("number", number)):
        key = tf.random.fold_in(key, each, alg="philox")
    widest = tf.cast(policy.time_share * tf.cast(length, tf.float64), tf.int64)
    widest = tf.minimum(widest, policy.time_width)
    steps = _masked(key, _TIME, policy.time_masks, widest, length, shape[0])
    widest = tf.minimum(shape[1], policy.feature_width)
    features = _masked(key, _FEATURES, policy.feature_masks, widest, shape[1], shape[1])
    hidden = (steps[:, None] | features) & (tf.range(shape[0]) < length)[:, None]
    if frames.shape.rank == 3:
        hidden = hidden[..., None]
    return tf.where(hidden, tf.cast(policy.value, frames.dtype), frames)


def masked(dataset, epoch, policy=None, seed=0):
    """Masks the sequences of a dataset for one epoch.

    Sequences are numbered in the order of `dataset`, which should be the same in each epoch:
    shuffle, pad and batch the result. The masks of a sequence are those of `mask`. Nothing is kept
    from one epoch to the next. The example joins epochs for `fit`, whose `steps_per_epoch` is
    `len(batches(0))`; a resumed run begins the range with the number of epochs trained.

    Args:
        dataset: `tf.data.Dataset` of frames `(T, F)` or `(T, F, C)`, floats, or of tuples that
            begin with frames, such as pairs of frames and labels. Mask before you pad.
        epoch: Number of the epoch, a non-negative integer or a scalar tensor.
        policy: A `Policy`; `Policy()` if None.
        seed: Non-negative integer that all draws start from.

    Returns:
        Dataset of the same elements, in the same order, with masked frames.

    Raises:
        ValueError: If the elements do not begin with frames, or a number is out of range.

    Example:
        >>> pairs = tf.data.Dataset.from_tensor_slices((np.ones((40, 9, 3)), np.ones((40, 9))))
        >>> def batches(epoch):
        ...     return masked(pairs, epoch).batch(16)
        >>> epochs = tf.data.Dataset.range(2).flat_map(batches)
        >>> [len(frames) for frames, labels in epochs]
        [16, 16, 8, 16, 16, 8]
    """
    tf = import_tensorflow("datasets.masking")

    def apply(number, element):
        if isinstance(element, tuple):
            return mask(element[0], epoch, number, policy, seed), *element[1:]
        return mask(element, epoch, number, policy, seed)

    numbered = tf.data.Dataset.zip(tf.data.Dataset.range(2**62), dataset)
    return numbered.map(apply, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _integer(name, value):
    """Returns a non-negative integer as an int64 tensor; of a tensor only the type is checked."""
    import tensorflow as tf

    if not tf.is_tensor(value):
        value = check_integer(name, value, least=0)
    elif not value.dtype.is_integer or value.shape.rank not in (0, None):
        raise ValueError(
            f"`{name}` must be an integer, or a scalar tensor of one. "
            f"Received: shape {value.shape}, dtype {value.dtype.name}."
        )
    return tf.cast(value, tf.int64)


def _masked(key, axis, count, widest, length, size):
    """Returns which of `size` places lie in one of `count` masks, bool `(size,)`."""
    import tensorflow as tf

    key = tf.random.fold_in(key, axis, alg="philox")
    drawn = tf.random.stateless_uniform((2, count), key, None, None, tf.uint32, alg="philox")

    def below(bound, words):  # integers from 0 to bound - 1, from words of 32 bits
        return tf.bitwise.right_shift(tf.cast(words, tf.int64) * bound, np.int64(32))

    width = below(widest + 1, drawn[0])
    start = below(length - width + 1, drawn[1])
    place = tf.range(size)[:, None]
    return tf.reduce_any((place >= start) & (place < start + width), axis=1)


def _checked(policy):
    policy = Policy() if policy is None else policy
    if not isinstance(policy, Policy):
        raise ValueError(
            f"`policy` must be a `masking.Policy` or None. Received: policy={policy!r}."
        )
    for name in ("time_masks", "time_width", "feature_masks", "feature_width"):
        check_integer(name, getattr(policy, name), least=0)
    check_number("time_share", policy.time_share, least=0, most=1)
    check_number("value", policy.value)
    return policy
