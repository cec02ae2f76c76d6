"""Training runs: a folder that can be stopped at any moment, and gone on with.

    config.json    every option, the versions, and a fingerprint of the data; of a run on
                   recordings also how frames are made of sound
    last.keras     the model after its last whole epoch, with its optimizer and the history
    best.keras     the model that was best on the validation split
    metrics.csv    the history as a table, a row an epoch
    tensorboard/   the history once more

What counts is `last.keras`, which is replaced in one step and carries the history inside: weights,
number of epochs and the state of early stopping cannot disagree. Tables and curves are written
after it and again when a run is resumed, so they have neither gaps nor double rows. The order and
the shifts of an epoch, and all draws, come from the seed and the numbers of epoch and step; that
is why a run that was killed and resumed ends with the weights of one that was not.
"""

import contextlib
import csv
import fcntl
import hashlib
import io
import json
import math
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from seqlayers import __version__, datasets, files
from seqlayers.datasets import midi, piano_roll
from seqlayers.models import SequenceModel
from seqlayers.models.nonfinite import COUNTERS
from seqlayers.runs import sound as sounds
from seqlayers.runs.building import build_model, pretrain
from seqlayers.runs.options import DEFAULTS, completed

CONFIG, LAST, BEST, TABLE, CURVES = (
    "config.json",
    "last.keras",
    "best.keras",
    "metrics.csv",
    "tensorboard",
)
MONITOR = "val_log_likelihood"
COLUMNS = ("epoch", "loss", *COUNTERS.values(), MONITOR)
_HISTORY = "seqlayers_history.json"  # a member of `last.keras`, which Keras does not look at
_LOCK = ".lock"
_STEP_IN_BEATS = {"a quarter note": 1.0, "an eighth note": 0.5}


class Data(NamedTuple):
    """Sequences to train, validate and test on.

    Attributes:
        train, valid, test: Lists of rolls `(T, 88)`, or of frames of sound `(T, bins)`.
        files: Names of MIDI files by split, or of recordings, which are in all splits.
        skipped: Pairs `(file, reason)`, those that were not used.
        sound: `sounds.Sound`; None if the data are music.
        sha256: A hash of what recordings hold.
        resampled: Pairs `(file, rate)`, recordings of another rate than the frames.
    """

    train: Any
    valid: Any
    test: Any
    files: Any = None
    skipped: Any = ()
    sound: Any = None
    sha256: str = ""
    resampled: Any = ()


def step_in_beats(options):
    """Length of a time step of a run's data."""
    if options["midi"]:
        return options["step_in_beats"]
    return _STEP_IN_BEATS.get(piano_roll.info(options["dataset"]).step, 0.5)


def read_data(options, sound=None):
    """Reads the data of a run.

    A shipped set has its own split. Of a folder of MIDI files, sorted by path, the first eight
    tenths train, the next tenth validates and the last one tests, at least one file each; of two
    files none is left to test, of one file none to validate. Recordings are split by time, each
    for itself, see `seqlayers.runs.sound`.

    Args:
        options: All options of the run.
        sound: Of a run on recordings that has begun, its `sounds.Sound`.

    Returns:
        `Data`.

    Raises:
        ValueError: If there is nothing that can be read.
    """
    if options["dataset"]:
        return Data(*piano_roll.load(options["dataset"]))
    if options["wav"]:
        read = sounds.read(options, sound)._asdict()
        return Data(**read)
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


def batches(options, sequences, first_epoch=0):
    """What a run trains on, in batches, from the epoch of that number on."""
    given = {"max_steps": options["max_steps"], "seed": options["seed"], "first_epoch": first_epoch}
    if options["wav"]:
        return datasets.batches(sequences, options["batch_size"], **given)
    return piano_roll.batches(
        sequences, options["batch_size"], transpose=options["augment"], **given
    )


def load_model(source):
    """Loads a model.

    Args:
        source: A `.keras` file, or the folder of a run, of which the best model is taken.

    Returns:
        `(model, file)`.

    Raises:
        ValueError: If there is no model, or the file is damaged or holds another model.
    """
    file = Path(source)
    if file.is_dir():
        found = [file / name for name in (BEST, LAST) if (file / name).is_file()]
        if not found:
            raise ValueError(
                f"A model must be a .keras file, or a run's folder with {BEST} or {LAST}. "
                f"Received: {source}, a folder without either."
            )
        file = found[0]
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                raise zipfile.BadZipFile(f"{archive.testzip()} in it is damaged")
        model = keras.saving.load_model(file)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # damage and strangers make Keras raise a dozen kinds
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"A model must be a whole .keras file. Received: {file}, which cannot be read "
            f"({reason})."
        ) from error
    if not isinstance(model, SequenceModel):
        raise ValueError(
            "The model must be a SequenceModel of seqlayers. "
            f"Received: {file}, which holds a {type(model).__name__}."
        )
    return model, file


def read_config(folder):
    """The `config.json` of a run, checked; None if there is none.

    Options that the version of then did not have are what they are if nothing is said. Of a run on
    recordings, `sound` is a `sounds.Sound`.
    """
    path = Path(folder) / CONFIG
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text("utf-8"))
        options, sha256 = config["options"], config["data"]["sha256"]
        if not isinstance(options, dict) or "model" not in options or not sha256:
            raise KeyError("options")
        config["options"] = completed(options)
        if options.get("wav"):
            config["sound"] = sounds.Sound.from_config(config["sound"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{CONFIG} must be as `seqlayers train` wrote it. Received: {path}, which is damaged "
            f"or of a later version ({type(error).__name__}: {error})."
        ) from error
    return config


def write_config(folder, options, data):
    """Writes `config.json`: all that a run was made from."""
    splits = {split: getattr(data, split) for split in piano_roll.SPLITS}
    about = {
        "sequences": {split: len(rolls) for split, rolls in splits.items()},
        "frames": {split: sum(map(len, rolls)) for split, rolls in splits.items()},
        "sha256": fingerprint(data),
    }
    if data.files is not None:
        about |= {"files": data.files, "files_skipped": len(data.skipped)}
    config = {"options": {k: options[k] for k in DEFAULTS}, "data": about, "versions": versions()}
    if data.sound is not None:
        config["sound"] = data.sound.get_config()
    text = json.dumps(config, indent=1) + "\n"
    files.write_atomically(Path(folder) / CONFIG, text.encode())


def versions():
    """Versions that a run's numbers may depend on."""
    tensorflow = sys.modules["tensorflow"].__version__
    return {"seqlayers": __version__, "keras": keras.__version__, "tensorflow": tensorflow}


def fingerprint(data):
    """A hash of all rolls and of their split; of recordings, of what the files hold."""
    digest = hashlib.sha256(data.sha256.encode())
    for sequences in (data.train, data.valid, data.test):
        digest.update(str([sequence.shape for sequence in sequences]).encode())
        for roll in sequences if data.sound is None else ():
            digest.update(np.ascontiguousarray(roll, "uint8"))
    return digest.hexdigest()


@contextlib.contextmanager
def claim(folder, resume=False, overwrite=False):
    """Holds a folder for one run, so that no other process trains there meanwhile.

    Args:
        folder: The run's folder, made if it is not there.
        resume: Whether the folder must hold a run.
        overwrite: Whether a run that it holds may be deleted, by `clear`.

    Raises:
        FileExistsError: If the folder holds a run and neither `resume` nor `overwrite` is set, or
            holds something that is no run.
        FileNotFoundError: If there is nothing to resume.
        BlockingIOError: If another process holds it.
    """
    folder = Path(folder)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    ours = {CONFIG, LAST, BEST, TABLE, CURVES}
    if resume and CONFIG not in names:
        raise FileNotFoundError(
            f"`--resume` needs a folder with a run; leave it out to begin one. Received: {folder}, "
            f"which has no {CONFIG}."
        )
    if names & ours and not (resume or overwrite):
        raise FileExistsError(
            "`--out` must be a folder without a run; add --resume to go on with the run, or "
            f"--overwrite to delete it. Received: {folder}, which holds one."
        )
    others = {name for name in names - ours if not name.startswith(".")}
    if others and not names & ours:
        raise FileExistsError(
            "`--out` must be a new or an empty folder, or that of a run. "
            f"Received: {folder}, which holds {sorted(others)[0]} and no run."
        )
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _LOCK, "wb") as lock:  # the system lets go of it even if we are killed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                "`--out` must be a folder that nothing else trains in. "
                f"Received: {folder}, where another process is at work."
            ) from None
        for name in (CONFIG, LAST, BEST, TABLE):
            for torn in folder.glob(f".tmp-*-{name}"):  # of a process that was killed writing it
                torn.unlink()
        yield folder


def clear(folder):
    """Deletes a run, and nothing else that lies in its folder."""
    for name in (CONFIG, LAST, BEST, TABLE):
        (Path(folder) / name).unlink(missing_ok=True)
    _remove_curves(folder)


def last_model(folder, options, data):
    """The model and the history that a run has come to: those of a new run if it has no epoch."""
    path = Path(folder) / LAST
    if not path.exists():
        table = Path(folder) / TABLE
        if table.exists() and len(table.read_text("utf-8").splitlines()) > 1:
            raise FileNotFoundError(
                f"A run that has finished epochs needs {LAST} to go on; put it back, or begin anew "
                f"with --overwrite. Received: {folder}, where it is missing."
            )
        steps = options["epochs"] * int(batches(options, data.train).cardinality())
        return build_model(options, steps), []
    try:
        model, _ = load_model(path)
        with zipfile.ZipFile(path) as archive:
            history = json.loads(archive.read(_HISTORY))
    except (ValueError, KeyError) as error:
        reason = error if isinstance(error, ValueError) else f"{path} holds no history."
        raise ValueError(
            f"{reason} Put back the {LAST} of this run, or begin anew with --overwrite."
        ) from error
    return model, history


def fit(folder, model, history, options, data, verbose="auto", callbacks=()):
    """Trains from where `history` ends to `options["epochs"]`, saving each epoch.

    Args:
        folder: The run's folder, held by `claim`.
        model, history: What `last_model` returns; both are changed.
        options: All options of the run.
        data: A `Data`.
        verbose: As in `keras.Model.fit`.
        callbacks: More Keras callbacks, called after an epoch is saved.

    Raises:
        OSError: If the disk is full. What the epochs before have left is untouched.
    """
    if history:
        _write_table(folder, history)
    if finished(history, options):
        return
    if not history:
        pretrain(model, options, data.train, batches(options, data.train))
    dataset = batches(options, data.train, first_epoch=len(history))
    _remove_curves(folder)
    every, epochs = options["validate_every"], options["epochs"]
    model.fit(
        dataset,
        epochs=epochs,
        initial_epoch=len(history),
        validation_data=data.valid or None,
        validation_freq=[*range(every, epochs, every), epochs],
        callbacks=[_Saver(folder, history, options), _Curves(folder, history), *callbacks],
        verbose=verbose,
    )


def best_row(history):
    """The row of the best epoch on the validation split; None if there was no validation."""
    rows = [row for row in history if math.isfinite(row.get(MONITOR, math.nan))]
    return max(rows, key=lambda row: row[MONITOR], default=None)  # of equals the first


def finished(history, options):
    """Whether all epochs are done, or `options["patience"]` of them were no better.

    It is said after an epoch that was validated: the others have not been compared.
    """
    if len(history) >= options["epochs"]:
        return True
    best = best_row(history)
    patience = options["patience"]
    compared = best and MONITOR in history[-1]
    return bool(patience and compared and len(history) - best["epoch"] >= patience)


class _Saver(keras.callbacks.Callback):
    """Writes the models and the table after each epoch, and stops early."""

    def __init__(self, folder, history, options):
        super().__init__()
        self.folder, self.history, self.options = Path(folder), history, options

    def on_epoch_end(self, epoch, logs=None):
        logs = dict(logs or {}, epoch=epoch + 1)
        row = {name: float(logs[name]) for name in COLUMNS if name in logs}
        self.history.append(row | {"epoch": epoch + 1})
        if best_row(self.history) is self.history[-1]:
            self._save(BEST)
        self._save(LAST)
        _write_table(self.folder, self.history)
        self.model.stop_training = finished(self.history, self.options)

    def _save(self, name):
        with files.replacing(self.folder / name) as temporary:
            self.model.save(temporary)
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(_HISTORY, json.dumps(self.history))


class _Curves(keras.callbacks.TensorBoard):
    """TensorBoard's curves of all epochs, those before a resumption included."""

    def __init__(self, folder, history):
        super().__init__(Path(folder) / CURVES, write_graph=False)
        self.before = list(history)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        for row in self.before:
            self.on_epoch_end(row["epoch"] - 1, row)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, {k: v for k, v in (logs or {}).items() if k in COLUMNS[1:]})


def _write_table(folder, history):
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(history)
    files.write_atomically(Path(folder) / TABLE, text.getvalue().encode())


def _remove_curves(folder):
    if (Path(folder) / CURVES).is_dir():
        shutil.rmtree(Path(folder) / CURVES)
