"""Drawing the units of a sequence that are not given, such as the lower voices of a melody.

    p(v_free | v_kept) = p(v) / p(v_kept),  p(v) = prod_t prod_i p(v_ti | v_t<i, context_t)

A draw from the first frame to the last does not depend on the units that are kept later on. It is
therefore only the start; then each frame is drawn again, given all others, in several sweeps. One
update of frame t, whose kept units stay in place:

    1. q(v_t) = prod_{i free} p(v_ti | v_t<i, context_t)    a draw of the head around kept units
       w(v_t) = prod_{i kept} p(v_ti | v_t<i, context_t)    the fit of the kept units of the frame
       Draw M frames from q, and choose v'_t among these and v_t, in proportion to w.
    2. f(v_t) = prod_{s > t} p(v_s | v_1 .. v_{s-1})        the fit of the later frames
       Accept v'_t with probability min(1, f(v'_t) / f(v_t)).

Step 1 is reversible with respect to q w, which is p(v_t | v_<t) with the kept units in place. So
step 2 needs the ratio of the rest of p(v) alone, and the two leave p(v_free | v_kept) invariant,
for any memory. A temperature divides all log-odds, which gives another model of this form: then
the result is exact for that model.
References: H. Tjelmeland, Using All Metropolis-Hastings Proposals to Estimate Mean Values, NTNU
2004 (step 1); J. A. Christen and C. Fox, Markov Chain Monte Carlo Using an Approximation, JCGS 2005
(step 2).
"""

import functools

import numpy as np
import tensorflow as tf
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.heads.autoregressive import AutoregressiveHead
from seqlayers.models.generation import finite, started
from seqlayers.sampling import Use, fold_in, uniform

SWEEPS = 20
_CANDIDATES = 16  # M: a kept unit above free ones is likely to fit one of them


def infill(model, num_steps, prime, num_sequences, temperature, seed, given, keep, sweeps):
    """Draws the free units of sequences, see `SequenceModel.generate`."""
    _check_head(model.head)
    given, keep = _checked(model.head, given, keep, num_steps)
    sweeps = SWEEPS if sweeps is None else check_integer("sweeps", sweeps, least=0)
    rows = _num_rows(given, num_sequences)
    first, seeds, temperature = started(model, prime, rows, temperature, seed)
    shape = (seeds.shape[0], *given.shape[-2:])
    keep = np.broadcast_to(keep, shape)
    frames = tf.constant(np.broadcast_to(given, shape), model.head.variable_dtype)

    propose = model.compiled_function("infill_frame", functools.partial(_propose, model.head))
    update = model.compiled_function("infill", functools.partial(_update, model, propose), False)
    step = model.compiled_function("infill_step", model.step)
    seeds, kept = fold_in(seeds, Use.INFILL), tf.constant(keep)
    whole = keep.all(axis=(0, 2))  # frames without a free unit in any row
    nats = tf.zeros(shape[:2], model.head.variable_dtype)
    for sweep in range(sweeps + 1):  # the first is the draw from the first frame to the last
        state = first
        for t in range(shape[1]):
            if sweep and whole[t]:
                state = step(frames[:, t], state)
                continue
            place = tf.constant(sweep), tf.constant(t)  # as numbers, each would be compiled
            frames, nats, state = update(*place, frames, kept, nats, state, seeds, temperature)
    return finite(frames.numpy())


def _update(model, propose, sweep, t, frames, keep, nats, state, seeds, temperature):
    """Draws frame t again; returns all frames, log p of each, and the state after frame t.

    `state` is that before frame t, with a row for each of `frames` `(N, T, V)`.
    """
    seeds, is_first = fold_in(fold_in(seeds, sweep), t), sweep == 0
    before, after = frames[:, :t], frames[:, t + 1 :]
    present = frames[:, t]
    frame = propose(state.context, present, keep[:, t], is_first, seeds, temperature)
    proposed = ops.concatenate([frame[:, None], after], axis=1)
    contexts, _ = model.contexts_after(state, proposed)
    proposed_nats = ops.sum(_log_probs(model.head, proposed, contexts, temperature), axis=-1)
    ratio = ops.sum(proposed_nats[:, 1:] - nats[:, t + 1 :], axis=1)  # log f(v'_t) - log f(v_t)
    log_u = ops.log(uniform(ops.shape(ratio), fold_in(seeds, 0)))
    accepted = is_first | (ops.cast(log_u, ratio.dtype) < ratio)
    frame = ops.where(accepted[:, None], frame, present)
    rest = ops.where(accepted[:, None], proposed_nats, nats[:, t:])
    frames = ops.concatenate([before, frame[:, None], after], axis=1)
    return frames, ops.concatenate([nats[:, :t], rest], axis=1), model.step(frame, state)


def _propose(head, context, present, keep, is_first, seeds, temperature):
    """Returns v'_t of each row, chosen among the present frame and draws around the kept units.

    The present frame is no choice in the first sweep, before which its free units are 0.
    """
    N, V, M = *present.shape, _CANDIDATES
    each = fold_in(fold_in(seeds, 1)[:, None], ops.arange(M, dtype="int32"))
    context = None if context is None else ops.repeat(context, M, axis=0)
    given, keep_all = (ops.repeat(values, M, axis=0) for values in (present, keep))
    each = ops.reshape(each, (N * M, 2))
    drawn = head.draw(context, each, temperature, given, keep_all, num_frames=N * M)
    candidates = ops.concatenate([present[:, None], ops.reshape(drawn, (N, M, V))], axis=1)
    if context is not None:
        context = ops.reshape(context, (N, M, -1))
        context = ops.concatenate([context[:, :1], context], axis=1)
    log_probs = _log_probs(head, candidates, context, temperature)
    log_w = ops.sum(ops.where(keep[:, None], log_probs, 0), axis=-1)
    is_present = ops.arange(M + 1) == 0
    log_w = ops.where(is_first & is_present, -np.inf, log_w)
    u = ops.cast(uniform((N, M + 1), fold_in(seeds, 2)), log_w.dtype)
    chosen = ops.argmax(log_w - ops.log(-ops.log(u)), axis=1)  # Gumbel: in proportion to w
    return ops.take_along_axis(candidates, chosen[:, None, None], axis=1)[:, 0]


def _log_probs(head, frames, context, temperature):
    """Returns log p of each unit given those before it, `(..., V)`."""
    frames, context = head.cast_inputs(frames, context)
    x = head.log_odds(frames, context) / ops.cast(temperature, frames.dtype)
    return frames * x - ops.softplus(x)


# Checks.


def _check_head(head):
    if not isinstance(head, AutoregressiveHead) or not head.draws_in_order:
        raise ValueError(
            "`given` and `keep` need a head that draws the units of a frame in their order, an "
            "`AutoregressiveHead` such as `TiedNADE`, or `NADE` with one order. "
            f"Received: head={head!r}."
        )


def _checked(head, given, keep, num_steps):
    """Returns arrays `given`, 0 where not kept, and `keep`, of one shape: `(T, V)` or with rows."""
    if given is None or keep is None:
        missing = "given" if given is None else "keep"
        raise ValueError(
            "`given` and `keep`, and `sweeps` with them, must go together: sequences, and which of "
            f"their units to keep. Received: {missing}=None."
        )
    given, keep, V = np.asarray(given), np.asarray(keep), head.visible_units
    if given.ndim not in (2, 3) or given.shape[-1] != V or not given.size:
        raise ValueError(
            f"`given` must be a sequence (time, {V}), or a row for each, (sequences, time, {V}). "
            f"Received: shape {given.shape}."
        )
    if keep.dtype != bool or keep.ndim not in (2, 3) or keep.shape[-2:] != given.shape[-2:]:
        raise ValueError(
            "`keep` must be bool, one for each unit of `given`, True where it is kept: of shape "
            f"{given.shape[-2:]}, or with a row for each sequence. "
            f"Received: {keep.dtype} of shape {keep.shape}."
        )
    if given.ndim == keep.ndim == 3 and len(given) != len(keep):
        raise ValueError(
            "`given` and `keep` must have a row for each sequence. "
            f"Received: {len(given)} and {len(keep)} rows."
        )
    if num_steps is not None and check_integer("num_steps", num_steps) != given.shape[-2]:
        raise ValueError(
            "`num_steps` must be the number of frames of `given`, or None. "
            f"Received: num_steps={num_steps} and {given.shape[-2]} frames."
        )
    given, keep = np.broadcast_arrays(given, keep)
    wrong = given[keep & (given != 0) & (given != 1)]
    if wrong.size:
        raise ValueError(
            "`given` must be 0 or 1 where `keep` is True; it may hold anything elsewhere. "
            f"Received: {wrong[0]}."
        )
    return np.where(keep, given, 0), keep


def _num_rows(given, num_sequences):
    """Returns the number of sequences; None if neither `given` nor `num_sequences` has it."""
    if given.ndim == 2 or num_sequences is None:
        return num_sequences if given.ndim == 2 else len(given)
    if check_integer("num_sequences", num_sequences) != len(given):
        raise ValueError(
            "`given` and `keep` must have one row for each sequence. "
            f"Received: {len(given)} rows and num_sequences={num_sequences}."
        )
    return len(given)
