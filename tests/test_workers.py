"""Two workers of `MultiWorkerMirroredStrategy`, two processes on this machine, train as one device.

Worker 0 is the job "chief" of the cluster. Models of every class are trained on two devices in
test_replicas.py, by the same code.

They are started once for all tests of this file, and once more after one was killed, beside a third
process that has one device.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import worker_trainings

import seqlayers

pytestmark = pytest.mark.slow
ALIKE = ["everything", "backed up"]
OF_LAYERS = ["layers", "heads"]  # test_replicas.py trains each by the same code
OF_WORKERS = ["own data", "refusals", "dropout of Keras"]
SCRIPT = Path(worker_trainings.__file__)
SECONDS = 900  # until a process that hangs is killed
STARTS = 5  # of a worker: one that is back too early ends with an error, too


@contextlib.contextmanager
def processes():
    """Starts processes by `start(log, environment, *arguments)`; all are dead at the end."""
    started = []

    def start(log, environment, *arguments):
        path = os.pathsep.join([str(SCRIPT.parents[1]), str(SCRIPT.parent)])
        with open(log, "ab") as file:
            process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                env=os.environ | {"PYTHONPATH": path} | environment,
                stdout=file,
                stderr=file,
                start_new_session=True,  # a group, to be killed with all that it started
            )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def environments(*jobs, **more):
    """The environments of two processes that train together, at ports that are free.

    Args:
        *jobs: The job of each: `"chief"` or `"worker"`.
        **more: Other variables.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        cluster: dict = {job: [] for job in jobs}
        tasks = []
        for job, each in zip(jobs, sockets, strict=True):
            tasks.append({"type": job, "index": len(cluster[job])})
            cluster[job].append(f"127.0.0.1:{each.getsockname()[1]}")
    for task in tasks:
        yield {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} | more


@pytest.fixture(scope="module")
def codes(folder):
    """Pairs of a process and the status of its end, in order."""
    return [tuple(pair) for pair in json.loads((folder / "codes.json").read_text())]


@pytest.fixture(scope="module")
def folder(request, tmp_path_factory):
    """A folder with the results of the trainings in `one`, `worker 0` and `worker 1`.

    Worker 1 kills itself in the first training. The workers are started again then, as by
    `until ...; do sleep 1; done`.
    """
    items = [item for item in request.session.items if not item.get_closest_marker("skip")]
    ids = " ".join(item.nodeid for item in items if item.path == request.path)
    alike = [*(name for name in OF_LAYERS if f"[{name}]" in ids), *ALIKE]
    folder = tmp_path_factory.mktemp("workers")
    for name in ("one", "worker 0", "worker 1", "shared", "shared by one"):
        (folder / name).mkdir()
    given = {"one": [{"SHARED": str(folder / "shared by one")}, "one", alike]}
    for n, environment in enumerate(environments("chief", "worker", SHARED=str(folder / "shared"))):
        given[f"worker {n}"] = [environment, "workers", ["killed", *alike, *OF_WORKERS]]
    with processes() as start:

        def started(name):
            environment, kind, trained = given[name]
            log = folder / f"{name}.log"
            return start(log, environment, SCRIPT, kind, folder / name, *trained)

        running, codes = {name: started(name) for name in given}, []
        deadline = time.monotonic() + SECONDS
        while running:
            time.sleep(0.1)
            for name, process in list(running.items()):
                code = process.poll()
                may_fail = name != "one" and [n for n, _ in codes].count(name) < STARTS
                assert (not code or may_fail) and time.monotonic() < deadline, (
                    f"{name}, status {code}, {codes}:\n{tail(folder / f'{name}.log')}"
                )
                if code is not None:
                    codes.append((name, code))
                    del running[name]
                    if code != 0:
                        time.sleep(1)
                        running[name] = started(name)
    (folder / "codes.json").write_text(json.dumps(codes))
    return folder


def tail(log):
    return log.read_text(errors="replace")[-3000:]


def arrays(path):
    with np.load(path) as file:
        return dict(file)


def came_to(folder, who, name):
    return arrays(folder / who / f"{name}.npz")


NAMES = [*(pytest.param(name, marks=pytest.mark.long) for name in OF_LAYERS), *ALIKE]


@pytest.mark.parametrize("name", NAMES)
def test_two_workers_end_as_one_device(folder, name):
    actual, expected = (came_to(folder, who, name) for who in ("worker 0", "one"))
    assert actual.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(actual[key], value, rtol=1e-6, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("name", ["killed", *NAMES, *OF_WORKERS])
def test_workers_have_the_same_weights_to_the_last_bit(folder, name):
    one, other = (came_to(folder, f"worker {n}", name) for n in range(2))
    assert one.keys() == other.keys()
    for key, value in one.items():
        np.testing.assert_array_equal(other[key], value, err_msg=key)


def test_the_chief_alone_writes_and_its_files_are_those_of_one_device(folder):
    # Both are number 0 of their job.
    assert [came_to(folder, f"worker {n}", "chief")["chief"] for n in range(2)] == [True, False]
    ours, theirs = folder / "shared", folder / "shared by one"
    made = {path.name for path in ours.iterdir()}
    assert made == {
        *("model.keras", "model.weights.h5", "exported"),
        *("backup", "backup of 0", "backup of the killed", "killed"),
    }
    assert [path.name for path in (ours / "exported").iterdir()] == ["1"]
    model, other = (seqlayers.load_model(path / "model.keras") for path in (ours, theirs))
    for a, b in zip(model.weights, other.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    assert model.compiled and model.optimizer.iterations == other.optimizer.iterations
    drawn = came_to(folder, "one", "everything")["generated"]
    np.testing.assert_array_equal(model.generate(4, num_sequences=3, seed=1), drawn)


def test_workers_that_were_started_differently_are_told_so(folder):
    messages = {key: str(text) for key, text in came_to(folder, "worker 1", "refusals").items()}
    assert "the same data and arguments" in messages["data"]
    assert messages["data"].endswith("Received: batches=[2, 1], one for each replica.")
    assert messages["seed"].endswith("Received: seed=[0, 1], one for each replica.")
    plain = str(came_to(folder, "worker 1", "own data")["refused"])
    assert plain.startswith("All workers must have the same number of batches")
    assert plain.endswith("Received: batches=[3, 2], one for each replica.")
    assert messages["backup"].startswith("`backup_dir` must be a folder that all workers share.")
    assert messages["backup"].endswith("restored_epochs=[3, 0], one for each replica.")


def test_a_killed_worker_comes_back_and_the_run_ends_as_an_undisturbed_one(folder, codes):
    assert ("worker 1", -signal.SIGKILL) in codes
    assert any(name == "worker 0" and code > 0 for name, code in codes)
    for n in range(2):
        actual = came_to(folder, f"worker {n}", "killed")
        expected = came_to(folder, f"worker {n}", "backed up")
        assert actual.pop("epochs").tolist() == [2, 3, 4]
        assert expected.pop("epochs").tolist() == [0, 1, 2, 3, 4]
        for key, value in expected.items():
            np.testing.assert_array_equal(actual[key], value, err_msg=key)
