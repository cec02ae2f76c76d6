"""Likelihoods read as a line, and the softmax score has a ceiling."""

import numpy as np
import pytest

from seqlayers.metrics import Likelihood, bootstrap_error, softmax_ceiling, softmax_score


def test_an_exact_likelihood_reads_as_one_line():
    text = str(Likelihood(-7.12345, 0.0, "exact", 4725, 77))
    assert text == "-7.123 nats per frame (exact; per_frame, 4,725 frames of 77 sequences)"


def test_an_estimate_shows_its_error_and_the_other_side():
    text = str(Likelihood(-7.1, 0.0012, "estimate", 10, 2, reverse_nats=-7.15))
    assert "estimate, standard error 0.0012, from the other side -7.150" in text


def test_what_has_not_converged_is_called_no_estimate():
    likelihood = Likelihood(-7.1, np.inf, "not_converged", 10, 2, reverse_nats=-np.inf)
    assert not likelihood.converged
    text = str(likelihood)
    assert "(not converged, no estimate, from the other side not converged;" in text
    assert Likelihood(-7.1, 0.1, "estimate", 10, 2).converged


def test_the_softmax_score_adds_up_the_pressed_keys(rng):
    frames, logits = rng.integers(0, 2, (2, 5, 7)), rng.normal(size=(2, 5, 7)).astype("float32")
    expected = np.zeros((2, 5))
    for b, t, key in np.argwhere(frames):
        expected[b, t] += logits[b, t, key] - np.log(np.exp(logits[b, t]).sum())
    np.testing.assert_allclose(softmax_score(frames, logits), expected, atol=1e-5)


def test_no_logits_score_above_the_ceiling_and_the_right_ones_reach_it(rng):
    frames = rng.integers(0, 2, (50, 12))
    frames[0] = 0
    ceiling = softmax_ceiling(frames)
    for scale in (0.1, 1, 10):
        scores = np.asarray(softmax_score(frames, scale * rng.normal(size=(50, 12))))
        assert (scores <= ceiling + 1e-6).all()
    np.testing.assert_allclose(softmax_score(frames, 50.0 * frames), ceiling, atol=1e-4)
    assert ceiling[0] == 0 and not np.signbit(ceiling[0])


@pytest.mark.parametrize("pressed", [1, 4, 88])
def test_the_ceiling_of_a_chord_is_that_of_a_uniform_choice(pressed):
    frame = np.arange(88) < pressed
    assert softmax_ceiling(frame) == pytest.approx(pressed * np.log(1 / pressed))


def test_the_bootstrap_of_sequences_of_one_length_is_the_error_of_a_mean(rng):
    nats = rng.normal(size=200)
    error = bootstrap_error(nats, np.ones(200, int), num_resamples=4000)
    assert error == pytest.approx(nats.std() / np.sqrt(200), rel=0.05)
    assert bootstrap_error(10 * nats, np.full(200, 10)) == pytest.approx(error, rel=0.05)


def test_the_bootstrap_of_sequences_of_all_lengths_is_the_error_of_a_ratio(rng):
    frames = rng.integers(1, 100, 300)
    nats = frames * rng.normal(-5, 1, 300)
    mean = nats.sum() / frames.sum()
    linear = np.sqrt(np.square(nats - mean * frames).sum()) / frames.sum()  # the delta method
    error = bootstrap_error(nats, frames, num_resamples=4000, seed=1)
    assert error == pytest.approx(linear, rel=0.05)
    assert bootstrap_error(nats, frames, num_resamples=4000, seed=1) == error
    assert bootstrap_error(nats, frames, num_resamples=4000, seed=2) != error


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"nats": [-1.0]}, r"`nats` and `frames`.*shapes \(1,\) and \(2,\)"),
        ({"nats": [-1.0], "frames": [3]}, "two or more sequences"),
        ({"frames": [3, 0]}, "at least one frame each.*at least 0 frames"),
        ({"frames": [3.0, 1.0]}, "`frames` must be an array of numbers, integers"),
        ({"nats": [-1.0, np.nan]}, "`nats` must be finite"),
        ({"num_resamples": 1}, "`num_resamples` must be an integer of at least 2"),
        ({"seed": -1}, "`seed` must be an integer"),
    ],
)
def test_a_bootstrap_of_nothing_to_draw_from_is_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        bootstrap_error(**{"nats": [-1.0, -2.0], "frames": [3, 4]} | options)
