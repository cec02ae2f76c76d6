"""Kinds of a finch's syllables, found without labels, beside the names that people gave.

    python benchmarks/tables/kinds.py [--data FOLDER] [--work FOLDER]

15 songs of a Bengalese finch, of two days. `seqlayers train --wav` trains an RNN-RBM on the ten
songs of the first day, without further options but the seed. Syllables of each day are sorted into
kinds by what `seqlayers cluster` calls, on borders marked by people and on those found. Vectors are
those of the trained model, of the same model before training, mean spectra, and eight frames of
each syllable without its loudness, with durations and without. K-means gets the true number of
kinds, and the same vectors. Results go to `benchmarks/results/kinds.json`; songs and runs stay in
the folder of work.
"""

import argparse
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import store
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from seqlayers import audio, metrics
from seqlayers.datasets import labels
from seqlayers.models import find_kinds
from seqlayers.models.kinds import points_of
from seqlayers.runs import kinds, loading, segments
from seqlayers.runs.building import build_model
from seqlayers.runs.config import read_config

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "kinds.json"
SHARED = ROOT / ".." / "shared" / "data"
DAYS = {"day1": slice(0, 10), "day2": slice(10, 15)}
VECTORS = ("trained", "untrained", "mean spectra", "eight frames")
DYNAMICS = 60  # dB of the spectra of eight frames, below their loudest point
SEEDS = range(3)
COMPONENTS, TRIES = 20, 10  # of k-means


def write_songs(path, work):
    """Writes the songs of each day and their labels as files."""
    with np.load(path) as file:
        rate, ends = int(file["sample_rate"]), np.cumsum(file["lengths"])[:-1]
        songs = np.split(file["audio"].astype("float32") / 2**15, ends)
        times = np.stack([file["syllable_start"], file["syllable_end"]], axis=1) / rate
        counts = np.cumsum(file["syllable_counts"])[:-1]
        times, names = np.split(times, counts), np.split(file["syllable_label"], counts)
    for day, which in DAYS.items():
        for folder in (work / day, work / f"labels-{day}"):
            folder.mkdir(parents=True, exist_ok=True)
        for n in range(len(songs))[which]:
            audio.write(work / day / f"{n:02d}.wav", songs[n], rate)
            marks = labels.Annotation(times[n], names[n].tolist())
            labels.write(work / f"labels-{day}" / f"{n:02d}.txt", marks, "audacity")


def trained(work, seed):
    """Returns the folder of a run, which is trained or trained to the end."""
    run = work / f"run-seed{seed}"
    how = ["--resume"] if run.exists() else ["--wav", work / "day1", "--seed", seed]
    words = [sys.executable, "-m", "seqlayers", "train", *how, "--out", run]
    subprocess.run(list(map(str, words)), check=True)
    return run


def vectors_of(name, run, found):
    """Returns a vector of each segment, by one of `VECTORS`."""
    config = read_config(run)
    options, sound = config["options"], config["sound"]
    if name in ("mean spectra", "eight frames"):
        each = (segments.frames(recording, options, sound) for recording in found.recordings)
        frames = itertools.chain.from_iterable(each)
        if name == "mean spectra":
            return np.array([one.mean(axis=0) for one in frames])
        return np.array([eight_frames(sound.normalizer.restore(one)) for one in frames])
    whole = loading.load_model(run)[0] if name == "trained" else build_model(options, num_steps=1)
    return kinds.vectors(whole, found, options, sound)


def eight_frames(logs):
    """Returns log amplitudes `(T, bins)` of a segment at eight times, without its loudness."""
    logs = np.maximum(logs - logs.max(), -DYNAMICS / 20 * np.log(10))
    places = np.linspace(0, len(logs) - 1, 8)
    return np.ravel([np.interp(places, np.arange(len(logs)), each) for each in logs.T])


def agreement(labels, numbers):
    """Returns the agreement of kinds with the labels of those segments that have one."""
    known = [(label, int(n)) for label, n in zip(labels, numbers, strict=True) if label is not None]
    pairs = tuple(zip(*known, strict=True))
    return {
        "v": metrics.v_measure(*pairs),
        "ami": metrics.adjusted_mutual_information(*pairs),
        "kinds": int(np.max(numbers)),
        "none": int(np.sum(np.asarray(numbers) == 0)),
        "compared": len(known),
    }


def rows_of(name, run, found, seed):
    """Returns the row of vectors, with durations and without them."""
    vectors, durations = vectors_of(name, run, found), np.diff(found.times)[:, 0]
    names, missed = segments.labels_of(found)
    number = len(set(names) - {None})
    row = {"segments": len(names), "missed": missed}
    for with_durations, lengths in (("", durations), ("alone-", np.ones(len(durations)))):
        own = find_kinds(vectors, lengths, seed=seed).numbers
        points = PCA(COMPONENTS, random_state=0).fit_transform(points_of(vectors, lengths))
        k_means = KMeans(number, n_init=TRIES, random_state=seed).fit_predict(points) + 1
        row[f"{with_durations}hdbscan"] = agreement(names, own)
        row[f"{with_durations}k-means"] = agreement(names, k_means)
    return row


def main(data, work):
    if not (work / "day2").exists():
        write_songs(data / "bird" / "bengalese_finch_gy6or6.npz", work)
    for seed in SEEDS:
        run = None
        for day in DAYS:
            for given in (True, False):
                found = None
                for name in VECTORS:
                    row = f"{day}-{'given' if given else 'found'}-{name}-seed{seed}"
                    if row in store.read(RESULTS):
                        continue
                    run = run or trained(work, seed)
                    config = read_config(run)
                    if found is None:
                        marks = labels.match(work / day, work / f"labels-{day}")
                        settings = config["options"], config["sound"]
                        found = segments.find(work / day, *settings, marks, given)
                    store.keep(RESULTS, row, rows_of(name, run, found, seed))
    for row, each in store.read(RESULTS).items():
        figures = [f"{key} {each[key]['v']:.3f}" for key in each if "-" in key or key == "hdbscan"]
        print(f"{row:36s}{each['hdbscan']['kinds']:3d} kinds; V-measure: {', '.join(figures)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="the folder of bird")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "kinds")
    main(**vars(parser.parse_args()))
