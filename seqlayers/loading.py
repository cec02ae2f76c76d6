"""Loading of `.keras` files, with errors that name the file and what is missing."""

import contextlib
import errno
import json
import os
import re
import tempfile
import zipfile
from pathlib import Path

from seqlayers import files
from seqlayers.backends import check_keras_on_tensorflow

_MEMBERS = ("config.json", "metadata.json")


def load_model(path):
    """Loads any `.keras` file: a model of this package, or one with layers of it.

    Unlike `keras.saving.load_model` it needs no earlier import of the package, and names the class
    that is missing instead of printing the config of the model.

    Args:
        path: A `.keras` file.

    Returns:
        A `keras.Model`.

    Raises:
        OSError: If there is no such file, it may not be read, or the disk or the memory does not
            suffice.
        ValueError: A `seqlayers.files.FileError`, if `path` is a folder, the file is damaged or not
            a `.keras` file, or it holds a class that is not registered.
        ImportError: If it holds a model of `seqlayers.models` and Keras is not on TensorFlow.

    Example:
        >>> model = load_model("model.keras")
    """
    path = Path(os.fspath(path))
    if path.is_dir():
        raise files.FileError(
            "a model must be a whole .keras file. Received: a folder; name the file in it.", path
        )
    files.check_regular_file(path)
    with opened(path):
        pass  # a file that is not whole is refused before Keras is imported
    return load(path)


@contextlib.contextmanager
def opened(path, kind=files.FileError):
    """Lends the archive that a `.keras` file is, all of whose members are whole.

    Args:
        path: The file.
        kind: `FileError` or a kind of it.

    Yields:
        A `zipfile.ZipFile`. What fails in the block is raised as a damaged file, too.

    Raises:
        FileError: If the file is damaged or no `.keras` file.
        OSError: If it cannot be read, or the disk or the memory does not suffice.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (torn := archive.testzip()) is not None:
                raise ValueError(f"{torn} in it is damaged")
            for name in _MEMBERS:
                archive.getinfo(name)
            yield archive
    except Exception as error:  # of `zipfile` and its parts come a dozen kinds
        if _is_of_the_machine(error):
            raise
        raise _unreadable(path, error, kind) from error


def load(path, kind=files.FileError):
    """Returns the model in a `.keras` file that `opened` took.

    Args:
        path: The file.
        kind: `FileError` or a kind of it.

    Raises:
        FileError: If Keras cannot read it, or it holds a class that is not registered.
        OSError: If the disk or the memory does not suffice.
    """
    import keras  # here, so that a file that cannot be read is refused at once

    try:
        return keras.saving.load_model(path)
    except Exception as error:  # Keras raises a dozen kinds for damaged and foreign files
        if isinstance(error, OSError) and _is_of_the_machine(error):
            raise OSError(
                error.errno,
                f"{error.strerror}. Keras may unpack a model to {_temporary_folder()}: free some "
                "space there, or set TMPDIR to another folder",
                str(path),
            ) from error
        if _is_of_the_machine(error):
            raise
        missing = re.search(r"Could not locate (?:class|function) '([^']+)'", str(error))
        if missing:
            raise _missing(missing[1], path, kind) from None
        saved_by = _saved_by(path)
        if _numbers(saved_by) > _numbers(keras.__version__):
            raise kind(
                "a model must be loaded by the Keras that saved it or a newer one: "
                f"pip install 'keras>={saved_by}'. Received: a model that Keras {saved_by} saved, "
                f"which Keras {keras.__version__} cannot read.",
                path,
            ) from error
        raise _unreadable(path, error, kind) from error


def _is_of_the_machine(error):
    """Returns whether an error comes of the disk or of the memory, and not of a file's contents."""
    if isinstance(error, OSError):  # h5py and zipfile raise OSError for damage, too
        return error.errno not in (None, 0, errno.EINVAL)
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _unreadable(path, error, kind):
    """Returns the error of a file that is damaged or no model."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return kind(
        "a model must be a whole .keras file. Received: one that cannot be read "
        f"({reason[:300].rstrip('.')}).",
        path,
    )


def _temporary_folder():
    try:
        return tempfile.gettempdir()
    except OSError:  # none that can be written
        return "the temporary folder"


def _saved_by(path):
    """Returns the version of Keras that a file names, an empty string if it names none."""
    with zipfile.ZipFile(path) as archive:
        found = re.search(rb'"keras_version": *"([0-9.]+)', archive.read("metadata.json"))
    return found[1].decode() if found else ""


def _numbers(version):
    """Returns the numbers of a version, to be compared."""
    return [int(number) for number in re.findall(r"\d+", version)]


def _missing(name, path, kind):
    """Returns the error of a model that holds a class or function that is not registered."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    entry = next((e for e in _entries(config) if e.get("class_name") == name), {})
    module, registered = entry.get("module"), entry.get("registered_name")
    if (module or "").startswith("seqlayers.models"):
        try:
            check_keras_on_tensorflow(name)
        except ImportError as error:
            return error
    where = f" of `{module}`" if module else ""
    where = where or (f", registered as `{registered}`" if registered else "")
    return kind(
        f"`{name}`{where} must be registered: import the module that defines it before the file is "
        f"loaded. Received: a model that holds it, and no registered `{registered or name}`.",
        path,
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
