"""Training of runs: what a full disk leaves."""

import resource

import pytest

from seqlayers.runs import building, training
from seqlayers.runs.config import Identity
from seqlayers.runs.options import complete


def test_a_full_disk_leaves_the_last_model_and_table(tmp_path):
    options = complete({"dataset": "jsb_chorales", "model": "rnn-nade", "epochs": 100})
    options |= {"hidden_units": 4, "recurrent_units": 3}
    epochs, files = [], ("last.keras", "best.keras", "metrics.csv")
    saver = training._Saver(tmp_path, epochs, Identity(options, "0" * 64))
    saver.set_model(building.build_model(options, num_steps=1))
    saver.on_epoch_end(0, {"loss": 0.5, "val_log_likelihood": -0.5})
    before = {name: (tmp_path / name).read_bytes() for name in files}
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before["last.keras"]) // 2, unlimited[1]))
    try:
        with pytest.raises(OSError):
            saver.on_epoch_end(1, {"loss": 0.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert before == {name: (tmp_path / name).read_bytes() for name in before}
    assert not list(tmp_path.glob(".tmp-*"))
    saver.on_epoch_end(1, {"loss": 0.0})  # there is room again
    model, kept = training.last_model(tmp_path, options, None)
    assert kept == epochs and model.head.hidden_units == 4
