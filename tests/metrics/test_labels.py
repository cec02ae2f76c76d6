"""Frames, phones and groups are compared by their definitions."""

from itertools import permutations

import keras
import numpy as np
import pytest

from seqlayers.metrics import (
    FrameAccuracy,
    adjusted_mutual_information,
    collapse_repeats,
    phone_error_rate,
    v_measure,
)


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


def information(labels, clusters):
    """I, summed pair of groups by pair of groups."""
    total = 0.0
    for i in set(labels):
        for j in set(clusters):
            a, b = (np.array([x == k for x in y]) for y, k in ((labels, i), (clusters, j)))
            if (a & b).any():
                p = (a & b).mean()
                total += p * np.log(p / (a.mean() * b.mean()))
    return total


def test_agreement_is_judged_by_the_mean_over_all_shuffles():
    labels, clusters = "aaabbc", [0, 0, 1, 1, 2, 2]
    mean = np.mean([information(each, clusters) for each in permutations(labels)])
    most = (information(labels, labels) + information(clusters, clusters)) / 2
    expected = (information(labels, clusters) - mean) / (most - mean)
    actual = adjusted_mutual_information(list(labels), clusters)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
    assert adjusted_mutual_information(clusters, list(labels)) == pytest.approx(actual)


def test_a_known_agreement_comes_out():
    """The one that scikit-learn tests its own by."""
    labels = [1] * 6 + [2] * 6 + [3] * 5
    clusters = [1, 1, 1, 1, 2, 1, 2, 2, 2, 2, 3, 1, 3, 3, 3, 2, 2]
    np.testing.assert_allclose(adjusted_mutual_information(labels, clusters), 0.27821, atol=5e-6)


def test_names_of_groups_do_not_matter_and_chance_is_0(rng):
    labels = rng.integers(0, 11, 600)
    assert adjusted_mutual_information(labels, (labels * 7) % 11) == pytest.approx(1)
    by_chance = [adjusted_mutual_information(labels, rng.integers(0, 30, 600)) for _ in range(20)]
    assert abs(np.mean(by_chance)) < 0.01


def test_the_v_measure_is_of_homogeneity_and_completeness(rng):
    labels = ["a", "a", "a", "b", "b", "c"]
    clusters = [0, 0, 1, 1, 2, 2]
    both = [information(*pair) for pair in ((labels, clusters), (labels, labels), (clusters,) * 2)]
    h, c = both[0] / both[1], both[0] / both[2]
    assert v_measure(labels, clusters) == pytest.approx(2 * h * c / (h + c), rel=1e-12)
    assert v_measure(labels, list("zzzyyx")) == pytest.approx(1)
    assert v_measure([1, 1], [2, 2]) == 1
    assert v_measure([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="go together.*1 and 2"):
        v_measure([1], [1, 2])
    sklearn = pytest.importorskip("sklearn.metrics")
    labels, clusters = rng.integers(0, 11, 600), rng.integers(0, 30, 600)
    clusters[:400] = labels[:400]
    expected = sklearn.v_measure_score(labels, clusters)
    assert v_measure(labels, clusters) == pytest.approx(expected, rel=1e-9)


def test_agreement_at_the_edges_is_0_or_1():
    assert adjusted_mutual_information([1, 1, 1], [2, 2, 2]) == 1
    assert adjusted_mutual_information([1, 2, 3], ["c", "a", "b"]) == 1
    assert adjusted_mutual_information([0, 0, 0, 0], [0, 1, 2, 3]) == pytest.approx(0, abs=1e-12)
    for labels, clusters in (([], []), ([1], [1, 2])):
        with pytest.raises(ValueError, match=f"go together.*{len(labels)} and {len(clusters)}"):
            adjusted_mutual_information(labels, clusters)
