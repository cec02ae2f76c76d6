"""The likelihood of a dataset under a model: contexts a batch at a time, then blocks of frames.

A sequence that is too long for its contexts to be held at once is read in pieces: each piece starts
from the state after the one before.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from seqlayers.checks import NotFiniteError, check_integer, check_weights
from seqlayers.metrics import Likelihood
from seqlayers.models.adaptation import adapted_log_probs
from seqlayers.models.inputs import OF_BATCHES, as_dataset, as_pair, checked_sequences
from seqlayers.sampling import Use, fold_in, seed_pair

_FRAMES_AT_ONCE = 1024  # of the head: one shape to compile, and a bound on memory
_STEPS_AT_ONCE = 8192  # of the memory: longer than most sequences, and a bound on memory
_VALUES_AT_ONCE = 2**25  # of the contexts of a piece, 128 MiB: fewer steps where they are large
# Chains disagree by chance in some frames of a sharp model, a fifth of them with four chains. The
# error of these counts as 1, the largest that the spread of weights can show.
_NOT_CONVERGED = 1 / 3


def likelihood(model, x, mask=None, batch_size=32, seed=0, bracket=False):
    """Returns the `Likelihood` of sequences, see `SequenceModel.score`; it may be NaN."""
    return _pooled(model, x, mask, batch_size, seed, bracket, None)[0]


def finite_likelihood(model, x, mask=None, batch_size=32, seed=0, bracket=False, adaptation=None):
    """Returns the `Likelihood` of sequences, see `SequenceModel.score`.

    Raises:
        ValueError: If it is not finite. The message names the weights that are not, or counts the
            frames.
    """
    check_weights(model.weights)
    result, lost = _pooled(model, x, mask, batch_size, seed, bracket, adaptation)
    _refuse_lost(lost, result.frames, adaptation)
    return result


def frame_log_probs(model, x, mask=None, batch_size=32, seed=0, adaptation=None):
    """Returns log p of each frame, see `SequenceModel.frame_log_probs`."""
    return likelihood_and_frames(model, x, mask, batch_size, seed, adaptation=adaptation)[1]


def likelihood_and_frames(
    model, x, mask=None, batch_size=32, seed=0, bracket=False, adaptation=None
):
    """Returns `finite_likelihood` and, from the same draws, log p of each frame of each sequence.

    Raises:
        ValueError: As `finite_likelihood`.
    """
    check_weights(model.weights)
    blocks: list = []
    result, lost = _pooled(model, x, mask, batch_size, seed, bracket, adaptation, blocks)
    _refuse_lost(lost, result.frames, adaptation)
    nats, owners = map(np.concatenate, zip(*blocks, strict=True))
    _, lengths = np.unique(owners, return_counts=True)
    # A stable sort: the frames of a sequence come in their order, other frames between them.
    return result, np.split(nats[np.argsort(owners, kind="stable")], np.cumsum(lengths)[:-1])


def _pooled(model, x, mask, batch_size, seed, bracket, adaptation, kept=None):
    """Returns the `Likelihood`, and how many frames have no finite log-probability.

    Log p of the frames of each block and the numbers of their sequences are added to `kept`.
    """
    head = model.head
    kind = head.kind if adaptation is None else "adapted"
    totals, unknown = np.zeros(3), np.zeros(2)
    frames, sequences, lost = 0, set(), 0
    bracket = bracket and head.has_reverse
    blocks = _blocks(model, x, mask, batch_size, seed, bracket, adaptation)
    for log_probs, owners in blocks:
        nats, error, reverse, reverse_error = log_probs
        if kept is not None:
            kept.append((nats, owners))
        lost += np.count_nonzero(~np.isfinite(nats + reverse))
        unknown += np.isinf(error).sum(), np.isinf(reverse_error).sum()
        error = np.where(np.isinf(error), 1.0, error)
        # Frames with one context share one Z, and so its error; others have their own.
        variance = np.square(error).sum() if model.memory else np.square(error.sum())
        totals += nats.sum(), variance, reverse.sum()
        frames += len(nats)
        sequences.update(owners.tolist())
    _at_least_one(frames)
    converged, from_both = unknown < _NOT_CONVERGED * frames
    result = Likelihood(
        nats=float(totals[0] / frames),
        standard_error=float(np.sqrt(totals[1]) / frames) if converged else math.inf,
        kind=kind if converged else "not_converged",
        frames=int(frames),
        sequences=len(sequences),
        reverse_nats=float(totals[2] / frames if from_both else -math.inf) if bracket else None,
    )
    return result, int(lost)


def _blocks(model, x, mask, batch_size, seed, bracket, adaptation):
    """Yields the results for a block of frames, and the number of the sequence each is from.

    The results are float64 arrays: log p, its standard error, and the two from the other side,
    which repeat the first two unless `bracket`.
    """
    head, seed = model.head, seed_pair(seed)
    batch_size = check_integer("batch_size", batch_size)
    if adaptation is not None:
        sequences = _sequences(model, x, mask, batch_size)
        for nats, number in adapted_log_probs(model, sequences, adaptation):
            exact = np.zeros_like(nats)
            yield [nats, exact, nats, exact], np.full(len(nats), number)
        return

    def frame_log_probs(frames, context, seed, number, bracket):
        nats, error = head.log_prob(frames, context, fold_in(fold_in(seed, Use.SCORE), number))
        if not bracket:
            return nats, error, nats, error
        reverse_seed = fold_in(fold_in(seed, Use.REVERSE), number)
        return nats, error, *head.reverse_log_prob(frames, context, reverse_seed)

    log_probs = model.compiled_function("log_prob", frame_log_probs)
    pieces = _pieces(model, x, mask, batch_size)
    for number, (v, context, owners) in enumerate(_frames_with_context(model, pieces)):
        results = log_probs(v, context, seed, tf.constant(number), bracket)
        yield [np.asarray(each, "float64")[: len(owners)] for each in results], owners


def _at_least_one(frames):
    """Returns a number of frames; refuses 0."""
    if not frames:
        raise ValueError("`x` must hold at least one frame that is not masked. Received: none.")
    return frames


def _refuse_lost(lost, frames, adaptation):
    """Refuses results of `frames` frames of which some are not finite."""
    if lost:
        smaller = "smaller weights" if adaptation is None else "a smaller `adapt`"
        raise NotFiniteError(
            f"The log-probabilities of all frames must be finite; use {smaller}, or scale the "
            f"frames. Received: {lost} of {frames} frames with NaN or infinity, from finite "
            "weights."
        )


def _sequences(model, x, mask, batch_size):
    """Yields the place of each sequence in `x`, and its frames without those masked, if any."""
    if isinstance(x, OF_BATCHES):
        rows = (
            frames[row] if mask is None else frames[row][mask[row]]
            for frames, mask in map(as_pair, as_dataset(model.head, x, mask, batch_size))
            for row in range(len(frames))
        )
    else:
        rows = checked_sequences(model.head, x, mask)
    for number, frames in enumerate(rows):
        if len(frames):
            yield number, np.asarray(frames)


def _pieces(model, x, mask, batch_size):
    """Yields pieces of batches: `frames`, `mask`, the number of the piece, those of the sequences.

    Piece 0 begins the sequences of its batch. A sequence has the number of its place in `x`.
    """
    if isinstance(x, OF_BATCHES):
        begun = 0
        for batch in as_dataset(model.head, x, mask, batch_size):
            frames, mask = as_pair(batch)
            mask = tf.ones(tf.shape(frames)[:2], tf.bool) if mask is None else mask
            owners = begun + np.arange(len(frames))
            begun += len(frames)
            steps = _steps_at_once(model, len(frames))
            for number, start in enumerate(range(0, frames.shape[1], steps)):
                piece = slice(start, start + steps)
                yield frames[:, piece], mask[:, piece], number, owners
        return
    sequences = checked_sequences(model.head, x, mask)
    # Longest first, as in a batch of short ones.
    order = np.argsort([-len(s) for s in sequences], kind="stable")
    steps = _steps_at_once(model, batch_size)
    long = [i for i in order if len(sequences[i]) > steps]
    short = [i for i in order if len(sequences[i]) <= steps]
    for first in range(0, len(long), batch_size):
        owners = long[first : first + batch_size]
        rows = [sequences[i] for i in owners]
        for number, start in enumerate(range(0, len(rows[0]), steps)):
            length = min(steps, len(rows[0]) - start)
            frames = np.zeros((len(rows), length, rows[0].shape[1]), "float32")
            keep = np.zeros(frames.shape[:2], bool)
            for row, sequence in enumerate(rows):
                part = sequence[start : start + steps]
                frames[row, : len(part)], keep[row, : len(part)] = part, True
            yield tf.constant(frames), tf.constant(keep), number, np.array(owners)
    if short:
        dataset = as_dataset(model.head, [sequences[i] for i in short], None, batch_size)
        for n, (frames, keep) in enumerate(dataset):
            owners = np.array(short[n * batch_size : (n + 1) * batch_size])
            yield frames, keep, 0, np.pad(owners, (0, batch_size - len(owners)))


def _steps_at_once(model, rows):
    """Returns the number of steps in a piece of so many sequences."""
    if model.memory is None:
        return _STEPS_AT_ONCE
    values = max(1, rows * model.initial_state(1).context.shape[-1])
    return max(1, min(_STEPS_AT_ONCE, _VALUES_AT_ONCE // values))


def _frames_with_context(model, pieces):
    """Yields unmasked frames, their contexts and their sequences, a fixed number at a time.

    The last frames and contexts are padded.
    """
    dtype, contexts_after = model.head.variable_dtype, _contexts_after(model)
    waiting, counted, size = [], 0, None
    for frames, mask, number, owners in pieces:
        frames, keep = tf.cast(frames, dtype), mask.numpy()
        if number == 0:
            state = model.initial_state(len(keep))
        context = np.zeros((*keep.shape, 0))
        if model.memory is not None:
            context, state = contexts_after(state, frames, mask)
            context = context.numpy()
        owners = np.repeat(owners, keep.sum(axis=1))
        waiting.append((frames.numpy()[keep], context[keep], owners))
        counted += len(owners)
        if counted >= _FRAMES_AT_ONCE:
            size = _FRAMES_AT_ONCE
            joined, counted = _joined(waiting), counted % size
            whole = len(joined[-1]) - counted
            for start in range(0, whole, size):
                yield _padded([part[start : start + size] for part in joined], size)
            waiting = [tuple(part[whole:].copy() for part in joined)]
    if counted:
        size = size or max(16, 2 ** int(np.ceil(np.log2(counted))))  # few shapes
        yield _padded(_joined(waiting), size)


def _contexts_after(model):
    """Returns `model.contexts_after`, compiled once for all numbers of rows and of steps."""
    if model.memory is None:
        return None
    specs = keras.tree.map_structure(
        lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), model.initial_state()
    )
    frames = tf.TensorSpec((None, None, model.head.visible_units), model.head.variable_dtype)
    signature = [specs, frames, tf.TensorSpec((None, None), tf.bool)]
    return model.compiled_function(
        "contexts", model.contexts_after, xla=False, input_signature=signature
    )


def _joined(waiting):
    """Returns the frames, contexts and sequences of several pieces as three arrays."""
    return [
        parts[0] if len(parts) == 1 else np.concatenate(parts)
        for parts in zip(*waiting, strict=True)
    ]


def _padded(block, size):
    """Returns frames and contexts as tensors of `size` rows, and the sequences as they are."""
    *tensors, owners = block
    frames, context = (
        tf.constant(np.pad(part, [(0, size - len(part)), (0, 0)])) for part in tensors
    )
    return frames, context if context.shape[-1] else None, owners
