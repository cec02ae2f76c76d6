"""`seqlayers segment`."""

from pathlib import Path

import click

from seqlayers import audio, files
from seqlayers.audio.segment_search import Search
from seqlayers.checks import counted
from seqlayers.commands import segment_pictures, segment_scores
from seqlayers.commands.cli import (
    check_absent,
    check_kept,
    list_skipped,
    naming,
    note,
    write_table,
)
from seqlayers.commands.parameters import (
    check_needed,
    debug,
    label_options,
    option,
    run_option,
    run_options,
    switch,
)
from seqlayers.commands.segment_advice import advice, summary
from seqlayers.runs.options import DEFAULTS, naming_flags, segment_rules, with_flags
from seqlayers.runs.options.listing import SEGMENTS
from seqlayers.runs.options.schema import Integer, Number
from seqlayers.runs.sound import name as name_of

COLUMNS = ("file", "start", "end")
NEEDED = {"picture_from": "picture", "picture_seconds": "picture"}
NEEDED |= dict.fromkeys(["tolerance", "tier", "column"], "reference")

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", type=_FILE, required=True, help="Write a CSV file: file, start and end in seconds."
)
@click.option(
    "--picture",
    type=_FILE,
    help="Draw a recording with its segments, and the loudness with the level: .png, .svg, or .pdf "
    "with a page for each recording.",
)
@option(
    "--picture-from",
    Number(least=0, metavar="SECONDS"),
    "Draw from this time on. Without it, from shortly before the first segment.",
)
@option(
    "--picture-seconds",
    Number(above=0, most=600, metavar="SECONDS"),
    "Draw so much of a recording.",
    default=10,
)
@click.option(
    "--reference",
    type=click.Path(exists=True, path_type=Path),
    help="Print how well the segments agree with these marks: a folder of label files of Audacity, "
    "Raven, Praat and others, a table of many recordings such as --out, or the label file of one.",
)
@label_options
@option(
    "--tolerance",
    Number(least=0, metavar="MS"),
    "Count a boundary as right up to this far from that of --reference.",
    default=10,
)
@option(
    "--sample-rate",
    Integer(1, 1_000_000, "HZ"),
    "Resample recordings to this rate. Without it, each keeps its own.",
)
@run_option("channel")
@run_options(SEGMENTS)
@switch("--overwrite", "Replace files with the same names.")
@debug
def segment(
    source,
    out,
    picture,
    picture_from,
    picture_seconds,
    reference,
    tier,
    column,
    tolerance,
    sample_rate,
    channel,
    overwrite,
    **options,
):
    """Find the segments of recordings, where somebody sings, calls or speaks.

    SOURCE is a recording or a folder of recordings. Each is judged by its own noise and its own
    sound. Where little is found, or nearly everything, the command prints what to try.

    \b
    Examples:
      seqlayers segment birds --out segments.csv
      seqlayers segment song.wav --out song.csv --picture song.png
      seqlayers segment birds --out scored.csv --reference marks.csv
      seqlayers segment birds --out loud.csv --method percentile --threshold 85
    """
    given = {name: value for name, value in options.items() if value is not None}
    rules = segment_rules(DEFAULTS | given)
    if picture and picture.resolve() == out.resolve():
        raise click.UsageError(f"--out and --picture must differ. Received: {out} twice.")
    if picture:
        segment_pictures.check_picture(picture)
    check_absent([out, picture], overwrite)
    check_needed(NEEDED, {"picture": picture, "reference": reference})
    reading = {"sample_rate": sample_rate, "channel": "mean" if channel is None else channel}
    rows, skipped, results, judged, marked, marks = [], [], {}, {}, {}, []
    with naming("SOURCE"), naming_flags():
        if sample_rate is not None:
            Search(sample_rate, rules)  # which refuses rules that do not fit it
        paths = audio.find(source)
        names = {path: files.printable(name_of(path, source)) for path in paths}
        if reference:
            marked, marks = segment_scores.read(source, reference, names, tier=tier, column=column)
        check_kept(
            [out, picture],
            [*paths, *marks],
            "--out and --picture must be neither a recording of SOURCE nor --reference.",
        )
        for path, name in names.items():
            try:
                found = audio.segments_of_file(path, rules, **reading)
            except (ValueError, OSError) as error:  # also of rules that do not fit its sample rate
                skipped.append((path, with_flags(files.reason_of(error))))
                if isinstance(error, audio.NoSegments) and error.found:
                    judged[name] = path, error.found
                continue
            results[name] = judged[name] = path, found
            rows += [(name, f"{start:.6f}", f"{end:.6f}") for start, end in found.times]
            click.echo(f"{name}: {summary(found)}")
            for sentence in advice(found, sample_rate or audio.sample_rate_of(path)):
                note(f"  {sentence}")
        if picture:
            judged = segment_pictures.shown(judged, picture_from)
        if not results:
            if picture and judged:  # with which to see why
                segment_pictures.draw(picture, judged, picture_from, picture_seconds, **reading)
            raise audio.NoSegments.in_none(skipped)
    read = len(paths) - len(skipped)
    list_skipped(skipped, read, "recordings")
    click.echo(f"{counted(len(rows), 'segment')} in {counted(read, 'recording')}")
    write_table(out, COLUMNS, rows)
    click.echo(files.printable(out))
    if picture:
        segment_pictures.draw(picture, judged, picture_from, picture_seconds, **reading)
        click.echo(files.printable(picture))
    if reference:
        segments = {name: each for name, (_, each) in judged.items()}
        segment_scores.show(segments, marked, tolerance)
