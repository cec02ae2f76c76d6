"""Polyphonic music: every recipe's log-likelihood beside the printed one, on four sets.

    python benchmarks/tables/music.py [--rows rbm-jsb rnn-nade-jsb ...] [--minutes 60]

Trains recipes (`seqlayers recipes`) one after the other, each in a folder of `--runs`, chooses the
epoch on the validation split and scores the test split once, when the training is complete. A
recipe that has been measured is skipped, also if its options have changed since: `--again` measures
it once more and counts the looks at the test split. A training that was stopped, by Ctrl-C or by
`--minutes`, goes on where it was; pre-training starts again. Each result is written to
`seqlayers/runs/recipes/measured.json` as soon as it is there. The table is printed at the end, and
by `--rows` without names, with the figures of `baselines.py` below it.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

import baselines  # noqa: E402
import keras  # noqa: E402
import store  # noqa: E402

from seqlayers import files  # noqa: E402
from seqlayers.datasets import piano_roll  # noqa: E402
from seqlayers.runs import config as run_config  # noqa: E402
from seqlayers.runs import data as run_data  # noqa: E402
from seqlayers.runs import folder as run_folder  # noqa: E402
from seqlayers.runs import loading, recipes, training  # noqa: E402
from seqlayers.runs.options import upgrade  # noqa: E402

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "seqlayers" / "runs" / "recipes" / recipes.MEASURED
NUM_BETAS = 1000  # annealing steps of the look at the test split
NUM_SAMPLES = 1000  # draws that tighten a lower bound there
MOST_FRAMES = 5_000  # of a test split, for the estimate from the other side: it takes as long again


class Clock(keras.callbacks.Callback):
    """Counts the seconds of a training over all its starts, and ends it when time is up."""

    def __init__(self, file, minutes):
        super().__init__()
        self.file, self.before = file, json.loads(file.read_text()) if file.exists() else 0.0
        self.started, self.ends = time.time(), time.time() + 60 * minutes

    def on_epoch_end(self, epoch, logs=None):
        seconds = self.before + time.time() - self.started
        files.write_atomically(self.file, json.dumps(seconds).encode())
        if time.time() > self.ends:
            self.model.stop_training = True


def train(name, folder, minutes):
    """Returns the best model of a recipe, its history and seconds; None if time was up before."""
    options = recipes.read(name).options
    resume = (folder / run_folder.CONFIG).exists()
    with run_folder.claim(folder, resume=resume):
        if resume and run_config.read_config(folder)["options"] != options:
            raise ValueError(
                "A run must have the options of its recipe; delete it to begin anew. "
                f"Received: {folder}, which has other options."
            )
        data = run_data.read_data(options)
        if not resume:
            run_config.write_config(folder, options, data)
        model, history = training.last_model(folder, options, data)
        clock = Clock(folder / "seconds.json", minutes)
        training.fit(folder, model, history, options, data, callbacks=[clock])
        if not training.finished(history, options):
            return None
        return loading.load_model(folder)[0], history, json.loads(clock.file.read_text())


def measure(name, folder, minutes, looks):
    """Returns the row of `measured.json` for a recipe; None if its training is not complete."""
    trained = train(name, folder, minutes)
    if trained is None:
        return None
    model, history, seconds = trained
    options = recipes.read(name).options
    if hasattr(model.head, "num_betas"):
        # A head alone takes ten times as many.
        model.head.num_betas = NUM_BETAS if model.memory else NUM_BETAS // 10
    if hasattr(model.head, "num_samples"):
        model.head.num_samples = NUM_SAMPLES
    test = piano_roll.load(options["dataset"]).test
    bracket = model.head.kind != "exact" and sum(map(len, test)) <= MOST_FRAMES
    ours = model.score(test, bracket=bracket)
    return {key: getattr(v, "item", lambda v=v: v)() for key, v in ours._asdict().items()} | {
        "validation": training.best_row(history)[training.MONITOR],
        "epochs": len(history),
        "epoch_chosen": training.best_row(history)["epoch"],
        "seconds": round(seconds),
        "seed": options["seed"],
        "weights": model.count_params(),
        "looks": looks + 1,
        "options": options,
    }


def main(rows, folder, minutes, again):
    for name in rows:
        measured = recipes.measured().get(name)
        if measured and not again:
            if upgrade(measured["options"]) != recipes.read(name).options:
                print(
                    f"{name}: the recipe has changed since it was measured; --again measures it "
                    "once more and counts the looks at the test split."
                )
            continue
        print(name, flush=True)
        result = measure(name, folder / name, minutes, (measured or {}).get("looks", 0))
        if result is None:
            print(f"{name}: time is up, to be continued", flush=True)
            continue
        store.keep(MEASURED, name, result)
    print("\ntest split, nats per frame; printed in brackets; < lower bound, ~ estimate")
    models = list(dict.fromkeys(n.removesuffix(f"-{s}") for n, s in map(parts, recipes.names())))
    print(f"{'':16}" + "".join(f"{each:>20}" for each in recipes.SETS))
    for model in models:
        print(f"{model:16}" + "".join(f"{cell(f'{model}-{s}'):>20}" for s in recipes.SETS))
    for baseline, figures in store.read(baselines.RESULTS).items():
        cells = (figures[name]["nats"] for name in recipes.SETS.values())
        print(f"{baseline:16}" + "".join(f"{nats:>20.3f}" for nats in cells))


def parts(name):
    return name, next(s for s in recipes.SETS if name.endswith(f"-{s}"))


def cell(name):
    if name not in recipes.names():
        return ""
    recipe = recipes.read(name)
    printed = f" ({recipe.published:.2f})" if recipe.published is not None else ""
    if recipe.measured is None:
        return f"not run{printed}"
    sign = {"exact": "", "estimate": "~", "lower_bound": "<"}[recipe.measured["kind"]]
    return f"{sign}{recipe.measured['nats']:.3f}{printed}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="*", choices=recipes.names(), default=recipes.names())
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "music")
    parser.add_argument("--minutes", type=float, default=1e6, help="at most, for each row")
    parser.add_argument("--again", action="store_true", help="measure once more what was measured")
    arguments = parser.parse_args()
    main(arguments.rows, arguments.runs, arguments.minutes, arguments.again)
