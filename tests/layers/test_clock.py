"""The clock of the State-Frequency Memory: exact, however late it is."""

import numpy as np
import pytest
from backend import tensor, value_and_gradients
from keras import ops
from layers.helpers import DOUBLE, assert_allclose
from layers.state_frequency import (
    GIVEN,
    B,
    K,
    all_variants,
    assert_same_states,
    assert_same_turn,
    clock,
    frames,
    in_the_paper,
    last,
    made,
    rows,
    silence,
    some_states,
    states_of,
)
from reference import sfm as reference

from seqlayers.layers.clock import accumulated

pytestmark = pytest.mark.usefixtures("eagerly")


@all_variants
def test_time_starts_at_one_and_masked_frames_do_not_count(name):
    layer, x = made(name), frames()
    mask = np.array([[0, 1, 1, 0, 1], [1, 0, 0, 0, 0]], bool)
    weights, options = in_the_paper(layer)
    for training in (False, True):
        z, *states = layer(x, mask=mask, training=training)
        for row in range(B):
            known = reference.sfm(weights, x[row, mask[row]], silence(layer), **options)
            assert_allclose(np.asarray(z)[row, mask[row]], known.z, atol=1e-12)
            assert last(known).t == mask[row].sum()
            expected = states_of(layer, last(known))
            assert_same_states(layer, [s[row : row + 1] for s in states], expected, 1e-12)


LATE = [255, 65_534, 100_002, 999_998, 5_000_000]


@pytest.mark.parametrize("t", LATE)
@pytest.mark.parametrize("name", ["paper", "octaves", "array", "per frequency"])
def test_the_memory_turns_exactly_however_late_it_is(name, t):
    layer = made(name, dtype="float32")
    weights, options = in_the_paper(layer)
    nothing, x = silence(layer)._replace(t=t), frames(1, 3).astype("float32")
    first = [np.float32(s) for s in states_of(layer, nothing)]
    known = reference.sfm(weights, x[0].astype("float64"), nothing, **options)
    for training in (False, True):
        _, *states = layer(x, initial_state=first, training=training)
        assert_same_states(layer, states, states_of(layer, last(known)), 2e-6)


@pytest.mark.tensorflow  # JAX has no double precision, of Keras
@pytest.mark.parametrize("t", LATE)
@pytest.mark.parametrize("name", ["learned", "adaptive", "accumulated"])
def test_frequencies_that_move_turn_exactly_in_double_precision(name, t):
    layer = made(name)
    weights, options = in_the_paper(layer)
    start = silence(layer)._replace(t=t, angle=np.arange(K) + 2 * np.pi * t)
    # One frame: from the next on, w t magnifies what rounding has done to w.
    known = reference.sfm(weights, frames(1, 1)[0], start, **options)
    for training in (False, True):
        given = {"initial_state": states_of(layer, start), "training": training}
        _, *states = layer(frames(1, 1), **given)
        assert_same_states(layer, states, states_of(layer, last(known)), 1e-8)


@pytest.mark.parametrize("name", ["paper", "adaptive"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float32"])
def test_the_clock_counts_on_where_its_type_would_not(name, policy):
    layer = made(name, dtype=policy)
    for t in (254, 2047, 65_534):
        states = [s * 0 for s in some_states(layer)]
        states[3] = clock(t)
        for step in range(1, 4):
            _, *states = layer(frames(1, 1), initial_state=states)
            np.testing.assert_array_equal(np.asarray(states[3]).astype("float64"), clock(t + step))


@pytest.mark.parametrize("name", [*GIVEN, "accumulated"])
def test_when_the_clock_starts_changes_no_output(name):
    """S turns as a whole, and its amplitude does not see it."""
    layer, x = made(name), frames()
    early, late = [s * 0 for s in some_states(layer)], [s * 0 for s in some_states(layer)]
    late[3] = clock(100_003) if "clock" in layer.cell.state_names else late[3] + 0.3
    first, second = (layer(x, initial_state=rows(states)) for states in (early, late))
    assert_allclose(second[0], first[0], atol=1e-9)
    assert np.any(np.abs(second[2] - first[2]) > 0.01)


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-9])
def test_accumulated_frequencies_keep_their_digits_over_10000_steps(size):
    rng = np.random.default_rng(0)
    f = (size * rng.random((10_000, 2, 3))).astype("float32")
    phase = rng.random((2, 3)).astype("float32")
    turns = accumulated(tensor(phase), tensor(f))
    known = (phase + np.cumsum(np.float64(f), axis=0)) % 1
    assert_same_turn(np.float64(turns), known, 2e-7)


def test_the_gradient_of_accumulated_frequencies_is_that_of_their_sum():
    f, phase = np.random.default_rng(0).random((2, 5, 2, 3)).astype(DOUBLE)
    weights = np.random.default_rng(1).normal(size=f.shape)
    _, (d_phase, d_f) = value_and_gradients(
        lambda phase, f: ops.sum(accumulated(phase, f) * weights), phase[0], f
    )
    assert_allclose(d_phase, weights.sum(0), atol=1e-12)
    assert_allclose(d_f, np.cumsum(weights[::-1], axis=0)[::-1], atol=1e-12)
