"""Waves are those of the paper, and drawn as it says."""

import numpy as np
import pytest

from seqlayers.datasets import waves

FUNCTIONS = {"square": waves.square, "sawtooth": waves.sawtooth}


def reference(name, t, T, A, P, V, terms):
    """Equations 17 and 18, written out for one time."""
    if name == "square":
        series = sum(np.sin(2 * n * np.pi / T * (t + P)) / n for n in range(1, 2 * terms, 2))
        return 4 * A / np.pi * series + V
    series = sum(np.sin(2 * n * np.pi / T * (t + P)) / n for n in range(1, terms + 1))
    return A / 2 - A / np.pi * series + V


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("terms", [1, 2, 7])
def test_a_series_is_that_of_the_equations(name, terms, rng):
    for T, A, P, V in rng.uniform((50, 0.5, 0, 0.25), (75, 2, 15, 0.75), (5, 4)):
        t = rng.uniform(0, 125, 20)
        actual = FUNCTIONS[name](t, T, A, P, V, terms=terms)
        expected = [reference(name, each, T, A, P, V, terms) for each in t]
        np.testing.assert_allclose(actual, expected, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_series_converges_to_the_closed_form_away_from_jumps(name):
    T, A, P, V = 60.0, 1.5, 7.0, 0.4
    t = np.linspace(0, 125, 400)
    x = (t + P) / T % (0.5 if name == "square" else 1.0)  # jumps are at whole numbers of these
    t = t[np.minimum(x, (0.5 if name == "square" else 1.0) - x) > 0.05]
    assert len(t) > 200
    exact = FUNCTIONS[name](t, T, A, P, V)
    errors = [abs(FUNCTIONS[name](t, T, A, P, V, terms=n) - exact).max() for n in (10, 100, 1000)]
    assert errors[1] < errors[0] / 5 and errors[2] < errors[1] / 5
    assert errors[2] < 0.005


@pytest.mark.parametrize("name", FUNCTIONS)
def test_at_a_jump_the_closed_form_is_what_every_series_gives(name):
    t = np.array([0.0, 4.0, 8.0])
    for terms in (1, 5, 50):
        series = FUNCTIONS[name](t, 4.0, 2.0, 0.0, 0.3, terms=terms)
        np.testing.assert_allclose(FUNCTIONS[name](t, 4.0, 2.0, 0.0, 0.3), series, atol=1e-12)


def test_closed_forms_have_the_values_one_would_draw():
    t = np.array([0.5, 1.5, 2.5, 3.5, 4.5])
    np.testing.assert_allclose(waves.square(t, 4.0, 2.0, 0.0, 1.0), [3, 3, -1, -1, 3])
    np.testing.assert_allclose(
        waves.sawtooth(t, 4.0, 2.0, 0.0, 1.0), [1.25, 1.75, 2.25, 2.75, 1.25]
    )
    np.testing.assert_allclose(waves.square(t, 4.0, phase=2.0), [-1, -1, 1, 1, -1])


def test_by_default_the_sizes_are_those_of_the_paper():
    train, test = waves.load()
    for (x, labels), each in ((train, 800), (test, 200)):
        assert x.shape == (2 * each, 500, 2) and x.dtype == np.float32
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(np.bincount(labels), [each, each])
        assert 0.3 < labels[:each].mean() < 0.7  # shuffled


def test_what_is_drawn_fills_the_ranges_of_the_paper():
    (x, labels), _ = waves.load()
    y, t = x[..., 0], x[..., 1]
    assert (np.diff(t) >= 0).all() and t.min() >= 0  # sorted in time
    longest = t[:, -1] * 501 / 500  # the last of 500 samples lies a little before the end
    assert 15 * 0.99 < longest.min() < 17 and 123 < longest.max() < 125 * 1.01
    np.testing.assert_allclose(longest.mean(), 70, atol=5 * 110 / np.sqrt(12 * 1600))

    middle, half = (y.max(1) + y.min(1)) / 2, (y.max(1) - y.min(1)) / 2
    square = (labels == 0) & (half > 0.1)  # those that jump
    assert {len(np.unique(wave)) for wave in y[square]} == {2}
    assert (half[square] >= 0.5 - 1e-6).all() and (half[square] <= 2 + 1e-6).all()
    assert (middle[square] >= 0.25 - 1e-6).all() and (middle[square] <= 0.75 + 1e-6).all()
    np.testing.assert_allclose(half[square].mean(), 1.25, atol=0.1)
    np.testing.assert_allclose(middle[square].mean(), 0.5, atol=0.03)
    saws = y[labels == 1]
    assert saws.min() >= 0.25 - 1e-6 and saws.max() <= 2.75 + 1e-6
    starts = np.sort(saws[:, 0])
    assert starts[0] < 0.3 and starts[-1] > 1.0  # the phases differ


def test_one_seed_gives_one_draw_and_another_another():
    first, again, other = (waves.load(20, 30, seed=seed) for seed in (0, 0, 1))
    for (x, labels), (y, same) in zip(first, again, strict=True):
        np.testing.assert_array_equal(x, y)
        np.testing.assert_array_equal(labels, same)
    assert (first.train[0] != other.train[0]).any()


def test_a_series_is_drawn_at_the_same_times_as_the_closed_form():
    (x, labels), _ = waves.load(40, 50, seed=3)
    (approximate, same), _ = waves.load(40, 50, seed=3, terms=200)
    np.testing.assert_array_equal(labels, same)
    np.testing.assert_array_equal(x[..., 1], approximate[..., 1])
    assert 0 < np.median(abs(x[..., 0] - approximate[..., 0])) < 0.02


def test_ranges_are_the_users():
    (x, labels), (_, held_out) = waves.load(
        14, 200, lengths=(8, 8), periods=(4, 4), amplitudes=(1, 1), phases=(0, 0), biases=(3, 3)
    )
    assert (np.bincount(labels).tolist(), np.bincount(held_out).tolist()) == ([5, 5], [2, 2])
    for wave, label in zip(x, labels, strict=True):
        expected = FUNCTIONS[waves.NAMES[label]](wave[:, 1], 4.0, bias=3.0)
        np.testing.assert_allclose(wave[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_sequences": 2}, "`num_sequences` must be an integer of at least 4.*2"),
        ({"num_sequences": 7}, "`num_sequences` must be even.*num_sequences=7"),
        ({"num_samples": 0}, "`num_samples` must be an integer of at least 1.*0"),
        ({"seed": -1}, "`seed` must be an integer of at least 0.*-1"),
        ({"terms": 0}, "`terms` must be an integer of at least 1.*0"),
        ({"lengths": (125, 15)}, r"`lengths` must be two numbers above 0, the smaller.*\(125, 15"),
        ({"periods": (0, 5)}, r"`periods` must be two numbers above 0.*\(0, 5\)"),
        ({"amplitudes": 2}, "`amplitudes` must be two numbers.*amplitudes=2"),
        ({"phases": (0, 1, 2)}, r"`phases` must be two numbers.*\(0, 1, 2\)"),
        ({"biases": (0, float("nan"))}, "`biases` must be two numbers.*nan"),
        ({"biases": ("a", "b")}, "`biases` must be two numbers.*'a'"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        waves.load(**{"num_sequences": 10, "num_samples": 5} | arguments)


@pytest.mark.parametrize("function", FUNCTIONS.values())
def test_a_wave_needs_a_period_and_whole_terms(function):
    with pytest.raises(ValueError, match="`period` must be above 0.*0"):
        function(np.ones(3), 0)
    with pytest.raises(ValueError, match="`terms` must be an integer.*2.5"):
        function(np.ones(3), 4, terms=2.5)
