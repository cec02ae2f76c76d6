"""The RBM's functions against the equations, in loops."""

import backend
import keras
import numpy as np
import pytest
from backend import tensor
from keras import ops
from reference import rbm as reference

from energy.helpers import all_visibles, tensors
from seqlayers import energy, sampling
from seqlayers.energy.visibles import AMPLITUDE_FLOOR

pytestmark = pytest.mark.float64  # exact comparisons
DTYPES = {"float64": 1e-10, "float32": 2e-5}  # and the tolerance, absolute and relative
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def arrays(params):
    own = {name: np.asarray(a, "float64") for name, a in params.visibles._asdict().items()}
    return reference.RBM(*(np.asarray(a, "float64") for a in params[:3]), **own)


def assert_close(actual, expected, dtype="float64"):
    assert keras.backend.standardize_dtype(actual.dtype) == dtype
    assert actual.shape == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=DTYPES[dtype], atol=DTYPES[dtype])


@both_dtypes
@all_visibles
def test_free_energy_is_minus_the_log_of_the_sum_over_hidden_states(rng, visibles, dtype):
    rbm = reference.random_rbm(rng, 5, 4, visibles=visibles)
    v = reference.random_frames(rng, rbm, 6)
    expected = [reference.free_energy(rbm, row) for row in v]
    assert_close(energy.free_energy(tensors(rbm, dtype), tensor(v, dtype)), expected, dtype)


@both_dtypes
@all_visibles
def test_hidden_probabilities_are_ratios_of_sums(rng, visibles, dtype):
    rbm = reference.random_rbm(rng, 5, 4, visibles=visibles)
    v = reference.random_frames(rng, rbm, 6)
    expected = [reference.hidden_given_visible(rbm, row) for row in v]
    actual = energy.hidden_given_visible(tensors(rbm, dtype), tensor(v, dtype))
    assert_close(actual.mean(), expected, dtype)
    p, h = np.array(expected), rng.integers(0, 2, (6, 4))
    expected = np.log(np.where(h == 1, p, 1 - p))
    assert_close(actual.log_prob(tensor(h, dtype)), expected, dtype)


@both_dtypes
@all_visibles
def test_visible_distribution_has_the_moments_of_the_conditional(rng, visibles, dtype):
    rbm = reference.random_rbm(rng, 5, 4, visibles=visibles)
    h = rng.integers(0, 2, (6, 4)) * 1.0
    mean = np.array([reference.visible_given_hidden(rbm, row) for row in h])
    actual = energy.visible_given_hidden(tensors(rbm, dtype), tensor(h, dtype))
    assert_close(actual.mean(), mean, dtype)
    variance = [reference.visible_variance(rbm, row) for row in h] + 0 * mean
    assert_close(actual.variance(), variance, dtype)


@all_visibles
def test_conditionals_are_the_joint_over_the_marginal(rng, visibles):
    # log p(h | v) = F(v) - E(v, h), and log p(v | h) = -E(v, h) - log sum_v' exp(-E(v', h))
    rbm = reference.random_rbm(rng, 4, 3, visibles=visibles)
    v, h = reference.random_frames(rng, rbm, 7), rng.integers(0, 2, (7, 3)) * 1.0
    joint = np.array([-reference.energy(rbm, a, b) for a, b in zip(v, h, strict=True)])
    up = joint + [reference.free_energy(rbm, a) for a in v]
    down = joint - [reference.log_weight_of_hidden(rbm, b) for b in h]
    params = tensors(rbm, "float64")
    actual = ops.sum(energy.hidden_given_visible(params, v).log_prob(h), -1)
    assert_close(actual, up)
    actual = ops.sum(energy.visible_given_hidden(params, h).log_prob(v), -1)
    assert_close(actual, down)


@both_dtypes
@all_visibles
def test_mean_field_goes_up_and_down_in_expectations(rng, visibles, dtype):
    rbm = reference.random_rbm(rng, 5, 4, visibles=visibles)
    v = reference.random_frames(rng, rbm, 6)
    up = [reference.hidden_given_visible(rbm, row) for row in v]
    # E[v | h] at an h between 0 and 1: b + W h, which Bernoulli units squash; k / rate(h).
    if visibles == "gamma":
        expected = [reference.visible_given_hidden(rbm, h) for h in up]
    else:
        expected = np.array([rbm.b + [sum(rbm.W[i] * h) for i in range(5)] for h in up])
    if visibles == "bernoulli":
        expected = 1 / (1 + np.exp(-expected))
    assert_close(energy.mean_field(tensors(rbm, dtype), tensor(v, dtype)), expected, dtype)


@both_dtypes
@all_visibles
def test_per_frame_biases_equal_a_loop_over_frames(rng, visibles, dtype):
    rbm = reference.random_rbm(rng, 4, 3, frames=(2, 3), visibles=visibles)
    v, h = reference.random_frames(rng, rbm, 2, 3), rng.integers(0, 2, (2, 3, 3)) * 1.0
    params = tensors(rbm, dtype)
    actual = {
        "free_energy": energy.free_energy(params, tensor(v, dtype)),
        "up": energy.hidden_given_visible(params, tensor(v, dtype)).mean(),
        "down": energy.visible_given_hidden(params, tensor(h, dtype)).mean(),
        "independent": energy.independent(params).visible_bias,
        "independent, hidden": energy.independent(params).hidden_bias,
    }
    expected = {name: np.zeros(a.shape) for name, a in actual.items()}
    for index, one, v1, h1 in reference.each_frame(rbm, v, h):
        expected["free_energy"][index] = reference.free_energy(one, v1)
        expected["up"][index] = reference.hidden_given_visible(one, v1)
        expected["down"][index] = reference.visible_given_hidden(one, h1)
        b, c = reference.independent(one)
        expected["independent"][index], expected["independent, hidden"][index] = b, c
    for name in actual:
        assert_close(actual[name], expected[name], dtype)


@all_visibles
@pytest.mark.parametrize("which", ["visible", "hidden"])
def test_one_of_the_biases_alone_may_have_leading_axes(rng, visibles, which):
    rbm = reference.random_rbm(rng, 4, 3, frames=(5,), visibles=visibles)
    wide = {"visible": rbm._replace(c=rbm.c[0]), "hidden": rbm._replace(b=rbm.b[0])}[which]
    b, c = np.broadcast_to(wide.b, (5, 4)), np.broadcast_to(wide.c, (5, 3))
    v = reference.random_frames(rng, rbm, 5)
    actual = energy.free_energy(tensors(wide, "float64"), v)
    assert_close(actual, energy.free_energy(tensors(rbm._replace(b=b, c=c), "float64"), v))


@both_dtypes
@all_visibles
@pytest.mark.parametrize("temperature", [0.5, 3])
def test_temperature_divides_the_energy(rng, visibles, dtype, temperature):
    # The log-probability of a half-step is -E / T, up to what does not depend on the unit drawn.
    rbm = reference.random_rbm(rng, 3, 2, visibles=visibles)
    params, tolerance = tensors(rbm, dtype), 10 * DTYPES[dtype]
    v, hidden = reference.random_frames(rng, rbm, 8), np.array(reference.binary_states(2))
    tempered = np.array([[-reference.energy(rbm, a, b) / temperature for b in hidden] for a in v])

    up = energy.hidden_given_visible(params, tensor(v[:, None], dtype), temperature)
    up = ops.sum(up.log_prob(tensor(hidden, dtype)), -1)
    expected = tempered - np.log(np.sum(np.exp(tempered), axis=1, keepdims=True))
    np.testing.assert_allclose(up, expected, atol=tolerance, rtol=tolerance)

    down = energy.visible_given_hidden(params, tensor(hidden, dtype), temperature)
    down = ops.sum(down.log_prob(tensor(v[:, None], dtype)), -1) - tempered
    np.testing.assert_allclose(down - down[0], 0 * tempered, atol=tolerance)


@all_visibles
def test_rows_may_have_temperatures_of_their_own(rng, visibles):
    rbm = reference.random_rbm(rng, 3, 2, visibles=visibles)
    params, v = tensors(rbm, "float64"), tensor(reference.random_frames(rng, rbm, 4))
    h = tensor(rng.integers(0, 2, (4, 2)) * 1.0)
    temperatures = tensor([[0.5], [1.0], [2.0], [4.0]], "float64")
    up = energy.hidden_given_visible(params, v, temperatures)
    down = energy.visible_given_hidden(params, h, temperatures)
    for i, temperature in enumerate([0.5, 1.0, 2.0, 4.0]):
        one = energy.hidden_given_visible(params, v[i], temperature)
        assert_close(up.mean()[i], one.mean())
        one = energy.visible_given_hidden(params, h[i], temperature)
        assert_close(down.mean()[i], one.mean())
        assert_close(down.stddev()[i], one.stddev())


@both_dtypes
@pytest.mark.parametrize("visibles", ["bernoulli", "gaussian"])
def test_centered_is_the_centered_energy_up_to_a_constant(rng, visibles, dtype):
    rbm = reference.random_rbm(rng, 3, 2, visibles=visibles)
    m, l = rng.normal(size=3), rng.uniform(size=2)  # noqa: E741 - the letter of the equation
    params = energy.centered(tensors(rbm, dtype), tensor(m, dtype), tensor(l, dtype))
    differences = [
        reference.energy(arrays(params), v, h) - reference.centered_energy(rbm, v, h, m, l)
        for v in reference.random_frames(rng, rbm, 8)
        for h in reference.binary_states(2)
    ]
    np.testing.assert_allclose(differences - differences[0], 0, atol=10 * DTYPES[dtype])


def test_gamma_visibles_are_not_centered(rng):
    params = tensors(reference.random_rbm(rng, 3, 2, visibles="gamma"), "float64")
    with pytest.raises(ValueError, match="needs Bernoulli or Gaussian visibles. Received: gamma"):
        energy.centered(params, ops.zeros(3), ops.zeros(2))


def test_centered_takes_biases_with_a_row_for_each_frame(rng):
    rbm = reference.random_rbm(rng, 3, 2, frames=(4,))
    m, l = rng.normal(size=3), rng.uniform(size=2)  # noqa: E741
    many = energy.centered(tensors(rbm, "float64"), m, l)
    for index, one in reference.each_frame(rbm):
        alone = energy.centered(tensors(one, "float64"), m, l)
        assert_close(many.visible_bias[index], alone.visible_bias)
        assert_close(many.hidden_bias[index], alone.hidden_bias)


@both_dtypes
@all_visibles
def test_independent_keeps_each_visible_as_if_it_were_alone(rng, visibles, dtype):
    rbm = reference.random_rbm(rng, 4, 3, visibles=visibles)
    base = energy.independent(tensors(rbm, dtype))
    b, c = reference.independent(rbm)
    assert_close(base.visible_bias, b, dtype)
    assert_close(base.kernel, np.zeros((4, 3)), dtype)
    assert_close(base.hidden_bias, c, dtype)
    assert type(base.visibles) is energy.VISIBLES[visibles]


@all_visibles
def test_gradient_of_free_energy_is_that_of_finite_differences(rng, visibles):
    rbm = reference.random_rbm(rng, 4, 3, visibles=visibles)
    v = (
        reference.random_frames(rng, rbm, 3) + 0.25
    )  # between 0 and 1 it is a polynomial in v as well
    _, gradients = backend.value_and_gradients(energy.free_energy, tensors(rbm, "float64"), v)

    def loss():
        return sum(reference.free_energy(rbm, row) for row in v)

    assert_slopes(loss, [a for a in rbm if a is not None] + [v], gradients)


@all_visibles
def test_gradient_of_contrastive_divergence_holds_the_samples(rng, visibles):
    rbm = reference.random_rbm(rng, 4, 3, visibles=visibles)
    v, seed = reference.random_frames(rng, rbm, 5), sampling.seed_pair(7)
    params = tensors(rbm, "float64")
    v_model = np.asarray(energy.gibbs(params, tensor(v), 3, seed))
    assert np.any(v_model != v)

    def loss():
        gaps = [
            reference.free_energy(rbm, data) - reference.free_energy(rbm, model)
            for data, model in zip(v, v_model, strict=True)
        ]
        return np.mean(gaps)

    value, gradients = backend.value_and_gradients(
        lambda params: energy.contrastive_divergence(params, v, 3, seed), params
    )
    np.testing.assert_allclose(value, loss(), rtol=1e-7 + backend.MEAN, atol=backend.MEAN)
    assert_slopes(loss, [a for a in rbm if a is not None], gradients)


def test_gradient_reaches_what_made_the_biases(rng):
    rbm = reference.random_rbm(rng, 4, 3, frames=(5,))
    v, seed = reference.random_frames(rng, rbm, 5), sampling.seed_pair(7)
    context, A = rng.normal(size=(5, 2)), rng.normal(size=(2, 4))

    def params(context):
        return tensors(rbm, "float64")._replace(visible_bias=rbm.b + ops.matmul(context, A))

    _, (gradient,) = backend.value_and_gradients(
        lambda context: energy.contrastive_divergence(params(context), v, 1, seed), context
    )
    v_model = energy.gibbs(params(context), v, 1, seed)
    expected = (v_model - v) @ A.T / 5  # dF/db = -v, and the loss is a mean over five frames
    np.testing.assert_allclose(gradient, expected, atol=backend.MEAN)


def test_energies_of_several_frames_to_each_row_of_biases_are_right_when_compiled(rng):
    rbm = reference.random_rbm(rng, 3, 2)
    b, v = rng.normal(size=(4000, 2, 3)), rng.integers(0, 2, (5, 4000, 2, 3))
    expected = -(v * b).sum(-1) - np.logaddexp(0, rbm.c + v @ rbm.W).sum(-1)
    params = tensors(rbm, "float32")._replace(visible_bias=tensor(b, "float32"))
    actual = backend.compiled(lambda v: energy.free_energy(params, v))(tensor(v, "float32"))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def assert_slopes(loss, arrays_in_place, gradients, eps=1e-5):
    """Compares gradients with central differences of `loss`, moving `arrays_in_place`."""
    for array, gradient in zip(arrays_in_place, gradients, strict=True):
        expected = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            value = array[index]
            array[index] = value + eps
            above = loss()
            array[index] = value - eps
            expected[index] = (above - loss()) / (2 * eps)
            array[index] = value
        np.testing.assert_allclose(gradient, expected, atol=1e-7)


@all_visibles
def test_nothing_that_is_given_is_changed(rng, visibles):
    params = tensors(reference.random_rbm(rng, 4, 3, visibles=visibles), "float32")
    before = [np.asarray(p).copy() for p in keras.tree.flatten(params)]
    v = np.ones((2, 4), "float32")
    energy.contrastive_divergence(params, v, 2, sampling.seed_pair(0))
    energy.independent(params)
    np.testing.assert_array_equal(v, 1)
    for p, old in zip(keras.tree.flatten(params), before, strict=True):
        np.testing.assert_array_equal(p, old)


# Gamma visibles.


def test_silence_is_heard_as_the_floor_and_has_finite_slopes(rng):
    params = tensors(reference.random_rbm(rng, 4, 3, visibles="gamma"), "float32")
    floor = ops.full((2, 4), AMPLITUDE_FLOOR)
    for v in (ops.zeros((2, 4)), ops.full((2, 4), 1e-30), floor):
        loss, gradients = backend.value_and_gradients(
            lambda *inputs: energy.contrastive_divergence(*inputs, 1, sampling.seed_pair(0)),
            params,
            v,
        )
        for value in (loss, *gradients):
            assert np.all(np.isfinite(value))
        np.testing.assert_array_equal(
            energy.free_energy(params, v), energy.free_energy(params, floor)
        )


def test_gamma_rates_are_above_zero_whatever_the_weights(rng):
    # max(W, 0) - W h of all units on is 0, but for rounding, and exp(-b) is nearly nothing.
    W = tensor(1e3 * np.abs(rng.normal(size=(4, 300))), "float32")
    visibles = energy.Gamma(ops.zeros(4))
    params = energy.RBMParams(W, ops.full((4,), 20.0), ops.zeros(300), visibles)
    rate = energy.visible_given_hidden(params, ops.ones((1, 300))).rate
    np.testing.assert_array_less(0, rate)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 0.9])
def test_a_shape_that_a_low_temperature_leaves_none_is_the_smallest_learned(temperature):
    # k = 0.1: (k - 1) / T + 1 is above 0 only for T > 0.9.
    visibles = energy.Gamma(ops.full((2,), np.log(np.float32(0.1))))
    params = energy.RBMParams(ops.zeros((2, 1)), ops.zeros(2), ops.zeros(1), visibles)
    down = energy.visible_given_hidden(params, ops.zeros((1, 1)), temperature)
    np.testing.assert_allclose(down.concentration, np.exp(-3.0) * np.ones(2), rtol=1e-6)
    assert np.all(np.isfinite(down.sample(seed=sampling.seed_pair(0))))


# What is refused.


def test_parameters_that_do_not_fit_are_refused():
    W, b, c = np.zeros((5, 4)), np.zeros(5), np.zeros((7, 4))
    params = energy.RBMParams(W, b, c)
    assert isinstance(params._replace(kernel=W + 1), energy.RBMParams)
    assert isinstance(keras.tree.map_structure(lambda x: x + 1, params), energy.RBMParams)
    for wrong in ((W, c, b), (W, np.zeros(1), c), (W, np.zeros(()), c), (b, b, b), (W.T, b, c)):
        with pytest.raises(ValueError, match=r"`RBMParams` must be a kernel \(V, H\).*kernel="):
            energy.RBMParams(*wrong)


def test_units_and_steps_that_do_not_fit_are_refused(rng):
    params = tensors(reference.random_rbm(rng, 5, 4))
    for v in (np.zeros((3, 4)), 1.0):
        with pytest.raises(ValueError, match="`v` must have 5 visible units.*Received: shape"):
            energy.free_energy(params, v)
    for steps in (-1, 2.5, True, "2"):
        with pytest.raises(ValueError, match="`steps` must be an integer of at least 0"):
            energy.gibbs(params, ops.zeros((3, 5)), steps, sampling.seed_pair(0))
    for name, value in (("num_betas", 0), ("num_betas", 2.5), ("num_chains", True)):
        for call in (
            lambda **options: energy.ais_log_partition(params, sampling.seed_pair(0), **options),
            lambda **options: energy.bridge_log_partition(params, sampling.seed_pair(0), **options),
            lambda **options: energy.reverse_log_partition(
                params, ops.zeros((3, 5)), sampling.seed_pair(0), **options
            ),
        ):
            with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least 1"):
                call(**{name: value})
