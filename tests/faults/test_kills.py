"""Trainings that are killed at any moment end, when resumed, with the bits of one that was not."""

import itertools
import signal

import numpy as np
import pytest
from faults import moments, processes, trainings
from faults.helpers import SHORT, times

from seqlayers.datasets import shards

KILLS = times(2, 50)  # of each kind of training
KILLS_OF_FIT = times(1, 50)
KILLS_OF_A_RUN = 5  # at most, before it may end
PATIENCE = times(300, 3600)  # seconds of wall time; the machine may be busy

pytestmark = pytest.mark.faults

DATA = [trainings.write_music]
if not SHORT:
    DATA += [trainings.write_sounds, trainings.write_labelled]


@pytest.mark.long  # test_resume.py kills at one moment
@pytest.mark.parametrize("write", DATA)
def test_killed_runs_end_as_if_they_had_not_been(tmp_path, tried, train, chance, write):
    undisturbed, outside = train(write), tmp_path / "outside"
    outside.mkdir()
    environment = {"HOME": str(outside), "KERAS_HOME": str(tmp_path / "keras")}
    kinds = itertools.cycle(moments.KINDS)
    killed = 0
    for number in range(KILLS):  # at most: a run is killed several times
        run, log = tmp_path / f"run-{number}", tmp_path / f"log-{number}"

        def start(moment, run=run, log=log):
            more = ["--resume"] if (run / "config.json").exists() else undisturbed.options
            command = (processes.seqlayers_in, environment, "train", "--out", run, *more)
            return processes.start(log, moments.dies, moment, *command)

        for _ in range(min(KILLS_OF_A_RUN, KILLS - killed)):
            moment = moments.draw(next(kinds), undisturbed.seconds, chance)
            print(moment)  # shown if the test fails
            process = start(moment)
            if moment[0] == "clock":
                processes.kill_after(process, (run / "config.json").exists, moment[1])
            process.join(PATIENCE)
            assert process.exitcode <= 0, processes.tail(log)
            if process.exitcode == 0:
                break
            killed += 1
        processes.finish(start(("never",)), log, PATIENCE)
        trainings.check_same(run, undisturbed.folder)
        assert not list(outside.iterdir())
        if killed >= KILLS:
            break
    tried(killed)
    assert killed >= KILLS // 2


@pytest.mark.long
def test_killed_fits_end_as_if_they_had_not_been(tmp_path, tried, chance):
    # Killed between batches alone: in between, Keras writes the two files of its backup one after
    # the other, and a model cannot see that they are of two epochs.
    log = tmp_path / "log"

    def start(folder, batch=None):
        folder.mkdir(exist_ok=True)
        return processes.start(log, trainings.train_with_keras, folder, batch)

    processes.finish(start(tmp_path / "undisturbed"), log)
    undisturbed = np.load(tmp_path / "undisturbed" / "end.npz")
    killed = 0
    while killed < KILLS_OF_FIT:
        folder = tmp_path / f"run-{killed}"
        for _ in range(min(KILLS_OF_A_RUN, KILLS_OF_FIT - killed)):
            batch = int(chance.integers(trainings.BATCHES))
            print(batch)  # shown if the test fails
            process = start(folder, batch)
            process.join(PATIENCE)
            assert process.exitcode == -signal.SIGKILL, processes.tail(log)
            killed += 1
        processes.finish(start(folder), log, PATIENCE)
        end = np.load(folder / "end.npz")
        assert len(end["loss"]) > 0
        for name in undisturbed:
            expected = undisturbed[name]
            if name == "loss":  # of the epochs after the last kill
                expected = expected[-len(end["loss"]) :]
            np.testing.assert_array_equal(end[name], expected, err_msg=name)
    tried(killed)


CHANGES_OF_SHARDS = 20  # of the files of two shards that replace three, about


def overwrite_shards(folder):
    """Replaces a folder of shards by one with two sequences of ones in two shards."""
    shards.write(np.ones((2, 5, 2)), folder, 2, overwrite=True)


def test_killed_writers_of_shards_leave_the_older_or_the_newer_ones(tmp_path, tried, chance):
    folder, log, found = tmp_path / "shards", tmp_path / "log", set()
    shards.write(np.zeros((3, 5, 2)), folder, 3)
    for n in range(times(4, 200)):
        change = int(chance.integers(1, CHANGES_OF_SHARDS)) if n else CHANGES_OF_SHARDS // 2
        print(change)  # shown if the test fails
        process = processes.start(log, moments.dies, ("change", change), overwrite_shards, folder)
        process.join(PATIENCE)
        assert process.exitcode in (0, -signal.SIGKILL), processes.tail(log)
        found.add(shards.verify(folder).num_sequences)
        tried(process.exitcode != 0)
    assert found <= {2, 3}
