"""Dynamic evaluation: a model that goes on learning from a sequence while it is scored.

    n_k = mean over the frames t of block k of log p(v_t | v_1 .. v_{t-1}; theta_{k-1})
    theta_k = theta_{k-1} + rate * d n_k / d theta

theta_0 are the weights of the model, at the start of each sequence. Block k counts as the weights
score it that have seen the blocks before it alone. The memory goes on from the state after the
block before, which is a constant in the gradient.
Reference: B. Krause, E. Kahembwe, I. Murray and S. Renals, Dynamic Evaluation of Neural Sequence
Models, ICML 2018, with stochastic gradient descent as its update.
"""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from seqlayers.checks import check_integer, check_number
from seqlayers.masks import masked_mean

STEPS = 8  # of a block, unless given


class Adaptation(NamedTuple):
    """The learning rate, and the number of frames in a block."""

    rate: float
    steps: int

    @classmethod
    def of(cls, model, adapt, adapt_steps=None, bracket=False):
        """Returns the arguments of `SequenceModel.score`, checked; None if `adapt` is None.

        Raises:
            ValueError: If a number is out of range, one has no effect with the others,
                `log_prob` of the head has no exact gradient, or several replicas share the weights.
        """
        if adapt_steps is not None:
            check_integer("adapt_steps", adapt_steps)
        if adapt is None:
            if adapt_steps is not None:
                raise ValueError(
                    "`adapt_steps` has no effect without `adapt`; remove it, or give the learning "
                    f"rate. Received: adapt_steps={adapt_steps!r}, adapt=None."
                )
            return None
        rate = check_number("adapt", adapt, above=0)
        if not model.head.has_exact_gradient:
            raise ValueError(
                "`adapt` must be None unless `log_prob` of the head is exact and has a gradient, "
                "as that of a NADE: its gradient is what adapts. "
                f"Received: adapt={adapt!r}, head={model.head!r}."
            )
        if bracket:
            raise ValueError(
                "`bracket` must be False with `adapt`: an exact likelihood has no other side. "
                f"Received: bracket={bracket!r}, adapt={adapt!r}."
            )
        if model.has_replicas:
            raise ValueError(
                "`adapt` must be None under a strategy of `tf.distribute` with several replicas: "
                "each sequence has weights of its own. Load the model outside of the strategy. "
                f"Received: adapt={adapt!r}."
            )
        return cls(rate, STEPS if adapt_steps is None else int(adapt_steps))


def adapted_log_probs(model, sequences, adaptation):
    """Yields log p of the frames of each sequence, a float64 array, and its number.

    The weights are those of before whenever it yields, ends or fails.

    Args:
        model: A `SequenceModel`.
        sequences: Pairs of a number and frames `(T, V)`.
        adaptation: An `Adaptation`.
    """
    step = model.compiled_function("adapt", functools.partial(_step, model))
    rate, steps = tf.constant(adaptation.rate, tf.float32), adaptation.steps
    dtype = model.head.variable_dtype
    before = [(w, w.numpy()) for w in model.weights]
    for number, frames in sequences:
        state, nats = model.initial_state(1), []
        try:
            for start in range(0, len(frames), steps):
                part = frames[start : start + steps]
                block = np.pad(part, [(0, steps - len(part)), (0, 0)])  # one shape to compile
                keep = np.arange(steps) < len(part)
                block, keep = tf.constant(block[None], dtype), tf.constant(keep[None])
                of_block, state = step(state, block, keep, rate)
                nats.append(of_block[0, : len(part)].numpy().astype("float64"))
        finally:
            for weight, value in before:
                weight.assign(value)
        yield np.concatenate(nats), number


def _step(model, state, frames, mask, rate):
    """Returns log p of a block of frames and the `State` after them; then moves the weights."""
    weights = model.trainable_weights
    with tf.GradientTape() as tape:
        context, after = model.contexts_after(state, frames, mask)
        nats = model.head.log_prob(frames, context).nats
        loss = masked_mean(-nats, mask)
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        if gradient is not None:
            gradient = tf.convert_to_tensor(gradient)
            weight.assign_sub(tf.cast(rate, gradient.dtype) * gradient)
    return nats, after
