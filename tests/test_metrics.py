"""Likelihoods say what they are, scores what they cannot exceed; frames, phones and spectra."""

import keras
import numpy as np
import pytest

from seqlayers.metrics import (
    FrameAccuracy,
    Likelihood,
    collapse_repeats,
    hidden_activity,
    log_spectral_distance,
    long_term_spectrum,
    modulation_spectrum,
    phone_error_rate,
    pieces,
    precision_recall,
    softmax_ceiling,
    softmax_score,
)


def test_an_exact_likelihood_reads_as_one_line():
    text = str(Likelihood(-7.12345, 0.0, "exact", 4725, 77))
    assert text == "-7.123 nats per frame (exact; per_frame, 4,725 frames of 77 sequences)"


def test_an_estimate_shows_its_error_and_the_other_side():
    text = str(Likelihood(-7.1, 0.0012, "estimate", 10, 2, reverse_nats=-7.15))
    assert "estimate, standard error 0.0012, from the other side -7.150" in text


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


def test_all_frames_count_alike_however_long_their_batch(rng):
    accuracy, keras_own = FrameAccuracy(), keras.metrics.SparseCategoricalAccuracy()
    right = []
    for length in (3, 50, 12):
        y, logits = rng.integers(0, 4, (2, length)), rng.normal(size=(2, length, 4))
        right.append((logits.argmax(-1) == y).ravel())
        for metric in (accuracy, keras_own):
            metric.update_state(y, logits)
    expected = np.concatenate(right).mean()
    np.testing.assert_allclose(accuracy.result(), expected, rtol=1e-6)
    assert abs(float(keras_own.result()) - expected) > 0.01  # why there is one of our own


def test_frames_without_weight_are_left_out(rng):
    y, logits = rng.integers(0, 3, (4, 9)), rng.normal(size=(4, 9, 3))
    right = logits.argmax(-1) == y
    frames, sequences = rng.random((4, 9)) < 0.5, np.array([1.0, 0.0, 2.0, 0.5])
    for weights, full in (
        (frames, frames),
        (frames.astype("float32"), frames),
        (sequences, np.repeat(sequences[:, None], 9, axis=1)),
        (sequences[:, None], np.repeat(sequences[:, None], 9, axis=1)),
    ):
        accuracy = FrameAccuracy()
        accuracy.update_state(y, logits, sample_weight=weights)
        np.testing.assert_allclose(accuracy.result(), np.average(right, weights=full), rtol=1e-6)
    accuracy = FrameAccuracy()
    accuracy.update_state(y[:, :, None], logits, sample_weight=frames)
    np.testing.assert_allclose(accuracy.result(), right[frames].mean(), rtol=1e-6)


def test_fit_and_evaluate_hand_masks_and_weights_over(rng):
    x = rng.normal(size=(6, 8, 3)).astype("float32")
    lengths = np.array([8, 1, 5, 3, 2, 7])
    there = np.arange(8) < lengths[:, None]
    x[~there] = 0
    y = rng.integers(0, 4, (6, 8))
    weights = there & (rng.random((6, 8)) < 0.7)
    model = keras.Sequential([keras.Input((8, 3)), keras.layers.Masking(), keras.layers.Dense(4)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    accuracy, weighted = FrameAccuracy(), FrameAccuracy("weighted")
    model.compile("sgd", loss, metrics=[accuracy], weighted_metrics=[weighted])
    model.fit(x, y, sample_weight=weights.astype("float32"), batch_size=4, verbose=0)
    found = model.evaluate(
        x, y, sample_weight=weights.astype("float32"), batch_size=4, verbose=0, return_dict=True
    )
    right = model.predict(x, verbose=0).argmax(-1) == y
    np.testing.assert_allclose(found["frame_accuracy"], right[there].mean(), rtol=1e-6)
    np.testing.assert_allclose(found["weighted"], right[weights].mean(), rtol=1e-6)


def test_frame_accuracy_can_be_saved():
    accuracy = FrameAccuracy("valid", dtype="float32")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(accuracy))
    assert type(again) is FrameAccuracy and again.name == "valid"


def edit_distance(a, b):
    """The Levenshtein distance, by its recursion."""
    if not a or not b:
        return len(a) + len(b)
    change = edit_distance(a[1:], b[1:]) + (a[0] != b[0])
    return min(change, edit_distance(a[1:], b) + 1, edit_distance(a, b[1:]) + 1)


def test_phone_errors_are_edits_over_all_phones(rng):
    references = [rng.integers(0, 3, length).tolist() for length in (5, 1, 0, 4)]
    hypotheses = [rng.integers(0, 3, length).tolist() for length in (4, 0, 2, 6)]
    edits = sum(edit_distance(a, b) for a, b in zip(references, hypotheses, strict=True))
    assert phone_error_rate(references, hypotheses) == edits / 10
    names = np.array(["sil", "aa", "t"])
    named = [[names[row].tolist() for row in rows] for rows in (references, hypotheses)]
    assert phone_error_rate(*named) == edits / 10
    assert phone_error_rate(references, references) == 0
    assert phone_error_rate([["aa"]], [["aa", "t", "t"]]) == 2
    assert phone_error_rate([["aa"], ["t"]], [[], []]) == 1


def test_phone_errors_need_references():
    with pytest.raises(ValueError, match="must go together.*2 and 1"):
        phone_error_rate([["a"], ["b"]], [["a"]])
    for none in ([], [[]]):
        with pytest.raises(ValueError, match="at least one phone"):
            phone_error_rate(none, none)


def test_runs_collapse_and_nothing_else():
    assert collapse_repeats([1, 1, 2, 1, 1, 1, 3]) == [1, 2, 1, 3]
    assert collapse_repeats(np.array([0, 0, 0])) == [0]
    assert collapse_repeats(["sil", "k", "k"]) == ["sil", "k"]
    assert collapse_repeats([]) == []


# Spectra that a model draws.


def test_the_long_term_spectrum_is_the_mean_power_of_all_frames_pooled(rng):
    sequences = [rng.random((length, 3)) for length in (4, 1, 7)]
    expected = np.square(np.concatenate(sequences)).mean(axis=0)
    np.testing.assert_allclose(long_term_spectrum(sequences), expected, rtol=1e-12)
    array = rng.random((2, 5, 3))
    np.testing.assert_allclose(long_term_spectrum(array), np.square(array).mean(axis=(0, 1)))


def test_a_bin_that_swings_has_its_modulation_at_its_rate_and_nowhere_else():
    T, t = 32, np.arange(160)
    swing = 5 * (1 + 0.5 * np.cos(2 * np.pi * 4 * t / T))
    A = np.stack([swing, np.full(160, 5.0), np.zeros(160), swing / 1000], axis=-1)
    P = modulation_spectrum(A, T)
    assert P.shape == (T // 2, 4)
    assert P[:, 0].argmax() == 3  # m = 4, of which 0 is left out
    # |sum_t w_t 0.5 cos|^2 = (0.25 sum w)^2, and of a Hann window (sum w)^2 / sum w^2 = 2 T / 3.
    assert P[3, 0] == pytest.approx(0.25**2 * 2 * T / 3)
    np.testing.assert_allclose(P[[0, 1, *range(5, 16)], 0], 0, atol=1e-20)
    np.testing.assert_allclose(P[:, 1:3], 0, atol=1e-20)
    np.testing.assert_allclose(P[:, 3], P[:, 0], atol=1e-12)  # it knows nothing of loudness


def test_white_noise_is_modulated_alike_at_all_rates(rng):
    A = 3 + 0.3 * rng.normal(size=(400, 64, 2))  # variance 0.01 of A / a - 1
    P = modulation_spectrum(A, 16)
    np.testing.assert_allclose(P[:-1], 0.01, rtol=0.15)
    short = modulation_spectrum([A[0], A[1, :15]], 16)  # what is short is left out
    np.testing.assert_array_equal(short, modulation_spectrum(A[0], 16))


def test_a_level_is_a_distance_of_spectra_and_none_of_modulations(rng):
    A = 0.1 + rng.random((3, 64, 5))
    louder = log_spectral_distance(long_term_spectrum(10 * A), long_term_spectrum(A))
    assert louder == pytest.approx(20)
    assert log_spectral_distance(modulation_spectrum(10 * A), modulation_spectrum(A)) < 1e-9


def test_the_distance_of_spectra_is_in_decibels_both_ways_and_has_a_floor():
    P = np.array([1.0, 10.0, 100.0])
    assert log_spectral_distance(P, P) == 0 == log_spectral_distance([0.0], [0.0])
    assert log_spectral_distance(P, P[::-1]) == pytest.approx(np.sqrt(800 / 3))
    assert log_spectral_distance(P[::-1], P) == log_spectral_distance(P, P[::-1])
    assert log_spectral_distance([1.0, 0.0], [1.0, 1e-3], 1e-6) == pytest.approx(np.sqrt(900 / 2))
    assert log_spectral_distance([1.0, 0.0], [1.0, 1e-3], 0.01) == 0
    assert log_spectral_distance([1.0, 0.0], [1.0, 1e-3]) == pytest.approx(np.sqrt(2500 / 2))


def test_the_distance_of_spectrograms_is_the_mean_over_frames(rng):
    P, Q = rng.gamma(2, 1, (2, 20, 129))
    expected = sum(
        np.sqrt(np.mean((10 * np.log10(p / q)) ** 2)) / 20 for p, q in zip(P, Q, strict=True)
    )
    assert log_spectral_distance(P, Q) == pytest.approx(expected)
    assert log_spectral_distance(0 * P, 0 * P + 1, floor=1e-10) == pytest.approx(100)


def by_definition(points, others, k):
    """Precision and recall of points among others, one pair after the other."""
    among = 0
    for x in points:
        inside = False
        for n, s in enumerate(others):
            distances = [np.linalg.norm(s - o) for m, o in enumerate(others) if m != n]
            inside |= bool(np.linalg.norm(x - s) <= sorted(distances)[k - 1])
        among += inside
    return among / len(points)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_are_those_of_their_definition(rng, k):
    real, generated = rng.normal(size=(12, 2)), 2 + 0.7 * rng.normal(size=(9, 2))
    found = precision_recall(generated, real, neighbours=k)
    expected = by_definition(generated, real, k), by_definition(real, generated, k)
    assert found == pytest.approx(expected)
    assert 0 < found.precision < 1 and 0 < found.recall < 1


def test_precision_falls_with_what_never_is_and_recall_with_what_is_left_out(rng):
    two = np.concatenate([rng.normal(size=(60, 3, 2)), 50 + rng.normal(size=(60, 3, 2))])
    one, far = two[:60], 500 + rng.normal(size=(60, 3, 2))
    assert precision_recall(two, two) == (1, 1)
    assert precision_recall(one, two) == (1, 0.5)
    assert precision_recall(two, one) == (0.5, 1)
    assert precision_recall(far, two) == (0, 0)


def test_pieces_lie_within_one_sequence(rng):
    long, short = rng.random((7, 2)), rng.random((2, 2))
    np.testing.assert_array_equal(pieces([long, short], 3), [long[:3], long[3:6]])
    assert pieces([long, short], 2, hop=1).shape == (7, 2, 2)
    assert pieces(np.stack([long, long]), 7).shape == (2, 7, 2)


def test_a_hidden_unit_is_silent_by_its_mean_over_all_frames():
    activity = np.zeros((2, 5, 4))
    activity[..., 0], activity[0, 0, 1], activity[..., 2] = 1, 0.9, 0.06  # means 1, 0.09, 0.06, 0
    assert hidden_activity(activity) == pytest.approx((1.15 / 4, 0.25))
    assert hidden_activity(activity, level=0.07)[1] == 0.5
    assert hidden_activity(activity, level=0.1)[1] == 0.75


@pytest.mark.parametrize(
    "message, function, arguments",
    [
        ("`amplitudes` must be amplitudes.*-1", long_term_spectrum, [[[-1.0, 2.0]]]),
        ("`amplitudes` must be amplitudes.*nan", long_term_spectrum, [[[np.nan, 2.0]]]),
        ("`amplitudes` must be frames", long_term_spectrum, [[]]),
        ("`amplitudes` must be frames", long_term_spectrum, [[np.ones((2, 3)), np.ones((2, 4))]]),
        (
            "`num_frames` must be an integer of at least 4",
            modulation_spectrum,
            [np.ones((9, 2)), 3],
        ),
        ("8 frames or more.*at most 5", modulation_spectrum, [np.ones((2, 5, 2)), 8]),
        ("one shape.*\\(2,\\) and \\(3,\\)", log_spectral_distance, [np.ones(2), np.ones(3)]),
        ("`other` must hold powers", log_spectral_distance, [np.ones(2), -np.ones(2)]),
        ("`floor` must be", log_spectral_distance, [np.ones(2), np.ones(2), 0.0]),
        (
            "`real` must hold more than 3 points",
            precision_recall,
            [np.ones((4, 2)), np.ones((3, 2))],
        ),
        ("`generated` must hold", precision_recall, [np.full((4, 2), np.nan), np.ones((4, 2))]),
        ("one size.*2 and 3", precision_recall, [np.ones((4, 2)), np.ones((4, 3))]),
        ("`neighbours` must be an integer", precision_recall, [np.ones((4, 2))] * 2 + [0]),
        ("6 frames or more.*at most 5", pieces, [np.ones((5, 2)), 6]),
        ("`hop` must be an integer", pieces, [np.ones((5, 2)), 2, 0]),
        ("`activity` must hold.*\\(3,\\)", hidden_activity, [np.ones(3)]),
        ("`activity` must hold", hidden_activity, [np.full((3, 2), 1.5)]),
        ("`level` must be a finite number", hidden_activity, [np.ones((3, 2)), 1]),
    ],
)
def test_what_no_spectrum_or_set_of_points_is_is_refused(message, function, arguments):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
