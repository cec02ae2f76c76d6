"""Baselines of polyphonic music against counts by hand, and their figures on the test splits."""

from itertools import product

import numpy as np
import pytest

from seqlayers.datasets import piano_roll, roll_baselines

# On the test splits; of the table and the held chord, computed once with other code.
FIGURES = {
    "jsb_chorales": {"independent keys": -11.060, "frame table": -7.381, "held chord": -10.469},
    "nottingham": {"independent keys": -10.252, "frame table": -5.264, "held chord": -5.164},
    "musedata": {"independent keys": -11.510, "frame table": -10.657, "held chord": -8.560},
    "piano_midi": {"independent keys": -11.046, "frame table": -10.799, "held chord": -8.262},
}


@pytest.mark.parametrize("name", ["jsb_chorales", "piano_midi"])
def test_baselines_score_each_frame_of_the_test_split(name):
    scores, test = roll_baselines.baselines(name), piano_roll.load(name).test
    means = {key: round(np.concatenate(nats).mean(), 3) for key, nats in scores.items()}
    assert means == FIGURES[name]
    for nats in scores.values():
        assert [each.shape for each in nats] == [(len(roll),) for roll in test]


def test_independent_keys_have_the_pooled_likelihood(small):
    train, _, test = small
    nats = np.concatenate(roll_baselines.independent_keys(train, test))
    pooled = piano_roll.independent_bernoulli_log_likelihood(train, test)
    assert nats.mean() == pytest.approx(pooled, rel=1e-12)


@pytest.fixture
def small():
    """Three splits of two rolls each, in which three keys of 88 may sound."""
    rng, keys = np.random.default_rng(0), np.isin(np.arange(88), [3, 40, 80])
    splits = [[(rng.random((n, 88)) < 0.4) & keys for n in (9, 12)] for _ in range(3)]
    return [[roll.astype("uint8") for roll in split] for split in splits]


def test_the_table_is_the_best_mixture_for_the_validation_split(small):
    train, valid, test = small
    frames = [bytes(frame) for roll in train for frame in roll]

    def nats(w, rolls):
        q = np.exp(np.concatenate(roll_baselines.independent_keys(train, rolls)))
        shares = [frames.count(bytes(frame)) / len(frames) for roll in rolls for frame in roll]
        return np.log(w * np.array(shares) + (1 - w) * q)

    grid = np.linspace(0.001, 0.999, 999)
    w = grid[np.argmax([nats(w, valid).mean() for w in grid])]
    actual = np.concatenate(roll_baselines.frame_table(train, valid, test))
    np.testing.assert_allclose(actual, nats(w, test), atol=0.01)
    own = np.concatenate(roll_baselines.frame_table(train, valid, valid)).mean()
    assert own >= max(nats(w, valid).mean() for w in grid) - 1e-9


def test_a_held_chord_depends_on_the_frame_before_alone_and_its_odds_are_counted(small):
    train, _, test = small
    nats = roll_baselines.held_chord(train, test)
    np.testing.assert_allclose(
        [each[0] for each in nats],
        [roll_baselines.independent_keys(train, [roll[:1]])[0][0] for roll in test],
    )
    pairs = [pair for roll in train for pair in zip(roll[:-1], roll[1:], strict=True)]
    before, after = test[1][3:5]
    expected = 0
    for key in range(88):
        seen = [b[key] for a, b in pairs if a[key] == before[key]]
        p = (sum(map(int, seen)) + 0.5) / (len(seen) + 1)
        expected += np.log(p if after[key] else 1 - p)
    assert nats[1][4] == pytest.approx(expected, rel=1e-12)


def test_probabilities_sum_to_one(small):
    train, valid, _ = small
    keys = [3, 40, 80]
    frames = np.zeros((8, 1, 88), "uint8")
    frames[:, 0, keys] = list(product((0, 1), repeat=3))
    p = piano_roll.note_frequencies(train)
    q = np.exp(np.concatenate(roll_baselines.independent_keys(train, frames)))
    # Over all frames it is 1: over the other keys the factors of each key sum to 1.
    assert q.sum() == pytest.approx(np.prod(1 - np.delete(p, keys)), rel=1e-12)
    mixture = np.exp(np.concatenate(roll_baselines.frame_table(train, valid, frames)))
    drawn = [bytes(frame) for roll in train for frame in roll]
    table = np.array([drawn.count(bytes(frame)) for frame in frames]) / len(drawn)
    weights = (mixture - q) / (table - q)
    assert 0 < weights[0] < 1 and table.sum() == 1
    np.testing.assert_allclose(weights, weights[0], rtol=1e-9)
    after = np.repeat(frames[3:4], 8, axis=0)
    pairs = np.concatenate([after, frames], axis=1)
    held = np.exp([each[1] for each in roll_baselines.held_chord(train, pairs)])
    others = np.exp(roll_baselines.held_chord(train, np.zeros((1, 2, 88)))[0][1])
    silent_others = others / np.prod([_off_after_off(train, key) for key in keys])
    assert held.sum() == pytest.approx(silent_others, rel=1e-9)


def _off_after_off(train, key):
    pairs = [pair for roll in train for pair in zip(roll[:-1, key], roll[1:, key], strict=True)]
    return (pairs.count((0, 0)) + 0.5) / (sum(a == 0 for a, _ in pairs) + 1)


@pytest.mark.parametrize("position", range(3))
def test_what_is_no_roll_is_refused_by_name(small, position):
    wrong = [*small]
    wrong[position] = [np.full((3, 88), 2)]
    name = ("train", "valid", "rolls")[position]
    with pytest.raises(ValueError, match=rf"`{name}\[0\]` must hold only 0 and 1"):
        roll_baselines.frame_table(*wrong)
    if position != 1:
        for function in (roll_baselines.independent_keys, roll_baselines.held_chord):
            with pytest.raises(ValueError, match=rf"`{name}\[0\]` must hold only 0 and 1"):
                function(wrong[0], wrong[2])
