"""Wrong inputs are refused before any work, with a message that names them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.models import SequenceModel

V, D = 5, 4


def frames_for(*shape):
    return np.arange(np.prod(shape) * V).reshape(*shape, V) % 2.0


@pytest.fixture(scope="module")
def model():
    model = SequenceModel(keras.layers.SimpleRNNCell(D), BernoulliHead(V, seed=0))
    model.compile(run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def gaussian():
    model = SequenceModel(keras.layers.SimpleRNNCell(D), ConditionalRBM(V, 3, visibles="gaussian"))
    model.compile(run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def gamma():
    model = SequenceModel(keras.layers.SimpleRNNCell(D), ConditionalRBM(V, 3, 1, "gamma", seed=0))
    model.compile(run_eagerly=True)
    return model


X = frames_for(3, 4)
HOLE = np.where(np.arange(5) == 2, np.nan, X)
BAD_FRAMES = {
    "rank one": (X[0, 0], r"`x`.*rank 3.*Received.*\(5,\)"),
    "rank two": (X[0], r"`x`.*put a single sequence in a list.*Received.*\(4, 5\)"),
    "rank four": (X[None], r"`x`.*rank 3.*Received.*\(1, 3, 4, 5\)"),
    "too few features": (X[..., :4], r"`x\[0\]`.*5 features.*Received.*\(4, 4\)"),
    "features that differ": ([X[0], X[1, :, :3]], r"`x\[1\]`.*5 features.*Received.*\(4, 3\)"),
    "nothing": ([], "`x` must hold at least one sequence. Received: none"),
    "no rows": (X[:0], "`x` must hold at least one sequence. Received: none"),
    "a sequence without frames": ([X[0], X[1, :0]], r"`x\[1\]`.*at least one frame.*\(0, 5\)"),
    "nan": (HOLE, r"`x\[0\]` must be finite.*Received: nan at step 0, feature 2"),
    "infinity": (np.where(X == 1, np.inf, X), r"`x\[0\]` must be finite"),
    "above one": (X * 2, r"`x` must lie in \[0, 1\].*Received: values from 0.0 to 2.0"),
    "below zero": (X - 1, r"`x` must lie in \[0, 1\].*Received: values from -1.0 to 0.0"),
    "words": (np.full((3, 4, 5), "a"), r"`x\[0\]` must hold real numbers. Received: dtype <U1"),
    "complex numbers": (X * 1j, r"`x\[0\]` must hold real numbers. Received: dtype complex128"),
    "one number": (3, r"`x`.*Received.*shape \(\)"),
    "text": ("jsb_chorales", "`x`.*Received"),
    "None in a list": ([None], r"`x\[0\]`.*Received"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frames_are_refused_by_fit_and_by_score(model, name):
    x, message = BAD_FRAMES[name]
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(x)
    with pytest.raises(ValueError, match=message):
        model.score(x)
    with pytest.raises(ValueError, match=message):
        model.evaluate(x)
    with pytest.raises(ValueError, match=message.replace("`x", "`validation_data")):
        model.fit(X, validation_data=x)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


BAD_MASKS = {
    "float": (np.ones((3, 4)), r"`mask` must be bool.*Received: float64 of shape \(3, 4\)"),
    "whole numbers": (np.ones((3, 4), int), r"`mask` must be bool.*Received: int64"),
    "too short": (np.ones((3, 3), bool), r"`mask` must be.*Received: bool of shape \(3, 3\)"),
    "a value a unit": (np.ones((3, 4, 5), bool), r"`mask` must be.*shape \(3, 4, 5\)"),
    "nothing left": (np.zeros((3, 4), bool), "`mask` must keep at least one frame.*all.*masked"),
}


@pytest.mark.parametrize("name", BAD_MASKS)
def test_bad_masks_are_refused(model, name):
    mask, message = BAD_MASKS[name]
    with pytest.raises(ValueError, match=message):
        model.fit(X, mask)
    with pytest.raises(ValueError, match=message):
        model.score(X, mask)


def test_a_mask_for_sequences_of_different_lengths_is_refused(model):
    with pytest.raises(ValueError, match="`mask` must go with an array.*Received"):
        model.score([X[0], X[1, :2]], np.ones((2, 4), bool))


def test_a_mask_beside_a_dataset_is_refused(model):
    with pytest.raises(ValueError, match="`mask`"):
        model.score(tf.data.Dataset.from_tensors(X), np.ones((3, 4), bool))


def dataset(*parts):
    parts = tuple(np.asarray(p, "float32") if p.dtype.kind == "f" else p for p in parts)
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0]).batch(2)


BAD_SHAPES = {
    "no batch": (tf.data.Dataset.from_tensor_slices(X), r"`x` must give.*Received.*\(4, 5\)"),
    "features": (dataset(X[..., :4]), r"`x` must give.*5.*Received.*\(None, 4, 4\)"),
    "float mask": (dataset(X, np.ones((3, 4))), "mask.*bool.*Received.*float"),
    "frames and targets": (dataset(X, X), "`x` must give.*Received"),
    "three parts": (dataset(X, X, X), "`x` must give.*Received"),
}


@pytest.mark.parametrize("name", BAD_SHAPES)
def test_datasets_of_something_else_are_refused(model, name):
    data, message = BAD_SHAPES[name]
    for call in (model.fit, model.score):
        with pytest.raises(ValueError, match=message):
            call(data)


@pytest.mark.parametrize(
    "value, message", [(np.nan, "`x` must be finite"), (np.inf, "`x` must be finite|lie in")]
)
@pytest.mark.parametrize("head", ["bernoulli", "gaussian"])
def test_a_row_of_a_dataset_that_is_not_finite_names_the_cause(
    model, gaussian, head, value, message
):
    x = X.copy()
    x[2, 1, 3] = value
    user = model if head == "bernoulli" else gaussian
    for call in (lambda: user.fit(dataset(x), verbose=0), lambda: user.score(dataset(x))):
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
            call()
    assert np.all([np.all(np.isfinite(w)) for w in user.get_weights()])


@pytest.mark.parametrize("value", [2.0, -1.0])
def test_a_row_of_a_dataset_outside_zero_and_one_names_the_cause(model, value):
    x = X.copy()
    x[2, 1, 3] = value
    for call in (lambda: model.fit(dataset(x), verbose=0), lambda: model.score(dataset(x))):
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match="must lie in"):
            call()


def test_gaussian_frames_may_be_of_any_size(gaussian):
    assert np.isfinite(gaussian.score(3 * X - 7).nats)


def test_amplitudes_below_zero_are_refused_and_silence_is_not(gamma, tmp_path):
    loud = np.abs(X) * 100
    bad = np.where(np.arange(V) == 2, -0.5, loud)
    message = r"`x` must be at least 0 and finite for Gamma visibles"
    for call in (gamma.fit, gamma.score):
        with pytest.raises(ValueError, match=f"{message}. Received: values from -0.5 to 100.0"):
            call(bad)
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
            call(dataset(bad))
    with pytest.raises(ValueError, match="`prime` must be at least 0"):
        gamma.generate(2, prime=bad)
    gamma.fit(loud, verbose=0)
    assert np.isfinite(gamma.score(np.zeros((2, 3, V))).nats)
    served = tf.saved_model.load(gamma.export(tmp_path / "1")).signatures["serve"]
    lengths = tf.constant([4, 4, 4])
    with pytest.raises(tf.errors.InvalidArgumentError, match="`frames` must be at least 0"):
        served(frames=tf.constant(bad, "float32"), lengths=lengths)
    served(frames=tf.constant(loud, "float32"), lengths=lengths)


def test_a_dataset_without_a_frame_has_no_score(model):
    data = tf.data.Dataset.from_tensors((X.astype("float32"), np.zeros((3, 4), bool)))
    with pytest.raises(ValueError, match="at least one frame that is not masked. Received: none"):
        model.score(data)


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, 0.01, 0.99])
def test_a_share_that_leaves_nothing_on_a_side_is_refused(model, share):
    with pytest.raises(ValueError, match="`validation_split` must.*Received"):
        model.fit(X, validation_split=share)


@pytest.mark.parametrize(
    "arguments",
    [{"batch_size": 0}, {"batch_size": 2.5}, {"max_steps": 0}, {"max_steps": True}],
    ids=str,
)
def test_sizes_of_batches_are_whole_numbers_above_zero(model, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least 1. Received"):
        model.fit(X, **arguments)


def test_a_loss_is_the_heads_and_no_other(model):
    with pytest.raises(ValueError, match="The loss is the head's.*Received: loss='mse'"):
        SequenceModel(None, BernoulliHead(V)).compile(loss="mse")


def test_what_is_no_seed_is_refused(model):
    for call in (lambda: model.score(X, seed="1"), lambda: model.generate(1, seed=1.5)):
        with pytest.raises(ValueError, match="`seed` must be an integer.*Received"):
            call()


BAD_MEMORIES = {
    "without sequences": (lambda: keras.layers.LSTM(D), "return_sequences=True"),
    "with states": (
        lambda: keras.layers.LSTM(D, return_sequences=True, return_state=True),
        "return_state=False",
    ),
    "backwards": (
        lambda: keras.layers.GRU(D, return_sequences=True, go_backwards=True),
        "go_backwards=False",
    ),
    "stateful": (
        lambda: keras.layers.LSTM(D, return_sequences=True, stateful=True),
        "stateful=False",
    ),
    "dense": (lambda: keras.layers.Dense(D), "a recurrent layer, a cell, a list of cells or None"),
    "both ways": (
        lambda: keras.layers.Bidirectional(keras.layers.LSTM(D, return_sequences=True)),
        "a recurrent layer, a cell",
    ),
    "a number": (lambda: 100, "a recurrent layer, a cell"),
    "no cells": (lambda: [], "a list of cells or None"),
}


@pytest.mark.parametrize("name", BAD_MEMORIES)
def test_what_cannot_be_a_memory_is_refused(name):
    memory, message = BAD_MEMORIES[name]
    with pytest.raises(ValueError, match=f"`memory` must be.*{message}.*Received"):
        SequenceModel(memory(), BernoulliHead(V))


def test_what_is_no_head_is_refused():
    with pytest.raises(ValueError, match="`head`"):
        SequenceModel(keras.layers.LSTMCell(D), keras.layers.Dense(V))


def test_a_memory_is_wanted_for_pretraining_one():
    with pytest.raises(ValueError, match="no memory to train"):
        SequenceModel(None, BernoulliHead(V)).pretrain_memory(X)


BAD_ARGUMENTS = [
    ({"num_steps": 0}, "`num_steps` must be an integer of at least 1. Received: num_steps=0"),
    ({"num_steps": -1}, "`num_steps`.*-1"),
    ({"num_steps": 2.0}, "`num_steps`.*2.0"),
    ({"num_steps": True}, "`num_steps`.*True"),
    ({"num_sequences": 0}, "`num_sequences` must be an integer of at least 1.*=0"),
    ({"num_sequences": 1.5}, "`num_sequences`.*1.5"),
    ({"temperature": 0}, "`temperature` must be a finite number above 0. Received: temperature=0"),
    ({"temperature": -1.0}, "`temperature`.*-1.0"),
    ({"temperature": float("nan")}, "`temperature`.*nan"),
    ({"temperature": float("inf")}, "`temperature`.*inf"),
    ({"prime": X[0, 0]}, r"`prime`.*Received.*\(5,\)"),
    ({"prime": X[..., :3]}, r"`prime\[0\]`.*5 features.*Received.*\(4, 3\)"),
    ({"prime": X[:, :0]}, r"`prime\[0\]`.*at least one frame"),
    ({"prime": X + 1}, r"`prime` must lie in \[0, 1\]"),
    ({"prime": HOLE}, r"`prime\[0\]` must be finite"),
    ({"prime": X, "num_sequences": 2}, "`prime` must have one row.*3 rows and num_sequences=2"),
    ({"prime": [X[0], X[1, :2]]}, "`prime`"),
]


@pytest.mark.parametrize("arguments, message", BAD_ARGUMENTS, ids=lambda a: "")
def test_bad_arguments_of_generate_are_refused(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.generate(**{"num_steps": 2} | arguments)
