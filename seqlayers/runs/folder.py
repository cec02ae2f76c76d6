"""The folder of a training run, which can be stopped at any moment and resumed.

config.json    all options, the versions of the libraries, a fingerprint of the data, and for
               recordings how frames are made of sound
last.keras     the model after its last whole epoch, with its optimizer and the history
best.keras     the model after the epoch that validated best
metrics.csv    the history as a table, a row for each epoch
tensorboard/   the history as curves
"""

import contextlib
import fcntl
import json
import shutil
import sys
import zipfile
from pathlib import Path

import keras

from seqlayers import __version__, files
from seqlayers.models import SequenceModel
from seqlayers.runs.data import fingerprint
from seqlayers.runs.options import OPTIONS, upgrade
from seqlayers.runs.sound import SoundFrames

CONFIG = "config.json"
LAST = "last.keras"
BEST = "best.keras"
TABLE = "metrics.csv"
CURVES = "tensorboard"
_FILES = (CONFIG, LAST, BEST, TABLE)
_LOCK = ".lock"


class RunError(files.FileError):
    """A file of a run, or a model, that cannot be used. It has a `reason` and a `path`."""


def load_model(source):
    """Loads a model.

    Args:
        source: A `.keras` file, or the folder of a run, whose best model is loaded.

    Returns:
        `(model, file)`.

    Raises:
        RunError: If there is no model, or the file is damaged or holds another kind of model.
    """
    file = Path(source)
    if file.is_dir():
        found = [file / name for name in (BEST, LAST) if (file / name).is_file()]
        if not found:
            raise RunError(
                f"a model is a .keras file, or the folder of a run with {BEST} or {LAST}. "
                "Received: a folder without either.",
                source,
            )
        file = found[0]
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                raise zipfile.BadZipFile(f"{archive.testzip()} in it is damaged")
        model = keras.saving.load_model(file)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # Keras raises a dozen kinds for damaged and foreign files
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise RunError(
            f"a model must be a whole .keras file. Received: one that cannot be read ({reason}).",
            file,
        ) from error
    if not isinstance(model, SequenceModel):
        raise RunError(
            f"the model must be a `SequenceModel`. Received: a `{type(model).__name__}`.", file
        )
    return model, file


def read_config(folder):
    """Reads and checks the `config.json` of a run.

    Args:
        folder: The run's folder.

    Returns:
        A dictionary; None if there is no such file. `options` has all options, those of later
        versions with their defaults. A run on recordings has its `SoundFrames` as `sound`.

    Raises:
        RunError: If the file is damaged or of a later version.
    """
    path = Path(folder) / CONFIG
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text("utf-8"))
        options, sha256 = config["options"], config["data"]["sha256"]
        if not isinstance(options, dict) or "model" not in options or not sha256:
            raise KeyError("options")
        config["options"] = upgrade(options)
        if options.get("wav"):
            config["sound"] = SoundFrames.from_config(config["sound"])
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            "the file must be as `seqlayers train` wrote it. Received: one that is damaged or of a "
            f"later version ({type(error).__name__}: {error}).",
            path,
        ) from error
    return config


def write_config(folder, options, data):
    """Writes `config.json`: all that a run is made from.

    Args:
        folder: The run's folder.
        options: All options of the run.
        data: Its `Data`.
    """
    about = {
        "sequences": {split: len(sequences) for split, sequences in data.splits.items()},
        "frames": {split: sum(map(len, sequences)) for split, sequences in data.splits.items()},
        "sha256": fingerprint(data),
    }
    if data.files is not None:
        about |= {"files": data.files, "files_skipped": len(data.skipped)}
    config = {"options": {k: options[k] for k in OPTIONS}, "data": about, "versions": versions()}
    if data.sound is not None:
        config["sound"] = data.sound.get_config()
    text = json.dumps(config, indent=1) + "\n"
    files.write_atomically(Path(folder) / CONFIG, text.encode())


def versions():
    """Returns the versions of the libraries that the numbers of a run may depend on."""
    tensorflow = sys.modules["tensorflow"].__version__
    return {"seqlayers": __version__, "keras": keras.__version__, "tensorflow": tensorflow}


@contextlib.contextmanager
def claim(folder, resume=False, overwrite=False):
    """Holds a folder for one run, so that no other process trains there meanwhile.

    Args:
        folder: The run's folder, made if it does not exist.
        resume: Whether the folder must hold a run.
        overwrite: Whether the run that the folder may hold can be deleted, by `clear`.

    Raises:
        FileExistsError: If the folder holds a run and neither `resume` nor `overwrite` is set, or
            holds other files and no run.
        FileNotFoundError: If there is nothing to resume.
        BlockingIOError: If another process holds it.
    """
    folder = Path(folder)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    ours = {*_FILES, CURVES}
    if resume and CONFIG not in names:
        raise FileNotFoundError(
            "`--resume` needs the folder of a run; remove `--resume` to begin a new run. "
            f"Received: {folder}, which has no {CONFIG}."
        )
    if names & ours and not (resume or overwrite):
        raise FileExistsError(
            "`--out` must be a folder without a run; add --resume to go on with the run, or "
            f"--overwrite to delete it. Received: {folder}, which holds one."
        )
    others = {name for name in names - ours if not name.startswith(".")}
    if others and not names & ours:
        raise FileExistsError(
            "`--out` must be a new or empty folder, or that of a run. "
            f"Received: {folder}, which holds {sorted(others)[0]} and no run."
        )
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _LOCK, "wb") as lock:  # the system releases it even if we are killed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                "`--out` must be a folder that no other process trains in. "
                f"Received: {folder}, where another process is at work."
            ) from None
        for name in _FILES:
            for torn in folder.glob(f".tmp-*-{name}"):  # of a process that was killed writing it
                torn.unlink()
        yield folder


def clear(folder):
    """Deletes a run, but no other files in its folder."""
    for name in _FILES:
        (Path(folder) / name).unlink(missing_ok=True)
    remove_curves(folder)


def remove_curves(folder):
    """Deletes the curves of TensorBoard."""
    if (Path(folder) / CURVES).is_dir():
        shutil.rmtree(Path(folder) / CURVES)
