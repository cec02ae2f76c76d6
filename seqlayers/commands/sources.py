"""The model that a command reads: a run, a `.keras` file, or a preset that ships with seqlayers."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import click

from seqlayers import presets
from seqlayers.commands.cli import import_runs
from seqlayers.commands.parameters import completing, option
from seqlayers.runs import checkpoints
from seqlayers.runs import data as run_data
from seqlayers.runs.options.schema import Text

existing = click.Path(exists=True, path_type=Path)
preset_option = option(
    "--preset",
    Text("NAME"),
    "Use a trained model that ships with seqlayers in place of SOURCE. `seqlayers presets` lists "
    "them.",
    shell_complete=completing(presets.names),
)


class Source(NamedTuple):
    """The source of a model.

    Attributes:
        path: The folder of a run, or a `.keras` file; None for a preset.
        preset: A `presets.Preset`, or None.
        config: Configuration of the run that the model belongs to, or None.
    """

    path: Any
    preset: Any
    config: Any

    def __str__(self):
        return f"--preset {self.preset.name}" if self.preset else str(self.path)

    @property
    def sound(self):
        """`SoundFrames` of a run on recordings, or None."""
        return (self.config or {}).get("sound")

    def step_in_beats(self, given=None):
        """Returns the length of a time step: as given, else that of the data, else an eighth."""
        if given is not None:
            return given
        if self.preset:
            return run_data.step_in_beats({"midi": None, "dataset": self.preset.card.dataset})
        return run_data.step_in_beats(self.config["options"]) if self.config else 0.5

    @property
    def labels(self):
        """Whether the run learned labels; None for a `.keras` file without a run."""
        if self.config is None:
            return False if self.preset else None
        return self.config["options"]["labels"] is not None

    def refuse_labels(self, command):
        """Refuses a run that learned labels."""
        if self.labels:
            raise click.UsageError(
                f"`{command}` needs a run on music, or on recordings without --labels; "
                "`seqlayers annotate` and `seqlayers score` take runs that learned labels. "
                f"Received: {self}."
            )

    def need_labels(self, command):
        """Refuses a run or a preset that has not learned labels."""
        if self.labels is False:
            raise click.UsageError(
                f"`{command}` needs a run that learned labels, by `seqlayers train --wav "
                f"RECORDINGS --labels LABELS`. Received: {self}, which did not."
            )

    def load(self, labels=False):
        """Imports TensorFlow and returns the model, and its name for messages.

        Args:
            labels: As in `runs.loading.load_model`.
        """
        loading = import_runs().loading
        if self.preset:
            return presets.load(self.preset.name), self.preset.name
        return loading.load_model(self.path, labels)


def chosen(path, preset):
    """Returns the `Source` of a path or of the name of a preset.

    Raises:
        click.UsageError: Unless exactly one of them is given.
        ValueError: If there is no such preset, no model at `path`, or one of another run.
    """
    if (path is None) == (preset is None):
        came = "none" if path is None else "both"
        raise click.UsageError(
            f"Give one of SOURCE, a run or a .keras file, and --preset. Received: {came}."
        )
    if preset:
        return Source(None, presets.read(preset), None)
    _, _, config = checkpoints.check(path)
    return Source(path, None, config)


def source(command):
    """Gives a command SOURCE and --preset, of which one must be given, as a `Source`."""

    @click.argument("source", required=False, type=existing)
    @preset_option
    @functools.wraps(command)
    def with_source(source, preset, **given):
        return command(source=chosen(source, preset), **given)

    return with_source
