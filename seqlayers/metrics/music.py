"""Measures of polyphonic music, to compare what a model generates with real pieces.

Likelihoods rank models by the frames of real pieces; these measures describe the music itself, real
or generated. All are made from piano-rolls: v_{t,k} is 1 where key k, a semitone above key k - 1,
sounds in frame t. A held note and a repeated one look the same.

    note density        mean_t n_t,  n_t = sum_k v_{t,k}
    pitch range         mean over pieces of (highest key - lowest key), in semitones
    held notes          sum v_{t,k} v_{t-1,k} / sum v_{t,k}, over t > 1
    chord sizes         share of frames with n_t = n, for n = 0, 1, ...
    notes in scale      sum over pieces of max_s sum_t sum_{k in s} v_{t,k} / sum v_{t,k}
    repeats             share of passages of L frames that occurred before in their piece
    dissonant intervals share of pairs of keys of one frame that are 1, 2, 6, 10 or 11 semitones
                        apart, octaves left out

s is one of the 12 diatonic scales: a major scale, which has the keys of a natural minor one. For
`in_scale` the scale of each piece is the one that most of its notes are in: random notes have about
0.6, music in one key 1. A passage repeats an earlier one if all frames are equal and the two do not
overlap. Seconds, sevenths and the tritone are dissonant by the rules of counterpoint; the fourth,
which they treat as either, is counted as consonant.

Sources: H.-W. Dong et al., MusPy: A Toolkit for Symbolic Music Generation, ISMIR 2020 (polyphony,
pitch range, scale consistency); O. Mogren, C-RNN-GAN, NIPS workshop on constructive machine
learning 2016 (scale consistency, repetitions); L.-C. Yang and A. Lerch, On the Evaluation of
Generative Models in Music, Neural Computing and Applications 2020 (comparison by such measures);
D. Huron, Interval-Class Content in Equally Tempered Pitch-Class Sets, Music Perception 1994
(consonance of intervals).
"""

from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_integer, check_sequences

OCTAVE = 12
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_DISSONANT = (1, 2, 6, 10, 11)


class MusicMeasures(NamedTuple):
    """Measures of a list of piano-rolls; NaN where there is nothing to measure.

    Attributes:
        note_density: Mean number of keys that sound in a frame.
        pitch_range: Mean distance of the highest and the lowest key of a piece, in semitones.
            Silent pieces are left out.
        held_notes: Share of the sounding keys that also sounded in the frame before.
        in_scale: Share of the sounding keys that are in the diatonic scale of their piece.
        repeats: Share of the passages that occurred earlier in their piece.
        dissonant: Share of the intervals within frames that are dissonant.
        chord_sizes: Share of frames with 0, 1, ... V keys, a float64 array `(V + 1,)`.
    """

    note_density: float
    pitch_range: float
    held_notes: float
    in_scale: float
    repeats: float
    dissonant: float
    chord_sizes: Any


def music_measures(rolls, passage=8):
    """Measures polyphonic music.

    Compare lists of pieces of one length, such as those that `pieces` cuts: the longer a piece, the
    larger its range, the more of it repeats, and the more often it leaves its scale.

    Args:
        rolls: List of rolls `(T, V)` of 0 and 1, or an array `(N, T, V)`. The V keys are semitones.
        passage: Number L of frames in a passage, for `repeats`.

    Returns:
        `MusicMeasures`.

    Raises:
        ValueError: If `rolls` hold anything but 0 and 1, or `passage` is not an integer of at least
            1.

    Example:
        >>> real = pieces(piano_roll.load("jsb_chorales").test, 64)
        >>> round(music_measures(real).in_scale, 3)
        0.946
        >>> music_measures(model.generate(64, num_sequences=len(real))).in_scale
    """
    rolls = check_sequences(rolls, name="rolls")
    for n, roll in enumerate(rolls):
        wrong = (roll != 0) & (roll != 1)
        if wrong.any():
            raise ValueError(f"`rolls[{n}]` must hold only 0 and 1. Received: {roll[wrong][0]}.")
    passage = check_integer("passage", passage)
    rolls = [roll == 1 for roll in rolls]
    frames = np.concatenate(rolls)
    sizes, V = frames.sum(axis=1), frames.shape[1]
    return MusicMeasures(
        note_density=float(sizes.mean()),
        pitch_range=_mean([_range(roll) for roll in rolls if roll.any()]),
        held_notes=_share(
            sum(np.count_nonzero(roll[1:] & roll[:-1]) for roll in rolls),
            sum(np.count_nonzero(roll[1:]) for roll in rolls),
        ),
        in_scale=_share(sum(map(_notes_in_scale, rolls)), sizes.sum()),
        repeats=_share(
            sum(_num_repeats(roll, passage) for roll in rolls),
            sum(max(len(roll) - passage + 1, 0) for roll in rolls),
        ),
        dissonant=_share_dissonant(frames),
        chord_sizes=np.bincount(sizes, minlength=V + 1) / len(frames),
    )


def _range(roll):
    """Returns the semitones from the lowest to the highest key of a roll that is not silent."""
    keys = np.flatnonzero(roll.any(axis=0))
    return keys[-1] - keys[0]


def _notes_in_scale(roll):
    """Returns the number of sounding keys in the scale that most of them are in."""
    counts = roll.sum(axis=0)
    classes = np.bincount(np.arange(len(counts)) % OCTAVE, counts, minlength=OCTAVE)
    return max(np.roll(classes, -root)[[*_MAJOR]].sum() for root in range(OCTAVE))


def _num_repeats(roll, passage):
    """Returns the number of passages that are equal to one that ended before they begin."""
    frames = list(map(bytes, np.packbits(roll, axis=1)))
    first_ends, repeats = {}, 0
    for start in range(len(frames) - passage + 1):
        played = tuple(frames[start : start + passage])
        repeats += first_ends.setdefault(played, start + passage) <= start
    return repeats


def _share_dissonant(frames):
    """Returns the share of dissonant intervals in all frames."""
    frames = frames.astype("int64")
    V = frames.shape[1]
    counts = np.array([(frames[:, d:] * frames[:, : V - d]).sum() for d in range(1, V)])
    dissonant = np.isin(np.arange(1, V) % OCTAVE, _DISSONANT)
    return _share(counts[dissonant].sum(), counts.sum())


def _share(part, whole):
    return float(part / whole) if whole else float("nan")


def _mean(values):
    return _share(sum(values), len(values))
