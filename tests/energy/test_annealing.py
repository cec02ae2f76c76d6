"""Estimates of log Z where they are exact or unbiased, and how they are computed.

Seeds are fixed. Bounds on estimates are in standard errors. Where a few steps are enough they run
eagerly: to trace a graph takes longer.
"""

import math

import backend
import numpy as np
import pytest
from backend import tensor
from keras import ops
from reference import annealing as steps
from reference import rbm as reference

from energy.helpers import (
    all_estimates,
    all_visibles,
    eagerly,
    estimate,
    many,
    only_one_has_frames,
    tensors,
)
from seqlayers import energy, sampling
from seqlayers.energy import annealing

# Where they are exact or unbiased.


@all_estimates
@all_visibles
def test_estimates_are_exact_without_interactions(rng, name, visibles):
    rbm = reference.random_rbm(rng, 5, 4, frames=(3,), visibles=visibles, scale=0)
    v = tensor(rng.integers(0, 2, (3, 5)), "float32")
    nats, standard_error = eagerly(name, tensors(rbm), v, sampling.seed_pair(0), 2)
    expected = [reference.log_partition(one) for _, one in reference.each_frame(rbm)]
    np.testing.assert_allclose(nats, expected, rtol=1e-5)
    np.testing.assert_allclose(standard_error, 0, atol=1e-6)


def test_one_step_of_ais_is_importance_sampling_from_the_base(rng):
    # With one step the weight of a frame v of the base is exp(F_0(v) - F(v)), nothing else.
    rbm = reference.random_rbm(rng, 4, 3)
    params = tensors(rbm)
    base = energy.independent(params)
    v = tensor(np.array(reference.binary_states(4)), "float32")
    log_w = energy.free_energy(base, v) - energy.free_energy(params, v)
    log_z0 = energy.log_partition(base).nats
    possible = np.sort(log_w + log_z0)
    drawn = energy.ais_log_partition(params, sampling.seed_pair(0), num_betas=1, num_chains=1).nats
    assert np.abs(possible - drawn).min() < 1e-5


@all_visibles
@pytest.mark.parametrize("num_betas", [1, 4, pytest.param(50, marks=pytest.mark.long)])
def test_exp_of_ais_is_unbiased_however_few_its_steps(visibles, num_betas):
    # Z is the mean of the weights: up to 100,000 of them, within five standard errors. Five RBMs,
    # so that a draw used twice shows in at least one. Worlds this small keep the weights' tails
    # light enough for the normal law.
    for number in range(5):
        rng = np.random.default_rng(number)
        scale = 4 if visibles == "bernoulli" else 0.7
        rbm = reference.random_rbm(rng, 2, 2, visibles=visibles, scale=scale)
        rbm = rbm._replace(b=rbm.b - 1, c=rbm.c - 1)
        count = 100_000 if visibles == "bernoulli" and num_betas < 50 else 10_000
        seed = sampling.seed_pair(number)
        nats, standard_error = estimate("ais", tensors(rbm), None, seed, num_betas, count)
        assert abs(nats - reference.log_partition(rbm)) < 5 * standard_error + 1e-4


@pytest.mark.parametrize("num_betas", [1, 4, pytest.param(50, marks=pytest.mark.long)])
def test_reverse_estimates_make_a_probability_that_sums_to_one(num_betas):
    # exp(-F(v) - log Z) is without bias the probability of v under the annealing.
    for number in range(5):
        rng = np.random.default_rng(number)
        params = tensors(reference.random_rbm(rng, 3, 3, scale=2))
        v = tensor(np.array(reference.binary_states(3)), "float32")
        seed = sampling.seed_pair(number)
        nats, error = estimate("reverse", params, v, seed, num_betas, 20_000)
        p = np.exp(-energy.free_energy(params, v) - nats)
        assert abs(p.sum() - 1) < 5 * math.sqrt(np.sum((p * error) ** 2)) + 1e-5


def test_the_acceptance_ratio_is_where_both_ways_agree(rng):
    up, down = rng.normal(size=(2, 3, 7, 5)) + np.array([-1.0, 1.0])[:, None, None, None]
    r, error = annealing.acceptance_ratio(tensor(up, "float32"), tensor(down, "float32"))
    for index in np.ndindex(3, 7):
        expected = steps.acceptance_ratio(up[index], down[index])
        np.testing.assert_allclose([r[index], error[index]], expected, rtol=1e-4, atol=1e-5)


def test_the_acceptance_ratio_of_two_gaussians_is_their_log_ratio(rng):
    # log w ~ N(r - s^2 / 2, s^2) on the way up goes with N(r + s^2 / 2, s^2) on the way down.
    r, s = 3.0, 1.5
    up, down = (r + s * rng.normal(size=100_000) + sign * s * s / 2 for sign in (-1, 1))
    nats, error = annealing.acceptance_ratio(tensor(up, "float32"), tensor(down, "float32"))
    assert abs(nats - r) < 5 * error and 0 < error < 0.01


def test_log_weights_far_apart_meet_halfway_with_an_infinite_error():
    up, down = tensor([[-2e5, -1e5]], "float32"), tensor([[1e5, 3e5]], "float32")
    r, error = annealing.acceptance_ratio(up, down)
    assert abs(r) < 1 and np.isinf(error)


def test_chains_are_resampled_in_proportion_to_their_weights(rng):
    # Each is drawn N p times, rounded up or down, and N p times on average.
    log_w = rng.normal(size=(5,)) * 2
    p = np.exp(log_w) / np.exp(log_w).sum()
    rows = tensor(np.tile(log_w, (4000, 1)), "float32")
    drawn = np.asarray(annealing.resampled(rows, sampling.seed_pair(0)))
    counts = (drawn[..., None] == np.arange(5)).sum(axis=1)
    assert np.all(counts.sum(axis=1) == 5) and np.all(np.abs(counts - 5 * p) < 1)
    spread = np.sqrt(5 * p % 1 * (1 - 5 * p % 1) / len(counts))  # of a coin
    np.testing.assert_array_less(np.abs(counts.mean(axis=0) - 5 * p), 5 * spread)


@pytest.mark.tensorflow  # whose loops run eagerly: numbers of steps have values
@all_estimates
@pytest.mark.parametrize("num_betas", [2, 8])
def test_no_two_draws_of_an_annealing_share_a_seed(monkeypatch, name, num_betas):
    seeds = []

    def uniform(shape, seed, *rest):
        seeds.append(tuple(np.asarray(seed)))
        return sampling.uniform(shape, seed, *rest)

    class Recorded:
        def __init__(self, logits):
            self.drawn = sampling.bernoulli(logits)

        def sample(self, seed):
            seeds.append(tuple(np.asarray(seed)))
            return self.drawn.sample(seed=seed)

        def mean(self):
            return self.drawn.mean()

    monkeypatch.setattr(annealing, "uniform", uniform)
    for module in ("annealing", "rbm", "visibles"):
        monkeypatch.setattr(f"seqlayers.energy.{module}.bernoulli", Recorded)
    params = energy.RBMParams(ops.zeros((2, 2)), ops.zeros(2), ops.zeros(2))
    eagerly(name, params, ops.zeros(2), sampling.seed_pair(0), num_betas, num_chains=1)
    assert len(seeds) > 2 * num_betas
    assert len(set(seeds)) == len(seeds)


# How they are computed.


@pytest.mark.float64
@all_visibles
def test_the_energy_on_the_way_is_the_mixture_of_both_ends(rng, visibles):
    rbm = reference.random_rbm(rng, 4, 3, frames=(5,), visibles=visibles)
    params, v = tensors(rbm, "float64"), reference.random_frames(rng, rbm, 5)
    base, kind = energy.independent(params), params.visibles
    ends = [kind.energy(p, v) for p in (base, params)]
    for beta in (0.0, 0.3, 1.0):
        bias = kind.mixed_bias(base, params, beta)
        mixed = params._replace(kernel=beta * params.kernel, visible_bias=bias)
        expected = (1 - beta) * ends[0] + beta * ends[1]
        gap = np.asarray(kind.energy(mixed, v) - expected)
        if visibles == "gaussian":  # up to a constant in v, here of each frame
            again = reference.random_frames(rng, rbm, 5)
            here, there = ((1 - beta) * kind.energy(base, again), beta * kind.energy(params, again))
            gap = gap - (kind.energy(mixed, again) - here - there)
        np.testing.assert_allclose(gap, 0, atol=1e-10)
        change = kind.energy_change(base, mixed, v)
        np.testing.assert_allclose(change, kind.energy(mixed, v) - ends[0], atol=1e-10)


@all_estimates
@pytest.mark.parametrize("which", ["visible", "hidden"])
def test_one_of_the_biases_alone_may_have_leading_axes(rng, name, which):
    rbm = reference.random_rbm(rng, 4, 3, frames=(5,), scale=0.5)
    rbm, full = only_one_has_frames(rbm, which)
    v, seed = ops.ones((5, 4)), sampling.seed_pair(0)
    nats = eagerly(name, tensors(rbm), v, seed, num_betas=4).nats
    np.testing.assert_allclose(nats, eagerly(name, tensors(full), v, seed, 4).nats, atol=1e-5)
    assert nats.shape == (5,)


@pytest.mark.parametrize(
    "name, visibles",
    [
        ("reverse", "gaussian"),
        pytest.param("ais", "bernoulli", marks=pytest.mark.long),
        pytest.param("bridge", "bernoulli", marks=pytest.mark.long),
        pytest.param("ais", "gamma", marks=pytest.mark.long),
        pytest.param("bridge", "gamma", marks=pytest.mark.long),
    ],
)
def test_estimates_are_alike_in_eager_graph_and_xla(rng, name, visibles):
    rbm = reference.random_rbm(rng, 6, 5, frames=(4,), visibles=visibles, scale=0.5)

    def way(params, v, seed):
        return eagerly(name, params, v, seed, 4, 4)

    inputs = tensors(rbm), ops.ones((4, 6)), tensor(sampling.seed_pair(5))
    eager = way(*inputs)
    for run in (backend.graph, backend.compiled):
        other = run(way)(*inputs)
        np.testing.assert_allclose(other.nats, eager.nats, atol=2e-4)
        np.testing.assert_allclose(other.standard_error, eager.standard_error, atol=2e-4)


@pytest.mark.parametrize(
    "name, shared, run",
    [
        ("reverse", True, backend.graph),
        ("bridge", False, backend.compiled),
        pytest.param("ais", False, backend.compiled, marks=pytest.mark.long),
        pytest.param("reverse", False, backend.compiled, marks=pytest.mark.long),
        pytest.param("reverse", True, backend.compiled, marks=pytest.mark.long),
    ],
)
def test_rows_in_blocks_are_estimated_as_all_at_once(rng, monkeypatch, name, shared, run):
    rbm = reference.random_rbm(rng, 6, 5, frames=() if shared else (7, 2), scale=0.5)
    v, seeds = ops.ones((7, 2, 6)), sampling.row_seeds(sampling.seed_pair(5), 7)

    def way(params, v, seeds):
        return eagerly(name, params, v, seeds, 4, 4)

    whole = way(tensors(rbm), v, seeds)
    monkeypatch.setattr(annealing, "_CHAINS_AT_ONCE", 24)  # blocks of 3 rows
    blocks = run(way)(tensors(rbm), v, seeds)
    for expected, actual in zip(whole, blocks, strict=True):
        assert actual.shape == (7, 2)
        np.testing.assert_allclose(actual, expected, atol=2e-5)


@all_estimates
def test_different_seeds_give_different_estimates(rng, name):
    rows, v = many(tensors(reference.random_rbm(rng, 6, 5)), 10), ops.ones((10, 6))
    nats = eagerly(name, rows, v, sampling.row_seeds(sampling.seed_pair(0), 10), 2).nats
    assert len(set(np.asarray(nats))) == 10
    other = eagerly(name, rows, v, sampling.row_seeds(sampling.seed_pair(1), 10), 2).nats
    assert not set(np.asarray(nats)) & set(np.asarray(other))


def test_steps_that_cannot_be_halved_are_refused(rng):
    params = tensors(reference.random_rbm(rng, 5, 4))
    with pytest.raises(ValueError, match="`num_betas` must be even.*Received: num_betas=5"):
        energy.bridge_log_partition(params, sampling.seed_pair(0), num_betas=5)
