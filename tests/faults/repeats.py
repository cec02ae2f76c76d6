"""Work that a process of its own does again and again, and the memory that it takes.

Each function returns one that does the thing for the n-th time.
"""

import ctypes
import gc
import json
import resource
from pathlib import Path

import keras
import numpy as np

from seqlayers.heads import BernoulliHead, ConditionalRBM
from seqlayers.models import RNNRBM, SequenceModel

UNITS = 500  # so that the data of a training are a megabyte


def trainings_of_one_model(jit_compile="auto"):
    model = SequenceModel(keras.layers.GRUCell(4), BernoulliHead(UNITS, seed=0))
    model.compile("sgd", jit_compile=jit_compile)
    return lambda n: model.fit(_frames(n, 32, 16, UNITS), verbose=0)


def trainings_of_new_models(jit_compile=False):
    def repeat(n):
        model = RNNRBM(6, hidden_units=5, recurrent_units=4, gibbs_steps=1, seed=0)
        model.compile("adam", jit_compile=jit_compile)
        model.fit(_frames(n, 8, 8, 6), batch_size=4, verbose=0)

    return repeat


def trainings_of_new_models_of_keras(jit_compile=False):
    def repeat(n):
        layers = [keras.layers.LSTM(4, return_sequences=True), keras.layers.Dense(6)]
        model = keras.Sequential([keras.Input((None, 6)), *layers])
        model.compile("adam", loss="mse", jit_compile=jit_compile)
        x = _frames(n, 8, 8, 6)
        model.fit(x, x, batch_size=4, verbose=0)

    return repeat


def trainings_of_new_models_by_xla():
    return trainings_of_new_models(jit_compile=True)


def trainings_of_new_models_of_keras_by_xla():
    return trainings_of_new_models_of_keras(jit_compile=True)


def trainings_on_other_lengths():
    model = _model()

    def repeat(n):
        lengths = [200, *np.random.default_rng(n).integers(1, 200, 7)]
        model.fit([_frames(n, 1, length, 6)[0] for length in lengths], batch_size=8, verbose=0)

    return repeat


def scores():
    model = SequenceModel(keras.layers.GRUCell(4), BernoulliHead(UNITS, seed=0))
    return lambda n: model.score(_frames(n, 32, 16, UNITS))


def predictions():
    model = _model()
    return lambda n: model.predict(_frames(n, 32, 16, 6), verbose=0)


def draws():
    model = _model()
    return lambda n: model.generate(20, num_sequences=4, seed=n)


def scores_of_other_lengths():
    model = _model()
    return lambda n: model.score(_frames(n, 1, n + 1, 6))


def predictions_of_other_lengths():
    model = _model()
    return lambda n: model.predict(_frames(n, 1, n + 1, 6), verbose=0)


def draws_of_other_lengths():
    model = _model()
    return lambda n: model.generate(n + 1, seed=n)


def draws_after_other_lengths():
    model = _model()
    return lambda n: model.generate(5, prime=_frames(n, 1, n + 1, 6), seed=n)


def measure(name, number, path):
    """Writes megabytes and numbers of Python objects after each repeat to a file."""
    repeat = globals()[name]()
    repeat(0)
    gc.freeze()  # so that looking for garbage does not take longer than the rest
    found = []
    for n in range(number):
        repeat(n)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        found.append((pages * resource.getpagesize() / 2**20, len(gc.get_objects())))
    Path(path).write_text(json.dumps(found))


def measure_long(name, number, path):
    """Writes to a file by how many megabytes the memory grew at most in one long call."""
    model = SequenceModel(keras.layers.GRUCell(4), ConditionalRBM(6, 5, seed=0))
    frames = _frames(0, 1, number, 6)
    call = {
        "score": lambda number: model.score(frames[:, :number]),
        "generate": lambda number: model.generate(number),
    }[name]
    call(100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call(number)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Path(path).write_text(json.dumps((after - before) / 1024))


def _model():
    model = SequenceModel(keras.layers.GRUCell(4), ConditionalRBM(6, 5, seed=0))
    model.compile("sgd", jit_compile=False)
    return model


def _frames(seed, rows, steps, units):
    return (np.random.default_rng(seed).random((rows, steps, units)) < 0.3).astype("float32")
