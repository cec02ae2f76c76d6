"""Functions and settings that tests of the command line share."""

import csv

import keras
import numpy as np
from click.testing import CliRunner

from seqlayers.__main__ import cli

EPOCHS = 12
VALIDATED = [5, 10, 12]
TINY = "--model rnn-bernoulli --recurrent-units 3 --dropout 0.1 --batch-size 2".split()
TINY += ["--augment", "-5", "6", "--epochs", str(EPOCHS), "--validate-every", "5"]

RATE = 8000
CALLS = 12  # of each recording, 40 ms every half second
TINY_SOUND = "--recipe rnn-rbm-spectrograms --hidden-units 4 --recurrent-units 3".split()
TINY_SOUND += "--recurrent-layers 1 --gibbs-steps 1 --sampling-steps 2".split()
TINY_SOUND += "--epochs 2 --validate-every 1 --batch-size 8".split()


def seqlayers(*args):
    return CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="seqlayers")


def succeeds(*args):
    done = seqlayers(*args)
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    return done.output


def refused(*args):
    """The message of a command that must end with status 2, on one line."""
    done = seqlayers(*args)
    assert done.exit_code == 2, f"{done.exit_code}: {done.output}"
    assert "Error: " in done.output
    assert "Traceback" not in done.output
    return " ".join(done.output.split())


def rows(path):
    """The rows of a CSV file."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def table(run):
    return rows(run / "metrics.csv")


def weights(file):
    """Weights of a model and of its optimizer."""
    model = keras.saving.load_model(file)
    assert int(model.optimizer.iterations) > 0
    return [v.numpy() for v in (*model.weights, *model.optimizer.variables)]


def calls(seed, rate=RATE, number=CALLS):
    """Short calls over faint noise, one in each half second."""
    t = np.arange(number * rate // 2) / rate
    rng = np.random.default_rng(seed)
    pitch = np.repeat(rng.uniform(500, 3000, number), rate // 2)
    loud = (0.2 < t % 0.5) & (t % 0.5 < 0.24)
    x = 0.4 * np.sin(2 * np.pi * pitch * t) * loud + 1e-3 * rng.normal(size=len(t))
    return x.astype("float32")
