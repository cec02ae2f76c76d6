"""The command line: `seqlayers`, or `python -m seqlayers`.

Wrong input ends with one message and exit status 2, a score that has not converged with 3, Ctrl-C
with 130 and SIGTERM with 143; only --debug shows a traceback. The commands are in
`seqlayers.commands`. They import TensorFlow when they need it, so that --help answers at once.
"""

import glob
import os

import click

from seqlayers import __version__
from seqlayers.commands.annotate import annotate
from seqlayers.commands.cli import Commands
from seqlayers.commands.cluster import cluster
from seqlayers.commands.data import data
from seqlayers.commands.export import export
from seqlayers.commands.generate import generate
from seqlayers.commands.presets import list_presets
from seqlayers.commands.recipes import list_recipes
from seqlayers.commands.report import report
from seqlayers.commands.score import score
from seqlayers.commands.segment import segment
from seqlayers.commands.train import train


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli():
    """Train recurrent models of music or recordings, score them, generate, and label recordings.

    \b
    Examples:
      seqlayers generate --preset tied-nade-jsb --out bach
      seqlayers data
      seqlayers train --dataset jsb_chorales --out runs/jsb
      seqlayers score runs/jsb
      seqlayers generate runs/jsb --out songs
      seqlayers report runs/jsb
      seqlayers train --wav birds --out runs/birds
      seqlayers generate runs/birds --wav sounds
      seqlayers cluster runs/birds birds --out kinds.csv --page kinds.html
      seqlayers train --wav songs --labels labels --out runs/songs
      seqlayers annotate runs/songs new --out labelled
    """
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # keeps XLA's buffers between calls
    # Hides TensorFlow's warnings, and without a GPU its errors: it reports the missing GPU, and
    # slow compilations, as errors. What fails raises an exception all the same.
    has_gpu = any(map(glob.glob, ("/dev/nvidia*", "/dev/kfd", "/dev/dxg")))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if has_gpu else "3")


for command in (
    *(train, score, generate, annotate, report, export, segment, cluster),
    *(data, list_recipes, list_presets),
):
    cli.add_command(command)


def main():
    """The command `seqlayers`."""
    cli(prog_name="seqlayers")


if __name__ == "__main__":
    main()
