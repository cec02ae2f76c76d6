"""`seqlayers data` and `seqlayers data shard`."""

import contextlib
from pathlib import Path

import click

from seqlayers import __version__, audio, files
from seqlayers.audio.files import SUFFIXES
from seqlayers.audio.spectra import DEFAULT
from seqlayers.checks import counted
from seqlayers.commands.cli import check_utf8, import_runs, list_skipped, naming, writing
from seqlayers.commands.parameters import (
    GroupedCommand,
    debug,
    option,
    run_option,
    run_options,
    switch,
)
from seqlayers.commands.run_data import list_resampled
from seqlayers.datasets import midi, piano_roll, shards
from seqlayers.datasets.recordings import FRAME_LENGTH, HOP_LENGTH
from seqlayers.datasets.shard_files import MAX_SHARDS
from seqlayers.runs import sound
from seqlayers.runs.options import DEFAULTS, OPTIONS, sequence_rules
from seqlayers.runs.options.listing import SEGMENTS
from seqlayers.runs.options.schema import Choice, Integer, flag

KINDS = {"midi": "MIDI files", "sound": "recordings"}
_SOURCES = {"midi": "midi", "sound": "wav"}  # options of a run that name the same data


class _Data(click.Group):
    """A group whose commands are `shard` and the names of the data sets."""

    def get_command(self, ctx, name):
        if name in piano_roll.NAMES:
            return _describing(name)
        return super().get_command(ctx, name)

    def resolve_command(self, ctx, args):
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = ", ".join([*self.commands, *piano_roll.NAMES])
            raise click.UsageError(
                f"Give a command or the name of a data set: {known}. Received: {args[0]}.", ctx
            )
        return super().resolve_command(ctx, args)


@click.group(cls=_Data, invoke_without_command=True, subcommand_metavar="[NAME | shard ...]")
@debug
@click.pass_context
def data(ctx):
    """List the data sets that ship with seqlayers, or describe one. Write data as shards.

    \b
    Examples:
      seqlayers data
      seqlayers data jsb_chorales
      seqlayers data shard music shards --shards 16
    """
    if ctx.invoked_subcommand is None:
        _list()


def _list():
    click.echo(f"{'name':14}{'train':>7}{'valid':>7}{'test':>7}{'frames':>11}  step, terms")
    for name in piano_roll.NAMES:
        about = piano_roll.info(name)
        counts = "".join(f"{about.sequences[split]:7,}" for split in piano_roll.SPLITS)
        click.echo(f"{name:14}{counts}{sum(about.frames.values()):11,}  {about.step}")
        click.echo(click.wrap_text(about.terms, 100, " " * 16, " " * 16))


def _describing(name):
    """Returns the command that describes a data set."""

    @click.command(name)
    @debug
    def describe():
        about = piano_roll.info(name)
        click.echo(f"{name}: {about.title}\n")
        for split in piano_roll.SPLITS:
            counts = f"{about.sequences[split]:6,} sequences {about.frames[split]:9,} frames"
            click.echo(f"  {split:6}{counts}")
        click.echo(f"  step  {about.step}")
        for field in ("source", "terms"):
            click.echo()
            click.echo(click.wrap_text(f"{field.title()}: {getattr(about, field)}", 80))

    return describe


@data.command(cls=GroupedCommand)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@option("--shards", Integer(1, MAX_SHARDS), "Number of shards to write.", required=True)
@option(
    "--kind",
    Choice(tuple(KINDS)),
    "Read files of this kind. Without it, FOLDER must hold files of one kind alone.",
)
@switch("--gzip", "Compress the shards. Piano-rolls become ten times smaller, sound hardly.")
@switch("--overwrite", "Replace the shards in OUT.")
@run_option("step_in_beats", "MIDI files")
@run_option("transpose", "MIDI files")
@run_option("visibles", "Recordings")
@run_option("sample_rate", "Recordings")
@run_option("channel", "Recordings")
@run_options(SEGMENTS, "Segments of recordings")
@debug
def shard(folder, out, shards, kind, gzip, overwrite, **options):
    """Write the MIDI files or recordings of FOLDER as TFRecord shards to OUT, a new folder.

    Shards are for data that memory cannot hold, and for many machines. `datasets.shards.load` in
    Python reads them; `seqlayers train` does not. One file is in memory at a time. OUT is written
    whole or not at all. Files that cannot be read are skipped and listed.

    MIDI files become piano-rolls. Recordings are cut into segments, whose frames are spectra, as by
    `seqlayers train --wav` with the same options. With --visibles gaussian or bernoulli the frames
    are logarithms of amplitudes, with gamma amplitudes. The normaliser is fitted to all of them and
    kept in index.json; `load` applies it.

    \b
    Examples:
      seqlayers data shard music shards --shards 16 --gzip
      seqlayers data shard birds shards --shards 64 --sample-rate 16000
    """
    given = {name: value for name, value in options.items() if value is not None}
    check_utf8("OUT", out)
    if not overwrite and files.mode_of(out) is not None:
        raise click.UsageError(
            f"OUT must not exist yet; add --overwrite to replace shards. Received: {out}."
        )
    kind = kind or _kind_of(folder)
    options = DEFAULTS | {_SOURCES[kind]: str(folder)} | given
    for name in given:
        if OPTIONS[name].applies_to(name, options):
            raise click.UsageError(f"{flag(name)} has no effect with {KINDS[kind]}; remove it.")
    reader = _Music(folder, options) if kind == "midi" else _Sound(folder, options)
    import_runs()
    with writing(out), naming("FOLDER"), _naming_shards():
        out.parent.mkdir(parents=True, exist_ok=True)
        index = _write(reader, out, shards, gzip, overwrite)
    list_skipped(reader.skipped, reader.read, KINDS[kind])
    if kind == "sound":
        list_resampled(reader.resampled, reader.settings.sample_rate)
    size = sum(each.bytes for each in index.shards)
    click.echo(
        f"{counted(index.num_sequences, 'sequence')} of "
        f"{counted(reader.read, KINDS[kind].removesuffix('s'))}, "
        f"{counted(index.num_frames, 'frame')}, in {counted(shards, 'shard')}, {size:,} bytes"
    )
    click.echo(files.printable(out))


def _write(reader, out, num_shards, gzip, overwrite):
    return shards.write(
        reader.sequences(),
        out,
        num_shards,
        dtype=reader.dtype,
        compression="gzip" if gzip else None,
        normalizer=reader.normalizer,
        about=reader.about | {"seqlayers": __version__},
        overwrite=overwrite,
    )


def _kind_of(folder):
    """Returns the kind of the files in a folder."""
    suffixes = {"midi": midi.SUFFIXES, "sound": SUFFIXES}
    found = [kind for kind in KINDS if files.find(folder, suffixes[kind])]
    if len(found) == 1:
        return found[0]
    wanted = ", ".join(f"*{suffix}" for kind in KINDS for suffix in suffixes[kind])
    if found:
        raise click.UsageError(
            "FOLDER must hold files of one kind alone; give --kind. "
            f"Received: {folder}, which holds MIDI files and recordings."
        )
    raise click.UsageError(
        f"FOLDER must hold MIDI files or recordings ({wanted}). Received: {folder}, with none."
    )


class _Music:
    """The piano-rolls of a folder of MIDI files."""

    dtype, normalizer = "uint8", None

    def __init__(self, folder, options):
        self.folder, self.skipped, self.read = folder, [], 0
        self.given = {name: options[name] for name in ("step_in_beats", "transpose")}
        self.about = {"kind": "midi", **self.given}

    def sequences(self):
        """Yields pairs of the name of a file and its roll."""
        for path, roll in midi.read_each(self.folder, skipped=self.skipped, **self.given):
            self.read += 1
            yield sound.name(path, self.folder), roll


class _Sound:
    """The frames of the segments of a folder of recordings."""

    dtype = "float32"

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.skipped, self.resampled, self.read = [], [], 0
        with naming("FOLDER"):
            self.paths = audio.find(folder)
        self.scale, self.normalizer = sound.FRAMES[options["visibles"]]
        rate = options["sample_rate"] or self._lowest_rate()
        self.settings = audio.Spectra(FRAME_LENGTH, HOP_LENGTH, sample_rate=rate)
        rules = sequence_rules(options)  # refuses contradictions before anything is read
        self.about = {
            "kind": "sound",
            "spectra": self.settings.get_config(),
            "scale": self.scale,
            "channel": options["channel"],
            "segments": {each.name: getattr(rules, each.name) for each in SEGMENTS},
        }

    def _lowest_rate(self):
        rates = []
        for path in self.paths:
            with contextlib.suppress(audio.AudioError, OSError):  # it will be skipped
                rates.append(audio.sample_rate_of(path))
        return min(rates, default=DEFAULT.sample_rate)

    def sequences(self):
        """Yields pairs of the name of a file and the frames of a segment."""
        for path in self.paths:
            try:
                corpus = sound.segments(path, self.options, self.settings, self.scale)
            except audio.NoSegments as error:
                self.skipped += error.skipped
                continue
            except OSError as error:  # it was there when the folder was read
                self.skipped.append((path, files.reason_of(error)))
                continue
            self.read += 1
            self.resampled += corpus.resampled
            for frames in corpus.sequences:
                yield sound.name(path, self.folder), frames
        if not self.read:
            raise audio.NoSegments.in_none(self.skipped)


@contextlib.contextmanager
def _naming_shards():
    """Names the option in errors of an argument of `shards.write`."""
    try:
        yield
    except ValueError as error:
        if "`num_shards`" in str(error):
            message = str(error).replace("`num_shards`", "--shards")
            raise click.UsageError(message.replace("num_shards=", "")) from error
        raise
