"""Measures of music against pieces whose measures are known, and against loops."""

import itertools

import numpy as np
import pytest

from seqlayers.metrics import MusicMeasures, music_measures

C_MAJOR = [39, 41, 43, 44, 46, 48, 50]  # of a piano's keys, from the C in its middle


def roll(*chords):
    """A roll of 88 keys from the keys of each frame."""
    frames = np.zeros((len(chords), 88), "uint8")
    for frame, keys in zip(frames, chords, strict=True):
        frame[list(keys)] = 1
    return frames


def test_a_piece_that_can_be_counted_by_hand():
    piece = roll([39, 43], [39, 43, 46], [], [40])
    measures = music_measures([piece])
    assert measures.note_density == 6 / 4
    assert measures.pitch_range == 7
    assert measures.held_notes == 2 / 4
    # A C major triad and a C sharp: in D flat major there are C and C sharp, in C major three keys.
    assert measures.in_scale == 5 / 6
    assert measures.dissonant == 0
    np.testing.assert_array_equal(measures.chord_sizes[:4], [1 / 4, 1 / 4, 1 / 4, 1 / 4])
    assert measures.chord_sizes.shape == (89,) and measures.chord_sizes.sum() == 1


def test_music_in_one_key_is_in_scale_whichever_key_it_is():
    for shift in range(12):
        piece = roll(*([key + shift] for key in C_MAJOR))
        assert music_measures([piece]).in_scale == 1
    chromatic = music_measures([roll(*([key] for key in range(24)))])
    assert chromatic.in_scale == 7 / 12
    # Each piece has a scale of its own.
    pieces = [roll(*([key + shift] for key in C_MAJOR)) for shift in (0, 1)]
    assert music_measures(pieces).in_scale == 1
    assert music_measures([np.concatenate(pieces)]).in_scale < 1


@pytest.mark.parametrize("semitones", range(1, 25))
def test_seconds_sevenths_and_the_tritone_are_dissonant(semitones):
    dissonant = semitones % 12 in (1, 2, 6, 10, 11)
    assert music_measures([roll([30, 30 + semitones])]).dissonant == dissonant


def test_passages_repeat_if_they_were_played_before_and_are_over():
    theme, other = ([[key] for key in keys] for keys in ([1, 2, 3, 4], [5, 6, 7, 8]))
    piece = roll(*theme, *other, *theme)
    assert music_measures([piece], passage=4).repeats == 1 / 9
    assert music_measures([piece], passage=2).repeats == 3 / 11
    assert music_measures([piece, piece], passage=4).repeats == 1 / 9  # each piece for itself
    held = roll(*[[40]] * 8)
    assert music_measures([held], passage=4).repeats == 1 / 5  # the last one alone is new music
    assert np.isnan(music_measures([held], passage=9).repeats)


def test_measures_of_random_music_are_those_of_loops(rng):
    rolls = [(rng.random((n, 30)) < 0.2).astype("float32") for n in (20, 1, 13)]
    measures = music_measures(rolls, passage=1)
    notes = held = later = 0
    pairs, wrong = 0, 0
    for piece in rolls:
        for t, frame in enumerate(piece):
            keys = set(np.flatnonzero(frame))
            notes += len(keys)
            if t:
                later += len(keys)
                held += len(keys & set(np.flatnonzero(piece[t - 1])))
            for low, high in itertools.combinations(sorted(keys), 2):
                pairs += 1
                wrong += (high - low) % 12 in (1, 2, 6, 10, 11)
    assert measures.note_density == pytest.approx(notes / 34)
    assert measures.held_notes == pytest.approx(held / later)
    assert measures.dissonant == pytest.approx(wrong / pairs)
    as_bool = music_measures([piece == 1 for piece in rolls], passage=1)
    for name, value in measures._asdict().items():
        np.testing.assert_array_equal(value, getattr(as_bool, name), err_msg=name)


def test_silence_has_no_notes_to_measure():
    measures = music_measures(np.zeros((2, 5, 88)))
    assert measures.note_density == 0 and measures.chord_sizes[0] == 1
    for name in ("pitch_range", "held_notes", "in_scale", "dissonant"):
        assert np.isnan(getattr(measures, name)), name
    one = [np.zeros((5, 88)), roll([40], [45])]
    assert music_measures(one).pitch_range == 5
    assert MusicMeasures._fields[-1] == "chord_sizes"


def test_what_is_no_roll_is_refused():
    with pytest.raises(ValueError, match=r"`rolls\[1\]` must hold only 0 and 1. Received: 0.5"):
        music_measures([np.zeros((3, 88)), np.full((3, 88), 0.5)])
    with pytest.raises(ValueError, match="put a single sequence in a list"):
        music_measures(np.zeros((3, 88)))
    with pytest.raises(ValueError, match="`passage` must be an integer of at least 1"):
        music_measures(np.zeros((1, 3, 88)), passage=0)
