"""A backup of a training, with which `fit` goes on after it was killed."""

import contextlib
import hashlib
import io
import re
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np

from seqlayers import files
from seqlayers.callbacks.folders import make_folder
from seqlayers.models.distributed import check_same, is_chief


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
            make_folder("backup_dir", self.backup_dir)
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
            make_folder("backup_dir", self.backup_dir)
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
