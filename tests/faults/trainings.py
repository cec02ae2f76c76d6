"""Small trainings that the suites start in processes of their own, and what they leave."""

import io
import json
import os
import signal
import zipfile

import h5py
import numpy as np

from seqlayers import audio
from seqlayers.datasets import labels, midi

RATE = 8000
TINY = "--model rnn-bernoulli --recurrent-units 3 --dropout 0.1 --batch-size 2".split()
TINY += "--epochs 20 --validate-every 5".split()
TINY_SOUND = "--recipe rnn-rbm-spectrograms --hidden-units 4 --recurrent-units 3".split()
TINY_SOUND += "--recurrent-layers 1 --gibbs-steps 1 --sampling-steps 2".split()
TINY_SOUND += "--epochs 8 --validate-every 1 --batch-size 8".split()
SONG_RATE = 32000
TINY_LABELS = "--units 4 --max-steps 200 --epochs 8".split()


def write_music(folder):
    """Writes six small MIDI files and returns the options of a training on them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(6):
        midi.write(folder / f"{n}.mid", (rng.random((8, 88)) < 0.05).astype("uint8"))
    return ["--midi", folder, *TINY]


def write_sounds(folder):
    """Writes two recordings of short calls and returns the options of a training on them."""
    folder.mkdir()
    for seed in range(2):
        rng = np.random.default_rng(seed)
        t = np.arange(6 * RATE) / RATE
        pitch = np.repeat(rng.uniform(500, 3000, 12), RATE // 2)
        loud = (0.2 < t % 0.5) & (t % 0.5 < 0.24)
        x = 0.4 * np.sin(2 * np.pi * pitch * t) * loud + 1e-3 * rng.normal(size=len(t))
        audio.write(folder / f"{seed}.wav", x.astype("float32"), RATE)
    return ["--wav", folder, *TINY_SOUND]


def write_labelled(folder):
    """Writes a recording of tones and their labels; returns the options of a training on them."""
    folder.mkdir()
    t, rng = np.arange(3 * SONG_RATE) / SONG_RATE, np.random.default_rng(0)
    names = rng.choice(["a", "b"], 30).tolist()
    pitch = np.repeat([{"a": 2000, "b": 5000}[name] for name in names], SONG_RATE // 10)
    loud = (0.02 < t % 0.1) & (t % 0.1 < 0.07)
    x = 0.4 * np.sin(2 * np.pi * pitch * t) * loud + 1e-3 * rng.normal(size=len(t))
    audio.write(folder / "song.wav", x.astype("float32"), SONG_RATE)
    starts = 0.1 * np.arange(30) + 0.02
    song = labels.Annotation(np.stack([starts, starts + 0.05], axis=1), names)
    labels.write(folder / "song.txt", song, "audacity")
    return ["--wav", folder, "--labels", folder, *TINY_LABELS]


BATCHES = 120  # of `train_with_keras`, 12 in each epoch


def train_with_keras(folder, last_batch=None):
    """Trains a model by `fit` alone, with Keras's backup, and writes what came of it.

    Args:
        folder: Where the backup is, and `end.npz` in the end.
        last_batch: Number of batches from the beginning after which the process kills itself.
    """
    import keras

    from seqlayers.models import RNNRBM

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if last_batch is not None and int(self.model.optimizer.iterations) >= last_batch:
                os.kill(os.getpid(), signal.SIGKILL)

    rng = np.random.default_rng(0)
    sequences = [(rng.random((n % 5 + 3, 6)) < 0.3).astype("float32") for n in range(24)]
    keras.utils.set_random_seed(0)
    model = RNNRBM(6, hidden_units=5, recurrent_units=4, gibbs_steps=1, seed=0)
    model.compile("adam", jit_compile=False)
    backup = keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True)
    done = model.fit(sequences, batch_size=2, epochs=10, verbose=0, callbacks=[backup, Kill()])
    weights = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    np.savez(folder / "end.npz", *weights, loss=done.history["loss"])


def contents(file):
    """Returns what a `.keras` file holds, as JSON texts and arrays by name."""
    found = {}
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith(".h5"):
                with h5py.File(io.BytesIO(data)) as weights:
                    weights.visititems(
                        lambda key, item: (
                            found.update({key: item[()]})
                            if isinstance(item, h5py.Dataset)
                            else None
                        )
                    )
            elif name != "metadata.json":  # the date
                found[name] = json.loads(data, object_hook=_without_addresses)
    return found


def _without_addresses(config):
    config.pop("shared_object_id", None)  # a place in memory
    return config


def check_same(run, undisturbed):
    """Compares two finished runs bit for bit."""
    for name in ("last.keras", "best.keras"):
        ours, theirs = contents(run / name), contents(undisturbed / name)
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            np.testing.assert_array_equal(ours[key], value, err_msg=f"{name}: {key}")
    table = (run / "metrics.csv").read_bytes()
    assert table == (undisturbed / "metrics.csv").read_bytes()
    assert not list(run.glob(".tmp-*"))
