"""TiedNADE against its equations in loops, its symmetries, its order, its draws and its dropout."""

import json

import backend
import keras
import numpy as np
import pytest
from backend import tensor
from reference import tied_nade as reference

from heads.helpers import (
    assert_draws,
    assert_no_frames,
    binary_frames,
    built,
    loss_and_gradients,
)
from seqlayers import sampling
from seqlayers.heads import TiedNADE

V = 10
LAYOUT = ((2, 3), (1, "octave"), (1, 0), (2, "shared"))
C = 2 * V + V + V + 2 + 1  # a last value that the layout leaves: shared


def made(rng, V=V, context=C, scale=0.5, **kwargs):
    given = {"lower_window": 6, "layout": LAYOUT, "octave": 4, "seed": 0, "dtype": backend.FINEST}
    head = TiedNADE(V, kwargs.pop("hidden_units", (7, 5)), **given | kwargs)
    return built(head, context, rng, scale)


def data(rng, *shape, V=V, C=C):
    context = rng.integers(0, 2, (*shape, C)) + 0.3 * rng.normal(size=(*shape, C))
    return rng.integers(0, 2, (*shape, V)) * 1.0, context


def in_numpy(head):
    def number(weight):
        return weight.numpy().astype("float64")

    return reference.TiedNADE(
        W=number(head.lower_kernel),
        s=number(head.lower_skip_kernel)[:, 0],
        A=number(head.context_kernel),
        r=number(head.context_skip_kernel)[:, 0],
        c=number(head.hidden_bias),
        U=number(head.second_kernel),
        d=number(head.second_bias),
        w=number(head.decoder_kernel)[:, 0],
        b=np.broadcast_to(number(head.visible_bias), head.visible_units),
        lower_window=head.lower_window,
        layout=head.layout,
        octave=head.octave,
        e=None if head.embedding is None else number(head.embedding),
    )


# Likelihood.


@pytest.mark.parametrize("key_embedding", [True, False])
def test_log_prob_and_log_odds_are_those_of_the_equations(rng, key_embedding):
    many = 19  # more than two rows of the products
    layout, size = ((2, 11), (1, "octave"), (1, 0), (2, "shared")), 4 * many + 3
    head = made(rng, many, size, layout=layout, lower_window=19, key_embedding=key_embedding)
    frames, context = data(rng, 2, 2, V=many, C=size)
    frames[0, 0] = 1  # more keys sound than are counted
    nats, error = head.log_prob(frames, context)
    nade = in_numpy(head)
    for place in np.ndindex(2, 2):
        v, u = frames[place], context[place]
        expected = reference.log_prob(nade, v, u)
        np.testing.assert_allclose(nats[place], expected, rtol=0, atol=20 * backend.EXACT)
        x = [reference.log_odds(nade, v, u, i) for i in range(many)]
        p = 1 / (1 + np.exp(-np.array(x)))
        np.testing.assert_allclose(head.reconstruct(v, u), p, rtol=0, atol=backend.EXACT)
    np.testing.assert_array_equal(error, np.zeros((2, 2)))


def test_probabilities_of_all_frames_sum_to_one(rng):
    head = made(rng)
    for u in data(rng, 2)[1]:
        nats = head.log_prob(binary_frames(V), np.tile(u, (2**V, 1))).nats
        np.testing.assert_allclose(np.exp(nats).sum(), 1, atol=backend.EXACT)


def test_the_log_odds_of_a_key_depend_on_the_lower_keys_and_no_other(rng):
    head = made(rng)
    frame, context = data(rng)
    x = np.asarray(head.log_odds(tensor(frame), tensor(context)))
    for j in range(V):
        changed = frame.copy()
        changed[j] = 1 - changed[j]
        other = np.asarray(head.log_odds(tensor(changed), tensor(context)))
        np.testing.assert_array_equal(other[: j + 1], x[: j + 1])
        assert np.all(other[j + 1 :] != x[j + 1 :])


def moved(values, keys):
    """Values `(..., V)` a number of keys higher; none of them may leave the keyboard."""
    higher = np.roll(values, keys, axis=-1)
    assert not np.any(higher[..., :keys])
    return higher


@pytest.mark.parametrize("keys", [1, 5])
def test_without_embedding_frames_moved_with_their_context_have_the_same_log_odds(rng, keys):
    many, inside = 40, slice(16, 24)
    layout = ((2, 3), (1, "octave"), (1, 0), (3, "shared"))
    head = made(rng, many, 4 * many + 3, layout=layout, octave=12, key_embedding=False)
    frames = np.zeros((5, many))
    channels, shared = np.zeros((5, 4, many)), rng.normal(size=(5, 3))
    frames[..., inside] = rng.integers(0, 2, (5, 8))
    channels[..., inside] = rng.normal(size=(5, 4, 8))

    def log_odds(frames, channels):
        context = np.concatenate([channels.reshape(5, -1), shared], axis=-1)
        return np.asarray(head.log_odds(tensor(frames), tensor(context)))

    x = log_odds(frames, channels)
    higher = log_odds(moved(frames, keys), moved(channels, keys))
    assert np.ptp(x[:, 8:32]) > 0.1
    np.testing.assert_allclose(higher[:, keys:], x[:, :-keys], rtol=0, atol=backend.EXACT)


# Draws.


def test_draws_have_the_distribution_of_the_equations_at_any_temperature(rng):
    head = made(rng, V=6, context=6 * 4 + 2, dtype="float32", octave=3)
    u = data(rng, V=6, C=26)[1]
    nade, states = in_numpy(head), binary_frames(6)
    for temperature in (1.0, 0.5):
        x = np.array([[reference.log_odds(nade, v, u, i) for i in range(6)] for v in states])
        p = np.exp(np.where(states, 0, -x / temperature) - np.log1p(np.exp(-x / temperature)))
        assert_draws(head, u, p.prod(axis=1), temperature)


def test_units_that_are_given_are_kept_and_change_those_above_them_alone(rng):
    head = made(rng, dtype="float32")
    _, context = data(rng, 6)
    seeds = sampling.row_seeds(sampling.seed_pair(1), 6)
    free = np.asarray(head.sample(context, seeds))
    for i in range(V):
        keep = np.arange(V) == i + np.zeros((6, 1))
        held = np.asarray(head.draw(context, seeds, given=1 - free, keep=keep))
        np.testing.assert_array_equal(held[:, : i + 1], np.where(keep, 1 - free, free)[:, : i + 1])
        assert i > 6 or np.any(held[:, i + 1 :] != free[:, i + 1 :])
    np.testing.assert_array_equal(head.draw(context, seeds, given=free, keep=keep), free)


def test_no_frames_have_no_likelihoods_and_no_draws(rng):
    assert_no_frames(made(rng))


@pytest.mark.tensorflow
def test_frames_whose_number_is_not_known_are_the_same_in_a_graph(rng):
    import tensorflow as tf

    head = made(rng)
    frames, context = data(rng, 2, 3)
    signature = [tf.TensorSpec((None, None, size), "float64") for size in (V, C)]

    @tf.function(input_signature=signature)
    def everything(frames, context):
        seed = sampling.row_seeds(sampling.seed_pair(1), tf.shape(frames)[0])
        loss = head.loss(frames, context, seed=seed, training=True)
        return head.log_prob(frames, context).nats, loss, head.sample(context, seed)

    expected = everything.python_function(tensor(frames), tensor(context))
    for a, e in zip(everything(frames, context), expected, strict=True):
        np.testing.assert_allclose(a, e, atol=backend.EXACT)


# Training.


def test_the_gradient_is_that_of_finite_differences(rng):
    if backend.JAX:
        pytest.skip("needs float64")
    head, step = made(rng, dropout=0), 1e-5
    frames, context = data(rng, 4)
    _, gradients = loss_and_gradients(head, frames, context, training=True)
    assert len(gradients) == len(head.trainable_weights) + 1
    for weight, gradient in zip(head.trainable_weights, gradients, strict=False):
        start, direction = weight.numpy(), rng.normal(size=weight.shape)
        losses = []
        for sign in (1, -1):
            weight.assign(start + sign * step * direction)
            losses.append(float(head.loss(frames, context)))
        weight.assign(start)
        slope = (losses[0] - losses[1]) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-5, atol=1e-9)


def test_dropout_scales_or_silences_hidden_units_in_training_alone(rng):
    head = made(rng, hidden_units=(1, 2), dropout=0.25)
    frames, context = data(rng, 1)
    frames, context = np.tile(frames, (4000, 1)), np.tile(context, (4000, 1))

    def losses(scale):
        """The loss of a frame whose h is scaled."""
        before = head.second_kernel.numpy()
        head.second_kernel.assign(scale * before)
        loss = -float(head.log_prob(frames[0], context[0]).nats)
        head.second_kernel.assign(before)
        return loss

    silent, scaled, plain = losses(0), losses(4 / 3), losses(1)
    assert len({round(loss, 6) for loss in (silent, scaled, plain)}) == 3
    mean = float(head.loss(frames, context, seed=sampling.seed_pair(3), training=True))
    share = (mean - scaled) / (silent - scaled)
    assert abs(share - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4000)
    assert float(head.loss(frames, context, seed=3)) == pytest.approx(plain)
    one = [
        float(head.loss(frames[:1], context[:1], seed=seed, training=True)) for seed in range(20)
    ]
    assert {round(loss, 4) for loss in one} == {round(silent, 4), round(scaled, 4)}


def test_a_head_learns_which_keys_sound_together_wherever_the_chord_stands():
    rng = np.random.default_rng(0)

    def chords(count, low, high):
        frames = np.zeros((count, 24), "float32")
        root = rng.integers(low, high, count)
        frames[np.arange(count), root] = frames[np.arange(count), root + 4] = 1
        return frames

    keras.utils.set_random_seed(0)
    head = TiedNADE(24, (16, 8), 8, layout=(), key_embedding=False, dropout=0, seed=0)
    head.build((None, 24))
    learned, other = chords(400, 0, 10), chords(400, 10, 19)
    optimizer = keras.optimizers.Adam(0.02)
    backend.train(
        lambda number: head.loss(learned, training=True),
        optimizer,
        150,
        head.trainable_variables,
        head.non_trainable_variables,
    )
    x = np.asarray(head.log_odds(tensor(other)))
    root = other.argmax(axis=1)
    assert np.all(x[np.arange(400), root + 4] > 1)  # a key 4 above the only other one
    assert np.median(x[np.arange(400), root + 5]) < -1


# What is refused.


@pytest.mark.parametrize(
    "change, message",
    [
        ({"hidden_units": 5}, "`hidden_units` must be the sizes of two hidden layers.*5"),
        ({"hidden_units": (5, 4, 3)}, "`hidden_units` must be the sizes of two hidden layers"),
        ({"hidden_units": (5, 0)}, "`hidden_units` must be an integer of at least 1.*0"),
        ({"lower_window": 11}, "`lower_window` must be at most the number of keys.*10.*=11"),
        ({"layout": ((1, 11),)}, r"`layout\[0\] window` must be at most the number of keys.*=11"),
        ({"layout": ((1, 1), (0, 2))}, r"`layout\[1\] count` must be an integer of at least 1"),
        ({"layout": ((1, -1),)}, r"`layout\[0\] window` must be an integer of at least 0"),
        ({"layout": ((1, "all"),)}, r"`layout` must be pairs.*Received: layout\[0\]=\(1, 'all'\)"),
        ({"layout": (3,)}, r"`layout` must be pairs.*Received: layout\[0\]=3"),
        ({"layout": "octave"}, "`layout` must be pairs.*Received: layout='octave'"),
        ({"dropout": 1.0}, "`dropout` must be a finite number of at least 0 and below 1"),
        ({"key_embedding": None}, "`key_embedding` must be True or False"),
    ],
)
def test_arguments_that_are_none_are_refused_by_name(change, message):
    given = {"visible_units": V, "lower_window": 3, "layout": ()} | change
    with pytest.raises(ValueError, match=message):
        TiedNADE(**given)


@pytest.mark.parametrize("keys", [1, 3, 12, 88])
def test_the_default_windows_fit_the_keyboard_and_those_given_must(keys):
    head = TiedNADE(keys, (4, 3), seed=0)
    head.build([(None, keys), (None, 10 * keys)])
    assert head.lower_window == min(24, keys)
    assert [window for _, window in head.layout] == [min(12, keys), min(2, keys), "octave"]
    given = TiedNADE.from_config(head.get_config())
    assert given.get_config() == head.get_config()
    nats = head.log_prob(np.zeros((2, keys)), np.zeros((2, 10 * keys))).nats
    assert np.all(np.isfinite(nats))


def test_a_layout_of_more_values_than_the_context_has_is_refused_when_building():
    head = TiedNADE(V, (4, 3), 3, layout=((2, 1), (5, "shared")))
    with pytest.raises(ValueError, match="`layout` must take at most.*, 24;.*which takes 25"):
        head.build([(None, V), (None, 24)])


def test_a_layout_survives_json():
    head = TiedNADE(V, (4, 3), 3, layout=LAYOUT, seed=1)
    config = keras.saving.serialize_keras_object(head)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert again.get_config() == head.get_config()
