"""Training on two devices is training on one: the cases of replica_cases.py, in one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import replica_cases


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory):
    """Texts of the errors that the chosen cases raised; empty where there was none."""
    chosen = [item for item in request.session.items if item.path == request.path]
    names = [item.callspec.params["name"] for item in chosen]
    path = tmp_path_factory.mktemp("replicas") / "outcomes.json"
    here = Path(replica_cases.__file__).parent
    done = subprocess.run(
        [sys.executable, replica_cases.__file__, str(path), *names],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here.parent), str(here)])},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert path.exists(), done.stderr
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("name", replica_cases.CASES)
def test_two_devices_are_as_one(outcomes, name):
    assert outcomes[name] == "", outcomes[name]
