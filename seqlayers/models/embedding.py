"""What a model makes of whole sequences: a vector of each, to compare, cluster or look them up by.

Of a sequence v_1 .. v_T a model without labels has at each frame

    code_t    = E[h | v_t, context_t]            what the hidden units are expected to be
    context_t = memory(v_1 .. v_{t-1})           what it remembers of the frames before

and a vector of them is their mean over t, and the root of the mean square distance from it.
"""

import numpy as np
import tensorflow as tf
from keras import ops

from seqlayers.checks import check_choice, check_integer
from seqlayers.datasets import batching
from seqlayers.models.inputs import checked_sequences

FEATURES = ("code", "context")
STATISTICS = ("mean", "deviation")


def encode_segments(model, sequences, *, features=FEATURES, statistics=STATISTICS, batch_size=32):
    """Makes a vector of each sequence, such as the segments of a recording.

    Args:
        model: A `SequenceModel`.
        sequences: A list of arrays `(T, V)`, whose T may differ, or one array `(N, T, V)`.
        features: Which of `"code"`, of size H, for heads that have hidden units, and `"context"`,
            of size C, for models with a memory.
        statistics: Which of `"mean"` and `"deviation"` over the frames of the sequence.
        batch_size: Number of sequences in a batch.

    Returns:
        float32 array `(N, F)`, in the order of the sequences. Columns are the statistics of the
        first of `features`, in the order asked for, then those of the second.

    Raises:
        ValueError: If an argument is not as above, or the model has no such features.

    Example:
        >>> corpus = frames_of_segments("songs")
        >>> encode_segments(model, corpus.sequences, features=["code"], statistics=["mean"]).shape
        (867, 219)
    """
    features = _checked("features", features, FEATURES)
    statistics = _checked("statistics", statistics, STATISTICS)
    check_integer("batch_size", batch_size)
    if "code" in features and not model.head.has_code:
        raise ValueError(
            '`features` must be ["context"] where the head has no hidden units. '
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
            count = ops.maximum(ops.sum(keep, axis=1), 1)  # rows of a batch that are not there
            mean = ops.sum(keep * values, axis=1) / count
            moves = ops.square(values - mean[:, None])
            each = {"mean": mean, "deviation": ops.sqrt(ops.sum(keep * moves, axis=1) / count)}
            columns += [each[statistic] for statistic in statistics]
        return ops.concatenate(columns, axis=-1)

    frames_spec = tf.TensorSpec((None, None, model.head.visible_units), tf.float32)
    function = model.compiled_function(
        "encode " + " ".join([*features, *statistics]),
        encode,
        xla=False,  # lengths differ
        input_signature=[frames_spec, tf.TensorSpec((None, None), tf.bool)],
    )
    order = np.argsort([-len(s) for s in sequences], kind="stable")  # that of the batches
    rows = batching.batches([sequences[n] for n in order], batch_size, shuffle=False)
    encoded = np.concatenate([function(*batch).numpy() for batch in rows])[: len(order)]
    return encoded[np.argsort(order)]


def _checked(name, chosen, choices):
    if isinstance(chosen, str) or not len(chosen) or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"`{name}` must be a list of {' or '.join(map(repr, choices))} or both. "
            f"Received: {name}={chosen!r}."
        )
    return [check_choice(name, each, choices) for each in chosen]
