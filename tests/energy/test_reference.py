"""The reference RBM itself: closed forms against numerical integration and differences."""

import numpy as np
import pytest
from reference import rbm as reference


def integrate(function, rbm, points=401):
    """The integral of `function` over all v of one or two Gaussian units, on a grid."""
    axes, step = [], 1.0
    for b, log_variance, weights in zip(rbm.b, rbm.log_variance, rbm.W, strict=True):
        reach = 9 * np.exp(0.5 * log_variance)  # from the farthest of the mixture's means
        axis = np.linspace(
            b + np.minimum(weights, 0).sum() - reach,
            b + np.maximum(weights, 0).sum() + reach,
            points if len(rbm.b) == 1 else 101,
        )
        axes.append(axis)
        step *= axis[1] - axis[0]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    return step * sum(function(v) for v in grid)


@pytest.mark.parametrize("V", [1, 2])
def test_gaussian_partition_function_is_the_integral_over_the_visibles(rng, V):
    rbm = reference.random_rbm(rng, V, 2, visibles="gaussian")
    integral = integrate(lambda v: np.exp(-reference.free_energy(rbm, v)), rbm)
    np.testing.assert_allclose(np.log(integral), reference.log_partition(rbm), atol=1e-8)


@pytest.mark.parametrize("V", [1, 2])
def test_gaussian_moments_are_the_integrals_over_the_visibles(rng, V):
    rbm = reference.random_rbm(rng, V, 2, visibles="gaussian")
    log_z = reference.log_partition(rbm)

    def weighted(v):
        p = np.exp(-reference.free_energy(rbm, v) - log_z)
        h = reference.hidden_given_visible(rbm, v)
        return p * np.concatenate([v, np.outer(v, v).ravel(), h, np.outer(v, h).ravel()])

    expected = np.concatenate([m.ravel() for m in reference.moments(rbm)])
    np.testing.assert_allclose(integrate(weighted, rbm), expected, atol=1e-8)


def test_gaussian_conditional_mean_is_the_integral_over_one_visible(rng):
    rbm = reference.random_rbm(rng, 1, 3, visibles="gaussian")
    for h in reference.binary_states(3):
        mass = integrate(lambda v, h=h: np.exp(-reference.energy(rbm, v, h)), rbm)
        first = integrate(lambda v, h=h: v[0] * np.exp(-reference.energy(rbm, v, h)), rbm)
        np.testing.assert_allclose(np.log(mass), reference.log_weight_of_hidden(rbm, h), atol=1e-8)
        mean = reference.visible_given_hidden(rbm, h)[0]
        np.testing.assert_allclose(first / mass, mean, atol=1e-8)


def integrate_gamma(function, rbm):
    """The integral over v of one or two gamma units, on a grid in log v."""
    axis = np.linspace(-16, 7, 401 if len(rbm.b) == 1 else 121)
    step = (axis[1] - axis[0]) ** len(rbm.b)
    grid = np.stack(np.meshgrid(*[axis] * len(rbm.b), indexing="ij"), axis=-1)
    return step * sum(function(np.exp(x)) * np.exp(x.sum()) for x in grid.reshape(-1, len(rbm.b)))


@pytest.mark.parametrize("V", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_gamma_partition_function_is_the_integral_over_the_visibles(rng, V):
    rbm = reference.random_rbm(rng, V, 2, visibles="gamma")
    integral = integrate_gamma(lambda v: np.exp(-reference.free_energy(rbm, v)), rbm)
    np.testing.assert_allclose(np.log(integral), reference.log_partition(rbm), atol=1e-6)


def test_gamma_moments_are_the_integrals_over_one_visible(rng):
    rbm = reference.random_rbm(rng, 1, 2, visibles="gamma")
    log_z = reference.log_partition(rbm)

    def weighted(v):
        p = np.exp(-reference.free_energy(rbm, v) - log_z)
        h = reference.hidden_given_visible(rbm, v)
        return p * np.concatenate([v, v**2, h, v * h])

    expected = np.concatenate([m.ravel() for m in reference.moments(rbm)])
    np.testing.assert_allclose(integrate_gamma(weighted, rbm), expected, atol=1e-6)


def test_bernoulli_probabilities_sum_to_one_from_either_side(rng):
    rbm = reference.random_rbm(rng, 4, 3)
    total = sum(np.exp(reference.log_prob(rbm, v)) for v in reference.binary_states(4))
    np.testing.assert_allclose(total, 1, atol=1e-12)
    by_visible = reference.log_partition_by_visible(rbm)
    np.testing.assert_allclose(reference.log_partition(rbm), by_visible, atol=1e-12)


def test_one_gibbs_step_leaves_the_distribution_as_it_is(rng):
    rbm = reference.random_rbm(rng, 4, 3)
    p = np.exp([reference.log_prob(rbm, v) for v in reference.binary_states(4)])
    matrix = reference.transition_matrix(rbm)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(p @ matrix, p, atol=1e-12)


@pytest.mark.parametrize("visibles", ["bernoulli", "gaussian", "gamma"])
def test_exact_gradient_is_that_of_finite_differences(rng, visibles):
    rbm = reference.random_rbm(rng, 3, 2, visibles=visibles)
    frames = reference.random_frames(rng, rbm, 4)

    def loss():
        return -np.mean([reference.log_prob(rbm, v) for v in frames])

    gradient = reference.negative_log_prob_gradient(rbm, frames)
    for array, expected in zip([a for a in rbm if a is not None], gradient, strict=True):
        for index in np.ndindex(array.shape):
            value, eps = array[index], 1e-5
            array[index] = value + eps
            above = loss()
            array[index] = value - eps
            slope = (above - loss()) / (2 * eps)
            array[index] = value
            np.testing.assert_allclose(slope, expected[index], atol=1e-8)
