"""Heads in a user's own functional Keras model: plain fit, evaluate, predict, masks, files."""

import backend
import keras
import numpy as np
import pytest

from seqlayers import sampling
from seqlayers.heads import NADE, BernoulliHead, ConditionalDBN, ConditionalRBM
from seqlayers.layers import Delay

V, C = 5, 6

HEADS = {
    "bernoulli": lambda **kwargs: BernoulliHead(V, **kwargs),
    "rbm": lambda **kwargs: ConditionalRBM(V, 4, gibbs_steps=2, **kwargs),
    "gaussian rbm": lambda **kwargs: ConditionalRBM(V, 4, 2, visibles="gaussian", **kwargs),
    "dbn": lambda **kwargs: ConditionalDBN(V, (4, 4), 2, num_samples=20, **kwargs),
    "nade": lambda **kwargs: NADE(V, 4, **kwargs),
}
all_heads = pytest.mark.parametrize("name", HEADS)
trained_heads = pytest.mark.parametrize("name", ["rbm", "dbn", "nade"])


def made(name, masking=False, seed=0):
    keras.utils.set_random_seed(0)
    frames = inputs = keras.Input((None, V))
    if masking:
        frames = keras.layers.Masking(mask_value=-9.0)(inputs)
    past = Delay()(keras.layers.LSTM(C, return_sequences=True)(frames))
    model = keras.Model(inputs, HEADS[name](seed=seed)([frames, past]))
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    return model


def cycle(rows=8, steps=6):
    """One unit on, the next one in the next frame."""
    start = np.arange(rows)[:, None] + np.arange(steps)
    return np.eye(V, dtype="float32")[start % V]


def log_likelihood(model, frames):
    head, lstm, delay = model.layers[-1], model.layers[-3], model.layers[-2]
    return float(np.mean(head.log_prob(frames, delay(lstm(frames))).nats))


@pytest.fixture(scope="module")
def trained():
    """A model, its likelihood before and after 40 steps, and its history."""
    made_so_far = {}

    def get(name):
        if name not in made_so_far:
            model, frames = made(name), cycle()
            before = log_likelihood(model, frames)
            history = model.fit(frames, epochs=40, verbose=0).history["loss"]
            made_so_far[name] = model, before, log_likelihood(model, frames), history
        return made_so_far[name]

    return get


@pytest.mark.slow
@trained_heads
def test_plain_fit_raises_the_likelihood(trained, name):
    model, before, after, history = trained(name)
    assert np.all(np.isfinite(history))
    assert after > before + 1
    assert set(model.metrics_names) == {"loss"}


@pytest.mark.slow
@trained_heads
def test_evaluate_and_predict_give_losses_and_reconstructions_that_repeat(trained, name):
    model, *_ = trained(name)
    frames = cycle(3)
    loss = model.evaluate(frames, verbose=0)
    assert np.isfinite(loss)
    assert model.evaluate(frames, verbose=0) == loss
    v = model.predict(frames, verbose=0)
    assert v.shape == frames.shape == model(frames).shape
    np.testing.assert_allclose(v, model(frames), atol=1e-5)


@pytest.mark.slow
@trained_heads
def test_a_saved_model_is_the_same_and_can_be_trained_on(trained, name, tmp_path):
    model, *_ = trained(name)
    model.save(tmp_path / "model.keras")
    loaded, frames = keras.models.load_model(tmp_path / "model.keras"), cycle(3)
    loaded.run_eagerly = True
    np.testing.assert_array_equal(loaded(frames), model(frames))
    assert [float(loss) for loss in loaded.losses] == [float(loss) for loss in model.losses]
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()
    calls = int(loaded.layers[-1].calls)
    assert calls == int(model.layers[-1].calls) > 0
    assert np.isfinite(loaded.fit(frames, verbose=0).history["loss"][0])
    assert int(loaded.layers[-1].calls) == calls + 1


@all_heads
def test_what_a_masking_layer_leaves_out_does_not_count(name):
    frames = cycle(3, 4)
    padded = np.pad(frames, [(0, 0), (0, 2), (0, 0)], constant_values=-9.0)
    padded[1, 2:] = -9.0
    pieces = [frames[:1], frames[1:2, :2], frames[2:]]
    model = made(name, masking=True)
    masked, head = model.layers[1](padded), model.layers[-1]
    alone = [head.log_prob(p, model.layers[-2](model.layers[-3](p))) for p in pieces]
    total = sum(float(np.sum(a.nats)) for a in alone)
    error = float(np.sqrt(2 * sum(np.sum(np.square(a.standard_error)) for a in alone)))
    context = model.layers[-2](model.layers[-3](masked))
    nats = np.asarray(head.log_prob(masked, context).nats)
    mask = np.asarray(masked._keras_mask)
    np.testing.assert_array_equal(mask.sum(axis=1), [4, 2, 4])
    assert nats[mask].sum() == pytest.approx(total, abs=1e-3 + 5 * error)
    if name == "bernoulli":
        assert model.evaluate(padded, verbose=0) == pytest.approx(-total / 10, abs=1e-4)
    else:
        head([masked, context])
        (loss,) = head.losses
        seed = sampling.fold_in(
            sampling.fold_in(sampling.seed_pair(head.seed), sampling.Use.CALL), 0
        )
        expected = head.loss(frames, context[:, :4], mask[:, :4], seed)
        assert float(loss) == pytest.approx(float(expected), abs=1e-4)


def test_the_same_seed_trains_the_same_model():
    results = []
    for seed in (3, 3, 4):
        model = made("rbm", seed=seed)
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        model.fit(cycle(), epochs=2, verbose=0)
        results.append(np.concatenate([w.numpy().ravel() for w in model.trainable_weights]))
    np.testing.assert_array_equal(results[0], results[1])
    assert np.any(results[0] != results[2])


def test_draws_of_training_change_from_call_to_call_and_only_in_training():
    head = HEADS["rbm"](seed=0)
    frames = cycle()
    head(frames)

    def loss(training):
        head(frames, training=training)
        return float(head.losses[0])

    head.kernel.assign(np.random.default_rng(0).normal(size=head.kernel.shape))
    assert loss(False) == loss(False)
    assert loss(True) != loss(True)


@pytest.mark.parametrize("name", ["bernoulli", "rbm"])
def test_a_head_alone_is_a_layer_of_a_sequential_model(name):
    model = keras.Sequential([keras.Input((V,)), HEADS[name](seed=0)])
    model.compile("adam", run_eagerly=True)
    frames = cycle().reshape(-1, V)
    assert np.isfinite(model.fit(frames, verbose=0).history["loss"][0])
    assert model.predict(frames, verbose=0).shape == frames.shape


@pytest.mark.slow
def test_trains_under_xla_as_without():
    results = []
    for jit_compile in (False, True):
        model = made("rbm")
        model.compile(keras.optimizers.SGD(0.1), jit_compile=jit_compile)
        results.append(model.fit(cycle(), epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(results[1], results[0], atol=1e-4)


def test_the_context_sees_no_frame_that_the_head_is_asked_about():
    model = made("rbm")
    _, (gradient,) = backend.value_and_gradients(
        lambda frames: model.layers[-2](model.layers[-3](frames))[0, 3], cycle(1)
    )
    gradient = np.abs(gradient[0]).sum(axis=-1)
    np.testing.assert_array_equal(gradient > 0, [True] * 3 + [False] * 3)
