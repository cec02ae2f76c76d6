"""Estimates of log Z against the exact one, and their errors.

Seeds are fixed. Bounds on estimates are in standard errors.
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

from energy.helpers import (
    all_estimates,
    all_visibles,
    eagerly,
    estimate,
    exact_loss,
    many,
    tensors,
)
from seqlayers import energy, sampling
from seqlayers.energy import partition

exact = backend.graph(energy.log_partition)


# Against the exact log Z, on six conditional RBMs with 16 hidden units.


def stripes(rng, count, V):
    """Rows that repeat a short pattern, with one unit in twenty flipped."""
    patterns = np.array([np.resize(p, V) for p in ([1, 0], [1, 1, 0, 0], [1, 1, 1, 0, 0, 0])])
    return np.abs(patterns[rng.integers(0, 3, count)] - (rng.uniform(size=(count, V)) < 0.05))


@backend.graph
def exact_step(params, v, rate):
    loss, gradient = backend.value_and_gradients(lambda params: exact_loss(params, v), params)
    moved = [p - rate * g for p, g in zip(keras.tree.flatten(params), gradient, strict=True)]
    return keras.tree.pack_sequence_as(params, moved), loss


@pytest.fixture(scope="module")
def worlds():
    """(params, exact log Z, a frame drawn from each RBM), with six frames of biases each."""
    rng, V, H, T, result = np.random.default_rng(16), 10, 16, 6, []
    states = np.array(reference.binary_states(V))
    for number in range(6):
        params = tensors(reference.random_rbm(rng, V, H, frames=(T,), scale=0.3))
        if number % 2:  # one in two learns a little
            data = tensor(stripes(rng, 60 * T, V).reshape(60, T, V), "float32")
            _, first = exact_step(params, data, tensor(0.0))
            for _ in range(40):
                params, loss = exact_step(params, data, tensor(0.2))
            assert loss < first - 0.5
        log_z = exact(params).nats
        log_p = -energy.free_energy(params, tensor(states[:, None], "float32")) - log_z
        p = np.exp(np.asarray(log_p).astype("float64"))
        np.testing.assert_allclose(p.sum(axis=0), 1, rtol=1e-4)
        rows = [rng.choice(len(states), p=p[:, t] / p[:, t].sum()) for t in range(T)]
        result.append((params, np.asarray(log_z), states[rows].astype("float32")))
    return result


@all_estimates
def test_estimates_are_within_four_standard_errors(worlds, name):
    # 36 frames, three ways: 108 comparisons which together overstep once in 150 runs by the normal
    # law. The error is itself estimated, from 200 chains, and the reverse estimate is of the
    # annealing's own distribution: 0.02 nats are left for what lies between.
    for number, (params, log_z, v) in enumerate(worlds):
        seed = sampling.fold_in(sampling.seed_pair(0), number)
        nats, error = estimate(name, params, v, seed, 50, 200)
        assert nats.shape == error.shape == (6,)
        np.testing.assert_array_less(np.abs(nats - log_z), 4 * error + 0.02)
        assert np.all(error > 0) and np.all(error < 0.1)


@pytest.fixture(scope="module")
def misses(worlds):
    """A function of the name of an estimate and a number of steps: how far 180 estimates with 10
    chains are off, and their errors."""

    @functools.cache
    def of(name, num_betas):
        result = []
        for number, (params, log_z, v) in enumerate(worlds):
            b, c, v = (ops.tile(x, (5, 1)) for x in (*params[1:3], v))
            seed = sampling.fold_in(sampling.seed_pair(1), number)
            rows = params._replace(visible_bias=b, hidden_bias=c)
            nats, error = estimate(name, rows, v, seed, num_betas, partition.NUM_CHAINS)
            result.append((nats - np.tile(log_z, 5), error))
        return [np.concatenate(parts) for parts in zip(*result, strict=True)]

    return of


@all_estimates
def test_default_settings_stay_below_a_tenth_of_a_nat_on_average(misses, name):
    assert (partition.NUM_BETAS, partition.NUM_CHAINS) == (100, 10)
    assert np.mean(np.abs(misses(name, 100)[0])) < 0.1


@all_estimates
def test_more_steps_shrink_the_error(misses, name):
    # 25 times the steps leave a fifth of it. The root of the mean square of these 180 is known to
    # some 8 %, a ratio of two to 11 %: 2.5 is four of these from 5.
    few, many = (np.sqrt(np.mean(np.square(misses(name, steps)[0]))) for steps in (4, 100))
    assert few > 2.5 * many


def test_forward_is_below_and_reverse_above_on_average(worlds):
    # Few steps and one chain, so that both show. Five standard errors from zero, and more.
    gaps = {"ais": [], "reverse": []}
    rng = np.random.default_rng(3)
    states = np.array(reference.binary_states(10), "float32")
    for number, (params, log_z, _) in enumerate(worlds):
        rows = energy.RBMParams(params.kernel, *(ops.repeat(p[:1], 500, 0) for p in params[1:3]))
        one = energy.RBMParams(params.kernel, *(p[:1] for p in params[1:3]))
        log_p = -np.asarray(energy.free_energy(one, states)).astype("float64")
        p = np.exp(log_p - log_p.max())
        v = states[rng.choice(len(states), size=500, p=p / p.sum())]
        seed = sampling.fold_in(sampling.seed_pair(2), number)
        for name, sign in (("ais", -1), ("reverse", 1)):
            nats = estimate(name, rows, v, seed, num_betas=2, num_chains=1).nats
            gaps[name].append(sign * (nats - log_z[0]))
    for gap in map(np.concatenate, gaps.values()):
        assert gap.mean() > 5 * gap.std() / math.sqrt(len(gap))


@pytest.mark.parametrize("visibles", ["gaussian", "gamma"])
def test_the_truth_lies_between_the_two_for_real_visibles(rng, visibles):
    # exp of the estimate from below is without bias Z. With v drawn from the RBM, the mean of
    # exp(log Z - estimate from above) is the sum of all probabilities under the annealing, 1.
    rbm = reference.random_rbm(rng, 4, 6, visibles=visibles, scale=0.6)
    log_z, params = reference.log_partition(rbm), tensors(rbm)
    rows = many(params, 2000)
    v = backend.graph(energy.gibbs)(params, ops.zeros((2000, 4)), 40, sampling.seed_pair(1))
    for name, sign in (("ais", 1), ("reverse", -1)):
        nats = np.asarray(eagerly(name, rows, v, sampling.seed_pair(0), 5, 1).nats)
        gap = sign * (log_z - nats)
        assert gap.mean() > 5 * gap.std() / math.sqrt(len(gap))
        ratio = np.exp(-gap)
        assert abs(ratio.mean() - 1) < 5 * ratio.std() / math.sqrt(len(gap))


@all_visibles
def test_bridging_has_a_fraction_of_the_bias_of_ais(rng, visibles):
    # Sharp RBMs and few steps, so that AIS is far too low.
    scale = {"bernoulli": 4.0, "gaussian": 0.6, "gamma": 1.0}[visibles]
    params = tensors(reference.random_rbm(rng, 8, 8, visibles=visibles, scale=scale))
    rows, log_z = many(params, 1000), exact(params).nats
    gaps = {}
    for name in ("ais", "bridge"):
        gaps[name] = eagerly(name, rows, None, sampling.seed_pair(0), 6, 4).nats - log_z
    bias = {name: np.mean(gap) for name, gap in gaps.items()}
    error = {name: np.std(gap) / math.sqrt(1000) for name, gap in gaps.items()}
    assert bias["ais"] < -10 * error["ais"]
    assert abs(bias["bridge"]) < 0.4 * abs(bias["ais"])


@pytest.mark.parametrize("name", ["ais", "bridge"])
def test_standard_error_is_the_spread_of_repeated_estimates(rng, name):
    params = tensors(reference.random_rbm(rng, 6, 5))
    nats, error = estimate(name, many(params, 400), None, sampling.seed_pair(0), 10, 50)
    # The spread of 400 is known to 3.5 %; five of these.
    assert np.std(nats) == pytest.approx(np.sqrt(np.mean(np.square(error))), rel=0.18)


@pytest.mark.parametrize("count, t", [(2, 12.706), (3, 4.3027), (10, 2.2622), (1000, 1.9623)])
def test_an_interval_is_as_wide_as_few_chains_need(count, t):
    estimate = energy.LogPartition(np.array([1.0, 5.0, 7.0]), np.array([0.0, 0.1, np.inf]))
    low, high = estimate.interval(count)
    np.testing.assert_allclose(low, [1.0, 5 - 0.1 * t, -np.inf], rtol=2e-3)
    np.testing.assert_allclose(high, [1.0, 5 + 0.1 * t, np.inf], rtol=2e-3)
    with pytest.raises(ValueError, match="`num_chains` must be an integer of at least 2"):
        estimate.interval(1)


@pytest.mark.parametrize("name", ["ais", "bridge"])
def test_intervals_have_the_truth_in_nineteen_cases_of_twenty(misses, name):
    # 180 cases: 95 % are known to 1.6 %; three of these.
    gaps, errors = misses(name, 100)
    low, high = energy.LogPartition(gaps, errors).interval(partition.NUM_CHAINS)
    assert 0.90 < np.mean((low < 0) & (high > 0)) <= 0.99


# Whether an estimate has converged.


@all_estimates
def test_one_chain_does_not_call_itself_exact(rng, name):
    params = tensors(reference.random_rbm(rng, 6, 5))
    _, error = eagerly(name, params, ops.ones(6), sampling.seed_pair(0), 2, num_chains=1)
    assert not error == 0  # 0 means exact; nothing is known of the spread of one


@pytest.mark.parametrize("name, num_betas", [("ais", 49), ("bridge", 98)])
def test_estimates_of_very_sharp_rbms_are_numbers(rng, name, num_betas):
    for scale in (300, 1e4):
        params = tensors(reference.random_rbm(rng, 8, 8, scale=scale))
        assert np.isfinite(estimate(name, params, None, sampling.seed_pair(0), num_betas).nats)


def random_params(rng, V, H, scale, frames):
    sizes = scale * rng.choice([0.0, 0.3, 1.0], size=2)
    biases = (size * rng.normal(size=(frames, n)) for size, n in zip(sizes, (V, H), strict=True))
    kernel = scale * rng.normal(size=(V, H))
    return energy.RBMParams(*(x.astype("float32") for x in (kernel, *biases)))


@pytest.mark.parametrize("name", ["ais", "bridge"])
@pytest.mark.parametrize("V, H", [(3, 3), (12, 9)])
def test_an_estimate_that_claims_to_have_converged_is_near_the_truth(rng, name, V, H):
    share = {}
    for scale in (0.1, 1.0, 3.0, 10.0, 30.0, 100.0):
        converged = []
        for number in range(3):
            params = random_params(rng, V, H, scale, frames=20)
            nats, error = estimate(name, params, None, sampling.seed_pair(number))
            known = np.isfinite(error)
            distance = np.abs(nats - exact(params).nats)
            assert np.all(distance[known] < 5 * error[known] + 0.5), scale
            converged.append(known)
        share[scale] = np.mean(converged)
    assert share[0.1] == share[1.0] == 1 and share[3.0] > 0.9 and share[100.0] < 0.9


@all_estimates
def test_one_chain_with_all_of_the_weight_is_no_estimate(rng, name):
    params = random_params(rng, 30, 30, 100.0, frames=10)
    seed, v = sampling.seed_pair(0), np.ones((10, 30), "float32")
    lost = np.isinf(estimate(name, params, v, seed, 50).standard_error)
    assert lost.any() if name == "reverse" else lost.all()
    weak = params._replace(kernel=0.01 * params.kernel)
    assert np.isfinite(estimate(name, weak, v, seed, 50).nats).all()


@pytest.mark.parametrize("name", ["ais", "bridge"])
def test_chains_that_agree_but_miss_half_of_the_mass_are_no_estimate(name):
    # The hidden unit turns 60 visible ones off. Its two states weigh the same, but chains begin
    # where it is on, and do not cross.
    on = 60 * (math.log(2) - math.log1p(math.exp(-3)))
    kernel, nothing = np.full((60, 1), -3, "float32"), ops.zeros((5, 60))
    seed = sampling.seed_pair(0)
    params = energy.RBMParams(kernel, nothing, ops.full((5, 1), on))
    nats, error = eagerly(name, params, None, seed, 20)
    np.testing.assert_allclose(nats, exact(params).nats - math.log(2), atol=0.1)
    assert np.isinf(error).all()
    rarely_off = params._replace(hidden_bias=ops.full((5, 1), on + 3))  # 5 % of the mass
    assert np.isfinite(eagerly(name, rarely_off, None, seed, 20).standard_error).all()


@pytest.mark.parametrize("name", ["ais", "bridge"])
def test_chains_that_agree_but_miss_the_heaviest_states_are_no_estimate(name):
    # Each visible unit is likely alone, both together are not; the base draws both.
    kernel = np.array([[300.0, -300.0], [-300.0, 300.0]], "float32")
    params = energy.RBMParams(kernel, ops.zeros((5, 2)), ops.full((5, 2), -150.0))
    nats, error = eagerly(name, params, None, sampling.seed_pair(0), 20)
    assert np.all(nats < exact(params).nats - 100)
    assert np.isinf(error).all()
