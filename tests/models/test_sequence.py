"""Fitting: the forms data comes in, callbacks, policies, and what else a Keras model can do."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.datasets import batches
from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.models import SequenceModel

V, D = 5, 4


def made(
    head=lambda: BernoulliHead(V, seed=0), cell=lambda: keras.layers.SimpleRNNCell(D), **kwargs
):
    keras.utils.set_random_seed(0)  # before either is made: initializers take their seeds from it
    return SequenceModel(cell and cell(), head(), **kwargs)


def frames_for(*shape, seed=0):
    return (np.random.default_rng(seed).random((*shape, V)) < 0.4).astype("float32")


class Start:
    """A compiled model that can be put back to where it started."""

    def __init__(self, model):
        self.model = model
        model.compile(keras.optimizers.Adam(0.05), run_eagerly=True)
        model.optimizer.build(model.trainable_variables)
        self.variables = [*model.weights, *model.optimizer.variables]
        self.values = [v.numpy() for v in self.variables]

    def again(self):
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)
        return self.model


@pytest.fixture(scope="module")
def start():
    return Start(made())


# Forms of data.


def pipelines(frames, mask):
    yield "dataset of frames", (tf.data.Dataset.from_tensor_slices(frames).batch(2),)
    yield "dataset with masks", (tf.data.Dataset.from_tensor_slices((frames, mask)).batch(2),)
    yield "array", (frames,)
    yield "list", (list(frames),)
    yield "booleans", (frames.astype(bool),)
    yield "array and mask", (frames, mask)


def test_the_same_frames_train_and_score_alike_in_whatever_form(start):
    frames = frames_for(4, 3)
    results = {}
    for form, arguments in pipelines(frames, np.ones((4, 3), bool)):
        model = start.again()
        history = model.fit(*arguments, epochs=2, batch_size=2, shuffle=False, verbose=0)
        score = model.score(*arguments)
        assert (score.frames, score.sequences) == (12, 4)
        results[form] = (*history.history["loss"], score.nats)
    for form, result in results.items():
        assert result == pytest.approx(results["array"], abs=1e-5), form


def test_training_on_a_batch_is_one_step_of_fit(start):
    frames, mask = frames_for(3, 4), np.arange(4) < np.array([4, 2, 3])[:, None]
    for batch in ((frames,), (frames, mask)):
        model = start.again()
        model.fit(*batch, shuffle=False, verbose=0)
        expected = [w.numpy() for w in model.weights]
        model = start.again()
        model.train_on_batch(*batch)
        for actual, weight in zip(model.weights, expected, strict=True):
            np.testing.assert_allclose(actual, weight, atol=1e-6)


def test_every_step_of_training_draws_anew():
    model = made(lambda: ConditionalRBM(V, 4, gibbs_steps=1, seed=0))
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    frames = frames_for(3, 4)
    losses = model.fit(frames, epochs=3, shuffle=False, verbose=0).history["loss"]
    assert len(set(losses)) == 3  # of the same frames, by the same weights
    model.optimizer.iterations.assign(0)
    again = model.fit(frames, epochs=3, shuffle=False, verbose=0).history["loss"]
    assert again == losses


def test_a_mask_is_the_same_as_a_list_of_different_lengths(start):
    frames, lengths = frames_for(4, 5), (5, 2, 4, 1)
    mask = np.arange(5) < np.array(lengths)[:, None]
    held = np.where(mask[..., None], frames, np.float32(1))
    unlike = tf.data.Dataset.from_tensor_slices((np.where(mask[..., None], frames, np.nan), mask))
    pieces = [f[:n] for f, n in zip(frames, lengths, strict=True)]
    scores = []
    for arguments in ((pieces,), (held, mask), (unlike.batch(4),)):
        model = start.again()
        loss = model.fit(*arguments, batch_size=4, shuffle=False, verbose=0).history["loss"][0]
        score = model.score(*arguments)
        assert (score.frames, score.sequences) == (12, 4)
        scores.append((loss, score.nats))
    assert scores[1] == pytest.approx(scores[0], abs=1e-5)
    assert scores[2] == pytest.approx(scores[0], abs=1e-5)


def test_masked_steps_of_an_array_may_hold_anything(start):
    frames, mask = frames_for(2, 4), np.ones((2, 4), bool)
    mask[1, 2:] = False
    expected = start.again().score(frames, mask)
    frames[1, 2:] = np.nan
    assert start.model.score(frames, mask) == expected


def test_rows_without_a_frame_and_sequences_of_one_frame_are_fine(start):
    model = start.again()
    frames, mask = frames_for(4, 3), np.ones((4, 3), bool)
    mask[1], mask[3, 1:] = False, False
    for arguments in ((frames, mask), (tf.data.Dataset.from_tensors((frames, mask)),)):
        history = model.fit(*arguments, verbose=0).history
        assert np.isfinite(history["loss"][0]) and history["skipped_steps"] == [0]
        score = model.score(*arguments)
        assert np.isfinite(score.nats)
        assert (score.frames, score.sequences) == (7, 3)
    one = frames_for(1, 1)
    assert np.isfinite(model.fit(one, verbose=0).history["loss"][0])
    assert model.score(one).frames == 1


def test_a_batch_of_nothing_but_padding_changes_no_loss(start):
    frames, mask = frames_for(4, 3), np.ones((4, 3), bool)
    mask[2:] = False
    both = tf.data.Dataset.from_tensor_slices((frames, mask)).batch(2)
    history = start.again().fit(both, verbose=0).history
    first = start.again().fit(both.take(1), verbose=0).history
    assert history == first


def test_a_part_of_the_sequences_can_be_held_out(start):
    frames = list(frames_for(4, 3))
    history = start.again().fit(frames, validation_split=0.25, verbose=0).history
    score = start.model.score(frames[3:])
    assert history["val_log_likelihood"][0] == pytest.approx(score.nats, abs=1e-6)


def test_validation_data_comes_in_every_form(start):
    frames = frames_for(4, 3)
    for form, arguments in pipelines(frames, np.ones((4, 3), bool)):
        data = arguments if len(arguments) == 2 else arguments[0]
        history = start.again().fit(frames, validation_data=data, verbose=0).history
        score = start.model.score(frames)
        assert history["val_log_likelihood"][0] == pytest.approx(score.nats, abs=1e-6), form


def test_long_sequences_are_cut_and_the_order_is_that_of_the_epoch(start):
    frames = [frames_for(n, seed=n) for n in (7, 3, 5, 4)]
    kwargs = {"max_steps": 3, "batch_size": 2, "verbose": 0}
    whole = start.again().fit(frames, epochs=3, **kwargs).history["loss"]
    model = start.again()
    first = model.fit(frames, epochs=1, **kwargs).history["loss"]
    rest = model.fit(frames, epochs=3, initial_epoch=1, **kwargs).history["loss"]
    assert first + rest == whole


def test_pieces_that_the_memory_warms_up_to_have_the_loss_of_whole_sequences(start):
    frames = [frames_for(n, seed=n) for n in (7, 3, 5, 4)]
    model = start.again()
    model.optimizer.learning_rate.assign(0.0)

    def loss(**kwargs):
        return model.fit(frames, batch_size=2, verbose=0, **kwargs).history["loss"][0]

    whole, cut = loss(), loss(max_steps=3)
    assert loss(max_steps=3, warm_up=6) == pytest.approx(whole, abs=1e-6)
    assert loss(max_steps=3, warm_up=1) != pytest.approx(whole, abs=1e-6)
    assert loss(max_steps=3) == pytest.approx(cut, abs=1e-6) != whole
    dataset = batches(frames, 2, max_steps=3, warm_up=6)
    assert model.fit(dataset, verbose=0).history["loss"][0] == pytest.approx(whole, abs=1e-6)
    loss_of_batch, _ = model.train_on_batch(frames[0][None])  # all of its frames count
    assert loss_of_batch == pytest.approx(-model.score(frames[:1]).nats, abs=1e-5)
    with pytest.raises(ValueError, match="`warm_up` 0, where `x` is a"):
        model.fit(dataset, warm_up=2)
    with pytest.raises(ValueError, match="`warm_up` must be 0 where `max_steps` is None"):
        model.fit(frames, warm_up=2)


@pytest.mark.parametrize("seed", [-3, 2**40, np.int64(7)])
def test_any_seed_of_a_head_can_be_fitted(seed):
    model = made(lambda: BernoulliHead(V, seed=seed))
    model.compile(run_eagerly=True)
    assert np.isfinite(model.fit(frames_for(2, 2), verbose=0).history["loss"][0])


# Callbacks.


def test_the_best_epoch_is_kept_by_early_stopping_and_by_checkpoints(start, tmp_path):
    model, valid = start.again(), frames_for(2, 3, seed=1)
    model.optimizer.learning_rate.assign(3.0)  # soon too far
    arguments = {"monitor": "val_log_likelihood", "mode": "max"}
    history = model.fit(
        frames_for(4, 3),
        epochs=8,
        validation_data=valid,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True, **arguments),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "best.keras", save_best_only=True, **arguments
            ),
        ],
    ).history["val_log_likelihood"]
    assert len(history) < 8 and history[-1] < max(history)
    assert model.score(valid).nats == pytest.approx(max(history), abs=1e-6)
    best = keras.models.load_model(tmp_path / "best.keras")
    assert best.score(valid).nats == pytest.approx(max(history), abs=1e-6)


# Policies and what else a Keras model can do.


def of_policy(policy, weights=None):
    """A model after two epochs under this policy, and the weights it started from."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = made(lambda: ConditionalRBM(V, 3, gibbs_steps=1, sampling_steps=2, seed=0))
    finally:
        keras.config.set_dtype_policy(before)
    weights = weights or model.get_weights()  # initializers draw other numbers in float64
    model.set_weights(weights)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    history = model.fit(frames_for(3, 4), epochs=2, verbose=0).history
    assert history["skipped_steps"] == [0, 0]
    return model, weights


@pytest.fixture(scope="module")
def single():
    """The score in float32, and the weights it started from."""
    model, weights = of_policy("float32")
    return model.score(frames_for(3, 4)).nats, weights


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_trains_scores_and_generates_under_every_policy(single, policy):
    expected, weights = single
    model, _ = of_policy(policy, weights)
    assert model.score(frames_for(3, 4)).nats == pytest.approx(expected, abs=0.02)
    draw = model.generate(2, prime=frames_for(3, 4)[0])
    assert draw.dtype == np.float32 and draw.shape == (1, 2, V)


def test_predict_gives_contexts_and_without_memory_reconstructions(start):
    frames = frames_for(3, 4)
    contexts = start.again().predict(frames, verbose=0)
    np.testing.assert_allclose(contexts, start.model.contexts(frames), atol=1e-6)
    alone = made(cell=None)
    reconstruction = alone.predict(frames, verbose=0)
    np.testing.assert_allclose(reconstruction, alone.head.reconstruct(frames), atol=1e-6)


def test_regularizers_of_the_memory_and_of_the_head_count():
    frames = frames_for(2, 3)
    weights = []
    for strength in (0.0, 1.0):
        penalty = keras.regularizers.L2(strength)
        model = made(
            lambda penalty=penalty: BernoulliHead(V, seed=0, context_regularizer=penalty),
            lambda penalty=penalty: keras.layers.SimpleRNNCell(D, recurrent_regularizer=penalty),
        )
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        model.fit(frames, verbose=0)
        kernels = model.head.context_visible_kernel, model.memory.cell.recurrent_kernel
        weights.append([kernel.numpy() for kernel in kernels])
    for free, bound in zip(*weights, strict=True):
        assert np.linalg.norm(bound) < 0.9 * np.linalg.norm(free)


def test_a_frozen_part_stays_as_it_is():
    model = made()
    model.memory.trainable = False
    before = model.memory.get_weights()
    model.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    model.fit(frames_for(2, 3), verbose=0)
    for a, b in zip(model.memory.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(model.head.visible_bias != 0)


def test_its_config_can_be_used_twice():
    config = made().get_config()
    first, second = SequenceModel.from_config(config), SequenceModel.from_config(config)
    assert first.memory is not second.memory
    assert (
        first.get_config()
        == second.get_config()
        == made(name=first.name).get_config()
        | {
            "memory": first.get_config()["memory"],
            "head": first.get_config()["head"],
        }
    )


def test_weights_can_be_saved_on_their_own(start, tmp_path):
    start.again().save_weights(tmp_path / "model.weights.h5")
    other = made()
    other.head.visible_bias.assign(np.ones(V))
    other.load_weights(tmp_path / "model.weights.h5")
    for a, b in zip(other.get_weights(), start.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
