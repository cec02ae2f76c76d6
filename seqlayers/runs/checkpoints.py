"""The entry of a run in the `.keras` files that it writes: its identity, and its history.

It is an entry of `metadata.json` in the archive, which Keras writes and does not read. Earlier
versions added the history alone, as a member; Keras unpacks an archive of more than its three
members to `$TMPDIR` each time it loads it. TensorFlow is not imported.
"""

import json
import shlex
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from seqlayers import files, loading
from seqlayers.runs import history as histories
from seqlayers.runs.config import Identity, config_of
from seqlayers.runs.folder import BEST, CONFIG, LAST, RunError, is_run
from seqlayers.runs.options import arguments

_METADATA = "metadata.json"
_ENTRY = "seqlayers"
_OLD_HISTORY = "seqlayers_history.json"


class Checkpoint(NamedTuple):
    """The contents of a `.keras` file besides the model.

    Attributes:
        run: `Identity` of its run; None if it was written by hand, or by an earlier version.
        history: The history up to its epoch; None if it was written by hand.
    """

    run: Any
    history: Any


def add(path, run, history):
    """Adds the identity of its run and a history to a new `.keras` file."""
    with zipfile.ZipFile(path, "a") as archive:
        metadata = json.loads(archive.read(_METADATA))
        metadata[_ENTRY] = {"run": run.get_config(), "history": history}
        # Members cannot be changed: the listing of the archive names the new one alone.
        archive.filelist.remove(archive.NameToInfo.pop(_METADATA))
        archive.writestr(_METADATA, json.dumps(metadata))


def read(path):
    """Reads what a `.keras` file has besides the model.

    Args:
        path: The file.

    Returns:
        `Checkpoint`.

    Raises:
        RunError: If the file is damaged or no `.keras` file.
        OSError: If it cannot be read.
    """
    path = Path(path)
    files.check_regular_file(path, RunError)
    with loading.opened(path, RunError) as archive:
        entry = _member(archive, _METADATA).get(_ENTRY)
        if entry is not None:
            run, history = Identity.from_config(entry["run"]), entry["history"]
        elif _OLD_HISTORY in archive.namelist():
            run, history = None, _member(archive, _OLD_HISTORY, b'{"history": %s}')["history"]
        else:
            return Checkpoint(None, None)
        return Checkpoint(run, histories.checked(history))


def _member(archive, name, frame=b"%s"):
    with archive.open(name) as file:
        return files.parse_json(frame % file.read(files.MAX_JSON + 1), finite=False)


def find(source):
    """Returns the `.keras` file that a model is loaded from.

    Args:
        source: A `.keras` file, or the folder of a run: its best model, else its last one.

    Raises:
        RunError: If there is none.
    """
    file = Path(source)
    if file.is_dir():
        found = [file / name for name in (BEST, LAST) if files.mode_of(file / name) is not None]
        if not found:
            if _has_begun(file):
                command = shlex.join(["seqlayers", "train", "--out", str(file), "--resume"])
                raise RunError(
                    f"no model yet: the run has not finished an epoch; go on with `{command}`.",
                    source,
                )
            raise RunError(
                f"a model is a .keras file, or the folder of a run with {BEST} or {LAST}. "
                "Received: a folder without either.",
                source,
            )
        return found[0]
    if file.suffix != ".keras":
        raise RunError(
            "a model is a .keras file, or the folder of a run. Received: another file.", source
        )
    return file


def _has_begun(folder):
    """Returns whether a run without models can go on: it has finished no epoch."""
    configured = is_run(folder) and files.mode_of(folder / CONFIG) is not None
    return configured and not histories.has_rows(folder)


def check(source):
    """Checks that a model can be loaded, as far as it can be seen without TensorFlow.

    Args:
        source: As in `find`.

    Returns:
        `(checkpoint, file, config)`: the `Checkpoint`, the file, and the configuration of the run
        that it belongs to, or None.

    Raises:
        RunError: If there is no model, or one of another run.
    """
    file = find(source)
    config = config_of(source)
    checkpoint = read(file)
    if config is not None and checkpoint.run is not None:
        refuse_other(file, Identity.of(config).difference(checkpoint.run))
    return checkpoint, file, config


def last_history(folder, options):
    """Returns the history of a run after its last whole epoch.

    Args:
        folder: The run's folder.
        options: All options of the run.

    Returns:
        List with a dictionary for each epoch; empty if none is finished.

    Raises:
        RunError: If `last.keras` is missing though epochs are finished, damaged, or of another run.
    """
    path = Path(folder) / LAST
    if files.mode_of(path) is None:
        if histories.has_rows(folder):
            raise cannot_go_on(folder, options, "The file is missing.")
        return []
    try:
        history = check(path)[0].history
    except RunError as error:
        raise cannot_go_on(folder, options, error.reason) from error
    if not history:
        raise cannot_go_on(folder, options, "The file holds no history.")
    return history


def cannot_go_on(folder, options, reason):
    """Returns the error of a run whose `last.keras` cannot be used."""
    anew = ["seqlayers", "train", *arguments(options), "--out", str(folder), "--overwrite"]
    return RunError(
        f"a run goes on from this file; put it back, or begin anew: {shlex.join(anew)}\n{reason}",
        Path(folder) / LAST,
    )


def refuse_other(file, difference):
    """Refuses a model of another run, if there is a difference to name."""
    if difference is not None:
        raise RunError(
            "the model and config.json beside it must be of one run; put back the one that was "
            f"exchanged or edited. Received: a model trained with {difference}.",
            file,
        )
