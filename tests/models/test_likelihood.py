"""Scores: of many frames, one at a time or bracketed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.datasets.batching import pad
from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.layers import SFM, TanhGatedCell
from seqlayers.models import RTRBM, TRBM, LSTBMModel, SequenceModel, likelihood

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
    frames = [frames[n] for n in (2, 0, 1)]  # not in the order in which they are read
    padded, mask = pad([*frames, np.zeros((1, 5))])
    mask[-1] = False
    batches = tf.data.Dataset.from_tensor_slices((padded, mask)).batch(3)
    for data in ((frames,), (padded, mask), (batches,)):
        actual = model.frame_log_probs(*data, batch_size=2)
        assert [each.dtype for each in actual] == ["float64"] * 3
        for one, n in zip(actual, (2, 0, 1), strict=True):
            np.testing.assert_allclose(one, nats[n], atol=1e-5)


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


def test_annealing_that_has_not_converged_is_no_estimate():
    head = ConditionalRBM(21, 22, num_betas=20, num_chains=4, seed=0)
    model = SequenceModel(keras.layers.SimpleRNNCell(D), head)
    model.compile(jit_compile=False)
    head.kernel.assign(100 * np.random.default_rng(1).normal(size=(21, 22)))
    frames = np.random.default_rng(0).integers(0, 2, (2, 3, 21))
    score = model.score(frames, bracket=True)
    assert not score.converged and score.kind == "not_converged"
    assert score.standard_error == np.inf and score.reverse_nats == -np.inf
    assert "not converged" in str(score) and "(estimate" not in str(score)
    assert model.evaluate(frames) == pytest.approx(-score.nats)
    head.kernel.assign(0.001 * head.kernel)
    score = model.score(frames, bracket=True)
    assert score.converged and score.kind == "estimate" and np.isfinite(score.reverse_nats)


MEMORIES = {
    "none": lambda: None,
    "gru": lambda: keras.layers.GRU(D, return_sequences=True),
    "stack": lambda: [keras.layers.LSTMCell(3), keras.layers.GRUCell(D)],
    "gated": lambda: [SFM(D, num_frequencies=3, return_sequences=True).cell, TanhGatedCell(D)],
    "dropout": lambda: keras.layers.LSTM(D, return_sequences=True, dropout=0.5),
}
TEMPORAL = {"lstbm": LSTBMModel, "trbm": TRBM, "rtrbm": RTRBM}


def made(name):
    keras.utils.set_random_seed(0)
    if name in TEMPORAL:
        model = TEMPORAL[name](5, 3, "bernoulli", seed=0)
    else:
        model = SequenceModel(MEMORIES[name](), BernoulliHead(5, seed=0))
    model.compile(jit_compile=False)
    for weight in model.trainable_weights:
        weight.assign(0.5 * np.random.default_rng(1).normal(size=weight.shape))
    return model


def assert_alike(score, expected):
    assert score == expected._replace(nats=score.nats)
    assert score.nats == pytest.approx(expected.nats, rel=1e-6)


@pytest.mark.parametrize("name", [*MEMORIES, *TEMPORAL])
def test_pieces_of_long_sequences_have_the_likelihood_of_the_whole(monkeypatch, name):
    model, rng = made(name), np.random.default_rng(0)
    frames = [rng.integers(0, 2, (n, 5)).astype("float32") for n in (13, 4, 1, 9, 8, 12)]
    whole = model.score(frames, batch_size=4)
    padded, mask = pad(frames)
    mask[0, 3:7] = mask[3, :5] = False  # gaps, one of a whole piece
    gaps = [x[keep] for x, keep in zip(padded, mask, strict=True)]
    without_gaps = model.score(gaps)
    monkeypatch.setattr(likelihood, "_STEPS_AT_ONCE", 4)
    assert_alike(model.score(frames, batch_size=4), whole)
    one_by_one = [model.frame_log_probs([each])[0] for each in frames]
    for nats, expected in zip(model.frame_log_probs(frames, batch_size=4), one_by_one, strict=True):
        np.testing.assert_allclose(nats, expected, rtol=1e-5, atol=1e-6)
    batches = tf.data.Dataset.from_tensors((padded, mask))
    assert_alike(model.score(batches), without_gaps)


def test_no_more_steps_than_fit_are_read_at_once(monkeypatch):
    model, lengths = made("gru"), []
    contexts_after = model.contexts_after

    def spy(state, frames, mask=None):
        tf.numpy_function(lambda n: lengths.append(n) or n, [tf.shape(frames)[:2]], tf.int32)
        return contexts_after(state, frames, mask)

    monkeypatch.setattr(model, "contexts_after", spy)
    monkeypatch.setattr(likelihood, "_STEPS_AT_ONCE", 16)
    score = model.score([np.zeros((100, 5)), np.zeros((3, 5))])
    assert (score.frames, score.sequences) == (103, 2)
    assert max(rows * steps for rows, steps in lengths) <= 32 * 16
    assert [rows for rows, steps in lengths if steps == 16] == [1] * 6
    lengths.clear()
    monkeypatch.setattr(likelihood, "_VALUES_AT_ONCE", 32 * D * 10)
    assert_alike(model.score([np.zeros((100, 5)), np.zeros((3, 5))]), score)
    assert max(rows * steps for rows, steps in lengths) <= 32 * 10


# What is not finite.


@pytest.mark.parametrize("name", ["none", "gru", "lstbm"])
def test_a_likelihood_that_is_not_finite_is_refused_and_told_why(name):
    model, frames = made(name), np.zeros((2, 3, 5))
    weight = model.head.visible_bias
    weight.assign(np.full(5, 3e38))
    with pytest.raises(ValueError, match="of 6 frames with NaN or infinity, from finite weights"):
        model.score(frames)
    with pytest.raises(ValueError, match="of 6 frames with NaN or infinity, from finite weights"):
        model.frame_log_probs(frames)
    assert not np.isfinite(model.evaluate(frames))
    weight.assign([np.nan, 0, 0, np.inf, 0])
    with pytest.raises(ValueError, match="weights must be finite.*2 of 5 in .*visible_bias"):
        model.score(frames)
    with pytest.raises(ValueError, match="weights must be finite.*2 of 5 in .*visible_bias"):
        model.frame_log_probs(frames)
    assert np.isnan(model.evaluate(frames, return_dict=True)["log_likelihood"])
