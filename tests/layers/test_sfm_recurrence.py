"""Gradients of the State-Frequency Memory, against differences of the reference."""

import numpy as np
import pytest
from backend import value_and_gradients
from keras import ops
from layers.helpers import DOUBLE, assert_allclose
from layers.state_frequency import (
    OF_THE_WAY_BACK,
    D,
    K,
    M,
    all_variants,
    frames,
    in_the_paper,
    last,
    made,
    memory_of,
    randomised,
    some_states,
    states_of,
)
from reference import sfm as reference

from seqlayers.layers import SFM

pytestmark = pytest.mark.usefixtures("eagerly")


def slopes(function, arrays, step=1e-5):
    """Central differences of a scalar function of arrays, which are moved in place."""
    results = []
    for array in arrays:
        slope = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            kept, ends = array[index], []
            for end in (kept + step, kept - step):
                array[index] = end
                ends.append(function())
            array[index] = kept
            slope[index] = (ends[0] - ends[1]) / (2 * step)
        results.append(slope)
    return results


@all_variants
def test_gradients_of_everything_are_slopes_of_the_equations(name):
    layer, x = made(name), np.float64(frames(1, 3))
    weights, options = in_the_paper(layer)
    states = some_states(layer)
    of_z = np.random.default_rng(5).normal(size=(3, M))
    of_states = some_states(layer, t=0, seed=6)  # nothing of the clock

    def expected():
        known = reference.sfm(weights, x[0], memory_of(layer, states), **options)
        after = states_of(layer, last(known))
        return np.sum(of_z * known.z) + sum(map(np.sum, map(np.multiply, of_states, after)))

    arrays = [array for array in weights if array is not None]
    arrays += [options["frequencies"]] if name.endswith("learned") else []
    arrays += [x, *states]

    def total(x, *first):
        z, *after = layer(x, initial_state=list(first), training=True)
        last = zip(of_states, after, strict=True)
        return ops.sum(z * of_z) + sum(ops.sum(c * s) for c, s in last)

    _, gradients = value_and_gradients(total, x, *states, variables=layer.trainable_weights)
    if "clock" in layer.cell.state_names:
        place = layer.cell.state_names.index("clock") - len(states)
        del gradients[place], arrays[place]
    for gradient, slope in zip(gradients, slopes(expected, arrays), strict=True):
        gradient = 0 if gradient is None else gradient  # of z', where no gate reads it
        assert_allclose(gradient, slope, atol=2e-8, rtol=1e-6)


@pytest.mark.parametrize("name", OF_THE_WAY_BACK)
def test_gradients_are_clipped_and_detached_as_by_hand(name):
    """By slopes of one frame of the equations at a time, the last one first."""
    layer, x, steps = made(name), np.float64(frames(1, 3)), range(3)
    weights, options = in_the_paper(layer)
    clip, detached = layer.gradient_clip, layer.cell.detach_frequency
    names, states = layer.cell.state_names, some_states(layer)
    of_z = np.random.default_rng(5).normal(size=(3, M))
    known = [memory_of(layer, states)]
    for t in steps:
        known.append(reference.step(weights, x[0, t], known[t], **options))

    d_weights, d_states, num_clipped = [0] * len(weights), [0] * len(names), 0
    for t in reversed(steps):
        d_after = [d_states[0] + of_z[t], *d_states[1:]]
        before, constant = states_of(layer, known[t]), known[t].z if detached else None

        def total(t=t, d_after=d_after, before=before, constant=constant):
            memory = memory_of(layer, before)
            after = reference.step(weights, x[0, t], memory, read_by_omega=constant, **options)
            return sum(np.sum(d * s) for d, s in zip(d_after, states_of(layer, after), strict=True))

        moved = slopes(total, [*weights, *before])
        d_weights = [d + new for d, new in zip(d_weights, moved, strict=False)]
        d_states = [
            d * (name != "clock") for name, d in zip(names, moved[-len(names) :], strict=True)
        ]
        for place, name_of_state in enumerate(names):
            norm = np.linalg.norm(d_states[place])
            if clip and name_of_state in ("z", "terms of z") and norm > clip:
                d_states[place] *= clip / norm
                num_clipped += 1
    assert bool(num_clipped) == bool(clip)

    def of_layer(x, *first):
        return ops.sum(layer(x, initial_state=list(first), training=True)[0] * of_z)

    _, gradients = value_and_gradients(of_layer, x, *states, variables=layer.trainable_weights)
    del gradients[len(weights)]  # that of x
    for gradient, slope in zip(gradients, [*d_weights, *d_states], strict=True):
        assert_allclose(0 if gradient is None else gradient, slope, atol=1e-7, rtol=1e-6)


def test_what_changes_gradients_alone_changes_no_output():
    options = {"clipped": {"gradient_clip": None}, "detached": {"detach_frequency": False}}
    for name, without in options.items():
        assert_allclose(made(name)(frames())[0], made(name, **without)(frames())[0], atol=1e-14)


@pytest.mark.parametrize("t", [1, 5, 21])
def test_the_gradient_of_a_frequency_grows_with_time(t):
    """With w = pi / 2 the angle is the same at t = 1, 5, 21, and its slope by w is t."""
    arguments = {"frequencies": [np.pi / 2], "learn_frequencies": True, "dtype": DOUBLE}
    layer = randomised(SFM(M, 1, D, **arguments))
    gradients = []
    for before in (0, t - 1):
        states = some_states(layer, t=before)
        _, (gradient, *_) = value_and_gradients(
            lambda x: layer(x, initial_state=states),  # noqa: B023
            frames(1, 1),
            variables=layer.weights[-1:],
        )
        gradients.append(np.asarray(gradient))
    assert abs(gradients[0]) > 1e-3
    assert_allclose(gradients[1], t * gradients[0], rtol=1e-9)


def memory_alone(dtype, S, training):
    """The gradient by S' of a random sum of what is put out of S = f S', with nothing put in."""
    layer = made("paper", dtype=dtype)
    for weight in (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias):
        columns = np.arange(weight.shape[-1])
        off = (columns >= 2 * D + K) & (columns < 3 * D + K)  # i
        weight.assign(np.where(off, 0, weight.numpy()))
    states = [s.astype(dtype) for s in some_states(layer)]
    states[1] = np.reshape(S.real.T, (1, -1)).astype(dtype)
    states[2] = np.reshape(S.imag.T, (1, -1)).astype(dtype)
    of_z = np.random.default_rng(7).normal(size=(1, 1, M))
    x = frames(1, 1)

    def total(*states):
        z = layer(x, initial_state=list(states), training=training)[0]
        return ops.sum(ops.cast(z, DOUBLE) * of_z)

    _, gradients = value_and_gradients(total, *states)
    gradient = [np.asarray(g).reshape(K, D).T for g in gradients[1:3]]

    weights, options = in_the_paper(layer)
    arrays = [S.real.copy(), S.imag.copy()]

    def expected():
        memory = memory_of(layer, [np.float64(s) for s in states])
        memory = memory._replace(S=arrays[0] + 1j * arrays[1])
        return np.sum(of_z * reference.sfm(weights, x[0], memory, **options).z)

    return gradient, lambda step: slopes(expected, arrays, step)


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("dtype, size, atol", [("float64", 1e-3, 1e-7), ("float32", 1e-3, 1e-5)])
def test_the_gradient_of_the_amplitude_is_exact_where_there_is_one(dtype, size, atol, training):
    rng = np.random.default_rng(8)
    S = size * (rng.normal(size=(D, K)) + 1j * rng.normal(size=(D, K)))
    S[0] *= 1e3
    gradient, slopes_with = memory_alone(dtype, S, training)
    for actual, slope in zip(gradient, slopes_with(size * 1e-4), strict=True):
        assert np.abs(slope).max() > 0.01
        assert_allclose(actual, slope, atol=atol)


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_the_amplitude_is_zero_in_silence(dtype, training):
    S = np.zeros((D, K), complex)
    S[0], S[1] = 0.5 - 0.25j, -0.5j
    for gradient in memory_alone(dtype, S, training)[0]:
        np.testing.assert_array_equal(gradient[2:], 0)
    real, imaginary = memory_alone(dtype, S, training)[0]
    assert np.all(real[0] != 0) and np.all(imaginary[:2] != 0)
    np.testing.assert_array_equal(real[1], 0)


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_the_gradient_of_the_amplitude_does_not_depend_on_how_small_it_is(training):
    direction = np.exp(1j * np.arange(D * K).reshape(D, K))
    of_tiny, of_small = (
        memory_alone("float32", size * direction, training)[0] for size in (1e-15, 1e-8)
    )
    assert_allclose(of_tiny, of_small, rtol=1e-5, atol=1e-7)
