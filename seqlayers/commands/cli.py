"""The parts that commands share: exit codes, errors, and late imports."""

import _thread
import contextlib
import csv
import errno
import importlib.util
import io
import os
import signal
import sys
import threading
import traceback

import click

from seqlayers.files import FileError, printable, write_atomically

# Keys in click's `ctx.meta`; a hint is a function that returns it when it is needed.
DEBUG, HINT, QUIET = "seqlayers.debug", "seqlayers.hint", "seqlayers.quiet"
SHOWN = 10  # most skipped files that are listed


class Failure(click.ClickException):
    """An error message with the exit status of the command."""

    def __init__(self, message, exit_code):
        super().__init__(message)
        self.exit_code = exit_code


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which stops a command in the same way as Ctrl-C."""


class Commands(click.Group):
    """A group of commands that turns their exceptions into messages and exit statuses."""

    def invoke(self, ctx):
        try:
            with _sigterm_raises(), _stops_are_not_lost():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            terminated = isinstance(stop, _Terminated)
            click.echo(f"\nStopped{' by SIGTERM' if terminated else ''}.", err=True)
            if HINT in ctx.meta:
                click.echo(ctx.meta[HINT](), err=True)
            ctx.exit(143 if terminated else 130)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # `seqlayers data | head`, which click handles
            if ctx.meta.get(DEBUG):
                traceback.print_exc()
            message, code = _explain(error)
            # A file that cannot be used has advice of its own.
            if HINT in ctx.meta and not isinstance(error, FileError):
                message += "\n" + ctx.meta[HINT]()
            raise Failure(message, code) from error


def _explain(error):
    """Returns the message and the exit status for an exception."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{printable(str(error.filename))}: {error.strerror}.", 2
    if isinstance(error, ValueError | OSError):
        return str(error), 2
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "There is not enough memory; use smaller sizes or a smaller batch.", 2
    return (
        f"{type(error).__name__}: {error}\nThis is a defect of seqlayers; --debug shows where.",
        1,
    )


@contextlib.contextmanager
def _sigterm_raises():
    def stop(*_):
        raise _Terminated

    with _handled({signal.SIGTERM: stop}):
        yield


@contextlib.contextmanager
def _handled(handlers):
    """Handles signals by the functions of a dictionary meanwhile; only the main thread may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def import_runs():
    """Returns `seqlayers.runs` with its modules, without the messages of TensorFlow's import.

    Call it when all that can be checked without TensorFlow is checked: it takes seconds.
    """
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise click.UsageError(
            "seqlayers runs with TensorFlow alone; remove KERAS_BACKEND from the environment, or "
            f"set it to tensorflow. Received: KERAS_BACKEND={backend}."
        )
    if importlib.util.find_spec("tensorflow") is None:
        raise click.UsageError(
            "seqlayers runs with TensorFlow: pip install 'seqlayers[tensorflow]'. "
            "Received: an environment without it."
        )
    with silent_imports():
        from seqlayers import runs
        from seqlayers.runs import kinds, loading, reporting, training  # noqa: F401
    return runs


@contextlib.contextmanager
def silent_imports():
    """Drops what is written to stderr, such as the messages of TensorFlow's import."""
    python_stderr, kept = sys.stderr, os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        sys.stderr = io.StringIO()
        with _stops_wait():
            yield
    finally:
        sys.stderr = python_stderr
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def _stops_wait():
    """Holds a stop back until the end of the block; a second one is not held.

    An exception from a signal within an import may be dropped or replaced there, or crash Python.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    waiting = []

    def stop(number, frame):
        if waiting:
            handlers[number](number, frame)
        waiting.append(number)

    try:
        with _handled(dict.fromkeys(handlers, stop)):
            yield
    finally:
        if waiting:
            handlers[waiting[0]](waiting[0], None)


@contextlib.contextmanager
def _stops_are_not_lost():
    """Repeats a stop that Python dropped, as it does in callbacks of the garbage collector."""
    before, repeats = sys.unraisablehook, []

    def hook(dropped):
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            before(dropped)
            return
        terminated = isinstance(dropped.exc_value, _Terminated)
        number = signal.SIGTERM if terminated else signal.SIGINT
        # Not at once: that would be in the same callback.
        repeats.append(threading.Timer(0.01, _thread.interrupt_main, [number]))
        repeats[-1].start()

    sys.unraisablehook = hook
    try:
        yield
        for repeat in repeats:
            repeat.join()
    finally:
        sys.unraisablehook = before


def note(message):
    """Prints what is no result on stderr, unless the command is to be quiet."""
    if not click.get_current_context().meta.get(QUIET):
        click.echo(message, err=True)


def list_skipped(skipped, read, kind):
    """Prints which files were skipped, and why.

    Args:
        skipped: Pairs `(file, reason)`.
        read: Number of files that were read.
        kind: Plural noun for the files.
    """
    if not skipped:
        return
    note(f"Skipped {len(skipped)} of {len(skipped) + read} {kind}:")
    for file, reason in skipped[:SHOWN]:
        note(f"  {printable(file)}: {reason}")
    if len(skipped) > SHOWN:
        note(f"  and {len(skipped) - SHOWN} more")


def list_unmatched(matched, kind):
    """Prints which labels belong to no recording.

    Args:
        matched: `datasets.labels.Matched`.
        kind: Plural noun for what holds them, such as "label files".
    """
    skipped = [(path, "there is no such recording") for path in matched.unmatched]
    list_skipped(skipped, len(matched.recordings), kind)


@contextlib.contextmanager
def naming(flag, kind=FileError):
    """Names the option that gave what cannot be used, such as a file without data.

    Args:
        flag: The option.
        kind: The kind of error.
    """
    try:
        yield
    except kind as error:
        raise click.BadParameter(str(error), param_hint=flag) from error


@contextlib.contextmanager
def writing(path):
    """Names the place where a disk is full: a failed write, unlike a failed opening, does not."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    except Exception as error:  # TensorFlow writes with errors of its own
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO):
            if os.strerror(number) in str(error):
                raise OSError(number, os.strerror(number), str(path)) from error
        raise


def check_absent(paths, overwrite):
    """Refuses files that may not be replaced or cannot be written.

    Args:
        paths: Files to write; None is left out.
        overwrite: Whether they may be replaced.

    Raises:
        click.UsageError: If one is there and may not be replaced, or cannot be written.
    """
    paths = [path for path in paths if path]
    for path in paths:
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise click.UsageError(
                "Files must lie in folders that can be written. "
                f"Received: {printable(path)}, and {printable(folder)} is none."
            )
        if (path.exists() or path.is_symlink()) and not path.is_file():
            raise click.UsageError(
                "Files can replace regular files alone, not folders, pipes, devices or links to "
                f"nothing. Received: {printable(path)}."
            )
    old = [path for path in paths if path.exists()]
    if old and not overwrite:
        raise click.UsageError(
            "The files must not exist yet; add --overwrite to replace them. "
            f"Received: {printable(old[0])}."
        )


def check_kept(targets, inputs, rule):
    """Refuses to write files that are read, or have the name of one that would be.

    Args:
        targets: Files that will be written; None is left out.
        inputs: Files that are read, there or not.
        rule: The sentence on which files must differ from which.
    """
    for path in filter(None, targets):
        there = path.exists()
        others = [each for each in inputs if each.exists() == there]
        if any(path.samefile(o) if there else path.resolve() == o.resolve() for o in others):
            raise click.UsageError(f"{rule} Received: {printable(path)}.")


def write_table(path, columns, rows):
    """Writes a CSV file, whole or not at all, and makes its folder."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.getvalue().encode())


def check_utf8(name, path):
    """Refuses a path that TensorFlow cannot write to: it takes names in UTF-8 alone."""
    try:
        os.fsdecode(path).encode()
    except UnicodeEncodeError as error:
        raise click.UsageError(
            f"{name} must have a name in UTF-8. Received: {printable(path)}."
        ) from error
