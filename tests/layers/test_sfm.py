"""State-Frequency Memory: its equations, its weights and its arguments."""

import math
import re

import keras
import numpy as np
import pytest
from layers.helpers import DOUBLE, assert_allclose
from layers.state_frequency import (
    ARRAY,
    B,
    D,
    K,
    M,
    N,
    all_variants,
    assert_same_states,
    frames,
    in_the_paper,
    last,
    made,
    memory_of,
    rows,
    silence,
    some_states,
    states_of,
)
from reference import sfm as reference

from seqlayers.layers import SFM, AdaptiveSFM, AdaptiveSFMCell, SFMCell

pytestmark = pytest.mark.usefixtures("eagerly")


@all_variants
@pytest.mark.parametrize("start", ["silence", "some memory"])
def test_outputs_and_states_are_those_of_the_equations(name, start):
    layer, x = made(name), frames()
    weights, options = in_the_paper(layer)
    first = states_of(layer, silence(layer)) if start == "silence" else some_states(layer)
    before = memory_of(layer, first)
    known = [reference.sfm(weights, row, before, **options) for row in x]
    loop = keras.layers.RNN(layer.cell, True, True, dtype=DOUBLE)
    for run in (layer, loop, lambda *given, **more: layer(*given, **more, training=True)):
        z, *states = run(x, initial_state=rows(first))
        assert_allclose(z, [k.z for k in known], atol=1e-12, rtol=0)
        for row in range(B):
            expected = states_of(layer, last(known[row]))
            assert_same_states(layer, [s[row : row + 1] for s in states], expected, 1e-12)


@all_variants
def test_single_precision_is_close_to_the_equations(name):
    layer, x = made(name, dtype="float32"), frames().astype("float32")
    weights, options = in_the_paper(layer)
    for training in (False, True):
        z = layer(x, training=training)[0]
        for row in range(B):
            known = reference.sfm(weights, x[row].astype("float64"), silence(layer), **options)
            assert_allclose(z[row], known.z, atol=1e-5, rtol=3e-6)


def test_frequencies_are_those_of_their_names():
    def of(frequencies):
        layer = SFM(1, 4, frequencies=frequencies, learn_frequencies=True, dtype=DOUBLE)
        layer.build((None, None, 1))
        assert layer.weights[-1].name == "frequencies"
        assert layer.trainable_weights[-1] is layer.weights[-1]
        return layer.weights[-1].numpy()

    pi = math.pi
    assert_allclose(of("harmonic"), [0, pi / 2, pi, 3 * pi / 2], rtol=1e-15)
    assert_allclose(of("log"), [pi / 8, pi / 4, pi / 2, pi], rtol=1e-15)
    np.testing.assert_array_equal(of([3, 1, 4, 1]), [3, 1, 4, 1])
    np.testing.assert_array_equal(of(np.float32([3, 1, 4, 1])), [3, 1, 4, 1])
    assert_allclose(of((64, 512)), [2 * pi / 512, 2 * pi / 256, 2 * pi / 128, pi / 32], rtol=1e-15)


def test_two_numbers_are_two_frequencies_where_there_are_two():
    assert_allclose(SFMCell(1, 2, frequencies=(2, 3)).initial_frequencies, [2, 3])
    for periods in ((64, 2048), (4, 64)):
        refused = re.escape(f"Received: frequencies={periods}")
        with pytest.raises(ValueError, match=f"for 3 frequencies or more.*{refused}"):
            SFMCell(1, 2, frequencies=periods)


@pytest.mark.parametrize(
    "name", ["paper", "learned", "stock", "adaptive", "accumulated", "parallel"]
)
def test_weights_have_the_shapes_and_the_order_that_is_documented(name):
    layer = made(name)
    gates = D + K + D + D + K * M
    shapes = {"kernel": (N, gates), "recurrent_kernel": (M, gates), "bias": (gates,)}
    shapes |= {"amplitude_kernel": (K, D, 2 * M), "output_bias": (K, M)}
    if name == "learned":
        shapes["frequencies"] = (K,)
    if name == "stock":
        gates = M + K + M + M + M
        shapes = {"kernel": (N, gates), "recurrent_kernel": (M, gates), "bias": (gates,)}
        shapes |= {"amplitude_kernel": (K,), "output_bias": (M,)}
    if name in ("adaptive", "accumulated"):
        gates += K
        shapes |= {"kernel": (N, gates), "recurrent_kernel": (M, gates), "bias": (gates,)}
    if name == "parallel":
        del shapes["recurrent_kernel"]
    assert {w.name: tuple(w.shape) for w in layer.weights} == shapes
    assert [w.name for w in layer.weights] == list(shapes)


@pytest.mark.parametrize("unit_forget_bias", [True, False])
@pytest.mark.parametrize("other", [0.0, 0.5])
@pytest.mark.parametrize("cls", [SFM, AdaptiveSFM])
def test_biases_of_both_forget_gates_start_at_one_and_others_by_their_initializer(
    cls, other, unit_forget_bias
):
    constant = keras.initializers.Constant(other)
    layer = cls(M, K, D, bias_initializer=constant, unit_forget_bias=unit_forget_bias)
    layer.build((None, None, N))
    bias = layer.cell.bias.numpy()
    forget, rest = bias[: D + K], bias[D + K :]
    if cls is AdaptiveSFM:
        rest = np.delete(rest, np.s_[2 * D : 2 * D + K])  # those of the frequencies
    np.testing.assert_array_equal(forget, np.full(D + K, 1 if unit_forget_bias else other))
    np.testing.assert_array_equal(rest, np.full(2 * D + K * M, other))
    np.testing.assert_array_equal(layer.cell.output_bias, np.full((K, M), other))


@pytest.mark.parametrize("frequencies", ["log", ARRAY])
def test_adaptive_frequencies_start_where_given(frequencies):
    options = {"frequencies": frequencies, "phase": "accumulated", "return_state": True}
    layer = AdaptiveSFM(M, K, D, dtype=DOUBLE, **options)
    phase = layer(np.zeros((1, 1, N)))[4]
    expected = reference.octaves(K) if frequencies == "log" else frequencies
    assert_allclose(phase[0] * 2 * np.pi, expected, rtol=1e-6)


@pytest.mark.parametrize("options", [{"use_bias": False}, {}], ids=["without bias", "with bias"])
def test_without_bias_all_adaptive_frequencies_start_at_half_the_sampling_rate(options):
    layer = AdaptiveSFM(M, K, D, phase="accumulated", return_state=True, **options)
    phase = layer(np.zeros((1, 1, N), "float32"))[4]
    assert np.all(phase == 0.5) == ("use_bias" in options)


# Arguments.


@pytest.mark.parametrize("cls", [SFM, SFMCell, AdaptiveSFM, AdaptiveSFMCell])
@pytest.mark.parametrize(
    "name, value",
    [
        *(("num_frequencies", value) for value in (0, -1, 2.0, True, "2", None)),
        *(("memory_units", value) for value in (0, -1, 2.5, True, "2")),
        *(("variant", value) for value in ("x", None, 1)),
        *(("recurrent_output", value) for value in ("x", None, True)),
        *(("gates", value) for value in ("x", None, True)),
        *(("output_scale", value) for value in ("x", None, 0.25)),
        *(("gradient_clip", value) for value in (0, -1.0, math.inf, True, "1")),
    ],
)
def test_a_bad_argument_is_named_with_what_was_received(cls, name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received.*{value!r}"):
        cls(3, **{name: value})


@pytest.mark.parametrize("cls", [SFM, SFMCell, AdaptiveSFM, AdaptiveSFMCell])
@pytest.mark.parametrize(
    "frequencies",
    [
        "linear",
        None,
        1.0,
        [],
        [1.0, 2.0],
        [64.0, 64.0],
        [2048.0, 64.0],
        [64.0, np.inf],
        [1.0, 2.0, 3.0, np.nan],
        [1.0, 2.0, np.inf, 4.0],
        [[1.0, 2.0], [3.0, 4.0]],
        [1.0, 2.0, 3.0, "4 Hz"],
        [1.0, 2.0, 3.0, 4j],
    ],
    ids=repr,
)
def test_frequencies_that_are_none_are_refused(cls, frequencies):
    with pytest.raises(ValueError, match="`frequencies` must be.*Received: frequencies="):
        cls(3, 4, frequencies=frequencies)


@pytest.mark.parametrize("cls", [AdaptiveSFM, AdaptiveSFMCell])
def test_an_unknown_phase_is_refused(cls):
    for phase in ("x", None, 1):
        with pytest.raises(ValueError, match="`phase` must be.*product.*accumulated.*Received"):
            cls(3, phase=phase)


@pytest.mark.parametrize("cls", [AdaptiveSFM, AdaptiveSFMCell])
def test_a_frequency_that_sees_no_output_cannot_be_detached_from_it(cls):
    with pytest.raises(ValueError, match="`detach_frequency`.*'yes'"):
        cls(3, detach_frequency="yes")
    with pytest.raises(ValueError, match='`detach_frequency` must be False.*"input".*Received'):
        cls(3, detach_frequency=True, gates="input")


@pytest.mark.parametrize("cls", [AdaptiveSFM, AdaptiveSFMCell])
def test_frequencies_that_adapt_cannot_be_learned_as_well(cls):
    with pytest.raises((TypeError, ValueError), match="learn_frequencies"):
        cls(3, learn_frequencies=True)


@pytest.mark.parametrize("cls", [AdaptiveSFM, AdaptiveSFMCell])
@pytest.mark.parametrize(
    "frequencies", ["harmonic", [0.0, 1.0], [1.0, 2 * np.pi], [-1.0, 1.0]], ids=repr
)
def test_adaptive_frequencies_cannot_start_where_no_sigmoid_can_be(cls, frequencies):
    with pytest.raises(ValueError, match="`frequencies`.*above 0 and below 2 pi.*Received"):
        cls(3, 2, frequencies=frequencies)


@pytest.mark.parametrize("cls", [SFM, SFMCell, AdaptiveSFM, AdaptiveSFMCell])
def test_the_form_for_stock_prices_has_as_many_outputs_as_states(cls):
    assert cls(3, memory_units=3, variant="stock").memory_units == 3
    with pytest.raises(ValueError, match="stock.*`memory_units`.*Received.*memory_units=4"):
        cls(3, memory_units=4, variant="stock")
    with pytest.raises(ValueError, match="stock.*no sum.*`output_scale`.*Received.*'mean'"):
        cls(3, variant="stock", output_scale="mean")


@pytest.mark.parametrize("cls", [SFM, AdaptiveSFM])
@pytest.mark.parametrize("given", ["log", ARRAY, np.array(ARRAY), np.float32(ARRAY), (64, 2048)])
def test_config_holds_the_frequencies_as_given(cls, given):
    layer = cls(3, 3, frequencies=given)
    expected = given if isinstance(given, str) else list(np.float64(given))
    assert layer.get_config()["frequencies"] == expected
    assert cls.from_config(layer.get_config()).get_config() == layer.get_config()
