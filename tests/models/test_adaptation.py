"""Dynamic evaluation: scores of a model that learns from each sequence meanwhile."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.datasets.batching import pad
from seqlayers.heads import NADE, BernoulliHead, ConditionalRBM
from seqlayers.layers import SFM, TanhGatedCell
from seqlayers.models import SequenceModel

V, STEPS = 5, 4
MEMORIES = {
    "none": lambda: None,
    "stack": lambda: [keras.layers.LSTMCell(3), keras.layers.GRUCell(4)],
    "gated": lambda: [SFM(4, num_frequencies=3, return_sequences=True).cell, TanhGatedCell(4)],
    "dropout": lambda: keras.layers.SimpleRNN(4, dropout=0.5, return_sequences=True),
}
memories = pytest.mark.parametrize("memory", MEMORIES)


@pytest.fixture(scope="module")
def models():
    """Each memory with a NADE; no test may change a weight."""
    made = {}
    for memory, make in MEMORIES.items():
        keras.utils.set_random_seed(0)
        model = made[memory] = SequenceModel(make(), NADE(V, 4, seed=0))
        model.compile(jit_compile=False)
        rng = np.random.default_rng(1)
        for weight in model.trainable_weights:
            weight.assign(0.5 * rng.normal(size=weight.shape))
    before = {memory: model.get_weights() for memory, model in made.items()}
    yield made
    for memory, model in made.items():
        for weight, value in zip(model.get_weights(), before[memory], strict=True):
            np.testing.assert_array_equal(weight, value)


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 2, (n, V)).astype("float32") for n in (11, 3, 8)]


def adapted(model, x, rate, mask=None):
    return model.frame_log_probs(x, mask, adapt=rate, adapt_steps=STEPS)


def by_hand(model, sequence, rate):
    """The equations, eagerly, on a copy of the model."""
    copy = SequenceModel.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    state, nats = copy.initial_state(1), []
    for start in range(0, len(sequence), STEPS):
        block = tf.constant(sequence[None, start : start + STEPS])
        with tf.GradientTape() as tape:
            context, after = copy.contexts_after(state, block)
            of_block = copy.head.log_prob(block, context).nats
            loss = -tf.reduce_mean(of_block)
        gradients = tape.gradient(loss, copy.trainable_weights)
        for weight, gradient in zip(copy.trainable_weights, gradients, strict=True):
            if gradient is not None:
                weight.assign(weight - rate * tf.convert_to_tensor(gradient))
        state = after
        nats.append(of_block.numpy()[0])
    return np.concatenate(nats)


@memories
def test_a_rate_that_moves_no_weight_gives_the_score(models, frames, memory):
    score = models[memory].score(frames)
    still = models[memory].score(frames, adapt=1e-30, adapt_steps=STEPS)
    assert (score.kind, still.kind) == ("exact", "adapted") and "(adapted;" in str(still)
    assert still == score._replace(kind="adapted", nats=still.nats)
    assert still.nats == pytest.approx(score.nats, rel=1e-6)


@memories
def test_adapted_scores_are_those_of_a_plain_loop(models, frames, memory):
    model = models[memory]
    plain, nats = model.frame_log_probs(frames), adapted(model, frames, 0.3)
    for sequence, unmoved, moved in zip(frames, plain, nats, strict=True):
        np.testing.assert_allclose(moved, by_hand(model, sequence, 0.3), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(moved[:STEPS], unmoved[:STEPS], rtol=1e-5)
        assert len(moved) <= STEPS or np.abs(moved - unmoved)[STEPS:].max() > 0.01
    score = model.score(frames, adapt=0.3, adapt_steps=STEPS)
    assert score.nats == pytest.approx(np.concatenate(nats).mean()) and score.standard_error == 0


def test_later_frames_and_other_sequences_change_no_adapted_score(models, frames):
    nats, other = adapted(models["stack"], frames, 0.3), frames[0].copy()
    other[6:] = 1 - other[6:]
    changed = adapted(models["stack"], [frames[2], other, frames[1]], 0.3)
    np.testing.assert_array_equal(changed[1][:6], nats[0][:6])
    assert (changed[1][6:] != nats[0][6:]).all()
    np.testing.assert_array_equal(changed[0], nats[2])
    np.testing.assert_array_equal(changed[2], nats[1])


def test_masked_steps_are_no_part_of_a_block(models, frames):
    array, mask = pad(frames)
    mask[0, 2:5] = mask[1] = False
    gaps = [x[keep] for x, keep in zip(array, mask, strict=True) if keep.any()]
    expected = adapted(models["stack"], gaps, 0.3)
    dataset = tf.data.Dataset.from_tensors((array, mask))
    for nats in (
        adapted(models["stack"], array, 0.3, mask),
        adapted(models["stack"], dataset, 0.3),
    ):
        for each, wanted in zip(nats, expected, strict=True):
            np.testing.assert_array_equal(each, wanted)


def test_adaptation_learns_what_repeats(models):
    bar = np.random.default_rng(2).integers(0, 2, (STEPS, V)).astype("float32")
    song = [np.tile(bar, (30, 1))]
    learned = models["stack"].score(song, adapt=0.3, adapt_steps=STEPS).nats
    assert learned > models["stack"].score(song).nats + 0.5


def test_weights_are_restored_where_scoring_fails(models, frames, monkeypatch):
    model = models["stack"]
    for scored in (model.score, model.frame_log_probs):
        with pytest.raises(ValueError, match="use a smaller `adapt`.* of 22 frames with NaN"):
            scored(frames, adapt=1e38, adapt_steps=STEPS)
    compiled = model.compiled_function

    def failing(*args):
        step, done = compiled(*args), []

        def run(*args):
            if done:
                raise KeyboardInterrupt
            done.append(step(*args))
            return done[0]

        return run

    before = model.get_weights()
    monkeypatch.setattr(model, "compiled_function", failing)
    with pytest.raises(KeyboardInterrupt):
        model.score(frames, adapt=0.3, adapt_steps=STEPS)
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_nade_of_several_orders_adapts_by_its_likelihood_also_compiled(frames):
    keras.utils.set_random_seed(0)
    head = NADE(V, 3, orderless=True, num_orders=3, seed=0)
    model = SequenceModel(keras.layers.SimpleRNN(3, return_sequences=True), head)
    model.compile(jit_compile=True)
    nats = adapted(model, frames[2:], 0.3)[0]
    np.testing.assert_allclose(nats, by_hand(model, frames[2], 0.3), rtol=1e-5, atol=1e-5)


def test_a_head_without_an_exact_gradient_does_not_adapt(frames):
    model = SequenceModel(None, ConditionalRBM(V, 3, seed=0))
    with pytest.raises(ValueError, match="`adapt` must be None unless.*Received: adapt=0.1"):
        model.score(frames, adapt=0.1)


def test_what_has_no_effect_is_refused_by_name(frames):
    model = SequenceModel(None, BernoulliHead(V))
    for scored in (model.score, model.frame_log_probs):
        with pytest.raises(ValueError, match="`adapt_steps` has no effect without `adapt`.*=4"):
            scored(frames, adapt_steps=4)
    with pytest.raises(ValueError, match="`bracket` must be False with `adapt`"):
        model.score(frames, adapt=0.1, bracket=True)


def test_wrong_numbers_of_adaptation_are_refused(frames):
    model = SequenceModel(None, BernoulliHead(V))
    for wrong in (0, -0.1, np.nan, "fast"):
        with pytest.raises(ValueError, match="`adapt`"):
            model.score(frames, adapt=wrong)
    with pytest.raises(ValueError, match="`adapt_steps`"):
        model.frame_log_probs(frames, adapt=0.1, adapt_steps=0)
