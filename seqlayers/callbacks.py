"""Keras callbacks: monitors of a model in training, a progress line, a page, and a backup.

A monitor looks every `every` epochs, after the epoch, and adds numbers to `logs`: they reach
`History`, the progress line, and callbacks that come after it in the list given to `fit`. Monitors
need a `SequenceModel`, most of them one with an RBM head.

    model.fit(x, callbacks=[
        callbacks.FreeEnergyGap(x[:100], x_valid),
        callbacks.HiddenActivity(x_valid),
        callbacks.GeneratedSpectra(x_valid, every=10, to_amplitudes=restore),
        callbacks.Progress(),
    ], verbose=0)
"""

import contextlib
import hashlib
import io
import re
import sys
import time
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np

from seqlayers import files, report
from seqlayers.checks import check_integer, check_number, check_sequences
from seqlayers.metrics import (
    hidden_activity,
    log_spectral_distance,
    long_term_spectrum,
    modulation_spectrum,
    pieces,
    precision_recall,
)
from seqlayers.models import SequenceModel
from seqlayers.models.distributed import check_same, has_many_workers, is_chief
from seqlayers.models.inputs import as_dataset, as_pair
from seqlayers.models.likelihood import frame_log_probs, likelihood
from seqlayers.models.nonfinite import COUNTERS


class Monitor(keras.callbacks.Callback):
    """A callback that measures something every few epochs and adds it to the logs.

    A subclass defines `look`, and may refuse a model in `check_model`.

    Args:
        every: Number of epochs from one look to the next. Epochs are counted from 1, in resumed
            runs as well; the first look is after epoch `every`.
    """

    def __init__(self, every=1):
        super().__init__()
        self.every = check_integer("every", every)

    def look(self):
        """Returns a dictionary of numbers for the logs."""
        raise NotImplementedError

    def check_model(self):
        """Raises a ValueError if this monitor cannot measure `self.model`."""

    def on_train_begin(self, logs=None):
        if not isinstance(self.model, SequenceModel):
            raise ValueError(
                f"`{type(self).__name__}` watches a `SequenceModel`. Received: a model of class "
                f"{type(self.model).__name__}."
            )
        self.check_model()

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0 and logs is not None:
            logs.update(self.look())

    def _check_head(self, wanted, of_head):
        if not of_head:
            raise ValueError(
                f"`{type(self).__name__}` needs a head with {wanted}. "
                f"Received: a model with head={self.model.head!r}."
            )


class LikelihoodBracket(Monitor):
    """The log-likelihood in nats per frame from both sides.

    Adds `log_likelihood_above`, an estimate by annealing that is too high on average, and
    `log_likelihood_below`, an estimate by reverse annealing that is too low on average. If the
    first is the lower one, the annealing is too short. With an exact head the two are equal.

    Args:
        x: Sequences, as in `fit`.
        every: Number of epochs from one look to the next. Annealing costs more than an epoch.
        batch_size: Number of sequences in a batch.
        seed: Integer that the draws start from, the same at each look.
    """

    def __init__(self, x, every=10, batch_size=32, seed=0):
        super().__init__(every)
        self.x, self.batch_size, self.seed = x, batch_size, seed

    def check_model(self):
        head = self.model.head
        self._check_head(
            "an exact likelihood or estimates of it from both sides",
            head.kind == "exact" or head.has_reverse,
        )

    def look(self):
        score = likelihood(self.model, self.x, None, self.batch_size, self.seed, bracket=True)
        below = score.nats if score.reverse_nats is None else score.reverse_nats
        return {"log_likelihood_above": score.nats, "log_likelihood_below": below}


class FreeEnergyGap(Monitor):
    """Mean free energy per frame of held-out frames, less that of frames trained on.

    Adds `free_energy_gap`, which grows as the model overfits. Without a context it is the gap in
    log-likelihood, since log Z cancels. With a context each frame has its own Z, and the difference
    of the mean log Z is part of the gap: watch its changes, not its value.
    Reference: G. Hinton, A Practical Guide to Training Restricted Boltzmann Machines, 2010,
    section 6.

    Args:
        train: Some of the training sequences, with as many frames as are held out.
        held_out: Sequences not trained on.
        every: Number of epochs from one look to the next.
        batch_size: Number of sequences in a batch.
    """

    def __init__(self, train, held_out, every=1, batch_size=32):
        super().__init__(every)
        self.train, self.held_out, self.batch_size = train, held_out, batch_size

    def check_model(self):
        self._check_head("a free energy", self.model.head.has_free_energy)

    def look(self):
        held_out, train = (
            mean_free_energy(self.model, x, self.batch_size) for x in (self.held_out, self.train)
        )
        return {"free_energy_gap": held_out - train}


class HiddenActivity(Monitor):
    """Mean activity of the hidden units of the head, and the share of silent ones.

    Adds `hidden_activity`, the mean of E[h | v, context], and `hidden_sparsity`, the share of units
    whose mean is below `level`, see `seqlayers.metrics.hidden_activity`.

    Args:
        x: Sequences, as in `fit`.
        level: Threshold in (0, 1). A unit whose mean is below it counts as silent.
        every: Number of epochs from one look to the next.
        batch_size: Number of sequences in a batch.
    """

    def __init__(self, x, level=0.05, every=1, batch_size=32):
        super().__init__(every)
        hidden_activity([[0.5]], level)  # checks `level`
        self.x, self.level, self.batch_size = x, level, batch_size

    def check_model(self):
        self._check_head("a code", self.model.head.has_code)

    def look(self):
        frames = _of_frames(self.model, "encode", self.model.encode, self.x, self.batch_size)
        activity, sparsity = hidden_activity(frames, self.level)
        return {"hidden_activity": activity, "hidden_sparsity": sparsity}


class GeneratedSpectra(Monitor):
    """Spectra of generated sequences compared with real ones, and precision and recall.

    Adds `spectral_distance`, the distance of long-term spectra in dB; `modulation_distance`, the
    distance of modulation spectra averaged over the bins, in dB; and `precision` and `recall` of
    segments of `num_frames` frames in the model's own scale. All are functions of
    `seqlayers.metrics`.

    Args:
        real: Real sequences, as an array `(N, T, V)` or a list of arrays `(T, V)`.
        num_sequences: Number of sequences to draw.
        num_steps: Number of frames of each sequence.
        to_amplitudes: Function from frames to amplitudes `(..., F)`, such as
            `lambda x: audio.to_amplitude(normalizer.restore(x), "log_amplitude")`. None if frames
            are amplitudes, as those of gamma visibles.
        num_frames: Number of frames of a segment.
        neighbours: Number k of neighbours in precision and recall.
        max_segments: Largest number of real segments to compare with, drawn once from `seed`.
        temperature: Temperature of `generate`.
        every: Number of epochs from one look to the next.
        seed: Integer that draws start from, the same at each look.
    """

    def __init__(
        self,
        real,
        num_sequences=16,
        num_steps=128,
        to_amplitudes=None,
        num_frames=16,
        neighbours=3,
        max_segments=1000,
        temperature=1.0,
        every=10,
        seed=0,
    ):
        super().__init__(every)
        sizes = {"num_sequences": num_sequences, "num_steps": num_steps, "num_frames": num_frames}
        for name, value in (sizes | {"max_segments": max_segments}).items():
            check_integer(name, value)
        if num_steps < num_frames or num_frames < 4:
            raise ValueError(
                "`num_frames` must be from 4 to `num_steps`, the number of frames of a sequence. "
                f"Received: num_frames={num_frames}, num_steps={num_steps}."
            )
        self.to_amplitudes = to_amplitudes or (lambda frames: frames)
        self.num_sequences, self.num_steps = num_sequences, num_steps
        self.num_frames, self.neighbours = num_frames, neighbours
        self.temperature, self.seed = temperature, seed
        real = [np.asarray(x) for x in real]
        check_integer("neighbours", neighbours)
        found = pieces(real, num_frames)
        drawn = num_sequences * (num_steps // num_frames)
        if min(len(found), drawn) <= neighbours:
            raise ValueError(
                "`neighbours` must be less than the number of segments, drawn and real. "
                f"Received: neighbours={neighbours}, {drawn} drawn and {len(found)} real ones."
            )
        kept = np.random.default_rng(seed).permutation(len(found))[:max_segments]
        self.real_segments = found[kept]
        self.real_spectra = self._spectra([self.to_amplitudes(x) for x in real])

    def look(self):
        drawn = self.model.generate(
            self.num_steps,
            num_sequences=self.num_sequences,
            temperature=self.temperature,
            seed=self.seed,
        )
        spectra = zip(self._spectra(self.to_amplitudes(drawn)), self.real_spectra, strict=True)
        spectral, modulation = (log_spectral_distance(*pair) for pair in spectra)
        found = precision_recall(
            pieces(drawn, self.num_frames), self.real_segments, self.neighbours
        )
        return {
            "spectral_distance": spectral,
            "modulation_distance": modulation,
            "precision": found.precision,
            "recall": found.recall,
        }

    def _spectra(self, amplitudes):
        modulation = modulation_spectrum(amplitudes, self.num_frames).mean(axis=1)
        return long_term_spectrum(amplitudes), modulation


class BackupAndRestore(keras.callbacks.Callback):
    """Backs up a training after each epoch; `fit`, called again, goes on after the last backup.

    It does what `keras.callbacks.BackupAndRestore` does, for any Keras model, and also:

    - A backup is one file, written whole or not at all, with a hash of its contents. The one
      before it is kept until the next one is written, and is used if the newest is damaged.
    - It holds all variables: weights, those of the optimizer, and the seeds of dropout, so that the
      run ends as an undisturbed one does if its data are a function of the epoch, as those of
      `SequenceModel.fit` are.
    - With many workers all of them have this callback with the same `backup_dir`, a folder on a
      disk that they share. The chief writes, all read.

    Make long epochs shorter by `steps_per_epoch`: what was trained since the last one is lost.

    Args:
        backup_dir: Folder of the backups, of this training alone. It is made if it is missing.
        delete_checkpoint: Whether to delete the backups when the training ends. If not, a `fit`
            that has ended and is called again trains no more.

    Raises:
        ValueError: In `fit`, if the model is not built, `backup_dir` cannot be made, the backup is
            that of another model, or the workers read different backups.
    """

    _NAME = re.compile(r"epoch-([0-9]{6,})\.npz")

    def __init__(self, backup_dir, delete_checkpoint=True):
        super().__init__()
        self.backup_dir = Path(backup_dir)
        self.delete_checkpoint = delete_checkpoint

    def on_train_begin(self, logs=None):
        if not self.model.built:
            raise ValueError(
                "`BackupAndRestore` needs a built model; call the model on a batch, or its "
                f"`build`, before `fit`. Received: model={self.model!r}."
            )
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        if is_chief(self.model.distribute_strategy):
            _make_folder("backup_dir", self.backup_dir)
        epoch = self._restore()
        check_same(
            self.model.distribute_strategy,
            "`backup_dir` must be a folder that all workers share.",
            restored_epochs=epoch,
        )
        if epoch:
            self.model._initial_epoch = epoch  # as Keras's own callback does

    def on_epoch_end(self, epoch, logs=None):
        if is_chief(self.model.distribute_strategy):
            _make_folder("backup_dir", self.backup_dir)
            written = self.backup_dir / f"epoch-{epoch + 1:06d}.npz"
            files.write_atomically(written, _packed(map(_in_numpy, self._variables())))
            for backup in self._backups()[2:]:
                backup.unlink()

    def on_train_end(self, logs=None):
        if self.delete_checkpoint and is_chief(self.model.distribute_strategy):
            for backup in self._backups():
                backup.unlink()
            with contextlib.suppress(OSError):  # there may be other files
                self.backup_dir.rmdir()

    def _backups(self):
        """Returns the files, the newest first."""
        found = [path for path in self.backup_dir.glob("*") if self._NAME.fullmatch(path.name)]
        return sorted(found, key=self._epoch, reverse=True)

    def _epoch(self, path):
        return int(self._NAME.fullmatch(path.name)[1])

    def _restore(self):
        """Restores the newest backup that is whole; returns the number of its epochs, or 0."""
        backups, variables = self._backups(), self._variables()
        for path in backups:
            try:
                values = _unpacked(path)
            except (OSError, files.FileError) as error:
                if path == backups[-1]:
                    raise files.FileError(
                        "the newest backup must be readable, or the one before it; remove the "
                        f"folder to train anew. Received: {files.reason_of(error)}",
                        path,
                    ) from error
                warnings.warn(f"{path} cannot be read; the backup before it is used.", stacklevel=2)
                continue
            if [value.shape for value in values] != [tuple(v.shape) for v in variables]:
                raise ValueError(
                    "`backup_dir` must hold backups of this model; give each training a folder of "
                    f"its own. Received: {path} with other variables."
                )
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            return self._epoch(path)
        return 0

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]


def _make_folder(name, path):
    """Makes the folder that an argument names, with those around it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        wanted = "a file in a folder" if name == "path" else "a folder"
        raise ValueError(
            f"`{name}` must be {wanted}, or a path where one can be made. "
            f"Received: {files.printable(path)}: {files.reason_of(error)}"
        ) from error


def _in_numpy(variable):
    value = keras.ops.convert_to_numpy(variable)
    return value.astype("float32") if value.dtype.kind == "V" else value  # bfloat16, say


_HASH_BYTES = 64  # of SHA-256 in hexadecimal


def _packed(values):
    """Returns the bytes of an `.npz` file whose comment is the hash of all bytes before it."""
    file = io.BytesIO()
    np.savez(file, *values)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = bytes(_HASH_BYTES)
    data = file.getbuffer()
    data[-_HASH_BYTES:] = hashlib.sha256(data[:-_HASH_BYTES]).hexdigest().encode()
    return data


def _unpacked(path):
    """Returns the arrays in a file that `_packed` made.

    Raises:
        FileError: If it is not a regular file, or is damaged.
        OSError: If it cannot be read.
    """
    files.check_regular_file(path)
    data = path.read_bytes()
    if hashlib.sha256(data[:-_HASH_BYTES]).hexdigest().encode() != data[-_HASH_BYTES:]:
        raise files.FileError(
            "the contents must have the hash at their end. Received: others.", path
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return [archive[f"arr_{n}"] for n in range(len(archive.files))]


class PageFile(keras.callbacks.Callback):
    """A callback that writes a page after epochs, whole or not at all. A subclass defines `page`.

    The last epoch of a training is on the page in any case. With many workers all of them make the
    page, and the chief writes it.

    Args:
        path: File to write; its folder is made if it is missing. A file that is there is replaced.
        every: Number of epochs from one page to the next.
        seconds: Least time between two pages, in seconds.

    Raises:
        ValueError: In `fit`, if the folder cannot be made.
    """

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
            _make_folder("path", self.path.parent)
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
            report.write(self.path, page)
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
        self.drawing = (
            check_integer("num_generated", num_generated),
            check_integer("num_steps", num_steps),
            check_number("temperature", temperature, above=0),
            seed,
        )
        self.title = title

    def on_train_begin(self, logs=None):
        if not isinstance(self.model, SequenceModel):
            raise ValueError(
                "`Report` shows a `SequenceModel`. Received: a model of class "
                f"{type(self.model).__name__}."
            )
        super().on_train_begin(logs)

    def page(self, history):
        pieces, worst, drawn, notes = [], [], [], []
        model, nats = self.model, None
        try:
            nats = frame_log_probs(model, self.x)
            drawn = report.drawn(model, self.form, *self.drawing)
        except ValueError as error:  # the weights, or what they give, are not finite
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


def mean_free_energy(model, x, batch_size=32):
    """Returns the mean of F(v_t | context_t) over all frames of sequences, in nats.

    Args:
        model: A `SequenceModel` with an RBM head.
        x: Sequences, as in `fit`.
        batch_size: Number of sequences in a batch.

    Returns:
        A float. It does not contain log Z: compare means of one model only.
    """

    def free_energy(frames, mask):
        return model.head.free_energy(frames, model.contexts(frames, mask))

    return float(_of_frames(model, "free_energy", free_energy, x, batch_size).mean())


def _of_frames(model, name, function, x, batch_size):
    """Returns `function(frames, mask)` of all frames that are not masked, float64."""
    found = []
    compiled = model.compiled_function(name, function, xla=False, reduce_retracing=True)
    for batch in as_dataset(model.head, x, None, batch_size):
        frames, mask = as_pair(batch)
        frames = frames.numpy().astype(model.head.variable_dtype)
        keep = np.ones(frames.shape[:2], bool) if mask is None else mask.numpy()
        found.append(compiled(frames, keep).numpy().astype("float64")[keep])
    return np.concatenate(found)
