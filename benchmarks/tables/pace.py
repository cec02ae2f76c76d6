"""Seconds of a training, and the number of epochs that another one does in the same time."""

import time

import keras

EPOCHS = 4  # that are timed; the first one compiles


class Laps(keras.callbacks.Callback):
    """Keeps the seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.started)


def measure(fit):
    """Returns the seconds of the first epoch and the least of a later one, in each mode.

    Args:
        fit: Function that trains a new network, given `jit_compile`, epochs and callbacks.
    """
    modes = {}
    for name, jit_compile in (("compiled", True), ("plain", False)):
        laps = Laps()
        fit(jit_compile, EPOCHS, [laps])
        first, *others = laps.seconds
        modes[name] = {"first": round(first, 2), "epoch": round(min(others), 4)}
    return modes


def seconds(modes, epochs):
    """Returns the least seconds of a number of epochs, and the mode that takes them."""
    return min((m["first"] + (epochs - 1) * m["epoch"], name) for name, m in modes.items())


def epochs_in(modes, allowed):
    """Returns the largest number of epochs in about the allowed seconds, and the mode."""
    return max(
        (1 + max(0, round((allowed - m["first"]) / m["epoch"])), name) for name, m in modes.items()
    )
