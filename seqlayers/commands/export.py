"""`seqlayers export`."""

import json
import os
import shutil
from pathlib import Path

import click

from seqlayers import files
from seqlayers.commands.cli import check_utf8, writing
from seqlayers.commands.parameters import debug
from seqlayers.commands.sources import chosen, existing, preset_option

SOUND, PRESET, LABELS = "sound.json", "preset.json", "labels.json"
_FRAMES = (  # arguments of a model of labels that its caller needs
    "classes",
    "sample_rate",
    "hop_length",
    "frame_length",
    "num_bands",
    "low",
    "frames_per_step",
)


@click.command()
@click.argument(
    "paths", nargs=-1, type=click.Path(path_type=Path), metavar="[SOURCE] PATH", required=True
)
@preset_option
@debug
def export(paths, preset):
    """Write a model as a SavedModel, which can be served without seqlayers.

    SOURCE is the folder of a run, whose best.keras is exported, or a .keras file; --preset takes
    its place. PATH must not exist. A run on recordings adds assets.extra/sound.json, which holds
    what frames are made with: the settings of the spectra, their scale, and shift, divisor and
    clipping of the normaliser. A preset adds its card, assets.extra/preset.json; a run that learned
    labels assets.extra/labels.json, with the labels and the settings of the frames.

    \b
    Examples:
      seqlayers export runs/jsb served/jsb/1
      seqlayers export --preset tied-nade-jsb served/bach/1
    """
    *sources, path = paths
    if len(sources) > 1:
        raise click.UsageError(f"Give SOURCE and PATH alone. Received: {len(paths)} paths.")
    source = chosen(existing(sources[0]) if sources else None, preset)
    if os.path.lexists(path):
        raise click.UsageError(f"PATH must not exist yet. Received: {path}, which does.")
    check_utf8("PATH", path)
    model, _ = source.load(labels=None)
    with writing(path):
        model.export(path)
        extras = {}
        if source.sound:
            extras[SOUND] = source.sound.get_config()
        if hasattr(model, "classes"):
            settings = model.get_config()
            extras[LABELS] = {name: settings[name] for name in _FRAMES}
        if source.preset:
            extras[PRESET] = {"name": source.preset.name} | source.preset.card._asdict()
        try:
            for name, content in extras.items():
                (path / "assets.extra").mkdir(exist_ok=True)
                text = json.dumps(content) + "\n"
                files.write_atomically(path / "assets.extra" / name, text.encode())
        except BaseException:
            shutil.rmtree(path)  # all of it, or nothing
            raise
    click.echo(str(path))
