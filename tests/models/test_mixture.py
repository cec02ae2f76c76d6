"""A mixture of models against the mean of their conditionals, saved, exported and drawn from."""

import json
from itertools import islice

import keras
import numpy as np
import pytest
import tensorflow as tf
from heads.helpers import assert_shares, binary_frames

from seqlayers.heads import NADE, BernoulliHead, TiedNADE
from seqlayers.layers import FrameHistory
from seqlayers.models import RNNNADE, RTRBM, Mixture, SequenceModel, stream_frames

V = 4


@pytest.fixture(scope="module")
def models():
    """A model of windows, an LSTM whose first context is learned, and one without a memory."""
    keras.utils.set_random_seed(0)
    history = FrameHistory(lags=(1, 3), decays=(0.5,))
    tied = TiedNADE(V, (6, 4), 2, layout=((2, 1), (1, "octave")), octave=3, seed=1)
    made = [
        SequenceModel(history, tied),
        SequenceModel(keras.layers.LSTMCell(3), NADE(V, 5, seed=2, name="nade")),
        SequenceModel(None, NADE(V, 3, seed=3, name="nade")),
    ]
    rng = np.random.default_rng(1)
    for model in made:
        for weight in model.trainable_weights:
            weight.assign(0.7 * rng.normal(size=weight.shape))
    return made


@pytest.fixture(scope="module")
def mixture(models):
    mixture = Mixture(models)
    mixture.compile(jit_compile=False)
    return mixture


def rolls(*lengths):
    rng = np.random.default_rng(2)
    return [rng.integers(0, 2, (length, V)).astype("float32") for length in lengths]


def mean_of_conditionals(models, frames):
    """log p of each frame `(T,)` by the mean of the models' probabilities of each unit."""
    p = np.mean([model.reconstruct(frames[None])[0] for model in models], axis=0, dtype="float64")
    return np.log(np.where(frames == 1, p, 1 - p)).sum(axis=-1)


def test_scores_are_those_of_the_mean_of_conditionals(models, mixture):
    sequences = rolls(7, 1, 4)
    expected = [mean_of_conditionals(models, frames) for frames in sequences]
    for actual, wanted in zip(mixture.frame_log_probs(sequences), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, atol=1e-5)
    score = mixture.score(sequences)
    assert (score.kind, score.frames) == ("exact", 12)
    np.testing.assert_allclose(score.nats, np.concatenate(expected).mean(), atol=1e-5)


def test_a_mixture_of_one_model_is_that_model(models):
    frames = rolls(6)[0][None]
    for model in models:
        actual = Mixture([model]).reconstruct(frames)
        np.testing.assert_allclose(actual, model.reconstruct(frames), atol=1e-5)


def test_draws_have_the_distribution_of_the_mean(models, mixture):
    prime, count = rolls(5)[0], 5000
    states = binary_frames(V).astype("float32")
    follow = np.concatenate([np.tile(prime, (len(states), 1, 1)), states[:, None]], axis=1)
    p = np.exp([mean_of_conditionals(models, frames)[-1] for frames in follow])
    assert p.sum() == pytest.approx(1, abs=1e-5)
    draws = mixture.generate(1, prime=prime, num_sequences=count, seed=1)
    assert_shares(draws[:, 0], p)


def test_frames_that_are_streamed_are_those_that_are_generated(mixture):
    expected = mixture.generate(6, seed=3)[0]
    np.testing.assert_array_equal(list(islice(stream_frames(mixture, seed=3), 6)), expected)


@pytest.mark.slow
def test_a_saved_and_an_exported_mixture_answer_as_before(mixture, tmp_path):
    sequences = rolls(6, 6)
    expected = mixture.frame_log_probs(sequences)
    mixture.save(tmp_path / "mixture.keras")
    again = keras.saving.load_model(tmp_path / "mixture.keras")
    assert type(again) is Mixture
    assert json.dumps(again.get_config()) == json.dumps(mixture.get_config())
    np.testing.assert_allclose(again.frame_log_probs(sequences), expected, atol=1e-6)
    served = tf.saved_model.load(str(mixture.export(tmp_path / "1", max_steps=8))).signatures
    seed = np.array([[3, 1], [4, 1]], "int32")
    lengths = tf.constant([6, 6])
    nats = served["score"](frames=tf.stack(sequences), lengths=lengths, seed=tf.constant(seed))
    np.testing.assert_allclose(nats["log_prob"], expected, atol=1e-5)
    state = served["initial_state"](rows=tf.zeros(2, tf.int32))
    drawn = served["generate"](
        **state,
        seed=tf.constant(seed),
        first_step=tf.zeros(2, tf.int32),
        num_steps=tf.fill([2], 4),
        temperature=tf.ones(2),
    )
    frames = mixture.draw(mixture.initial_state(2), seed, 4, tf.ones(2))
    np.testing.assert_array_equal(drawn["frames"], frames)


def test_training_a_mixture_trains_all_of_its_models(models):
    copies = [type(m).from_config(m.get_config()) for m in models]
    mixture = Mixture(copies)
    before = [[w.numpy() for w in m.head.trainable_weights] for m in copies]
    mixture.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    mixture.fit(rolls(6, 4), epochs=1, verbose=0)
    for model, weights in zip(copies, before, strict=True):
        after = model.head.trainable_weights
        assert any(np.any(w.numpy() != old) for w, old in zip(after, weights, strict=True))


def frozen(model):
    model.initial_context.trainable = False
    return model


def test_a_first_context_that_is_fixed_stays_so_and_one_that_is_learned_is_trained():
    learned, fixed = RNNNADE(V, 3, 2), frozen(RNNNADE(V, 3, 2))
    for model in (learned, fixed):
        assert Mixture([model]).initial_context.trainable is model.initial_context.trainable


@pytest.mark.parametrize(
    "of, message",
    [
        (lambda m: [], "`models` must be a list of at least one model.*Received: models=\\[\\]"),
        (lambda m: m, "`models` must be a list of at least one model"),
        (lambda m: [m, "b.keras"], r"`models\[1\]` must be a `SequenceModel`.*b.keras"),
        (
            lambda m: [m, SequenceModel(None, NADE(V + 1, 2))],
            rf"`models\[1\]` must be of the size of the first model, {V} vis.*a model of {V + 1}",
        ),
        (
            lambda m: [m, SequenceModel(None, BernoulliHead(V))],
            r"`heads\[1\]` must be an autoregressive head",
        ),
        (
            lambda m: [m, RNNNADE(V, 3, 2, orderless=True, num_orders=2)],
            r"`heads\[1\]` must draw the units in one order",
        ),
        (lambda m: [m, RTRBM(V, 3)], r"`models\[1\]` must have a memory that reads the frames"),
        (
            lambda m: [m, SequenceModel(keras.layers.GRUCell(2, dtype="float64"), NADE(V, 2))],
            r"`models\[1\]` must have a memory of the type of the first.*float32.*float64",
        ),
        (
            lambda m: [RNNNADE(V, 3, 2), m, frozen(RNNNADE(V, 3, 2))],
            r"`initial_context` must be trainable in all.*not trainable in models\[2\]",
        ),
    ],
    ids=["none", "no list", "file", "size", "head", "orders", "memory", "type", "frozen"],
)
def test_models_that_do_not_go_together_are_refused_by_name(models, of, message):
    with pytest.raises(ValueError, match=message):
        Mixture(of(models[0]))
