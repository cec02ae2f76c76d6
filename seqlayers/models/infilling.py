"""Drawing the units of a sequence that are not given, such as the lower voices of a melody.

    p(v_free | v_kept) = p(v) / p(v_kept),  p(v) = prod_t prod_i p(v_ti | v_t<i, context_t)

A draw from the first frame to the last does not depend on the units that are kept later on. It is
therefore only the start; then each block of frames is drawn again, given all others, in sweeps over
the sequence. One update of the block B, whose kept units stay in place:

    1. q(v_t) = prod_{i free} p(v_ti | v_t<i, context_t)    a draw of the head around kept units
       w(v_t) = prod_{i kept} p(v_ti | v_t<i, context_t)    the fit of the kept units of the frame
       Conditional SMC: M particles and the present block go through the frames of B; each draws
       its next frame from q, then M of them are drawn anew in proportion to w. The last w choose
       the proposal v'_B.
    2. f(v_B) = prod_{t after B} p(v_t | v_1 .. v_{t-1})    the fit of the later frames
       Accept v'_B with probability min(1, f(v'_B) / f(v_B)).

Step 1 is reversible with respect to the product of q and w over B, which is p(v_B | frames before)
with the kept units in place. So step 2 needs the ratio of the rest of p(v) alone, and the two leave
p(v_free | v_kept) invariant, for any memory. A temperature divides all log-odds, which gives
another model of this form: then the result is that of this other model. Sweeps have blocks of 8, 1,
4 and 2 frames by turns, since long blocks reach what changes of single frames cannot.
References: C. Andrieu, A. Doucet and R. Holenstein, Particle Markov Chain Monte Carlo Methods, JRSS
B 2010 (conditional SMC); N. Chopin and S. S. Singh, On Particle Gibbs Sampling, Bernoulli 2015 (it
is reversible); J. A. Christen and C. Fox, Markov Chain Monte Carlo Using an Approximation, JCGS
2005 (step 2).
"""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from seqlayers.checks import check_integer
from seqlayers.heads.autoregressive import AutoregressiveHead, unit_log_prob
from seqlayers.models.generation import finite, started
from seqlayers.sampling import Use, fold_in, uniform

SWEEPS = 20
_PARTICLES = 16  # M: so many that a kept unit above free ones fits one of them
_BLOCKS = 8, 1, 4, 2  # frames in a block of each sweep, by turns


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

    propose = model.compiled_function("infill_block", functools.partial(_propose, model))
    settle = model.compiled_function("infill", functools.partial(_settle, model), xla=False)
    advance = model.compiled_function("infill_kept", model.contexts_after, xla=False)
    seeds = fold_in(seeds, Use.INFILL)
    is_free = ~keep.all(axis=(0, 2))
    nats = tf.zeros(shape[:2], model.head.variable_dtype)
    for sweep in range(sweeps + 1):  # the first is the draw from the first frame to the last
        state, is_first = first, tf.constant(sweep == 0)
        for start, end in _blocks(sweep, shape[1]):
            if sweep and not is_free[start:end].any():
                _, state = advance(state, frames[:, start:end])
                continue
            # One shape of blocks, and tensors for numbers: few programs serve all.
            places = np.minimum(start + np.arange(max(_BLOCKS)), shape[1] - 1)
            block = ops.take(frames, places, axis=1), ops.cast(keep[:, places], frames.dtype)
            block_seeds = fold_in(fold_in(seeds, sweep), start)
            start, end = tf.constant(start), tf.constant(end)
            drawn = propose(state, *block, end - start, is_first, block_seeds, temperature)
            frames, nats, state = settle(
                drawn, start, end, is_first, frames, nats, state, block_seeds, temperature
            )
    return finite(frames.numpy())


def _blocks(sweep, num_steps):
    """Returns pairs of the first frame of each block of a sweep, and the first one after it."""
    turn, number = divmod(sweep, len(_BLOCKS))
    length = _BLOCKS[number]
    offset = 3 * turn % length  # other ends in each turn
    starts = [0, *range(offset or length, num_steps, length)]
    return list(zip(starts, [*starts[1:], num_steps], strict=True))


def _settle(model, drawn, start, end, is_first, frames, nats, state, seeds, temperature):
    """Accepts the proposal for a block or not, step 2; in the first sweep, accepts it.

    Args:
        model: The model.
        drawn: The proposal, `(N, L, V)`, of which the first `end - start` frames are used.
        start, end: The first frame of the block, and the first one after it, integer tensors.
        is_first: Whether this is the first sweep, a bool tensor.
        frames: All frames, `(N, T, V)`.
        nats: log p of each of them, `(N, T)`; in the first sweep, of those before the block.
        state: The `State` before the block.
        seeds: A seed for each sequence, int32 `(N, 2)`.
        temperature: Divisor of the log-odds.

    Returns:
        `frames`, `nats` and the `State` after the block.
    """
    length = end - start
    proposed = ops.concatenate([drawn[:, :length], frames[:, end:]], axis=1)
    contexts, _ = model.contexts_after(state, proposed)
    proposed_nats = ops.sum(_log_probs(model.head, proposed, contexts, temperature), axis=-1)
    log_ratio = ops.sum(proposed_nats[:, length:] - nats[:, end:], axis=1)  # of f
    u = ops.cast(uniform(ops.shape(log_ratio), fold_in(seeds, 0)), log_ratio.dtype)
    accepted = (is_first | (ops.log(u) < log_ratio))[:, None]
    rest = ops.where(accepted[..., None], proposed, frames[:, start:])
    rest_nats = ops.where(accepted, proposed_nats, nats[:, start:])
    _, state = model.contexts_after(state, rest[:, :length])
    frames = ops.concatenate([frames[:, :start], rest], axis=1)
    return frames, ops.concatenate([nats[:, :start], rest_nats], axis=1), state


def _propose(model, state, present, keep, length, is_first, seeds, temperature):
    """Returns the proposal for a block by conditional SMC, step 1.

    Particle 0 is the present block. It has no weight in the first sweep, whose free units are 0.

    Args:
        model: The model.
        state: The `State` before the block, of N sequences.
        present: The block, `(N, L, V)`.
        keep: 1 where a unit is kept, else 0, `(N, L, V)`.
        length: Number of frames of the block, a tensor from 1 to L; the others are not used.
        is_first: Whether this is the first sweep, a bool tensor.
        seeds: A seed for each sequence, int32 `(N, 2)`.
        temperature: Divisor of the log-odds.

    Returns:
        `(N, L, V)`.
    """
    head, has_memory = model.head, model.memory is not None
    (N, L, V), P = present.shape, _PARTICLES + 1
    is_present = ops.arange(P) == 0
    seeds = fold_in(fold_in(seeds, 1)[:, None], ops.arange(P, dtype="int32"))  # [N, P, 2]

    def repeated(values):
        return ops.repeat(values, P, axis=0)  # [N P, ...]

    def step(s, state, blocks):
        context = state.context if has_memory else None
        now, kept = present[:, s], repeated(keep[:, s])
        each = ops.reshape(fold_in(seeds, 2 * s), (N * P, 2))
        drawn = head.draw(context, each, temperature, repeated(now), kept, num_frames=N * P)
        drawn = ops.where(is_present[:, None], now[:, None], ops.reshape(drawn, (N, P, V)))
        blocks = ops.where((ops.arange(L) == s)[:, None], drawn[:, :, None], blocks)
        drawn = ops.reshape(drawn, (N * P, V))
        log_w = ops.sum(kept * _log_probs(head, drawn, context, temperature), axis=-1)
        log_w = ops.reshape(log_w, (N, 1, P))
        log_w = ops.where(is_present & is_first, -np.inf, log_w)
        # Each particle goes on from one that is drawn in proportion to w, by the Gumbel trick.
        u = ops.cast(uniform((N, P, P), fold_in(seeds, 2 * s + 1)), log_w.dtype)
        origins = ops.cast(ops.argmax(log_w - ops.log(-ops.log(u)), axis=-1), "int32")
        origins = ops.where(is_present, 0, origins)  # [N, P]
        blocks = ops.take_along_axis(blocks, origins[:, :, None, None], axis=1)
        if has_memory:
            rows = ops.reshape(P * ops.arange(N)[:, None] + origins, (N * P,))
            after = model.step(drawn, state)
            state = keras.tree.map_structure(lambda part: ops.take(part, rows, axis=0), after)
        return s + 1, state, blocks

    state = keras.tree.map_structure(repeated, state) if has_memory else ()
    start = (0, state, ops.zeros((N, P, L, V), present.dtype))
    *_, blocks = ops.while_loop(lambda s, *_: s < length, step, start)
    return blocks[:, 1]


def _log_probs(head, frames, context, temperature):
    """Returns log p of each unit given those before it, `(..., V)`."""
    frames, context = head.cast_inputs(frames, context)
    x = head.log_odds(frames, context) / ops.cast(temperature, frames.dtype)
    return unit_log_prob(frames, x)


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
    if given.dtype.kind not in "biuf":
        raise ValueError(f"`given` must hold numbers, 0 or 1. Received: dtype {given.dtype}.")
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
