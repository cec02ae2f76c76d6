"""Scores: of many frames, one at a time or bracketed."""

import keras
import numpy as np
import pytest

from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.models import SequenceModel, likelihood

D = 4


def test_more_frames_than_are_scored_at_once_are_all_scored(monkeypatch):
    monkeypatch.setattr(likelihood, "_FRAMES_AT_ONCE", 8)
    model = SequenceModel(keras.layers.SimpleRNNCell(D), BernoulliHead(5, seed=0))
    model.compile(jit_compile=False)
    model.head.visible_bias.assign(np.linspace(-1, 1, 5))
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 2, (n, 5)).astype("float32") for n in (13, 9, 1)]
    nats = [model.head.log_prob(f[None], model.contexts(f[None])).nats.numpy()[0] for f in frames]
    score = model.score(frames)
    assert (score.frames, score.sequences) == (23, 3)
    assert score.nats == pytest.approx(np.concatenate(nats).mean(), abs=1e-5)


@pytest.mark.parametrize("with_memory", [True, False], ids=["memory", "alone"])
def test_an_estimate_is_bracketed_from_the_other_side_when_asked_for(with_memory):
    head = ConditionalRBM(21, 21, num_betas=40, num_chains=2, seed=0)
    model = SequenceModel(keras.layers.SimpleRNNCell(D) if with_memory else None, head)
    model.compile(jit_compile=False)
    head.visible_bias.assign(np.linspace(-2, 2, 21))
    head.kernel.assign(0.2 * np.random.default_rng(1).normal(size=(21, 21)))
    frames = np.random.default_rng(0).integers(0, 2, (2, 3, 21))
    score = model.score(frames, bracket=True)
    assert score.kind == "estimate" and 0 < score.standard_error < 0.1
    assert score.reverse_nats == pytest.approx(score.nats, abs=0.1)
    assert score.reverse_nats != score.nats
    assert model.score(frames, bracket=True) == score
    other = model.score(frames, seed=1, bracket=with_memory)
    assert other.nats != score.nats
    assert (other.reverse_nats is None) != with_memory
    assert "from the other side" in str(score)
    assert ("from the other side" in str(other)) == with_memory
