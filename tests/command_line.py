"""What tests of the command line share."""

import csv

import keras
from click.testing import CliRunner

from seqlayers.__main__ import cli


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


def table(run):
    with open(run / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def weights(file):
    """Of a model and of its optimizer."""
    model = keras.saving.load_model(file)
    assert int(model.optimizer.iterations) > 0
    return [v.numpy() for v in (*model.weights, *model.optimizer.variables)]
