"""The cost of a model before it is warm, for `benchmarks/speed.py --only lengths`.

Processor seconds of the first step and of steps at new lengths, each model in a process of its own,
and how many programs XLA compiles in a `fit` that sees 100 lengths.
"""

import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.contenders.recurrent import V, dense_after
from benchmarks.race import set_environment

BATCH, SHORTEST, LONGEST = 32, 25, 400
CONTENDERS = {"SFM of 50 units": "sfm 50", "keras.layers.LSTM(139)": "lstm"}


def measure():
    """Prints and returns the figures of both models."""
    print(f"\nSteps at new lengths, {SHORTEST} to {LONGEST} frames, {BATCH} sequences")
    figures = {}
    for contender, name in CONTENDERS.items():
        first, *others = in_process(seconds_of_new_lengths, name)
        new, compiles = statistics.median(others[1:]), in_process(compiles_of_100_lengths, name)
        print(
            f"  {contender:24s} first step {first:5.2f} s, median of the third to 20th {new:6.3f} s"
            f" of processor; {compiles} compiles in a fit of 100 lengths"
        )
        figures[contender] = {"first_step_s": first, "new_length_s": new, "compiles": compiles}
    ours, keras_lstm = figures.values()
    for key in ("first_step_s", "new_length_s"):
        print(f"  {key}: {ours[key] / keras_lstm[key]:.2f} x keras.layers.LSTM(139)")
    return {"contenders": figures}


def in_process(function, *arguments):
    """Returns what a function returns in a new process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=send, args=(theirs, function, *arguments))
    process.start()
    result = ours.recv()
    process.join()
    return result


def send(connection, function, *arguments):
    set_environment()
    connection.send(function(*arguments))


def batches(number):
    """Yields random frames and targets of so many lengths."""
    import numpy as np

    rng = np.random.default_rng(0)
    for steps in rng.permutation(np.arange(SHORTEST, LONGEST + 1))[:number]:
        yield tuple(rng.normal(size=(2, BATCH, steps, V)).astype("float32"))


def seconds_of_new_lengths(name):
    """Returns the processor seconds of each `train_on_batch` at 20 lengths."""
    model, seconds = dense_after(name), []
    for x, y in batches(20):
        start = time.process_time()
        model.train_on_batch(x, y)
        seconds.append(time.process_time() - start)
    return seconds


def compiles_of_100_lengths(name):
    """Returns how many programs XLA compiles in a `fit`."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XLA_FLAGS"] = f"--xla_dump_to={folder} --xla_dump_hlo_as_text"
        dense_after(name).fit(batches(100), steps_per_epoch=100, verbose=0)
        return len(list(Path(folder).glob("*.before_optimizations.txt")))
