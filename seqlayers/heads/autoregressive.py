"""Heads whose units have a probability given the units before them.

    log p(v | context) = sum_i log p(v_i | v_<i, context) = sum_i [v_i x_i - softplus(x_i)]
    p(v_i = 1 | v_<i, context) = sigmoid(x_i)

x_i are the log-odds of unit i. A draw takes one unit after the other, the first one first.
"""

import numpy as np
from keras import ops

from seqlayers.heads.head import FrameLogProb, Head
from seqlayers.masks import masked_mean, without_masked
from seqlayers.sampling import fold_in, uniform


class AutoregressiveHead(Head):
    """A head that draws a frame unit after unit, each given those before it.

    Likelihoods and draws are exact. A temperature divides the log-odds of each unit as its turn
    comes. This differs from dividing the energy of the whole frame, which would weigh an early unit
    by all that may follow it.

    A subclass has `log_odds`, for the units of known frames all at once, and for draws `begin`,
    `unit_log_odds` and `append`, which pass on a carry: tensors nested in any way.

    Args:
        visible_units: Number V of visible units in a frame.
        visibles: Kind of the visible units, `"bernoulli"`.
        seed: Seed of all draws.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    kind = "exact"
    has_exact_gradient = True

    def log_odds(self, frames, context=None, dropout_seed=None):
        """Returns the log-odds x_i of each unit given those before it, `(..., V)`.

        Args:
            frames: `(..., V)`, in the dtype of the weights.
            context: `(..., C)`, or None for the model without time.
            dropout_seed: Seeds of the rows in a training step; None for no dropout.
        """
        raise NotImplementedError

    def begin(self, context, rows):
        """Returns the carry before the first unit.

        Args:
            context: `(rows, C)`, or None for the model without time.
            rows: Number of frames.
        """
        raise NotImplementedError

    def unit_log_odds(self, carry, i):
        """Returns the log-odds x_i of unit number i, `(rows,)`."""
        raise NotImplementedError

    def append(self, carry, i, values):
        """Returns the carry after the values `(rows,)` of unit number i."""
        raise NotImplementedError

    @property
    def draws_in_order(self):
        """Whether the units are drawn in the order in which they stand in the frame."""
        return True

    def loss(self, frames, context=None, mask=None, seed=None, training=False):
        """Returns the mean of -log p(v | context) over the frames that `mask` keeps, in nats."""
        frames, context = self.cast_inputs(without_masked(frames, mask), context)
        dropout_seed = self.row_seeds(seed, frames) if training else None
        x = self.log_odds(frames, context, dropout_seed)
        return masked_mean(-frame_log_prob(frames, x), mask)

    def log_prob(self, frames, context=None, seed=None):
        frames, context = self.cast_inputs(frames, context)
        nats = frame_log_prob(frames, self.log_odds(frames, context))
        return FrameLogProb(nats, ops.zeros_like(nats))

    def reconstruct(self, frames, context=None):
        """Returns p(v_i = 1 | v_<i, context), `(..., V)`."""
        return ops.sigmoid(self.log_odds(*self.cast_inputs(frames, context)))

    def sample(self, context=None, seed=None, temperature=1.0, num_frames=None):
        """Draws frames, one for each context: unit after unit, each given those before it.

        Args:
            context: `(..., C)`, or None for the model without time.
            seed: An integer, int32 `(2,)`, or `(rows, 2)` for rows that do not depend on each
                other; the head's own if None.
            temperature: Divisor of the log-odds of each unit given those before it, a number above
                0 or `(rows,)`: above 1 is bolder, below 1 safer.
            num_frames: Without context, the number of frames.

        Returns:
            Frames, `(..., V)`.
        """
        return self.draw(context, seed, temperature, num_frames=num_frames)

    def draw(
        self, context=None, seed=None, temperature=1.0, given=None, keep=None, num_frames=None
    ):
        """Draws frames as `sample`, of which some units may be given.

        A given unit changes the units after it alone: for draws from the distribution of the
        others given these, the units before it would have to be drawn again.

        Args:
            context, seed, temperature, num_frames: As in `sample`.
            given: Frames `(..., V)` that hold the given units; none are given if None.
            keep: Which units are given, bool `(..., V)`.

        Returns:
            Frames, `(..., V)`.
        """
        context, blank, seed = self.rows_to_draw(context, seed, num_frames)
        threshold = self.in_units(self.thresholds(blank, seed, temperature))
        if given is not None:
            given = self.in_units(self.cast("given", given, self.visible_units))
            keep = self.in_units(ops.cast(keep, self.variable_dtype)) > 0
        carry = self.begin(context, ops.shape(threshold)[1])
        return self.in_frames(self.draw_units(carry, threshold, given, keep), blank)

    def rows_to_draw(self, context, seed, num_frames):
        """Returns the context as `(N, C)`, zeros of the shape of the frames, and their seeds."""
        _, context = self.cast_inputs(None, context)
        blank = ops.zeros((self.visible_units,), self.variable_dtype)
        blank = self.frame_rows(blank, context, num_frames)
        if context is not None:
            context = ops.reshape(context, (-1, self.context_units))
        return context, blank, self.row_seeds(seed, blank)

    def thresholds(self, blank, seed, temperature):
        """Returns the log-odds above which a unit is on, of the shape of the frames `blank`.

        u < sigmoid(x_i / T) where x_i > T log(u / (1 - u)), with u drawn from (0, 1).
        """
        u = ops.cast(uniform(ops.shape(blank), fold_in(seed, 0)), blank.dtype)
        return self.row_temperatures(temperature, blank) * (ops.log(u) - ops.log1p(-u))

    def in_units(self, values):
        """Returns `(..., V)` as `(V, N)`."""
        return ops.transpose(ops.reshape(values, (-1, self.visible_units)))

    def in_frames(self, values, frames):
        """Returns `(V, N)` in the shape of `frames`: the inverse of `in_units`."""
        return ops.reshape(ops.transpose(values), ops.shape(frames))

    def draw_units(self, carry, threshold, given=None, keep=None):
        """Draws frames `(V, N)`: unit i is on where its log-odds are above `threshold` `(V, N)`.

        Args:
            carry: What `begin` returns.
            threshold: `(V, N)`.
            given, keep: As in `draw`, `(V, N)`.
        """

        def step(i, state):
            carry, v = state
            x = self.unit_log_odds(carry, i)
            on = ops.cast(x > threshold[i], threshold.dtype)
            on = ops.where(ops.isnan(x + threshold[i]), np.nan, on)
            on = on if given is None else ops.where(keep[i], given[i], on)
            return self.append(carry, i, on), put(v, i, on)

        start = (carry, rows_like(threshold))
        return without_last(ops.fori_loop(0, self.visible_units, step, start)[1])


def unit_log_prob(v, x):
    """Returns v_i x_i - softplus(x_i), the log-probability of units with log-odds x."""
    return v * x - ops.softplus(x)


def frame_log_prob(v, x, weights=1.0):
    """Returns sum_i [v_i x_i - softplus(x_i)]."""
    return ops.sum(weights * unit_log_prob(v, x), axis=-1)


# Rows that a loop writes have a column too many: a scatter refuses the rows of no frames at all.


def rows_like(rows):
    """Returns zeros for `put`, with a place for each row of `rows`."""
    return ops.pad(ops.zeros_like(rows), [(0, 0), (0, 1)])


def put(rows, i, row):
    """Returns `rows` with `row` in place i."""
    return ops.scatter_update(rows, [[i]], ops.pad(row, [(0, 1)])[None])


def without_last(rows):
    """Returns the rows that `put` has written."""
    return rows[:, :-1]
