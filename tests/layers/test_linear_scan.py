"""Linear recurrences: sums, gradients, masks, and the two ways of computing them."""

import numpy as np
import pytest
from backend import graph, tensor, value_and_gradients
from keras import ops
from layers.helpers import DOUBLE, assert_allclose
from reference import linear_scan as reference

from seqlayers.layers import scan as loops
from seqlayers.layers.linear_scan import linear_scan, linear_scan_gradient

BOTH = pytest.mark.parametrize("way", ["loop", "doubling"])


@pytest.fixture(autouse=True)
def of_this_way(request, monkeypatch):
    """Computes as on CPUs, or as on GPUs."""
    way = getattr(request.node, "callspec", None) and request.node.callspec.params.get("way")
    monkeypatch.setattr(loops, "has_gpu", lambda: way == "doubling")
    monkeypatch.setattr(loops, "within_xla", lambda: True)


def example(steps, decays="any", masked=False, dtype=DOUBLE):
    """a, b, s_0 and a mask; decays near 0 forget all, those near 1 nothing."""
    rng = np.random.default_rng(steps)
    shape = (steps, 3, 2)
    near = np.exp(-rng.uniform(5, 20, size=shape))
    a = {"any": rng.random(shape), "near 0": near, "near 1": 1 - near}[decays]
    a[::7] = rng.random(shape)[::7]
    mask = rng.random(shape[:2]) < 0.7 if masked else None
    if masked:
        mask[:, 0] = False
    return a.astype(dtype), rng.normal(size=shape).astype(dtype), rng.normal(size=shape[1:]), mask


@BOTH
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("decays", ["any", "near 0", "near 1"])
def test_in_single_precision_it_is_the_plain_loop_over_10000_steps(decays, masked, way):
    a, b, initial, mask = example(10_000, decays=decays, masked=masked, dtype="float32")
    initial = initial.astype("float32")
    ds = np.random.default_rng(1).normal(size=b.shape).astype("float32")

    @graph
    def run(a, b, initial, ds):
        s = linear_scan(a, b, initial, mask if mask is None else tensor(mask))
        if mask is not None:
            return (s,)
        return s, *linear_scan_gradient(a, s, initial, ds, ops.zeros_like(initial))

    s, *gradients = run(a, b, initial, ds)
    known = reference.linear_scan(np.float64(a), np.float64(b), initial, mask)
    assert_allclose(s, known, atol=1e-6 * np.abs(known).max(), rtol=0)
    if gradients:
        expected = reference.linear_scan_gradient(np.float64(a), np.float64(b), initial, ds)
        for actual, known in zip(gradients, expected, strict=True):
            assert_allclose(actual, known, atol=2e-6 * np.abs(known).max(), rtol=0)


@BOTH
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 5, 8])
def test_its_gradient_is_that_of_the_plain_loop(steps, masked, way):
    a, b, initial, mask = example(steps, masked=masked)
    ds = np.random.default_rng(1).normal(size=b.shape)

    def total(*arrays):
        return ops.sum(linear_scan(*arrays, mask=None if mask is None else tensor(mask)) * ds)

    _, gradients = value_and_gradients(total, a, b, initial.astype(a.dtype))
    expected = reference.linear_scan_gradient(a, b, initial, ds, mask)
    for actual, known in zip(gradients, expected, strict=True):
        assert_allclose(actual, known, atol=1e-12)
    if not masked:
        s = linear_scan(*map(tensor, (a, b, initial.astype(a.dtype))))
        last = ds[-1].astype(a.dtype)  # half of it given by itself
        ds = np.concatenate([ds[:-1], ds[-1:] / 2]).astype(a.dtype)
        by_hand = linear_scan_gradient(tensor(a), s, initial.astype(a.dtype), ds, last / 2)
        for actual, known in zip(by_hand, expected, strict=True):
            assert_allclose(actual, known, atol=1e-12)


@BOTH
def test_its_second_derivatives_are_those_of_its_gradient(way):
    a, b, initial, _ = example(5)
    initial = initial.astype(a.dtype)

    def penalty(*arrays):
        _, gradients = value_and_gradients(lambda *x: ops.sum(linear_scan(*x) ** 2), *arrays)
        return sum(ops.sum(g**2) for g in gradients)

    def by_hand(a, b, initial):
        s = linear_scan(a, b, initial)
        gradients = linear_scan_gradient(a, s, initial, 2 * s, ops.zeros_like(initial))
        return sum(ops.sum(g**2) for g in gradients)

    _, actual = value_and_gradients(penalty, a, b, initial)
    _, expected = value_and_gradients(by_hand, a, b, initial)
    for one, other in zip(actual, expected, strict=True):
        assert_allclose(one, other, rtol=1e-10)


@BOTH
def test_it_runs_backwards(way):
    a, b, initial, mask = example(6, masked=True)
    s = linear_scan(tensor(a), tensor(b), tensor(initial, a.dtype), tensor(mask), reverse=True)
    assert_allclose(s, reference.linear_scan(a, b, initial, mask, reverse=True), atol=1e-12)


@BOTH
@pytest.mark.parametrize("masked", [False, True])
def test_axes_before_the_batch_share_the_decays(way, masked):
    a, _, _, mask = example(5, masked=masked)
    b = np.random.default_rng(3).normal(size=(5, 4, 3, 2)).astype(a.dtype)
    initial = np.random.default_rng(4).normal(size=(4, 3, 2)).astype(a.dtype)
    ds = np.random.default_rng(5).normal(size=b.shape)

    def total(*arrays):
        s = linear_scan(*arrays, mask=None if mask is None else tensor(mask))
        return ops.sum(s * ds), s

    (_, s), gradients = value_and_gradients(total, a, b, initial)
    total_da = 0
    for n in range(4):
        one = b[:, n], initial[n]
        assert_allclose(s[:, n], reference.linear_scan(a, *one, mask), atol=1e-12)
        da, db, d_initial = reference.linear_scan_gradient(a, *one, ds[:, n], mask)
        total_da += da
        assert_allclose(gradients[1][:, n], db, atol=1e-12)
        assert_allclose(gradients[2][n], d_initial, atol=1e-12)
    assert_allclose(gradients[0], total_da, atol=1e-12)
    if not masked:
        nothing = ops.zeros_like(initial)
        by_hand = linear_scan_gradient(tensor(a), s, tensor(initial), tensor(ds, a.dtype), nothing)
        for actual, known in zip(by_hand, gradients, strict=True):
            assert_allclose(actual, known, atol=1e-12)


@pytest.mark.tensorflow
def test_in_a_graph_the_number_of_steps_may_be_unknown_and_none():
    import tensorflow as tf

    spec = [tf.TensorSpec([None, 3, 2], DOUBLE)] * 2 + [tf.TensorSpec([3, 2], DOUBLE)]
    run = tf.function(linear_scan, input_signature=spec)
    for steps in (0, 1, 4):
        a, b, initial, _ = example(steps)
        assert_allclose(run(a, b, initial), reference.linear_scan(a, b, initial), atol=1e-12)
    assert graph(linear_scan)(*map(tensor, example(3)[:3])).shape == (3, 3, 2)
