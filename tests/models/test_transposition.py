"""Transposition in training, of which the head is told."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.datasets.batching import pad
from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.layers import FrameHistory
from seqlayers.models import RNNNADE, SequenceModel
from seqlayers.models.memory import dropped
from seqlayers.models.transposition import Transposition
from seqlayers.sampling import Use, fold_in, row_seeds, seed_pair

V, D, LOW, HIGH = 8, 4, -2, 3
MEMORIES = {
    "gru": lambda: keras.layers.GRUCell(D),
    "history": lambda: FrameHistory(lags=(1, 2), decays=(), return_sequences=True),
}


def made(memory="gru", transpose=(LOW, HIGH), **kwargs):
    keras.utils.set_random_seed(0)
    model = SequenceModel(
        MEMORIES[memory](), BernoulliHead(V, seed=1), transpose=transpose, **kwargs
    )
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(0.5 * rng.normal(size=weight.shape))
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    return model


@pytest.fixture(scope="module")
def model():
    return made()


@pytest.fixture
def frames(rng):
    frames = [rng.integers(0, 2, (n, V)).astype("float32") for n in (6, 4, 5)]
    for sequence in frames:
        sequence[:, [0, 1, 5, 6, 7]] = 0  # room for two below, three above
        sequence[0, [2, 4]] = 1
    return frames


def shifted(frames, shift):
    return np.roll(frames, shift, axis=-1)


def test_a_row_is_shifted_by_a_number_that_loses_no_unit(rng):
    rows = np.zeros((3000, 4, V), "float32")
    rows[:1000, 2, [2, 5]] = 1  # room for two on each side
    rows[1000:2000, :, [0, 7]] = 1  # for none
    mask = np.ones(rows.shape[:2], bool)
    rows[:, 3], mask[:, 3] = np.nan, False
    seeds = row_seeds(seed_pair(3), len(rows))
    drawn, shifts = Transposition(LOW, HIGH).draw(tf.constant(rows), tf.constant(mask), seeds)
    for row, of_row, shift in zip(rows, drawn.numpy(), shifts.numpy(), strict=True):
        np.testing.assert_array_equal(of_row, shifted(row, shift))
    values, counts = np.unique(shifts[:1000], return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    assert np.abs(counts - 200).max() < 5 * np.sqrt(1000 * 0.2 * 0.8)
    assert not shifts[1000:].numpy().any()
    again, _ = Transposition(LOW, HIGH).draw(tf.constant(rows[:7]), None, seeds[:7])
    np.testing.assert_array_equal(again, drawn[:7])


def test_a_training_step_is_one_on_shifted_rows_with_their_shift_told(model, frames):
    model = made()
    array, mask = pad(frames)
    step = fold_in(fold_in(seed_pair(1), Use.TRANSPOSE), 0)
    moved, shifts = model.transposition.draw(array, mask, row_seeds(step, len(array)))
    assert len(set(shifts.numpy())) > 1
    with tf.GradientTape() as tape:
        context = model.contexts(moved, mask, shift=shifts)
        loss = model.head.loss(moved, context, mask)
    gradients = tape.gradient(loss, model.trainable_weights)
    expected = [w - 0.1 * g for w, g in zip(model.trainable_weights, gradients, strict=True)]
    logs = model.train_on_batch(array, mask, return_dict=True)
    assert logs["loss"] == pytest.approx(float(loss), rel=1e-5)
    for weight, value in zip(model.trainable_weights, expected, strict=True):
        np.testing.assert_allclose(weight, value, atol=1e-5)


@pytest.mark.parametrize("memory", MEMORIES)
def test_each_context_ends_with_the_shift(memory, frames):
    model = made(memory)
    array, mask = pad(frames)
    size = model.memory.compute_output_shape((None, None, V))[-1]
    assert model.compute_output_shape((None, None, V))[-1] == size + 6
    told = model.contexts(array, mask, shift=np.array([-2, 0, 3], "int32")).numpy()
    expected = np.eye(6)[[0, 2, 5]][:, None] * np.ones((3, 6, 1))
    np.testing.assert_array_equal(told[..., size:], expected)
    contexts = model.contexts(array, mask).numpy()
    np.testing.assert_array_equal(contexts[..., :size], told[..., :size])
    assert (contexts[..., size:] == np.eye(6)[2]).all()


def test_a_state_carries_the_shift(model, frames):
    x = tf.constant(frames[0][None])
    for shift in (0, 3):
        contexts = model.contexts(x, shift=shift)
        state = model.initial_state(1, shift=shift)
        pieces = model.contexts_after(state, x[:, :2])
        second, last = model.contexts_after(pieces[1], x[:, 2:])
        np.testing.assert_allclose(tf.concat([pieces[0], second], 1), contexts, atol=1e-6)
        for t in range(6):
            np.testing.assert_allclose(state.context, contexts[:, t], atol=1e-6)
            state = model.step(x[:, t], state)
        np.testing.assert_allclose(state.context, last.context, atol=1e-6)
    drawn = [
        model.draw(model.initial_state(1, shift=s), row_seeds(seed_pair(5), 1), 6, 1.0).numpy()
        for s in (0, 0, 3)
    ]
    np.testing.assert_array_equal(drawn[0], model.generate(6, seed=5))
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).any()


def test_a_range_of_0_is_a_constant_input(frames):
    model, plain = made(transpose=(0, 0)), made(transpose=None)
    assert model.head.context_units == plain.head.context_units + 1
    for weight, other in zip(model.weights, plain.weights, strict=True):
        other.assign(weight[: other.shape[0]] if weight.name.startswith("context_") else weight)
    plain.head.visible_bias.assign_add(model.head.context_visible_kernel[-1])
    assert model.score(frames).nats == pytest.approx(plain.score(frames).nats, rel=1e-6)
    array, mask = pad(frames)
    losses = [m.train_on_batch(array, mask, return_dict=True)["loss"] for m in (model, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_dropout_of_the_context_spares_the_shift():
    context = tf.ones((2, 50, 10))
    kept = dropped(context, 0.5, seed_pair(0), kept=6).numpy()
    assert (kept[..., 4:] == 1).all() and set(np.unique(kept[..., :4])) == {0, 2}
    np.testing.assert_array_equal(dropped(context, 0.5, seed_pair(0))[..., :4], kept[..., :4])


def test_a_seed_repeats_a_training_and_a_file_holds_the_range(frames, tmp_path):
    def trained():
        model = made(context_dropout=0.1)
        model.compile("sgd", run_eagerly=True)
        model.fit(frames, batch_size=2, epochs=2, verbose=0)
        return model

    model = trained()
    for weight, other in zip(model.get_weights(), trained().get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.transposition == (LOW, HIGH)
    assert loaded.score(frames) == model.score(frames)
    np.testing.assert_array_equal(loaded.generate(5, seed=3), model.generate(5, seed=3))


@pytest.mark.slow
def test_an_export_is_told_no_shift(model, frames, tmp_path):
    served = tf.saved_model.load(str(model.export(tmp_path / "1"))).signatures
    array, mask = pad(frames)
    lengths = mask.sum(axis=1).astype("int32")
    seed = np.zeros((3, 2), "int32")
    nats = served["score"](
        frames=tf.constant(array), lengths=tf.constant(lengths), seed=tf.constant(seed)
    )["log_prob"]
    assert float(tf.reduce_sum(nats)) / 15 == pytest.approx(model.score(frames).nats, rel=1e-5)
    state = served["initial_state"](rows=tf.constant([0]))
    np.testing.assert_allclose(state["context"], model.initial_state(1).context)


def test_models_named_after_their_head_take_a_range_and_pretrain(frames):
    model = RNNNADE(V, 3, 3, seed=0, transpose=[LOW, HIGH])
    again = RNNNADE.from_config(model.get_config())
    assert again.transposition == (LOW, HIGH) and again.head.context_units == 3 + 6
    model.compile(run_eagerly=True)
    model.pretrain_memory(frames, epochs=1, verbose=0)
    model.pretrain_head(frames, epochs=1, batch_size=4, verbose=0)


def test_wrong_ranges_are_refused():
    for wrong in (3, (1, 2), (-3, -1), (0, V), (0.5, 1), (1,), "-5 6"):
        with pytest.raises(ValueError, match="`transpose` must be a pair.*Received: transpose="):
            SequenceModel(keras.layers.GRUCell(2), BernoulliHead(V), transpose=wrong)
    with pytest.raises(ValueError, match="`transpose` must be None without a memory"):
        SequenceModel(None, BernoulliHead(V), transpose=(-1, 1))
    head = ConditionalRBM(V, 2, visibles="gaussian")
    with pytest.raises(ValueError, match="not binary"):
        SequenceModel(keras.layers.GRUCell(2), head, transpose=(-1, 1))
    model = SequenceModel(keras.layers.GRUCell(2), BernoulliHead(V))
    with pytest.raises(ValueError, match="`shift`"):
        model.initial_state(2, shift=1)
