"""The RNN-RBM on spectrograms as published: its recipe, and what its parts are worth.

    python benchmarks/tables/spectrogram_recipe.py [--rows finch-3-tanh ...] [--seeds 0 1 2]

Trains `seqlayers train --recipe rnn-rbm-spectrograms --wav RECORDINGS` with the options that
`SEGMENTS` lists, on 15 songs of a Bengalese finch (32 kHz) or 50 sentences of CMU ARCTIC slt (16
kHz). Row `3-tanh` is the recipe; the others have fewer layers, sigmoid gates, or no memory (`rbm`).
Sequences are segments, whole: each recording is split by time, 80 % of its sound to train, 10 % to
validate and 10 % to test. The epoch is that with the best likelihood of the validation split.

Nats per frame of the test split are those of `seqlayers score`: by annealing, and from the other
side, as frames are normalised.

As many sequences as the test split has, each as long as one of them, are drawn at each of
`TEMPERATURES`, and their frames compared with those of the test split: by density and coverage, of
means over bands of three bins, so that the noise of bins does not hide what is alike. As many
frames of the training split say what to expect of real sound. `levels` are means of the 1st, 8th,
32nd and 256th frames drawn at a temperature of 1; real frames have a mean of about 0.

Results go to `benchmarks/results/spectrogram.json`, a row as soon
as it is done, and rows that are there are kept. A training that was stopped goes on after its last
epoch, from a folder of `--runs`.
"""

import argparse
import time
from pathlib import Path

import music
import numpy as np
import store
from spectrogram import ARCTIC, FINCH, RESULTS, ROOT, songs_and_sentences

from seqlayers import audio, metrics
from seqlayers.runs import data as run_data
from seqlayers.runs import options as run_options
from seqlayers.runs import recipes
from seqlayers.runs.history import MONITOR, best_row

RECIPE, PREFIX = "rnn-rbm-spectrograms", "recipe"
SEGMENTS = {  # options of the command line, by recordings
    "finch": {"threshold": 50.0, "min_length": 10.0, "max_length": 1000.0},
    "arctic": {"threshold": 50.0, "min_length": 10.0, "max_length": 1000.0, "long": "split"},
}
NETWORKS = {
    f"{layers}-{gates}": {"recurrent_layers": layers, "gate_activation": gates}
    for gates in ("tanh", "sigmoid")
    for layers in (3, 1, 2)
}
NETWORKS = {"rbm": {"model": "rbm"}} | NETWORKS
TEMPERATURES = (0.25, 0.5, 1.0, 2.0)
LEVELS = (0, 7, 31, 255)


def all_rows(seeds):
    """Yields the name of each row, its recordings, network and seed."""
    for recordings in SEGMENTS:
        for seed in seeds:
            for network in NETWORKS:
                yield f"{PREFIX}-{recordings}-{network}-seed{seed}", recordings, network, seed


def write_recordings(name, sounds, folder):
    """Writes recordings of `sounds` that are not there yet, and returns their folder."""
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, sound in enumerate(sounds):
        path = folder / f"{number:03d}.wav"
        if not path.exists():
            audio.write(path, sound.samples, sound.sample_rate)
    return folder


def options_of(recordings, network, seed, folder):
    """Returns all options of a row, as the command line completes them."""
    chosen = {k: v for k, v in recipes.read(RECIPE).options.items() if v is not None}
    chosen |= SEGMENTS[recordings] | NETWORKS[network] | {"wav": str(folder), "seed": seed}
    without = run_options.unused(chosen)
    return run_options.complete({k: v for k, v in chosen.items() if k not in without})


def run(options, folder):
    """Trains a row, and scores the test split with the weights of its best epoch."""
    model, history, (wall, busy) = music.train(options, folder, minutes=np.inf)
    data = run_data.read_data(options)
    started = time.process_time()
    score = model.score(data.test, bracket=True)
    return {
        "seed": options["seed"],
        "weights": int(model.count_params()),
        "epochs": len(history),
        "epoch_chosen": best_row(history)["epoch"],
        "validation": best_row(history)[MONITOR],
        "sequences": {name: len(split) for name, split in data.splits.items()},
        "frames": {name: sum(map(len, split)) for name, split in data.splits.items()},
        "not_finite_steps": int(sum(row.get("shrunk_steps", 0) for row in history)),
        "seconds": round(wall),
        "processor_seconds": round(busy),
        "score_processor_seconds": round(time.process_time() - started),
        "likelihood": score._asdict(),
        "drawn": drawn(model, data, options["seed"]),
        "curve": [[row["epoch"], row[MONITOR]] for row in history if MONITOR in row],
    }


def drawn(model, data, seed):
    """Returns density and coverage of drawn frames by temperature, and the levels of late ones."""
    lengths = [len(sequence) for sequence in data.test]
    real, train = banded(data.test), banded(data.train)
    some = np.random.default_rng(seed).permutation(len(train))[: len(real)]
    figures = {"train": metrics.density_coverage(train[some], real)}
    for temperature in TEMPERATURES:
        sequences = model.generate(
            max(lengths), num_sequences=len(lengths), temperature=temperature, seed=seed
        )
        cut = [frames[:length] for frames, length in zip(sequences, lengths, strict=True)]
        figures[f"temperature {temperature:g}"] = metrics.density_coverage(banded(cut), real)
    figures = {name: list(pair) for name, pair in figures.items()}
    late = model.generate(1 + max(LEVELS), num_sequences=64, seed=seed)
    return figures | {"levels": [float(late[:, t].mean()) for t in LEVELS]}


def banded(sequences):
    """Returns the frames of all sequences, `(T, bins / 3)`."""
    frames = np.concatenate(sequences)
    return frames.reshape(len(frames), -1, 3).mean(axis=-1)


def main(beginnings, seeds, files, runs, again):
    """Runs the rows whose names begin so, `recipe-` left out, and that are not there yet."""
    for name, recordings, network, seed in all_rows(seeds):
        own = name.removeprefix(f"{PREFIX}-")
        done = store.read(RESULTS).get(name)
        if not own.startswith(beginnings) or (done and not (again and "drawn" not in done)):
            continue
        print(name, flush=True)
        sounds = songs_and_sentences(recordings, *files)
        folder = write_recordings(recordings, sounds, runs)
        row = run(options_of(recordings, network, seed, folder), runs / own)
        print(f"  {row['likelihood']}", flush=True)
        store.keep(RESULTS, name, row)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=[""], help="beginnings of names of rows")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of trainings")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "spectrogram")
    parser.add_argument("--again", action="store_true", help="run rows that lack a measure, too")
    parser.add_argument("--finch", default=FINCH, help="the file of songs")
    parser.add_argument("--arctic", default=ARCTIC, help="the file of sentences")
    given = parser.parse_args()
    main(tuple(given.rows), given.seeds, (given.finch, given.arctic), given.runs, given.again)
