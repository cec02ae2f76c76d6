"""Phones: LSTMs over patches beside LSTMs and feed-forward networks, and SFM beside its like.

    python benchmarks/tables/clstm.py [--rows heads-lstmp+relu ...] [--timit FILE]

Frame phone error on the sample of TIMIT, 61 phones, 128 sentences of 16 speakers without `sa`, in
five folds by speaker. A sixth of the training speakers of a fold are for validation.

Rows `heads-..` are the networks of the CLSTM paper's tables, with sizes that suit six minutes of
speech: 40 log-mel bands and the energy, with deltas and their deltas; labels 5 frames late; ReLU
layers stand on top, and the energy goes past the patches to what is above them. Rows `cells-..` are
those of Figure 4 of the SFM paper: 12 MFCC, log energy and deltas, labels on time, one recurrent
layer of about 80,000 weights with the output layer; `parallel` is an SFM with `gates="input"`.

All networks see chunks of a second that overlap by 20 frames, normal noise on their inputs, Adam
and the same number of epochs; the epoch is chosen on validation. Each row first tries the same
three rates of dropout on fold 0 and takes the one that validates best; then the test speakers of
the five folds are looked at, once. The row `pace-cells` has seconds of a step, for which the
machine should be quiet; by these, rows `timed-cells-..` train for the seconds of the LSTM. Results
go to `benchmarks/results/clstm.json`, a row as soon as it is done, and rows that are there are
kept. `--rows` takes beginnings of names; the order is the program's.
"""

import argparse
import functools
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pace  # noqa: E402
import store  # noqa: E402
from min_gru import MinGRU  # noqa: E402

from seqlayers import audio, layers  # noqa: E402
from seqlayers.datasets import chunking, speech  # noqa: E402

RESULTS = Path(__file__).parents[1] / "results" / "clstm.json"
TIMIT = Path(__file__).parents[2] / ".." / "shared" / "data" / "speech" / "timit_sample.npz"

BANDS, CONTEXT = 40, 11  # bands beside the energy; frames that a network without memory sees
LENGTH, OVERLAP, BATCH = 100, 20, 16  # of a chunk; chunks of a batch
EPOCHS, RATE, NOISE, DROPOUTS, SEED = 30, 3e-3, 0.5, (0.2, 0.35, 0.5), 0
DELAY = {"heads": 5, "cells": 0}


# The parts of a network. Their names give the kind of the units, except those of ReLU layers.


def layer(make, *args, **kwargs):
    return lambda: make(*args, **kwargs)


def lstm(units, projection=None, of=layers.PeepholeLSTM, **kwargs):
    return layer(of, units, projection_units=projection, return_sequences=True, **kwargs)


def clstm(units, projection=None, patch_size=17):  # 24 patches: what Table 3's weights speak of
    patch = {"patch_size": patch_size, "patch_stride": 1}
    return lstm(units, projection, layers.ConvLSTMPatch, **patch)


def cnn(units, frames=1):
    """Filters over frames and patches of bands, and pools of three of these."""
    past = keras.layers.ZeroPadding2D(((frames - 1, 0), (0, 0)))
    return lambda: keras.Sequential(
        [
            past,
            keras.layers.Conv2D(units, (frames, 17), activation="relu"),
            keras.layers.MaxPooling2D((1, 3)),
        ]
    )


def recurrent(make, *args, **kwargs):
    return layer(make, *args, return_sequences=True, **kwargs)


def bidirectional(units):
    return lambda: keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True))


RELU = (layer(keras.layers.Dense, 256, activation="relu"),) * 3
WINDOW = layer(keras.layers.Conv1D, 256, CONTEXT, padding="causal", activation="relu")
NETWORKS = {  # what reads bands and their deltas, and what stands above it and the energy
    "heads-lstmp+relu": ((), (lstm(256, 96), *RELU)),
    "heads-clstmp+lstmp+relu": ((clstm(48, 32),), (lstm(152, 96), *RELU)),
    "cells-lstm": ((), (recurrent(keras.layers.LSTM, 122),)),
    "cells-sfm": ((), (recurrent(layers.SFM, 58, 8, 30),)),
    "cells-a-sfm": ((), (recurrent(layers.AdaptiveSFM, 57, 8, 30, phase="accumulated"),)),
    "cells-parallel": ((), (recurrent(layers.SFM, 101, 8, 30, gates="input"),)),
    "cells-min-gru": ((), (recurrent(MinGRU, 695),)),
    "heads-lstmp": ((), (lstm(256, 96),)),
    "heads-lstm+relu": ((), (lstm(96), *RELU)),
    "heads-clstm32+relu": ((clstm(32),), RELU),
    "heads-cnn+lstmp+relu": ((cnn(16),), (lstm(240, 96), *RELU)),
    "heads-clstm48+relu": ((clstm(48),), RELU),
    "heads-clstm16+relu": ((clstm(16),), RELU),
    "heads-clstmp48+relu": ((clstm(48, 16),), RELU),
    "heads-2clstm+relu": ((clstm(32), clstm(32, patch_size=3)), RELU),
    "cells-gru": ((), (recurrent(keras.layers.GRU, 141),)),
    "cells-bi-lstm": ((), (bidirectional(81),)),
    "heads-lstm": ((), (lstm(96),)),
    "heads-cnn+relu": ((cnn(32, CONTEXT),), RELU),
    "heads-ffnn": ((), (WINDOW, *RELU)),
}
TIMED = ("parallel", "min-gru", "sfm", "gru")  # trained for the seconds of the LSTM, too


def all_rows():
    """Yields names of rows, those that teach most first."""
    yield from NETWORKS
    yield "pace-cells"
    yield from (f"timed-cells-{cell}" for cell in TIMED)


def network(row, dropout):
    """Returns a model of logits `(batch, time, 61)` from frames `(batch, time, features)`."""
    of_bands, above = NETWORKS[row]
    frames = keras.Input((None, 3 * (BANDS + 1) if row.startswith("heads") else 26))
    x = keras.layers.GaussianNoise(NOISE)(frames)
    if of_bands:
        x = keras.layers.Reshape((-1, BANDS + 1, 3))(x)
        x, energy = x[:, :, :BANDS], x[:, :, BANDS]
        for make in of_bands:
            x = keras.layers.Dropout(dropout)(make()(x))
        x = keras.layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
        x = keras.layers.Concatenate()([x, energy])
    for make in above:
        x = keras.layers.Dropout(dropout)(make()(x))
    return keras.Model(frames, keras.layers.Dense(len(speech.TIMIT_PHONES))(x))


# Data.


def features(utterances, table):
    """Returns normalised features `(time, features)` of each utterance, speaker by speaker."""

    def of(samples, rate):
        if table == "cells":
            return audio.with_deltas(audio.mfcc(samples, rate), order=1)
        bands = audio.with_deltas(audio.log_mel(samples, rate, BANDS), channels=True)
        return bands.reshape(len(bands), -1)  # band by band, each with its deltas

    frames = [of(u.samples, u.sample_rate) for u in utterances]
    return audio.normalize(frames, [u.speaker for u in utterances])


def name_of(utterance):
    return utterance.speaker, utterance.sentence


def chunks(utterances, data, length, overlap, delay):
    """Returns the chunks of all utterances, joined."""
    parts = [chunking.chunk(*data[name_of(u)], length, overlap, delay) for u in utterances]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def errors(model, utterances, data, delay):
    """Returns the numbers of frames whose largest logit is not that of their phone, and of all."""
    longest = max(len(data[name_of(u)][1]) for u in utterances) + delay
    x, y, mask = chunks(utterances, data, longest, delay, delay)  # each utterance is one chunk
    wrong = np.argmax(model.predict(x, batch_size=32, verbose=0), axis=-1) != y
    return int(wrong[mask].sum()), int(mask.sum())


# Training.


class Choose(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the least error on validation data."""

    def __init__(self, error):
        super().__init__()
        self.error, self.curve, self.weights = error, [], None

    def on_epoch_end(self, epoch, logs=None):
        error = self.error(self.model)
        if error < min(self.curve, default=np.inf):
            self.weights = self.model.get_weights()
        self.curve.append(error)


class Task(NamedTuple):
    """The data, the epochs and the compilation that all trainings of a row share."""

    row: str
    epochs: int
    jit_compile: Any
    data: Any
    folds: Any

    @property
    def delay(self):
        return DELAY[self.row.split("-")[0]]


def task_of(row, utterances):
    """Returns the task of a row, for `EPOCHS` epochs as Keras compiles them."""
    labels = [speech.frame_labels(u, speech.TIMIT_PHONES) for u in utterances]
    pairs = zip(features(utterances, row.split("-")[0]), labels, strict=True)
    data = dict(zip(map(name_of, utterances), pairs, strict=True))
    folds = []
    for number, (rest, test) in enumerate(speech.folds(utterances)):
        fit, valid = speech.folds(rest, 6, seed=number)[0]
        folds.append((fit, valid, test))
    return Task(row, EPOCHS, "auto", data, folds)


def compiled(task, fold, dropout):
    """Returns a network, and the arrays that it is to fit."""
    keras.utils.set_random_seed(SEED + fold)
    model = network(task.row, dropout)
    x, y, mask = chunks(task.folds[fold][0], task.data, LENGTH, OVERLAP, task.delay)
    schedule = keras.optimizers.schedules.CosineDecay(
        RATE, task.epochs * -(-len(x) // BATCH), alpha=0.02
    )
    model.compile(
        keras.optimizers.Adam(schedule, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=task.jit_compile,
    )
    return model, (x, y, mask.astype("float32"))


def train(task, fold, dropout):
    """Returns a network with the weights of its best epoch, and the errors on validation data."""

    def error(model):
        wrong, frames = errors(model, task.folds[fold][1], task.data, task.delay)
        return wrong / frames

    choose = Choose(error)
    model, (x, y, weights) = compiled(task, fold, dropout)
    model.fit(x, y, BATCH, task.epochs, sample_weight=weights, callbacks=[choose], verbose=0)
    model.set_weights(choose.weights)
    return model, choose.curve


def run(task):
    """Tunes dropout on fold 0, then trains and tests on all folds."""
    started = time.time()

    def tried(fold, dropout):
        model, curve = train(task, fold, dropout)
        best = int(np.argmin(curve))
        print(f"  fold {fold}, dropout {dropout}: {curve[best]:.4f} at {best + 1}", flush=True)
        return model, {"validation": curve[best], "epoch_chosen": best + 1}

    trials = {dropout: tried(0, dropout) for dropout in DROPOUTS}
    dropout = min(trials, key=lambda d: trials[d][1]["validation"])
    records = []
    for fold, (_, _, test) in enumerate(task.folds):
        model, record = trials[dropout] if fold == 0 else tried(fold, dropout)
        wrong, frames = errors(model, test, task.data, task.delay)
        records.append(record | {"test": wrong / frames, "frames": frames})
        print(f"  fold {fold}: test {wrong / frames:.4f}", flush=True)
    return {
        "seed": SEED,
        "epochs": task.epochs,
        "weights": model.count_params(),
        "dropout": dropout,
        "tried": {str(d): record["validation"] for d, (_, record) in trials.items()},
        "folds": records,
        "seconds": round(time.time() - started),
    }


def measure_pace(utterances):
    """Returns the seconds of a step on fold 0."""

    def network(cell, jit_compile):
        task = task_of(f"cells-{cell}", utterances)._replace(jit_compile=jit_compile)
        model, arrays = compiled(task, 0, DROPOUTS[0])
        return functools.partial(model.train_on_batch, *(array[:BATCH] for array in arrays))

    return pace.measure({cell: functools.partial(network, cell) for cell in ("lstm", *TIMED)})


def run_timed(cell, utterances):
    """Trains as `run`, for as many epochs as take the seconds of the LSTM."""
    seconds = store.read(RESULTS)["pace-cells"]
    epochs, mode = pace.epochs_in_time_of(seconds["lstm"], EPOCHS, seconds[cell])
    task = task_of(f"cells-{cell}", utterances)
    return run(task._replace(epochs=epochs, jit_compile=mode == "compiled")) | {"mode": mode}


# Results.


def print_table(results, table, against):
    """Errors over folds; changes are relative and paired, fold by fold."""
    print(f"\n{table}: frame error on test speakers, mean and deviation over 5 folds")
    rows = {name: r for name, r in results.items() if name.startswith((table, *against))}

    def test(name):
        return np.array([fold["test"] for fold in rows[name]["folds"]])

    references = [name for name in against if name in rows]
    best = min(references, key=lambda name: test(name).mean(), default=None)
    for name in sorted(rows, key=lambda name: test(name).mean()):
        error, row = test(name), rows[name]
        text = (
            f"  {name:26s} {row['weights']:8,} weights  {error.mean():.4f} {error.std(ddof=1):.4f}"
        )
        if best:
            change = 100 * (error / test(best) - 1)
            text += f"  {change.mean():+5.1f} % ({change.min():+.1f} to {change.max():+.1f})"
        print(f"{text}  dropout {row['dropout']}, {row['seconds']} s")
    if best:
        print(f"  Changes are against {best}.")


def main(beginnings, timit):
    utterances = None
    for row in all_rows():
        if row.startswith(beginnings) and row not in store.read(RESULTS):
            utterances = utterances or speech.load_timit(timit)
            print(row, flush=True)
            if row == "pace-cells":
                record = measure_pace(utterances)
            elif row.startswith("timed-"):
                record = run_timed(row.removeprefix("timed-cells-"), utterances)
            else:
                record = run(task_of(row, utterances))
            store.keep(RESULTS, row, record)
    lstms = ("heads-lstm", "heads-lstmp", "heads-lstm+relu", "heads-lstmp+relu")
    print_table(store.read(RESULTS), "heads", lstms)
    print_table(store.read(RESULTS), "cells", ("cells-lstm",))
    print_table(store.read(RESULTS), "timed-cells", ("cells-lstm",))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=[""], help="beginnings of names of rows")
    parser.add_argument("--timit", default=TIMIT, help="the sample of TIMIT")
    arguments = parser.parse_args()
    main(tuple(arguments.rows), arguments.timit)
