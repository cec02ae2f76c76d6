"""`seqlayers score`."""

import json
import math
import os

import click

from seqlayers import files
from seqlayers.checks import counted
from seqlayers.commands import label_scores
from seqlayers.commands.cli import QUIET, Failure, import_runs, list_skipped, naming, note
from seqlayers.commands.parameters import (
    debug,
    option,
    run_option,
    step_in_beats_option,
    switch,
)
from seqlayers.commands.run_data import (
    compare_versions,
    list_resampled,
    read_data,
    where,
)
from seqlayers.commands.sources import source
from seqlayers.datasets import midi as midi_files
from seqlayers.datasets import piano_roll
from seqlayers.runs import sound as run_sound
from seqlayers.runs.options.schema import Choice, Integer, Number, Path

NOT_CONVERGED = 3  # the exit status


@click.command()
@source
@option("--dataset", Choice(piano_roll.NAMES), "Score a data set that ships with seqlayers.")
@option("--split", Choice(piano_roll.SPLITS), "Score this split.  [default: test]")
@option("--midi", Path(), "Score a MIDI file, or a folder of them.")
@option("--wav", Path(), "Score all segments of a recording, or of a folder of them.")
@option(
    "--labels",
    Path(),
    "With --wav and a run that learned labels, score against these: a folder of label files or a "
    "table.",
)
@option(
    "--min-duration",
    Number(least=0, metavar="MS"),
    "With a run that learned labels, find no label shorter than this.",
)
@step_in_beats_option
@run_option("transpose")
@switch("--bracket", "For models with RBMs, estimate from the other side as well.")
@option(
    "--adapt",
    Number(above=0, metavar="RATE"),
    "Let the model learn from each sequence while it is scored (dynamic evaluation), at this "
    "learning rate.",
)
@option("--adapt-steps", Integer(1, 100_000), "With --adapt, learn after so many frames.")
@option("--seed", Integer(0, 2**31 - 1), "Seed of the draws of an estimate.", default=0)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@switch(
    "--quiet",
    "Print the number alone, or with --json the JSON alone. Errors are printed all the same.",
    expose_value=False,
    callback=lambda ctx, _, quiet: ctx.meta.update({QUIET: quiet}),
)
@debug
def score(
    source,
    dataset,
    split,
    midi,
    wav,
    labels,
    min_duration,
    step_in_beats,
    transpose,
    bracket,
    adapt,
    adapt_steps,
    seed,
    as_json,
):
    """Print the log-likelihood of data under a model, in nats per frame, or how it labels them.

    SOURCE is the folder of a run, whose best.keras is scored, or a .keras file; --preset takes its
    place. Without --dataset, --midi and --wav, a run or a preset is scored on its own data.

    The line has the kind of the number (exact, an estimate, a lower bound, adapted, or not
    converged: no estimate), how it is averaged, and over how many frames. An estimate by annealing
    is a little too high on average; --bracket adds one that is too low on average, and the truth
    lies between them. Where it has not converged, the exit status is 3. A number with --adapt
    compares with others of that kind alone. Frames of recordings are made and normalised as those
    of the run.

    A run that learned labels has an accuracy, the share of frames with the right label, and an
    error rate, the labels to insert, delete or replace per label of the expert. Without --wav and
    --labels they are those of its own test split.

    \b
    Examples:
      seqlayers score runs/jsb
      seqlayers score --preset tied-nade-jsb
      seqlayers score runs/jsb/last.keras --dataset nottingham --split valid --bracket
      seqlayers score runs/jsb --midi song.mid --step-in-beats 1 --json
      seqlayers score runs/birds --wav evening.wav
      seqlayers score runs/songs --wav new --labels checked
      seqlayers score --preset tied-nade-jsb --adapt 0.01 --adapt-steps 8
    """
    if source.labels or labels:
        label_scores.show(source, split, wav, labels, min_duration, as_json)
        return
    if min_duration is not None:
        raise click.UsageError(
            "`--min-duration` has no effect without a run that learned labels; remove it."
        )
    sources = {"--dataset": dataset, "--midi": midi, "--wav": wav}
    given = [name for name, value in sources.items() if value]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other; give one of them.")
    if (midi or wav) and split:
        raise click.UsageError(f"`--split` has no effect with `{given[0]}`; remove it.")
    if adapt_steps and adapt is None:
        raise click.UsageError("`--adapt-steps` needs `--adapt`; remove it.")
    if bracket and adapt is not None:
        raise click.UsageError("`--bracket` has no effect with `--adapt`; remove it.")
    if not midi and (step_in_beats or transpose):
        raise click.UsageError("`--step-in-beats` and `--transpose` need `--midi`; remove them.")
    if not given and source.path and not source.path.is_dir():
        raise click.UsageError("A .keras file needs data: give --dataset, --midi or --wav.")

    config, sound = source.config, source.sound
    if not given and source.preset:
        dataset = source.preset.card.dataset
    if wav and not sound:
        raise click.UsageError(
            "--wav needs a run on recordings, whose config.json has the settings of its frames. "
            f"Received: {source}."
        )
    if sound and (midi or dataset):
        raise click.UsageError(
            f"{given[0]} needs a model of music; give --wav. "
            f"Received: {source}, a run on recordings."
        )
    split, data = split or "test", None
    if midi:
        step, name = source.step_in_beats(step_in_beats), str(midi)
        with naming("--midi"):
            names, sequences = _rolls(midi, step, transpose or 0)
        if config:
            _report_trained_on(config, midi, names)
    elif wav:
        name = str(wav)
        with naming("--wav"):
            corpus = run_sound.segments(wav, config["options"], *sound)
        list_skipped(corpus.skipped, len(corpus.durations), "recordings")
        list_resampled(corpus.resampled, sound.settings.sample_rate)
        sequences = corpus.sequences
    elif dataset:
        name, sequences = f"{dataset} {split}", getattr(piano_roll.load(dataset), split)
    elif config:
        data = read_data(config["options"], config)
        name, sequences = f"{where(config['options'])} {split}", data.splits[split]
        if not sequences:
            raise click.UsageError(f"--split {split} of {where(config['options'])} is empty.")
    else:
        raise click.UsageError(
            f"{source} has no config.json that names data: give --dataset, --midi or --wav."
        )
    import_runs()
    if data is not None:
        compare_versions(config)
    model, file = source.load()
    likelihood = model.score(
        sequences, seed=seed, bracket=bracket, adapt=adapt, adapt_steps=adapt_steps
    )
    if as_json:
        plain = {k: getattr(v, "item", lambda v=v: v)() for k, v in likelihood._asdict().items()}
        for field, value in plain.items():
            if isinstance(value, float) and not math.isfinite(value):
                plain[field] = None  # JSON has finite numbers alone
        click.echo(json.dumps({"model": str(file), "data": name, **plain}))
    elif click.get_current_context().meta[QUIET]:
        click.echo(likelihood.nats)
    else:
        click.echo(f"{files.printable(file)} on {files.printable(name)}: {likelihood}")
    if not likelihood.converged:
        raise Failure(
            "The annealing has not converged: the number may be far from the truth. Train a model "
            "with smaller weights, or raise `head.num_betas` in Python.",
            NOT_CONVERGED,
        )


def _rolls(path, step_in_beats, transpose):
    """Returns the paths and the rolls of a MIDI file or of those in a folder."""
    if not path.is_dir():
        return [path], [midi_files.read(path, step_in_beats, transpose)]
    paths, rolls, skipped = midi_files.read_folder(path, step_in_beats, transpose)
    list_skipped(skipped, len(rolls), "MIDI files")
    return paths, rolls


def _report_trained_on(config, path, paths):
    """Prints how many MIDI files have the names of those that a run trained or validated on."""
    by_split, folder = config["data"].get("files"), config["options"]["midi"]
    if folder is None or not isinstance(by_split, dict):
        return
    root = path if path.is_dir() else path.parent
    counts = []
    for split, title in (("train", "training"), ("valid", "validation")):
        names = set(by_split[split])
        same = {os.path.join(folder, name) for name in names}
        number = sum(
            os.path.abspath(each) in same or each.relative_to(root).as_posix() in names
            for each in paths
        )
        if number:
            counts.append(f"{number} in its {title} split")
    if counts:
        note(
            f"Note: of {counted(len(paths), 'file')} by name, the run has {' and '.join(counts)}; "
            "a model scores higher on what it was trained on."
        )
