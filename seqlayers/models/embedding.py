"""A vector for each whole sequence, by which sequences can be compared, clustered or looked up.

A model without labels has two features of each frame of a sequence v_1 .. v_T:

    code_t    = E[h | v_t, context_t]            the expected hidden units
    context_t = memory(v_1 .. v_{t-1})           the memory of the frames before

The vector holds statistics of both over t: the mean and the standard deviation, or the means over
each third of the sequence, which keep the order in time.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import ops

from seqlayers.checks import check_choice, check_integer
from seqlayers.datasets import batching
from seqlayers.models.inputs import checked_sequences

FEATURES = ("code", "context")
STATISTICS = ("mean", "deviation", "thirds")


def encode_segments(
    model, sequences, *, features=None, statistics: Sequence[str] = STATISTICS[:2], batch_size=32
):
    """Computes a vector for each sequence, such as the segments of a recording.

    Args:
        model: A `SequenceModel`.
        sequences: A list of arrays `(T, V)`, whose T may differ, or one array `(N, T, V)`.
        features: List of `"code"`, H values, for heads with a code; `"context"`, C values,
            for models with a memory; or both. All that the model has, if None.
        statistics: List of `"mean"` and `"deviation"`, over the frames of a sequence, and
            `"thirds"`, three times as many values: the means over its beginning, its middle and its
            end. A third of a sequence of one or two frames that has no frame is the mean of all.
        batch_size: Number of sequences in a batch.

    Returns:
        float32 array `(N, F)`, in the order of the sequences. Columns are the statistics of the
        first of `features`, in the order of `statistics`, then those of the second.

    Raises:
        ValueError: If `features` or `statistics` is not a list of these names, the model has no
            such features, or the sequences are not frames of this model.

    Example:
        >>> corpus = recordings.frames_of_segments("songs")
        >>> model = RNNRBM.for_spectrograms(seed=0)
        >>> vectors = encode_segments(model, corpus.sequences, features=["code"])
        >>> len(vectors) == len(corpus.sequences)
        True
    """
    if features is None:
        has = {"code": model.head.has_code, "context": model.memory is not None}
        features = [name for name in FEATURES if has[name]]
        if not features:
            raise ValueError(
                "`model` must have a memory or a head with a code. "
                f"Received: memory=None, head={model.head!r}."
            )
    features = _checked("features", features, FEATURES)
    statistics = _checked("statistics", statistics, STATISTICS)
    check_integer("batch_size", batch_size)
    if "code" in features and not model.head.has_code:
        raise ValueError(
            '`features` must be ["context"] where the head has no code. '
            f"Received: features={features}, head={model.head!r}."
        )
    if "context" in features and model.memory is None:
        raise ValueError(
            '`features` must be ["code"] where the model has no memory. '
            f"Received: features={features}."
        )
    sequences = checked_sequences(model.head, sequences, name="sequences")

    def encode(frames, mask):
        frames = ops.cast(frames, model.head.variable_dtype)
        context = model.contexts(frames, mask)
        parts = {"context": lambda: context, "code": lambda: model.head.encode(frames, context)}
        columns = []
        for name in features:
            values = ops.cast(parts[name](), "float32")
            keep = ops.cast(mask, "float32")[..., None]
            count = ops.maximum(ops.sum(keep, axis=1), 1)  # a batch may end in empty rows
            mean = ops.sum(keep * values, axis=1) / count
            moves = ops.square(values - mean[:, None])
            each = {"mean": mean, "deviation": ops.sqrt(ops.sum(keep * moves, axis=1) / count)}
            if "thirds" in statistics:
                each["thirds"] = _thirds(values, keep, count, mean)
            columns += [each[statistic] for statistic in statistics]
        return ops.concatenate(columns, axis=-1)

    frames_spec = tf.TensorSpec((None, None, model.head.visible_units), tf.float32)
    function = model.compiled_function(
        "encode " + " ".join([*features, *statistics]),
        encode,
        xla=False,  # lengths differ
        input_signature=[frames_spec, tf.TensorSpec((None, None), tf.bool)],
    )
    order = np.argsort([-len(s) for s in sequences], kind="stable")  # the order of the batches
    rows = batching.batches([sequences[n] for n in order], batch_size, shuffle=False)
    encoded = np.concatenate([function(*batch).numpy() for batch in rows])[: len(order)]
    return encoded[np.argsort(order)]


def _thirds(values, keep, count, mean):
    """Returns means `(B, 3 F)` over thirds of those frames `(B, T, F)` whose `keep` is 1.

    `keep` is `(B, T, 1)`. A frame is in the third that its middle is in.
    """
    middles = ops.cumsum(keep, axis=1) - 0.5
    third = ops.floor(3 * middles / count[:, None])
    parts = []
    for n in range(3):
        own = keep * ops.cast(ops.equal(third, n), "float32")
        number = ops.sum(own, axis=1)
        part = ops.sum(own * values, axis=1) / ops.maximum(number, 1)
        parts.append(ops.where(number > 0, part, mean))
    return ops.concatenate(parts, axis=-1)


def _checked(name, chosen, choices):
    if isinstance(chosen, str) or not len(chosen) or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"`{name}` must be a list of {', '.join(map(repr, choices))}, each once at most. "
            f"Received: {name}={chosen!r}."
        )
    return [check_choice(name, each, choices) for each in chosen]
