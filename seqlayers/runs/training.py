"""Training of a run: from the epoch it has reached to its last one, saved after each epoch.

`last.keras`, which is replaced in one step, holds weights, optimizer and history, so that they
cannot disagree. Tables and curves are written after it, and again when a run is resumed, so they
have neither gaps nor double rows. The order and the shifts of an epoch, and all draws, depend on
the seed and on the numbers of epoch and step alone: a run that was killed and resumed ends with the
weights of one that was not.
"""

import csv
import io
import json
import math
import zipfile
from pathlib import Path

import keras

from seqlayers import files
from seqlayers.callbacks import Progress
from seqlayers.models.nonfinite import COUNTERS
from seqlayers.runs.building import build_model, pretrain
from seqlayers.runs.data import batches
from seqlayers.runs.folder import BEST, CURVES, LAST, TABLE, RunError, load_model, remove_curves

MONITOR = "val_log_likelihood"
COLUMNS = ("epoch", "loss", *COUNTERS.values(), MONITOR)
_HISTORY = "seqlayers_history.json"  # a member of `last.keras`, which Keras does not look at


def last_model(folder, options, data):
    """Returns the model of a run after its last whole epoch, and the history of its epochs.

    Args:
        folder: The run's folder, held by `claim`.
        options: All options of the run.
        data: Its `Data`.

    Returns:
        `(model, history)`; a new model and an empty list if no epoch is finished. The history has a
        dictionary for each epoch, with the keys of `COLUMNS`.

    Raises:
        RunError: If `last.keras` is missing or damaged though epochs are finished.
    """
    path = Path(folder) / LAST
    if not path.exists():
        table = Path(folder) / TABLE
        if table.exists() and len(table.read_text("utf-8").splitlines()) > 1:
            raise _cannot_go_on(path, "The file is missing.")
        steps = options["epochs"] * int(batches(options, data.train).cardinality())
        return build_model(options, steps), []
    try:
        model, _ = load_model(path)
        with zipfile.ZipFile(path) as archive:
            history = json.loads(archive.read(_HISTORY))
    except RunError as error:
        raise _cannot_go_on(path, error.reason) from error
    except (ValueError, KeyError) as error:
        raise _cannot_go_on(path, "The file holds no history.") from error
    return model, history


def _cannot_go_on(path, reason):
    return RunError(
        f"a run goes on from this file; put it back, or add --overwrite to begin anew. {reason}",
        path,
    )


def fit(folder, model, history, options, data, callbacks=()):
    """Trains from the end of `history` to `options["epochs"]` and saves each epoch.

    Args:
        folder: The run's folder, held by `claim`.
        model, history: As `last_model` returns them; both are changed.
        options: All options of the run.
        data: Its `Data`.
        callbacks: Keras callbacks, called after an epoch is saved and before its losses and the
            time left are printed.

    Raises:
        OSError: If the disk is full. What earlier epochs left is untouched.
    """
    if history:
        _write_table(folder, history)
    if finished(history, options):
        return
    if not history:
        pretrain(model, options, data.train, batches(options, data.train))
    dataset = batches(options, data.train, first_epoch=len(history))
    remove_curves(folder)
    every, epochs = options["validate_every"], options["epochs"]
    model.fit(
        dataset,
        epochs=epochs,
        initial_epoch=len(history),
        validation_data=data.valid or None,
        validation_freq=[*range(every, epochs, every), epochs],
        callbacks=[
            _Saver(folder, history, options),
            _Curves(folder, history),
            *callbacks,
            Progress(),
        ],
        verbose=0,
    )


def best_row(history):
    """Returns the row of the best validated epoch, the first of equals; None if there is none."""
    rows = [row for row in history if math.isfinite(row.get(MONITOR, math.nan))]
    return max(rows, key=lambda row: row[MONITOR], default=None)


def finished(history, options):
    """Returns whether all epochs are done, or `options["patience"]` of them were no better.

    Patience ends a run after an epoch that was validated; the others have not been compared.
    """
    if len(history) >= options["epochs"]:
        return True
    best = best_row(history)
    patience = options["patience"]
    compared = best and MONITOR in history[-1]
    return bool(patience and compared and len(history) - best["epoch"] >= patience)


class _Saver(keras.callbacks.Callback):
    """Writes the models and the table after each epoch, and stops early."""

    def __init__(self, folder, history, options):
        super().__init__()
        self.folder, self.history, self.options = Path(folder), history, options

    def on_epoch_end(self, epoch, logs=None):
        logs = dict(logs or {}, epoch=epoch + 1)
        row = {name: float(logs[name]) for name in COLUMNS if name in logs}
        self.history.append(row | {"epoch": epoch + 1})
        if best_row(self.history) is self.history[-1]:
            self._save(BEST)
        self._save(LAST)
        _write_table(self.folder, self.history)
        self.model.stop_training = finished(self.history, self.options)

    def _save(self, name):
        with files.replacing(self.folder / name) as temporary:
            self.model.save(temporary)
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(_HISTORY, json.dumps(self.history))


class _Curves(keras.callbacks.TensorBoard):
    """TensorBoard's curves of all epochs, those before a resumption included."""

    def __init__(self, folder, history):
        super().__init__(Path(folder) / CURVES, write_graph=False)
        self.before = list(history)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        for row in self.before:
            self.on_epoch_end(row["epoch"] - 1, row)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, {k: v for k, v in (logs or {}).items() if k in COLUMNS[1:]})


def _write_table(folder, history):
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(history)
    files.write_atomically(Path(folder) / TABLE, text.getvalue().encode())
