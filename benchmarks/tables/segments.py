"""Segments that are found without labels, of a finch's songs and of speech, beside labelled ones.

    python benchmarks/tables/segments.py [--data FOLDER]

15 songs of a Bengalese finch. The rule without options and the paper's two settings are judged on
all songs and on the last five; the best of a grid, without a band and with one, is chosen on the
first ten by the F1 of whole segments and judged on the last five. Edges are right within 10 ms.
Without options, the songs are judged with white noise and with an echo, too, and sentences by the
time that segments and labelled speech share. Runs of labelled speech are parted by pauses of 50 ms.
Results go to `benchmarks/results/segments.json`.
"""

import argparse
import functools
import itertools
from pathlib import Path

import numpy as np
import store

from seqlayers import audio, metrics
from seqlayers.datasets import speech

RESULTS = Path(__file__).parents[1] / "results" / "segments.json"
SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
SPEECH = {
    "arctic_slt_103": speech.load_arctic,
    "timit_sample": functools.partial(speech.load_timit, sa=True),
}
SILENT, PAUSE = ("pau", "epi", "h#"), 0.050  # phones; seconds
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


def noisy(song, level):
    """Returns a song with white noise of a level in dB below full scale."""
    noise = np.random.default_rng(0).normal(scale=10 ** (level / 20), size=len(song))
    return (song + noise).astype("float32")


def echoing(song, rate, seconds=0.1, level=-10):
    """Returns a song with an echo, by its time to fall by 60 dB and its power below the song."""
    n = round(seconds * rate)
    echo = np.random.default_rng(0).normal(size=n) * 10 ** (-3 * np.arange(n) / n)
    echo *= 10 ** (level / 20) / np.sqrt(np.square(echo).sum())
    echo[0] = 1
    return np.convolve(song, echo)[: len(song)].astype("float32")


def onsets(songs, rate, labels):
    """Returns scores of onsets without options."""
    found = [audio.segments(song, rate).times for song in songs]
    return metrics.segment_scores(found, labels, TOLERANCE).onset._asdict()


def shared_time(sentences):
    """Returns shares of time of sentences that are found without options, and numbers of runs."""
    both, runs, labelled = np.zeros((2, 2), int), 0, 0
    for each in sentences:
        rate, end = each.sample_rate, len(each.samples)
        times = audio.segments(each.samples, rate).times
        spoken = [np.array(p[:2]) / rate for p in each.phones if p.label not in SILENT]
        parts = (times, np.array(spoken))
        t = np.arange(round(1000 * end / rate)) / 1000
        inside = [((p[:, :1] <= t) & (t < p[:, 1:])).any(axis=0) for p in parts]
        np.add.at(both, tuple(x.astype(int) for x in inside), 1)
        runs += len(times)
        labelled += 1 + sum(b[0] - a[1] >= PAUSE for a, b in itertools.pairwise(spoken))
    return {
        "precision": both[1, 1] / both[1].sum(),
        "recall": both[1, 1] / both[:, 1].sum(),
        "runs": runs,
        "labelled": int(labelled),
    }


def main(data):
    songs, rate, labels = load(data / "bird" / "bengalese_finch_gy6or6.npz")
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
        if "options" not in r:
            continue
        numbers = ["".join(f"{f1:7.3f}" for f1 in r[side]) for side in ("all", "last")]
        print(f"  {name:14s}{numbers[0]} ;{numbers[1]}   {r['options']}")
    heard = {f"onsets, noise at {d} dB": [noisy(s, d) for s in songs] for d in (-60, -55, -50)}
    heard |= {"onsets": songs, "onsets, echo": [echoing(s, rate) for s in songs]}
    for name, changed in heard.items():
        store.keep(RESULTS, name, onsets(changed, rate, labels))
    for name, read in SPEECH.items():
        store.keep(RESULTS, name, shared_time(read(data / "speech" / f"{name}.npz")))
    print("Without options:")
    for name in (*heard, *SPEECH):
        numbers = "  ".join(f"{k} {v:.4g}" for k, v in store.read(RESULTS)[name].items())
        print(f"  {name:24s}{numbers}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="the folder of bird and speech")
    main(parser.parse_args().data)
