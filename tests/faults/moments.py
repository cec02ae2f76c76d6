"""Moments at which a process dies as by `kill -9`, some of which a clock never hits.

("clock", s)            after s seconds, killed from outside
("change", n)           before its n-th change of a file: made, flushed, renamed, deleted
("byte", n, size)       after its n-th change, as a file is to grow above `size` bytes
"""

import os
import resource
import signal
import sys

CHANGES = 150  # of a small training, about
BYTES = 40_000  # of a small model on the disk, about
KINDS = ("clock", "change", "byte")


def draw(kind, seconds, rng):
    """Draws a moment of a kind in a training that takes some seconds."""
    if kind == "clock":
        return kind, rng.uniform(0, seconds)
    change = int(rng.integers(1, CHANGES))
    return (kind, change) if kind == "change" else (kind, change, int(rng.integers(BYTES)))


def dies(moment, function, *args):
    """Runs a function in a process that dies at a moment."""
    if moment[0] == "change":
        _at_change(moment[1], lambda: os.kill(os.getpid(), signal.SIGKILL))
    elif moment[0] == "byte":
        _at_change(moment[1], lambda: _let_no_file_grow(moment[2]))
    function(*args)


def _at_change(number, act):
    """Calls `act` before the change of that number and before all later ones."""
    changes = 0

    def change():
        nonlocal changes
        changes += 1
        if changes >= number:
            act()

    def audited(event, args):
        if event == "open":
            if (args[2] or 0) & (os.O_WRONLY | os.O_RDWR):
                change()
        elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"):
            change()

    def fsync(file, flush=os.fsync):
        change()
        flush(file)

    sys.addaudithook(audited)
    os.fsync = fsync


def _let_no_file_grow(size):
    """Lets the system kill this process in the middle of the write that would pass a size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
