"""The parts that suites of faults share: their size, their limits, and how they count."""

import contextlib
import os
import resource
import signal
import time
from pathlib import Path

SHORT = os.environ.get("SEQLAYERS_FAULTS", "short") == "short"
PATIENCE = 30  # seconds of wall time after which a call counts as hanging


def times(short, long):
    """Returns the size of a suite: `short` in `make test`, `long` in `make faults`."""
    return short if SHORT else long


class Hangs(BaseException):
    """A call did not return. Not an `Exception`, which a reader may catch and answer."""


def bounded(call, seconds=2.0, megabytes=200):
    """Calls a function that may use so many processor seconds and so much new memory.

    The limit on memory is one on addresses, so an array that is made but never touched counts,
    too: more raises a MemoryError in the call.

    Raises:
        AssertionError: If the call took longer three times; others may keep the machine busy.
        Hangs: If it did not end.
    """
    for _ in range(3):
        started = time.process_time()
        with _limits(megabytes):
            call()
        took = time.process_time() - started
        if took <= seconds:
            return
    raise AssertionError(f"it took {took:.1f} s of processor time; {seconds:g} s are allowed")


@contextlib.contextmanager
def _limits(megabytes):
    def hangs(*_):
        raise Hangs(f"no answer in {PATIENCE} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + megabytes * 2**20
    handler = signal.signal(signal.SIGALRM, hangs)
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGALRM, handler)
