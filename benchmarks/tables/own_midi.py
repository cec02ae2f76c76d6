"""Measures the music of `seqlayers train --midi FOLDER` on 15 tunes, with no other option.

    python benchmarks/tables/own_midi.py [--melody] [--choice 1 2]

Draws 15 pieces of Nottingham's training split by the seed `--choice`, writes them as MIDI files,
and runs `seqlayers train` and `seqlayers generate` as a person would, the latter with four seeds.
With `--melody` the tunes are their highest voice alone. Prints a row for each choice: seconds of
the training, by the clock and of all processors, and how many of the 16 pieces are like the
tunes. Such a piece has no note more than five semitones outside of the range of the tunes, and no
step with more notes than 99 of 100 of their steps have.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from seqlayers.datasets import midi, piano_roll

TUNES, SEEDS, MARGIN = 15, range(4), 5


def main(choices, melody, out):
    for choice in choices:
        folder = Path(out) / f"{'melodies' if melody else 'tunes'}{choice}"
        shutil.rmtree(folder, ignore_errors=True)
        tunes = chosen(choice, melody)
        (folder / "tunes").mkdir(parents=True)
        for number, tune in enumerate(tunes, 1):
            midi.write(folder / "tunes" / f"{number:02}.mid", tune)
        seconds, processor = timed("train", "--midi", folder / "tunes", "--out", folder / "run")
        for seed in SEEDS:
            songs = ["--out", folder / "songs", "--seed", seed]
            timed("generate", folder / "run", *songs)
        pieces = midi.read_folder(folder / "songs").rolls
        like = sum(is_like(piece, tunes) for piece in pieces)
        print(f"| {folder.name} | {seconds:.0f} ({processor:.0f}) | {like} of {len(pieces)} |")


def chosen(choice, melody):
    """Returns rolls of 15 tunes."""
    rolls = piano_roll.load("nottingham").train
    drawn = np.random.default_rng(choice).choice(len(rolls), TUNES, replace=False)
    tunes = [rolls[n] for n in drawn]
    return [highest(tune) for tune in tunes] if melody else tunes


def highest(roll):
    """Returns the highest voice of a roll."""
    above = np.cumsum(roll[:, ::-1], axis=1)[:, ::-1] - roll
    return roll * (above == 0)


def timed(*words):
    """Runs a command of seqlayers and returns its seconds, by the clock and of all processors."""
    begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "seqlayers", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return time.perf_counter() - begun, processor


def is_like(piece, tunes):
    """Returns whether the range and the chords of a piece are those of the tunes."""
    frames = np.concatenate(tunes)
    keys, played = np.flatnonzero(frames.any(axis=0)), np.flatnonzero(piece.any(axis=0))
    within = keys[0] - MARGIN <= played[0] and played[-1] <= keys[-1] + MARGIN
    return within and piece.sum(axis=1).max() <= np.percentile(frames.sum(axis=1), 99)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--melody", action="store_true", help="the highest voice of each tune")
    parser.add_argument("--choice", type=int, nargs="+", default=[0], help="seeds of the tunes")
    parser.add_argument("--out", default="runs/own_midi", help="folder to write to")
    arguments = parser.parse_args()
    main(arguments.choice, arguments.melody, arguments.out)
