"""The spectrum of a State-Frequency Memory, and limits at which its outputs are known."""

import math

import numpy as np
import pytest
from layers.helpers import DOUBLE, assert_allclose
from layers.state_frequency import (
    B,
    D,
    K,
    M,
    N,
    T,
    all_variants,
    frames,
    in_the_paper,
    made,
    memory_of,
    randomised,
    rows,
    silence,
    some_states,
)
from reference import sfm as reference

from seqlayers.layers import SFM, AdaptiveSFM

pytestmark = pytest.mark.usefixtures("eagerly")


@all_variants
def test_the_spectrum_is_the_amplitude_of_the_memory_at_each_frame(name):
    layer, x = made(name), frames()
    weights, options = in_the_paper(layer)
    first = some_states(layer)
    for states in (None, first):
        before = silence(layer) if states is None else memory_of(layer, states)
        known = [reference.sfm(weights, row, before, **options) for row in x]
        given = None if states is None else rows(states)
        actual = layer.spectrum(x, initial_state=given)
        assert actual.shape == (B, T, *before.S.shape)
        assert_allclose(actual, np.abs([k.S for k in known]), atol=1e-12)


@pytest.mark.parametrize("name", ["paper", "adaptive", "per frequency"])
def test_the_spectrum_stands_still_at_masked_frames(name):
    layer, x = made(name), frames()
    mask = np.array([[0, 1, 1, 0, 1], [1, 0, 0, 0, 0]], bool)
    held = np.where(mask[..., None], x, np.nan)
    actual = np.asarray(layer.spectrum(held, mask=mask))
    for row in range(B):
        dense = layer.spectrum(x[row : row + 1, mask[row]])[0]
        assert_allclose(actual[row, mask[row]], dense, atol=1e-12)
    np.testing.assert_array_equal(actual[0, 0], np.zeros((D, K)))
    np.testing.assert_array_equal(actual[0, 3], actual[0, 2])
    np.testing.assert_array_equal(actual[1, 4], actual[1, 0])


def test_the_spectrum_of_a_layer_that_goes_backwards_is_read_as_its_outputs_are():
    layer, backwards = made("paper"), made("paper", go_backwards=True)
    x = frames()
    assert_allclose(backwards.spectrum(x), layer.spectrum(np.flip(x, axis=1)), atol=1e-12)


@pytest.mark.parametrize("cls", [SFM, AdaptiveSFM])
def test_a_spectrum_can_be_had_first_of_all_and_changes_nothing(cls):
    layer = cls(M, K, D, dropout=0.5, stateful=True)
    x = frames().astype("float32")
    spectrum = layer.spectrum(x)
    np.testing.assert_array_equal(layer.spectrum(x), spectrum)
    assert [w.name for w in layer.trainable_weights][:2] == ["kernel", "recurrent_kernel"]
    assert layer(x).shape == (B, M)


# Limits.


def assigned(layer, **weights):
    """A layer of 1 in which nothing but what is given is not 0."""
    layer.build((None, None, 1))
    for weight in layer.cell.trainable_weights:
        weight.assign(weights.get(weight.name, np.zeros(weight.shape)))
    return layer


OPEN, SHUT = 60.0, -60.0  # a sigmoid of these is 1 or 0 in double precision, but for 1e-26


def columns(K, ste, fre, g, i):
    """A row of a layer of one unit; output gates stay at 0."""
    return np.array([ste] + [fre] * K + [g, i] + [0.0] * K)


def test_a_memory_that_forgets_nothing_is_the_fourier_transform_of_what_went_in():
    x = frames(1, 16)[:, :, :1]
    layer = assigned(
        SFM(1, 16, dtype=DOUBLE),
        kernel=columns(16, 0, 0, 0, 1)[None],
        bias=columns(16, OPEN, OPEN, OPEN, 0),
    )
    spectrum = layer.spectrum(x)[0, -1, 0]
    assert_allclose(spectrum, np.abs(np.fft.fft(np.tanh(x[0, :, 0]))), atol=1e-12)


def test_a_wave_of_one_of_the_frequencies_is_loudest_at_that_frequency():
    t = np.arange(1, 33)
    layer = assigned(
        SFM(1, 4, frequencies="log", dtype=DOUBLE),
        kernel=columns(4, 0, 0, 0, 1)[None],
        bias=columns(4, OPEN, OPEN, OPEN, 0),
    )
    for k, w in enumerate(reference.octaves(4)):
        spectrum = layer.spectrum(0.01 * np.cos(w * t)[None, :, None])[0, -1, 0]
        assert np.argmax(spectrum) == k
        assert spectrum[k] > 10 * np.max(np.delete(spectrum, k))


@pytest.mark.parametrize("frequencies", ["harmonic", [0.0]], ids=["harmonic", "given"])
def test_at_frequency_zero_the_memory_is_a_leaky_sum(frequencies):
    x, leak = frames(1, 8)[:, :, :1], reference.sigmoid(0.5) * reference.sigmoid(1.0)
    layer = assigned(
        SFM(1, 1, frequencies=frequencies, return_state=True, dtype=DOUBLE),
        kernel=columns(1, 0, 0, 0, 1)[None],
        bias=columns(1, 0.5, 1.0, OPEN, 0),
    )
    total = 0.0
    for value in x[0, :, 0]:
        total = leak * total + math.tanh(value)
    _, _, S_re, S_im, _ = layer(x)
    assert_allclose(S_re, [[total]], atol=1e-12)
    np.testing.assert_array_equal(S_im, [[0]])


def test_a_memory_that_forgets_all_at_once_sees_one_frame():
    layer, x = made("paper"), frames()
    bias = layer.cell.bias.numpy()
    bias[: D + K] = 20 * SHUT
    layer.cell.bias.assign(bias)
    layer.cell.recurrent_kernel.assign(np.zeros(layer.cell.recurrent_kernel.shape))
    each = layer(x.reshape(B * T, 1, N))[0]
    assert_allclose(np.reshape(layer(x)[0], each.shape), each, atol=1e-12)


@pytest.mark.parametrize("phase", ["product", "accumulated"])
@pytest.mark.parametrize("form", ["paper", "stock", "per_frequency"])
def test_adaptive_frequencies_that_do_not_adapt_are_given_ones(phase, form):
    options = {"variant": "stock"} if form == "stock" else {}
    options |= {"recurrent_output": form} if form == "per_frequency" else {}
    options |= {"units": M, "num_frequencies": K, "return_sequences": True, "dtype": DOUBLE}
    adaptive = randomised(AdaptiveSFM(phase=phase, **options))
    omega = np.s_[2 * M + K + M : 2 * M + K + M + K]
    b_w, kept = np.array([-1.0, 0.3, 2.0]), []
    for weight in adaptive.weights:
        array = weight.numpy()
        if weight.name in ("kernel", "recurrent_kernel", "bias"):
            array[..., omega] = b_w if weight.name == "bias" else 0
            weight.assign(array)
            array = np.delete(array, omega, axis=-1)
        kept.append(array)
    w = [2 * np.pi * reference.sigmoid(b) for b in b_w]
    given = SFM(frequencies=w, **options)
    given.build((None, None, N))
    given.set_weights(kept)
    assert_allclose(adaptive(frames()), given(frames()), atol=1e-9)


def test_the_two_phases_differ_when_the_frequency_moves():
    product, accumulated = made("adaptive"), made("accumulated")
    x = frames()
    first, second = np.asarray(product(x)[0]), np.asarray(accumulated(x)[0])
    assert_allclose(first[:, 0], second[:, 0], atol=1e-12)
    assert np.all(np.abs(first - second)[:, 1:].max(axis=(0, 2)) > 1e-4)


@pytest.mark.parametrize("cls", [SFM, AdaptiveSFM])
def test_with_one_frequency_its_own_output_is_the_output(cls):
    arguments = {"return_sequences": True, "dtype": DOUBLE}
    whole = randomised(cls(M, 1, D, **arguments))
    apart = randomised(cls(M, 1, D, recurrent_output="per_frequency", **arguments))
    assert_allclose(apart(frames()), whole(frames()), atol=1e-12)
