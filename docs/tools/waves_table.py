"""Classifiers of waves over their seeds, from the rows of `benchmarks/tables/waves.py`."""

import statistics

from tables import mean_with_error, results, table

NETWORKS = {
    "a-sfm-50x4": "Adaptive SFM (1, 4, 50)",
    "sfm-50x4": "SFM (1, 4, 50)",
    "a-sfm-8x4": "Adaptive SFM (7, 4, 8)",
    "a-sfm-8x4-clip": "Adaptive SFM (7, 4, 8), `gradient_clip=1e-3`",
    "a-sfm-printed-phase": (
        'Adaptive SFM (7, 4, 8), phase "product", `detach_frequency`, `gradient_clip=1e-3`'
    ),
    "sfm-8x4": "SFM (7, 4, 8)",
    "lstm": "LSTM (15)",
    "gru": "GRU (18)",
}
COURSES = {"mean": "mean", "frames": "frames", "long": "mean, 120 epochs"}
KINDS = ("constant", "rising", "jumping")


def accuracies():
    """Returns the mean accuracy of the networks that were run, by network and course."""
    return {
        f"{network}-{course}": statistics.mean(row["accuracy"] for row in seeds)
        for network, course, seeds in _networks()
    }


def waves():
    """Accuracy on the test waves, and errors by kind of wave, of the networks that were run."""
    rows = [
        [NETWORKS[network], COURSES[course], *_over(seeds)]
        for network, course, seeds in _networks()
    ]
    head = ["network", "loss", "weights", "rate", "seeds", "accuracy", *KINDS, "seconds"]
    return table(head, rows) if rows else "No network has been run yet.\n"


def _networks():
    """Yields the names of networks and courses that were run, and the rows of their seeds."""
    for course in COURSES:
        for network in NETWORKS:
            names = [f"{network}-{course}-seed{seed}" for seed in range(5)]
            if seeds := [results("waves")[name] for name in names if name in results("waves")]:
                yield network, course, seeds


def _over(seeds):
    """Returns the cells of a network, of the rows of its seeds."""
    accuracy = [row["accuracy"] for row in seeds]
    mean = mean_with_error(accuracy, 4)
    wrong = []
    for kind in KINDS:
        errors, of = (sum(row[name][kind] for row in seeds) for name in ("errors", "waves"))
        wrong.append(f"{errors} of {of:,}")
    seconds = round(statistics.mean(row["seconds"] for row in seeds))
    return [f"{seeds[0]['weights']:,}", f"{seeds[0]['rate']:g}", len(seeds), mean, *wrong, seconds]
