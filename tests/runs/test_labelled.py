"""Recordings with labels: their split, and the frames of each part."""

import numpy as np
import pytest

from seqlayers import audio
from seqlayers.datasets import labels
from seqlayers.datasets.labels import Annotation
from seqlayers.models.label_layers import NETWORKS as LAYERS
from seqlayers.runs import labelled
from seqlayers.runs.options import complete
from seqlayers.runs.registry import NETWORKS

RATE = 1000


class Labeller:
    """Frames of 10 ms that hold their own number."""

    sample_rate = RATE

    def frames(self, path, channel):
        samples, _ = audio.read(path, RATE, channel)
        return np.arange(len(samples) // 10, dtype="float32")[:, None]

    def targets(self, annotation, num_frames):
        targets = np.zeros(num_frames, "int32")
        for start, end in np.rint(100 * annotation.times).astype(int):
            targets[start:end] = 1
        return targets


def options_of(folder, **given):
    return complete({"wav": str(folder), "labels": str(folder)} | given)


def write(folder, name, times, seconds=10.0, rate=RATE):
    audio.write(folder / f"{name}.wav", np.zeros(round(seconds * rate)), rate)
    labels.write(folder / f"{name}.txt", Annotation(times, ["a"] * len(times)), "audacity")


def evenly(number, seconds=10.0, share=0.5):
    starts = np.arange(number) * seconds / number
    return np.stack([starts, starts + share * seconds / number], axis=1)


def spans(found, split):
    return [(place.start, place.end) for place in found.places[split]]


def test_networks_of_the_command_line_are_those_of_the_model():
    assert set(NETWORKS) == set(LAYERS) and NETWORKS[0] == "patches"


def test_ten_recordings_are_split_in_the_order_of_their_paths(tmp_path):
    for n in range(21):
        write(tmp_path, f"{n:02}", evenly(2, 1.0) if n != 20 else [], seconds=1.0)
    found = labelled.read(options_of(tmp_path))
    names = {split: [p.file[-6:-4] for p in places] for split, places in found.places.items()}
    assert names["valid"] == ["16", "17"] and names["test"] == ["18", "19"]
    assert names["train"] == [f"{n:02}" for n in range(16)] + ["20"]  # which has no label
    assert not found.by_time and sum(found.labels("valid").values()) == 4
    scored = labelled.read(options_of(tmp_path), classes=["a", "b"])
    assert [len(scored.places[split]) for split in ("train", "valid", "test")] == [0, 0, 21]


def test_few_recordings_are_split_between_their_labels(tmp_path):
    write(tmp_path, "one", evenly(20, share=0.6))
    found = labelled.read(options_of(tmp_path))
    assert found.by_time
    assert spans(found, "train") == [(0.0, pytest.approx(7.9))]  # between 7.8 and 8.0
    assert spans(found, "valid") == [(pytest.approx(7.9), pytest.approx(8.9))]
    assert spans(found, "test") == [(pytest.approx(8.9), 10.0)]
    counts = [found.labels(split)["a"] for split in ("train", "valid", "test")]
    assert counts == [16, 2, 2]


def test_parts_follow_the_duration_of_labels_and_not_that_of_the_recording(tmp_path):
    write(tmp_path, "early", evenly(20, seconds=2.0))  # and eight seconds without labels
    found = labelled.read(options_of(tmp_path))
    assert [found.labels(split)["a"] for split in ("train", "valid", "test")] == [16, 2, 2]
    assert spans(found, "test")[0][1] == 10.0


@pytest.mark.parametrize(
    "times, parts",
    [
        (evenly(20, share=1.0), [(0, 8), (8, 9), (9, 10)]),  # they touch
        ([(0, 10), (1, 2), (8, 9)], [(0, 10)]),  # one spans all others
        ([(1, 2), (3, 4)], [(0, 10)]),  # too few to be split
        ([*[(0.1 * n, 0.1 * n + 0.05) for n in range(80)], (7.9, 9.8)], [(0, 7.95), (7.95, 10)]),
    ],
)
def test_no_label_is_cut(times, parts, tmp_path):
    write(tmp_path, "one", times)
    found = labelled.read(options_of(tmp_path))
    all_spans = [span for split in ("train", "valid", "test") for span in spans(found, split)]
    np.testing.assert_allclose(all_spans, parts)


def test_frames_of_the_parts_are_those_of_the_recording(tmp_path):
    write(tmp_path, "one", evenly(20, share=0.6))
    write(tmp_path, "two", evenly(10), rate=2 * RATE)
    options = options_of(tmp_path, sample_rate=RATE)
    found = labelled.read(options)
    data = labelled.data(found, Labeller(), options)
    for n, number in enumerate((20, 10)):
        parts = [data.splits[split][n][:, 0] for split in ("train", "valid", "test")]
        np.testing.assert_array_equal(np.concatenate(parts), np.arange(1000))
        targets = np.concatenate([data.targets[s][n] for s in ("train", "valid", "test")])
        assert np.count_nonzero(np.diff(targets, prepend=0) == 1) == number
    assert data.files == ["one.wav", "two.wav", "one.txt", "two.txt"]
    assert [rate for _, rate in data.resampled] == [2 * RATE]
    assert labelled.sample_rate(found, options_of(tmp_path)) == RATE


def test_labels_that_are_all_empty_are_refused(tmp_path):
    write(tmp_path, "one", evenly(20))
    labels.write(tmp_path / "one.txt", Annotation(evenly(20), [""] * 20), "audacity")
    with pytest.raises(labels.LabelError, match="Received: 20 labels, all of them empty"):
        labelled.read(options_of(tmp_path))
