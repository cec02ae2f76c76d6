"""Chunks overlap, their labels come late, and each frame is labelled once."""

import numpy as np
import pytest

from seqlayers.datasets import chunking

SETTINGS = [(15, 5, 5), (15, 5, 3), (15, 5, 0), (8, 7, 7), (4, 0, 0), (1, 0, 0), (30, 12, 1)]
LENGTHS = [1, 2, 9, 10, 11, 14, 15, 16, 25, 40, 41]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("T", LENGTHS)
def test_each_frame_is_labelled_once_and_comes_back(T, setting, rng):
    features, labels = rng.normal(size=(T, 3)), rng.integers(0, 61, T)
    _, y, mask = chunking.chunk(features, labels, *setting)
    assert mask.sum() == T
    np.testing.assert_array_equal(chunking.join(y, T, *setting), labels)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("T", LENGTHS)
def test_labels_lag_behind_what_is_heard(T, setting):
    length, overlap, delay = setting
    time = np.arange(T)
    x, y, mask = chunking.chunk(time[:, None], time, *setting)
    assert x.shape == (*mask.shape, 1) and x.dtype == "float32" and y.dtype == "int32"
    for j, chunk in enumerate(x[:, :, 0]):
        for place, heard in enumerate(chunk):
            frame = j * (length - overlap) + place
            assert heard == min(frame, T - 1)
            if mask[j, place]:
                assert y[j, place] == frame - delay
    assert (y[~mask] == 0).all()


def test_no_chunk_is_made_for_nothing():
    for T in LENGTHS:
        for setting in SETTINGS:
            *_, mask = chunking.chunk(np.zeros((T, 1)), None, *setting)
            assert mask.any(axis=1).all()


def test_the_papers_chunks_are_of_15_frames_every_10():
    x, y, mask = chunking.chunk(np.arange(30)[:, None], np.arange(30))
    np.testing.assert_array_equal(x[:, 0, 0], [0, 10, 20])
    np.testing.assert_array_equal(mask, [[False] * 5 + [True] * 10] * 3)
    np.testing.assert_array_equal(y[:, 5:], np.arange(30).reshape(3, 10))


def test_one_long_chunk_is_the_whole_sequence_with_a_delay():
    T, delay = 20, 5
    x, y, mask = chunking.chunk(np.arange(T)[:, None], np.arange(T), T + delay, delay, delay)
    assert x.shape == (1, T + delay, 1)
    np.testing.assert_array_equal(x[0, T:], T - 1)
    np.testing.assert_array_equal(y[0, delay:], np.arange(T))


def test_outputs_of_any_shape_are_joined(rng):
    features = rng.normal(size=(33, 4)).astype("float32")
    x, _, mask = chunking.chunk(features, delay=0)
    np.testing.assert_array_equal(chunking.join(x, 33, delay=0), features)
    said = rng.random((*mask.shape, 61))
    assert chunking.join(said, 33, delay=0).shape == (33, 61)


def test_a_dataset_holds_the_same_chunks(rng):
    import tensorflow as tf

    sequences = [(rng.normal(size=(T, 3)), rng.integers(0, 61, T)) for T in (7, 31)]
    spec = (tf.TensorSpec((None, 3), tf.float64), tf.TensorSpec((None,), tf.int64))
    dataset = tf.data.Dataset.from_generator(lambda: iter(sequences), output_signature=spec)
    chunks = chunking.chunked(dataset, 12, 4, 2)
    assert [tuple(s.shape) for s in chunks.element_spec] == [(12, 3), (12,), (12,)]
    assert len(chunks) == 1 + 4
    (batch,) = chunks.batch(100)
    expected = [chunking.chunk(*sequence, 12, 4, 2) for sequence in sequences]
    for actual, *parts in zip(batch, *expected, strict=True):
        np.testing.assert_array_equal(actual, np.concatenate(parts))
    assert batch[2].dtype == tf.float32


def test_a_dataset_without_end_stays_so():
    import tensorflow as tf

    endless = tf.data.Dataset.from_tensors((np.zeros((20, 3)), np.arange(20))).repeat()
    chunks = chunking.chunked(endless)
    assert chunks.cardinality() == tf.data.INFINITE_CARDINALITY
    assert sum(1 for _ in chunks.take(7)) == 7


def test_keras_learns_from_a_dataset_of_chunks(rng):
    """The label is heard `delay` frames before: a memory of one frame is enough."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    labels = rng.integers(0, 3, 400)
    features = np.eye(3, dtype="float32")[labels]
    dataset = tf.data.Dataset.from_tensors((features, labels))
    chunks = chunking.chunked(dataset, 15, 5, 1).batch(8)
    layers = [keras.layers.SimpleRNN(16, return_sequences=True), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss)
    model.fit(chunks, epochs=30, shuffle=False, verbose=0)
    x, _, _ = chunking.chunk(features, labels, 15, 5, 1)
    said = chunking.join(model.predict(x, verbose=0), 400, 15, 5, 1)
    assert (said.argmax(axis=1) == labels).mean() > 0.98


@pytest.mark.parametrize(
    "call, reason",
    [
        (lambda x, y: chunking.chunk(x, y, 15, 5, 6), "`delay`.*delay=6"),
        (lambda x, y: chunking.chunk(x, y, 5, 5, 5), "`overlap` must be below.*overlap=5"),
        (lambda x, y: chunking.chunk(x, y, 0, 0, 0), "`length`.*0"),
        (lambda x, y: chunking.chunk(x, y, 15, 5, -1), "`delay`.*-1"),
        (lambda x, y: chunking.chunk(x[:, 0], y), r"`features`.*\(20,\)"),
        (lambda x, y: chunking.chunk(x, y[1:]), r"`labels` must be 20 integers.*\(19,\)"),
        (lambda x, y: chunking.chunk(x, y / 2), "`labels` must be 20 integers.*float"),
        (lambda x, y: chunking.join(np.zeros((3, 15)), 20), r"array \(2, 15\).*\(3, 15\)"),
        (lambda x, y: chunking.join(np.zeros((2, 15)), 0), "`num_frames`.*0"),
    ],
)
def test_arguments_are_checked(call, reason):
    with pytest.raises(ValueError, match=reason):
        call(np.zeros((20, 3)), np.arange(20))


def test_a_dataset_must_hold_pairs():
    import tensorflow as tf

    with pytest.raises(ValueError, match="`dataset` must hold pairs"):
        chunking.chunked(tf.data.Dataset.from_tensors(np.zeros((20, 3))))
    with pytest.raises(ValueError, match="delay=9"):
        chunking.chunked(tf.data.Dataset.from_tensors((np.zeros((20, 3)), np.zeros(20))), delay=9)
