"""`seqlayers annotate`."""

from pathlib import Path, PurePosixPath

import click

from seqlayers import audio, files
from seqlayers.audio import AudioError
from seqlayers.checks import counted
from seqlayers.commands.cli import check_absent, list_skipped, naming, note, write_table, writing
from seqlayers.commands.parameters import debug, option, output, switch
from seqlayers.commands.run_data import compare_versions, list_resampled
from seqlayers.commands.sources import chosen, existing
from seqlayers.datasets import labels
from seqlayers.runs.annotating import annotate as annotated
from seqlayers.runs.options.schema import Choice, Integer, Number
from seqlayers.runs.sound import name as name_of

COLUMNS = ("file", "onset_s", "offset_s", "label", "confidence")
SHOWN = 10  # most labels of low confidence that are printed
_ENDINGS = {
    "audacity": ".txt",
    "raven": ".selections.txt",
    "textgrid": ".TextGrid",
    "csv": ".csv",
    "generic": ".csv",
}


@click.command()
@click.argument("run", type=existing)
@click.argument("recordings", type=existing)
@output("--out", "Write a label file for each recording to this folder.", required=True)
@option("--format", Choice(labels.WRITABLE), "Format of the label files.", default="audacity")
@option(
    "--min-duration",
    Number(least=0, metavar="MS"),
    "Write no label shorter than this. Without it, the least duration that `seqlayers score` uses.",
)
@option(
    "--below",
    Number(least=0, most=1, metavar="SHARE"),
    "List labels of a lower confidence than this, for a person to check.",
    default=0.8,
)
@click.option(
    "--check",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all labels of a confidence below --below to this CSV file.",
)
@option(
    "--channel",
    Integer(0),
    "Use this channel of recordings, counted from 0. Without it, the channel that the run learned "
    "from, or the mean of all.",
)
@switch("--overwrite", "Replace files with the same names.")
@debug
def annotate(run, recordings, out, format, min_duration, below, check, channel, overwrite):
    """Label recordings as an expert would, from whose labels a run learned.

    RUN is the folder of a run that `seqlayers train --labels` made, whose best.keras is used, or a
    .keras file. RECORDINGS is a recording or a folder of recordings. The label file of a recording
    has its name, in the same subfolder of --out: song.wav has song.txt.

    The confidence of a label is the mean probability of its frames, from 0 to 1. Those below
    --below are counted, the lowest are printed, and --check writes all of them, with their times:
    labels to look at first. With --below 1 it has all labels.

    \b
    Examples:
      seqlayers annotate runs/songs new --out labelled
      seqlayers annotate runs/songs new --out grids --format textgrid --check check.csv
    """
    source = chosen(run, None)
    source.need_labels("seqlayers annotate")
    with naming("RECORDINGS"):
        targets = _targets(recordings, out, _ENDINGS[format])
    _check_apart(check, targets)
    written = [*targets.values(), *filter(None, [check])]
    for path in written:
        files.check_own(path)  # a link may lead out of the folder
    check_absent(written, overwrite)
    for target in targets.values():
        _check_within(target, out)
    settings = {} if min_duration is None else {"min_duration": min_duration / 1000}
    if channel is None:
        channel = source.config and source.config["options"]["channel"]
    labeller, _ = source.load(labels=True)
    with naming("--format"):
        labels.check_writable(labeller.classes, format)
    if source.config:
        compare_versions(source.config)
    rows, skipped, resampled, number = [], [], [], 0
    for path, target in targets.items():
        try:
            found = annotated(labeller, path, "mean" if channel is None else channel, **settings)
            rate = audio.sample_rate_of(path)
        except (AudioError, OSError) as error:
            skipped.append((path, files.reason_of(error)))
            continue
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            about = {"sample_rate": rate, "duration": found.duration}
            labels.write(target, found.annotation, format, **about)
        if rate != labeller.sample_rate:
            resampled.append((path, rate))
        own = _low(files.printable(name_of(path, recordings)), found, below)
        rows += own
        number += len(found.annotation)
        low = f", {len(own)} to check" if own else ""
        click.echo(f"{files.printable(target)}: {counted(len(found.annotation), 'label')}{low}")
    list_skipped(skipped, len(targets) - len(skipped), "recordings")
    list_resampled(resampled, labeller.sample_rate)
    if any(rate < labeller.sample_rate for _, rate in resampled):
        note("A lower rate lacks high frequencies: expect more errors, unless it was learned, too.")
    if len(skipped) == len(targets):
        raise click.BadParameter("none can be read.", param_hint="RECORDINGS")
    _list_low(rows, number, below, check)
    if check:
        write_table(check, COLUMNS, rows)
        click.echo(files.printable(check))


def _targets(recordings, out, ending):
    """Returns the label file of each recording, by the path of the recording."""
    paths = audio.find(recordings)
    names = {path: PurePosixPath(name_of(path, recordings)) for path in paths}
    stems = [name.with_suffix("") for name in names.values()]
    targets = {}
    for path, name in names.items():
        alone = stems.count(name.with_suffix("")) == 1  # else song.wav.txt beside song.flac.txt
        targets[path] = out / f"{name.with_suffix('') if alone else name}{ending}"
    return targets


def _check_apart(check, targets):
    """Refuses to write --check in the place of a recording or of a label file."""
    others = [*targets, *targets.values()]
    if check and any(check.absolute() == each.absolute() for each in others):
        raise click.UsageError(
            "--check must be neither a recording nor a label file of --out. "
            f"Received: {files.printable(check)}."
        )


def _check_within(target, out):
    """Refuses a folder that is a link to somewhere else."""
    if not target.parent.resolve().is_relative_to(out.resolve()):
        raise click.UsageError(
            "--out must hold no links to other folders, so that nothing else is written; remove "
            f"them. Received: {files.printable(target.parent)}."
        )


def _low(name, found, below):
    """Returns rows of the labels of a recording with a low confidence."""
    each = zip(found.annotation.times, found.annotation.labels, found.confidences, strict=True)
    return [
        (name, f"{start:.6f}", f"{end:.6f}", label, f"{confidence:.3f}")
        for (start, end), label, confidence in each
        if confidence < below
    ]


def _list_low(rows, number, below, check):
    click.echo(f"{counted(number, 'label')}, {len(rows):,} with a confidence below {below:g}")
    for name, start, end, label, confidence in sorted(rows, key=lambda row: float(row[-1]))[:SHOWN]:
        span = f"{float(start):.3f} to {float(end):.3f} s"
        click.echo(f"  {confidence} {name} {span}: {files.printable(label)}")
    if len(rows) > SHOWN:
        where = files.printable(check) if check else "--check FILE lists them"
        click.echo(f"  and {len(rows) - SHOWN:,} more: {where}")
