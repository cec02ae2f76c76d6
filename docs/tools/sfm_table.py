"""SFMs and plain layers on music and waves, from the rows of `benchmarks/tables/sfm.py`."""

import itertools
import math
import statistics

from tables import mean_with_error, results, table

from seqlayers.metrics import bootstrap_error

SETS = {
    "jsb_chorales": "JSB Chorales",
    "nottingham": "Nottingham",
    "piano_midi": "Piano-midi",
    "musedata": "MuseData",
}
LAYERS = {"a-sfm": "Adaptive SFM", "sfm": "SFM", "lstm": "LSTM", "gru": "GRU"}
PRINTED = {  # the score of Table 2
    "jsb_chorales": {"a-sfm": "-5.45", "sfm": "-5.47", "lstm": "-6.24", "gru": "-6.14"},
    "nottingham": {"a-sfm": "-5.63", "sfm": "-5.67", "lstm": "-5.60", "gru": "-5.63"},
    "piano_midi": {"a-sfm": "-6.80", "sfm": "-6.76", "lstm": "-7.27", "gru": "-7.14"},
    "musedata": {"a-sfm": "-4.80", "sfm": "-4.81", "lstm": "-5.44", "gru": "-5.36"},
}


def music():
    """Likelihoods and softmax scores, set by set."""
    rows = []
    for each, title in SETS.items():
        for layer, name in LAYERS.items():
            found = [_row(each, layer, score) for score in ("bernoulli", "softmax")]
            if any(found):
                weights, *_ = (f"{row['weights']:,}" for row in found if row)
                scores = [_nats(row) if row else "not run" for row in found]
                seconds = " and ".join(str(row["seconds"]) for row in found if row)
                printed = PRINTED[each][layer]
                rows.append([title, name, weights, *scores, printed, seconds])
    head = ["set", "memory", "weights", "Bernoulli (exact)", "softmax score", "printed score"]
    return table([*head, "seconds"], rows)


def leads():
    """Leads of the SFMs in likelihood, with their errors over pieces."""
    rows = []
    for each, title in SETS.items():
        for names in (*itertools.product(("a-sfm", "sfm"), ("lstm", "gru")), ("sfm", "a-sfm")):
            pair = [_row(each, layer, "bernoulli") for layer in names]
            if all(row and "pieces" in row for row in pair):
                lead, error = _lead(*pair)
                cells = [f"{lead:+.3f}", f"{error:.3f}", f"{lead / error:+.1f}"]
                rows.append([title, *(LAYERS[layer] for layer in names), *cells])
    head = ["set", "memory", "ahead of", "by", "standard error over pieces", "errors"]
    return table(head, rows) if rows else "Not run yet.\n"


def waves():
    """Classifiers of waves over their seeds, small networks first."""
    rows = []
    for size in ("waves-1k", "waves-5k"):
        for layer, name in LAYERS.items():
            seeds = [
                row for key, row in results("sfm").items() if key.startswith(f"{size}-{layer}-seed")
            ]
            if seeds:
                scores = [mean_with_error((row["accuracy"] for row in seeds), 4)]
                scores += [mean_with_error((row["nats"] for row in seeds), 3)]
                epochs = ", ".join(str(row["epoch_chosen"]) for row in seeds)
                seconds = round(statistics.mean(row["seconds"] for row in seeds))
                about = [f"{seeds[0]['weights']:,}", len(seeds)]
                rows.append([name, *about, *scores, f"{epochs} of {seeds[0]['epochs']}", seconds])
    head = ["network", "weights", "seeds", "test accuracy", "log-likelihood", "epoch chosen"]
    return table([*head, "seconds"], rows)


def _row(each, layer, score):
    return results("sfm").get(f"music-{each}-{layer}-{score}")


def _nats(row):
    if "pieces" not in row:
        return f"{row['nats']:.3f}"
    return f"{row['nats']:.3f} ± {bootstrap_error(*zip(*row['pieces'], strict=True)):.3f}"


def _lead(one, other):
    """Returns the lead of a row over another, in nats per frame, and its error over pieces."""
    frames = [count for _, count in one["pieces"]]
    apart = [a - b for (a, _), (b, _) in zip(one["pieces"], other["pieces"], strict=True)]
    return math.fsum(apart) / sum(frames), bootstrap_error(apart, frames)
