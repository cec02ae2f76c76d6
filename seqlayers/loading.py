"""Loading of `.keras` files, with errors that name the file and what is missing."""

import errno
import json
import os
import re
import zipfile
from pathlib import Path

from seqlayers import files

_OF_THE_MACHINE = errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM


def load_model(path):
    """Loads any `.keras` file: a model of this package, or one with layers of it.

    Unlike `keras.saving.load_model` it needs no earlier import of the package, and names the class
    that is missing instead of printing the config of the model.

    Args:
        path: A `.keras` file.

    Returns:
        A `keras.Model`.

    Raises:
        FileNotFoundError: If there is no such file.
        PermissionError: If the file may not be read.
        ValueError: A `seqlayers.files.FileError`, if `path` is a folder, the file is damaged or not
            a `.keras` file, or it holds a class that is not registered.

    Example:
        >>> model = load_model("model.keras")
    """
    path = Path(os.fspath(path))
    if path.is_dir():
        raise files.FileError(
            "a model must be a whole .keras file. Received: a folder; name the file in it.", path
        )
    files.check_regular_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"{damaged} in it is damaged")
            config = archive.read("config.json")
        import keras  # here, so that a file that cannot be read is refused at once

        return keras.saving.load_model(path)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # Keras raises a dozen kinds for damaged and foreign files
        if isinstance(error, MemoryError) or getattr(error, "errno", None) in _OF_THE_MACHINE:
            raise
        missing = re.search(r"Could not locate (?:class|function) '([^']+)'", str(error))
        if missing:
            raise files.FileError(_told_missing(missing[1], config), path) from None
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise files.FileError(
            f"a model must be a whole .keras file. Received: one that cannot be read ({reason}).",
            path,
        ) from error


def _told_missing(name, config):
    """Returns what to do about a class or function that is not registered."""
    entry = next((e for e in _entries(json.loads(config)) if e.get("class_name") == name), {})
    module, registered = entry.get("module"), entry.get("registered_name")
    where = f" of `{module}`" if module else ""
    where = where or (f", registered as `{registered}`" if registered else "")
    return (
        f"`{name}`{where} must be registered: import the module that defines it before the file is "
        f"loaded. Received: a model that holds it, and no registered `{registered or name}`."
    )


def _entries(part):
    """Yields all dictionaries in a config."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
