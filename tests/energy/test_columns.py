"""Sums over units in blocks of columns against NumPy."""

import backend
import numpy as np
import pytest
from backend import tensor

from seqlayers.energy import columns


def softplus_difference(x, y):
    return columns.softplus_difference(
        lambda units: x[..., units], lambda units: y[..., units], x.shape[-1]
    )


@pytest.mark.float64
@pytest.mark.parametrize("units", [1, 16, 88, 161])
def test_a_sum_in_blocks_is_the_sum(rng, units):
    x = rng.normal(size=(4, 3, units))
    actual = columns.sum_over_units(lambda some: tensor(x)[..., some], units)
    np.testing.assert_allclose(actual, np.sum(x, axis=-1), atol=1e-12)


@pytest.mark.float64
@pytest.mark.parametrize("H", [1, 15, 16, 17, 150, 160, 161, 1700])
def test_product_form_equals_the_softplus_form(rng, H):
    y = 5 * rng.normal(size=(4, 3, H))
    x = y + 0.5 * rng.normal(size=y.shape)
    expected = np.sum(np.logaddexp(0, x) - np.logaddexp(0, y), axis=-1)
    np.testing.assert_allclose(softplus_difference(tensor(x), tensor(y)), expected, atol=1e-10)


@pytest.mark.parametrize("size", [0.0, 1.0, 5.0, 20.0, 100.0, 1e4])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("y", [-30.0, 0.0, 30.0])
def test_long_steps_are_as_exact_as_short_ones(size, sign, y):
    # Equal units, so that their product has something to overflow.
    x, y = np.full(2000, y + sign * size), np.full(2000, y)
    expected = np.sum(np.logaddexp(0, x) - np.logaddexp(0, y))
    actual = softplus_difference(tensor(x, "float32"), tensor(y, "float32"))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.float64
def test_slopes_are_sigmoids_at_zero_too():
    x, y = np.array([0.0, 2.0, -3.0]), np.array([1.0, 0.0, 0.0])
    _, slopes = backend.value_and_gradients(softplus_difference, x, y)
    expected = [1 / (1 + np.exp(-x)), -1 / (1 + np.exp(-y))]
    np.testing.assert_allclose(slopes, expected, atol=1e-12)
