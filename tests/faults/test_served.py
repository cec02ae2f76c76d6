"""An exported model under eight threads gives each the answer to a single call, bit for bit."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from export_helpers import exporter
from faults.helpers import SHORT, times

SECONDS = times(4, 600)
NAMES = ["simple_rnn"] if SHORT else ["simple_rnn", "lstm", "dbn", "nade", "lstbm"]
MOST = 10  # megabytes by which the memory may grow after a third of the time
REFUSED = 1.5e-3  # and for each refused call: TensorFlow itself keeps a kilobyte of any that fails

pytestmark = pytest.mark.faults


@pytest.mark.slow
def test_eight_threads_get_the_answers_to_single_calls(tmp_path, tried):
    get = exporter(tmp_path)
    paths = [get(name).path for name in NAMES]
    done = subprocess.run(
        [
            sys.executable,
            Path(__file__).with_name("serving.py"),
            str(SECONDS),
            "found.json",
            *paths,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS + 600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
    found = json.loads((tmp_path / "found.json").read_text())
    print(found["calls"], found["memory"])
    tried(sum(found["calls"].values()))
    assert not found["faults"], found["faults"][:10]
    assert {"serve", "score", "step", "generate, wrong"} <= found["calls"].keys()
    memory, calls = found["memory"], found["calls"].items()
    refused = sum(number for name, number in calls if name.endswith("wrong"))
    assert np.median(memory[-10:]) - np.median(memory[15:25]) <= MOST + REFUSED * refused
