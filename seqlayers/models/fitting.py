"""A callback that `SequenceModel.fit` adds, and the arguments of Keras that it refuses."""

import contextlib
import math

import keras


class Fitting(keras.callbacks.Callback):
    """Begins with the epoch that is really run, and keeps NaN from being the best value.

    Args:
        place: The `Place` of the dataset, see `seqlayers.datasets.batching`, or None.
        initial_epoch: The number that `fit` was called with. `BackupAndRestore` may change it.
        num_batches: Number of batches of an epoch.
        others: The callbacks before this one.
    """

    async_safe = True  # the logs of a batch are not read, so no step has to wait for them

    def __init__(self, place, initial_epoch, num_batches, others):
        super().__init__()
        self.place, self.initial_epoch, self.num_batches = place, initial_epoch, num_batches
        self.others = others
        self.begun = False

    def on_epoch_begin(self, epoch, logs=None):
        if not self.begun and self.place is not None and epoch != self.initial_epoch:
            batch = self.place.first + (epoch - self.initial_epoch) * self.num_batches
            done = batch % self.place.num_batches if self.place.whole else 0
            self.place.batch = batch - done
        self.begun = True

    def on_epoch_end(self, epoch, logs=None):
        if self.place is not None and self.place.held:
            self.place.batch += self.place.num_batches
        for callback in self.others:  # nothing is better than NaN, once Keras holds it for the best
            best = getattr(callback, "best", None)
            if best is not None and math.isnan(best):
                callback.best = None


def with_fitting(model, callbacks, place, initial_epoch, num_batches):
    """Returns the callbacks of `fit`, as Keras takes them, and a `Fitting` after them."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        fitting = Fitting(place, initial_epoch, num_batches, callbacks.callbacks)
        fitting.set_model(model)
        callbacks.append(fitting)
        return callbacks
    callbacks = [] if callbacks is None else keras.tree.flatten(callbacks)
    return [*callbacks, Fitting(place, initial_epoch, num_batches, callbacks)]


@contextlib.contextmanager
def holding(place):
    """Lets `Fitting` alone move a `Place`, by whole epochs, unless it is None."""
    if place is None:
        yield
        return
    place.held = True
    try:
        yield
    finally:
        place.held = False


_REASONS = {
    "y": "the target of each frame is the frame itself",
    "sample_weight": "all frames have the same weight, and `mask` leaves frames out",
    "class_weight": "frames have no classes",
}


def refuse(**given):
    """Refuses arguments of Keras that have no meaning for a model of sequences.

    Raises:
        ValueError: If one of them is not None.
    """
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"`{name}` must be None: {_REASONS[name]}. "
                f"Received: a `{name}` of type {type(value).__name__}."
            )
