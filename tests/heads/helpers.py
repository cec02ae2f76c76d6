"""Helpers of the tests of heads."""

import backend
import keras
import numpy as np
import pytest
from reference import dbn as dbn_reference
from reference.rbm import binary_states

from seqlayers import sampling


def built(head, context_units=None, rng=None, scale=1.0):
    """Builds a head, and draws its weights anew if there is an `rng`."""
    frames = (None, None, head.visible_units)
    head.build(frames if context_units is None else [frames, (None, None, context_units)])
    for weight in head.trainable_weights if rng is not None else ():
        weight.assign(scale * rng.normal(size=weight.shape))
    return head


def loss_and_gradients(head, frames, context=None, mask=None, **kwargs):
    """The loss, and its gradients by the weights and, last, by the context."""

    def loss(context=None):
        return head.loss(frames, context, mask, **kwargs)

    of_head = {"variables": head.trainable_weights, "state": head.non_trainable_weights}
    return backend.value_and_gradients(loss, *([] if context is None else [context]), **of_head)


def chain_gradients(head, frames, context, rows):
    """The gradients by name of the mean loss of `rows` chains a frame."""
    frames, context = (
        None if x is None else np.repeat(x[None], rows, axis=0) for x in (frames, context)
    )
    seed = sampling.row_seeds(sampling.seed_pair(9), rows)
    run = backend.compiled(lambda: loss_and_gradients(head, frames, context, seed=seed)[1])
    names = [w.name for w in head.trainable_weights]
    return dict(zip(names, map(np.asarray, run()), strict=False))


def train(head, frames, steps, learning_rate=0.02):
    """Plain training on all frames at once."""

    def loss(number):
        seed = sampling.fold_in(sampling.seed_pair(1), number)
        return head.loss(frames, seed=seed, training=True)

    optimizer = keras.optimizers.Adam(learning_rate)
    backend.train(loss, optimizer, steps, head.trainable_variables, head.non_trainable_variables)


def binary_frames(units):
    """All binary frames, `(2 ** units, units)`, in the order of the numbers they write."""
    return np.array(binary_states(units))


def frame_numbers(frames):
    """The places of binary frames in `binary_frames`."""
    return (frames @ 2 ** np.arange(frames.shape[-1])[::-1]).astype(int)


def assert_shares(draws, p):
    """Each binary frame has its share p of the draws, within five standard errors."""
    count = len(draws)
    share = np.bincount(frame_numbers(draws), minlength=len(p)) / count
    assert np.all(np.abs(share - p) <= 5 * np.sqrt(p * (1 - p) / count) + 1e-9)


def assert_draws(head, context, p, temperature=1.0, count=20_000):
    """Each binary frame has its share p of the draws of a head with this context `(C,)`."""
    assert np.sum(p) == pytest.approx(1)
    seed = sampling.seed_pair(4)
    draws = head.sample(np.tile(context, (count, 1)), seed, temperature)
    assert_shares(np.asarray(draws), p)


def assert_no_frames(head):
    """No frames have no likelihoods, no reconstructions and no draws."""
    V = head.visible_units
    frames, context = np.zeros((0, 3, V)), np.zeros((0, 3, head.context_units))
    assert head.log_prob(frames, context).nats.shape == (0, 3)
    assert head.reconstruct(frames, context).shape == (0, 3, V)
    assert head.sample(context).shape == (0, 3, V)


def dbn_in_numpy(head, context=None):
    """The DBN of a frame with this context, in NumPy."""

    def numbers(layers, name):
        return [getattr(layer, name).numpy().astype("float64") for layer in layers]

    p, q = head.generation, head.recognition
    dbn = dbn_reference.DBN(
        numbers(p[1:], "kernel"), numbers(p, "bias"), numbers(q, "kernel"), numbers(q, "bias")
    )
    if context is None:
        return dbn
    A, B = (numbers(layers, "context_kernel") for layers in (p, q))
    return dbn_reference.given_context(dbn, A, B, context)
