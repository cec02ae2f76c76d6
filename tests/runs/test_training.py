"""Training of runs: early stopping, and what a full disk leaves."""

import resource

import pytest

from seqlayers.runs import building, training
from seqlayers.runs.options import complete


def test_early_stopping_needs_nothing_but_the_history():
    values = [None, -9.0, None, -8.0, None, -8.5, None, float("nan")]
    history = [
        {"epoch": n} | ({} if v is None else {training.MONITOR: v}) for n, v in enumerate(values, 1)
    ]
    assert training.best_row(history)["epoch"] == 4
    options = {"epochs": 100, "patience": 4}
    assert [training.finished(history[:n], options) for n in range(9)] == [False] * 8 + [True]
    assert not training.finished(history, options | {"patience": None})
    assert training.finished(history, options | {"patience": None, "epochs": 8})
    assert training.best_row(history[:1]) is None


def test_a_full_disk_leaves_the_last_model_and_table(tmp_path):
    options = complete({"dataset": "jsb_chorales", "model": "rnn-nade", "epochs": 100})
    options |= {"hidden_units": 4, "recurrent_units": 3}
    history, files = [], ("last.keras", "best.keras", "metrics.csv")
    saver = training._Saver(tmp_path, history, options)
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
    assert kept == history and model.head.hidden_units == 4
