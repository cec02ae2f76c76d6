"""Overlapping chunks of sequences with delayed labels, and their outputs joined again.

Truncated back-propagation through time needs sequences short and of one length, and a recogniser
decides better on a frame after it has read a few of the next ones. So chunk j holds the frames

    s_j .. s_j + length - 1,    s_j = j (length - overlap),

and the output at frame t belongs to frame t - delay. The first frames of a chunk repeat the last
ones of the chunk before and only warm up the memory: the first `overlap` frames of a chunk are not
scored, in the first chunk the first `delay` frames. Since the overlap is at least the delay,

    each frame of the sequence is labelled at exactly one place of one chunk.

Past the end of a sequence its last frame is repeated.

The lengths 15, 5 and 5 are those of the CLSTM paper (LSTM-based convolutional recurrent networks),
which does not say which frames of an overlap are scored.
"""

from typing import Any, NamedTuple

import numpy as np

from seqlayers.backends import import_tensorflow
from seqlayers.checks import check_integer, check_sequence


class Chunks(NamedTuple):
    """Chunks of a sequence.

    Attributes:
        x: Frames, float32 `(J, length, F)`.
        y: Labels, int32 `(J, length)`; 0 where they are not scored.
        mask: bool `(J, length)`, True where labels are scored.
    """

    x: Any
    y: Any
    mask: Any


def chunk(features, labels=None, length=15, overlap=5, delay=5):
    """Cuts a sequence into chunks.

    Args:
        features: Array `(T, F)`.
        labels: Integers `(T,)`; all 0 if None.
        length: Number of frames in a chunk.
        overlap: Number of frames that a chunk shares with the next one, below `length`.
        delay: Number of frames by which labels are delayed, at most `overlap`.

    Returns:
        `Chunks(x, y, mask)`.

    Raises:
        ValueError: If there is not one integer label for each frame, or the lengths do not fit.

    Example:
        >>> x, y, mask = chunk(np.arange(12.0)[:, None], np.arange(12), 8, 2, 2)
        >>> x[1, :, 0].tolist(), y[1].tolist(), mask[1].sum()
        ([6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 11.0, 11.0], [0, 0, 6, 7, 8, 9, 10, 11], np.int64(6))
    """
    features = check_sequence(features, name="features")
    T = len(features)
    labels = np.zeros(T, "int32") if labels is None else np.asarray(labels)
    if labels.shape != (T,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`labels` must be {T} integers, one for each frame. "
            f"Received: shape {labels.shape}, dtype {labels.dtype}."
        )
    inputs, meant, mask = _places(T, length, overlap, delay)
    x = features[np.minimum(inputs, T - 1)].astype("float32")
    y = np.where(mask, labels[np.where(mask, meant, 0)], 0).astype("int32")
    return Chunks(x, y, mask)


def join(outputs, num_frames, length=15, overlap=5, delay=5):
    """Joins the outputs for the chunks of a sequence: the inverse of `chunk`.

    Args:
        outputs: Array `(J, length, ...)`, such as probabilities or labels, in the order of the
            chunks.
        num_frames: Number T of frames of the sequence.
        length, overlap, delay: The same as for `chunk`.

    Returns:
        Array `(T, ...)`, the output that belongs to each frame.

    Raises:
        ValueError: If `outputs` are not those of the chunks of T frames, or the lengths do not fit.

    Example:
        >>> x, y, mask = chunk(np.ones((40, 3)), np.arange(40))
        >>> (join(y, 40) == np.arange(40)).all()
        np.True_
    """
    outputs = np.asarray(outputs)
    _, _, mask = _places(check_integer("num_frames", num_frames), length, overlap, delay)
    if outputs.shape[:2] != mask.shape:
        raise ValueError(
            f"`outputs` must be an array {mask.shape} of the chunks that "
            f"{num_frames} frames make, with any axes behind. Received: shape {outputs.shape}."
        )
    return outputs[mask]


def chunked(dataset, length=15, overlap=5, delay=5):
    """Cuts a dataset of sequences into a dataset of chunks, for `model.fit`.

    Chunks are independent of each other: shuffle, batch and repeat the result as you like. The
    sequences are read once to count the chunks, since Keras needs their number.

    Args:
        dataset: `tf.data.Dataset` of pairs of features `(T, F)` and integer labels `(T,)`.
        length, overlap, delay: As in `chunk`.

    Returns:
        Dataset of triples `(x, y, weights)`, float32 `(length, F)`, int32 `(length,)` and float32
        `(length,)`. `weights` is the mask as numbers; Keras takes it as sample weights, so that the
        loss and `weighted_metrics` ignore frames that are not scored. The chunks of a sequence
        follow each other.

    Raises:
        ValueError: If the elements of `dataset` are not pairs, or the lengths do not fit.

    Example:
        >>> sequences = tf.data.Dataset.from_tensors((np.ones((40, 3)), np.arange(40)))
        >>> for x, y, weights in chunked(sequences).batch(20): print(x.shape, weights.shape)
        (4, 15, 3) (4, 15)
    """
    tf = import_tensorflow("datasets.chunking.chunked")  # the rest works without it
    _check_lengths(length, overlap, delay)
    if not isinstance(dataset.element_spec, tuple) or len(dataset.element_spec) != 2:
        raise ValueError(
            "`dataset` must hold pairs of features and labels. "
            f"Received: elements {dataset.element_spec}."
        )
    width = dataset.element_spec[0].shape[-1]

    def cut(features, labels):
        x, y, mask = chunk(features, labels, length, overlap, delay)
        return x, y, mask.astype("float32")

    def of_tensors(features, labels):
        types = (tf.float32, tf.int32, tf.float32)
        x, y, weights = tf.numpy_function(cut, (features, labels), types, stateful=False)
        return (
            tf.ensure_shape(x, (None, length, width)),
            tf.ensure_shape(y, (None, length)),
            tf.ensure_shape(weights, (None, length)),
        )

    count = dataset.cardinality()
    if count != tf.data.INFINITE_CARDINALITY:
        lengths = dataset.map(lambda features, labels: tf.shape(features)[0])
        count = sum(len(_places(int(T), length, overlap, delay)[2]) for T in lengths)
    chunks = dataset.map(of_tensors).unbatch()
    return chunks.apply(tf.data.experimental.assert_cardinality(count))


def _places(T, length, overlap, delay):
    """For each place of each chunk: the input frame, the labelled frame, and if it is scored."""
    length, overlap, delay = _check_lengths(length, overlap, delay)
    num_chunks = 1 + max(0, -(-(T + delay - length) // (length - overlap)))
    starts = np.arange(num_chunks)[:, None] * (length - overlap)
    place = np.arange(length)
    inputs = starts + place  # [J, length]
    meant = inputs - delay
    first = np.where(starts == 0, delay, overlap)
    return inputs, meant, (place >= first) & (meant < T)


def _check_lengths(length, overlap, delay):
    length = check_integer("length", length)
    overlap = check_integer("overlap", overlap, least=0)
    delay = check_integer("delay", delay, least=0)
    if not delay <= overlap < length:
        raise ValueError(
            "`delay` must be at most `overlap`, so that each frame has a label, and `overlap` must "
            f"be below `length`. Received: length={length}, overlap={overlap}, delay={delay}."
        )
    return length, overlap, delay
