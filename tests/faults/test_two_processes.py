"""Two processes at one folder: one works, the other is told so, and neither harms the other."""

import shutil
import time

import pytest
from faults import processes, trainings
from faults.helpers import SHORT, times

PAIRS = times(1, 20)

pytestmark = pytest.mark.faults


def both(tmp_path, chance, first, second, seconds):
    """Starts two commands, the second one a random part of some seconds later."""
    logs = [tmp_path / f"log-{n}" for n in range(2)]
    begun = processes.start(logs[0], processes.seqlayers, *first)
    time.sleep(chance.uniform(0, seconds))
    pair = [begun, processes.start(logs[1], processes.seqlayers, *second)]
    for process in pair:
        process.join(300)
    texts = [processes.tail(log) for log in logs]
    for log in logs:
        log.unlink()
    return [process.exitcode for process in pair], texts


@pytest.mark.long
def test_two_trainings_in_one_folder(tmp_path, tried, music, chance):
    for n in range(PAIRS):
        run = tmp_path / f"run-{n}"
        command = ["train", *music.options, "--out", run]
        status, texts = both(tmp_path, chance, command, command, music.seconds / 2)
        assert sorted(status) == [0, 2], texts
        refused = texts[status.index(2)]
        assert "another process" in refused or "holds one" in refused, refused
        trainings.check_same(run, music.folder)
        tried()


@pytest.mark.skipif(SHORT, reason="takes four processes; only in the long form")
def test_two_resumptions_of_one_run(tmp_path, tried, music, chance):
    for n in range(PAIRS):
        run = tmp_path / f"run-{n}"
        process = processes.start(
            tmp_path / "log", processes.seqlayers, "train", *music.options, "--out", run
        )
        processes.kill_after(process, (run / "last.keras").exists, chance.uniform(0, 0.3))
        command = ["train", "--resume", "--out", run]
        status, texts = both(tmp_path, chance, command, command, music.seconds)
        assert 0 in status and set(status) <= {0, 2}, texts
        if 2 in status:
            assert "another process" in texts[status.index(2)], texts
        trainings.check_same(run, music.folder)
        tried()


@pytest.mark.long
def test_two_exports_of_one_version(tmp_path, tried, music, chance):
    for _ in range(PAIRS):
        command = ["export", music.folder, tmp_path / "served" / "1"]
        status, texts = both(tmp_path, chance, command, command, times(0.1, 3))
        assert 0 in status and set(status) <= {0, 2}, texts
        if 2 in status:
            assert "must not exist yet" in texts[status.index(2)], texts
        made = sorted(path.name for path in (tmp_path / "served").iterdir())
        assert made == ["1"], made
        assert (tmp_path / "served" / "1" / "saved_model.pb").stat().st_size
        shutil.rmtree(tmp_path / "served")
        tried()
