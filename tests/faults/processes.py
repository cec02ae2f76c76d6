"""Processes that the suites start, kill and wait for.

They are forked from one process that has imported TensorFlow but not used it, which saves each of
them some seconds.
"""

import contextlib
import functools
import multiprocessing
import os
import sys
import tempfile
import time

PRELOADED = [
    "tensorflow",
    "keras",
    "seqlayers.__main__",
    "seqlayers.runs.training",
    "seqlayers.commands.train",
]


@functools.cache
def _context():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start(log, function, *args):
    """Starts `function(*args)` in a process of its own, whose output goes to the file `log`.

    `function` is looked up by name, so that it must not be a lambda. Returns a
    `multiprocessing.Process`.
    """
    process = _context().Process(target=_logged, args=(log, function, args))
    process.start()
    return process


def _logged(log, function, args):
    with open(log, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = sys.stderr = open(1, "w", buffering=1, closefd=False)
    function(*args)


def seqlayers(*args):
    """Runs the command line, as the command does."""
    from seqlayers.__main__ import main

    sys.argv = ["seqlayers", *map(str, args)]
    main()


def seqlayers_in(environment, *args):
    """Runs the command line with other variables of the environment."""
    os.environ.update(environment)
    tempfile.tempdir = None  # the folder that was found before
    seqlayers(*args)


def finish(process, log, seconds=300):
    """Waits for the end of a process that must succeed."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode == 0, f"status {process.exitcode}:\n{tail(log)}"


def kill_after(process, begun, seconds):
    """Kills a process some seconds after `begun()` is true; it may have ended before."""
    deadline = time.monotonic() + 300
    while process.exitcode is None and not begun() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.join(seconds)
    process.kill()
    process.join()


def tail(log):
    """Returns the end of a log."""
    with contextlib.suppress(FileNotFoundError):
        with open(log, errors="replace") as file:
            return file.read()[-3000:]
    return ""
