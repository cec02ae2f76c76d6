"""Masks have the distribution of SpecAugment, and depend on seed, epoch and number alone."""

import collections
import warnings

import numpy as np
import pytest
import tensorflow as tf

from seqlayers.datasets import masking
from seqlayers.datasets.masking import Policy

TIME = Policy(time_masks=1, time_width=3, time_share=1.0, feature_masks=0)
FEATURES = Policy(time_masks=0, feature_masks=1, feature_width=3)
MANY = 2000


def drawn(policy, frames, count=MANY, **kwargs):
    """Masked copies of the same frames, those of sequences 0, 1, ..."""

    def each(number):
        return masking.mask(frames, 0, number, policy, **kwargs)

    dataset = tf.data.Dataset.range(count).map(each, num_parallel_calls=2)
    return np.stack([*dataset.as_numpy_iterator()])


def shares(masks):
    """The share of each row among rows."""
    counts = collections.Counter(map(tuple, masks.astype(int).tolist()))
    return {row: count / len(masks) for row, count in counts.items()}


def assert_shares(actual, expected, count):
    for row in actual.keys() | expected.keys():
        p = expected.get(row, 0)
        assert abs(actual.get(row, 0) - p) <= 5 * np.sqrt(p * (1 - p) / count), row


def expected_shares(n, widest):
    """Each width is as likely as the others, and so is each of its places."""
    shares = collections.Counter()
    for width in range(widest + 1):
        for start in range(n - width + 1):
            row = tuple(int(start <= k < start + width) for k in range(n))
            shares[row] += 1 / (widest + 1) / (n - width + 1)
    return shares


@pytest.mark.parametrize("policy, axis", [(TIME, 0), (FEATURES, 1)], ids=["time", "features"])
def test_a_mask_has_each_width_and_each_place_alike(policy, axis):
    masks = drawn(policy, np.ones((6, 6), "float32")) == 0
    along = masks.any(axis=2 - axis)
    np.testing.assert_array_equal(masks, np.moveaxis(np.stack([along] * 6, 2), 2, 2 - axis))
    assert_shares(shares(along), expected_shares(6, 3), MANY)


@pytest.mark.parametrize("axis", [0, 1], ids=["time", "features"])
def test_masks_have_the_distribution_of_those_of_tensorflow_io(axis):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(unable to load|file system plugins)", UserWarning)
        tfio = pytest.importorskip("tensorflow_io", reason="needs the extra `io`")
    function = (tfio.audio.time_mask, tfio.audio.freq_mask)[axis]
    tf.random.set_seed(0)
    theirs = tf.data.Dataset.range(MANY).map(lambda _: function(tf.ones((7, 7)), 4))  # w below 4
    theirs = np.stack([*theirs.as_numpy_iterator()]).any(axis=2 - axis) == 0
    assert not theirs[:, -1].any()  # the last step or feature is never masked
    assert_shares(shares(theirs[:, :-1]), expected_shares(6, 3), MANY)


def test_a_mask_of_time_is_at_most_a_share_of_the_sequence_and_leaves_padding():
    policy = Policy(time_masks=1, time_width=9, time_share=0.5, feature_masks=1, feature_width=2)
    masks = drawn(policy, np.ones((9, 4), "float32"), 1000, length=7) == 0
    assert not masks[:, 7:].any()
    steps = masks[:, :7].all(axis=2)
    assert set(steps.sum(axis=1)) == {0, 1, 2, 3}  # of 7, half of them rounded down
    assert steps.any(axis=0).all()  # each of the 7 is masked now and then
    alone = drawn(policy, np.ones((7, 4), "float32"), 1000) == 0
    np.testing.assert_array_equal(masks[:, :7], alone)


def test_channels_are_masked_together_and_other_numbers_stay(rng):
    frames = rng.normal(size=(30, 10, 3))
    policy = Policy(time_width=5, feature_width=3, value=9.0)
    masked = masking.mask(frames, 3, 4, policy).numpy()
    hidden = masked == 9.0
    assert masked.dtype == "float64" and 0 < hidden.mean() < 1
    np.testing.assert_array_equal(hidden.any(axis=2), hidden.all(axis=2))
    np.testing.assert_array_equal(masked, np.where(hidden, 9.0, frames))
    flat = masking.mask(frames[:, :, 0], 3, 4, policy)
    np.testing.assert_array_equal(flat, masked[:, :, 0])


def test_masks_wider_than_a_sequence_are_cut():
    masks = drawn(Policy(1, 50, 1.0, 1, 50), np.ones((2, 1), "float32"), 200)
    assert {int(each.sum()) for each in masks} == {0, 1, 2}
    nothing = masking.mask(np.ones((0, 3)), 0, 0)
    assert nothing.shape == (0, 3)


# Seeds.


@pytest.fixture(scope="module")
def pairs():
    """Sequences of different lengths and their numbers."""
    sequences = [np.ones((20 + n, 5), "float32") for n in range(12)]
    spec = (tf.TensorSpec((None, 5)), tf.TensorSpec((), tf.int64))
    return tf.data.Dataset.from_generator(
        lambda: zip(sequences, range(12), strict=True), output_signature=spec
    )


def by_number(dataset):
    return {int(number): frames for frames, number in dataset.as_numpy_iterator()}


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for number, frames in expected.items():
        np.testing.assert_array_equal(actual[number], frames)


def test_masks_do_not_depend_on_order_batch_or_share(pairs):
    whole = by_number(masking.masked(pairs, 2, seed=5))
    shuffled = pairs.shuffle(12, seed=1).map(
        lambda frames, n: (masking.mask(frames, 2, n, seed=5), n), num_parallel_calls=4
    )
    assert [*by_number(shuffled)] != [*whole]
    assert_same(by_number(shuffled), whole)
    half = masking.masked(pairs, 2, seed=5).shard(2, 1)  # what the second of two workers reads
    assert_same(by_number(half), {n: frames for n, frames in whole.items() if n % 2})
    for frames, numbers in masking.masked(pairs, 2, seed=5).padded_batch(5):
        for row, number in zip(frames.numpy(), numbers.numpy(), strict=True):
            np.testing.assert_array_equal(row[: 20 + number], whole[number])
            assert not row[20 + number :].any()


def test_masks_differ_by_seed_epoch_and_number(pairs):
    frames = np.ones((200, 40), "float32")
    cases = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2**40, 0, 0)]  # seed, epoch, number
    masks = [masking.mask(frames, e, n, seed=s).numpy().tobytes() for s, e, n in cases]
    assert len(set(masks)) == len(cases)
    assert masks[0] == masking.mask(frames, 0, 0).numpy().tobytes()


def test_epochs_are_joined_for_fit_and_a_resumed_run_repeats_them(pairs):
    def batches(epoch):
        return masking.masked(pairs, epoch, seed=1).padded_batch(5)

    def read(first):
        epochs = tf.data.Dataset.range(first, 3).flat_map(batches)
        return [frames for frames, _ in epochs.as_numpy_iterator()]

    whole = read(0)
    assert len(whole) == 3 * 3
    for actual, expected in zip(read(1), whole[3:], strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert any(np.any(a != b) for a, b in zip(whole[:3], whole[3:6], strict=True))


def test_a_dataset_of_frames_alone_is_masked_and_keeps_its_length():
    frames = tf.data.Dataset.from_tensor_slices(np.ones((3, 50, 8)))
    masked = masking.masked(frames, 0)
    assert masked.cardinality() == 3 and masked.element_spec == frames.element_spec
    for number, actual in enumerate(masked):
        np.testing.assert_array_equal(actual, masking.mask(np.ones((50, 8)), 0, number))


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"time_masks": -1}, "`time_masks`.*-1"),
        ({"feature_width": 1.5}, "`feature_width`.*1.5"),
        ({"time_share": 1.1}, "`time_share`.*from 0 to 1.*1.1"),
        ({"value": np.nan}, "`value`.*nan"),
    ],
)
def test_a_policy_is_checked(change, reason):
    with pytest.raises(ValueError, match=reason):
        masking.mask(np.ones((5, 3)), 0, 0, Policy(**change))


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"epoch": -1}, "`epoch`.*-1"),
        ({"number": 0.5}, "`number`.*0.5"),
        ({"length": -1}, "`length`.*-1"),
        ({"length": 2.5}, "`length`.*2.5"),
        ({"epoch": tf.constant(1.5)}, "`epoch` must be an integer.*float32"),
        ({"length": tf.constant([3, 4])}, r"`length` must be .*scalar.*\(2,\)"),
    ],
)
def test_numbers_of_epochs_sequences_and_steps_are_checked(change, reason):
    with pytest.raises(ValueError, match=reason):
        masking.mask(**{"frames": np.ones((5, 3)), "epoch": 0, "number": 0} | change)


@pytest.mark.parametrize(
    "frames, kwargs, reason",
    [
        (np.ones(5), {}, r"`frames` must be floats.*shape \(5,\)"),
        (np.ones((5, 3), int), {}, "`frames` must be floats.*int64"),
        ({"x": np.ones((5, 3))}, {}, "`frames` must be floats.*dict"),
        (np.ones((5, 3)), {"policy": (1, 2)}, r"`policy` must be a `masking.Policy`.*\(1, 2\)"),
        (np.ones((5, 3)), {"seed": -1}, "`seed`.*-1"),
    ],
)
def test_arguments_are_checked(frames, kwargs, reason):
    with pytest.raises(ValueError, match=reason):
        masking.mask(frames, 0, 0, **kwargs)
    with pytest.raises(ValueError, match=reason):
        masking.masked(tf.data.Dataset.from_tensors(frames), 0, **kwargs)
