"""The likelihood of a dataset under a model: contexts a batch at a time, then blocks of frames."""

import numpy as np
import tensorflow as tf

from seqlayers.metrics import Likelihood
from seqlayers.models.inputs import as_pair
from seqlayers.sampling import Use, fold_in, seed_pair

_FRAMES_AT_ONCE = 1024  # one shape to compile, and a bound on memory


def pooled_likelihood(model, dataset, seed, bracket):
    """Returns the `Likelihood` of a dataset of `frames` or `(frames, mask)`."""
    head = model.head

    def frame_log_probs(frames, context, seed, number, bracket):
        nats, error = head.log_prob(frames, context, fold_in(fold_in(seed, Use.SCORE), number))
        if not bracket:
            return nats, error, nats
        reverse_seed = fold_in(fold_in(seed, Use.REVERSE), number)
        reverse = head.reverse_log_prob(frames, context, reverse_seed)
        return nats, error, reverse.nats

    seed = seed_pair(seed)
    totals = np.zeros(3)
    frames = sequences = 0
    bracket = bracket and head.has_reverse
    log_probs = model.compiled_function("log_prob", frame_log_probs)
    for number, (v, context, count, rows) in enumerate(_frames_with_context(model, dataset)):
        nats, error, reverse = (
            np.asarray(values, "float64")[:count]
            for values in log_probs(v, context, seed, tf.constant(number), bracket)
        )
        # Frames with one context share one Z, and so its error; others have their own.
        variance = np.square(error).sum() if model.memory else np.square(error.sum())
        totals += nats.sum(), variance, reverse.sum()
        frames, sequences = frames + count, sequences + rows
    if not frames:
        raise ValueError("`x` must hold at least one frame that is not masked. Received: none.")
    return Likelihood(
        nats=float(totals[0] / frames),
        standard_error=float(np.sqrt(totals[1]) / frames),
        kind=head.kind,
        frames=int(frames),
        sequences=int(sequences),
        reverse_nats=float(totals[2] / frames) if bracket else None,
    )


def _frames_with_context(model, dataset):
    """Yields unmasked frames and their contexts, a fixed number at a time, the last ones padded."""
    frames_spec = tf.TensorSpec((None, None, model.head.visible_units), model.head.variable_dtype)
    signature = [frames_spec, tf.TensorSpec((None, None), tf.bool)]
    contexts = model.compiled_function(
        "contexts", model.contexts, xla=False, input_signature=signature
    )
    waiting, counted, size = [], 0, None
    for batch in dataset:
        frames, mask = as_pair(batch)
        frames = tf.cast(frames, model.head.variable_dtype)
        keep = np.ones(frames.shape[:2], bool) if mask is None else mask.numpy()
        context = contexts(frames, tf.constant(keep))
        context = np.zeros((*keep.shape, 0)) if context is None else context.numpy()
        waiting.append((frames.numpy()[keep], context[keep], keep.any(axis=1).sum()))
        counted += keep.sum()
        while counted >= _FRAMES_AT_ONCE:
            size = _FRAMES_AT_ONCE
            waiting, counted = yield from _hand_out(waiting, size, size)
    if counted:
        size = size or max(16, 2 ** int(np.ceil(np.log2(counted))))  # few shapes
        yield from _hand_out(waiting, counted, size)


def _hand_out(waiting, count, size):
    """Yields the first `count` frames, padded to `size`; returns what is left."""
    frames, context, rows = zip(*waiting, strict=True)
    frames, context = np.concatenate(frames), np.concatenate(context)

    def padded(array):
        array = array[:count]
        return tf.constant(np.pad(array, [(0, size - count), (0, 0)]))

    has_context = context.shape[-1] > 0
    yield padded(frames), padded(context) if has_context else None, count, sum(rows)
    return [(frames[count:], context[count:], 0)], len(frames) - count
