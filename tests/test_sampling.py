"""Every random draw: the same for the same seed wherever it is made, and random otherwise.

Statistical tests have fixed seeds. Their bounds are five standard errors, which a sound generator
oversteps once in 1.7 million comparisons; none of them makes more than 100,000.
"""

import math

import backend
import numpy as np
import pytest
from backend import tensor
from keras import ops
from reference import rbm as reference

from seqlayers import backends, energy, sampling

SEEDS = [0, 1, -1, 7, 2**31, 2**32 - 1, -(2**40) + 5, 2**63]


def everywhere(function, *inputs):
    """The results of `function` in eager execution, in a graph and under XLA."""
    inputs = [tensor(x) for x in inputs]
    ways = function, backend.graph(function), backend.compiled(function)
    return [np.asarray(run(*inputs)) for run in ways]


def normal_cdf(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def uniform(count, seed=0):
    return np.asarray(sampling.uniform((count,), sampling.fold_in(sampling.seed_pair(seed), 0)))


# The same seed, the same draw.


def test_seeds_fold_alike_in_eager_graph_and_xla():
    numbers = np.array([0, 1, 2, 12345, 2**31 - 1, -1, -(2**31)], "int32")
    pairs = np.stack([sampling.seed_pair(seed) for seed in SEEDS])
    eager, graph, xla = everywhere(sampling.fold_in, pairs[:, None], numbers)
    assert eager.shape == (len(SEEDS), 7, 2) and eager.dtype == "int32"
    np.testing.assert_array_equal(graph, eager)
    np.testing.assert_array_equal(xla, eager)
    for pair, row in zip(pairs, eager, strict=True):  # and alike for a number in Python
        folded = [sampling.fold_in(pair, int(number)) for number in numbers]
        np.testing.assert_array_equal(folded, row)


@pytest.mark.parametrize("rows", [False, True], ids=["one seed", "a seed a row"])
def test_uniform_numbers_are_alike_in_eager_graph_and_xla(rows):
    seed = sampling.seed_pair(3)
    if rows:
        seed = sampling.row_seeds(seed, 50)
    eager, graph, xla = everywhere(lambda s: sampling.uniform((50, 30, 20), s), seed)
    np.testing.assert_array_equal(graph, eager)
    np.testing.assert_array_equal(xla, eager)
    assert len(np.unique(eager)) > 0.99 * eager.size


@pytest.mark.parametrize("rows", [False, True], ids=["one seed", "a seed a row"])
def test_bernoulli_draws_are_alike_in_eager_graph_and_xla(rng, rows):
    # Equal bits are compared with polynomials that may be rounded otherwise: each draw could turn
    # with probability 1e-7, one of these 20,000 with 0.2 %.
    seed = sampling.row_seeds(sampling.seed_pair(4), 20) if rows else sampling.seed_pair(4)
    logits = 3 * rng.normal(size=(20, 1000)).astype("float32")
    draws = everywhere(lambda x, s: sampling.bernoulli(x).sample(seed=s), logits, seed)
    np.testing.assert_array_equal(draws[1], draws[0])
    np.testing.assert_array_equal(draws[2], draws[0])
    assert draws[0].dtype == "float32" and set(np.unique(draws[0])) == {0, 1}


@pytest.mark.parametrize("rows", [False, True], ids=["one seed", "a seed a row"])
def test_normal_draws_are_alike_in_eager_graph_and_xla(rng, rows):
    seed = sampling.row_seeds(sampling.seed_pair(4), 20) if rows else sampling.seed_pair(4)
    mean, scale = rng.normal(size=(20, 1000)).astype("float32"), np.float32(1.5)

    def draw(mean, scale, seed):
        return sampling.normal(mean, scale).sample(seed=seed)

    # The bits are equal; erfinv rounds otherwise, worst in the tails.
    eager, graph, xla = everywhere(draw, mean, scale, seed)
    np.testing.assert_allclose(graph, eager, atol=1e-4)
    np.testing.assert_allclose(xla, eager, atol=1e-4)


def test_gamma_draws_are_alike_in_eager_graph_and_xla(rng):
    # Rounding may turn an accepted proposal to a rejected one: of these 20,000, one at most.
    seed = sampling.row_seeds(sampling.seed_pair(4), 20)
    shape = np.exp(rng.uniform(-3, 6, size=(20, 1000))).astype("float32")

    def draw(shape, seed):
        return sampling.gamma(shape, 2.0 * ops.ones_like(shape)).sample(seed=seed)

    eager, graph, xla = everywhere(draw, shape, seed)
    for other in (graph, xla):
        assert np.sum(~np.isclose(other, eager, rtol=1e-4, atol=1e-30)) <= 1


def test_gibbs_chains_are_alike_in_eager_graph_and_xla(rng):
    rbm = reference.random_rbm(rng, 12, 9, frames=(5,))
    params = [tensor(a, "float32") for a in rbm[:3]]

    def chain(W, b, c, seed):
        return energy.gibbs(energy.RBMParams(W, b, c), ops.zeros((5, 12)), 15, seed)

    draws = everywhere(chain, *params, sampling.seed_pair(8))
    np.testing.assert_array_equal(draws[1], draws[0])
    np.testing.assert_array_equal(draws[2], draws[0])


def test_gaussian_gibbs_chains_are_alike_in_eager_graph_and_xla(rng):
    rbm = reference.random_rbm(rng, 6, 5, frames=(4,), visibles="gaussian")
    params = [tensor(a, "float32") for a in rbm[:4]]

    def chain(W, b, c, log_variance, seed):
        params = energy.RBMParams(W, b, c, energy.Gaussian(log_variance))
        return energy.gibbs(params, ops.zeros((4, 6)), 15, seed)

    eager, graph, xla = everywhere(chain, *params, sampling.seed_pair(8))
    np.testing.assert_allclose(graph, eager, atol=1e-5)
    np.testing.assert_allclose(xla, eager, atol=1e-5)


def test_draws_do_not_change_from_release_to_release():
    # Not a proof of anything but of sameness: saved music depends on these numbers.
    words = np.asarray(sampling.fold_in(sampling.seed_pair(2024), 5)).astype("uint32").tolist()
    low, high = 2024, 0
    low = triple32(low + 0x9E3779B9)
    high = triple32((high ^ 0x6A09E667) + low)
    low = triple32((low ^ high) + 5)
    assert words == [low, triple32(high ^ low)]


def triple32(x):
    """C. Wellons's hash, in Python's whole numbers."""
    mask = 0xFFFFFFFF
    x &= mask
    x = ((x ^ x >> 17) * 0xED5AD4BB) & mask
    x = ((x ^ x >> 11) * 0xAC4C1B51) & mask
    x = ((x ^ x >> 15) * 0x31848BAB) & mask
    return x ^ x >> 14


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_draws_have_the_type_of_their_parameters(dtype):
    seed = sampling.seed_pair(0)
    assert sampling.bernoulli(ops.zeros(4, dtype)).sample(seed=seed).dtype == dtype
    draw = sampling.normal(ops.zeros(4, dtype), ops.ones(4, dtype)).sample(seed=seed)
    assert draw.dtype == dtype
    draw = sampling.gamma(ops.ones(4, dtype), ops.ones(4, dtype)).sample(seed=seed)
    assert draw.dtype == dtype


def test_bernoulli_draws_have_another_type_if_it_is_given():
    logits, seed = ops.zeros(40), sampling.seed_pair(0)
    unit = type(sampling.bernoulli(logits))(logits=logits, dtype="int32")
    draws = unit.sample(seed=seed)
    assert unit.dtype == draws.dtype == "int32"
    np.testing.assert_array_equal(draws, sampling.bernoulli(logits).sample(seed=seed))
    np.testing.assert_allclose(unit.log_prob(draws), np.full(40, -math.log(2)), rtol=1e-6)


# Different seeds, steps and rows.


def test_different_seeds_give_different_draws():
    draws = {np.asarray(sampling.uniform((8,), sampling.seed_pair(s))).tobytes() for s in SEEDS}
    assert len(draws) == len(SEEDS)


def test_different_steps_give_different_draws():
    params = energy.RBMParams(ops.zeros((64, 8)), ops.zeros(64), ops.zeros(8))
    chain = backend.graph(
        lambda n: energy.gibbs(params, ops.zeros((1, 64)), n, sampling.seed_pair(0))
    )
    assert len({np.asarray(chain(tensor(steps))).tobytes() for steps in range(50)}) == 50


@pytest.mark.parametrize("rows", [False, True], ids=["one seed", "a seed a row"])
def test_rows_of_a_draw_differ(rows):
    seed = sampling.seed_pair(0)
    u = np.asarray(sampling.uniform((200, 32), sampling.row_seeds(seed, 200) if rows else seed))
    assert len({row.tobytes() for row in u}) == 200


def test_hidden_and_visible_half_steps_draw_different_numbers():
    # With no weights a half-step's uniforms show in what it draws: 30 to 98 of 128 units agree by
    # chance alone but for one time in 10^9.
    params = energy.RBMParams(ops.zeros((128, 128)), ops.zeros(128), ops.zeros(128))
    seed = sampling.seed_pair(0)
    h = energy.hidden_given_visible(params, ops.zeros((1, 128))).sample(
        seed=sampling.fold_in(seed, 0)
    )
    v = energy.gibbs(params, ops.zeros((1, 128)), 1, seed)
    assert 30 < np.sum(np.asarray(h) == np.asarray(v)) < 98


def test_samples_of_one_call_are_those_of_folded_seeds():
    logits, seed = ops.zeros((2, 40)), sampling.row_seeds(sampling.seed_pair(0), 2)
    many = np.asarray(sampling.bernoulli(logits).sample(5, seed=seed))
    assert many.shape == (5, 2, 40) and len({draw.tobytes() for draw in many}) == 5
    first = np.asarray(sampling.bernoulli(logits).sample(seed=seed))
    np.testing.assert_array_equal(first, many[0])
    for i, draw in enumerate(many):
        u = np.asarray(sampling.uniform((2, 40), sampling.fold_in(seed, i)))
        np.testing.assert_array_equal(draw, u < 0.5)


def test_samples_of_any_shape_have_it():
    seed = sampling.seed_pair(0)
    assert sampling.normal(0.0, 1.0).sample(seed=seed).shape == ()
    assert sampling.normal(ops.zeros((2, 1)), ops.ones(3)).sample((4, 5), seed=seed).shape == (
        4,
        5,
        2,
        3,
    )
    assert sampling.bernoulli(ops.zeros((0, 3))).sample(seed=seed).shape == (0, 3)
    assert sampling.bernoulli(ops.zeros((2, 0, 3))).sample(seed=seed).shape == (2, 0, 3)


# Rows with seeds of their own.


def test_a_rows_draw_does_not_depend_on_its_batch(rng):
    logits = tensor(rng.normal(size=(9, 4, 6)), "float32")
    seeds = sampling.row_seeds(sampling.seed_pair(1), 9)
    batch = np.asarray(sampling.bernoulli(logits).sample(seed=seeds))
    order = rng.permutation(9)
    mixed = sampling.bernoulli(np.asarray(logits)[order]).sample(seed=np.asarray(seeds)[order])
    np.testing.assert_array_equal(mixed, batch[order])
    for i in range(9):
        alone = sampling.bernoulli(logits[i : i + 1]).sample(seed=seeds[i : i + 1])
        np.testing.assert_array_equal(alone[0], batch[i])


def test_slices_of_a_batch_take_the_seeds_of_their_rows():
    seed = sampling.seed_pair(1)
    whole = sampling.row_seeds(seed, 8)
    assert whole.shape == (8, 2) and whole.dtype == "int32"
    np.testing.assert_array_equal(sampling.row_seeds(seed, 3, first_row=5), whole[5:])


@pytest.mark.tensorflow
def test_the_number_of_rows_may_be_a_tensor():
    import tensorflow as tf

    seed = sampling.seed_pair(1)
    whole = sampling.row_seeds(seed, 8)
    dynamic = tf.function(lambda n, first: sampling.row_seeds(seed, n, first))
    np.testing.assert_array_equal(dynamic(tensor(3), tensor(5)), whole[5:])


def test_a_rows_draw_does_not_depend_on_the_padding_behind_it(rng):
    logits = tensor(rng.normal(size=(3, 11, 6)), "float32")
    seeds = sampling.row_seeds(sampling.seed_pair(1), 3)
    padded = sampling.bernoulli(logits).sample(seed=seeds)
    cut = sampling.bernoulli(logits[:, :7]).sample(seed=seeds)
    np.testing.assert_array_equal(padded[:, :7], cut)
    padded = sampling.normal(logits, 1.0).sample(seed=seeds)
    cut = sampling.normal(logits[:, :7], 1.0).sample(seed=seeds)
    np.testing.assert_allclose(
        padded[:, :7], cut, atol=2e-6
    )  # erfinv rounds the last few otherwise


def test_a_rows_gamma_draw_depends_on_neither_batch_nor_padding(rng):
    # Other rows may need more rounds of rejection.
    shape = tensor(np.exp(rng.uniform(-2, 2, size=(9, 40, 6))), "float32")
    seeds = sampling.row_seeds(sampling.seed_pair(1), 9)
    whole = sampling.gamma(shape, 1.0).sample(seed=seeds)
    alone = sampling.gamma(shape[2:3, :5], 1.0).sample(seed=seeds[2:3])
    np.testing.assert_allclose(alone[0], whole[2, :5], rtol=1e-5)


@pytest.mark.float64
@pytest.mark.parametrize("visibles", energy.VISIBLES)
def test_gibbs_chains_depend_on_neither_batch_nor_padding(rng, visibles):
    rbm = reference.random_rbm(rng, 6, 5, frames=(4, 7), visibles=visibles)
    W, b, c = (tensor(a, "float64") for a in rbm[:3])
    own = energy.VISIBLES[visibles](*reference.visibles(rbm)[1])
    seeds = sampling.row_seeds(sampling.seed_pair(1), 4)
    v = ops.zeros((4, 7, 6), "float64")
    whole = np.asarray(energy.gibbs(energy.RBMParams(W, b, c, own), v, 10, seeds))
    part = energy.RBMParams(W, b[2:3, :5], c[2:3, :5], own)
    alone = np.asarray(energy.gibbs(part, v[2:3, :5], 10, seeds[2:3]))
    np.testing.assert_allclose(alone[0], whole[2, :5], atol=1e-12)


@pytest.mark.float64
@pytest.mark.parametrize("name", ["ais", "reverse", "bridge"])
def test_partition_estimates_depend_on_neither_batch_nor_padding(rng, name):
    rbm = reference.random_rbm(rng, 6, 5, frames=(4, 7))
    W, b, c = (tensor(a, "float64") for a in rbm[:3])
    seeds = sampling.row_seeds(sampling.seed_pair(1), 4)

    def estimate(b, c, seeds):
        params, options = energy.RBMParams(W, b, c), {"num_betas": 10, "num_chains": 3}
        if name == "reverse":
            return energy.reverse_log_partition(params, ops.ones_like(b), seeds, **options).nats
        way = {"ais": energy.ais_log_partition, "bridge": energy.bridge_log_partition}[name]
        return way(params, seeds, **options).nats

    whole, alone = estimate(b, c, seeds), estimate(b[2:3, :5], c[2:3, :5], seeds[2:3])
    np.testing.assert_allclose(alone[0], whole[2, :5], atol=1e-10)


@pytest.mark.tensorflow
def test_a_draw_works_where_the_batch_is_not_known_beforehand():
    import tensorflow as tf

    @tf.function(
        input_signature=[tf.TensorSpec((None, None, 3)), tf.TensorSpec((None, 2), tf.int32)]
    )
    def draw(logits, seeds):
        return sampling.bernoulli(logits).sample(seed=seeds)

    logits, seeds = ops.zeros((5, 4, 3)), sampling.row_seeds(sampling.seed_pair(1), 5)
    np.testing.assert_array_equal(
        draw(logits, seeds), sampling.bernoulli(logits).sample(seed=seeds)
    )


# Seeds.


def words(seeds):
    """Pairs of int32 as one 64-bit number each."""
    return np.ascontiguousarray(np.asarray(seeds).reshape(-1, 2)).view("int64").ravel()


def test_folded_seeds_do_not_collide():
    # 1.2 million of 2^64: two are equal by chance with probability 4e-8.
    seeds = [0, 1, 2, 3, -1, -2, 99, 100, 2**31, 2**32, 2**32 + 1, 2**62]
    numbers = np.arange(100_000, dtype="int32")
    folded = {s: np.asarray(sampling.fold_in(sampling.seed_pair(s), numbers)) for s in seeds}
    together = words(np.concatenate(list(folded.values())))
    assert len(np.unique(together)) == len(seeds) * len(numbers)
    for s in (0, 1, 2, 99):  # and in particular on the diagonal
        assert not np.any(words(folded[s])[1:] == words(folded[s + 1])[:-1])


def test_seeds_folded_twice_do_not_collide():
    numbers = np.arange(300, dtype="int32")
    once = sampling.fold_in(sampling.seed_pair(0), numbers)
    twice = sampling.fold_in(once[:, None], numbers[None])
    thrice = sampling.fold_in(twice[:, :, None], numbers[:5])
    all_words = np.concatenate([words(once), words(twice), words(thrice)])
    assert len(np.unique(all_words)) == 300 + 300**2 + 5 * 300**2


def test_one_bit_of_seed_or_number_turns_half_of_the_folded_seed(rng):
    seeds = rng.integers(0, 2**32, size=(20_000, 2), dtype="uint32")
    before = fold_words(seeds, 5)
    for bit in range(32):
        low, high = np.uint32([1 << bit, 0]), np.uint32([0, 1 << bit])
        assert_half_turn(before, fold_words(seeds ^ low, 5))
        # By design the first word never hears of the second; together they are still a bijection.
        assert_half_turn(before[:, 1:], fold_words(seeds ^ high, 5)[:, 1:])
        assert_half_turn(before, fold_words(seeds, 5 ^ (1 << bit)))


def fold_words(seeds, number):
    return np.asarray(sampling.fold_in(seeds.view("int32"), number)).view("uint32")


def assert_half_turn(before, after):
    turned = (before ^ after)[..., None] >> np.arange(32, dtype="uint32") & 1
    share = turned.mean(axis=0)  # 5,120 of them in all
    np.testing.assert_allclose(share, 0.5, atol=5 * 0.5 / math.sqrt(len(before)))


def test_seed_pair_takes_whole_numbers_of_64_bits():
    for seed in SEEDS + [np.int64(-5), np.uint64(2**64 - 1), np.int32(3)]:
        low, high = sampling.seed_pair(seed).astype("uint32").tolist()
        assert low + (high << 32) == int(seed) % 2**64
        assert sampling.seed_pair(seed).dtype == "int32"
    assert len({sampling.seed_pair(seed).tobytes() for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize(
    "seed", [True, False, np.True_, 1.0, np.float32(2), "3", None, [1], (1, 2)]
)
def test_seed_pair_refuses_what_is_no_whole_number(seed):
    with pytest.raises(ValueError, match="`seed` must be an integer from -.*Received: seed="):
        sampling.seed_pair(seed)


@pytest.mark.parametrize(
    "make",
    [
        sampling.bernoulli,
        lambda x: sampling.normal(x, 1.0),
        lambda x: sampling.gamma(x + 1.0, 1.0),
    ],
)
def test_sampling_without_a_seed_raises(make):
    with pytest.raises(ValueError, match="`seed` must be an int32 pair"):
        make(ops.zeros(3)).sample()
    with pytest.raises(ValueError, match="`seed` must be an int32 pair"):
        make(ops.zeros(3)).sample(4, seed=None)


# The numbers themselves.


def test_uniform_numbers_have_the_moments_of_the_uniform():
    u = uniform(2**20).astype("float64")
    for k in range(1, 7):
        expected, variance = 1 / (k + 1), 1 / (2 * k + 1) - 1 / (k + 1) ** 2
        assert abs(np.mean(u**k) - expected) < 5 * math.sqrt(variance / len(u))


@pytest.mark.parametrize("bins", [16, 256, 4096])
def test_uniform_numbers_fill_bins_evenly(bins):
    for seed in (0, 1, 2**40):
        assert_chi_square(np.bincount(bin_numbers(uniform(2**20, seed), bins), minlength=bins))


def bin_numbers(u, bins):
    return np.minimum((u * bins).astype(int), bins - 1)


def assert_chi_square(counts, expected=None):
    expected = np.full(len(counts), counts.sum() / len(counts)) if expected is None else expected
    degrees = len(counts) - 1
    chi_square = np.sum((counts - expected) ** 2 / expected)
    assert abs(chi_square - degrees) < 5 * math.sqrt(2 * degrees) + 12  # the tail is not normal


def test_all_bits_of_uniform_numbers_are_even():
    low_bits = (uniform(2**20).astype("float64") * 2**24).astype("int64")
    for place in range(1, 24):
        assert abs(np.mean(low_bits >> place & 1) - 0.5) < 5 * 0.5 / 2**10


def test_neighbours_are_not_correlated():
    u = uniform(2**20).astype("float64") - 0.5
    for lag in [*range(1, 33), 64, 88, 128, 256, 1000, 1024, 4096, 65536]:
        correlation = np.mean(u[lag:] * u[:-lag]) * 12
        assert abs(correlation) < 5 / math.sqrt(len(u) - lag)


def test_triples_of_neighbours_fill_a_cube_evenly():
    cells = bin_numbers(uniform(3 * 2**18), 16).reshape(-1, 3) @ [256, 16, 1]
    assert_chi_square(np.bincount(cells, minlength=4096))


@pytest.mark.parametrize("kind", ["rows", "numbers", "steps", "seeds"])
def test_streams_are_not_correlated(kind):
    # 64 streams of 8,192 numbers: 2,016 pairs at three lags.
    seed = sampling.seed_pair(0)
    if kind == "rows":
        u = np.asarray(sampling.uniform((64, 8192), sampling.row_seeds(seed, 64)))
    elif kind == "numbers":  # what the half-steps of a Gibbs chain draw
        u = np.stack([sampling.uniform((8192,), sampling.fold_in(seed, i)) for i in range(64)])
    elif kind == "steps":  # what a step of training draws, whose seed is (seed, step)
        seeds = [sampling.fold_in(np.int32([7, step]), 3) for step in range(64)]
        u = np.stack([sampling.uniform((8192,), seed) for seed in seeds])
    else:  # what neighbouring seeds draw
        u = np.stack([normal_sample(8192, seed) for seed in range(64)])
    u = (u - u.mean()) / u.std()
    for lag in (0, 1, 2):
        correlation = u[:, lag:] @ u[:, : 8192 - lag].T / (8192 - lag)
        np.fill_diagonal(correlation, 0)
        assert np.abs(correlation).max() < 5 / math.sqrt(8192 - lag)


def test_draws_of_two_steps_are_independent_and_not_just_uncorrelated():
    # Seeds that differ in their second word alone count from the same place. Look at the joint
    # distribution of their numbers, at the top 4 bits and at the lowest but for the last,
    # which a float32 above 1/2 has no room for.
    for step in (1, 2, 3, 64, 1000, 2**20, -1):
        seeds = [sampling.fold_in(np.int32([7, s]), 3) for s in (0, step)]
        first, second = (np.asarray(sampling.uniform((2**20,), seed)) for seed in seeds)
        for scale in (1, 2**19):
            x, y = (bin_numbers(u.astype("float64") * scale % 1, 16) for u in (first, second))
            assert_chi_square(np.bincount(16 * x + y, minlength=256))


def test_the_first_numbers_of_many_streams_are_uniform():
    # Here it is the seed that counts, not the counter.
    for numbers in (np.arange(2**20), np.arange(2**20) * 2, np.arange(2**20) * 1024):
        seeds = sampling.fold_in(sampling.seed_pair(0), numbers.astype("int32"))
        u = np.asarray(sampling.uniform((2**20,), seeds))
        assert_chi_square(np.bincount(bin_numbers(u, 256), minlength=256))
        assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 5 / 2**10


@pytest.mark.parametrize("word", [0, 1, 2**31, 2**32 - 257, 2**32 - 256, 2**32 - 1])
def test_every_word_makes_a_number_strictly_between_zero_and_one(monkeypatch, word):
    monkeypatch.setattr(sampling, "_bits", lambda *_: tensor([word], "uint32"))
    u = float(sampling.uniform((1,), sampling.seed_pair(0))[0])
    assert 0 < u < 1
    assert abs(u - (word + 0.5) / 2**32) <= 2.0**-24


@pytest.mark.parametrize("seed", [895324, 8979988, 24037494])
def test_the_largest_uniform_number_keeps_draws_in_their_range(seed):
    # The first word of these seeds is at least 2^32 - 256, as one word in 17 million is.
    seed = sampling.seed_pair(seed)
    assert np.isfinite(sampling.normal(0.0, 1.0).sample(seed=seed))
    assert sampling.bernoulli(tensor(1e4)).sample(seed=seed) == 1


def test_parameters_that_are_nan_draw_nan():
    def draws(x, one):
        pairs = [(x, one), (one, x)]
        made = [sampling.bernoulli(x), *(sampling.normal(*pair) for pair in pairs)]
        made += [sampling.gamma(*pair) for pair in pairs]
        return ops.stack([each.sample(seed=sampling.seed_pair(0)) for each in made])

    x = np.array([np.nan] * 20 + [1.0], "float32")
    for drawn in everywhere(draws, x, np.ones_like(x)):
        np.testing.assert_array_equal(np.isnan(drawn), [[True] * 20 + [False]] * 5)


def test_bernoulli_units_are_on_below_the_sigmoid_to_within_two_of_its_2_23_steps():
    x = np.linspace(-25, 25, 20_001).astype("float32")
    steps = 2**23 / (1 + np.exp(-x.astype("float64")))  # u = (integer + 1/2) / 2^23
    for shift, expected in [(-3, True), (3, False)]:
        integers = np.floor(steps) + shift
        inside = (integers >= 0) & (integers < 2**23)
        for below in everywhere(sampling._below_sigmoid, integers.astype("float32"), x):
            np.testing.assert_array_equal(below[inside], expected)


def test_certain_units_are_certain():
    logits = tensor([1e4, -1e4, np.inf, -np.inf])
    draws = np.asarray(sampling.bernoulli(logits).sample(10_000, seed=sampling.seed_pair(0)))
    np.testing.assert_array_equal(draws, np.broadcast_to([1, 0, 1, 0], (10_000, 4)))


@pytest.mark.parametrize("p", [1e-3, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bernoulli_units_are_on_as_often_as_they_should(p, dtype):
    count = 2**20
    logits = ops.full((count,), tensor(math.log(p / (1 - p)), dtype))
    draws = np.asarray(sampling.bernoulli(logits).sample(seed=sampling.seed_pair(int(p * 1000))))
    assert abs(draws.mean() - p) < 5 * math.sqrt(p * (1 - p) / count)


def normal_sample(count, seed=0):
    return np.asarray(sampling.normal(ops.zeros(count), 1.0).sample(seed=sampling.seed_pair(seed)))


def test_normal_draws_have_the_moments_of_the_normal():
    z = normal_sample(2**21).astype("float64")
    # E z^k and its variance, E z^2k - (E z^k)^2
    for k, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)]:
        assert abs(np.mean(z**k) - moment) < 5 * math.sqrt(variance / len(z))


def test_normal_draws_have_the_tails_of_the_normal():
    z = normal_sample(2**22)
    for bound in (2, 3, 4, 4.5):
        for tail in (np.sum(z > bound), np.sum(z < -bound)):
            expected = len(z) * normal_cdf(-bound)
            assert abs(tail - expected) < 5 * math.sqrt(expected) + 1
    edges = np.linspace(-3.5, 3.5, 71)
    cdf = np.array([0.0, *map(normal_cdf, edges), 1.0])
    counts = np.bincount(np.searchsorted(edges, z), minlength=72)
    assert_chi_square(counts, len(z) * np.diff(cdf))


def test_normal_draws_are_shifted_and_scaled(rng):
    mean, scale = rng.normal(size=5).astype("float32"), rng.uniform(0.1, 3, 5).astype("float32")
    seed = sampling.seed_pair(0)
    draws = sampling.normal(tensor(mean), tensor(scale)).sample(1000, seed=seed)
    z = sampling.normal(ops.zeros(5), ops.ones(5)).sample(1000, seed=seed)
    np.testing.assert_allclose(draws, mean + scale * z, atol=1e-5)


def gamma_sample(k, count, seed=0):
    shape = ops.full((count,), tensor(k, "float32"))
    draws = sampling.gamma(shape, tensor(2.0)).sample(seed=sampling.seed_pair(seed))
    return 2.0 * np.asarray(draws).astype("float64")


@pytest.mark.parametrize("k", [0.3, 1.0, 7.5, 100.0])
def test_gamma_draws_have_the_moments_of_the_gamma(k):
    g = gamma_sample(k, 2**20)
    assert np.all(g > 0)
    for values, mean, variance in [
        (g, k, k),
        ((g - k) ** 2, k, k**2 * (2 + 6 / k)),
        (np.log(g), reference.digamma(k), trigamma(k)),
    ]:
        assert abs(np.mean(values) - mean) < 5 * math.sqrt(variance / len(g))


def trigamma(k):
    return (reference.digamma(k + 1e-4) - reference.digamma(k - 1e-4)) / 2e-4


@pytest.mark.parametrize("k", [1, 2, 5, 20])
def test_gamma_draws_fill_the_quantiles_of_the_gamma(k):
    # For a whole k, P(g < x) is a sum of k terms.
    g, edges = gamma_sample(float(k), 2**18), np.linspace(0.02, 3, 60) * k
    below = [
        1 - sum(math.exp(i * math.log(x) - x - math.lgamma(i + 1)) for i in range(k)) for x in edges
    ]
    counts = np.bincount(np.searchsorted(edges, g), minlength=61)
    expected = len(g) * np.diff([0.0, *below, 1.0])
    kept = expected > 5
    assert_chi_square(counts[kept], expected[kept])
    empirical = np.searchsorted(np.sort(g), edges) / len(g)  # Kolmogorov and Smirnov
    assert np.abs(empirical - below).max() < 2.5 / math.sqrt(len(g))  # overstepped once in 100,000


def test_gamma_draws_below_one_fill_the_quantiles():
    # With k = 1/2 the draw is half the square of a normal.
    g, edges = gamma_sample(0.5, 2**18), np.linspace(0.01, 4, 60)
    below = [math.erf(math.sqrt(x)) for x in edges]
    empirical = np.searchsorted(np.sort(g), edges) / len(g)
    assert np.abs(empirical - below).max() < 2.5 / math.sqrt(len(g))


@pytest.mark.parametrize("seed", [895324, 8979988, 24037494])
@pytest.mark.parametrize("k", [0.05, 1.0, 403.0])
def test_gamma_draws_are_above_zero_and_finite(seed, k):
    draws = gamma_sample(k, 1000, seed)
    assert np.all(draws > 0) and np.all(np.isfinite(draws))


def test_gamma_draws_carry_no_gradient():
    _, (gradient,) = backend.value_and_gradients(
        lambda shape: sampling.gamma(shape, shape).sample(seed=sampling.seed_pair(0)),
        np.array([0.5, 2.0], "float32"),
    )
    assert gradient is None or not np.any(gradient)


# What is handed out is right.


@pytest.mark.float64
def test_log_gamma_is_the_log_of_the_gamma_function():
    x = np.array([0.05, 0.5, 1, 1.5, 2, 10, 403.0])
    np.testing.assert_allclose(
        sampling.log_gamma(tensor(x)),
        [math.lgamma(v) for v in x],
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.float64
def test_gamma_log_prob_and_mean_are_those_of_its_parameters(rng):
    k, rate, x = rng.uniform(0.1, 9, 4), rng.uniform(0.1, 3, 4), rng.gamma(2.0, size=(6, 4))
    unit = sampling.gamma(tensor(k), tensor(rate))
    np.testing.assert_allclose(unit.mean(), k / rate)
    np.testing.assert_allclose(unit.variance(), k / rate**2)
    log_z = [math.lgamma(a) for a in k] - k * np.log(rate)
    np.testing.assert_allclose(unit.log_prob(x), (k - 1) * np.log(x) - rate * x - log_z)


@pytest.mark.float64
def test_bernoulli_log_prob_and_mean_are_those_of_the_logits():
    logits = np.array([-1e4, -30, -2, 0, 0.5, 30, 1e4])
    unit = sampling.bernoulli(tensor(logits))
    np.testing.assert_allclose(unit.mean(), [0, *1 / (1 + np.exp(-logits[1:]))], rtol=1e-12)
    np.testing.assert_allclose(unit.log_prob(ops.ones(7, "float64")), -np.logaddexp(0, -logits))
    np.testing.assert_allclose(unit.log_prob(ops.zeros(7, "float64")), -np.logaddexp(0, logits))
    p = 1 / (1 + np.exp(-logits[1:-1]))
    np.testing.assert_allclose(unit.variance()[1:-1], p * (1 - p), atol=1e-12)


@pytest.mark.float64
def test_normal_log_prob_and_mean_are_those_of_its_parameters(rng):
    mean, scale, x = rng.normal(size=4), rng.uniform(0.1, 3, 4), rng.normal(size=(6, 4))
    unit = sampling.normal(tensor(mean), tensor(scale))
    np.testing.assert_array_equal(unit.mean(), mean)
    np.testing.assert_allclose(unit.stddev(), scale)
    expected = -0.5 * ((x - mean) / scale) ** 2 - np.log(scale) - 0.5 * math.log(2 * math.pi)
    np.testing.assert_allclose(unit.log_prob(x), expected, rtol=1e-12)


def test_gradients_of_log_probs_are_right_where_a_factor_is_zero():
    logits, x = np.float32([-1e4, -20, -1, 0, 2, 1e4]), np.float32([0, 1, 1, 0, 1, 0])
    _, (by_logits, by_x) = backend.value_and_gradients(
        lambda logits, x: sampling.bernoulli(logits).log_prob(x), logits, x
    )
    np.testing.assert_allclose(by_x, logits, rtol=1e-6)
    p = np.exp(-np.logaddexp(0, -logits.astype("float64")))
    np.testing.assert_allclose(by_logits, x - p, atol=1e-6)

    one, x = np.ones(2, "float32"), np.float32([0, 0.01 if backend.JAX else 0])
    _, (by_k, by_rate, by_x) = backend.value_and_gradients(
        lambda k, rate, x: sampling.gamma(k, rate).log_prob(x), one, one, x
    )
    log_x = np.log(np.where(x, x, 1))  # TensorFlow Probability leaves it out where k is 1
    np.testing.assert_allclose(by_k, np.euler_gamma + log_x, rtol=1e-6)
    np.testing.assert_allclose(by_rate, 1 - x, rtol=1e-6)
    np.testing.assert_allclose(by_x, [-1, -1], rtol=1e-6)


def test_standard_deviations_are_those_of_the_parameters_and_so_are_their_gradients():
    k, rate = np.float32([4, 1e30]), np.float32([2, 1e30])
    std, (by_k, by_rate) = backend.value_and_gradients(
        lambda k, rate: sampling.gamma(k, rate).stddev(), k, rate
    )
    np.testing.assert_allclose(std, [1, 1e-15], rtol=1e-6)
    np.testing.assert_allclose(by_k, [0.125, 0], atol=1e-6)
    np.testing.assert_allclose(by_rate, [-0.5, 0], atol=1e-6)


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("visibles", energy.VISIBLES)
def test_unbounded_logits_never_give_nan(size, visibles):
    full = [ops.full(shape, tensor(size)) for shape in ((4, 3), (2, 4), (2, 3))]
    kind = energy.VISIBLES[visibles]
    params = energy.RBMParams(*full, kind(*(ops.zeros(4) for _ in kind.WEIGHT_RANGES)))
    v, seed = ops.ones((2, 4)), sampling.seed_pair(0)
    loss, gradients = backend.value_and_gradients(
        lambda params: energy.contrastive_divergence(params, v, 3, seed), params
    )
    results = [
        loss,
        *gradients[:3],
        energy.free_energy(params, v),
        energy.gibbs(params, v, 5, seed),
        energy.mean_field(params, v),
        energy.hidden_given_visible(params, v).log_prob(ops.zeros((2, 3))),
        energy.hidden_given_visible(params, v).mean(),
        energy.independent(params).visible_bias,
        energy.log_partition(params).nats,
    ]
    for result in results:
        assert np.all(np.isfinite(result))


@pytest.mark.tensorflow
def test_a_seed_is_made_by_one_call_in_a_graph():
    import tensorflow as tf

    backends.in_one_call.cache_clear()
    with tf.device("CPU:0"):  # where it is used first must leave no trace
        sampling.fold_in([1, 2], 3)

    @tf.function
    def function(seed):
        seeds = sampling.fold_in(seed, 3)
        assert seeds.shape.as_list() == [None, 2]
        assert sampling.fold_in(seed[0], tf.range(4)).shape.as_list() == [4, 2]
        return seeds

    graph = function.get_concrete_function(tf.TensorSpec((None, 2), tf.int32)).graph
    made = [operation.type for operation in graph.get_operations()]
    assert made.count("BitwiseXor") == 0
    assert sum(kind.endswith("PartitionedCall") for kind in made) == 2
    (mixed,) = graph.as_graph_def().library.function
    assert {node.op for node in mixed.node_def} >= {"BitwiseXor", "RightShift"}
    assert {node.device for node in mixed.node_def} == {""}
