"""`seqlayers report`."""

from pathlib import Path

import click

from seqlayers import files
from seqlayers import report as pages
from seqlayers.commands.cli import check_utf8, import_runs, writing
from seqlayers.commands.parameters import debug, option, switch
from seqlayers.commands.run_data import compare_versions, read_data
from seqlayers.commands.sources import Source
from seqlayers.runs import checkpoints, folder
from seqlayers.runs.config import read_config
from seqlayers.runs.options.schema import Integer, Number

MOST = 8  # pieces that are drawn


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=f"Write the page to this file.  [default: {folder.REPORT} in RUN]",
)
@option("--num", Integer(1, MOST), "Number of pieces to draw.", default=4)
@option(
    "--temperature",
    Number(above=0),
    "Draw bolder pieces above 1, safer ones below 1.",
    default=1.0,
)
@option("--seed", Integer(0, 2**31 - 1), "Seed of the draws.", default=0)
@switch("--overwrite", "Replace a page that is there.")
@debug
def report(run, out, num, temperature, seed, overwrite):
    """Write a page to look at and to listen to: one HTML file for a browser.

    RUN is the folder of a run, finished or not. The page has the learning curves, the likelihood of
    the test split beside baselines, real and drawn pieces with sound, their hidden units and the
    log-probability of each frame, the least probable frames, and the options. It is smaller than
    3 MB, and neither needs nor makes a connection to a network. Recordings are played as they are;
    long ones are cut, and the page says where.

    \b
    Examples:
      seqlayers report runs/jsb
      seqlayers report runs/birds --out birds.html --num 2 --seed 1
    """
    if not run.is_dir() or not folder.is_run(run):
        raise click.UsageError(
            f"RUN must be the folder of a run, as `seqlayers train` writes it. Received: {run}."
        )
    target = out or run / folder.REPORT
    if not out:
        files.check_own(target)  # a link may lead out of the folder
    check_utf8("--out", target)
    if not overwrite and files.mode_of(target) is not None:
        raise click.UsageError(
            f"The page must not exist yet; add --overwrite to replace it. Received: {target}."
        )
    config = read_config(run)
    if config is None:
        raise click.UsageError(
            f"RUN must hold {folder.CONFIG}, which `seqlayers train` writes first. Received: {run}."
        )
    Source(run, None, config).refuse_labels("seqlayers report")
    history = checkpoints.last_history(run, config["options"])
    if history:
        checkpoints.check(run)
    data = read_data(config["options"], config)
    runs = import_runs()
    compare_versions(config)
    drawing = runs.reporting.Drawing(num, temperature, seed)
    page = runs.reporting.page_of_run(run, config, data, history, drawing, out)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        pages.write(target, page, follow=out is not None)
    click.echo(files.printable(target))
