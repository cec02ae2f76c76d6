"""Makes a preset of `seqlayers.presets` from finished runs of one set of music.

    python benchmarks/tables/presets.py tied-nade-jsb runs/music/tied-nade-jsb

The best model of a run is taken; of several runs, their mixture. Weights are rounded to float16,
and the test split is scored once. Like the recipes, presets are written into the package, so this
is a tool for maintainers: a user's own model is a `.keras` file, which all commands take.
"""

import argparse
import json
import os
import shlex
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # both before TensorFlow is imported

from seqlayers import models, presets  # noqa: E402
from seqlayers.datasets import piano_roll  # noqa: E402
from seqlayers.runs import checkpoints, history, loading, recipes  # noqa: E402
from seqlayers.runs.options import arguments  # noqa: E402

FOLDER = Path(__file__).parents[2] / "seqlayers" / "presets"
NUM_BETAS = 1000  # annealing steps of a head that estimates
FIRST_FRAMES, FIRST_OF_ESTIMATE = 5000, 300  # at most, of the pieces that a test scores again
LICENCE = "Apache-2.0, as seqlayers, for the weights; the data have terms of their own."
NOT_FOR = (
    "Music of another kind than {title}, in other keys than those of the set or in other steps "
    "than {step}. Tempo, loudness and voices, which a piano-roll lacks: a held note and a repeated "
    "one are the same. Whole compositions: it has no plan beyond what its memory holds. Whether "
    "what it draws repeats pieces of its training data was not checked."
)


def main(name, runs, folder):
    """Writes the preset of a name and prints the log-likelihood on its card."""
    found = [checkpoints.check(run) for run in runs]
    if any(config is None or not config["options"]["dataset"] for *_, config in found):
        raise ValueError(f"A preset needs runs on a data set that ships. Received: {runs}.")
    (dataset, *others) = {config["options"]["dataset"] for *_, config in found}
    if others:
        raise ValueError(f"The runs of a preset must share a data set. Received: {runs}.")
    parts = [loading.load_model(run)[0] for run in runs]
    model = parts[0] if len(parts) == 1 else models.Mixture(parts)
    if hasattr(model.head, "num_betas"):
        model.head.num_betas = NUM_BETAS
    presets.round_weights(model)
    test = piano_roll.load(dataset).test
    most = FIRST_FRAMES if model.head.kind == "exact" else FIRST_OF_ESTIMATE
    first = 1
    while first < len(test) and sum(map(len, test[: first + 1])) <= most:
        first += 1
    card = presets.Card(
        title=title([config["options"] for *_, config in found]),
        dataset=dataset,
        licence=LICENCE,
        not_for=NOT_FOR.format(**piano_roll.info(dataset)._asdict()),
        weights=model.count_params(),
        training=[training(run, *each) for run, each in zip(runs, found, strict=True)],
        versions=found[0][2]["versions"],
        test=plain(model.score(test)),
        first=plain(model.score(test[:first])),
    )
    presets.write(folder, name, model, card)
    print(f"{name}: {card.test}")


def title(options):
    """Returns the title of a card: the models and their data."""
    names = [
        recipes.read(each["recipe"]).title if each["recipe"] else each["model"] for each in options
    ]
    mixed = f"{len(names)} models mixed: " if len(names) > 1 else ""
    about = piano_roll.info(options[0]["dataset"]).title
    return f"{mixed}{', '.join(dict.fromkeys(names))}; {about}"


def training(run, checkpoint, _, config):
    """Returns how a model of a mixture was trained, for its card."""
    options = config["options"]
    given = arguments(options)
    if options["recipe"] and recipes.read(options["recipe"]).options == options:
        given = ["--recipe", options["recipe"]]
    best = checkpoint.history[-1]
    seconds = Path(run, "seconds.json")  # of music.py
    return {
        "command": shlex.join(["seqlayers", "train", *given, "--out", "RUN"]),
        "seed": options["seed"],
        "epochs": len(checkpoints.last_history(run, options)),
        "epoch_chosen": best["epoch"],
        "validation": best[history.MONITOR],
    } | ({"seconds": round(json.loads(seconds.read_text())[0])} if seconds.exists() else {})


def plain(likelihood):
    """Returns a `Likelihood` as numbers and strings for JSON."""
    if not likelihood.converged:
        raise ValueError(f"A card needs a score that has converged. Received: {likelihood}.")
    return {key: getattr(v, "item", lambda v=v: v)() for key, v in likelihood._asdict().items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="the presets of the package")
    parsed = parser.parse_args()
    main(parsed.name, parsed.runs, parsed.folder)
