import numpy as np
import pytest

from seqlayers.datasets.labels import Annotation, LabelError, check_duration


def test_segments_are_in_order_of_start_and_end():
    song = Annotation([(2, 3), (0.5, 2), (0.5, 1), (2, 3)], ["c", "b", "a", "d"])
    assert song.times.tolist() == [[0.5, 1], [0.5, 2], [2, 3], [2, 3]]
    assert song.labels == ["a", "b", "c", "d"] and len(song) == 4
    assert Annotation([], []).times.shape == (0, 2)


def test_an_annotation_keeps_its_own_times():
    times = np.array([[0.0, 1.0]])
    song = Annotation(times, ["a"])
    times[:] = 7
    assert song.times.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    "times, labels, message",
    [
        ([[0, 1, 2]], ["a"], r"`times` must be numbers `\(N, 2\)`. Received: shape \(1, 3\)"),
        ([["x", 1]], ["a"], "`times` must be numbers"),
        ([[0, 1], [1, float("inf")]], ["a", "b"], "Received: .* in segment 1"),
        ([[-1, 1]], ["a"], "at least 0"),
        ([[2, 1]], ["a"], "no end before its start"),
        ([[0, 1]], ["a", "b"], "one for each segment"),
        ([[0, 1]], "a", "must be a list of strings"),
        ([[0, 1]], [1], "must be a list of strings"),
    ],
)
def test_what_is_no_annotation_is_refused(times, labels, message):
    with pytest.raises(ValueError, match=message):
        Annotation(times, labels)


def test_labels_behind_the_end_are_refused_by_name():
    song = Annotation([[0, 1], [1, 2.0005], [1.5, 2.25], [2.1, 2.2]], list("abcd"))
    check_duration(song, 2.25)
    check_duration(Annotation([[1, 2.0005]], ["b"]), 2)
    with pytest.raises(LabelError, match="song.txt: .* 2.000000 s. .* 2 of 4 .* 'c' from 1.5"):
        check_duration(song, 2, "song.txt")
    with pytest.raises(ValueError, match="`duration` must be"):
        check_duration(song, -1)
