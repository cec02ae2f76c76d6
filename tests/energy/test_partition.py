"""log Z by enumeration against brute force."""

import backend
import numpy as np
import pytest
from backend import tensor
from keras import ops
from reference import rbm as reference

from energy.helpers import all_visibles, exact_loss, only_one_has_frames, tensors
from seqlayers import energy

exact = backend.graph(energy.log_partition)


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


@all_visibles
@pytest.mark.parametrize("which", ["visible", "hidden"])
def test_one_of_the_biases_alone_may_have_leading_axes(rng, visibles, which):
    rbm = reference.random_rbm(rng, 4, 3, frames=(5,), visibles=visibles, scale=0.5)
    rbm, full = only_one_has_frames(rbm, which)
    nats = energy.log_partition(tensors(rbm)).nats
    expected = [reference.log_partition(one) for _, one in reference.each_frame(full)]
    np.testing.assert_allclose(nats, expected, atol=1e-5)


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
