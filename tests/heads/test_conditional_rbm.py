"""The conditional RBM beyond the contract: its equations, its gradients, its two estimates."""

import backend
import keras
import numpy as np
import pytest
from keras import ops
from reference import rbm as reference

from heads.helpers import built, chain_gradients, train
from seqlayers import energy, sampling
from seqlayers.heads import ConditionalRBM

V, H, C = 5, 4, 3
all_visibles = pytest.mark.parametrize("visibles", energy.VISIBLES)


def made(rng, V=V, H=H, context=True, scale=0.7, **kwargs):
    head = ConditionalRBM(V, H, **{"seed": 0} | kwargs)
    return built(head, C if context else None, rng, scale)


def frame_rbm(head, context=None):
    """The same RBM in NumPy: b + context A and c + context B, with offsets taken in."""
    W, b, c = (
        w.numpy().astype("float64") for w in (head.kernel, head.visible_bias, head.hidden_bias)
    )
    own = {name: getattr(head, name).numpy() for name in head.visible_kind.WEIGHT_RANGES}
    if context is not None:
        b = b + sum(
            u * row for u, row in zip(context, head.context_visible_kernel.numpy(), strict=True)
        )
        c = c + sum(
            u * row for u, row in zip(context, head.context_hidden_kernel.numpy(), strict=True)
        )
    return reference.RBM(W, b, c, **{k: a.astype("float64") for k, a in own.items()})


def frames_for(rng, head, *shape):
    return reference.random_frames(rng, frame_rbm(head), *shape).astype("float32")


@all_visibles
def test_each_frame_is_an_rbm_whose_biases_the_context_moves(rng, visibles):
    head = made(rng, visibles=visibles)
    frames, context = frames_for(rng, head, 2, 3), rng.normal(size=(2, 3, C)).astype("float32")
    expected = [
        [reference.log_prob(frame_rbm(head, u), v) for v, u in zip(*rows, strict=True)]
        for rows in zip(frames, context, strict=True)
    ]
    actual = head.log_prob(frames, context)
    np.testing.assert_allclose(actual.nats, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(actual.standard_error, np.zeros((2, 3)))
    np.testing.assert_array_equal(head.reverse_log_prob(frames, context).nats, actual.nats)


@pytest.mark.parametrize("visible_units", [1, 2])
def test_the_density_of_gaussian_visibles_integrates_to_one(rng, visible_units):
    head = made(rng, V=visible_units, visibles="gaussian")
    axis = np.linspace(-14, 14, 281 if visible_units == 2 else 4001)
    grid = np.stack(np.meshgrid(*[axis] * visible_units), axis=-1).reshape(-1, visible_units)
    context = np.tile(rng.normal(size=C), (len(grid), 1))
    density = np.exp(head.log_prob(grid, context).nats)
    np.testing.assert_allclose(density.sum() * (axis[1] - axis[0]) ** visible_units, 1, atol=1e-3)


@pytest.mark.parametrize(
    "visibles, temperature",
    [("bernoulli", 0.5), ("bernoulli", 1.0), ("gaussian", 2.0), ("gamma", 0.5)],
)
def test_draws_are_those_of_the_energy_over_the_temperature(rng, visibles, temperature):
    head, count = made(rng, visibles=visibles, scale=0.5, sampling_steps=20), 20_000
    if visibles == "gamma":  # at half the temperature k must be above 1/2
        head.log_shape.assign(np.abs(head.log_shape))
    u = rng.normal(size=C).astype("float32")
    hot = frame_rbm(head, u)
    if visibles == "bernoulli":  # E / T is the energy of an RBM with W / T, b / T, c / T
        hot = reference.RBM(hot.W / temperature, hot.b / temperature, hot.c / temperature)
    elif visibles == "gaussian":  # (v - b)^2 / (2 s^2 T): s^2 T, and v / (s^2 T) W leaves W alone
        hot = hot._replace(
            c=hot.c / temperature, log_variance=hot.log_variance + np.log(temperature)
        )
    else:  # rates over T are those with W / T and exp(-b) / T
        log_shape = np.log((np.exp(hot.log_shape) - 1) / temperature + 1)
        b = hot.b + np.log(temperature)
        hot = reference.RBM(hot.W / temperature, b, hot.c / temperature, log_shape=log_shape)
    mean, square, *_ = reference.moments(hot)
    draws = np.asarray(head.sample(np.tile(u, (count, 1)), sampling.seed_pair(4), temperature))
    products = draws[:, :, None] * draws[:, None]
    for values, expected in ((draws, mean), (products, square)):
        error = values.std(axis=0) / np.sqrt(count)
        assert np.all(np.abs(values.mean(axis=0) - expected) <= 5 * error)


@pytest.mark.slow
@all_visibles
def test_with_many_steps_cd_is_the_gradient_of_the_likelihood(rng, visibles):
    head = made(rng, visibles=visibles, gibbs_steps=30)
    frames, context = frames_for(rng, head, 3), rng.normal(size=(3, C)).astype("float32")
    exact = [
        reference.negative_log_prob_gradient(frame_rbm(head, u), [v])[:3]
        for v, u in zip(frames, context, strict=True)
    ]
    exact = [np.mean(parts, axis=0) for parts in zip(*exact, strict=True)]
    names = ("kernel", "visible_bias", "hidden_bias")
    many = chain_gradients(head, frames, context, rows=4000)
    head.gibbs_steps = 1
    one = chain_gradients(head, frames, context, rows=4000)

    def distance(estimate):
        return max(np.abs(estimate[n] - e).max() for n, e in zip(names, exact, strict=True))

    assert distance(many) < 0.05
    assert distance(one) > 2 * distance(many)


def trained(head, frames, steps=400, learning_rate=0.02):
    """Mean log-likelihood before and after plain training on all frames."""
    before = float(np.mean(head.log_prob(frames).nats))
    train(head, frames, steps, learning_rate)
    return before, float(np.mean(head.log_prob(frames).nats))


def noisy_pairs():
    """Two patterns with a tenth of the units flipped, and the log-likelihood of the best model."""
    rng = np.random.default_rng(0)
    patterns = np.array([[1, 1, 0, 0, 0], [0, 0, 0, 1, 1]])
    frames = patterns[rng.integers(0, 2, 200)] ^ (rng.random((200, V)) < 0.1)
    flipped = (frames[:, None] != patterns).sum(axis=-1)
    truth = np.log(np.mean(0.1**flipped * 0.9 ** (V - flipped), axis=1)).mean()
    return frames.astype("float32"), truth


@pytest.mark.parametrize(
    "options",
    [{}, {"persistent_chains": 40}, {"centering_rate": 0.05}],
    ids=["cd", "pcd", "centered"],
)
def test_training_finds_what_there_is_to_know(rng, options):
    frames, truth = noisy_pairs()
    head = made(rng, context=False, scale=0.05, gibbs_steps=3, **options)
    before, after = trained(head, frames)
    assert before < truth - 0.5
    assert abs(after - truth) < 0.15


def test_training_on_amplitudes_raises_their_likelihood(rng):
    # Loud frames and quiet ones, each with multiplicative noise.
    loud = np.array([[4, 4, 1, 1, 0.2], [0.2, 1, 1, 4, 4]])[rng.integers(0, 2, 200)]
    frames = (loud * rng.gamma(9.0, 1 / 9.0, size=loud.shape)).astype("float32")
    head = made(rng, context=False, scale=0.05, gibbs_steps=1, visibles="gamma")
    before, after = trained(head, frames, learning_rate=0.03)
    # No independent gamma units, fitted to the moments, come as near.
    k = frames.mean(axis=0) ** 2 / frames.var(axis=0)
    alone = reference.RBM(np.zeros((V, 1)), np.log(frames.mean(axis=0) / k), np.zeros(1))
    alone = alone._replace(log_shape=np.log(k))
    independent = np.mean([reference.log_prob(alone, v) for v in frames])
    assert before < independent < after - 0.5


@pytest.mark.parametrize("rate", [0.05, 1])
def test_gamma_visibles_refuse_centering(rate):
    with pytest.raises(ValueError, match="`centering_rate` must be None with gamma.*Received"):
        ConditionalRBM(V, H, visibles="gamma", centering_rate=rate)


def test_persistent_chains_go_on_where_they_were_and_only_in_training(rng):
    head = made(rng, context=False, persistent_chains=6, gibbs_steps=1)
    frames, seed = noisy_pairs()[0], sampling.seed_pair(3)
    head.loss(frames, seed=seed)
    np.testing.assert_array_equal(head.chains, np.zeros((6, V)))
    head.loss(frames, seed=seed, training=True)
    expected = energy.gibbs(head.params(), ops.zeros((6, V)), 1, seed)
    np.testing.assert_array_equal(head.chains, expected)
    head.loss(frames, seed=seed, training=True)
    np.testing.assert_array_equal(head.chains, energy.gibbs(head.params(), expected, 1, seed))


def test_persistent_chains_refuse_a_context():
    head = ConditionalRBM(V, H, persistent_chains=6)
    with pytest.raises(ValueError, match="`persistent_chains` needs a head without context.*6"):
        head.build([(None, None, V), (None, None, C)])


@pytest.mark.parametrize("visibles", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("with_context", [True, False], ids=["context", "alone"])
def test_moving_the_offsets_does_not_move_the_distribution(rng, visibles, with_context):
    head = made(rng, visibles=visibles, context=with_context, centering_rate=0.5)
    frames = frames_for(rng, head, 8, 3)
    context = rng.normal(size=(8, 3, C)).astype("float32") if with_context else None
    mask = rng.random((8, 3)) < 0.7
    before = np.asarray(head.log_prob(frames, context).nats)
    for _ in range(3):
        head._move_offsets(frames, context, mask)
    assert np.abs(head.visible_offset).min() > 1e-3
    assert np.abs(head.hidden_offset).min() > 1e-3
    np.testing.assert_allclose(head.log_prob(frames, context).nats, before, rtol=1e-4, atol=1e-4)


def test_offsets_are_moving_averages_of_the_frames_that_count(rng):
    head = made(rng, context=False, centering_rate=0.25)
    frames, mask = frames_for(rng, head, 8, 3), rng.random((8, 3)) < 0.7
    h = np.asarray(energy.hidden_given_visible(head.params(), frames).mean())[mask].mean(axis=0)
    head.loss(frames, mask=mask, training=False)
    np.testing.assert_array_equal(head.visible_offset, np.zeros(V))
    head.loss(frames, mask=mask, training=True)
    np.testing.assert_allclose(head.visible_offset, 0.25 * frames[mask].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(head.hidden_offset, 0.25 * h, atol=1e-6)
    offsets = head.visible_offset.numpy(), head.hidden_offset.numpy()
    head.loss(frames, mask=np.zeros((8, 3), bool), training=True)
    np.testing.assert_array_equal(head.visible_offset, offsets[0])
    np.testing.assert_array_equal(head.hidden_offset, offsets[1])


@pytest.mark.parametrize(
    "visible_units, hidden_units, visibles, kind",
    [
        (88, 20, "bernoulli", "exact"),
        (20, 150, "bernoulli", "exact"),
        (21, 21, "bernoulli", "estimate"),
        (20, 21, "gaussian", "estimate"),
        (88, 20, "gaussian", "exact"),
        (20, 21, "gamma", "estimate"),
        (88, 20, "gamma", "exact"),
    ],
)
def test_a_likelihood_is_exact_while_a_side_can_be_enumerated(
    visible_units, hidden_units, visibles, kind
):
    head = ConditionalRBM(visible_units, hidden_units, visibles=visibles)
    head.build((None, None, visible_units))
    assert head.kind == kind


def with_idle_units(rng, visibles="bernoulli", with_context=True):
    """21 by 21 units of which only 4 by 3 talk to each other: too large to enumerate, yet known.

    The others are independent, and log p is the sum over both parts.
    """
    num_betas = 100 if with_context else 40  # without a context ten times as many are taken
    head = made(rng, 21, 21, with_context, visibles=visibles, num_betas=num_betas, num_chains=10)
    kernel = head.kernel.numpy()
    kernel[4:], kernel[:, 3:] = 0, 0
    head.kernel.assign(kernel)
    frames = frames_for(rng, head, 12)
    context = rng.normal(size=(12, C)).astype("float32") if with_context else None
    expected = []
    for n, v in enumerate(frames.astype("float64")):
        rbm = frame_rbm(head, None if context is None else context[n])
        parts = [slice(4)] + [slice(i, i + 1) for i in range(4, 21)]
        nats = 0.0
        for i, part in enumerate(parts):
            W, b, *own = (None if a is None else a[part] for a in (rbm.W, rbm.b, *rbm[3:]))
            hidden = slice(3 if i == 0 else 0)
            one = reference.RBM(W[:, hidden], b, rbm.c[hidden], *own)
            nats += reference.log_prob(one, v[part])
        expected.append(nats)
    return head, frames, context, np.array(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "visibles, with_context",
    [("bernoulli", True), ("bernoulli", False), ("gaussian", True), ("gamma", False)],
)
def test_the_two_estimates_lie_on_either_side_of_a_known_likelihood(rng, visibles, with_context):
    head, frames, context, expected = with_idle_units(rng, visibles, with_context)
    assert head.kind == "estimate"

    @backend.compiled
    def both():
        seed = sampling.seed_pair(2)
        return head.log_prob(frames, context, seed), head.reverse_log_prob(frames, context, seed)

    above, below = both()
    for estimate in (above, below):
        assert np.all(estimate.standard_error > 0)
        off = np.abs(estimate.nats - expected)
        assert np.all(off < 5 * estimate.standard_error + 0.02)
        assert np.mean(off) < 0.05
    slack = 5 * max(np.mean(estimate.standard_error) for estimate in (above, below))
    assert np.mean(below.nats) - slack < np.mean(expected) < np.mean(above.nats) + slack


def test_fit_moves_the_offsets_of_a_centered_rbm_but_not_its_probabilities(rng, tmp_path):
    head = made(rng, context=False, centering_rate=0.5, gibbs_steps=1)
    frames = rng.integers(0, 2, (20, V)).astype("float32")
    before = np.asarray(head.log_prob(frames).nats)
    model = keras.Sequential([keras.Input((V,)), head])
    model.compile(keras.optimizers.SGD(0.0))
    model.fit(frames, epochs=2, verbose=0)
    assert np.abs(head.visible_offset).min() > 0.1
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    for each in (head, loaded):
        np.testing.assert_allclose(each.log_prob(frames).nats, before, atol=1e-5)


def test_an_estimate_has_a_seed_and_its_rows_do_not_depend_on_the_others(rng):
    head, frames, context, _ = with_idle_units(rng)
    head.num_betas, seed = 5, sampling.row_seeds(sampling.seed_pair(2), len(frames))

    @backend.graph
    def estimate(frames, context, seed):
        return head.log_prob(frames, context, seed).nats

    whole = estimate(frames, context, seed)
    np.testing.assert_array_equal(estimate(frames, context, seed), whole)
    part = estimate(frames[3:5], context[3:5], seed[3:5])
    np.testing.assert_allclose(part, whole[3:5], atol=1e-4)
    assert np.any(estimate(frames, context, seed + 1) != whole)


@pytest.mark.parametrize("visibles", ["gaussian", "gamma"])
def test_the_weights_that_are_the_visibles_own_stay_in_their_range(rng, visibles):
    head = ConditionalRBM(2, 3, gibbs_steps=1, visibles=visibles, seed=0)
    model = keras.Sequential([keras.Input((2,)), head])
    model.compile(keras.optimizers.SGD(1e4))
    model.fit(np.abs(100.0 * rng.normal(size=(8, 2))), batch_size=4, verbose=0)
    ((name, (low, high)),) = head.visible_kind.WEIGHT_RANGES.items()
    values = getattr(head, name).numpy()
    assert np.all((low <= values) & (values <= high))
    assert np.any((values == low) | (values == high))


def test_a_reconstruction_is_one_pass_in_expectations(rng):
    head = made(rng)
    v, u = frames_for(rng, head, 1)[0], rng.normal(size=C).astype("float32")
    W, b, c, *_ = frame_rbm(head, u)
    h = 1 / (1 + np.exp(-(c + v @ W)))
    expected = 1 / (1 + np.exp(-(b + W @ h)))
    np.testing.assert_allclose(head.reconstruct(v[None], u[None])[0], expected, atol=1e-5)


@pytest.mark.parametrize("rate", [0, -0.1, 1.5, float("nan")])
def test_a_centering_rate_lies_above_zero_and_not_above_one(rate):
    with pytest.raises(
        ValueError,
        match="`centering_rate` must be a finite number above 0 and of at most 1.*Received",
    ):
        ConditionalRBM(V, H, centering_rate=rate)


@pytest.mark.parametrize("visibles", ["poisson", None, "Bernoulli"])
def test_unknown_visibles_are_refused_and_the_known_ones_named(visibles):
    match = f'must be "bernoulli" or "gaussian" or "gamma".*Received.*{visibles!r}'
    with pytest.raises(ValueError, match=match):
        ConditionalRBM(V, H, visibles=visibles)


@pytest.mark.filterwarnings("ignore:.*not yet been built:UserWarning")
def test_a_model_is_saved_before_it_has_weights(tmp_path):
    keras.Sequential([ConditionalRBM(3, 4)]).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].hidden_units == 4 and not loaded.built
