"""Segments of a finch's songs that are found without labels, beside those labelled by hand.

    python benchmarks/tables/segments.py [--finch FILE]

15 songs of a Bengalese finch. The rule without options and the paper's two settings are judged on
all songs and on the last five; the best of a grid, without a band and with one, is chosen on the
first ten by the F1 of whole segments and judged on the last five. Edges are right within 10 ms.
Results go to `benchmarks/results/segments.json`.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import store

from seqlayers import audio, metrics

RESULTS = Path(__file__).parents[1] / "results" / "segments.json"
SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
FINCH = SHARED / "bird" / "bengalese_finch_gy6or6.npz"
CHOSEN_ON, TOLERANCE = 10, 0.010  # songs; seconds
BAND = (500, 10000)  # Hz
PAPER = {"threshold": 90, "min_length": 15, "max_length": 500}
CUSTOM = {"threshold": 85, "min_length": 10, "max_length": 1000}
GRID = {"threshold": range(45, 91, 5), "buffer": (0, 5), "window": (4, 16), "min_length": (15, 25)}


def load(path):
    """Returns the songs, their rate, and the times of their syllables, an array for each song."""
    with np.load(path) as file:
        rate, ends = int(file["sample_rate"]), np.cumsum(file["lengths"])[:-1]
        songs = np.split(file["audio"].astype("float32") / 2**15, ends)
        times = np.stack([file["syllable_start"], file["syllable_end"]], axis=1) / rate
        return songs, rate, np.split(times, np.cumsum(file["syllable_counts"])[:-1])


def score(songs, rate, labels, options):
    """Returns F1 of onsets, offsets and whole segments over some songs."""
    found = []
    for song in songs:
        try:
            found.append(audio.segments(song, rate, audio.SegmentRules(**options)).times)
        except audio.NoSegments:
            found.append(np.zeros((0, 2)))
    return [each.f1 for each in metrics.segment_scores(found, labels, TOLERANCE)]


def main(finch):
    songs, rate, labels = load(finch)
    first, last = slice(CHOSEN_ON), slice(CHOSEN_ON, None)

    def row(name, options):
        of_all, of_last = (score(songs[x], rate, labels[x], options) for x in (slice(None), last))
        store.keep(RESULTS, name, {"options": options, "all": of_all, "last": of_last})

    def best(options):
        """Returns the best options of the grid on the first songs, with these options added."""
        grid = [dict(zip(GRID, each, strict=True)) for each in itertools.product(*GRID.values())]
        grid = [each | {"max_length": 1000} | options for each in grid]
        return max(grid, key=lambda each: score(songs[first], rate, labels[first], each)[2])

    row("no options", {})
    row("defaults", PAPER)
    row("custom", CUSTOM)
    row("custom, band", CUSTOM | {"band": BAND})
    row("best", best({}))
    row("best, band", best({"band": BAND}))
    print("F1 of onsets, offsets, segments: all songs; the last five")
    for name, r in store.read(RESULTS).items():
        numbers = ["".join(f"{f1:7.3f}" for f1 in r[side]) for side in ("all", "last")]
        print(f"  {name:14s}{numbers[0]} ;{numbers[1]}   {r['options']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--finch", default=FINCH, help="the file of songs")
    main(parser.parse_args().finch)
