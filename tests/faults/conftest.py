"""The table of what was tried, printed after the suites of faults."""

import functools
import time
from pathlib import Path
from typing import NamedTuple

import hypothesis
import numpy as np
import pytest
from faults import processes, trainings
from faults.helpers import SHORT

# The short form tries the same cases each time, so that a red test stays red; the long form tries
# others each time, and prints how to repeat the one that failed.
hypothesis.settings.register_profile(
    "faults",
    derandomize=SHORT,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture
def tried(record_property):
    """Counts what was tried: `tried(n)` adds n; the table after the tests has the sum."""
    count = [0]  # a list, whose number is read when the test has ended
    record_property("tried", count)

    def add(number=1):
        count[0] += number

    return add


@pytest.fixture
def chance():
    """A generator of random numbers; its seed is shown if the test fails."""
    seed = 0 if SHORT else int(np.random.SeedSequence().generate_state(1)[0])
    print(f"chance = np.random.default_rng({seed})")
    return np.random.default_rng(seed)


class Training(NamedTuple):
    """A finished training, the options it began with, and its duration from `config.json` on."""

    folder: Path
    options: list
    seconds: float


@pytest.fixture(scope="session")
def train(tmp_path_factory):
    """Returns the `Training` of a function that writes data; each is made once."""

    @functools.cache
    def train(write):
        folder = tmp_path_factory.mktemp("undisturbed")
        options, log, run = write(folder / "data"), folder / "log", folder / "run"
        process = processes.start(log, processes.seqlayers, "train", *options, "--out", run)
        while not (run / "config.json").exists() and process.exitcode is None:
            time.sleep(0.005)
        began = time.monotonic()
        processes.finish(process, log)
        return Training(run, options, time.monotonic() - began)

    return train


@pytest.fixture(scope="session")
def music(train):
    """A finished training on music."""
    return train(trainings.write_music)


def pytest_terminal_summary(terminalreporter):
    rows = []
    for outcome in ("passed", "failed", "xfailed"):
        for report in terminalreporter.getreports(outcome):
            for tried in dict(report.user_properties).get("tried", ()):
                sentence = report.nodeid.partition("::")[2].removeprefix("test_").replace("_", " ")
                rows.append(f"| {sentence} | {tried:,} | {report.duration:,.0f} | {outcome} |")
    if rows:
        form = "short" if SHORT else "long"
        terminalreporter.write_line(f"\n| the {form} form | tried | seconds | outcome |")
        terminalreporter.write_line("|---|---|---|---|")
        for row in rows:
            terminalreporter.write_line(row)
