"""Square waves from sawtooth: SFMs with options that train, beside LSTM and GRU.

    python benchmarks/tables/waves.py [--rows trial a-sfm-50x4-mean ...] [--quick]

Figure 2 of the SFM paper. The 1,600 waves of a seed train, as section 4.1 has them; 1,000 others
choose the epoch, and 4,000 others test: there 0.9975 has a standard error of 0.0008. Networks have
about 1,100 weights: SFMs of the paper's size, 50 memory units, 4 frequencies and 1 output, and of
ours, 8, 4 and 7; LSTM and GRU. All see (y, t / 125). A linear unit makes a logit of the outputs of
each frame, and the mean over the frames decides. The loss is that of the mean (`mean`) or, as
printed, the mean of those of all frames (`frames`).

Rows `trial-..` train each network with each rate, on waves of a seed of their own. The rate whose
likelihood of the 1,000 others is best is that of the five seeds of the network, which wait for its
trials. Rows `..-long-..` have the loss of the mean, the same rate and three times the epochs.

Results go to `benchmarks/results/waves.json`, a row as soon as it has ended; rows that are there
are kept, and one that was interrupted starts again. `--rows` takes beginnings of names. Row
`printed` is an SFM as printed: its equations, AdaDelta at 1e-4, all weights from -0.1 to 0.1.
"""

import argparse
import math
from pathlib import Path

import keras
import numpy as np
import sfm
import store
from keras import ops

from seqlayers import layers
from seqlayers.datasets import waves

RESULTS = Path(__file__).parents[1] / "results" / "waves.json"

STEADY = {"output_scale": "mean", "frequencies": (64, 2048), "return_sequences": True}
ACCUMULATED = STEADY | {"phase": "accumulated"}
DETACHED = STEADY | {"phase": "product", "detach_frequency": True, "gradient_clip": 1e-3}
NETWORKS = {
    "a-sfm-50x4": lambda: layers.AdaptiveSFM(1, 4, 50, **ACCUMULATED),
    "lstm": lambda: keras.layers.LSTM(15, return_sequences=True),
    "gru": lambda: keras.layers.GRU(18, return_sequences=True),
    "a-sfm-8x4": lambda: layers.AdaptiveSFM(7, 4, 8, **ACCUMULATED),
    "sfm-50x4": lambda: layers.SFM(1, 4, 50, **STEADY),
    "sfm-8x4": lambda: layers.SFM(7, 4, 8, **STEADY),
    "a-sfm-8x4-clip": lambda: layers.AdaptiveSFM(7, 4, 8, **ACCUMULATED, gradient_clip=1e-3),
    "a-sfm-printed-phase": lambda: layers.AdaptiveSFM(7, 4, 8, **DETACHED),
}
PRINTED = "printed"
COURSES = {"mean": ("mean", 40), "frames": ("frames", 40), "long": ("mean", 120)}  # loss, epochs
RATES = (5e-3, 1e-2, 2e-2, 4e-2)
TRIAL_EPOCHS, BATCH = 10, 50
CLIP = {"clipnorm": 0.2}  # of each weight
SEEDS, TRIAL_SEED = range(5), 100
NUM_VALID, NUM_TEST = 1000, 4000
KINDS = ("constant", "rising", "jumping")


def trials(network, loss):
    """Returns the names of the trials of a network, by their rates."""
    return {rate: f"trial-{network}-{loss}-rate{rate:g}" for rate in RATES}


def all_rows():
    """Yields the name of each row, its network, loss, seed, rate and epochs.

    The rate of a seed is None: its trials choose it.
    """
    for course, (loss, epochs) in COURSES.items():
        for network in NETWORKS:
            if course == loss:
                for rate, name in trials(network, loss).items():
                    yield name, network, loss, TRIAL_SEED, rate, TRIAL_EPOCHS
            for seed in SEEDS:
                yield f"{network}-{course}-seed{seed}", network, loss, seed, None, epochs


def best_rate(network, loss, results):
    """Returns the rate of the best trial, or None if one is missing."""
    names = trials(network, loss)
    if not all(name in results for name in names.values()):
        return None
    return max(RATES, key=lambda rate: results[names[rate]]["validation"])


def draw(number, seed, num_samples):
    """Returns frames (y, t / 125) and labels of both splits of waves as one."""
    splits = waves.load(number, num_samples, seed)
    x, y = (np.concatenate(parts) for parts in zip(*splits, strict=True))
    return x / np.float32([1, 125]), y


def kinds(x):
    """Returns the place in `KINDS` of each wave: square or sawtooth without a jump, or with one."""
    steps = np.diff(x[..., 0], axis=1)
    return np.where(np.all(steps == 0, axis=1), 0, np.where(np.all(steps >= 0, axis=1), 1, 2))


class LogitLoss(keras.losses.Loss):
    """Cross-entropy of the mean of all logits `(batch, time, 1)`, or the mean of those of each."""

    def __init__(self, of_frames):
        super().__init__()
        self.of_frames = of_frames

    def call(self, labels, logits):
        logits = logits[..., 0]
        if not self.of_frames:
            logits = ops.mean(logits, axis=1, keepdims=True)
        labels = ops.cast(ops.reshape(labels, (-1, 1)), logits.dtype)
        return ops.mean(ops.softplus(logits) - labels * logits, axis=1)


def task(memory, loss, seed, rate, quick=False):
    """Returns a classifier of the waves of a seed by a recurrent layer, as a `sfm.Task`."""
    number, valid, test, samples = (40, 20, 20, 30) if quick else (2000, NUM_VALID, NUM_TEST, 500)
    (x, y), _ = waves.load(number, samples, seed)
    x = x / np.float32([1, 125])
    frames = keras.Input(x.shape[1:])
    classifier = keras.Model(frames, keras.layers.Dense(1)(memory(frames)))

    def score(split):
        x, y = split
        logits = classifier.predict(x, batch_size=200, verbose=0)[..., 0].astype("float64")
        logits = logits.mean(axis=1)
        nats, wrong, kind = y * logits - np.logaddexp(0, logits), (logits > 0) != y, kinds(x)
        return {
            "nats": float(nats.mean()),
            "accuracy": float(1 - wrong.mean()),
            "errors": {name: int(wrong[kind == k].sum()) for k, name in enumerate(KINDS)},
            "waves": {name: int((kind == k).sum()) for k, name in enumerate(KINDS)},
        }

    return sfm.Task(
        classifier,
        data=(x, y, BATCH),
        batches=-(-len(x) // BATCH),
        epochs=COURSES[loss][1],
        rate=rate,
        clip=CLIP,
        loss=LogitLoss(loss == "frames"),
        every=1,
        valid=draw(valid, 1000 + seed, samples),
        test=draw(test, 2000 + seed, samples),
        score=score,
    )


def run(network, loss, seed, rate, epochs, quick=False):
    """Returns the course of a training of all epochs, and its scores."""
    keras.utils.set_random_seed(seed)
    record = sfm.train(task(NETWORKS[network](), loss, seed, rate, quick), math.inf, epochs)
    return {"seed": seed, "rate": rate} | record


def run_printed(quick=False):
    """Returns how far weights move in a step, and the scores, after an epoch as printed."""
    keras.utils.set_random_seed(SEEDS[0])
    memory = layers.SFM(1, 4, 50, return_sequences=True)
    printed = task(memory, "frames", SEEDS[0], 1e-4, quick)
    network = printed.network
    rng = np.random.default_rng(SEEDS[0])
    first = [rng.uniform(-0.1, 0.1, weight.shape) for weight in network.weights]
    network.set_weights(first)
    adadelta = keras.optimizers.Adadelta(printed.rate, rho=0.95, epsilon=1e-6)
    network.compile(adadelta, loss=printed.loss, jit_compile=True)
    network.fit(*printed.data, verbose=0)
    moved = [np.ravel(w - v) for w, v in zip(network.get_weights(), first, strict=True)]
    moved = np.abs(np.concatenate(moved)) / printed.batches
    moved = {"median": float(np.median(moved)), "largest": float(moved.max())}
    return {"moved_in_a_step": moved, **printed.score(printed.test)}


def try_all():
    """Runs an epoch of each network with each loss on a few short waves, and keeps nothing."""
    print(PRINTED, run_printed(quick=True))
    for loss in ("mean", "frames"):
        for network in NETWORKS:
            print(network, loss, run(network, loss, SEEDS[0], RATES[0], 1, quick=True), flush=True)


def main(beginnings):
    """Runs the rows whose names begin so and that are not there yet."""
    if PRINTED.startswith(beginnings) and PRINTED not in store.read(RESULTS):
        store.keep(RESULTS, PRINTED, run_printed())
    for name, network, loss, seed, rate, epochs in all_rows():
        results = store.read(RESULTS)
        if not name.startswith(beginnings) or name in results:
            continue
        rate = rate or best_rate(network, loss, results)
        if rate is None:
            print(f"{name} waits for rows trial-{network}-{loss}", flush=True)
            continue
        print(name, flush=True)
        store.keep(RESULTS, name, run(network, loss, seed, rate, epochs))
    print(store.TABLES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=[""], help="beginnings of names of rows")
    parser.add_argument("--quick", action="store_true", help="an epoch of a few short waves each")
    arguments = parser.parse_args()
    try_all() if arguments.quick else main(tuple(arguments.rows))
