"""`seqlayers export`."""

import json
import os
import shutil
from pathlib import Path

import click

from seqlayers import files
from seqlayers.commands.cli import check_utf8, import_runs, writing
from seqlayers.commands.parameters import debug, source
from seqlayers.runs import checkpoints

SOUND = "sound.json"


@click.command()
@source
@click.argument("path", type=click.Path(path_type=Path))
@debug
def export(source, path):
    """Write a model as a SavedModel, which can be served without seqlayers.

    SOURCE is the folder of a run, whose best.keras is exported, or a .keras file. PATH must not
    exist. A run on recordings adds assets.extra/sound.json, which holds what frames are made with:
    the settings of the spectra, their scale, and shift, divisor and clipping of the normaliser.

    \b
    Examples:
      seqlayers export runs/jsb served/jsb/1
    """
    if os.path.lexists(path):
        raise click.UsageError(f"PATH must not exist yet. Received: {path}, which does.")

    check_utf8("PATH", path)
    _, _, config = checkpoints.check(source)

    model, _ = import_runs().loading.load_model(source)
    with writing(path):
        model.export(path)
        if config and "sound" in config:
            extra = path / "assets.extra"
            text = json.dumps(config["sound"].get_config()) + "\n"
            try:
                extra.mkdir()
                files.write_atomically(extra / SOUND, text.encode())
            except BaseException:
                shutil.rmtree(path)  # all of it, or nothing
                raise
    click.echo(str(path))
