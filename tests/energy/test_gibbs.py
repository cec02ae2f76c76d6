"""Gibbs chains and the gradients made of them, in worlds small enough to enumerate.

Seeds are fixed. Bounds are five standard errors, which a correct sampler oversteps once in 1.7
million comparisons; there are fewer than 1,000 here.
"""

import functools
import math

import backend
import keras
import numpy as np
import pytest
from backend import tensor
from keras import ops
from reference import rbm as reference

from energy.helpers import all_visibles, assert_mean, tensors
from seqlayers import energy, sampling

gibbs = backend.graph(energy.gibbs)


def hidden(params, v, seed):
    return energy.hidden_given_visible(params, v).sample(seed=sampling.fold_in(seed, -1))


@pytest.mark.parametrize(
    "visibles, row_seeds", [*((kind, False) for kind in energy.VISIBLES), ("bernoulli", True)]
)
def test_chains_settle_in_the_models_distribution(rng, visibles, row_seeds):
    rbm, count = reference.random_rbm(rng, 4, 3, visibles=visibles), 20_000
    params, seed = tensors(rbm), sampling.seed_pair(1)
    seed = sampling.row_seeds(seed, count) if row_seeds else seed
    v = np.asarray(gibbs(params, ops.zeros((count, 4)), 25, seed))
    h = np.asarray(hidden(params, v, seed))
    v1, v2, h1, vh = reference.moments(rbm)
    assert_mean(v, v1)
    assert_mean(v[:, :, None] * v[:, None], v2)
    assert_mean(h, h1)
    assert_mean(v[:, :, None] * h[:, None], vh)
    if visibles == "bernoulli":
        p = np.exp([reference.log_prob(rbm, state) for state in reference.binary_states(4)])
        states = v @ [8, 4, 2, 1]
        assert_mean(states[:, None] == np.arange(16), p)


def test_chains_of_frames_settle_each_in_its_own_distribution(rng):
    rbm, count = reference.random_rbm(rng, 4, 3, frames=(3,)), 20_000
    params = tensors(rbm._replace(b=rbm.b[None], c=rbm.c[None]))
    v = np.asarray(gibbs(params, ops.zeros((count, 3, 4)), 25, sampling.seed_pair(2)))
    for (t,), one in reference.each_frame(rbm):
        assert_mean(v[:, t], reference.moments(one)[0])


def test_one_step_moves_with_the_exact_transition_probabilities(rng):
    rbm, count = reference.random_rbm(rng, 4, 3), 20_000
    expected = reference.transition_matrix(rbm)
    start = tensor(np.array(reference.binary_states(4)), "float32")
    start = ops.tile(start[None], (count, 1, 1))
    v = np.asarray(gibbs(tensors(rbm), start, 1, sampling.seed_pair(3)))
    assert_mean((v @ [8, 4, 2, 1])[:, :, None] == np.arange(16), expected)


def test_two_steps_move_with_the_square_of_the_transition_matrix(rng):
    # Would fail if a half-step drew again the numbers of another.
    rbm, count = reference.random_rbm(rng, 3, 3, scale=2), 50_000
    matrix = reference.transition_matrix(rbm)
    start = tensor(np.array(reference.binary_states(3)), "float32")
    start = ops.tile(start[None], (count, 1, 1))
    v = np.asarray(gibbs(tensors(rbm), start, 2, sampling.seed_pair(3)))
    assert_mean((v @ [4, 2, 1])[:, :, None] == np.arange(8), matrix @ matrix)


@all_visibles
def test_one_pair_of_units_is_drawn_jointly(rng, visibles):
    rbm, count = reference.random_rbm(rng, 1, 1, visibles=visibles, scale=2), 40_000
    params, seed = tensors(rbm), sampling.seed_pair(4)
    v = np.asarray(gibbs(params, ops.zeros((count, 1)), 50, seed))
    h = np.asarray(hidden(params, v, seed))
    states, probs = reference.hidden_probs(rbm)
    assert_mean(h[:, 0], probs[1])
    for state, p in zip(states, probs, strict=True):
        mean = reference.visible_given_hidden(rbm, state)[0]
        assert_mean((v[:, 0] - mean) * (h[:, 0] == state[0]), 0)
        variance = reference.visible_variance(rbm, state)[0]
        assert_mean((v[:, 0] - mean) ** 2 * (h[:, 0] == state[0]), p * variance)


@all_visibles
def test_chains_at_a_temperature_settle_in_the_tempered_distribution(rng, visibles):
    # E / T is the energy of the RBM with W, b and c over T; of that with variance s^2 T, the same W
    # and b and c over T, if visibles are Gaussian; of that with k - 1, W, exp(-b) and c over T, if
    # they are gamma.
    rbm, count, T = reference.random_rbm(rng, 4, 3, visibles=visibles), 15_000, 2.5
    divided = rbm._replace(W=rbm.W / T, b=rbm.b / T, c=rbm.c / T)
    if visibles == "gaussian":
        divided = rbm._replace(c=rbm.c / T, log_variance=rbm.log_variance + math.log(T))
    if visibles == "gamma":
        log_shape = np.log((np.exp(rbm.log_shape) - 1) / T + 1)
        divided = divided._replace(b=rbm.b + math.log(T), log_shape=log_shape)
    params, seed = tensors(rbm), sampling.seed_pair(1)
    v = gibbs(params, ops.zeros((count, 4)), 25, seed, temperature=tensor(T))
    v = np.asarray(v)
    v1, v2, _, _ = reference.moments(divided)
    assert_mean(v, v1)
    assert_mean(v[:, :, None] * v[:, None], v2)


def test_no_steps_leave_the_chains_where_they_are(rng):
    v = tensor(rng.integers(0, 2, (5, 4)), "float32")
    params = tensors(reference.random_rbm(rng, 4, 3))
    np.testing.assert_array_equal(energy.gibbs(params, v, 0, sampling.seed_pair(0)), v)


def test_a_chain_in_two_parts_does_not_repeat_itself(rng):
    params = energy.RBMParams(ops.zeros((64, 8)), ops.zeros(64), ops.zeros(8))
    v, seed = ops.zeros((4, 64)), sampling.seed_pair(0)
    first = energy.gibbs(params, v, 3, seed)
    second = energy.gibbs(params, first, 3, sampling.fold_in(seed, 1))
    assert np.any(np.asarray(first) != np.asarray(second))


# Contrastive divergence.


def weights(params):
    """All tensors of `RBMParams`, or arrays of the reference."""
    return [w for w in keras.tree.flatten(params) if w is not None]


@functools.partial(backend.graph, static=["steps"])
def cd_gradient(params, v, steps, seed):
    return backend.value_and_gradients(
        lambda params: energy.contrastive_divergence(params, v, steps, seed), params
    )[1]


@all_visibles
def test_long_chains_give_the_exact_gradient(rng, visibles):
    rbm = reference.random_rbm(rng, 4, 3, visibles=visibles)
    frames = reference.random_frames(rng, rbm, 8)
    exact = reference.negative_log_prob_gradient(rbm, frames)
    v, seed = tensor(np.tile(frames, (50, 1)), "float32"), sampling.seed_pair(5)
    draws = [cd_gradient(tensors(rbm), v, 25, sampling.fold_in(seed, i)) for i in range(60)]
    for draw, expected in zip(zip(*draws, strict=True), exact, strict=True):
        assert_mean(np.stack(draw), expected)
        assert np.abs(np.mean(draw, axis=0) - expected).max() < 0.05  # and the errors are small


def test_one_step_gives_the_gradient_of_one_transition(rng):
    # The mean over v' of grad F(v) - grad F(v'), v' one Gibbs step from v: not the exact gradient.
    rbm = reference.random_rbm(rng, 4, 3, scale=2)
    frames = reference.random_frames(rng, rbm, 8)
    states = reference.binary_states(4)
    at_states = [reference.free_energy_gradient(rbm, s) for s in states]
    matrix = reference.transition_matrix(rbm)
    rows = [int(v @ [8, 4, 2, 1]) for v in frames]
    expected = []
    for gradients in zip(*at_states, strict=True):
        g = np.stack(gradients)
        expected.append(np.mean([g[r] - np.tensordot(matrix[r], g, 1) for r in rows], axis=0))
    v, seed = tensor(np.tile(frames, (50, 1)), "float32"), sampling.seed_pair(5)
    draws = [cd_gradient(tensors(rbm), v, 1, sampling.fold_in(seed, i)) for i in range(60)]
    for draw, one in zip(zip(*draws, strict=True), expected, strict=True):
        assert_mean(np.stack(draw), one)
    exact = reference.negative_log_prob_gradient(rbm, frames)
    assert np.abs(exact[0] - expected[0]).max() > 0.05


@functools.partial(backend.graph, static=["steps"])
def pcd_gradient(params, v, chains, steps, seed):
    def loss_and_chains(params):
        return energy.persistent_contrastive_divergence(params, v, chains, steps, seed)

    (_, chains), gradients = backend.value_and_gradients(loss_and_chains, params)
    return gradients, chains


@all_visibles
def test_persistent_chains_follow_the_exact_gradient_over_a_run_of_updates(rng, visibles):
    # The distance to the exact gradient at the same parameters, averaged over 120 updates. Means of
    # 10 updates are nearly independent of each other: the chains forget within a few.
    rbm = reference.random_rbm(rng, 4, 3, visibles=visibles, scale=0.7)
    frames = reference.random_frames(rng, rbm, 8)
    v, chains, seed = (
        tensor(frames, "float32"),
        ops.zeros((2000, 4)),
        sampling.seed_pair(6),
    )
    _, chains = pcd_gradient(tensors(rbm), v, chains, 40, seed)
    first, misses = reference.log_prob(rbm, frames[0]), []
    for step in range(120):
        seed_of_step = sampling.fold_in(seed, step)
        gradient, chains = pcd_gradient(tensors(rbm), v, chains, 2, seed_of_step)
        exact = reference.negative_log_prob_gradient(rbm, frames)
        misses.append([np.ravel(g - e) for g, e in zip(gradient, exact, strict=True)])
        for array, g in zip(weights(rbm), gradient, strict=True):
            array -= 0.008 * np.asarray(g)
    misses = np.stack([np.concatenate(miss) for miss in misses])
    assert_mean(misses.reshape(12, 10, -1).mean(axis=1), 0, errors=8)  # 12 blocks: Student's t
    assert np.abs(misses.mean(axis=0)).max() < 0.01
    assert abs(reference.log_prob(rbm, frames[0]) - first) > 0.1  # the run did go somewhere


def test_persistent_chains_go_on_where_they_were(rng):
    rbm, seed = reference.random_rbm(rng, 4, 3), sampling.seed_pair(0)
    params, v = tensors(rbm), tensor(reference.random_frames(rng, rbm, 8), "float32")
    chains = ops.ones((6, 4))
    loss, after = energy.persistent_contrastive_divergence(params, v, chains, 3, seed)
    np.testing.assert_array_equal(after, energy.gibbs(params, chains, 3, seed))
    data, model = energy.free_energy(params, v), energy.free_energy(params, after)
    np.testing.assert_allclose(loss, np.mean(data) - np.mean(model), rtol=1e-5)


@pytest.mark.parametrize("which", ["visible_bias", "hidden_bias"])
def test_persistent_chains_refuse_biases_with_leading_axes(rng, which):
    params = tensors(reference.random_rbm(rng, 4, 3))
    params = params._replace(**{which: ops.tile(getattr(params, which)[None], (5, 1))})
    with pytest.raises(ValueError, match="use `contrastive_divergence`") as caught:
        energy.persistent_contrastive_divergence(
            params, ops.zeros((5, 4)), ops.zeros((5, 4)), 1, sampling.seed_pair(0)
        )
    assert "(5, " in str(caught.value)  # the message shows the shape that was wrong


# Masked frames.


def masked_loss(name, params, v, mask, seed):
    """The loss of CD or PCD, and its gradient."""

    def loss(params):
        if name == "cd":
            return energy.contrastive_divergence(params, v, 2, seed, mask=mask)
        one, chains = sampling.seed_pair(0), ops.zeros((5, 4))
        return energy.persistent_contrastive_divergence(params, v, chains, 2, one, mask=mask)[0]

    value, gradients = backend.value_and_gradients(loss, params)
    return [value, *gradients]


@all_visibles
@pytest.mark.parametrize("name", ["cd", "pcd"])
def test_masked_frames_change_neither_loss_nor_gradient(rng, visibles, name):
    rbm = reference.random_rbm(rng, 4, 3, visibles=visibles)
    params, v = tensors(rbm), reference.random_frames(rng, rbm, 2, 6).astype("float32")
    mask, seeds = np.arange(6) < np.array([[4], [4]]), sampling.row_seeds([1, 2], 2)
    cut = masked_loss(name, params, tensor(v[:, :4]), None, seeds)
    for padding in (v, 1 - v):
        padded = tensor(np.where(mask[..., None], v, padding))
        whole = masked_loss(name, params, padded, tensor(mask), seeds)
        for a, b in zip(whole, cut, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@all_visibles
@pytest.mark.parametrize("name", ["cd", "pcd"])
def test_not_a_number_behind_the_mask_changes_neither_loss_nor_gradient(rng, visibles, name):
    rbm = reference.random_rbm(rng, 4, 3, visibles=visibles)
    params, v = tensors(rbm), reference.random_frames(rng, rbm, 6).astype("float32")
    mask, seeds = np.arange(6) < 4, sampling.row_seeds([1, 2], 6)
    expected = masked_loss(name, params, tensor(v), tensor(mask), seeds)
    v[4:] = np.nan
    actual = masked_loss(name, params, tensor(v), tensor(mask), seeds)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_frames_of_unequal_rows_are_pooled(rng):
    rbm, seeds = reference.random_rbm(rng, 4, 3), sampling.row_seeds([1, 2], 2)
    params, v = (
        tensors(rbm),
        tensor(reference.random_frames(rng, rbm, 2, 6), "float32"),
    )
    mask = np.arange(6) < np.array([[2], [5]])
    model = energy.gibbs(params, v, 2, seeds)
    gap = np.asarray(energy.free_energy(params, v) - energy.free_energy(params, model))
    loss = energy.contrastive_divergence(params, v, 2, seeds, mask=mask)
    np.testing.assert_allclose(loss, gap[mask].mean(), atol=1e-6)


def test_a_batch_with_all_frames_masked_has_loss_and_gradient_zero(rng):
    params = tensors(reference.random_rbm(rng, 4, 3))
    for value in masked_loss(
        "cd", params, ops.ones((5, 4)), np.zeros(5, bool), sampling.seed_pair(0)
    ):
        np.testing.assert_array_equal(value, 0)
