"""`seqlayers score`."""

import json

import click

from seqlayers.commands.cli import (
    SEED,
    THERE,
    debug,
    import_runs,
    naming,
    option,
    source,
    step_option,
    tell_skipped,
    transpose_option,
    was_given,
)
from seqlayers.commands.run_data import (
    compare,
    config_of,
    read_data,
    step_in_beats_of,
    tell_resampled,
    where,
)
from seqlayers.datasets import midi as midi_files
from seqlayers.datasets import piano_roll
from seqlayers.runs import sound as recordings


@click.command()
@source
@option("--dataset", type=click.Choice(piano_roll.NAMES), help="A set that ships with seqlayers.")
@option("--split", type=click.Choice(piano_roll.SPLITS), default="test")
@option("--midi", type=THERE, help="A MIDI file or a folder.")
@option("--wav", type=THERE, help="A recording or a folder, all segments of it.")
@step_option
@transpose_option
@click.option("--bracket", is_flag=True, help="Estimate from the other side, too: RBMs.")
@option("--seed", type=SEED, default=0, help="What the draws of an estimate start from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug
@click.pass_context
def score(ctx, source, dataset, split, midi, wav, step_in_beats, transpose, bracket, seed, as_json):
    """Print the log-likelihood of data under a model, in nats per frame.

    SOURCE is a run's folder, of which best.keras is taken, or a .keras file. Without --dataset,
    --midi and --wav, a run is scored on its own data. The line says whether the number is exact, an
    estimate or a lower bound, how it is averaged, and over how many frames. An estimate by
    annealing flatters a little; with --bracket the truth lies between the two on average. Frames of
    recordings are made and normalised as those of the run.

    \b
    Examples:
      seqlayers score runs/jsb
      seqlayers score runs/jsb/last.keras --dataset nottingham --split valid --bracket
      seqlayers score runs/jsb --midi song.mid --step-in-beats 1 --json
      seqlayers score runs/birds --wav evening.wav
    """
    given = [f"--{name}" for name in ("dataset", "midi", "wav") if ctx.params[name]]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} do not go together; give one of them.")
    if (midi or wav) and was_given(ctx, "split"):
        raise click.UsageError(f"--split has no part in {given[0]}: all of its files are scored.")
    if not midi and (step_in_beats or transpose):
        raise click.UsageError("--step-in-beats and --transpose have a part in --midi only.")
    if not given and not source.is_dir():
        raise click.UsageError("A .keras file needs data: give --dataset, --midi or --wav.")

    runs = import_runs()
    config = config_of(runs, source)
    sound = config and config.get("sound")
    if wav and not sound:
        raise click.UsageError(
            "--wav needs a run on recordings, whose config.json tells how frames are made. "
            f"Received: {source}."
        )
    if sound and (midi or dataset):
        raise click.UsageError(
            f"{given[0]} is for models of music; give --wav. "
            f"Received: {source}, a run on recordings."
        )
    if midi:
        step, name = step_in_beats_of(runs, config, step_in_beats), str(midi)
        with naming("--midi"):
            if midi.is_dir():
                _, sequences, skipped = midi_files.read_folder(midi, step, transpose)
                tell_skipped(skipped, len(sequences), "MIDI files")
            else:
                sequences = [midi_files.read(midi, step, transpose)]
    elif wav:
        name = str(wav)
        with naming("--wav"):
            found = recordings.sequences(wav, config["options"], sound)
        sequences, read, resampled, skipped = found
        tell_skipped(skipped, read, "recordings")
        tell_resampled(resampled, sound)
    elif dataset:
        name, sequences = f"{dataset} {split}", getattr(piano_roll.load(dataset), split)
    elif config:
        data = read_data(runs, config["options"], sound)
        compare(runs, config, data)
        name, sequences = f"{where(config['options'])} {split}", getattr(data, split)
        if not sequences:
            raise click.UsageError(f"--split {split} of {where(config['options'])} is empty.")
    else:
        raise click.UsageError(
            f"{source} has no config.json to name data: give --dataset, --midi or --wav."
        )
    model, file = runs.load_model(source)
    likelihood = model.score(sequences, seed=seed, bracket=bracket)
    if as_json:
        plain = {k: getattr(v, "item", lambda v=v: v)() for k, v in likelihood._asdict().items()}
        click.echo(json.dumps({"model": str(file), "data": name, **plain}))
    else:
        click.echo(f"{file} on {name}: {likelihood}")
