"""The data of a training run: sequences in three splits, read, batched and fingerprinted."""

import hashlib
from typing import Any, NamedTuple

import numpy as np

from seqlayers import audio, datasets
from seqlayers.datasets import midi, piano_roll
from seqlayers.datasets.recordings import FRAME_LENGTH, HOP_LENGTH, parts_by_time
from seqlayers.runs import sound as run_sound

_STEP_IN_BEATS = {"a quarter note": 1.0, "an eighth note": 0.5}


class Place(NamedTuple):
    """Where in a recording a segment lies: the file, and in seconds start, end and whole length."""

    file: str
    start: float
    end: float
    duration: float


class Data(NamedTuple):
    """Sequences to train, validate and test on.

    Attributes:
        train, valid, test: Lists of rolls `(T, 88)`, or of normalised frames of sound `(T, bins)`.
            The last two may be empty.
        files: Names of MIDI files by split, or of recordings, which are in all splits. None for a
            data set.
        skipped: Pairs `(file, reason)` of the files that were not used.
        sound: `SoundFrames` of recordings; None for music.
        sha256: Hash of the contents of recordings.
        resampled: Pairs `(file, rate)` of the recordings that were resampled, with their own rate.
        places: For recordings, the `Place` of each sequence, in a list for each split.
    """

    train: Any
    valid: Any
    test: Any
    files: Any = None
    skipped: Any = ()
    sound: Any = None
    sha256: str = ""
    resampled: Any = ()
    places: Any = None

    @property
    def splits(self):
        """The three lists by the name of their split."""
        return {name: getattr(self, name) for name in piano_roll.SPLITS}


def read_data(options, sound=None):
    """Reads the data of a run.

    A data set has its own split. MIDI files are sorted by path: the first eight tenths train, the
    next tenth validates and the last one tests, at least one file each. Two files leave none to
    test, one file none to validate.

    Each recording is split by time, with the silence between its segments removed: the first eight
    tenths of its frames train, the ninth validates and the last one tests. A segment belongs to the
    tenth that its middle lies in. So nothing in a recording is judged by what came later, and
    nothing is shuffled; a recording of fewer than about eight segments may not be in all three
    splits. The normaliser is fitted to the training frames alone; the level of a recording is that
    of all of it.

    Args:
        options: All options of the run.
        sound: `SoundFrames` of a run on recordings that has begun; made from the recordings if
            None.

    Returns:
        A `Data`.

    Raises:
        MidiError: If no MIDI file can be read.
        AudioError: If there is no recording.
        NoSegments: If no recording has a segment.
        ValueError: If options contradict each other.
    """
    if options["dataset"]:
        return Data(*piano_roll.load(options["dataset"]))
    if options["wav"]:
        return _recordings(options, sound)
    paths, rolls, skipped = midi.read_folder(
        options["midi"], options["step_in_beats"], options["transpose"]
    )
    names = [path.relative_to(options["midi"]).as_posix() for path in paths]
    tenth = max(1, len(rolls) // 10)
    test = tenth if len(rolls) > 2 else 0
    valid = tenth if len(rolls) > 1 else 0
    ends = [len(rolls) - valid - test, len(rolls) - test]
    parts = [slice(0, ends[0]), slice(*ends), slice(ends[1], None)]
    by_split = {s: names[part] for s, part in zip(piano_roll.SPLITS, parts, strict=True)}
    return Data(*(rolls[part] for part in parts), by_split, skipped)


def _recordings(options, sound):
    """Returns the `Data` of a run on recordings."""
    scale, kind = run_sound.FRAMES[options["visibles"] or "bernoulli"]
    settings = None if sound is None else sound.settings
    if settings is None and options["sample_rate"]:
        settings = audio.Spectra(FRAME_LENGTH, HOP_LENGTH, sample_rate=options["sample_rate"])
    corpus = run_sound.segments(options["wav"], options, settings, scale)
    splits: tuple = [], [], []
    places: dict = {name: [] for name in piano_roll.SPLITS}
    for n, tenth in enumerate(parts_by_time(corpus, 10, silence=False)):
        split, file = max(0, tenth - 7), corpus.files[n]
        splits[split].append(corpus.sequences[n])
        place = Place(file, *corpus.times[n].tolist(), corpus.durations[file])
        places[piano_roll.SPLITS[split]].append(place)
    if sound is None:
        normalizer = audio.Normalizer.fit(splits[0], kind)
        sound = run_sound.SoundFrames(corpus.settings, scale, normalizer)
    files = list(dict.fromkeys(corpus.files))
    return Data(
        *([sound.normalizer.normalize(sequence) for sequence in split] for split in splits),
        [run_sound.name(file, options["wav"]) for file in files],
        corpus.skipped,
        sound,
        _sha256(files),
        corpus.resampled,
        places,
    )


def _sha256(files):
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def batches(options, sequences, first_epoch=0):
    """Returns the batches that a run trains on, as a `tf.data.Dataset`.

    Args:
        options: All options of the run.
        sequences: The sequences to train on.
        first_epoch: Number of epochs already trained; order and shifts go on from there.
    """
    given = {"max_steps": options["max_steps"], "warm_up": options["warm_up"] or 0}
    given |= {"seed": options["seed"], "first_epoch": first_epoch}
    if options["wav"]:
        return datasets.batches(sequences, options["batch_size"], **given)
    return piano_roll.batches(
        sequences, options["batch_size"], transpose=options["augment"], **given
    )


def step_in_beats(options):
    """Returns the length of a time step of music, in beats."""
    if options["midi"]:
        return options["step_in_beats"]
    return _STEP_IN_BEATS.get(piano_roll.info(options["dataset"]).step, 0.5)


def fingerprint(data):
    """Returns a hash of the split and of all rolls, or of the contents of recordings."""
    digest = hashlib.sha256(data.sha256.encode())
    for sequences in (data.train, data.valid, data.test):
        digest.update(str([sequence.shape for sequence in sequences]).encode())
        for roll in sequences if data.sound is None else ():
            digest.update(np.ascontiguousarray(roll, "uint8"))
    return digest.hexdigest()
