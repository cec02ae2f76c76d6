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
    chosen = [item for item in chosen if not item.get_closest_marker("skip")]
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


# Cases of which others show the same parts.
LONG = """
layer: boltzmann; layer: boltzmann drawn; layer: peephole lstm; layer: adaptive; layer: delay;
layer: bidirectional; head: bernoulli; head: gaussian rbm; head: gamma rbm; head: centered rbm;
head: nade; head: tied nade; model: memory, simple rnn cell; model: memory, gru;
model: memory, sfm; model: trbm; model: centered rbm; model: persistent rbm;
layer: adaptive parallel; layer: lstbm drawn; model: memory, lstm; model: memory, joined;
model: rnn-nade; model: rtrbm; compiled pre-training of the head; compiled head; layer: keys;
model: lstbm; layer: stack; head: mixture; head: orderless nade; head: persistent rbm;
model: memory, stack; compiled model, with clipped Adam; layer: sfm; head: dbn; model: memory, none;
layer: tanh gated; layer: patches; model: rnn-dbn;
batches given one by one; a gradient that is not finite on one of two replicas, shrunk;
pre-training of the memory and of layers; layers of even batches in a model of Keras's own;
several losses, each with its own mask, weights and mean; compiled layer; pre-training of the head;
a head in a distributed model; a head beside an output with a loss
"""
LONG = {" ".join(name.split()) for name in LONG.split(";")}
assert set(replica_cases.CASES) >= LONG


MARKED = [
    pytest.param(name, marks=pytest.mark.long if name in LONG else ())
    for name in replica_cases.CASES
]


@pytest.mark.parametrize("name", MARKED)
def test_two_devices_are_as_one(outcomes, name):
    assert outcomes[name] == "", outcomes[name]
