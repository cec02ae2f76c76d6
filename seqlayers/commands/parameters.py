"""Parameters of the commands: options of a run as options of click, and those of many commands."""

import contextlib
from pathlib import Path

import click

from seqlayers.commands.cli import DEBUG
from seqlayers.runs import recipes
from seqlayers.runs.options import OPTIONS, schema, written
from seqlayers.runs.options.schema import flag

OTHER = "Other"  # the part of a help text for options without a group


class GroupedCommand(click.Command):
    """A command whose help lists its options in groups, in the order of their first ones."""

    def format_options(self, ctx, formatter):
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "group", OTHER), []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


class _Option(click.Option):
    def __init__(self, *names, group=OTHER, **settings):
        super().__init__(*names, **settings)
        self.group = group


class _Checked(click.ParamType):
    """An integer or a number within bounds, or several with commas between them."""

    name = "number"

    def __init__(self, kind):
        self.kind, self.several = kind, isinstance(kind, schema.Several)
        one = kind.kind if self.several else kind
        self.read_one = float if isinstance(one, schema.Number) else int

    def read(self, value):
        if self.several:
            return [self.read_one(each) for each in value.split(",")]
        return self.read_one(value)

    def convert(self, value, param, ctx):
        with contextlib.suppress(ValueError):  # `check` refuses text
            value = self.read(value)
        try:
            return self.kind.check(param.opts[0], value)
        except ValueError as error:
            raise click.UsageError(str(error), ctx) from error


class _Listed(click.Path):
    """The lines of a text file, without empty ones."""

    def __init__(self, kind):
        super().__init__(exists=True, dir_okay=False, path_type=Path)
        self.kind = kind

    def convert(self, value, param, ctx):
        path = super().convert(value, param, ctx)
        try:
            lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
            return self.kind.check(param.opts[0], [line for line in lines if line])
        except UnicodeDecodeError as error:
            message = f"`{param.opts[0]}` must be a text file in UTF-8. Received: {path}."
            raise click.UsageError(message, ctx) from error
        except ValueError as error:
            raise click.UsageError(str(error), ctx) from error


def option(name, kind, help, default=None, group=OTHER, **settings):
    """Returns `click.option` for a value of a type of `seqlayers.runs.options.schema`.

    Args:
        name: Name of the option, as `--name`.
        kind: Type of its value.
        help: Help text.
        default: Its default, which the help text shows.
        group: Title of the group that the help lists it in.
        **settings: Other arguments of `click.option`.
    """
    if isinstance(kind, schema.Pair):
        settings |= {"nargs": 2, "metavar": "LOW HIGH"}
        kind = kind.kind
    settings.setdefault("metavar", getattr(kind, "metavar", None))
    settings.setdefault("show_default", default is not None)
    return click.option(
        name,
        cls=_Option,
        type=_click_type(kind),
        help=help,
        default=default,
        group=group,
        **settings,
    )


def completing(names):
    """Returns `shell_complete` of a parameter whose values are what a function returns."""
    return lambda ctx, parameter, begun: [name for name in names() if name.startswith(begun)]


def _click_type(kind):
    if isinstance(kind, schema.Choice):
        return click.Choice(kind.values)
    if isinstance(kind, schema.Path):
        return click.Path(exists=True, file_okay=not kind.folder, path_type=Path)
    if isinstance(kind, schema.Lines):
        return _Listed(kind)
    if isinstance(kind, schema.Boolean):
        return click.BOOL
    return str if isinstance(kind, schema.Text) else _Checked(kind)


def run_option(name, group=OTHER):
    """Returns `click.option` for an option of a run; its value is None if it is not given."""
    each = OPTIONS[name]
    help = each.help
    shown = [] if each.default is None else [" ".join(written(name, each.default))]
    others = {"--wav": each.with_wav, "--labels": each.with_labels}
    shown += [f"{value} with {with_}" for with_, value in others.items() if value is not None]
    if shown:
        help += f"  [default: {'; '.join(shown)}]"
    names = completing(recipes.all_names) if name == "recipe" else None
    return option(flag(name), each.type, help, group=group, shell_complete=names)


def run_options(options, group=OTHER):
    """Returns a decorator that gives a command many options of a run.

    Args:
        options: A part of `seqlayers.runs.options.listing`.
        group: Title of the group that the help lists them in.
    """

    def decorate(command):
        for each in reversed(options):
            command = run_option(each.name, group)(command)
        return command

    return decorate


def switch(name, help, group=OTHER, **settings):
    """Returns `click.option` for an option without a value."""
    return click.option(name, cls=_Option, is_flag=True, help=help, group=group, **settings)


def label_options(command):
    """Gives a command `--tier` and `--column`, by which label files are read to compare with."""
    tier = option(
        "--tier",
        schema.Text("NAME"),
        "Compare with this tier of TextGrids. Without it, with the one they have.",
    )
    column = option(
        "--column",
        schema.Text("NAME"),
        "Take this column of selection tables of Raven for that of labels. Needed if it may be one "
        "of several.",
    )
    return tier(column(command))


def check_needed(needed, given):
    """Refuses options of the command that was called that others, not given, are needed for.

    Args:
        needed: Dictionary from names of options to the name of what each needs.
        given: Dictionary from the latter to their values, false if they are not given.
    """
    source = click.get_current_context().get_parameter_source
    for name, other in needed.items():
        if not given[other] and source(name) != click.core.ParameterSource.DEFAULT:
            raise click.UsageError(
                f"`{flag(name)}` has no effect without `{flag(other)}`; remove it."
            )


def output(name, help, group=OTHER, **settings):
    """Returns `click.option` for a folder to write to."""
    kind = click.Path(file_okay=False, path_type=Path)
    settings |= {"type": kind, "metavar": "FOLDER"}
    return click.option(name, cls=_Option, help=help, group=group, **settings)


def _set_debug(ctx, _, value):
    ctx.meta[DEBUG] = value


step_in_beats_option = option(
    "--step-in-beats",
    OPTIONS["step_in_beats"].type,
    "Length of a time step of MIDI files, in beats: 0.5 is an eighth note. Without it, the length "
    "in the run.",
)
debug = switch(
    "--debug", "Show the traceback of an error.", expose_value=False, callback=_set_debug
)
