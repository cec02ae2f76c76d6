"""SFM, recurrent and parallel, beside LSTM, GRU and minGRU: waves classified, and music predicted.

    python benchmarks/tables/sfm.py [--rows waves-1k music-jsb_chorales ...] [--minutes 60]

Figure 2 of the SFM paper, on the waves of its section 4.1: each seed draws waves and weights anew,
and the networks have 1k or 5k weights. All see (y, t / 125), and a sigmoid unit sees the mean of
their outputs over time.

Table 2, on four sets of music, at 139k weights: the Bernoulli log-likelihood, which compares the
models; and the paper's softmax score, by networks trained for it, with the best possible one of
each set (`ceilings`). Rows `seen` make the same score with the frame to be predicted shown.

Rows of music keep the total and the number of frames of each piece of the test split, from which
errors of leads are made. All networks of a table are trained alike, and steps whose gradient is
not finite are left out; the epoch is chosen on validation data, and the test data are looked at
once. Rows `pace-..` measure seconds of a step, for which the machine should be quiet; by these,
rows `timed-..` train for the seconds of the LSTM. Results go to `benchmarks/results/sfm.json`, a
row as soon as it is done, and rows that are there are kept. `--rows` takes beginnings of names; the
order is the program's.
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
from keras import ops  # noqa: E402
from min_gru import MinGRU  # noqa: E402

from seqlayers import layers  # noqa: E402
from seqlayers.datasets import piano_roll, waves  # noqa: E402
from seqlayers.heads import BernoulliHead  # noqa: E402
from seqlayers.metrics import softmax_ceiling, softmax_score  # noqa: E402
from seqlayers.models import SequenceModel  # noqa: E402

RESULTS = Path(__file__).parents[1] / "results" / "sfm.json"

# Units; of the SFMs M outputs, K frequencies and D states at each. "parallel" is an SFM whose gates
# see the input alone.
SIZES = {
    "waves-1k": {
        "a-sfm": (7, 4, 8),
        "sfm": (7, 4, 8),
        "parallel": (11, 4, 8),
        "lstm": 15,
        "gru": 18,
        "min-gru": 143,
    },
    "waves-5k": {
        "a-sfm": (18, 4, 16),
        "sfm": (18, 4, 16),
        "parallel": (33, 4, 16),
        "lstm": 34,
        "gru": 39,
        "min-gru": 710,
    },
    "music": {
        "a-sfm": (91, 4, 50),
        "sfm": (91, 4, 50),
        "parallel": (148, 4, 50),
        "lstm": 139,
        "gru": 164,
        "min-gru": 522,
    },
}
# The angle w_t t that the paper prints jumps when the frequency moves, by more the later it is:
# over 500 frames its gradient can overflow. "a-sfm" adds the frequencies up, this does as printed.
SIZES["waves-1k"]["a-sfm-printed"] = (7, 4, 8)
PLAIN = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "min-gru": MinGRU}
# Trained for the seconds of the LSTM, too.
TIMED = ("parallel", "min-gru", "sfm", "gru")
TIMED_ROWS = {
    "music-jsb_chorales": "music-jsb_chorales-{}-bernoulli",
    "waves-1k": "waves-1k-{}-seed0",
    "music-nottingham": "music-nottingham-{}-bernoulli",
    "waves-5k": "waves-5k-{}-seed0",
}
WAVES_EPOCHS, WAVES_RATE, WAVES_BATCH, SEEDS = 40, 5e-3, 50, range(5)
WAVES_CLIP = {"clipnorm": 0.2}  # of each weight: over 500 frames their gradients differ widely

MUSIC_EPOCHS = {"jsb_chorales": 150, "nottingham": 15, "piano_midi": 40, "musedata": 12}
MUSIC_RATE, MUSIC_BATCH, MUSIC_STEPS = 3e-3, 16, 200
MUSIC_CLIP = {"global_clipnorm": 1.0}


def all_rows():
    """Yields names of rows, those that teach most first."""
    first, second = "waves-1k", "waves-5k"
    yield from (f"{first}-{model}-seed0" for model in SIZES[first])
    yield from music_rows("jsb_chorales")
    yield from (f"{second}-{model}-seed0" for model in SIZES[second])
    for name in ("nottingham", "piano_midi", "musedata"):
        yield from music_rows(name)
    for seed in SEEDS[1:]:
        for size in (first, second):
            yield from (f"{size}-{m}-seed{seed}" for m in SIZES[size] if m != "a-sfm-printed")
    for name in TIMED_ROWS:
        yield f"pace-{name}"
        yield from (f"timed-{TIMED_ROWS[name].format(model)}" for model in TIMED)


def music_rows(name):
    yield from (f"music-{name}-{model}-bernoulli" for model in SIZES["music"])
    yield from (f"music-{name}-{model}-softmax" for model in SIZES["music"])
    yield f"music-{name}-lstm-seen"


def memory(model, sizes):
    if model in PLAIN:
        return PLAIN[model](sizes, return_sequences=True)
    M, K, D = sizes
    sizes = {"units": M, "num_frequencies": K, "memory_units": D, "return_sequences": True}
    if model in ("sfm", "parallel"):
        return layers.SFM(**sizes, gates="input" if model == "parallel" else "recurrent")
    phase = "product" if model == "a-sfm-printed" else "accumulated"
    return layers.AdaptiveSFM(**sizes, phase=phase)


class Choose(keras.callbacks.Callback):
    """Keeps the weights that scored best on validation data, and ends when time is up."""

    def __init__(self, score, every, minutes):
        super().__init__()
        self.score, self.every, self.ends = score, every, time.time() + 60 * minutes
        self.best, self.curve, self.weights = -np.inf, [], None

    def on_epoch_end(self, epoch, logs=None):
        late = time.time() > self.ends
        if (epoch + 1) % self.every and not late:
            return
        score = self.score()
        self.curve.append((epoch + 1, round(score, 4)))
        print(f"  epoch {epoch + 1}: validation {score:.4f}", flush=True)
        if score > self.best:
            self.best, self.best_epoch, self.weights = score, epoch + 1, self.model.get_weights()
        if late:
            self.model.stop_training = True


class Task(NamedTuple):
    """A network to train, on what, for how long, and how it is scored."""

    network: Any
    data: Any  # arguments of `fit`
    batches: int
    epochs: int
    rate: float
    clip: Any
    loss: Any
    every: int  # epochs between two looks at the validation split
    valid: Any
    test: Any
    score: Any  # a function of a split: figures, `nats` among them


def waves_task(size, model, seed):
    """Returns a classifier of the waves of a seed."""
    splits = waves.load(seed=seed)
    (x, y), test = ((x / np.float32([1, 125]), y) for x, y in splits)
    frames = keras.Input(x.shape[1:])
    mean = keras.layers.GlobalAveragePooling1D()(memory(model, SIZES[size][model])(frames))
    network = keras.Model(frames, keras.layers.Dense(1)(mean))

    def score(split):
        x, y = split
        logits = network.predict(x, batch_size=200, verbose=0)[:, 0].astype("float64")
        nats = y * logits - np.logaddexp(0, logits)  # log-likelihood of the right answer
        return {"nats": float(nats.mean()), "accuracy": float(((logits > 0) == y).mean())}

    return Task(
        network,
        data=(x[:-200], y[:-200], WAVES_BATCH),
        batches=-(-len(x[:-200]) // WAVES_BATCH),
        epochs=WAVES_EPOCHS,
        rate=WAVES_RATE,
        clip=WAVES_CLIP,
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        every=1,
        valid=(x[-200:], y[-200:]),
        test=test,
        score=score,
    )


def music_task(name, model, score):
    """Returns a predictor of a set, which scores the pieces of a split whole."""
    rolls = piano_roll.load(name)
    batches = piano_roll.batches(rolls.train, MUSIC_BATCH, max_steps=MUSIC_STEPS, transpose=(-5, 6))
    recurrent = memory(model, SIZES["music"][model])
    if score == "bernoulli":
        network, loss = SequenceModel(recurrent, BernoulliHead(88, seed=0)), None
    else:
        network, loss = softmax_network(recurrent, score), SoftmaxLoss()
        batches = batches.map(lambda frames, mask: (frames, frames, mask))

    def nats(rolls):
        if score == "bernoulli":
            frames = network.frame_log_probs(rolls)
        else:
            frames = softmax_scores(network, rolls)
        pieces = [(float(np.sum(each, dtype="float64")), len(each)) for each in frames]
        total, count = np.sum(pieces, axis=0)
        return {"nats": float(total / count), "pieces": pieces}

    return Task(
        network,
        data=(batches,),
        batches=int(batches.cardinality()),
        epochs=MUSIC_EPOCHS[name],
        rate=MUSIC_RATE,
        clip=MUSIC_CLIP,
        loss=loss,
        every=max(1, MUSIC_EPOCHS[name] // 20),
        valid=rolls.valid,
        test=rolls.test,
        score=nats,
    )


class FiniteAdam(keras.optimizers.Adam):
    """Adam that leaves out steps whose gradient is not finite."""

    def apply(self, grads, trainable_variables=None):
        finite = ops.all(ops.stack([ops.all(ops.isfinite(gradient)) for gradient in grads]))
        step = super().apply
        ops.cond(finite, lambda: step(grads, trainable_variables), lambda: None)


def compile_network(task, epochs, jit_compile=True):
    schedule = keras.optimizers.schedules.CosineDecay(task.rate, epochs * task.batches, alpha=0.02)
    adam = FiniteAdam(schedule, **task.clip)
    task.network.compile(adam, loss=task.loss, jit_compile=jit_compile)


def train(task, minutes, epochs=None, jit_compile=True):
    """Trains with the weights chosen, and scores the test split.

    Args:
        task: A `Task`.
        minutes: Most minutes that it may take.
        epochs: Number of epochs, if not that of the task.
        jit_compile: Whether XLA compiles the whole step.

    Returns:
        The course of the training and the scores.
    """
    epochs = epochs or task.epochs
    choose = Choose(lambda: task.score(task.valid)["nats"], task.every, minutes)
    started = time.time()
    compile_network(task, epochs, jit_compile)
    arrays = isinstance(task.data[0], np.ndarray)  # a dataset draws its own order
    history = task.network.fit(
        *task.data, epochs=epochs, callbacks=[choose], shuffle=arrays, verbose=0
    )
    task.network.set_weights(choose.weights)
    return {
        "weights": task.network.count_params(),
        "epochs": len(history.epoch),
        "epochs_planned": epochs,
        "epoch_chosen": choose.best_epoch,
        "seconds": round(time.time() - started),
        "validation": choose.best,
        "curve": choose.curve,
        **task.score(task.test),
    }


def softmax_network(recurrent, score):
    """Returns a model of logits of each frame from those before; with "seen" from itself, too."""
    frames = keras.Input((None, 88))
    context = recurrent(frames)
    if score != "seen":
        context = layers.Delay()(context)
    return keras.Model(frames, keras.layers.Dense(88)(context))


class SoftmaxLoss(keras.losses.Loss):
    """The negative of the softmax score, the mean over frames that are not padded."""

    def __init__(self):
        super().__init__(reduction="mean_with_sample_weight")

    def call(self, frames, logits):
        return -softmax_score(frames, logits)


def softmax_scores(network, rolls):
    """Returns the score of each frame, piece by piece in the order of their batches."""
    scores = []
    for frames, mask in piano_roll.batches(rolls, 32, shuffle=False):
        batch = np.asarray(softmax_score(frames, network.predict_on_batch(frames)))
        rows = zip(batch, np.asarray(mask), strict=True)  # the last ones may be empty
        scores += [row[real] for row, real in rows if real.any()]
    return scores


def task_of(row):
    """Returns the task of a row; the seed is set, so that its weights are the same each time."""
    seed = seed_of(row)
    keras.utils.set_random_seed(seed)
    if row.startswith("waves"):
        return waves_task(row[:8], row[9:].rsplit("-seed", 1)[0], seed)
    _, name, rest = row.split("-", 2)
    return music_task(name, *rest.rsplit("-", 1))


def seed_of(row):
    return int(row.rsplit("-seed", 1)[1]) if row.startswith("waves") else 0


def run(row, minutes):
    return {"seed": seed_of(row)} | train(task_of(row), minutes)


def measure_pace(name):
    """Returns the seconds of a step, on the first batch of the training data."""

    def network(row, jit_compile):
        task = task_of(row)
        compile_network(task, task.epochs, jit_compile)
        if isinstance(task.data[0], np.ndarray):
            x, y, size = task.data
            return functools.partial(task.network.train_on_batch, x[:size], y[:size])
        return functools.partial(task.network.train_on_batch, *next(iter(task.data[0])))

    rows = {model: TIMED_ROWS[name].format(model) for model in ("lstm", *TIMED)}
    return pace.measure({model: functools.partial(network, row) for model, row in rows.items()})


def run_timed(row, minutes):
    """Trains for as many epochs as take the seconds of the LSTM on the same data."""
    task, results = task_of(row), store.read(RESULTS)
    (name,) = (name for name in TIMED_ROWS if row.startswith(f"{name}-"))
    (model,) = (model for model in TIMED if TIMED_ROWS[name].format(model) == row)
    seconds = results[f"pace-{name}"]
    epochs, mode = pace.epochs_in_time_of(seconds["lstm"], task.epochs, seconds[model])
    return {"seed": seed_of(row), "mode": mode} | train(task, minutes, epochs, mode == "compiled")


def main(beginnings, minutes):
    ceilings = {
        name: float(softmax_ceiling(np.concatenate(piano_roll.load(name).test)).mean())
        for name in MUSIC_EPOCHS
    }
    store.keep(RESULTS, "ceilings", ceilings)
    for row in all_rows():
        if row.startswith(beginnings) and row not in store.read(RESULTS):
            print(row, flush=True)
            kind, _, plain = row.partition("-")
            if kind == "pace":
                record = measure_pace(plain)
            elif kind == "timed":
                record = run_timed(plain, minutes)
            else:
                record = run(row, minutes)
            store.keep(RESULTS, row, record)
    print(store.TABLES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=[""], help="beginnings of names of rows")
    parser.add_argument("--minutes", type=float, default=60, help="at most, for each row")
    arguments = parser.parse_args()
    main(tuple(arguments.rows), arguments.minutes)
