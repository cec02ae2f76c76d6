"""Training of a run: from the epoch it has reached to its last one, saved after each epoch.

`last.keras`, which is replaced in one step, holds weights, optimizer and history, so that they
cannot disagree. Tables and curves are written after it, and again when a run is resumed, so they
have neither gaps nor double rows. The order and the shifts of an epoch, and all draws, depend on
the seed and on the numbers of epoch and step alone: a run that was killed and resumed ends with the
weights of one that was not.
"""

from pathlib import Path

import keras
import numpy as np

from seqlayers import files
from seqlayers.callbacks import Progress
from seqlayers.runs import checkpoints
from seqlayers.runs.building import begin, begin_labeller, build_model, pretrain
from seqlayers.runs.checkpoints import cannot_go_on, last_history
from seqlayers.runs.config import Identity
from seqlayers.runs.data import batches, fingerprint, num_batches
from seqlayers.runs.folder import BEST, CURVES, LAST, RunError, remove_curves
from seqlayers.runs.history import (
    ACCURACY,
    COLUMNS,
    ERRORS,
    MONITOR,
    best_row,
    finished,
    write_table,
)
from seqlayers.runs.loading import load_model


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
    history = last_history(folder, options)
    if not history:
        num_steps = options["epochs"] * num_batches(options, data.train)
        if options["labels"]:
            begin_labeller(data.labeller, options, data.train, num_steps)
            return data.labeller, []
        model = build_model(options, num_steps)
        begin(model, options, data.train)
        return model, []
    try:
        model, _ = load_model(Path(folder) / LAST, labels=bool(options["labels"]))
    except RunError as error:
        raise cannot_go_on(folder, options, error.reason) from error
    return model, history


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
        write_table(folder, history)
    if finished(history, options):
        return
    every, epochs = options["validate_every"], options["epochs"]
    validated = [*range(every, epochs, every), epochs]
    before: list = []
    if options["labels"]:
        dataset = _windows(model, options, data, first_epoch=len(history))
        validation = {}
        before = [_Draws(options["seed"])]
        if data.valid:
            before.append(_LabelScores(data, validated))
    else:
        if not history:
            pretrain(model, options, data.train, batches(options, data.train))
        dataset = batches(options, data.train, first_epoch=len(history))
        validation = {"validation_data": data.valid or None, "validation_freq": validated}
    remove_curves(folder)
    model.fit(
        dataset,
        epochs=epochs,
        initial_epoch=len(history),
        **validation,
        callbacks=[
            *before,
            _Saver(folder, history, Identity(options, fingerprint(data), data.sound)),
            _Curves(folder, history),
            *callbacks,
            Progress(),
        ],
        verbose=0,
    )


def _windows(model, options, data, first_epoch):
    """Returns the batches that a `FrameLabeller` trains on."""
    return model.dataset(
        data.train,
        data.targets["train"],
        options["batch_size"],
        window=options["max_steps"],
        seed=options["seed"],
        first_epoch=first_epoch,
    )


class _Draws(keras.callbacks.Callback):
    """Makes noise and dropout functions of the epoch: `.keras` files do not keep their counters."""

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        rng = np.random.default_rng((self.seed, epoch))
        kept = {id(weight) for weight in self.model.weights}
        for state in self.model.variables:
            if id(state) not in kept:
                state.assign(rng.integers(2**32, size=state.shape, dtype="uint32"))


class _LabelScores(keras.callbacks.Callback):
    """Adds the scores of a `FrameLabeller` on whole recordings of the validation split."""

    def __init__(self, data, epochs):
        super().__init__()
        self.data, self.epochs = data, epochs

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 in self.epochs:
            found = self.model.score(self.data.valid, self.data.targets["valid"])
            of_run = {MONITOR: found.log_prob, ACCURACY: found.accuracy, ERRORS: found.error_rate}
            logs.update(of_run)


class _Saver(keras.callbacks.Callback):
    """Writes the models and the table after each epoch, and stops early."""

    def __init__(self, folder, history, run):
        super().__init__()
        self.folder, self.history, self.run = Path(folder), history, run

    def on_epoch_end(self, epoch, logs=None):
        logs = dict(logs or {}, epoch=epoch + 1)
        row = {name: float(logs[name]) for name in COLUMNS if name in logs}
        history = [*self.history, row | {"epoch": epoch + 1}]
        if best_row(history) is history[-1]:
            self._save(BEST, history)
        self._save(LAST, history)
        self.history.append(history[-1])
        write_table(self.folder, self.history)
        self.model.stop_training = finished(self.history, self.run.options)

    def _save(self, name, history):
        with files.replacing(self.folder / name, follow=False) as temporary:
            self.model.save(temporary)
            checkpoints.add(temporary, self.run, history)


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
