"""Scores of a run that learned labels."""

import json

import click

from seqlayers import files
from seqlayers.checks import counted
from seqlayers.commands.cli import QUIET, import_runs
from seqlayers.commands.run_data import compare_versions, list_resampled, read_data, read_labels
from seqlayers.runs import labelled as run_labels
from seqlayers.runs.options import DEFAULTS
from seqlayers.runs.options.schema import flag

_USED = {"source", "preset", "split", "wav", "labels", "min_duration", "as_json", "quiet", "debug"}


def text(score):
    """Returns a `LabelScore` as a line."""
    return (
        f"accuracy {score.accuracy:.4f} of {counted(score.num_frames, 'frame')}, "
        f"error rate {score.error_rate:.4f} of {counted(score.num_labels, 'label')}, "
        f"{score.log_prob:.4f} nats per frame"
    )


def show(source, split, wav, labels, min_duration, as_json):
    """Prints how well a model labels recordings whose labels are given, or a split of its run."""
    source.need_labels("--labels")
    _refuse_others()
    if (wav is None) != (labels is None):
        given, needed = ("--wav", "--labels") if wav else ("--labels", "--wav")
        raise click.UsageError(
            f"`{given}` needs `{needed}` with a run that learned labels: they are compared. "
            f"Received: {given} alone."
        )
    if wav and split:
        raise click.UsageError("`--split` has no effect with `--wav`; remove it.")
    decoding = {} if min_duration is None else {"min_duration": min_duration / 1000}
    options = source.config["options"] if source.config else DEFAULTS
    if wav:
        name = str(wav)
        options = options | {"wav": str(wav), "labels": str(labels)}
        model, file = source.load(labels=True)
        labelled = read_labels(options, model.classes)
        data, split = run_labels.data(labelled, model, options), "test"
        list_resampled(data.resampled, model.sample_rate)
    else:
        split = split or "test"
        name = f"{options['wav']} {split}"
        data = read_data(options, source.config)
        if not data.splits[split]:
            raise click.UsageError(f"--split {split} of {options['wav']} is empty.")
        import_runs()
        compare_versions(source.config)
        model, file = source.load(labels=True)
    found = model.score(data.splits[split], data.targets[split], **decoding)
    if as_json:
        click.echo(json.dumps({"model": str(file), "data": name, **found._asdict()}))
    elif click.get_current_context().meta[QUIET]:
        click.echo(f"{found.accuracy} {found.error_rate}")
    else:
        click.echo(f"{files.printable(file)} on {files.printable(name)}: {text(found)}")


def _refuse_others():
    """Refuses options that have an effect with models of sequences alone."""
    ctx = click.get_current_context()
    for name in ctx.params:
        default = ctx.get_parameter_source(name) == click.core.ParameterSource.DEFAULT
        if name not in _USED and not default:
            raise click.UsageError(
                f"`{flag(name)}` has no effect with a run that learned labels; remove it."
            )
