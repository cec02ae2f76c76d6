"""What a run's data are: read, told of, and compared to what they were."""

import collections

import click

from seqlayers.commands.cli import naming, tell_skipped
from seqlayers.datasets import piano_roll
from seqlayers.runs.options import SOURCES, flag

_NONE_LEFT = {
    "valid": "Recordings have too few segments each, of about eight: none is left to validate.",
    "test": "Recordings have too few segments each, of about eight: none is left to test.",
}


def where(options):
    """The set or the path that a run's data come from."""
    return next(options[source] for source in SOURCES if options[source])


def read_data(runs, options, sound=None):
    """The `runs.Data` of a run, of which it tells on stderr."""
    source = next(source for source in SOURCES if options[source])
    with naming(flag(source)):
        data = runs.read_data(options, sound)
    splits = {split: getattr(data, split) for split in piano_roll.SPLITS}
    counts = ", ".join(f"{len(sequences)} {split}" for split, sequences in splits.items())
    if source == "wav":
        tell_skipped(data.skipped, len(data.files), "recordings")
        tell_resampled(data.resampled, data.sound)
    else:
        tell_skipped(data.skipped, sum(map(len, splits.values())), "MIDI files")
    click.echo(f"{where(options)}: {counts} sequences", err=True)
    if source == "wav":
        for split, text in _NONE_LEFT.items():
            if not splits[split]:
                click.echo(text, err=True)
    elif not data.valid:
        click.echo("One MIDI file: it trains, and none is left to validate or to test.", err=True)
    elif not data.test:
        click.echo("Two MIDI files: one trains, one validates, none is left to test.", err=True)
    return data


def tell_resampled(resampled, sound):
    """Says of how many recordings the rate was changed, and to which one."""
    if not resampled:
        return
    rates = collections.Counter(rate for _, rate in resampled)
    counts = ", ".join(f"{count} of {rate} Hz" for rate, count in sorted(rates.items()))
    click.echo(f"Resampled to {sound.settings.sample_rate} Hz: {counts}", err=True)


def compare(runs, config, data):
    """Makes sure that a run's data are still what they were, and tells if versions are not."""
    if config["data"]["sha256"] != runs.fingerprint(data):
        raise ValueError(
            "A run's data must stay what they were when it began. "
            f"Received: {where(config['options'])}, whose files have changed."
        )
    changed = [k for k, v in runs.versions().items() if config.get("versions", {}).get(k) != v]
    if changed:
        click.echo(
            f"Note: the run began with another version of {', '.join(changed)}; it goes on, but "
            "its numbers may differ from those of an undisturbed run.",
            err=True,
        )


def config_of(runs, source):
    """The configuration of a run: of its folder, or of that which a .keras file lies in."""
    if source.is_dir():
        return runs.read_config(source)
    try:
        return runs.read_config(source.parent)
    except ValueError:  # of something else that lies beside it
        return None


def step_in_beats_of(runs, config, step_in_beats):
    """Length of a time step: what was asked for, else the run's, else an eighth note."""
    if step_in_beats is None:
        return runs.step_in_beats(config["options"]) if config else 0.5
    return step_in_beats
