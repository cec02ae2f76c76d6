"""The progress of a training on one line."""

import sys
import time

import keras
import numpy as np

from seqlayers.checks import check_number
from seqlayers.models.nonfinite import COUNTERS


class Progress(keras.callbacks.Callback):
    """Prints the epoch, its logs and the time left for the whole training, on one line.

        epoch 40 of 150: loss 3.142, val_log_likelihood -8.123, about 2 min 5 s left

    `loss` is the training objective of the head, `val_log_likelihood` is in nats per frame. Give
    `fit` this callback last, and `verbose=0`.

    On a terminal the line is written over until an epoch is validated, which keeps it. Elsewhere a
    line is printed for each validated epoch, and between them at most one every `seconds`. The
    time left is the number of epochs left times the median time of those done, without the first
    one: it compiles, and so may a few after it. Early stopping may end sooner.

    Args:
        seconds: Least time between two lines, in seconds; 0.2 on a terminal and 10 elsewhere if
            None.
        file: Text stream to print to; standard output if None.
    """

    async_safe = True  # the logs of a batch are not read, so no step has to wait for them

    def __init__(self, seconds=None, file=None):
        super().__init__()
        self.file = sys.stdout if file is None else file
        self.terminal = self.file.isatty()
        if seconds is None:
            seconds = 0.2 if self.terminal else 10
        self.seconds = check_number("seconds", seconds, least=0)

    def on_train_begin(self, logs=None):
        self.printed, self.width = time.monotonic(), 0
        self.ends = []  # of the epochs
        self.left = ""

    def on_epoch_begin(self, epoch, logs=None):
        self.now = f"epoch {epoch + 1} of {self.params['epochs']}"

    def on_train_batch_end(self, batch, logs=None):
        if self.terminal and self._is_due():
            of = f" of {self.params['steps']}" if self.params.get("steps") else ""
            self._print(f"{self.now}, batch {batch + 1}{of}{self.left}")

    def on_epoch_end(self, epoch, logs=None):
        left = self.params["epochs"] - epoch - 1
        self.ends.append(time.monotonic())
        if len(self.ends) > 1:
            median = float(np.median(np.diff(self.ends)))
            self.left = f", about {_duration(left * median)} left" if left else ""
        logs = dict(logs or {})
        validated = any(name.startswith("val_") for name in logs)
        if validated or not left or self._is_due():
            text = ", ".join(f"{name} {value:.4g}" for name, value in _told(logs).items())
            self._print(f"{self.now}: {text}{self.left}", keep=validated or not left)

    def on_train_end(self, logs=None):
        if self.width:  # stopped between two validations
            self._print("", keep=True)

    def _is_due(self):
        return time.monotonic() - self.printed >= self.seconds

    def _print(self, line, keep=False):
        self.printed = time.monotonic()
        if self.terminal:
            end = "\n" if keep else ""
            self.file.write(f"\r{line:{self.width}}{end}")
            self.width = 0 if keep else len(line)
        else:
            self.file.write(f"{line}\n")
        self.file.flush()


def _told(logs):
    """Returns the logs without those that repeat another one, and counts of 0."""
    repeated = {"val_loss"} if "val_log_likelihood" in logs else set()
    repeated |= {name for name in COUNTERS.values() if not logs.get(name)}
    return {name: float(value) for name, value in logs.items() if name not in repeated}


def _duration(seconds):
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
