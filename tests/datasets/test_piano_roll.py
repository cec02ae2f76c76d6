import numpy as np
import pytest

from seqlayers.datasets import piano_roll

# Sequences, frames, shortest, longest, most notes at once, lowest and highest MIDI note.
COUNTS = {
    ("jsb_chorales", "train"): (229, 13807, 25, 129, 4, 43, 96),
    ("jsb_chorales", "valid"): (76, 4602, 32, 144, 4, 48, 96),
    ("jsb_chorales", "test"): (77, 4725, 32, 160, 4, 45, 96),
    ("nottingham", "train"): (694, 176561, 40, 1788, 9, 31, 93),
    ("nottingham", "valid"): (173, 45513, 96, 1473, 8, 34, 91),
    ("nottingham", "test"): (170, 44463, 63, 1793, 9, 36, 89),
    ("musedata", "train"): (524, 245202, 9, 3457, 14, 21, 96),
    ("musedata", "valid"): (135, 82755, 63, 3723, 15, 21, 100),
    ("musedata", "test"): (124, 64339, 45, 4273, 14, 21, 105),
    ("piano_midi", "train"): (87, 75911, 111, 3857, 12, 21, 108),
    ("piano_midi", "valid"): (12, 8540, 209, 1637, 11, 24, 104),
    ("piano_midi", "test"): (25, 19036, 65, 2645, 10, 21, 108),
}
POLYPHONY = {"jsb_chorales": 3.89, "nottingham": 3.97, "musedata": 3.46, "piano_midi": 3.04}
BASELINES = {
    "jsb_chorales": -11.06,
    "nottingham": -10.25,
    "musedata": -11.51,
    "piano_midi": -11.05,
}


@pytest.fixture(scope="module")
def jsb():
    return piano_roll.load("jsb_chorales")


@pytest.mark.parametrize("name", piano_roll.NAMES)
def test_the_sets_have_the_published_counts(name):
    rolls = piano_roll.load(name)
    for split in piano_roll.SPLITS:
        each = getattr(rolls, split)
        frames = np.concatenate(each)
        lengths = [len(roll) for roll in each]
        (keys,) = np.nonzero(frames.any(axis=0))
        actual = (len(each), len(frames), min(lengths), max(lengths))
        actual += (frames.sum(axis=1).max(), keys[0] + 21, keys[-1] + 21)
        assert actual == COUNTS[name, split]
        assert frames.dtype == np.uint8 and frames.max() == 1 and frames.shape[1] == 88
    every = np.concatenate([frames for split in rolls for frames in split])
    assert every.sum() / len(every) == pytest.approx(POLYPHONY[name], abs=0.006)


@pytest.mark.parametrize("name", piano_roll.NAMES)
def test_info_tells_the_same_counts_and_the_terms(name):
    info = piano_roll.info(name)
    for split in piano_roll.SPLITS:
        assert (info.sequences[split], info.frames[split]) == COUNTS[name, split][:2]
    assert "ICML 2012" in info.source
    assert info.title and info.step and info.terms


@pytest.mark.parametrize("name", piano_roll.NAMES)
def test_independent_keys_give_the_published_likelihood(name):
    rolls = piano_roll.load(name)
    actual = piano_roll.independent_bernoulli_log_likelihood(rolls.train, rolls.test)
    assert actual == pytest.approx(BASELINES[name], abs=0.01)


def test_independent_keys_match_a_loop_over_frames(jsb):
    train, test = jsb.train[:3], jsb.test[:2]
    p = [(sum(r[t, k] for r in train for t in range(len(r))) + 0.5) for k in range(88)]
    p = np.array(p) / (sum(len(r) for r in train) + 1)
    frames = [np.log(np.where(frame, p, 1 - p)).sum() for roll in test for frame in roll]
    np.testing.assert_allclose(piano_roll.note_frequencies(train), p)
    actual = piano_roll.independent_bernoulli_log_likelihood(train, test)
    assert actual == pytest.approx(np.mean(frames))


@pytest.mark.parametrize("name", ["jsb", "../jsb_chorales", "", None, ["jsb_chorales"]])
def test_an_unknown_set_is_answered_with_the_known(name):
    for function in (piano_roll.load, piano_roll.info):
        with pytest.raises(ValueError, match='"jsb_chorales" or "nottingham" or "musedata" or'):
            function(name)


def test_transposition_moves_all_notes_by_one_shift_and_loses_none(jsb):
    rng = np.random.default_rng(0)
    roll = jsb.train[0]
    shifts = set()
    for _ in range(200):
        shifted = piano_roll.random_transpose(roll, -5, 6, rng)
        shift = int(np.argmax(shifted.any(axis=0)) - np.argmax(roll.any(axis=0)))
        np.testing.assert_array_equal(shifted, np.roll(roll, shift, axis=1))
        shifts.add(shift)
    assert shifts == set(range(-5, 7))


def test_transposition_stays_on_the_keyboard():
    rng = np.random.default_rng(0)
    roll = np.zeros((1, 88), "uint8")
    roll[0, [1, 86]] = 1
    shifted = [piano_roll.random_transpose(roll, -5, 6, rng)[0] for _ in range(50)]
    assert {tuple(np.flatnonzero(keys)) for keys in shifted} == {(0, 85), (1, 86), (2, 87)}
    np.testing.assert_array_equal(piano_roll.random_transpose(roll, 4, 6, rng), roll)
    silence = np.zeros((3, 88), "uint8")
    np.testing.assert_array_equal(piano_roll.random_transpose(silence, -5, 6, rng), silence)


def test_batches_transpose_each_piece_anew_each_epoch(jsb):
    rolls = jsb.train[:3]
    dataset = piano_roll.batches(rolls, 3, shuffle=False, transpose=(-5, 6), first_epoch=7)
    (first,), (second,) = list(dataset), list(dataset)
    ((plain, _),) = list(piano_roll.batches(rolls, 3, shuffle=False))
    assert (first[0].numpy() != second[0].numpy()).any()
    for epoch in (first[0].numpy(), second[0].numpy()):
        np.testing.assert_array_equal(epoch.sum(axis=2), plain.numpy().sum(axis=2))
    ((again, _),) = list(
        piano_roll.batches(rolls, 3, shuffle=False, transpose=(-5, 6), first_epoch=8)
    )
    np.testing.assert_array_equal(second[0], again)


@pytest.mark.parametrize("transpose", [3, (6, -5), (-5, 6.0), (0, 1, 2), (False, True), (0, 89)])
def test_a_wrong_range_of_transposition_is_refused(jsb, transpose):
    with pytest.raises(ValueError, match="`transpose` must be two integers"):
        piano_roll.batches(jsb.train[:2], transpose=transpose)


def test_wrong_arguments_of_random_transpose_are_named(jsb, rng):
    with pytest.raises(ValueError, match="`low` and `high` must be two integers"):
        piano_roll.random_transpose(jsb.train[0], 6, -5, rng)
    with pytest.raises(ValueError, match="`rng` must be a `numpy.random.Generator`.*3"):
        piano_roll.random_transpose(jsb.train[0], -5, 6, rng=3)


def test_what_is_no_roll_is_refused():
    for wrong, message in [
        (np.full((2, 88), 2), "only 0 and 1"),
        (np.ones((2, 87)), "88 features"),
    ]:
        for function in (piano_roll.batches, piano_roll.note_frequencies):
            with pytest.raises(ValueError, match=rf"`rolls\[1\]`.*{message}"):
                function([np.zeros((4, 88)), wrong])
        with pytest.raises(ValueError, match=f"`roll` .*{message}"):
            piano_roll.random_transpose(wrong, 0, 1, np.random.default_rng(0))
