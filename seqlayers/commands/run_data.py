"""The data of a run, read, reported and compared with those that the run began with."""

import collections
from pathlib import Path

import click

from seqlayers.commands.cli import list_skipped, naming, note
from seqlayers.files import printable
from seqlayers.runs import data as run_data
from seqlayers.runs.config import describe_data, versions
from seqlayers.runs.options.rules import source
from seqlayers.runs.options.schema import flag

SHOWN = 3  # most files that are named as added, missing or changed


def where(options):
    """Returns the data set or the path that the data of a run come from."""
    return options[source(options)]


def read_data(options, config=None):
    """Reads the data of a run and reports on stderr what was read, skipped and resampled.

    Args:
        options: All options of the run.
        config: Configuration of a run that has begun; None for a new run.

    Returns:
        A `Data`.

    Raises:
        click.UsageError: If the data of a run that has begun are gone.
        ValueError: If they have changed since.
    """
    kind = source(options)
    if config:
        _check_there(kind, options)
    with naming(flag(kind)):
        data = run_data.read_data(options, (config or {}).get("sound"))
    read = sum(map(len, data.splits.values()))
    if kind == "wav":
        list_skipped(data.skipped, len(data.files), "recordings")
        list_resampled(data.resampled, data.sound)
    else:
        list_skipped(data.skipped, read, "MIDI files")
    if config:
        _refuse_changed(config, data)
    counts = ", ".join(f"{len(sequences)} {split}" for split, sequences in data.splits.items())
    note(f"{where(options)}: {counts} sequences")
    few = "too few segments in each recording" if kind == "wav" else "too few MIDI files"
    for split, purpose in (("valid", "validate"), ("test", "test")):
        if not data.splits[split] and options[split] != 0:  # none was asked for
            note(f"None is left to {purpose}: there are {few}.")
    if kind == "wav" and not config:
        _report_share(data.places)
    return data


def _check_there(kind, options):
    path = Path(where(options))
    if kind != "dataset" and not (path.is_dir() if kind == "midi" else path.exists()):
        raise click.UsageError(
            "The data of a run must stay where they were when it began; put the "
            f"{'folder' if kind == 'midi' else 'recordings'} back. "
            f"Received: a run with {flag(kind)} {printable(path)}, where there is "
            f"{'no folder' if kind == 'midi' else 'nothing'}."
        )


def _refuse_changed(config, data):
    was, now = config["data"], describe_data(data)
    if all(was[part] == now[part] for part in ("sequences", "frames", "sha256")):
        return
    found = []
    for word, names in run_data.changed_files(was, data).items():
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            found.append(f"{word} {', '.join(map(printable, names[:SHOWN]))}{more}")
    raise ValueError(
        "The data of a run must not change after it began; restore them, or begin a new run. "
        f"Received: {where(config['options'])}, {'; '.join(found) or 'whose files have changed'}."
    )


def _report_share(places):
    """Prints how much of the sound is in segments."""
    places = [place for split in places.values() for place in split]
    used = sum(place.end - place.start for place in places)
    whole = sum({place.file: place.duration for place in places}.values())
    note(f"Segments hold {used:.1f} of {whole:.1f} s of sound, {used / whole:.0%}.")
    if used < whole / 2:
        note(
            "The rest is not used. `seqlayers segment` lists the segments and draws them; "
            "--band, --threshold, --min-length, --max-length and --long change them."
        )


def list_resampled(resampled, sound):
    """Prints how many recordings were resampled, from which rates and to which one."""
    if not resampled:
        return
    rates = collections.Counter(rate for _, rate in resampled)
    counts = ", ".join(f"{count} of {rate} Hz" for rate, count in sorted(rates.items()))
    note(f"Resampled to {sound.settings.sample_rate} Hz: {counts}")


def compare_versions(config):
    """Reports libraries of other versions than a run began with. TensorFlow must be imported."""
    now = versions()
    changed = [name for name in now if config["versions"][name] != now[name]]
    if changed:
        note(
            f"Note: the run began with another version of {', '.join(changed)}; it goes on, but "
            "its numbers may differ from those of an undisturbed run."
        )
