import gc
import subprocess
import sys
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlayers.checks import check_sequences
from seqlayers.datasets import batches, batching, piano_roll

LENGTHS = (5, 1, 9, 9, 30, 12, 7, 3, 40, 11, 10)


@pytest.fixture
def sequences():
    """Eleven sequences; every frame of all has a number of its own, from 1."""
    numbers = np.arange(1, 1 + sum(LENGTHS), dtype="float32")
    return [np.stack([part, -part], axis=1) for part in np.split(numbers, np.cumsum(LENGTHS)[:-1])]


def epoch(dataset):
    return [(frames.numpy(), mask.numpy()) for frames, mask in dataset]


def same(a, b):
    pairs = zip(a, b, strict=True)
    return all(np.array_equal(x, y) for p, q in pairs for x, y in zip(p, q, strict=True))


def frames_of(batch):
    frames, mask = batch
    return frames[mask][:, 0].tolist()


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("max_steps", [None, 8])
def test_every_frame_comes_once_in_order_and_padding_is_zero(sequences, shuffle, max_steps):
    dataset = batches(sequences, 4, shuffle=shuffle, max_steps=max_steps)
    rows = []
    for frames, mask in epoch(dataset):
        assert frames.dtype == np.float32 and mask.dtype == bool
        assert frames.shape[0] == 4 and frames.shape[:2] == mask.shape
        assert (frames[~mask] == 0).all()
        lengths = mask.sum(axis=1)
        np.testing.assert_array_equal(mask, np.arange(mask.shape[1]) < lengths[:, None])
        assert max_steps is None or mask.shape[1] <= max_steps
        rows += [f[:n, 0].tolist() for f, n in zip(frames, lengths, strict=True) if n]
    wanted = [
        s[a : a + (max_steps or 99), 0].tolist()
        for s in sequences
        for a in range(0, len(s), max_steps or 99)
    ]
    assert sorted(rows) == sorted(wanted)


def test_a_piece_has_the_frames_before_it_in_front_or_masked_steps(sequences):
    pieces = 0
    for frames, mask in epoch(batches(sequences, 4, max_steps=8, warm_up=5)):
        assert (frames[~mask] == 0).all()
        for row, keep in zip(frames, mask, strict=True):
            if not keep.any():
                continue
            pieces += 1
            (whole,) = (s for s in sequences if row[keep][0].tolist() in s.tolist())
            start = whole[:, 0].tolist().index(row[5, 0])  # of the piece
            assert start % 8 == 0
            np.testing.assert_array_equal(row[keep], whole[max(0, start - 5) : start + 8])
            assert keep[:5].sum() == min(start, 5)
    assert pieces == sum(-(-n // 8) for n in LENGTHS)


def test_one_array_goes_in_like_a_list_and_is_not_padded():
    array = np.random.default_rng(0).normal(size=(6, 9, 3)).astype("float32")
    dataset = batches(array, 2, seed=3)
    assert same(epoch(batches(list(array), 2, seed=3)), epoch(dataset))
    assert {frames.shape for frames, _ in dataset} == {(2, 9, 3)}
    assert all(mask.numpy().all() for _, mask in dataset)


def test_inputs_are_left_as_they_were(sequences):
    before = [s.copy() for s in sequences]
    epoch(batches(sequences, 4, augment=lambda s, rng: s + rng.normal()))
    for a, b in zip(before, sequences, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_number_of_batches_is_known_and_constant(sequences):
    dataset = batches(sequences, 4, max_steps=8)
    pieces = sum(-(-n // 8) for n in LENGTHS)
    assert len(dataset) == -(-pieces // 4)
    for _ in range(3):
        assert len(epoch(dataset)) == len(dataset)


def test_same_seed_and_epoch_give_the_same_batches(sequences):
    runs = [batches(sequences, 2, seed=5) for _ in range(2)]
    first, second = ([epoch(run) for _ in range(2)] for run in runs)
    assert same(first[0], second[0]) and same(first[1], second[1])
    assert not same(first[0], first[1])
    assert not same(first[0], epoch(batches(sequences, 2, seed=6)))


def test_a_resumed_run_goes_on_where_the_first_would_have(sequences):
    def noise(sequence, rng):
        return sequence + rng.normal(size=sequence.shape)

    whole = batches(sequences, 2, augment=noise)
    whole = [epoch(whole) for _ in range(5)]
    rest = batches(sequences, 2, augment=noise, first_epoch=3)
    for wanted in whole[3:]:
        assert same(epoch(rest), wanted)


def test_without_shuffling_every_epoch_goes_from_long_to_short(sequences):
    dataset = batches(sequences, 2, shuffle=False)
    first = epoch(dataset)
    assert same(first, epoch(dataset))
    lengths = [n for _, mask in first for n in mask.sum(axis=1) if n]
    assert lengths == sorted(LENGTHS, reverse=True)


def test_looking_at_a_first_batch_does_not_use_up_an_epoch(sequences):
    dataset = batches(sequences, 2)
    for _ in range(3):
        next(iter(dataset))
    iter(dataset)
    assert same(epoch(dataset), epoch(batches(sequences, 2)))


def test_fit_sees_one_epoch_after_the_other(sequences):
    class Spy(keras.Model):
        def train_step(self, data):
            frames, mask = data
            seen.append(frames_of((frames.numpy(), mask.numpy())))
            return {"loss": 0.0}

    seen = []
    dataset = batches(sequences, 2)
    model = Spy()
    model.compile(run_eagerly=True)
    model.fit(dataset, epochs=2, shuffle=False, verbose=0)
    model.fit(dataset, epochs=1, shuffle=False, verbose=0)
    fresh = batches(sequences, 2)
    assert seen == [frames_of(batch) for _ in range(3) for batch in epoch(fresh)]


def test_data_live_as_long_as_what_is_made_of_the_dataset_and_no_longer():
    data = [np.ones((9, 3), "float32")]
    freed = weakref.ref(data[0])
    dataset = batches(data, batch_size=1).map(lambda frames, mask: frames)
    iterator = iter(dataset)
    del dataset, data
    gc.collect()
    assert next(iterator).shape == (1, 9, 3)
    del iterator
    gc.collect()
    assert freed() is None

    inside = tf.data.Dataset.range(2).flat_map(lambda n: batches([np.ones((9, 3))], batch_size=1))
    assert len(list(inside)) == 2


def test_the_data_service_is_refused_with_the_way_that_works(sequences):
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    dataset = batches(sequences, 4)
    for policy in (service.ShardingPolicy.DYNAMIC, service.ShardingPolicy.OFF):
        served = service.distribute(policy, dispatcher.target)
        with pytest.raises(ValueError, match="`datasets.shards.write`.* Received: .*stateful"):
            dataset.apply(served)
        for made in (
            dataset.prefetch(1),
            dataset.repeat(2).map(lambda x, mask: x),
            dataset.endless,
        ):
            with pytest.raises(tf.errors.FailedPreconditionError, match="PyFunc is stateful"):
                made.apply(served)
    kept = dataset.apply(lambda own: own.map(lambda frames, mask: frames))
    assert kept.element_spec.shape[0] == 4


def test_augmentation_must_keep_the_shape(sequences):
    with pytest.raises(Exception, match="`augment` must return a sequence of the shape"):
        epoch(batches(sequences, 2, augment=lambda s, rng: s[1:]))


@pytest.mark.parametrize(
    "name, split, shapes", [("jsb_chorales", "train", 7), ("nottingham", "train", 10)]
)
def test_music_is_padded_little_and_in_few_shapes(name, split, shapes):
    lengths = np.array([len(roll) for roll in getattr(piano_roll.load(name), split)])
    plans = [batching._plan(lengths, 16, np.random.default_rng((0, e))) for e in range(5)]
    for plan in plans:
        computed = sum(16 * length for _, length in plan)
        assert computed / lengths.sum() < 1.25
        assert sorted(length for _, length in plan) == sorted(length for _, length in plans[0])
        assert len({length for _, length in plan}) <= shapes


def test_sequences_of_one_rung_are_mixed():
    lengths = np.full(64, 50)
    groups = [
        frozenset(group)
        for e in range(2)
        for group, _ in batching._plan(lengths, 8, np.random.default_rng((0, e)))
    ]
    assert len(set(groups)) == 16


def test_pad_fills_up_to_a_length_and_not_below(sequences):
    frames, mask = batching.pad(sequences[:2], length=6)
    assert frames.shape == (2, 6, 2) and frames.dtype == np.float32
    assert mask.sum(axis=1).tolist() == [5, 1]
    np.testing.assert_array_equal(frames[0, :5], sequences[0])
    assert not frames[~mask].any()
    with pytest.raises(ValueError, match="at least 5"):
        batching.pad(sequences[:2], length=4)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64"])
def test_real_types_are_taken_and_kept(dtype):
    (array,) = check_sequences([np.ones((1, 2), dtype)])
    assert array.dtype == dtype
    ((frames, mask),) = epoch(batches([array], 1))
    assert frames.tolist() == [[[1.0, 1.0]]] and mask.tolist() == [[True]]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ([], "at least one sequence"),
        (np.zeros((0, 3, 2)), "at least one sequence"),
        (np.zeros((3, 2)), "put a single sequence in a list"),
        (np.zeros((2, 2, 2, 2)), "rank 3"),
        (None, "rank 3"),
        ("abc", "rank 3"),
        ([np.zeros((3, 2)), np.zeros(3)], r"\[1\]` must be an array"),
        ([np.zeros((3, 2)), np.zeros((3, 4))], r"\[1\]` must have 2 features"),
        ([np.zeros((3, 0))], r"\[0\]` must have at least 1 features"),
        ([np.zeros((3, 2)), np.zeros((0, 2))], r"\[1\]` must have at least one frame"),
        ([[[1, 2], [3]]], r"\[0\]` must be an array"),
        ([np.array([["a", "b"]])], r"\[0\]` must hold real numbers"),
        ([np.array([[None, 1]])], r"\[0\]` must hold real numbers"),
        ([np.ones((2, 2), complex)], r"\[0\]` must hold real numbers"),
        ([np.array([[0, np.nan]])], r"nan at step 0, feature 1"),
        ([np.array([[0, 1], [-np.inf, 1]])], r"-inf at step 1, feature 0"),
        ([np.array([[1e300]])], r"finite in float32"),
    ],
)
def test_what_is_no_list_of_sequences_is_refused_and_named(wrong, message):
    for function in (batches, batching.pad, check_sequences):
        with pytest.raises(ValueError, match=f"`sequences.*{message}"):
            function(wrong)


def test_the_wanted_features_and_the_name_are_in_the_message():
    with pytest.raises(ValueError, match=r"`v\[0\]` must have 88 features.*\(3, 2\)"):
        check_sequences([np.zeros((3, 2))], features=88, name="v")


@pytest.mark.parametrize(
    "argument",
    [
        {"batch_size": 0},
        {"batch_size": 2.0},
        {"batch_size": True},
        {"batch_size": "4"},
        {"max_steps": 0},
        {"max_steps": 1.5},
        {"warm_up": -1},
        {"seed": -1},
        {"seed": None},
        {"first_epoch": -1},
        {"augment": 3},
    ],
)
def test_a_wrong_argument_is_named(sequences, argument):
    (name,) = argument
    with pytest.raises(ValueError, match=f"`{name}` must .* Received: {name}="):
        batches(sequences, **argument)


def test_the_modules_are_imported_without_tensorflow_and_mido():
    code = """
import sys
import weakref
from seqlayers.datasets import batches, midi, piano_roll
sys.exit("tensorflow" in sys.modules or "mido" in sys.modules)
"""
    root = Path(batching.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0
