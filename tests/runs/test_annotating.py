"""Labels of recordings that are longer than a block."""

import numpy as np
import pytest

from seqlayers import audio
from seqlayers.datasets.labels import Annotation
from seqlayers.models.labelling import Labelled
from seqlayers.runs import annotating

RATE = 1000


class Loud:
    """Labels what is loud, by its amplitude, and counts the samples that it gets at once."""

    sample_rate = RATE

    def __init__(self):
        self.lengths = []

    def annotate(self, samples):
        self.lengths.append(len(samples))
        level = np.rint(10 * np.concatenate([[0], samples, [0]])).astype(int)
        edges = np.flatnonzero(np.diff(level))
        starts, ends = (edges[i:][: len(edges) - 1] if len(edges) else edges for i in (0, 1))
        found = [(a, b, level[a + 1]) for a, b in zip(starts, ends, strict=True) if level[a + 1]]
        times = [(a / RATE, b / RATE) for a, b, _ in found]
        names = [str(value) for *_, value in found]
        return Labelled(Annotation(times, names), np.array([v / 10 for *_, v in found]), None)


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    monkeypatch.setattr(annotating, "BLOCK", 2.0)
    monkeypatch.setattr(annotating, "CONTEXT", 0.5)


def write(path, runs, seconds):
    """Writes a recording that is as loud as runs `(start, end, level)` have it."""
    samples = np.zeros(round(seconds * RATE))
    for start, end, level in runs:
        samples[round(start * RATE) : round(end * RATE)] = level / 10
    audio.write(path, samples, RATE, bits=24)


@pytest.mark.parametrize("touching", [False, True])
def test_blocks_give_the_labels_of_the_whole(touching, tmp_path, rng, monkeypatch):
    edges = np.round(np.cumsum(rng.uniform(0.05, 0.4, 200)), 3)
    levels = 1 + np.arange(199) % 7  # neighbours differ
    runs = list(zip(edges[:-1], edges[1:], levels, strict=True))[:: 1 if touching else 2]
    path, seconds = tmp_path / "long.wav", float(np.ceil(edges[-1]))
    write(path, runs, seconds)
    monkeypatch.setattr(annotating.audio, "read_blocks", in_blocks(700))
    labeller = Loud()
    found = annotating.annotate(labeller, path)
    np.testing.assert_allclose(found.annotation.times, [run[:2] for run in runs], atol=1e-9)
    assert found.annotation.labels == [str(run[2]) for run in runs]
    np.testing.assert_allclose(found.confidences, [run[2] / 10 for run in runs])
    assert found.duration == seconds
    assert len(labeller.lengths) > 10 and max(labeller.lengths) < 5 * RATE


def in_blocks(size):
    read = audio.read_blocks
    return lambda path, **options: read(path, size, **options)


@pytest.mark.parametrize("end", [2.6, 9.0, 9.3, 99.0])
def test_a_label_of_more_than_a_block_is_whole_and_costs_no_more_memory(end, tmp_path, monkeypatch):
    monkeypatch.setattr(annotating.audio, "read_blocks", in_blocks(700))
    write(tmp_path / "long.wav", [(0.2, end, 3), (end + 0.5, end + 0.6, 4)], end + 3)
    labeller = Loud()
    found = annotating.annotate(labeller, tmp_path / "long.wav")
    np.testing.assert_allclose(found.annotation.times, [[0.2, end], [end + 0.5, end + 0.6]])
    np.testing.assert_allclose(found.confidences, [0.3, 0.4])
    assert max(labeller.lengths) < 5 * RATE and sum(labeller.lengths) < 4 * (end + 3) * RATE


def test_silence_has_no_label(tmp_path):
    write(tmp_path / "silence.wav", [], 12.0)
    found = annotating.annotate(Loud(), tmp_path / "silence.wav")
    assert not len(found.annotation) and found.duration == 12


def test_a_recording_without_samples_is_refused(tmp_path):
    audio.write(tmp_path / "none.wav", np.zeros(0), RATE)
    with pytest.raises(audio.AudioError, match="must have samples"):
        annotating.annotate(Loud(), tmp_path / "none.wav")
