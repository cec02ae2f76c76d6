"""Draws how the time and memory of a train step grow with the size of its batches.

    python benchmarks/speed.py --only sfm_steps
    python benchmarks/speed.py --only sfm_batch
    python benchmarks/growth.py [--out docs/growth.png]

It reads `benchmarks/results/speed.json`, and needs `pip install 'seqlayers[plot]'`.
"""

import argparse
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
TABLES = {  # of each, the size that grows: its place in "batch x steps", and its name
    "sfm_steps": (1, "frames of a sequence, batches of 32"),
    "sfm_batch": (0, "sequences of a batch, 100 frames each"),
}
FIGURES = {"ms": "milliseconds a step", "peak_mb": "megabytes at the peak"}
LAYERS = {"sfm": "SFM(91, 4, 50)", "lstm": "keras.layers.LSTM(139)"}


def main(out):
    import matplotlib.pyplot as plt

    results = json.loads(RESULTS.read_text())
    fig, axes = plt.subplots(
        len(FIGURES), len(TABLES), figsize=(8, 6), sharey="row", layout="constrained"
    )
    for column, (table, (place, size)) in zip(axes.T, TABLES.items(), strict=True):
        for ax, (figure, label) in zip(column, FIGURES.items(), strict=True):
            for layer, name in LAYERS.items():
                sizes, values = curve(results[table]["contenders"], layer, place, figure)
                ax.loglog(sizes, values, "o-", base=2, label=name)
            ax.set_xticks(sizes, sizes)
            ax.yaxis.set_major_formatter("{x:g}")
            ax.set(xlabel=size, ylabel=label)
            ax.grid(alpha=0.3)
            ax.label_outer()
    axes[0, 0].legend(frameon=False)
    fig.savefig(out, dpi=100)


def curve(contenders, layer, place, figure):
    """Returns the sizes of the contenders of one layer, in order, and their figures."""
    points = {}
    for contender, figures in contenders.items():
        name, size = contender.split(", ")
        if name == layer:
            points[int(size.split(" x ")[place])] = figures[figure]
    return zip(*sorted(points.items()), strict=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "growth.png")
    main(parser.parse_args().out)
