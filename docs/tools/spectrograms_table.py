"""RNN-RBMs on spectrograms as published, from rows of `benchmarks/tables/spectrogram_recipe.py`."""

import statistics

from tables import mean_with_deviation, results, table

RECORDINGS = {"finch": "finch", "arctic": "ARCTIC"}
NETWORKS = {
    "3-tanh": "3 layers, tanh gates: the recipe",
    "2-tanh": "2 layers, tanh gates",
    "1-tanh": "1 layer, tanh gates",
    "3-sigmoid": "3 layers, sigmoid gates",
    "2-sigmoid": "2 layers, sigmoid gates",
    "1-sigmoid": "1 layer, sigmoid gates",
    "rbm": "RBM without time",
}
HEAD = ["recordings", "model", "weights", "seeds", "epoch chosen", "validation", "test"]


def recipe():
    """Likelihoods of the networks that were run, with deviations over seeds."""
    rows = []
    for recordings, where in RECORDINGS.items():
        for network, title in NETWORKS.items():
            seeds = _seeds(f"recipe-{recordings}-{network}-seed")
            if seeds:
                scores = [row["likelihood"] for row in seeds]
                epochs = sorted({row["epoch_chosen"] for row in seeds})
                cells = [
                    f"{seeds[0]['weights']:,}",
                    len(seeds),
                    " to ".join(dict.fromkeys(map(str, (epochs[0], epochs[-1])))),
                    mean_with_deviation((row["validation"] for row in seeds), 2),
                    mean_with_deviation((score["nats"] for score in scores), 2),
                    mean_with_deviation((score["reverse_nats"] for score in scores), 2),
                    round(statistics.mean(row["processor_seconds"] for row in seeds)),
                ]
                rows.append([where, title, *cells])
    head = [*HEAD, "from the other side", "processor seconds"]
    return table(head, rows) if rows else "Not run yet.\n"


def means():
    """Returns the mean likelihood of the test split over seeds, by recordings and network."""
    return {
        f"{recordings}-{network}": statistics.mean(row["likelihood"]["nats"] for row in seeds)
        for recordings in RECORDINGS
        for network in NETWORKS
        if (seeds := _seeds(f"recipe-{recordings}-{network}-seed"))
    }


def drawn():
    """Coverage and density of drawn frames, by temperature, and the level of late frames."""
    rows, heads = [], ()
    for recordings, where in RECORDINGS.items():
        for network, title in NETWORKS.items():
            seeds = [r for r in _seeds(f"recipe-{recordings}-{network}-seed") if "drawn" in r]
            if not seeds:
                continue
            *heads, levels = seeds[0]["drawn"]
            cells = [
                ", ".join(mean_with_deviation(values, 2) for values in reversed(pairs))
                for pairs in (_over(seeds, head) for head in heads)
            ]
            late = map(statistics.mean, _over(seeds, levels))
            cells.append(", ".join(f"{level:.1f}" for level in late))
            rows.append([where, title, len(seeds), *cells])
    head = ["recordings", "model", "seeds", *heads, "levels"]
    return table(head, rows) if rows else "Not run yet.\n"


def _seeds(beginning):
    rows = results("spectrogram")
    return [row for name, row in rows.items() if name.startswith(beginning)]


def _over(seeds, key):
    """Returns the values of a list in `drawn`, each over all seeds."""
    return [*zip(*(row["drawn"][key] for row in seeds), strict=True)]
