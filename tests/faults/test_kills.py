"""Trainings that are killed at any moment end, when resumed, with the bits of one that was not."""

import json
import time

import numpy as np
import pytest
from faults import processes, trainings
from faults.helpers import SHORT, times

KILLS = times(1, 50)  # of each kind of training
KILLS_OF_A_RUN = 5  # at most, before it may end

pytestmark = pytest.mark.faults


def killed_until_it_ends(start, begun, seconds, rng, kills):
    """Starts a process again and again, kills it at random moments, and lets the last one end."""
    done = 0
    for _ in range(20):
        process = start()
        if done == kills:
            break
        processes.kill_after(process, begun, rng.uniform(0, seconds))
        done += process.exitcode != 0
    return process, done


DATA = [trainings.write_music] if SHORT else [trainings.write_music, trainings.write_sounds]


@pytest.mark.parametrize("write", DATA)
def test_killed_runs_end_as_if_they_had_not_been(tmp_path, tried, train, chance, write):
    undisturbed, log = train(write), tmp_path / "log"
    kills = 0
    while kills < KILLS:
        run = tmp_path / f"run-{kills}"

        def start(run=run):
            more = undisturbed.options
            if (run / "config.json").exists():
                more = ["--resume"]
            return processes.start(log, processes.seqlayers, "train", "--out", run, *more)

        most = min(KILLS_OF_A_RUN, KILLS - kills)
        begun = (run / "config.json").exists
        process, done = killed_until_it_ends(start, begun, undisturbed.seconds, chance, most)
        processes.finish(process, log)
        trainings.check_same(run, undisturbed.folder)
        kills += max(done, 1)
        tried(done)


def is_torn(folder):
    """Whether Keras was killed between the two files of its backup, which it cannot see."""
    import h5py

    try:
        epoch = json.loads((folder / "backup" / "training_metadata.json").read_text())["epoch"]
        with h5py.File(folder / "backup" / "latest.weights.h5") as file:
            iterations = int(file["optimizer/vars/0"][()])
    except (OSError, ValueError, KeyError):
        return (folder / "backup").exists()
    return iterations != epoch * 20


@pytest.mark.xfail(reason="the order of an epoch does not depend on its number", strict=False)
def test_killed_fits_end_as_if_they_had_not_been(tmp_path, tried, chance):
    log = tmp_path / "log"

    def start(folder):
        folder.mkdir(exist_ok=True)
        return processes.start(log, trainings.train_with_keras, folder)

    began = time.monotonic()
    processes.finish(start(tmp_path / "undisturbed"), log)
    seconds = time.monotonic() - began
    undisturbed = np.load(tmp_path / "undisturbed" / "weights.npz")

    for n in range(KILLS):
        folder = tmp_path / f"run-{n}"
        process = start(folder)
        backup = folder / "backup" / "training_metadata.json"
        processes.kill_after(process, backup.exists, chance.uniform(0, seconds / 2))
        tried()
        if is_torn(folder):
            continue
        processes.finish(start(folder), log)
        weights = np.load(folder / "weights.npz")
        for name in undisturbed:
            np.testing.assert_array_equal(weights[name], undisturbed[name], err_msg=name)
