"""Kinds of a finch's syllables over the seeds, from the rows of `benchmarks/tables/kinds.py`."""

import statistics

from tables import mean_with_deviation, results, table

VECTORS = {
    "trained": "the RNN-RBM",
    "untrained": "the same before training",
    "mean spectra": "mean spectra",
    "eight frames": "eight frames without loudness",
}
SEEDS = range(3)
BORDERS = {"given": "marked", "found": "found"}


def kinds():
    """Agreement of kinds with the names that people gave, on both days and on both borders."""
    rows = []
    for vectors, title in VECTORS.items():
        for prefix, durations in (("", "yes"), ("alone-", "no")):
            cells = [
                cell
                for day in ("day2", "day1")
                for borders in BORDERS
                for cell in _cells(f"{day}-{borders}-{vectors}", prefix)
            ]
            rows.append([title, durations, *cells])
    head = ["vectors", "durations"]
    for day in (2, 1):
        for borders in BORDERS.values():
            head += [f"day {day}, {borders}: V", "AMI", "kinds", "k-means: V"]
    return table(head, rows)


def _cells(name, prefix):
    """Returns the cells of a row of `kinds.json`, means over its seeds."""
    seeds = [results("kinds")[f"{name}-seed{seed}"] for seed in SEEDS]
    own, other = ([seed[f"{prefix}{how}"] for seed in seeds] for how in ("hdbscan", "k-means"))
    counts = sorted({each["kinds"] for each in own})
    return [
        mean_with_deviation([each["v"] for each in own], 3),
        f"{statistics.mean(each['ami'] for each in own):.3f}",
        f"{counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else ""),
        f"{statistics.mean(each['v'] for each in other):.3f}",
    ]
