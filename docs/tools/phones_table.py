"""Networks on phones over folds and seeds, from the rows of `benchmarks/tables/clstm.py`."""

import re
import statistics

from tables import results, table

TITLES = {
    "heads-ffnn": "FFNN, 11 frames, 4 x ReLU",
    "heads-cnn+relu": "CNN of 11 frames + pool + 3 x ReLU",
    "heads-cnn+lstmp+relu": "CNN + pool + LSTMP 240 to 96 + 3 x ReLU",
    "heads-clstmp+lstmp+relu": "CLSTM 48 to 32 + pool + LSTMP 152 to 96 + 3 x ReLU",
    "heads-clstm16+relu": "CLSTM 16 + pool + 3 x ReLU",
    "heads-clstm32+relu": "CLSTM 32 + pool + 3 x ReLU",
    "heads-clstm48+relu": "CLSTM 48 + pool + 3 x ReLU",
    "heads-clstmp48+relu": "CLSTM 48 to 16 + pool + 3 x ReLU",
    "heads-2clstm+relu": "two CLSTM 32 + 3 x ReLU",
    "heads-lstm": "LSTM 96",
    "heads-lstm+relu": "LSTM 96 + 3 x ReLU",
    "heads-lstmp": "LSTMP 256 to 96",
    "heads-lstmp+relu": "LSTMP 256 to 96 + 3 x ReLU",
    "cells-bi-lstm": "Bi-LSTM 81",
    "cells-gru": "GRU 141",
    "cells-a-sfm": 'Adaptive SFM (57, 8, 30), phase "accumulated"',
    "cells-sfm": "SFM (58, 8, 30)",
    "cells-parallel": 'SFM (101, 8, 30), `gates="input"`',
    "cells-lstm": "LSTM 122",
    "stack-2": "two LSTMs from scratch",
    "stack-2+greedy": "two LSTMs from LSTBMs",
    "stack-3": "three LSTMs from scratch",
    "stack-3+greedy": "three LSTMs from LSTBMs",
}
LSTMS = ("heads-lstm", "heads-lstmp", "heads-lstm+relu", "heads-lstmp+relu")
AGAINST = {"heads": LSTMS, "cells": ("cells-lstm",)}  # changes are against the best of these
SEED = re.compile(r"-seed\d+$")


def seeds_of(name):
    """Returns the rows of all seeds of a network, those that were run."""
    rows = results("clstm")
    return [row for key, row in rows.items() if SEED.sub("", key) == name and "folds" in row]


def means():
    """Returns the mean error over folds and seeds, by network and what it was trained on."""
    return {name: statistics.mean(wrong_frames(name)) for name in _names()}


def wrong_frames(name):
    """Returns the errors of a network fold by fold: means over its seeds."""
    return list(map(statistics.mean, zip(*map(_tests, seeds_of(name)), strict=True)))


def phones(kind, prefix="", suffix=""):
    """Errors of the networks of a kind that were run, the best one first.

    Args:
        kind: Beginning of the names of the networks, such as "heads".
        prefix: What stands before the names of rows, such as "arctic-".
        suffix: What stands behind them, such as "-masked".
    """
    names = {each: f"{prefix}{each}{suffix}" for each in TITLES if each.startswith(f"{kind}-")}
    names = {each: name for each, name in names.items() if seeds_of(name)}
    if not names:
        return "Not run yet.\n"
    errors = {each: wrong_frames(name) for each, name in names.items()}
    against = [each for each in AGAINST.get(kind, ()) if each in errors]
    best = min(against, key=lambda each: statistics.mean(errors[each]), default=None)
    rows = []
    for each in sorted(errors, key=lambda each: statistics.mean(errors[each])):
        seeds = seeds_of(names[each])
        mean, deviation = statistics.mean(errors[each]), statistics.stdev(errors[each])
        cells = [f"{mean:.4f} ± {deviation:.4f}"]
        cells += [_change(errors[each], errors[best])] if best else []
        about = [f"{seeds[0]['weights']:,}", len(seeds)]
        rows.append([TITLES[each], *about, *cells, seeds[0]["dropout"], seconds_of(seeds)])
    head = ["network", "weights", "seeds", "wrong frames"]
    head += ["change (least to most)"] if best else []
    return table([*head, "dropout", "seconds a training"], rows)


def seconds_of(seeds):
    """Returns the mean seconds of a training, trials of dropout included."""
    trainings = sum(len(row["folds"]) + len(row["tried"]) - 1 for row in seeds)
    return round(sum(row["seconds"] for row in seeds) / trainings)


def leads(*pairs):
    """Leads of one row over another, fold by fold, of means over the seeds of each.

    Their standard error over folds has that of seeds in it; from five folds it may come out smaller
    than that, and the larger of both counts. A network with one seed has the mean variance over
    seeds of the networks like it that have several.
    """
    rows = []
    for pair in pairs:
        seeds = [seeds_of(each) for each in pair]
        if not all(seeds):
            continue
        one, other = map(wrong_frames, pair)
        lead = [b - a for a, b in zip(one, other, strict=True)]
        mean, error = statistics.mean(lead), statistics.stdev(lead) / len(lead) ** 0.5
        of_seeds = _error_of_seeds(pair)
        rows.append(
            [
                *(f"`{each}`" for each in pair),
                " and ".join(str(len(each)) for each in seeds),
                f"{mean:+.4f}",
                f"{error:.4f}",
                "" if of_seeds is None else f"{of_seeds:.4f}",
                f"{mean / max(error, of_seeds or 0):+.1f}",
            ]
        )
    head = ["row", "ahead of", "seeds", "by", "error over folds", "by seeds alone", "errors"]
    return table(head, rows) if rows else "Not run yet.\n"


def _names():
    """Returns the names of rows that were run, without their seeds."""
    return {SEED.sub("", key) for key, row in results("clstm").items() if "folds" in row}


def _tests(row):
    return [fold["test"] for fold in row["folds"]]


def _change(errors, best):
    """Returns the mean change of errors in percent, and its range over folds."""
    if errors is best:
        return ""
    change = [100 * (a / b - 1) for a, b in zip(errors, best, strict=True)]
    return f"{statistics.mean(change):+.1f} % ({min(change):+.1f} to {max(change):+.1f})"


def _error_of_seeds(names):
    """Returns the standard error of a lead as seeds alone make it, None where it is not known."""
    variance = 0.0
    for name in names:
        seeds = seeds_of(name)
        each = _variance(seeds) if len(seeds) > 1 else _pooled_variance(name)
        if each is None:
            return None
        variance += each / len(seeds)
    return variance**0.5


def _variance(seeds):
    """Returns the variance over seeds of the mean over folds."""
    folds = list(zip(*map(_tests, seeds), strict=True))
    return sum(map(statistics.variance, folds)) / len(folds) ** 2


def _pooled_variance(name):
    """Returns the mean variance of the networks of the same kind, speech and labels, or None."""
    alike = [seeds_of(each) for each in _names() if _setting(each) == _setting(name)]
    variances = [_variance(seeds) for seeds in alike if len(seeds) > 1]
    return statistics.mean(variances) if variances else None


def _setting(name):
    """Returns what rows share whose trainings differ in the network, its seed and masks alone."""
    kind = next(each for each in ("heads", "cells", "stack") if each in name)
    return name.startswith("arctic-"), kind, name.endswith("-tenth")
