"""Baselines of music: independent keys, a table of training frames, and the held chord.

    python benchmarks/tables/baselines.py

Scores the test splits of four sets in nats per frame. Writes the figures to
`benchmarks/results/music_baselines.json` and prints them with their standard errors over pieces
and the printed figures, in ten seconds.
"""

from pathlib import Path

import numpy as np
import store

from seqlayers import metrics
from seqlayers.datasets import piano_roll, roll_baselines

RESULTS = Path(__file__).parents[1] / "results" / "music_baselines.json"
PUBLISHED = {  # Boulanger-Lewandowski, Bengio and Vincent, ICML 2012, table 1, "note 1-gram"
    "jsb_chorales": -11.06,
    "musedata": -11.51,
    "nottingham": -10.25,
    "piano_midi": -11.05,
}


def row(pieces):
    """Returns the figures of one baseline on one set, from log p of each frame of each piece."""
    sums, frames = [nats.sum() for nats in pieces], [len(nats) for nats in pieces]
    error = metrics.bootstrap_error(sums, frames)
    return {"nats": float(np.concatenate(pieces).mean()), "error_over_pieces": error}


def main():
    scores = {name: roll_baselines.baselines(name) for name in piano_roll.NAMES}
    for baseline in scores[piano_roll.NAMES[0]]:
        store.keep(RESULTS, baseline, {name: row(each[baseline]) for name, each in scores.items()})
    print(f"{'test split, nats per frame':28}" + "".join(f"{name:>20}" for name in PUBLISHED))
    for baseline, figures in store.read(RESULTS).items():
        cells = [figures[name] for name in PUBLISHED]
        texts = [f"{cell['nats']:.3f} +- {cell['error_over_pieces']:.3f}" for cell in cells]
        print(f"{baseline:28}" + "".join(f"{text:>20}" for text in texts))
    print(f"{'independent keys, printed':28}" + "".join(f"{n:>20.2f}" for n in PUBLISHED.values()))


if __name__ == "__main__":
    main()
