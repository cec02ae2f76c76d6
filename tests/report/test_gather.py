"""Excerpts, hidden units and charts, of models that are plain NumPy. Without TensorFlow."""

from types import SimpleNamespace

import numpy as np
import pytest

from seqlayers import report
from seqlayers.report.gather import LONGEST, NUM_UNITS, Excerpt


class Echo:
    """A model whose hidden units are sums over all frames before, and which draws steps."""

    def __init__(self, has_code=True, memory=True, units=3):
        self.head = SimpleNamespace(has_code=has_code)
        self.memory = memory or None
        self.units = units

    def encode(self, frames, mask):
        assert mask.shape == frames.shape[:2]
        return np.cumsum(frames, axis=1)[..., : self.units]

    def contexts(self, frames, mask):
        return -self.encode(frames, mask)

    def compiled_function(self, name, function, **_):
        return function

    def generate(self, num_steps, num_sequences, temperature, seed):
        rng = np.random.default_rng(seed)
        return (rng.random((num_sequences, num_steps, 88)) < 0.1 * temperature).astype("float32")


def test_the_worst_frames_are_in_an_excerpt_each():
    nats = [np.zeros(30), np.zeros(20), np.zeros(5), np.zeros(1000)]
    nats[0][4], nats[2][3], nats[3][500], nats[3][501], nats[3][998] = -2, -5, -9, -1, -3
    chosen, worst = report.excerpts([len(each) for each in nats], nats)
    assert chosen[:2] == [Excerpt(0, 0, 30), Excerpt(1, 0, 20)]
    found = [(chosen[n].sequence, chosen[n].start + frame) for n, frame in worst]
    assert found[:5] == [(3, 500), (2, 3), (3, 998), (0, 4), (3, 501)]
    assert len(worst) == report.NUM_WORST
    assert all(0 <= frame < chosen[n].stop - chosen[n].start <= LONGEST for n, frame in worst)
    assert len(chosen) == len(set(chosen)) == 5  # two of the long sequence


def test_without_log_probabilities_the_first_sequences_are_shown():
    assert report.excerpts([500, 3, 4]) == ([Excerpt(0, 0, LONGEST), Excerpt(1, 0, 3)], [])


def test_hidden_units_of_an_excerpt_depend_on_all_frames_before_it():
    rolls = [np.ones((400, 88)), np.ones((10, 88))]
    nats = [np.arange(400.0), np.zeros(10)]
    nats[0][390] = -7
    pieces, worst = report.pieces(Echo(), rolls, report.Music(0.25), nats, "piece")
    assert worst[0][1] == 390 - pieces[worst[0][0]].start
    late = pieces[worst[0][0]]
    assert (late.title, late.group, late.start, len(late.frames)) == ("piece 1", "", 144, LONGEST)
    np.testing.assert_array_equal(late.hidden[:, 0], np.arange(145, 401))
    assert late.note == "The sequence has 400 frames." and pieces[1].note == ""
    assert late.nats[worst[0][1]] == -7


def test_a_sequence_is_read_alone_and_no_further_than_its_last_excerpt():
    model, read = Echo(), []

    def remembered(name, function, **_):
        return lambda frames, mask: read.append(frames.shape) or function(frames, mask)

    model.compiled_function = remembered
    chosen = [Excerpt(0, 0, 5), Excerpt(2, 10, 13), Excerpt(0, 7, 9)]
    _, units = report.hidden_units(model, [np.ones((30, 88))] * 3, chosen)
    assert read == [(1, 9, 88), (1, 13, 88)]
    found = [each[:, 0].tolist() for each in units]
    assert found == [[1, 2, 3, 4, 5], [11, 12, 13], [8, 9]]


def test_a_late_excerpt_of_the_only_sequence_has_no_button_of_its_own():
    nats = [np.zeros(1000)]
    nats[0][900] = -1
    pieces, worst = report.pieces(None, [np.ones((1000, 88))], report.Music(0.5), nats, "piece")
    assert worst[0] == (1, 900 - pieces[1].start)
    assert [piece.group for piece in pieces] == ["Real", ""]


@pytest.mark.parametrize(
    "model, title",
    [
        (Echo(), "hidden units, E[h | v]"),
        (Echo(has_code=False), "outputs of the memory"),
        (Echo(has_code=False, memory=False), ""),
        (Echo(units=88), f"hidden units, E[h | v], the {NUM_UNITS} of 88 that vary most"),
    ],
)
def test_what_is_shown_depends_on_what_the_model_has(model, title):
    rng = np.random.default_rng(0)
    sequences = [rng.random((6, 88)), rng.random((4, 88))]
    found, activity = report.hidden_units(model, sequences)
    assert found == title
    if title:
        units = min(model.units, NUM_UNITS)
        assert [each.shape for each in activity] == [(6, units), (4, units)]
        assert (np.diff(activity[0].argmax(axis=0)) >= 0).all()
    else:
        assert activity is None


def test_one_seed_draws_the_same_pieces():
    form = report.Music(0.5)
    one, again, other = (report.drawn(Echo(), form, 2, 9, 1.0, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one[1].frames, again[1].frames)
    assert not np.array_equal(one[1].frames, other[1].frames)
    assert one[1].first_note == 21 and one[1].note == "Sequence 2 of seed 0, temperature 1."


def test_a_history_becomes_charts():
    history = [
        {"epoch": n, "loss": 1.0 / n, "skipped_steps": 0.0, "shrunk_steps": float(n > 3)}
        | ({"val_log_likelihood": -n, "val_loss": n} if n % 2 == 0 else {})
        for n in range(1, 7)
    ]
    validation, loss, shrunk = report.charts(history, [("a chord", -3.0)])
    assert validation.curves[0].x == [2, 4, 6] and validation.levels == [("a chord", -3.0)]
    assert loss.curves[0].x == [1, 2, 3, 4, 5, 6] and loss.levels == ()
    assert shrunk.title == "shrunk steps"
    long = report.charts([{"epoch": n, "loss": 0.0} for n in range(1, 5002)])[0].curves[0].x
    assert len(long) <= 1001 and long[-1] == 5001
    assert report.charts([]) == []


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"seconds": 0.5, "first_note": 128}])
def test_a_form_is_checked_where_it_is_made(wrong):
    with pytest.raises(ValueError, match=f"`{[*wrong][-1]}` must be"):
        report.Music(**wrong)
