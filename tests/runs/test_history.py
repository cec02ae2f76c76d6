"""The history of a run: early stopping, the table, and what is refused."""

import math

import pytest

from seqlayers.models.nonfinite import COUNTERS
from seqlayers.runs.history import (
    ACCURACY,
    COLUMNS,
    ERRORS,
    MONITOR,
    best_row,
    checked,
    finished,
)


def test_columns_have_the_counters_of_both_rules():
    assert COLUMNS == ("epoch", "loss", *COUNTERS.values(), MONITOR, ACCURACY, ERRORS)


def test_early_stopping_needs_nothing_but_the_history():
    values = [None, -9.0, None, -8.0, None, -8.5, None, float("nan")]
    epochs = [{"epoch": n} | ({} if v is None else {MONITOR: v}) for n, v in enumerate(values, 1)]
    assert best_row(epochs)["epoch"] == 4
    options = {"epochs": 100, "patience": 4}
    assert [finished(epochs[:n], options) for n in range(9)] == [False] * 8 + [True]
    assert not finished(epochs, options | {"patience": None})
    assert finished(epochs, options | {"patience": None, "epochs": 8})
    assert best_row(epochs[:1]) is None


def test_a_history_has_every_epoch_and_numbers_alone():
    history = [{"epoch": 1, "loss": math.nan}, {"epoch": 2, "loss": 0.5, MONITOR: -1}]
    assert checked(history) is history and checked([]) == []


@pytest.mark.parametrize(
    "history",
    [
        {},
        None,
        "",
        [1],
        [[]],
        [{}],
        [{"epoch": 2}],
        [{"epoch": True}],
        [{"epoch": "1"}],
        [{"epoch": 1, "loss": None}],
        [{"epoch": 1, "loss": [0.5]}],
        [{"epoch": 1, "accuracy": 0.5}],
        [{"epoch": 1}, {"epoch": 1}],
    ],
)
def test_any_other_history_is_refused(history):
    with pytest.raises(ValueError, match="history"):
        checked(history)
