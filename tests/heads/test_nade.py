"""NADE against its equations in loops, its hand-written gradient, its draws and its orders."""

import itertools

import backend
import keras
import numpy as np
import pytest
from backend import tensor
from keras import ops
from reference import nade as reference

from heads.helpers import (
    assert_draws,
    assert_no_frames,
    binary_frames,
    built,
    loss_and_gradients,
    train,
)
from seqlayers import sampling
from seqlayers.heads import NADE

V, H, C = 5, 4, 3
ORDERLESS = {"orderless": True, "num_orders": 3}
both = pytest.mark.parametrize("kwargs", [{}, ORDERLESS], ids=["ordered", "orderless"])


def made(rng, V=V, H=H, context=True, scale=1.0, **kwargs):
    head = NADE(V, H, **{"seed": 0, "dtype": backend.FINEST} | kwargs)
    return built(head, C if context else None, rng, scale)


def in_numpy(head, context=None):
    """The NADE of a frame with this context, in NumPy."""
    weights = (head.kernel, head.decoder_kernel, head.visible_bias, head.hidden_bias)
    weights = [w.numpy().astype("float64") for w in weights]
    M = None if head.mask_kernel is None else head.mask_kernel.numpy().astype("float64")
    nade = reference.NADE(*weights, M)
    if context is None:
        return nade
    A, B = head.context_visible_kernel.numpy(), head.context_hidden_kernel.numpy()
    return reference.given_context(nade, A, B, context)


def data(rng, *shape, V=V):
    return rng.integers(0, 2, (*shape, V)) * 1.0, rng.normal(size=(*shape, C))


# Likelihood.


@both
def test_log_prob_is_that_of_the_equations(rng, kwargs):
    head = made(rng, **kwargs)
    frames, context = data(rng, 2, 3)
    expected = [
        [
            reference.log_mean_prob(in_numpy(head, u), v, head.orders.tolist())
            for v, u in zip(*rows, strict=True)
        ]
        for rows in zip(frames, context, strict=True)
    ]
    nats, error = head.log_prob(frames, context)
    np.testing.assert_allclose(nats, expected, rtol=0, atol=backend.EXACT)
    np.testing.assert_array_equal(error, np.zeros((2, 3)))


@both
def test_probabilities_of_all_frames_sum_to_one(rng, kwargs):
    head = made(rng, V=10, H=7, scale=2.0, **kwargs)
    for u in rng.normal(size=(2, C)):
        nats = head.log_prob(binary_frames(10), np.tile(u, (1024, 1))).nats
        np.testing.assert_allclose(np.exp(nats).sum(), 1, atol=backend.EXACT)


@both
def test_a_reconstruction_is_the_probability_of_each_unit_given_those_before(rng, kwargs):
    head = made(rng, **kwargs)
    frames, context = data(rng, 4)
    expected = [
        np.mean([reference.probabilities(in_numpy(head, u), v, o) for o in head.orders.tolist()], 0)
        for v, u in zip(frames, context, strict=True)
    ]
    np.testing.assert_allclose(
        head.reconstruct(frames, context), expected, rtol=0, atol=backend.EXACT
    )


def test_the_probability_of_a_unit_depends_on_the_units_before_it_and_no_other(rng):
    head = made(rng)
    frame, context = data(rng)
    p = np.asarray(head.reconstruct(frame, context))
    for j in range(V):
        changed = frame.copy()
        changed[j] = 1 - changed[j]
        other = np.asarray(head.reconstruct(changed, context))
        np.testing.assert_array_equal(other[: j + 1], p[: j + 1])
        assert np.all(other[j + 1 :] != p[j + 1 :])
    for i in range(V):
        _, (gradient,) = backend.value_and_gradients(
            lambda v, i=i: head.reconstruct(v, context)[i], frame
        )
        np.testing.assert_array_equal(gradient != 0, np.arange(V) < i)


@both
@pytest.mark.parametrize("value", [0.0, 1.0], ids=["silence", "all on"])
def test_silence_and_large_weights_have_finite_likelihoods_and_gradients(rng, kwargs, value):
    head = made(rng, scale=100.0, dtype="float32", **kwargs)
    loss, gradients = loss_and_gradients(head, np.full((2, 3, V), value), np.ones((2, 3, C)))
    assert all(np.all(np.isfinite(x)) for x in (loss, *gradients))


@pytest.mark.tensorflow
@both
def test_frames_whose_number_is_not_known_are_the_same_in_a_graph(rng, kwargs):
    import tensorflow as tf

    head = made(rng, **kwargs)
    frames, context = data(rng, 2, 3)
    signature = [tf.TensorSpec((None, None, size), "float64") for size in (V, C)]

    @tf.function(input_signature=signature)
    def everything(frames, context):
        seed = sampling.seed_pair(1)
        draws = head.sample(context, seed)
        return head.log_prob(frames, context).nats, head.reconstruct(frames, context), draws

    expected = everything.python_function(tensor(frames), tensor(context))
    for a, e in zip(everything(frames, context), expected, strict=True):
        np.testing.assert_allclose(a, e, atol=backend.EXACT)


@both
def test_no_frames_have_no_likelihoods_and_no_draws(rng, kwargs):
    assert_no_frames(made(rng, **kwargs))


# The gradient that is written by hand.


def log_prob_by_autodiff(head, frames, context, weights):
    """The equations with all a_i at once, `(..., V, H)`."""
    if head.orderless:
        W, U, M, b, c, A, B = weights
    else:
        (W, U, b, c, A, B), M = weights, ops.zeros_like(weights[0] + 0.0)
    log_probs = []
    for order in head.orders:
        v, w, u, m = (
            ops.take(frames, order, axis=-1),
            *(ops.take(x, order, axis=0) for x in (W, U, M)),
        )
        added = v[..., None] * w + m
        a = ops.cumsum(added, axis=-2) - added
        a = a + (c + ops.matmul(context, B))[..., None, :]
        x = ops.take(b + ops.matmul(context, A), order, axis=-1)
        x = x + ops.sum(ops.sigmoid(a) * u, axis=-1)
        log_probs.append(ops.sum(v * x - ops.softplus(x), axis=-1))
    return ops.logsumexp(ops.stack(log_probs), axis=0) - np.log(len(log_probs))


@both
def test_the_gradient_is_that_of_autodiff_by_weights_context_and_frames(rng, kwargs):
    head = made(rng, **kwargs)
    inputs, scale = data(rng, 2, 3), rng.normal(size=(2, 3))
    gradients = []
    for log_prob in (
        lambda *inputs: head.log_prob(*inputs).nats,
        lambda *inputs: log_prob_by_autodiff(head, *inputs, head.trainable_weights),
    ):
        value, gradient = backend.value_and_gradients(
            lambda *inputs, log_prob=log_prob: ops.sum(scale * log_prob(*inputs)),
            *inputs,
            variables=head.trainable_weights,
        )
        gradients.append([value, *map(tensor, gradient)])
    for actual, expected in zip(*gradients, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=10 * backend.EXACT)


@pytest.mark.tensorflow  # in float64
def test_the_gradient_is_that_of_finite_differences(rng):
    head, step = made(rng), 1e-5
    frames, context = data(rng, 4)
    _, gradients = loss_and_gradients(head, frames, context)
    for weight, gradient in zip(head.trainable_weights, gradients, strict=False):
        start, direction = weight.numpy(), rng.normal(size=weight.shape)
        losses = []
        for sign in (1, -1):
            weight.assign(start + sign * step * direction)
            losses.append(float(head.loss(frames, context)))
        weight.assign(start)
        slope = (losses[0] - losses[1]) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-6)


@pytest.mark.float64
def test_taking_back_what_was_added_is_exact_enough_in_single_precision_over_many_units(rng):
    many = 200
    frames, _ = data(rng, 8, V=many)
    gradients = []
    for dtype in ("float64", "float32"):
        head = made(np.random.default_rng(1), many, 6, context=False, scale=0.5, dtype=dtype)
        gradients.append(list(map(np.asarray, loss_and_gradients(head, frames)[1])))
    for exact, single in zip(*gradients, strict=True):
        assert np.abs(single - exact).max() < 1e-5 * np.abs(exact).max()


# Draws.


@both
def test_draws_have_the_marginals_and_pairs_of_the_equations(rng, kwargs):
    head, count = made(rng, V=7, dtype="float32", **kwargs), 20_000
    u = rng.normal(size=C)
    nade, orders = in_numpy(head, u), head.orders.tolist()
    p = np.exp([reference.log_mean_prob(nade, v, orders) for v in binary_frames(7)])
    draws = np.asarray(head.sample(np.tile(u, (count, 1)), sampling.seed_pair(4)))
    assert set(np.unique(draws)) == {0.0, 1.0}
    expected = np.einsum(
        "s,si,sj->ij", p, binary_frames(7), binary_frames(7)
    )  # p_i on the diagonal
    actual = draws.T @ draws / count
    assert np.all(np.abs(actual - expected) <= 5 * np.sqrt(expected * (1 - expected) / count))


@both
@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_a_temperature_divides_the_log_odds_of_each_unit_in_turn(rng, kwargs, temperature):
    head = made(rng, V=4, dtype="float32", **kwargs)
    u = rng.normal(size=C)
    nade, orders = in_numpy(head, u), head.orders.tolist()
    p = [
        np.mean([np.exp(reference.log_prob(nade, v, o, temperature)) for o in orders])
        for v in binary_frames(4)
    ]
    assert_draws(head, u, np.array(p), temperature)


# Orders.


def test_the_orders_are_those_of_the_seed_and_the_first_is_that_of_the_units(rng):
    head = NADE(9, H, seed=3, **ORDERLESS)
    np.testing.assert_array_equal(head.orders[0], np.arange(9))
    np.testing.assert_array_equal(np.sort(head.orders), np.tile(np.arange(9), (3, 1)))
    assert len(np.unique(head.orders, axis=0)) == 3
    np.testing.assert_array_equal(NADE.from_config(head.get_config()).orders, head.orders)
    assert np.any(NADE(9, H, seed=4, **ORDERLESS).orders != head.orders)


def test_the_expected_orderless_loss_is_the_mean_over_all_orders(rng):
    head = made(rng, V=4, orderless=True)
    frame, context = data(rng, V=4)
    nade = in_numpy(head, context)
    losses = reference.orderless_losses(nade, frame)
    orders = itertools.permutations(range(4))
    assert losses.mean() == pytest.approx(
        np.mean([-reference.log_prob(nade, frame, order) for order in orders]), abs=backend.EXACT
    )
    count = 40_000
    frames, contexts = np.tile(frame, (count, 1)), np.tile(context, (count, 1))
    loss = float(head.loss(frames, contexts, seed=sampling.seed_pair(2)))
    assert abs(loss - losses.mean()) <= 5 * losses.std() / np.sqrt(count)


def test_each_orderless_loss_is_that_of_some_units_seen_and_all_of_these_come(rng):
    head = made(rng, V=3, context=False, orderless=True)
    frame, seen = np.array([1.0, 0.0, 1.0]), [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    expected = [reference.orderless_loss(in_numpy(head), frame, s) for s in seen]
    came = set()
    for number in range(60):
        loss = float(head.loss(frame[None], seed=sampling.seed_pair(number)))
        distance = np.abs(np.array(expected) - loss)
        assert distance.min() < backend.EXACT
        came.add(int(distance.argmin()))
    assert came == set(range(7))


def test_orderless_losses_are_drawn_anew_for_each_seed_and_row(rng):
    head = made(rng, orderless=True)
    frames, context = data(rng, 1)
    frames, context = np.tile(frames, (2, 1)), np.tile(context, (2, 1))

    def loss(seed, row):
        mask = np.arange(2) == row
        return float(head.loss(frames, context, mask, seed=sampling.seed_pair(seed)))

    assert loss(1, 0) == loss(1, 0)
    assert len({loss(seed, row) for seed in range(4) for row in range(2)}) > 4


# Training.


@both
def test_training_raises_the_likelihood_almost_to_the_truth(kwargs):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (200, 3))
    frames = np.concatenate([bits, bits], axis=1).astype("float32")  # truth: 3 log 2
    keras.utils.set_random_seed(0)
    head = NADE(6, 12, seed=0, **kwargs)
    head.build((None, 6))
    before = float(np.mean(head.log_prob(frames).nats))

    train(head, frames, 200, learning_rate=0.05)
    after = float(np.mean(head.log_prob(frames).nats))
    truth = -3 * np.log(2)
    assert before < 2 * truth + 1
    assert truth - 0.15 < after < truth + 0.05


# What is refused.


@pytest.mark.parametrize("value", [2, None, "no"])
def test_orderless_is_true_or_false(value):
    with pytest.raises(ValueError, match=f"`orderless` must be True or False.*{value!r}"):
        NADE(V, H, orderless=value)


def test_a_head_of_one_order_has_no_others():
    with pytest.raises(ValueError, match="`num_orders` must be 1 unless.*num_orders=2"):
        NADE(V, H, num_orders=2)
