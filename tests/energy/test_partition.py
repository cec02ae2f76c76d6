"""log Z: exact against brute force, and the two estimates against the exact one.

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

from energy.helpers import all_visibles, many, tensors
from seqlayers import energy, sampling
from seqlayers.energy import partition

exact = backend.graph(energy.log_partition)
in_a_graph = functools.partial(backend.graph, static=["num_betas", "num_chains"])


@in_a_graph
def ais(params, seed, num_betas=100, num_chains=10):
    return energy.ais_log_partition(params, seed, num_betas, num_chains)


@in_a_graph
def reverse(params, v, seed, num_betas=100, num_chains=10):
    return energy.reverse_log_partition(params, v, seed, num_betas, num_chains)


# Exact.


@pytest.mark.parametrize("V, H", [(1, 1), (4, 3), (3, 4), (2, 9), (12, 3)])
def test_enumeration_agrees_with_brute_force(rng, V, H):
    rbm = reference.random_rbm(rng, V, H)
    nats, standard_error = energy.log_partition(tensors(rbm))
    np.testing.assert_allclose(nats, reference.log_partition(rbm), rtol=2e-6)
    assert nats.shape == () and standard_error == 0


@pytest.mark.parametrize("V, H", [(4, 3), (3, 4), (2, 11)])
@pytest.mark.parametrize("visibles", ["gaussian", "gamma"])
def test_enumeration_integrates_real_visibles(rng, V, H, visibles):
    rbm = reference.random_rbm(rng, V, H, visibles=visibles)
    np.testing.assert_allclose(
        energy.log_partition(tensors(rbm)).nats, reference.log_partition(rbm), rtol=5e-6
    )


@pytest.mark.tensorflow
@all_visibles
def test_enumeration_keeps_float64(rng, visibles):
    rbm = reference.random_rbm(rng, 4, 3, visibles=visibles)
    nats = energy.log_partition(tensors(rbm, "float64")).nats
    assert nats.dtype == "float64"
    np.testing.assert_allclose(nats, reference.log_partition(rbm), rtol=1e-12)


@pytest.mark.parametrize("V, H", [(3, 9), (9, 3)])
def test_both_sides_of_an_rbm_give_the_same_sum(rng, V, H):
    rbm = reference.random_rbm(rng, V, H)
    turned = reference.RBM(rbm.W.T, rbm.c, rbm.b)
    nats = energy.log_partition(tensors(rbm)).nats
    np.testing.assert_allclose(energy.log_partition(tensors(turned)).nats, nats, rtol=2e-6)
    np.testing.assert_allclose(nats, reference.log_partition_by_visible(rbm), rtol=2e-6)


@all_visibles
@pytest.mark.parametrize("V, H, compiled", [(4, 3, False), (3, 4, True)], ids=["eager", "xla"])
def test_enumeration_keeps_leading_axes(rng, V, H, visibles, compiled):
    rbm = reference.random_rbm(rng, V, H, frames=(2, 5), visibles=visibles)
    run = backend.compiled(energy.log_partition) if compiled else energy.log_partition
    nats, standard_error = run(tensors(rbm))
    assert nats.shape == standard_error.shape == (2, 5)
    for index, one in reference.each_frame(rbm):
        np.testing.assert_allclose(nats[index], reference.log_partition(one), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("which", ["visible", "hidden"])
@pytest.mark.parametrize(
    "name, visibles",
    [*(("exact", kind) for kind in energy.VISIBLES), ("ais", "bernoulli"), ("reverse", "gaussian")],
)
def test_one_of_the_biases_alone_may_have_leading_axes(rng, visibles, which, name):
    rbm = reference.random_rbm(rng, 4, 3, frames=(5,), visibles=visibles, scale=0.5)
    rbm = {"visible": rbm._replace(c=rbm.c[0]), "hidden": rbm._replace(b=rbm.b[0])}[which]
    full = rbm._replace(b=np.broadcast_to(rbm.b, (5, 4)), c=np.broadcast_to(rbm.c, (5, 3)))
    seed, v = sampling.seed_pair(0), ops.ones((5, 4))
    run = {
        "exact": energy.log_partition,
        "ais": lambda params: energy.ais_log_partition(params, seed, num_betas=20),
        "reverse": lambda params: energy.reverse_log_partition(params, v, seed, num_betas=20),
    }[name]
    nats = backend.graph(run)(tensors(rbm)).nats
    assert nats.shape == (5,)
    expected = [reference.log_partition(one) for _, one in reference.each_frame(full)]
    atol = 1e-5 if name == "exact" else 0.5  # here the shape matters; how near they come, below
    np.testing.assert_allclose(nats, expected, atol=atol)


@all_visibles
@pytest.mark.slow
def test_twenty_units_are_enumerated(rng, visibles):
    # Four RBMs side by side in one kernel: their log Z add up.
    blocks = [reference.random_rbm(rng, 5, 5, visibles=visibles) for _ in range(4)]
    W = np.zeros((20, 20))
    for i, block in enumerate(blocks):
        W[5 * i : 5 * i + 5, 5 * i : 5 * i + 5] = block.W
    parts = [np.concatenate(p) if p[0] is not None else None for p in zip(*blocks, strict=True)]
    nats = exact(tensors(reference.RBM(W, *parts[1:]))).nats
    np.testing.assert_allclose(nats, sum(map(reference.log_partition, blocks)), rtol=5e-6)


@pytest.mark.parametrize(
    "V, H, visibles, possible",
    [
        (20, 500, "bernoulli", True),
        (500, 20, "bernoulli", True),
        (21, 21, "bernoulli", False),
        (500, 20, "gaussian", True),
        (5, 21, "gaussian", False),
        (5, 21, "gamma", False),
    ],
)
def test_what_is_too_large_is_refused_with_a_way_out(V, H, visibles, possible):
    kind = energy.VISIBLES[visibles]
    own = kind(*(ops.zeros(V) for _ in kind.WEIGHT_RANGES))
    params = energy.RBMParams(ops.zeros((V, H)), ops.zeros(V), ops.zeros(H), own)
    assert energy.can_enumerate(*params.kernel.shape, visibles) == possible
    if not possible:
        with pytest.raises(ValueError, match="use `ais_log_partition`") as caught:
            energy.log_partition(params)
        assert str((V, H)) in str(caught.value)


@all_visibles
def test_gradient_of_the_exact_likelihood_is_exact(rng, visibles):
    rbm = reference.random_rbm(rng, 4, 3, visibles=visibles)
    frames = reference.random_frames(rng, rbm, 6)
    v = tensor(frames, "float32")
    _, gradients = backend.value_and_gradients(lambda params: exact_loss(params, v), tensors(rbm))
    expected = reference.negative_log_prob_gradient(rbm, frames)
    for actual, one in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(actual, one, atol=2e-5)


# Estimates, where they are exact or unbiased.


@all_visibles
def test_estimates_are_exact_without_interactions(rng, visibles):
    rbm = reference.random_rbm(rng, 5, 4, frames=(3,), visibles=visibles, scale=0)
    params, seed = tensors(rbm), sampling.seed_pair(0)
    v = tensor(rng.integers(0, 2, (3, 5)), "float32")
    expected = [reference.log_partition(one) for _, one in reference.each_frame(rbm)]
    for nats, standard_error in (ais(params, seed, 5), reverse(params, v, seed, 5)):
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
@pytest.mark.parametrize("num_betas", [1, 4, pytest.param(50, marks=pytest.mark.slow)])
def test_exp_of_ais_is_unbiased_however_few_its_steps(visibles, num_betas):
    # Z is the mean of the weights: up to 100,000 of them, within five standard errors. Five RBMs,
    # so that a draw used twice shows in at least one. Worlds this small keep the weights' tails
    # light enough for the normal law.
    for number in range(5):
        rng = np.random.default_rng(number)
        scale = 4 if visibles == "bernoulli" else 0.7
        rbm = reference.random_rbm(rng, 2, 2, visibles=visibles, scale=scale)
        rbm = rbm._replace(b=rbm.b - 1, c=rbm.c - 1)
        seed, count = sampling.seed_pair(number), 100_000 if num_betas < 50 else 20_000
        nats, standard_error = ais(tensors(rbm), seed, num_betas=num_betas, num_chains=count)
        assert abs(nats - reference.log_partition(rbm)) < 5 * standard_error + 1e-4


@pytest.mark.parametrize("num_betas", [1, 4, pytest.param(50, marks=pytest.mark.slow)])
def test_reverse_estimates_make_a_probability_that_sums_to_one(num_betas):
    # exp(-F(v) - log Z) is without bias the probability of v under the annealing.
    for number in range(5):
        rng = np.random.default_rng(number)
        params = tensors(reference.random_rbm(rng, 3, 3, scale=2))
        v = tensor(np.array(reference.binary_states(3)), "float32")
        seed = sampling.seed_pair(number)
        nats, error = reverse(params, v, seed, num_betas=num_betas, num_chains=20_000)
        p = np.exp(-energy.free_energy(params, v) - nats)
        assert abs(p.sum() - 1) < 5 * math.sqrt(np.sum((p * error) ** 2)) + 1e-5


@pytest.mark.tensorflow  # whose loops run eagerly: numbers of steps have values
@pytest.mark.parametrize("name", ["ais", "reverse"])
@pytest.mark.parametrize("num_betas", [1, 4, 5])
def test_no_two_draws_of_an_annealing_share_a_seed(monkeypatch, name, num_betas):
    numbers = []

    def fold_in(seed, number):
        numbers.append(int(number))
        return sampling.fold_in(seed, number)

    monkeypatch.setattr(partition, "fold_in", fold_in)
    params, seed = (
        energy.RBMParams(ops.zeros((2, 2)), ops.zeros(2), ops.zeros(2)),
        sampling.seed_pair(0),
    )
    if name == "ais":
        energy.ais_log_partition(params, seed, num_betas, num_chains=1)
    else:
        energy.reverse_log_partition(params, ops.zeros(2), seed, num_betas, num_chains=1)
    assert len(numbers) > num_betas
    assert len(set(numbers)) == len(numbers)


# Estimates against the exact log Z, on twelve conditional RBMs with 16 hidden units.


def stripes(rng, count, V):
    """Rows that repeat a short pattern, with one unit in twenty flipped."""
    patterns = np.array([np.resize(p, V) for p in ([1, 0], [1, 1, 0, 0], [1, 1, 1, 0, 0, 0])])
    return np.abs(patterns[rng.integers(0, 3, count)] - (rng.uniform(size=(count, V)) < 0.05))


def exact_loss(params, v):
    return ops.mean(energy.free_energy(params, v)) + ops.mean(energy.log_partition(params).nats)


@backend.graph
def exact_step(params, v, rate):
    loss, gradient = backend.value_and_gradients(lambda params: exact_loss(params, v), params)
    moved = [p - rate * g for p, g in zip(keras.tree.flatten(params), gradient, strict=True)]
    return keras.tree.pack_sequence_as(params, moved), loss


@pytest.fixture(scope="module")
def worlds():
    """(params, exact log Z, a frame drawn from each RBM), with three frames of biases each."""
    rng, V, H, T, result = np.random.default_rng(16), 10, 16, 3, []
    states = np.array(reference.binary_states(V))
    for number in range(12):
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


def test_both_estimates_are_within_four_standard_errors(worlds):
    # 36 frames, each way: 72 comparisons which together overstep once in 220 runs by the normal
    # law. The error is itself estimated, from 200 chains, and the reverse estimate is of the
    # annealing's own distribution: 0.02 nats are left for what lies between.
    for number, (params, log_z, v) in enumerate(worlds):
        seed = sampling.fold_in(sampling.seed_pair(0), number)
        for nats, error in (
            ais(params, seed, num_betas=100, num_chains=200),
            reverse(params, v, seed, num_betas=100, num_chains=200),
        ):
            assert nats.shape == error.shape == (3,)
            np.testing.assert_array_less(np.abs(nats - log_z), 4 * error + 0.02)
            assert np.all(error > 0) and np.all(error < 0.1)


def test_default_settings_stay_below_a_tenth_of_a_nat_on_average(worlds):
    misses = []
    for number, (params, log_z, _) in enumerate(worlds):
        misses.append(ais(params, sampling.fold_in(sampling.seed_pair(1), number)).nats - log_z)
    assert np.mean(np.abs(misses)) < 0.1


def test_forward_is_below_and_reverse_above_on_average(worlds):
    # Few steps and one chain, so that both show. Five standard errors from zero, and more.
    below, above = [], []
    rng = np.random.default_rng(3)
    states = np.array(reference.binary_states(10), "float32")
    for number, (params, log_z, _) in enumerate(worlds[:6]):
        rows = energy.RBMParams(params.kernel, *(ops.repeat(p[:1], 500, 0) for p in params[1:3]))
        one = energy.RBMParams(params.kernel, *(p[:1] for p in params[1:3]))
        log_p = -np.asarray(energy.free_energy(one, states)).astype("float64")
        p = np.exp(log_p - log_p.max())
        v = states[rng.choice(len(states), size=500, p=p / p.sum())]
        seed = sampling.fold_in(sampling.seed_pair(2), number)
        below.append(ais(rows, seed, num_betas=3, num_chains=1).nats - log_z[0])
        above.append(reverse(rows, v, seed, num_betas=3, num_chains=1).nats - log_z[0])
    for gap in (-np.concatenate(below), np.concatenate(above)):
        assert gap.mean() > 5 * gap.std() / math.sqrt(len(gap))


@pytest.mark.parametrize("visibles", ["gaussian", "gamma"])
def test_the_truth_lies_between_the_two_for_real_visibles(rng, visibles):
    rbm = reference.random_rbm(rng, 4, 6, visibles=visibles, scale=0.6)
    log_z, params = reference.log_partition(rbm), tensors(rbm)
    rows = many(params, 2000)
    seed = sampling.seed_pair(0)
    v = backend.graph(energy.gibbs)(params, ops.zeros((2000, 4)), 40, sampling.seed_pair(1))
    low = np.asarray(ais(rows, seed, num_betas=5, num_chains=1).nats)
    high = np.asarray(reverse(rows, v, seed, num_betas=5, num_chains=1).nats)
    for gap in (log_z - low, high - log_z):
        assert gap.mean() > 5 * gap.std() / math.sqrt(len(gap))
    for nats, error in (ais(params, seed, 100, 200), reverse(params, v[0], seed, 100, 200)):
        assert abs(nats - log_z) < 4 * error + 0.02


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ais", "reverse"])
def test_more_steps_shrink_the_error(worlds, name):
    # Four times the steps about halve it. The root of the mean square of these 180 is known to
    # some 8 %, a ratio of two to 11 %: 1.4 is three of these from 2.1.
    errors, run = [], ais if name == "ais" else reverse
    for num_betas in (4, 16, 64):
        misses = []
        for number, (params, log_z, v) in enumerate(worlds):
            for repeat in range(5):
                seed = sampling.fold_in(sampling.seed_pair(repeat), number)
                args = (params, seed) if name == "ais" else (params, v, seed)
                misses.append(run(*args, num_betas=num_betas, num_chains=5).nats - log_z)
        errors.append(np.sqrt(np.mean(np.square(misses))))
    assert errors[0] > 1.4 * errors[1] > 1.4**2 * errors[2]


def test_standard_error_is_the_spread_of_repeated_estimates(rng):
    params = tensors(reference.random_rbm(rng, 6, 5))
    nats, error = ais(many(params, 400), sampling.seed_pair(0), num_betas=50, num_chains=100)
    # The spread of 400 is known to 3.5 %; five of these.
    assert np.std(nats) == pytest.approx(np.sqrt(np.mean(np.square(error))), rel=0.18)


def test_one_chain_does_not_call_itself_exact(rng):
    params = tensors(reference.random_rbm(rng, 6, 5))
    _, error = energy.ais_log_partition(params, sampling.seed_pair(0), num_betas=5, num_chains=1)
    assert not error == 0  # 0 means exact; nothing is known of the spread of one


@pytest.mark.parametrize(
    "name, visibles, num_betas",
    [
        ("ais", "bernoulli", 20),
        ("ais", "gamma", 5),
        ("reverse", "bernoulli", 5),
        ("reverse", "gaussian", 20),
    ],
)
def test_estimates_are_alike_in_eager_graph_and_xla(rng, name, visibles, num_betas):
    rbm = reference.random_rbm(rng, 6, 5, frames=(4,), visibles=visibles, scale=0.5)

    def estimate(params, v, seed):
        options = {"num_betas": num_betas, "num_chains": 4}
        if name == "ais":
            return energy.ais_log_partition(params, seed, **options)
        return energy.reverse_log_partition(params, v, seed, **options)

    inputs = tensors(rbm), ops.ones((4, 6)), tensor(sampling.seed_pair(5))
    eager = estimate(*inputs)
    for way in (backend.graph, backend.compiled):
        other = way(estimate)(*inputs)
        np.testing.assert_allclose(other.nats, eager.nats, atol=2e-4)
        np.testing.assert_allclose(other.standard_error, eager.standard_error, atol=2e-4)


@pytest.mark.parametrize("way", [backend.graph, backend.compiled], ids=["graph", "xla"])
@pytest.mark.parametrize("shared", [False, True])
def test_rows_in_blocks_are_estimated_as_all_at_once(rng, monkeypatch, way, shared):
    rbm = reference.random_rbm(rng, 6, 5, frames=() if shared else (7, 2), scale=0.5)
    v, seeds = ops.ones((7, 2, 6)), sampling.row_seeds(sampling.seed_pair(5), 7)

    def both(params, v, seeds):
        above = energy.reverse_log_partition(params, v, seeds, num_betas=5, num_chains=4)
        return above if shared else (above, energy.ais_log_partition(params, seeds, 5, 4))

    results = []
    for number in (56, 24):  # chains at once: all rows, and blocks of 3
        monkeypatch.setattr(partition, "_CHAINS_AT_ONCE", number)
        results.append(keras.tree.flatten(way(both)(tensors(rbm), v, seeds)))
    for whole, blocks in zip(*results, strict=True):
        assert blocks.shape == (7, 2)
        np.testing.assert_allclose(blocks, whole, atol=1e-5)


def test_different_seeds_give_different_estimates(rng):
    params = tensors(reference.random_rbm(rng, 6, 5))
    nats = {float(ais(params, sampling.seed_pair(s), num_betas=10).nats) for s in range(10)}
    assert len(nats) == 10


@pytest.mark.parametrize("num_betas", [49, 50])
@pytest.mark.parametrize("scale", [300, 1e4])
def test_estimates_of_very_sharp_rbms_are_numbers(rng, scale, num_betas):
    params, seed = tensors(reference.random_rbm(rng, 8, 8, scale=scale)), sampling.seed_pair(0)
    assert np.isfinite(ais(params, seed, num_betas=num_betas).nats)


# Whether an estimate has converged.


def random_params(rng, V, H, scale, visibles, frames=10):
    biases = (
        scale * rng.choice([0.0, 0.3, 1.0]) * rng.normal(size=(frames, units)) for units in (V, H)
    )
    kind = energy.Gaussian(np.zeros(V, "float32")) if visibles == "gaussian" else energy.Bernoulli()
    W, b, c = (x.astype("float32") for x in (scale * rng.normal(size=(V, H)), *biases))
    return energy.RBMParams(W, b, c, kind)


@pytest.mark.parametrize("V, H, visibles", [(3, 3, "bernoulli"), (12, 9, "bernoulli")])
def test_an_estimate_that_claims_to_have_converged_is_near_the_truth(rng, V, H, visibles):
    share = {}
    for scale in (0.1, 1.0, 3.0, 10.0, 30.0, 100.0):
        converged = []
        for number in range(6):
            params = random_params(rng, V, H, scale, visibles)
            nats, error = ais(params, sampling.seed_pair(number))
            known = np.isfinite(error)
            distance = np.abs(nats - exact(params).nats)
            assert np.all(distance[known] < 5 * error[known] + 0.5), scale
            converged.append(known)
        share[scale] = np.mean(converged)
    assert share[0.1] == share[1.0] == 1 and share[3.0] > 0.9 and share[100.0] < 0.9


def test_one_chain_with_all_of_the_weight_is_no_estimate(rng):
    params = random_params(rng, 30, 30, 100.0, "bernoulli")
    seed, v = sampling.seed_pair(0), np.ones((10, 30), "float32")
    assert np.isinf(ais(params, seed).standard_error).all()
    assert np.isinf(reverse(params, v, seed).standard_error).any()
    assert np.isfinite(ais(params._replace(kernel=0.01 * params.kernel), seed).nats).all()


def test_chains_that_agree_but_miss_the_heaviest_states_are_no_estimate():
    # Each visible unit is likely alone, both together are not; the base draws both.
    kernel = np.array([[300.0, -300.0], [-300.0, 300.0]], "float32")
    params = energy.RBMParams(kernel, ops.zeros((5, 2)), ops.full((5, 2), -150.0))
    nats, error = ais(params, sampling.seed_pair(0))
    assert np.all(nats < exact(params).nats - 100)
    assert np.isinf(error).all()
