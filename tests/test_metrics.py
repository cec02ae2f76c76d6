"""Likelihoods say what they are, scores what they cannot exceed; frames and phones are counted."""

import keras
import numpy as np
import pytest

from seqlayers.metrics import (
    FrameAccuracy,
    Likelihood,
    collapse_repeats,
    phone_error_rate,
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
    """Of Levenshtein, by his recursion."""
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
