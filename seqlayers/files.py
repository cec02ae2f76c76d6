"""Files written whole or not at all, and the error of a file that cannot be used.

Data go to a hidden sibling first, are flushed to the disk, and take the final name in one step. A
full disk, an exception or Ctrl-C removes the sibling and leaves the older file. A process killed in
between leaves a sibling whose name starts with `.tmp-`; it is never read and may be deleted.
"""

import contextlib
import errno
import os
import secrets
import shutil
import stat
from pathlib import Path


class FileError(ValueError):
    """A file that cannot be used.

    Args:
        reason: Why it cannot be used, without its name.
        path: The file; None if the data come from no file.

    Attributes:
        reason: The reason.
        path: The file as a string, or None.
    """

    def __init__(self, reason, path=None):
        self.reason = reason
        self.path = None if path is None else os.fspath(path)
        super().__init__(reason if path is None else f"{printable(path)}: {reason}")


def reason_of(error):
    """Returns why a file cannot be used, without its name, from a `FileError` or an `OSError`."""
    if isinstance(error, FileError):
        return error.reason
    return error.strerror or str(error)


def printable(path):
    """Returns the name of a file as text that any terminal and any UTF-8 file can take.

    Bytes that are not UTF-8, line breaks and control characters are escaped as in Python strings.
    """
    text = os.fsdecode(path)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def check_regular_file(path, error=FileError):
    """Refuses a path whose reading could wait or go on for ever. Call it before opening.

    Args:
        path: The file. A symbolic link counts as the file that it points to.
        error: Class of the error, `FileError` or a kind of it.

    Raises:
        FileError: If there is a pipe, a socket or a device at `path`.
        IsADirectoryError: If there is a folder.
        OSError: If there is nothing.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(mode), "a device")
        raise error(f"the path must name a regular file. Received: {kind}", path)


def find(folder, suffixes):
    """Returns the files of a folder and its subfolders with one of some suffixes, sorted by path.

    Hidden files and folders, whose names start with a dot, do not count: systems and editors leave
    files there that bear another one's suffix.

    Args:
        folder: The folder.
        suffixes: The suffixes in small letters; those of files may be in any case.

    Returns:
        List of `pathlib.Path`; may be empty.
    """
    folder = Path(folder)
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    ]


def write_atomically(path, data):
    """Writes bytes to a file, all of them or none.

    Args:
        path: Where to write. A file that is there is replaced.
        data: The bytes.

    Raises:
        OSError: If the disk is full or the file cannot be made; an older file at `path` is
            untouched.

    Example:
        >>> write_atomically("notes.bin", b"do re mi")
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing(path):
    """Lends a temporary path whose file takes the place of `path` when the block ends well.

    The temporary name ends as `path` does, so writers that look at the suffix (`.keras`,
    `.weights.h5`) work. If `path` is a symbolic link, the file that it points to is replaced. The
    mode of an older file is kept.

    Args:
        path: The file to make or to replace. Its folder must exist.

    Yields:
        The temporary `pathlib.Path`, in the same folder; there is no file under it yet.

    Raises:
        OSError: If the folder is missing, `path` is a folder, nothing was written, or the disk is
            full. An older file at `path` is untouched then.

    Example:
        >>> with replacing("model.keras") as temporary:
        ...     model.save(temporary)
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"`path` must name a file, not a folder. Received: path={path}.")
    temporary = _sibling(target, path)
    try:
        yield temporary
        if not temporary.is_file():
            raise FileNotFoundError(
                f"Nothing was written to {temporary}; {path} is left as it was."
            )
        _flush(temporary)
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _flush_folder(target.parent)


@contextlib.contextmanager
def new_directory(path):
    """Lends a temporary folder that is renamed to `path` when the block ends well.

    Args:
        path: The folder to make. It must not exist; the folder it lies in must.

    Yields:
        The temporary folder as a `pathlib.Path`; it exists and is empty.

    Raises:
        FileExistsError: If there is something at `path`, before or after the block.
        OSError: If the folder around is missing or the disk is full. There is nothing at `path`
            then.

    Example:
        >>> with new_directory("exported") as temporary:
        ...     (temporary / "weights.bin").write_bytes(b"...")
    """
    target = Path(os.path.abspath(path))
    _refuse_existing(target)
    temporary = _sibling(target, path)
    try:
        temporary.mkdir()
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                _flush(Path(folder, name))
            _flush_folder(folder)
        _refuse_existing(target)
        os.rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush_folder(target.parent)


def _sibling(target, path):
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"The folder of `path` must exist; make {target.parent} first. Received: path={path}."
        )
    ending = Path(path).name[-48:]  # short enough that the whole name stays below 255 bytes
    return target.parent / f".tmp-{secrets.token_hex(8)}-{ending}"


def _refuse_existing(target):
    if os.path.lexists(target):
        raise FileExistsError(
            f"`path` must not exist yet; remove it first. Received: path={target}."
        )


def _flush(path):
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(path):
    # After the rename nothing can be undone, and not every file system can flush a folder.
    with contextlib.suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
