"""RBM and RNN-RBM on JSB Chorales: our log-likelihoods beside the published ones.

    python benchmarks/tables/rnn_rbm.py [--rows rbm rnn-rbm ...] [--minutes 30]

Trains each row, chooses on the validation split and looks at the test split once, at the end. A row
whose training is cut short by `--minutes` says so. Results go to `benchmarks/results/rnn_rbm.json`,
a row as soon as it is done; rows that are there are kept, so the table can be made a row at a time.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

import keras  # noqa: E402

from seqlayers import files  # noqa: E402
from seqlayers.datasets import piano_roll  # noqa: E402
from seqlayers.heads import ConditionalRBM  # noqa: E402
from seqlayers.models import SequenceModel  # noqa: E402

RESULTS = Path(__file__).parents[1] / "results" / "rnn_rbm.json"
BATCH, EVERY = 16, 50  # sequences in a batch; epochs between looks at the validation split

# Published: table 1 of the RNN-DBN paper. Its RNN-RBM pre-trained by Hessian-free steps has -6.27.
ROWS = {
    "rbm": {
        "published": -7.43,
        "memory": None,
        "hidden": 250,
        "epochs": 400,
        "rate": 3e-3,
        "head": {"gibbs_steps": 5, "persistent_chains": 500, "centering_rate": 0.02},
    },
    "rnn-rbm": {
        "published": -7.27,
        "memory": ("SimpleRNNCell", 150),
        "hidden": 150,
        "epochs": 1000,
        "rate": 3e-3,
    },
}


class Choose(keras.callbacks.Callback):
    """Keeps the weights that were best on the validation split, and ends when time is up."""

    def __init__(self, model, valid, seconds):
        super().__init__()
        self.scored, self.valid = model, valid
        self.ends, self.best, self.curve = time.time() + seconds, -float("inf"), []

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % EVERY:
            return
        nats = self.scored.score(self.valid).nats
        self.curve.append((epoch + 1, round(nats, 4)))
        print(f"  epoch {epoch + 1}: validation {nats:.3f}", flush=True)
        if nats > self.best:
            self.best, self.weights = nats, self.scored.get_weights()
        if time.time() > self.ends:
            self.model.stop_training = True


def run(name, minutes, seed=0):
    """Trains, chooses and scores one row."""
    row, rolls = ROWS[name], piano_roll.load("jsb_chorales")
    started = time.time()
    head = ConditionalRBM(88, row["hidden"], seed=seed, **row.get("head", {}))
    keras.utils.set_random_seed(seed)
    if row["memory"] is None:
        model = SequenceModel(None, head)
        epochs, curve, best = train_rbm(model, rolls, row, minutes, started)
    else:
        cell, units = row["memory"]
        model = SequenceModel(getattr(keras.layers, cell)(units), head)
        data = piano_roll.batches(rolls.train, BATCH, seed=seed, transpose=(-5, 6))
        steps = row["epochs"] * int(data.cardinality())
        schedule = keras.optimizers.schedules.CosineDecay(row["rate"], steps, alpha=0.02)
        model.compile(keras.optimizers.Adam(schedule, global_clipnorm=1.0))
        choose = Choose(model, rolls.valid, 60 * minutes)
        history = model.fit(data, epochs=row["epochs"], callbacks=[choose], verbose=0)
        epochs, curve, best = len(history.epoch), choose.curve, choose.weights
    model.set_weights(best)
    trained = time.time() - started
    head.num_betas = 1000 if model.memory else 200  # without memory ten times as many are taken
    likelihood = model.score(rolls.test, bracket=True)
    return {
        "published": row["published"],
        "ours": likelihood._asdict(),
        "validation": max(nats for _, nats in curve),
        "epochs": epochs,
        "epochs_planned": row["epochs"],
        "training_seconds": round(trained),
        "seed": seed,
        "weights": model.count_params(),
        "curve": curve,
    }


def train_rbm(model, rolls, row, minutes, started):
    """The RBM of single frames, in parts with falling rates."""
    curve, best, epochs, part = [], None, 0, 20
    while epochs < row["epochs"] and time.time() - started < 60 * minutes:
        rate = row["rate"] * (1 - epochs / row["epochs"]) + 1e-5
        adam = keras.optimizers.Adam(rate)
        model.pretrain_head(rolls.train, part, 100, adam, verbose=0, first_epoch=epochs)
        epochs += part
        curve.append((epochs, round(model.score(rolls.valid).nats, 4)))
        print(f"  epoch {epochs}: validation {curve[-1][1]:.3f}", flush=True)
        if curve[-1][1] == max(nats for _, nats in curve):
            best = model.get_weights()
    return epochs, curve, best


def main(rows, minutes):
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in rows:
        print(name, flush=True)
        results[name] = run(name, minutes)
        files.write_atomically(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    print("\nJSB Chorales, test split, nats per frame      published      AIS  from the other side")
    for name, result in results.items():
        ours = result["ours"]
        print(
            f"  {name:12s} {result['weights']:8,} weights, {result['training_seconds']:5d} s, "
            f"{result['epochs']:4d} epochs {result['published']:9.2f} {ours['nats']:9.3f} "
            f"{ours['reverse_nats']:9.3f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--minutes", type=float, default=30, help="at most, for each row")
    arguments = parser.parse_args()
    main(arguments.rows, arguments.minutes)
