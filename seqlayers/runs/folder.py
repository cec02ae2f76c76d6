"""The folder of a training run, which can be stopped at any moment and resumed.

.seqlayers-run  the marker: the folder is that of a run, written before all else
config.json     all options, the versions of the libraries, a fingerprint of the data, and for
                recordings how frames are made of sound
last.keras      the model after its last whole epoch, with its optimizer, the history, and the
                options and the fingerprint of its run
best.keras      the same after the epoch that validated best
metrics.csv     the history as a table, a row for each epoch
tensorboard/    the history as curves
report.html     a page to look at and to listen to, if one was asked for
.lock           held by the process that trains

No file outside the folder is written: what has one of these names must be a regular file, and
`tensorboard` and the folders in it no links. `--overwrite` deletes files of these names, torn ones
that `files.replacing` left, and curves by the names that TensorFlow gives them. It does so only in
a folder with the marker, or whose config.json an earlier version wrote, which made no marker; other
files stay.
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
from pathlib import Path

from seqlayers import files

CONFIG = "config.json"
LAST = "last.keras"
BEST = "best.keras"
TABLE = "metrics.csv"
CURVES = "tensorboard"
REPORT = "report.html"
MARKER = ".seqlayers-run"
FILES = (CONFIG, LAST, BEST, TABLE, REPORT)
_LOCK = ".lock"
_CURVES = ("train", "validation")  # the folders of Keras's `TensorBoard` callback
_EVENTS = re.compile(r"events\.out\.tfevents\.\d+\..+\.\d+\.\d+\.v2")  # .time.host.process.number
_SIGNATURE = b"Signature: a training run of seqlayers\n"
_MARK = _SIGNATURE + b"`seqlayers train --overwrite` deletes a run only beside this file.\n"


class RunError(files.FileError):
    """A file of a run, or a model, that cannot be used. It has a `reason` and a `path`."""


def is_run(folder):
    """Returns whether a folder is that of a run, by the marker or an earlier version's config."""
    marker, config = Path(folder) / MARKER, Path(folder) / CONFIG
    if _is_regular(marker):
        with open(marker, "rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    if not _is_regular(config):
        return False
    try:
        parts = files.read_json(config)
    except files.FileError:
        return False
    options, versions = parts.get("options"), parts.get("versions")
    return (
        isinstance(options, dict)
        and "model" in options
        and isinstance(versions, dict)
        and "seqlayers" in versions
    )


def check(folder, resume=False, overwrite=False):
    """Checks that a run may begin or go on in a folder, and changes nothing.

    Args:
        folder: The run's folder, which may not exist yet.
        resume: Whether the folder must hold a run.
        overwrite: Whether the run that the folder may hold can be deleted, by `clear`.

    Raises:
        RunError: If a file of the run is a link, or no regular file.
        FileExistsError: If the folder holds a run and neither `resume` nor `overwrite` is set, or
            holds other files and no run.
        FileNotFoundError: If there is nothing to resume.
    """
    folder = Path(folder)
    names = set(os.listdir(folder)) if folder.is_dir() else set()
    _check_files(folder, names)
    held, others = names & {*FILES, CURVES}, {name for name in names if not name.startswith(".")}
    known = is_run(folder)
    if resume:
        if CONFIG not in names or not known:
            lacks = "no run" if CONFIG in names else f"no {CONFIG}"
            raise FileNotFoundError(
                "`--resume` needs the folder of a run; remove `--resume` to begin a new run. "
                f"Received: {files.printable(folder)}, which has {lacks}."
            )
    elif known and held and not overwrite:
        raise FileExistsError(
            "`--out` must be a folder without a run; add --resume to go on with the run, or "
            f"--overwrite to delete it. Received: {files.printable(folder)}, which holds one."
        )
    elif others and not known:
        raise FileExistsError(
            "`--out` must be a new or empty folder, or that of a run. "
            f"Received: {files.printable(folder)}, which holds {files.printable(min(others))} and "
            "no run."
        )


@contextlib.contextmanager
def claim(folder, resume=False, overwrite=False):
    """Holds a folder for one run, so that no other process trains there meanwhile.

    Args:
        folder: The run's folder, made if it does not exist.
        resume, overwrite: As in `check`.

    Raises:
        BlockingIOError: If another process holds it.
        RunError, FileExistsError, FileNotFoundError: As `check` does.
    """
    folder = Path(folder)
    check(folder, resume, overwrite)  # before anything is made
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        check(folder, resume, overwrite)  # another process may have been here meanwhile
        if not resume and not _is_regular(folder / MARKER):
            files.write_atomically(folder / MARKER, _MARK, follow=False)
        for name in os.listdir(folder):
            if files.is_temporary(name, (*FILES, MARKER)):  # of a process killed writing it
                os.unlink(folder / name)
        yield folder


def own_files(folder):
    """Returns the files of a run, those that are not there included, and those of its curves."""
    folder = Path(folder)
    named = [folder / name for name in (*FILES, MARKER, _LOCK)]
    return [*named, *(path for part in _CURVES for path in (folder / CURVES / part).glob("*"))]


def clear(folder):
    """Deletes a run, but no other files in its folder."""
    for name in FILES:
        (Path(folder) / name).unlink(missing_ok=True)
    remove_curves(folder)


def remove_curves(folder):
    """Deletes the curves of TensorBoard, and their folders where nothing else is in them.

    Folders are held open meanwhile, so that none can be exchanged for a link.
    """
    with _opened(Path(folder) / CURVES) as curves:
        for part in _CURVES if curves is not None else ():
            with _opened(part, curves) as inner:
                for name in os.listdir(inner) if inner is not None else ():
                    if _EVENTS.fullmatch(name):
                        os.unlink(name, dir_fd=inner)
            with contextlib.suppress(OSError):
                os.rmdir(part, dir_fd=curves)
    with contextlib.suppress(OSError):
        os.rmdir(Path(folder) / CURVES)


def _is_regular(path):
    mode = files.mode_of(path)
    return mode is not None and stat.S_ISREG(mode)


def _check_files(folder, names):
    """Refuses links, pipes and the like under the names of a run's files."""
    for name in names:
        if name in (*FILES, MARKER, _LOCK) or files.is_temporary(name, (*FILES, MARKER)):
            files.check_own(folder / name, RunError)
    for path in (folder / CURVES, *(folder / CURVES / part for part in _CURVES)):
        mode = files.mode_of(path)
        if mode is None:
            continue
        if not stat.S_ISDIR(mode):
            raise _no_folder(path)
        for name in os.listdir(path):
            if path.name != CURVES and _EVENTS.fullmatch(name):
                files.check_own(path / name, RunError)


def _no_folder(path):
    kind = files.kind_of(os.lstat(path).st_mode)
    return RunError(
        f"there must be a folder or nothing, so that nothing else is written; remove it. "
        f"Received: {kind}.",
        path,
    )


@contextlib.contextmanager
def _opened(path, within=None):
    """Lends a descriptor of a folder that is no link; None if there is nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise RunError("there must be a folder or nothing; remove it.", path) from error
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(folder):
    path = folder / _LOCK
    # Neither emptied nor followed, and no waiting for the other end of a pipe.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        lock = os.open(path, flags, 0o666)
    except OSError as error:
        files.check_own(path, RunError)
        raise error
    try:
        if not stat.S_ISREG(os.fstat(lock).st_mode):
            raise RunError("there must be a regular file or none; remove it.", path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                "`--out` must be a folder that no other process trains in. "
                f"Received: {files.printable(folder)}, where another process is at work."
            ) from None
        yield
    finally:
        os.close(lock)  # which the system does even if we are killed
