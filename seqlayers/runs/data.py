"""The data of a training run: sequences in three splits, read, batched and fingerprinted."""

import hashlib
import os
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np

from seqlayers import audio, datasets
from seqlayers.checks import counted
from seqlayers.datasets import midi, piano_roll
from seqlayers.datasets.recordings import FRAME_LENGTH, HOP_LENGTH, parts_by_time
from seqlayers.runs import sound as run_sound
from seqlayers.runs.options.schema import flag

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
        hashes: SHA-256 of the contents of each recording, as hexadecimal digits.
        resampled: Pairs `(file, rate)` of the recordings that were resampled, with their own rate.
        places: For recordings, the `Place` of each sequence, in a list for each split.
        targets: For recordings with labels, the class of each frame of each sequence, int32 `(T,)`,
            in a list for each split.
        labeller: The `FrameLabeller` that made frames and targets; it need not be trained.
    """

    train: Any
    valid: Any
    test: Any
    files: Any = None
    skipped: Any = ()
    sound: Any = None
    hashes: Any = ()
    resampled: Any = ()
    places: Any = None
    targets: Any = None
    labeller: Any = None

    @property
    def splits(self):
        """The three lists by the name of their split."""
        return {name: getattr(self, name) for name in piano_roll.SPLITS}


def read_data(options, sound=None):
    """Reads the data of a run.

    A data set has its own split. MIDI files are sorted by path, or shuffled by `split_seed`: the
    last ones test and those before them validate, by the shares `test` and `valid`, at least one
    file each, unless `test_files` and `valid_files` list them. One file always trains: two files
    leave none to test, one file none to validate.

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
        ValueError: If options contradict each other, or do not fit the files.
    """
    if options["dataset"]:
        return Data(*piano_roll.load(options["dataset"]))
    if options["wav"]:
        return _recordings(options, sound)
    paths, rolls, skipped = midi.read_folder(
        options["midi"], options["step_in_beats"], options["transpose"]
    )
    names = [path.relative_to(options["midi"]).as_posix() for path in paths]
    by_split, by_name = split_files(names, options), dict(zip(names, rolls, strict=True))
    splits = ([by_name[name] for name in by_split[split]] for split in piano_roll.SPLITS)
    return Data(*splits, by_split, skipped)


def check_shares(options):
    """Refuses shares of MIDI files that leave none to train on. They are None without an effect."""
    if (options["valid"] or 0) + (options["test"] or 0) >= 1:
        raise ValueError(
            "`--valid` and `--test` must together be below 1, so that files are left to train on. "
            f"Received: --valid={options['valid']:g}, --test={options['test']:g}."
        )


def split_files(names, options):
    """Returns which MIDI files train, validate and test, see `read_data`.

    Args:
        names: Their paths below the folder, in order.
        options: All options of the run.

    Returns:
        Lists of names by split, in the order of `names`.

    Raises:
        ValueError: If a listed file is not among `names` or is listed for both splits, or a split
            that is asked for is empty.
    """
    check_shares(options)
    chosen = {"test": _listed("test_files", names, options)}
    chosen["valid"] = _listed("valid_files", names, options)
    for name in sorted(chosen["test"] & chosen["valid"]):
        raise ValueError(
            f"`--valid-files` and `--test-files` must have no file in common. Received: {name}."
        )
    rest = [name for name in names if name not in chosen["test"] | chosen["valid"]]
    if options["split_seed"] is not None:
        order = np.random.default_rng(options["split_seed"]).permutation(len(rest))
        rest = [rest[n] for n in order]
    counts = {"test": 0, "valid": 0}
    for split in ("valid", "test"):  # of two files, one validates
        if share := options[split]:  # None where the files are listed
            wanted = max(1, int(len(names) * share + 1e-9))
            counts[split] = min(wanted, max(0, len(rest) - 1 - sum(counts.values())))
            if not counts[split] and len(names) > 2:
                raise ValueError(
                    f"`{flag(split)}` must leave itself and training a file; change the shares, or "
                    f"add MIDI files. Received: {flag(split)}={share:g}, {len(names)} files."
                )
    for split, count in counts.items():  # the last ones test
        chosen[split] |= set(rest[len(rest) - count :])
        rest = rest[: len(rest) - count]
    if not rest:
        raise ValueError(
            "`--valid-files` and `--test-files` must leave a file to train on. "
            f"Received: all of the {counted(len(names), 'file')}."
        )
    chosen["train"] = set(rest)
    return {split: [n for n in names if n in chosen[split]] for split in piano_roll.SPLITS}


def _listed(name, names, options):
    """Returns the set of the files that an option lists."""
    listed = [PurePath(each).as_posix() for each in options[name] or ()]
    for number, each in enumerate(listed, 1):
        if each not in names:
            raise ValueError(
                f"`{flag(name)}` must list MIDI files that can be read, by their paths below "
                f"--midi. Received: {each}, entry {number} of the list: "
                f"{_why_not(each, Path(options['midi']))}."
            )
    return set(listed)


def _why_not(listed, folder):
    """Returns why a listed path is none of a MIDI file below a folder."""
    path = Path(os.path.normpath(folder / listed))
    if not path.is_relative_to(os.path.normpath(folder)):
        return "outside of the folder"
    if not path.exists():
        return "no such file below --midi"
    if path.is_dir():
        return "a folder"
    if path != folder / listed or PurePath(listed).is_absolute():
        return "not written as a path below --midi"
    return "no MIDI file that can be read"


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
        [sha256_of(file) for file in files],
        corpus.resampled,
        places,
    )


def sha256_of(path):
    """Returns the SHA-256 of the contents of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def num_pieces(options, sequences):
    """Returns the number of sequences in an epoch, once they are cut at `max_steps` frames."""
    longest = options["max_steps"]
    return sum(-(-len(sequence) // longest) if longest else 1 for sequence in sequences)


def num_batches(options, sequences):
    """Returns the number of `batches` in an epoch."""
    return -(-num_pieces(options, sequences) // options["batch_size"])


def step_in_beats(options):
    """Returns the length of a time step of music, in beats."""
    if options["midi"]:
        return options["step_in_beats"]
    return _STEP_IN_BEATS.get(piano_roll.info(options["dataset"]).step, 0.5)


def fingerprint(data):
    """Returns a hash of the split and of all rolls, or of the contents of recordings."""
    digest = hashlib.sha256()
    if data.hashes:
        contents = b"".join(map(bytes.fromhex, data.hashes))
        digest.update(hashlib.sha256(contents).hexdigest().encode())
    for sequences in (data.train, data.valid, data.test):
        digest.update(str([sequence.shape for sequence in sequences]).encode())
        for roll in () if data.hashes else sequences:
            digest.update(np.ascontiguousarray(roll, "uint8"))
    return digest.hexdigest()


def file_hashes(data):
    """Returns a hash of the roll of each MIDI file, or of each recording, by name."""
    if isinstance(data.files, list):
        return dict(zip(data.files, data.hashes, strict=True))
    hashes = {}
    for split, names in (data.files or {}).items():
        for name, roll in zip(names, data.splits[split], strict=True):
            hashes[name] = hashlib.sha256(np.ascontiguousarray(roll, "uint8")).hexdigest()
    return hashes


def changed_files(about, data):
    """Returns which files are not as they were when a run began.

    Args:
        about: `data` of the configuration of the run.
        data: Its `Data` now.

    Returns:
        Lists of names as `added`, `missing` and `changed`. Without hashes, as in runs of earlier
        versions, none is known to have changed.
    """
    files = about.get("files") or []
    before = set(sum(files.values(), []) if isinstance(files, dict) else files)
    hashes, now = about.get("file_sha256", {}), file_hashes(data)
    return {
        "added": sorted(now.keys() - before),
        "missing": sorted(before - now.keys()),
        "changed": sorted(k for k in now.keys() & before if hashes.get(k, now[k]) != now[k]),
    }
