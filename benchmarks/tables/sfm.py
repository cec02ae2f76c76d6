"""SFM and Adaptive SFM beside LSTM and GRU: waves classified, and music predicted.

    python benchmarks/tables/sfm.py [--rows waves-1k music-jsb_chorales ...] [--minutes 60]

Figure 2 of the SFM paper, on the waves of its section 4.1: each seed draws waves and weights anew,
and the networks have 1k or 5k weights. All see (y, t / 125), and a sigmoid unit sees the mean of
their outputs over time.

Table 2, on four sets of music, at 139k weights: the Bernoulli log-likelihood, which compares the
models; and the paper's softmax score, by networks trained for it, beside the printed figures and
the best possible one. Rows `seen` make the same score with the frame to be predicted shown.

All networks of a table are trained alike, and steps whose gradient is not finite are left out; the
epoch is chosen on validation data, and the test data are looked at once. Results go to
`benchmarks/results/sfm.json`, a row as soon as it is done, and rows that are there are kept.
`--rows` takes beginnings of names; the order is the program's.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

import keras  # noqa: E402
import numpy as np  # noqa: E402
import store  # noqa: E402

from seqlayers import layers  # noqa: E402
from seqlayers.datasets import piano_roll, waves  # noqa: E402
from seqlayers.heads import BernoulliHead  # noqa: E402
from seqlayers.metrics import softmax_ceiling, softmax_score  # noqa: E402
from seqlayers.models import SequenceModel  # noqa: E402

RESULTS = Path(__file__).parents[1] / "results" / "sfm.json"

# Units; of the SFMs M outputs, K frequencies and D states at each.
SIZES = {
    "waves-1k": {"a-sfm": (7, 4, 8), "sfm": (7, 4, 8), "lstm": 15, "gru": 18},
    "waves-5k": {"a-sfm": (18, 4, 16), "sfm": (18, 4, 16), "lstm": 34, "gru": 39},
    "music": {"a-sfm": (91, 4, 50), "sfm": (91, 4, 50), "lstm": 139, "gru": 164},
}
# The angle w_t t that the paper prints jumps when the frequency moves, by more the later it is:
# over 500 frames its gradient can overflow. "a-sfm" adds the frequencies up, this does as printed.
SIZES["waves-1k"]["a-sfm-printed"] = (7, 4, 8)
WAVES_EPOCHS, WAVES_RATE, WAVES_BATCH, SEEDS = 40, 5e-3, 50, range(5)
WAVES_CLIP = {"clipnorm": 0.2}  # of each weight: over 500 frames their gradients differ widely

PUBLISHED = {  # Table 2
    "musedata": {"a-sfm": -4.80, "sfm": -4.81, "lstm": -5.44, "gru": -5.36},
    "jsb_chorales": {"a-sfm": -5.45, "sfm": -5.47, "lstm": -6.24, "gru": -6.14},
    "piano_midi": {"a-sfm": -6.80, "sfm": -6.76, "lstm": -7.27, "gru": -7.14},
    "nottingham": {"a-sfm": -5.63, "sfm": -5.67, "lstm": -5.60, "gru": -5.63},
}
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


def music_rows(name):
    yield from (f"music-{name}-{model}-bernoulli" for model in SIZES["music"])
    yield from (f"music-{name}-{model}-softmax" for model in SIZES["music"])
    yield f"music-{name}-lstm-seen"


def memory(model, sizes):
    if model in ("lstm", "gru"):
        layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[model]
        return layer(sizes, return_sequences=True)
    M, K, D = sizes
    sizes = {"units": M, "num_frequencies": K, "memory_units": D, "return_sequences": True}
    if model == "sfm":
        return layers.SFM(**sizes)
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


def train(model, data, epochs, batches, rate, clip, choose, loss=None):
    """Fits, sets the chosen weights, and returns the course of the training."""
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * batches, alpha=0.02)
    adam = keras.optimizers.Adam(schedule, **clip)
    # Leaves out steps whose gradient is not finite; otherwise it does nothing in float32.
    adam = keras.optimizers.LossScaleOptimizer(adam, 1.0, dynamic_growth_steps=10**9)
    model.compile(adam, loss=loss, jit_compile=True)
    started = time.time()
    arrays = isinstance(data[0], np.ndarray)  # a dataset draws its own order
    history = model.fit(*data, epochs=epochs, callbacks=[choose], shuffle=arrays, verbose=0)
    model.set_weights(choose.weights)
    return {
        "weights": model.count_params(),
        "epochs": len(history.epoch),
        "epochs_planned": epochs,
        "epoch_chosen": choose.best_epoch,
        "seconds": round(time.time() - started),
        "validation": choose.best,
        "curve": choose.curve,
    }


def run_waves(size, model, seed, minutes):
    """Trains a classifier of the waves of a seed, and scores it on the test waves."""
    splits = waves.load(seed=seed)
    (x, y), (x_test, y_test) = ((x / np.float32([1, 125]), y) for x, y in splits)
    frames = keras.Input(x.shape[1:])
    mean = keras.layers.GlobalAveragePooling1D()(memory(model, SIZES[size][model])(frames))
    network = keras.Model(frames, keras.layers.Dense(1)(mean))

    def nats_and_accuracy(x, y):
        logits = network.predict(x, batch_size=200, verbose=0)[:, 0].astype("float64")
        nats = y * logits - np.logaddexp(0, logits)  # log-likelihood of the right answer
        return float(nats.mean()), float(((logits > 0) == y).mean())

    choose = Choose(lambda: nats_and_accuracy(x[-200:], y[-200:])[0], 1, minutes)
    record = train(
        network,
        (x[:-200], y[:-200], WAVES_BATCH),
        WAVES_EPOCHS,
        -(-len(x[:-200]) // WAVES_BATCH),
        WAVES_RATE,
        WAVES_CLIP,
        choose,
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    nats, accuracy = nats_and_accuracy(x_test, y_test)
    return record | {"nats": nats, "accuracy": accuracy}


def run_music(name, model, score, minutes):
    """Learns to predict a set, and scores the pieces of the test split whole."""
    rolls = piano_roll.load(name)
    batches = piano_roll.batches(rolls.train, MUSIC_BATCH, max_steps=MUSIC_STEPS, transpose=(-5, 6))
    recurrent, epochs = memory(model, SIZES["music"][model]), MUSIC_EPOCHS[name]
    if score == "bernoulli":
        network, loss = SequenceModel(recurrent, BernoulliHead(88, seed=0)), None
    else:
        network, loss = softmax_network(recurrent, score), SoftmaxLoss()
        batches = batches.map(lambda frames, mask: (frames, frames, mask))

    def nats(rolls):
        if score == "bernoulli":
            return network.score(rolls).nats
        return mean_softmax_score(network, rolls)

    choose = Choose(lambda: nats(rolls.valid), max(1, epochs // 20), minutes)
    record = train(
        network,
        (batches,),
        epochs,
        int(batches.cardinality()),
        MUSIC_RATE,
        MUSIC_CLIP,
        choose,
        loss,
    )
    return record | {"nats": nats(rolls.test)}


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


def mean_softmax_score(network, rolls):
    total = count = 0
    for frames, mask in piano_roll.batches(rolls, 32, shuffle=False):
        scores = np.asarray(softmax_score(frames, network.predict_on_batch(frames)), "float64")
        total, count = total + scores[mask].sum(), count + int(np.sum(mask))
    return float(total / count)


def run(row, minutes):
    if row.startswith("waves"):
        size, (model, seed) = row[:8], row[9:].rsplit("-seed", 1)
        keras.utils.set_random_seed(int(seed))
        return {"seed": int(seed)} | run_waves(size, model, int(seed), minutes)
    keras.utils.set_random_seed(0)
    _, name, rest = row.split("-", 2)
    return {"seed": 0} | run_music(name, *rest.rsplit("-", 1), minutes)


def print_tables(results):
    print("\nWaves, means over seeds: test accuracy (least to most) and nats of the right answer")
    for size in ("waves-1k", "waves-5k"):
        for model in SIZES[size]:
            of = [r for name, r in results.items() if name.startswith(f"{size}-{model}-seed")]
            if of:
                mean = {k: np.mean([r[k] for r in of]) for k in ("accuracy", "nats", "seconds")}
                accuracy = [r["accuracy"] for r in of]
                print(
                    f"  {size} {model:14s} {of[0]['weights']:6,} weights, {len(of)} seeds, "
                    f"{mean['seconds']:5.0f} s: {mean['accuracy']:.4f} "
                    f"({min(accuracy):.4f} to {max(accuracy):.4f}) {mean['nats']:8.4f}"
                )

    print("\nMusic, test split, nats per frame")
    print("                           weights  Bernoulli    softmax    printed       seen    best")
    for name, printed in PUBLISHED.items():
        for model in SIZES["music"]:
            rows = {
                score: results.get(f"music-{name}-{model}-{score}", {})
                for score in ("bernoulli", "softmax", "seen")
            }
            if not any(rows.values()):
                continue
            values = [r.get("nats", np.nan) for r in rows.values()]
            values.insert(2, printed[model])
            text = "".join(" " * 11 if np.isnan(v) else f"{v:11.3f}" for v in values)
            weights = next(r["weights"] for r in rows.values() if r)
            best = results["ceilings"][name]
            print(f"  {name:13s} {model:10s} {weights:7,}{text} {best:7.2f}")


def main(beginnings, minutes):
    ceilings = {
        name: float(softmax_ceiling(np.concatenate(piano_roll.load(name).test)).mean())
        for name in PUBLISHED
    }
    store.keep(RESULTS, "ceilings", ceilings)
    for row in all_rows():
        if row.startswith(beginnings) and row not in store.read(RESULTS):
            print(row, flush=True)
            store.keep(RESULTS, row, run(row, minutes))
    print_tables(store.read(RESULTS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=[""], help="beginnings of names of rows")
    parser.add_argument("--minutes", type=float, default=60, help="at most, for each row")
    arguments = parser.parse_args()
    main(tuple(arguments.rows), arguments.minutes)
