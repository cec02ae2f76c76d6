"""Files written whole or not at all, JSON read within bounds, and the error of a bad file.

Data go to a hidden sibling first, are flushed to the disk, and take the final name in one step. A
full disk, an exception or Ctrl-C removes the sibling and leaves the older file. A process killed in
between leaves a sibling whose name starts with `.tmp-`; it is never read and may be deleted.

A folder is replaced in one step, too, where the system can exchange two of them: on Linux, on most
disks. Elsewhere the older one is renamed first, to a name that starts with `.old-`. If a process is
killed before the next rename, there is none under the folder's own name: rename the older one back.
"""

import contextlib
import ctypes
import errno
import json
import math
import os
import re
import secrets
import shutil
import stat
import sys
import unicodedata
from pathlib import Path

MAX_JSON = 64 * 2**20  # bytes of a JSON file
_MAX_DEPTH = 50  # of lists and objects in each other
_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{16}-(.*)")  # as `_sibling` makes it


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
    """Returns why a file cannot be used, without its name, from an exception."""
    if isinstance(error, FileError):
        return error.reason
    return getattr(error, "strerror", None) or str(error)


def printable(path):
    """Returns the name of a file as text that any terminal and any UTF-8 file can take.

    Bytes that are not UTF-8, line breaks and control characters are escaped as in Python strings.
    """
    text = os.fsdecode(path)

    def is_plain(c):
        return c.isprintable() or unicodedata.category(c) == "Zs"  # a space of any width

    return "".join(c if is_plain(c) else c.encode("unicode_escape").decode() for c in text)


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
        raise error(f"the path must name a regular file. Received: {kind_of(mode)}", path)


def kind_of(mode):
    """Returns what a mode of `os.stat` stands for, as "a pipe"."""
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def read_json(path):
    """Reads a JSON file that holds an object.

    Args:
        path: The file.

    Returns:
        A dictionary.

    Raises:
        FileError: If it is no regular file, or not such a file; see `parse_json`.
        OSError: If it cannot be read.
    """
    check_regular_file(path)
    with open(path, "rb") as file:
        return parse_json(file.read(MAX_JSON + 1), path)


def parse_json(data, path=None, finite=True):
    """Returns the dictionary that JSON stands for.

    Whatever passes is safe to look into: `json` itself accepts NaN, keeps the last of two equal
    keys, and fails on deep nesting with a RecursionError.

    Args:
        data: The bytes.
        path: The file that they come from, for the message.
        finite: Whether to refuse NaN and infinity, which Python writes.

    Raises:
        FileError: If they are more than `MAX_JSON` bytes, not JSON in UTF-8, no object, nested too
            deep, or hold a key twice or a number that is not finite.
    """
    try:
        if len(data) > MAX_JSON:
            raise ValueError(f"more than {MAX_JSON:,} bytes")
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_finite if finite else None,
            parse_constant=_finite if finite else None,
        )
        if not isinstance(value, dict):
            raise ValueError(f"a {type(value).__name__}")
        _check_depth(value)
    except RecursionError as error:
        raise FileError(_not_json("nested too deep"), path) from error
    except ValueError as error:  # of which there are three kinds, all with a text
        raise FileError(_not_json(error), path) from error
    return value


def _not_json(received):
    return f"the file must be a JSON object. Received: {received}."


def _object(pairs):
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} twice")
    return value


def _finite(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text}, which is not finite")
    return value


def _check_depth(value):
    """Refuses nesting that Python's own limit admits: `repr` or `json.dumps` may fail on it."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
        if not level:
            return
    raise ValueError("nested too deep")


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


def write_atomically(path, data, follow=True):
    """Writes bytes to a file, all of them or none.

    Args:
        path: Where to write. A file that is there is replaced.
        data: The bytes.
        follow: As in `replacing`.

    Raises:
        OSError: If the disk is full or the file cannot be made; an older file at `path` is
            untouched.

    Example:
        >>> write_atomically("notes.bin", b"do re mi")
    """
    with replacing(path, follow) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing(path, follow=True):
    """Lends a temporary path whose file takes the place of `path` when the block ends well.

    The temporary name ends as `path` does, so writers that look at the suffix (`.keras`,
    `.weights.h5`) work; if a writer adds a suffix of its own, its file is taken all the same. The
    mode of an older file is kept.

    Args:
        path: The file to make or to replace. Its folder must exist.
        follow: Whether a symbolic link at `path` stands for the file that it points to. If not, it
            is refused, so that nothing outside the folder of `path` can be written.

    Yields:
        The temporary `pathlib.Path`, in the same folder; there is no file under it yet.

    Raises:
        FileError: If there is a pipe, a socket, a device or a refused link at `path`.
        OSError: If the folder is missing, `path` is a folder, nothing was written, or the disk is
            full. An older file at `path` is untouched then.

    Example:
        >>> with replacing("model.keras") as temporary:
        ...     model.save(temporary)
    """
    target = Path(os.path.realpath(path))
    if not follow:
        target = Path(os.path.realpath(Path(path).parent), Path(path).name)
    mode = mode_of(target)
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(f"`path` must name a file, not a folder. Received: path={path}.")
    check_own(target)
    temporary = _sibling(target, path)
    try:
        yield temporary
        if not temporary.exists() and len(suffixed := _suffixed(temporary)) == 1:
            os.replace(suffixed[0], temporary)
        if not temporary.is_file():
            raise FileNotFoundError(
                f"Nothing was written to {temporary}; {path} is left as it was."
            )
        _flush(temporary)
        mode = mode_of(target)
        if mode is not None and stat.S_ISREG(mode):
            temporary.chmod(stat.S_IMODE(mode))
        os.replace(temporary, target)  # a link that came meanwhile is replaced, not followed
    except BaseException:
        for file in (temporary, *_suffixed(temporary)):
            with contextlib.suppress(OSError):
                file.unlink()
        raise
    _flush_folder(target.parent)


def mode_of(path):
    """Returns the mode of what is at a path, a link counted as itself; None if there is nothing."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return os.lstat(path).st_mode
    return None


def check_own(path, error=FileError):
    """Refuses anything but a regular file at a path; there may be nothing. Follows no link.

    Args:
        path: A file that is to be written, replaced or deleted.
        error: Class of the error, `FileError` or a kind of it.

    Raises:
        FileError: If there is a link, a folder, a pipe, a socket or a device at `path`.
    """
    mode = mode_of(path)
    if mode is not None and not stat.S_ISREG(mode):
        raise error(
            "there must be a regular file or none, so that nothing else is written; remove it. "
            f"Received: {kind_of(mode)}.",
            path,
        )


def is_temporary(name, names):
    """Returns whether a file's name is one that `replacing` lends for one of some names."""
    match = _TEMPORARY.fullmatch(name)
    return bool(match and match[1] in names)


@contextlib.contextmanager
def new_directory(path, check_replaced=None):
    """Lends a temporary folder that is renamed to `path` when the block ends well.

    Args:
        path: The folder to make. The folder it lies in must exist.
        check_replaced: Function of a folder that raises an exception if it must not be deleted. A
            folder at `path` that passes, before and after the block, is replaced. If None, there
            must be nothing at `path`.

    Yields:
        The temporary folder as a `pathlib.Path`; it exists and is empty.

    Raises:
        FileExistsError: If there is something at `path` that is not to be replaced.
        OSError: If the folder around is missing or the disk is full. What was at `path` is
            untouched then.

    Example:
        >>> with new_directory("exported") as temporary:
        ...     (temporary / "weights.bin").write_bytes(b"...")
        3
    """
    target = Path(os.path.abspath(path))
    _check_target(target, check_replaced)
    temporary = _sibling(target, path)
    try:
        temporary.mkdir()
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                _flush(Path(folder, name))
            _flush_folder(folder)
        _check_target(target, check_replaced)
        _rename_folder(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush_folder(target.parent)


def _rename_folder(temporary, target):
    """Renames a folder, and deletes the one whose place it takes."""
    if mode_of(target) is None:
        os.rename(temporary, target)
        return
    old = temporary
    if not _exchange(temporary, target):
        old = _sibling(target, target, "old")
        os.rename(target, old)
        try:
            os.rename(temporary, target)
        except BaseException:
            os.rename(old, target)
            raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one, other):
    """Exchanges the names of two folders in one step; returns whether it could."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)  # Python has no call of it
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    names = os.fsencode(one), os.fsencode(other)
    return rename is not None and rename(here, names[0], here, names[1], exchange) == 0


def _sibling(target, path, kind="tmp"):
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"The folder of `path` must exist; make {target.parent} first. Received: path={path}."
        )
    ending = Path(path).name[-48:]  # short enough that the whole name stays below 255 bytes
    return target.parent / f".{kind}-{secrets.token_hex(8)}-{ending}"


def _suffixed(temporary):
    """Returns the files of a writer that added a suffix to its name, as Matplotlib does."""
    start = temporary.name + "."
    return [file for file in temporary.parent.iterdir() if file.name.startswith(start)]


def _check_target(target, check_replaced):
    mode = mode_of(target)
    if mode is None:
        return
    if check_replaced is None or not stat.S_ISDIR(mode):
        wanted = "not exist yet" if check_replaced is None else "be a folder, or not exist yet"
        raise FileExistsError(f"`path` must {wanted}; remove it first. Received: path={target}.")
    check_replaced(target)


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
