"""The conditional DBN against enumeration: its bound, its draws, its two gradients."""

import backend
import numpy as np
import pytest
from backend import tensor
from keras import ops
from reference import dbn as reference

from heads.helpers import (
    assert_shares,
    binary_frames,
    built,
    chain_gradients,
    dbn_in_numpy,
    frame_numbers,
    train,
)
from seqlayers import energy, sampling
from seqlayers.heads import ConditionalDBN, ConditionalRBM

V, C = 4, 2
UNITS = {"two": (3, 2), "three": (3, 2, 3)}
layers = pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
objectives = pytest.mark.parametrize("objective", ["variational", "contrastive"])
STATES = binary_frames(V)
METHODS = ["log_prob", "reverse_log_prob"]


def made(rng, units=(3, 2), context=True, scale=1.0, V=V, **kwargs):
    head = ConditionalDBN(V, units, **{"seed": 0, "dtype": backend.FINEST} | kwargs)
    return built(head, C if context else None, rng, scale)


def weight(head, name):
    return {w.name: w for w in head.weights}[name]


def data(rng, *shape):
    return rng.integers(0, 2, (*shape, V)) * 1.0, rng.normal(size=(*shape, C))


def log_prob(head, frames, context, method="log_prob"):
    """The likelihood in a graph, without which loops over samples and annealing steps are slow."""
    run = backend.graph(getattr(head, method))
    return run(frames, context, sampling.seed_pair(1))


# Likelihood.


@layers
@objectives
def test_one_sample_is_on_average_the_variational_bound(rng, units, objective):
    head, count = made(rng, units, num_samples=1, objective=objective), 20_000
    frame, context = data(rng)
    expected = reference.bound(dbn_in_numpy(head, context), frame)
    assert expected < reference.log_prob(dbn_in_numpy(head, context), frame) - 0.01
    many = np.tile(frame, (count, 1)), np.tile(context, (count, 1))
    nats, error = head.log_prob(*many, sampling.seed_pair(1))
    assert abs(np.mean(nats) - expected) <= 5 * np.std(nats) / np.sqrt(count)
    np.testing.assert_array_equal(error, np.full(count, np.inf))


@pytest.mark.slow
@layers
def test_many_samples_come_near_the_likelihood_by_enumeration(rng, units):
    head = made(rng, units, num_samples=200, scale=0.3)
    frames, context = data(rng, 2, 3)
    expected = [
        [reference.log_prob(dbn_in_numpy(head, u), v) for v, u in zip(*rows, strict=True)]
        for rows in zip(frames, context, strict=True)
    ]
    nats, error = map(np.asarray, log_prob(head, frames, context))
    assert np.all(np.abs(nats - expected) <= 5 * error + 0.02)
    assert np.all((error > 0) & (error < 0.2))


def test_the_standard_error_is_the_spread_of_the_estimate(rng):
    head, count = made(rng, num_samples=50, scale=0.4), 1000
    frame, context = data(rng)
    many = np.tile(frame, (count, 1)), np.tile(context, (count, 1))
    nats, error = log_prob(head, *many)
    assert np.mean(error) == pytest.approx(np.std(np.asarray(nats)), rel=0.15)


def test_more_samples_make_a_tighter_bound(rng):
    head, count = made(rng, scale=1.5), 2000
    frame, context = data(rng)
    many, bounds = (np.tile(frame, (count, 1)), np.tile(context, (count, 1))), []
    for head.num_samples in (1, 3, 30):
        bounds.append(np.mean(log_prob(head, *many).nats))
    truth = reference.log_prob(dbn_in_numpy(head, context), frame)
    assert bounds[0] + 0.01 < bounds[1] < bounds[2] - 0.01 < truth


@pytest.mark.parametrize("with_context", [True, False], ids=["context", "alone"])
def test_one_layer_is_an_rbm(rng, with_context):
    rbm = ConditionalRBM(25, 22, 2, sampling_steps=3, num_betas=5, num_chains=2, seed=0)
    dbn = ConditionalDBN(25, (22,), 2, sampling_steps=3, num_betas=5, num_chains=2, seed=0)
    for head in (rbm, dbn):
        built(head, C if with_context else None)
    visible, hidden = dbn.generation
    shared = [(hidden.kernel, rbm.kernel), (visible.bias, rbm.visible_bias)]
    for mine, its in (*shared, (hidden.bias, rbm.hidden_bias)):
        its.assign(0.3 * rng.normal(size=its.shape))
        mine.assign(its)
    if with_context:
        visible.context_kernel.assign(rbm.context_visible_kernel)
        hidden.context_kernel.assign(rbm.context_hidden_kernel)
    frames = rng.integers(0, 2, (6, 25)).astype("float32")
    context = rng.normal(size=(6, C)).astype("float32") if with_context else None
    assert dbn.kind == rbm.kind == "estimate"
    for method in METHODS:
        mine, its = (log_prob(h, frames, context, method) for h in (dbn, rbm))
        np.testing.assert_allclose(mine.nats, its.nats, atol=1e-5)
        np.testing.assert_allclose(mine.standard_error, its.standard_error, atol=1e-5)
    for call in ("loss", "reconstruct", "encode"):
        mine, its = (getattr(h, call)(frames, context) for h in (dbn, rbm))
        np.testing.assert_allclose(mine, its, atol=1e-6)
    draws = [h.sample(context, sampling.seed_pair(1), num_frames=6) for h in (dbn, rbm)]
    np.testing.assert_array_equal(*draws)
    assert ConditionalDBN(25, (20,)).kind == ConditionalRBM(25, 20).kind == "exact"


@pytest.mark.slow
@pytest.mark.parametrize("with_context", [True, False], ids=["context", "alone"])
def test_annealing_finds_log_z_from_both_sides(rng, monkeypatch, with_context):
    options = {"num_samples": 50, "num_betas": 10 if with_context else 3, "num_chains": 3}
    head = made(rng, (6, 5), with_context, **options)
    frames, context = data(rng, 40)
    context = context if with_context else None
    exact, reverse = (log_prob(head, frames, context, m) for m in METHODS)
    np.testing.assert_array_equal(reverse.nats, exact.nats)
    monkeypatch.setattr(ConditionalDBN, "can_enumerate", lambda self: False)
    ais, reverse = (log_prob(head, frames, context, m) for m in METHODS)
    for estimate in (ais, reverse):
        error = np.sqrt(np.mean(np.square(estimate.standard_error)) / (40 if with_context else 1))
        assert abs(np.mean(estimate.nats - exact.nats)) < 5 * error + 0.05
        assert np.all(estimate.standard_error > exact.standard_error)


# Draws and codes.


@pytest.mark.parametrize(
    "units, temperature", [((3, 2), 0.5), ((3, 2), 3.0), ((3, 2, 3), 1.0), ((3, 2, 3), 0.5)]
)
def test_draws_have_the_probabilities_of_the_equations(rng, units, temperature):
    head = made(rng, units, scale=0.6, sampling_steps=20, dtype="float32")
    count = 20_000
    u = rng.normal(size=C)
    p = np.exp(reference.log_probs(reference.tempered(dbn_in_numpy(head, u), temperature), STATES))
    assert p.sum() == pytest.approx(1)
    draws = np.asarray(head.sample(np.tile(u, (count, 1)), sampling.seed_pair(4), temperature))
    assert_shares(draws, p)


@layers
@objectives
def test_codes_and_reconstructions_are_those_of_the_equations(rng, units, objective):
    head = made(rng, units, objective=objective)
    frames, context = data(rng, 3)
    expected = [
        reference.reconstruction(dbn_in_numpy(head, u), v)
        for v, u in zip(frames, context, strict=True)
    ]
    codes, recoveries = zip(*expected, strict=True)
    code = head.encode(frames, context)
    np.testing.assert_allclose(code, codes, rtol=0, atol=backend.EXACT)
    np.testing.assert_allclose(
        head.reconstruct(frames, context), recoveries, rtol=0, atol=backend.EXACT
    )
    np.testing.assert_allclose(head.decode(code, context), recoveries, rtol=0, atol=backend.EXACT)
    assert code.shape[-1] == head.code_units == units[-1]


# Training.


def slopes(head, frames, context, function, names, step=1e-4):
    """The gradient by finite differences of the mean of `function(dbn, v)`."""

    def mean():
        return np.mean(
            [function(dbn_in_numpy(head, u), v) for v, u in zip(frames, context, strict=True)]
        )

    result = {}
    for name in names:
        w = weight(head, name)
        start, result[name] = w.numpy(), np.zeros(w.shape)
        for index in np.ndindex(*w.shape):
            for sign in (1, -1):
                moved = start.copy()
                moved[index] += sign * step
                w.assign(moved)
                result[name][index] += sign * mean() / (2 * step)
        w.assign(start)
    return result


GENERATIVE = ["hidden_1_kernel", "hidden_2_kernel", "visible_bias", "hidden_1_bias"]
GENERATIVE += ["context_visible_kernel", "context_hidden_2_kernel"]


@pytest.mark.slow
def test_one_particle_follows_the_gradient_of_the_variational_bound(rng):
    head = made(rng, gibbs_steps=40, num_particles=1, scale=0.7)
    frames, context = data(rng, 2)
    found = chain_gradients(head, frames, context, rows=20_000)
    wanted = slopes(head, frames, context, lambda dbn, v: -reference.bound(dbn, v), GENERATIVE)
    for name in GENERATIVE:
        np.testing.assert_allclose(found[name], wanted[name], atol=0.05)
    for name in set(found) - set(GENERATIVE):
        if "recognition" in name:
            np.testing.assert_array_equal(found[name], np.zeros(found[name].shape))


@pytest.mark.slow
def test_many_particles_follow_the_gradients_of_the_likelihood_and_of_the_posterior(rng):
    head = made(rng, gibbs_steps=40, num_particles=200, scale=0.7)
    frames, context = data(rng, 2)
    found = chain_gradients(head, frames, context, rows=4000)
    wanted = slopes(head, frames, context, lambda dbn, v: -reference.log_prob(dbn, v), GENERATIVE)
    names = ["recognition_1_kernel", "recognition_1_bias", "context_recognition_1_kernel"]
    wanted |= slopes(head, frames, context, reference.posterior_cross_entropy, names)
    for name, gradient in wanted.items():
        np.testing.assert_allclose(found[name], gradient, atol=0.05)


def test_the_contrastive_loss_is_a_sum_over_pairs_on_mean_activations(rng):
    head = made(rng, (3, 2, 3), objective="contrastive", gibbs_steps=2)
    frames, context = data(rng, 2, 3)
    seed, loss, x = sampling.row_seeds(sampling.seed_pair(3), 2), 0.0, tensor(frames)
    for i, pair in enumerate(head.pairs(context)):
        pair_seed = sampling.fold_in(seed, -i) if i else seed
        loss += energy.contrastive_divergence(pair, x, 2, pair_seed)
        x = ops.sigmoid(pair.hidden_bias + x @ pair.kernel)
    assert float(head.loss(frames, context, seed=seed)) == pytest.approx(
        float(loss), abs=backend.EXACT
    )


def test_the_context_gets_no_error_from_recognition(rng):
    head = made(rng)
    for layer in head.generation:
        layer.context_kernel.assign(np.zeros(layer.context_kernel.shape))
    frames, context = (tensor(x) for x in data(rng, 5))
    kernel = head.recognition[0].context_kernel
    _, (kernel, error) = backend.value_and_gradients(
        lambda context: head.loss(frames, context), context, variables=[kernel]
    )
    assert np.any(kernel != 0)
    np.testing.assert_array_equal(error, np.zeros((5, C)))


def patterns(count=200):
    """One of three patterns, with a tenth of the units flipped."""
    rng = np.random.default_rng(0)
    centres = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])
    return (centres[rng.integers(0, 3, count)] ^ (rng.random((count, V)) < 0.1)) * 1.0


def likelihood(head, frames):
    p = reference.log_probs(dbn_in_numpy(head), STATES)
    return np.mean(p[frame_numbers(frames)])


@pytest.mark.slow
@objectives
def test_training_all_layers_at_once_raises_the_likelihood(rng, objective):
    frames = patterns()
    head = made(rng, (4, 3), context=False, scale=0.1, gibbs_steps=2, objective=objective)
    before = likelihood(head, frames)
    train(head, frames, steps=300)
    counts = np.unique(frames, axis=0, return_counts=True)[1] / len(frames)
    best = np.sum(counts * np.log(counts))
    after = likelihood(head, frames)
    assert before < best - 0.4
    assert after > best - {"variational": 0.15, "contrastive": 0.3}[objective]


# What is refused.


@pytest.mark.parametrize("units", [(), [], None, 150, "150"])
def test_hidden_units_are_a_number_for_each_layer(units):
    with pytest.raises(ValueError, match="`hidden_units` must be a tuple.*Received: hidden_units="):
        ConditionalDBN(V, units)


@pytest.mark.parametrize("units", [(0,), (3, -1), (3, 2.0), (True, 3), (3, None)])
def test_each_layer_has_a_whole_number_of_units(units):
    with pytest.raises(ValueError, match=r"`hidden_units\[\d\]` must be an integer of at least 1"):
        ConditionalDBN(V, units)


def test_an_unknown_objective_is_refused():
    with pytest.raises(
        ValueError, match='`objective` must be "variational" or "contrastive".*elbo'
    ):
        ConditionalDBN(V, objective="elbo")


def test_a_code_of_another_size_or_without_its_context_is_refused(rng):
    head = made(rng)
    with pytest.raises(ValueError, match="`code` must have 2 values a frame.*3"):
        head.decode(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="`context` must be given.*Received: context=None"):
        head.decode(np.zeros((1, 2)))
    assert made(rng, context=False).decode(np.zeros((1, 2))).shape == (1, V)
