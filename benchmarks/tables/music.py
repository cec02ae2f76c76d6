"""Polyphonic music: every recipe's log-likelihood beside the printed one, on four sets.

    python benchmarks/tables/music.py [--rows rbm-jsb rnn-nade-jsb ...] [--minutes 60]
    python benchmarks/tables/music.py --rows tied-nade-jsb --seeds 1 2
    python benchmarks/tables/music.py --rows tied-nade-recall-jsb --mix tied-nade-jsb

Trains recipes (`seqlayers recipes`) one after the other, each in a folder of `--runs`, chooses the
epoch on the validation split and scores the test split once, when the training is complete. A
recipe that has been measured is skipped, also if its options have changed since: `--again` measures
it once more and counts the looks at the test split. A training that was stopped, by Ctrl-C or by
`--minutes`, goes on where it was; pre-training starts again. Each result is written to
`seqlayers/runs/recipes/measured.json` as soon as it is there. The table is printed at the end, and
by `--rows` without names, with the figures of `baselines.py` below it.

`--seeds` trains a measured recipe of an exact head with more seeds, and mixes all its models: the
row gets `other_seeds` and `mixture`. `--mix` mixes a measured recipe with other runs of `--runs`
on its set: the row gets `mixture`, with its runs and its validation. An error is the standard
deviation over resamples of the pieces of the test split.

Estimates and bounds by annealing are made with 1,000 steps, and once more with 100, which the row
has in `by_betas`: they differ where annealing has not converged. The estimate from the other side
takes as long again, so that of a large test split is the difference of the two sides on some of its
pieces, drawn by a seed, of `reverse_frames` frames.
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
import numpy as np  # noqa: E402
import store  # noqa: E402

from seqlayers import files, models  # noqa: E402
from seqlayers.datasets import piano_roll  # noqa: E402
from seqlayers.metrics import bootstrap_error  # noqa: E402
from seqlayers.models.likelihood import likelihood_and_frames  # noqa: E402
from seqlayers.runs import checkpoints, loading, recipes, training  # noqa: E402
from seqlayers.runs import config as run_config  # noqa: E402
from seqlayers.runs import data as run_data  # noqa: E402
from seqlayers.runs import folder as run_folder  # noqa: E402
from seqlayers.runs.history import MONITOR, best_row, finished  # noqa: E402
from seqlayers.runs.options import upgrade  # noqa: E402

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "seqlayers" / "runs" / "recipes" / recipes.MEASURED
NUM_BETAS = 1000  # annealing steps of the look at the test split, whose figure is the row's
FEWER_BETAS = (100,)  # to be shown beside it
NUM_SAMPLES = 1000  # draws that tighten a lower bound there
MOST_FRAMES = 5_000  # of a test split, for the estimate from the other side


class Clock(keras.callbacks.Callback):
    """Counts the seconds of a training, on the wall and of the processor, over all its starts.

    It ends the training when time is up.
    """

    def __init__(self, file, minutes):
        super().__init__()
        self.file, self.before = file, json.loads(file.read_text()) if file.exists() else [0.0, 0.0]
        self.started, self.ends = self.now(), time.time() + 60 * minutes

    @staticmethod
    def now():
        return time.time(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        passed = zip(self.before, self.started, self.now(), strict=True)
        seconds = [before + now - started for before, started, now in passed]
        files.write_atomically(self.file, json.dumps(seconds).encode())
        if time.time() > self.ends:
            self.model.stop_training = True


def train(options, folder, minutes):
    """Returns the best model of a run, its history and seconds; None if time was up before."""
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
        if not finished(history, options):
            return None
        return loading.load_model(folder)[0], history, json.loads(clock.file.read_text())


def measure(options, folder, minutes, looks=0):
    """Returns the row of `measured.json` of a run; None if its training is not complete."""
    trained = train(options, folder, minutes)
    if trained is None:
        return None
    model, history, seconds = trained
    return likelihood(model, options["dataset"]) | {
        "validation": best_row(history)[MONITOR],
        "epochs": len(history),
        "epoch_chosen": best_row(history)["epoch"],
        "seconds": round(seconds[0]),
        "processor_seconds": round(seconds[1]),
        "seed": options["seed"],
        "weights": model.count_params(),
        "looks": looks + 1,
        "options": options,
    }


def likelihood(model, dataset, split="test"):
    """Returns the likelihood of a split as a dictionary, with its error over pieces."""
    pieces = getattr(piano_roll.load(dataset), split)
    if model.head.kind == "exact":
        frames = [len(piece) for piece in pieces]
        nats = [each.sum() for each in model.frame_log_probs(pieces)]
        return {
            "nats": float(sum(nats) / sum(frames)),
            "standard_error": 0.0,
            "kind": "exact",
            "frames": sum(frames),
            "sequences": len(frames),
            "reverse_nats": None,
            "error_over_pieces": bootstrap_error(nats, frames),
        }
    fewer = {str(betas): annealed(model, pieces, betas) for betas in FEWER_BETAS}
    return annealed(model, pieces, NUM_BETAS) | {"by_betas": fewer}


def annealed(model, pieces, num_betas):
    """Returns the likelihood by so many annealing steps, from both sides, with its errors."""
    started = time.process_time()
    # A head alone takes ten times as many.
    model.head.num_betas = num_betas if model.memory else num_betas // 10
    if hasattr(model.head, "num_samples"):
        model.head.num_samples = NUM_SAMPLES
    some = drawn(pieces)
    ours, nats = likelihood_and_frames(model, pieces, bracket=len(some) == len(pieces))
    row = ours._asdict() | {"reverse_frames": ours.frames}
    if len(some) < len(pieces):
        part = model.score(some, bracket=True)
        row["reverse_nats"] = ours.nats + part.reverse_nats - part.nats
        row["reverse_frames"] = part.frames
    totals, frames = [each.sum() for each in nats], [len(each) for each in nats]
    row["error_over_pieces"] = bootstrap_error(totals, frames)
    return row | {"score_processor_seconds": round(time.process_time() - started)}


def drawn(pieces):
    """Returns pieces of at most `MOST_FRAMES` frames, but one at least: all, or some drawn."""
    order = np.random.default_rng(0).permutation(len(pieces))
    ends = np.cumsum([len(pieces[i]) for i in order])
    return [pieces[i] for i in sorted(order[: max(1, np.sum(ends <= MOST_FRAMES))])]


def add_seeds(name, folder, seeds, minutes):
    """Adds runs of a recipe with other seeds, and the mixture of all, to its measured row."""
    row, options = recipes.measured()[name], recipes.read(name).options
    if "mixture" in row:
        return
    runs = {seed: folder / f"{name}-seed-{seed}" for seed in seeds}
    others = []
    for seed, run in runs.items():
        print(f"{name}, seed {seed}", flush=True)
        others.append(measure(options | {"seed": seed}, run, minutes))
        if others[-1] is None:
            print(f"{name}, seed {seed}: time is up, to be continued", flush=True)
            return
    parts = [loading.load_model(run)[0] for run in (folder / name, *runs.values())]
    mixture = likelihood(models.Mixture(parts), options["dataset"])
    store.keep(MEASURED, name, row | {"other_seeds": others, "mixture": mixture})


def add_mixture(name, folder, others):
    """Adds the mixture of the run of a recipe and of other runs to its measured row."""
    row, options = recipes.measured()[name], recipes.read(name).options
    runs = [name, *others]
    if row.get("mixture", {}).get("runs") == runs:
        return
    found = [checkpoints.check(folder / run) for run in runs]
    for run, (*_, config) in zip(runs, found, strict=True):
        if config is None or config["options"]["dataset"] != options["dataset"]:
            raise ValueError(
                f"`--mix` needs runs on {options['dataset']}, as {name} is. Received: {run}."
            )
    model = models.Mixture([loading.load_model(folder / run)[0] for run in runs])
    validation = likelihood(model, options["dataset"], "valid")["nats"]
    mixture = likelihood(model, options["dataset"]) | {"validation": validation, "runs": runs}
    store.keep(MEASURED, name, row | {"mixture": mixture})
    print(f"{name}, mixture: {figure(mixture)}, validation {validation:.3f}", flush=True)


def main(rows, folder, minutes, again, seeds, mix=()):
    for name in rows:
        own = recipes.read(name).options["seed"]
        if own in seeds:
            raise ValueError(
                f"`--seeds` must be other seeds than that of the recipe. Received: {own}, the seed "
                f"of {name}."
            )
    for name in rows:
        measured, options = recipes.measured().get(name), recipes.read(name).options
        if measured and not again:
            if upgrade(measured["options"]) != options:
                print(
                    f"{name}: the recipe has changed since it was measured; --again measures it "
                    "once more and counts the looks at the test split."
                )
                continue
            if seeds:
                add_seeds(name, folder, seeds, minutes)
            if mix:
                add_mixture(name, folder, mix)
            continue
        print(name, flush=True)
        result = measure(options, folder / name, minutes, (measured or {}).get("looks", 0))
        if result is None:
            print(f"{name}: time is up, to be continued", flush=True)
            continue
        store.keep(MEASURED, name, result)
        if seeds:
            add_seeds(name, folder, seeds, minutes)
        if mix:
            add_mixture(name, folder, mix)
    print(
        "\ntest split, nats per frame; printed in brackets; < lower bound, ~ estimate, "
        "? not converged; +- error"
    )
    kinds = list(dict.fromkeys(n.removesuffix(f"-{s}") for n, s in map(parts, recipes.names())))
    print(f"{'':16}" + "".join(f"{each:>22}" for each in recipes.SETS))
    for kind in kinds:
        print(f"{kind:16}" + "".join(f"{cell(f'{kind}-{s}'):>22}" for s in recipes.SETS))
        mixed = [recipes.measured().get(f"{kind}-{s}", {}).get("mixture") for s in recipes.SETS]
        if any(mixed):
            cells = (figure(row) if row else "" for row in mixed)
            print(f"{'  mixture':16}" + "".join(f"{each:>22}" for each in cells))
    for baseline, figures in store.read(baselines.RESULTS).items():
        cells = (figures[name]["nats"] for name in recipes.SETS.values())
        print(f"{baseline:16}" + "".join(f"{nats:>22.3f}" for nats in cells))


def parts(name):
    return name, next(s for s in recipes.SETS if name.endswith(f"-{s}"))


def cell(name):
    if name not in recipes.names():
        return ""
    recipe = recipes.read(name)
    printed = f" ({recipe.published:.2f})" if recipe.published is not None else ""
    if recipe.measured is None:
        return f"not run{printed}"
    return figure(recipe.measured) + printed


def figure(row):
    """Returns nats per frame with the sign of their kind, and the error over pieces if known."""
    sign = {"exact": "", "estimate": "~", "lower_bound": "<", "not_converged": "?"}[row["kind"]]
    error = f" +-{row['error_over_pieces']:.2f}" if "error_over_pieces" in row else ""
    return f"{sign}{row['nats']:.3f}{error}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="*", choices=recipes.names(), default=recipes.names())
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "music")
    parser.add_argument("--minutes", type=float, default=1e6, help="at most, for each row")
    parser.add_argument("--again", action="store_true", help="measure once more what was measured")
    parser.add_argument("--seeds", nargs="*", type=int, default=[], help="other seeds of a recipe")
    parser.add_argument("--mix", nargs="*", default=[], metavar="RUN", help="other runs to mix in")
    parsed = parser.parse_args()
    main(parsed.rows, parsed.runs, parsed.minutes, parsed.again, parsed.seeds, parsed.mix)
