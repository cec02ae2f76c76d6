"""Growing a DBN by a layer: the copies, the layer turned around, and the refusals."""

import backend
import numpy as np
import pytest
from reference import dbn as reference

from heads.helpers import binary_frames, built, dbn_in_numpy
from seqlayers.heads import ConditionalDBN, ConditionalRBM

V, C = 4, 2
UNITS = {"two": (3, 2), "three": (3, 2, 3)}
STATES = binary_frames(V)


def made(rng, units, context=True, scale=1.0, V=V, **kwargs):
    head = ConditionalDBN(V, units, **{"seed": 0, "dtype": backend.FINEST} | kwargs)
    return built(head, C if context else None, rng, scale)


@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("more", [4, 6], ids=["as wide", "wider"])
@pytest.mark.parametrize("with_context", [True, False], ids=["context", "alone"])
def test_a_layer_that_is_the_one_below_turned_around_changes_no_probability(
    rng, units, more, with_context
):
    shallow = made(rng, units, with_context, scale=0.7)
    deep = made(rng, (*units, more), with_context)
    deep.stack_on(shallow)
    u = rng.normal(size=C) if with_context else None
    expected = reference.log_probs(dbn_in_numpy(shallow, u), STATES[::5])
    actual = reference.log_probs(dbn_in_numpy(deep, u), STATES[::5])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=backend.EXACT)


def test_above_an_rbm_the_bound_is_then_tight(rng):
    shallow, deep = made(rng, (3,)), made(rng, (3, 7), num_samples=2)
    deep.stack_on(shallow)
    frames, context = rng.integers(0, 2, (2, 3, V)) * 1.0, rng.normal(size=(2, 3, C))
    nats, error = deep.log_prob(frames, context)
    np.testing.assert_allclose(
        nats, shallow.log_prob(frames, context).nats, rtol=0, atol=backend.EXACT
    )
    np.testing.assert_allclose(error, np.zeros((2, 3)), atol=backend.EXACT**0.5)


def test_units_that_are_left_over_differ_by_their_biases(rng):
    shallow, deep = made(rng, (3,)), made(rng, (3, 7))
    deep.stack_on(shallow)
    top = deep.generation[-1]
    np.testing.assert_array_equal(top.kernel[:, V:], np.zeros((3, 3)))
    assert len(np.unique(top.bias[V:])) == 3


def test_of_too_few_units_the_ones_with_large_weights_are_kept(rng):
    shallow, deep = made(rng, (3,)), made(rng, (3, 2))
    shallow.generation[-1].kernel.assign(np.diag([1.0, 3.0, 2.0, 0.0])[:, :3])
    deep.stack_on(shallow)
    top = deep.generation[-1]
    np.testing.assert_array_equal(top.kernel, [[0, 0], [3, 0], [0, 2]])
    np.testing.assert_array_equal(top.bias, shallow.visible_bias.numpy()[[1, 2]])


@pytest.mark.parametrize(
    "change",
    [
        {"units": (2,)},
        {"units": (3, 4)},
        {"V": 5},
        {"context": False},
        {"objective": "contrastive"},
    ],
    ids=["units", "layers", "visible", "context", "objective"],
)
def test_a_head_that_differs_in_more_than_a_layer_cannot_be_stacked_on(rng, change):
    with pytest.raises(ValueError, match=r"`shallower` must be a `ConditionalDBN` like.*\(3,\)"):
        made(rng, (3, 4)).stack_on(made(rng, **{"units": (3,)} | change))


def test_only_a_dbn_can_be_stacked_on(rng):
    with pytest.raises(ValueError, match="`shallower` must be.*Received.*ConditionalRBM"):
        made(rng, (3, 4)).stack_on(ConditionalRBM(V, 3))
