"""Dropout takes the same units at all frames of a sequence, by its seed."""

import numpy as np
import pytest
from layers.contract.members import LAYERS, ONE_A_CLASS, SHARED, frames, made, with_dropout
from layers.helpers import assert_allclose

pytestmark = pytest.mark.usefixtures("eagerly")

DROPOUTS = {"dropout": "kernel", "recurrent_dropout": "recurrent_kernel"}


def of_each(names):
    """Each layer with each kind of dropout that it has."""
    pairs = [(n, a) for n in names for a in DROPOUTS if a in with_dropout(n, 0)]
    return pytest.mark.parametrize("name, argument", pairs)


@of_each(LAYERS)
def test_nothing_is_dropped_at_inference(name, argument):
    x = frames()
    layer = made(name, return_sequences=True, **{argument: 0.5})
    np.testing.assert_array_equal(layer(x), made(name, return_sequences=True)(x))


@of_each(name for name in LAYERS if name not in SHARED)
def test_what_is_dropped_is_the_same_at_all_frames_and_the_rest_is_scaled(name, argument):
    """A row in training is that row through one of the networks that lack some of the units."""
    layer = made(name, return_sequences=True, seed=0, **{argument: 0.5})
    whole = made(name, return_sequences=True)
    kernel = getattr(whole.cell, DROPOUTS[argument])
    start, x = kernel.numpy(), frames()[:, :3]
    dropped = np.asarray(layer(x, training=True))
    without = []
    for number in range(2 ** len(start)):
        kept = number >> np.arange(len(start)) & 1
        kernel.assign(start * 2 * kept[:, None])
        without.append(np.asarray(whole(x)))
    difference = np.abs(np.array(without) - dropped).max(axis=(2, 3))  # [network, row]
    assert_allclose(difference.min(axis=0), 0, atol=1e-5)
    assert len(set(difference.argmin(axis=0))) > 1  # rows lack different units


@of_each(ONE_A_CLASS)
def test_the_same_seed_drops_the_same(name, argument):
    x = frames()

    def draws(seed):
        layer = made(name, seed=seed, **{argument: 0.5})
        return np.array([np.asarray(layer(x, training=True)) for _ in range(4)])

    first = draws(1)
    np.testing.assert_array_equal(draws(1), first)
    assert np.any(draws(2) != first)
    assert any(np.any(draw != first[0]) for draw in first[1:])  # new ones at every call
