"""A page to look at and to listen to, written while a model trains."""

import time
import warnings
from pathlib import Path

import keras
import numpy as np

from seqlayers import report
from seqlayers.callbacks.folders import make_folder
from seqlayers.checks import NotFiniteError, check_integer, check_number, check_sequences
from seqlayers.models import SequenceModel
from seqlayers.models.distributed import has_many_workers, is_chief
from seqlayers.models.inputs import checked_sequences
from seqlayers.models.likelihood import frame_log_probs
from seqlayers.sampling import seed_pair


class PageFile(keras.callbacks.Callback):
    """A callback that writes a page after epochs, whole or not at all. A subclass defines `page`.

    The last epoch of a training is on the page in any case. With many workers all of them make the
    page, and the chief writes it. A page that cannot be written, as on a full disk, or that is
    larger than `report.MAX_BYTES`, is a warning: the training goes on, and an older page stays.

    Args:
        path: File to write; its folder is made if it is missing. A file that is there is replaced.
        every: Number of epochs from one page to the next.
        seconds: Least time between two pages, in seconds.

    Raises:
        ValueError: In `fit`, if the folder cannot be made.
    """

    follow = True  # whether a symbolic link at `path` stands for the file that it points to

    def __init__(self, path, every=1, seconds=0):
        super().__init__()
        self.path = Path(path)
        self.every = check_integer("every", every)
        self.seconds = check_number("seconds", seconds, least=0)

    def page(self, history):
        """Returns a `report.Page` for a list with the logs of each epoch, and its `epoch`."""
        raise NotImplementedError

    def on_train_begin(self, logs=None):
        if is_chief(self.model.distribute_strategy):
            make_folder("path", self.path.parent)
        self.history, self.written, self.time = [], 0, -np.inf
        self.several = has_many_workers(self.model.distribute_strategy)

    def on_epoch_end(self, epoch, logs=None):
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        self.history.append({"epoch": epoch + 1} | numbers)
        # Clocks of workers differ, and all of them have to make a page at the same time.
        waited = self.several or time.monotonic() - self.time >= self.seconds
        if (epoch + 1) % self.every == 0 and waited:
            self._write()

    def on_train_end(self, logs=None):
        if self.history and self.written < len(self.history):
            self._write()

    def _write(self):
        page = self.page(self.history)
        if is_chief(self.model.distribute_strategy):
            try:
                report.write(self.path, page, self.follow)
            except (OSError, ValueError) as error:
                warnings.warn(
                    f"The page {self.path} was not written; the training goes on. {error}",
                    stacklevel=2,
                )
        self.written, self.time = len(self.history), time.monotonic()


class Report(PageFile):
    """Writes a page to look at and to listen to while a model trains: one HTML file for a browser.

    It has the curves of all logs, the log-probability and the hidden units of each frame of the
    sequences given, and sequences that the model draws. Reload it in the browser to see the epoch
    that was written last. Piano-rolls are played; other frames are pictures alone.

        model.fit(x, validation_data=valid, callbacks=[
            callbacks.Report("runs/page.html", valid[:4], report.Music(0.25), seconds=60),
        ])

    Args:
        path: File to write; its folder is made if it is missing. A file that is there is replaced.
        x: Sequences to show, a list of arrays `(T, V)`: two from their start, of the others those
            parts that have one of the ten least probable frames.
        form: `report.Music` with the seconds that a frame lasts, and the MIDI number of the first
            key; with None in its place there is no sound. If `form` is None, two frames a second,
            and a sound for frames of 88 units, which are the keys from A0 on.
        every: Number of epochs from one page to the next.
        seconds: Least time between two pages, in seconds. It has no effect with many workers, whose
            clocks differ.
        num_generated: Number of sequences to draw.
        num_steps: Number of frames of each.
        temperature: Temperature of the draws.
        title: Title of the page.
        seed: Integer that the draws start from, the same for each page.

    Raises:
        ValueError: If an argument is out of range; in `fit`, if the folder cannot be made, the
            model is no `SequenceModel`, or `x` is not for its head.
    """

    def __init__(
        self,
        path,
        x,
        form=None,
        every=1,
        seconds=0,
        num_generated=2,
        num_steps=64,
        temperature=1.0,
        title="Training",
        seed=0,
    ):
        super().__init__(path, every, seconds)
        self.x = check_sequences(x, name="x")
        first_note = 21 if self.x[0].shape[1] == 88 else None
        self.form = report.Music(0.5, first_note) if form is None else form
        if isinstance(form, type) or not hasattr(self.form, "piece"):
            raise ValueError(
                f"`form` must be a `report.Music`, as `report.Music(0.5)`. Received: form={form!r}."
            )
        self.drawing = (
            check_integer("num_generated", num_generated),
            check_integer("num_steps", num_steps),
            check_number("temperature", temperature, above=0),
            seed,
        )
        seed_pair(seed)  # checks it
        self.title = title

    def on_train_begin(self, logs=None):
        if not isinstance(self.model, SequenceModel):
            raise ValueError(
                "`Report` shows a `SequenceModel`. Received: a model of class "
                f"{type(self.model).__name__}."
            )
        checked_sequences(self.model.head, self.x)
        super().on_train_begin(logs)

    def page(self, history):
        pieces, worst, drawn, notes = [], [], [], []
        model, nats = self.model, None
        try:
            nats = frame_log_probs(model, self.x)
            drawn = report.drawn(model, self.form, *self.drawing)
        except NotFiniteError as error:
            lacks = "scored or played" if nats is None else "played"
            notes.append(f"The model cannot be {lacks}. {error}")
            model = None if nats is None else model
        pieces, worst = report.pieces(model, self.x, self.form, nats, "sequence")
        return report.Page(
            title=self.title,
            summary=f"{self.model.count_params():,} weights, after epoch {history[-1]['epoch']}.",
            pieces=[*pieces, *drawn],
            worst=worst,
            charts=report.charts(history),
            notes=notes,
        )
