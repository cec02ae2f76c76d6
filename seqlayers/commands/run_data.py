"""The data of a run, read and reported, and the settings of an earlier run."""

import collections

from seqlayers.commands.cli import list_skipped, naming, note
from seqlayers.runs import data as run_data
from seqlayers.runs.config import describe
from seqlayers.runs.options.rules import source
from seqlayers.runs.options.schema import flag


def where(options):
    """Returns the data set or the path that the data of a run come from."""
    return options[source(options)]


def read_data(options, sound=None):
    """Reads the data of a run and reports on stderr what was read, skipped and resampled.

    Args:
        options: All options of the run.
        sound: `SoundFrames` of a run on recordings that has begun; None for a new run.

    Returns:
        A `Data`.
    """
    kind = source(options)
    with naming(flag(kind)):
        data = run_data.read_data(options, sound)
    read = sum(map(len, data.splits.values()))
    if kind == "wav":
        list_skipped(data.skipped, len(data.files), "recordings")
        list_resampled(data.resampled, data.sound)
    else:
        list_skipped(data.skipped, read, "MIDI files")
    counts = ", ".join(f"{len(sequences)} {split}" for split, sequences in data.splits.items())
    note(f"{where(options)}: {counts} sequences")
    few = "too few segments in each recording" if kind == "wav" else "too few MIDI files"
    for split, purpose in (("valid", "validate"), ("test", "test")):
        if not data.splits[split] and options[split] != 0:  # none was asked for
            note(f"None is left to {purpose}: there are {few}.")
    return data


def list_resampled(resampled, sound):
    """Prints how many recordings were resampled, from which rates and to which one."""
    if not resampled:
        return
    rates = collections.Counter(rate for _, rate in resampled)
    counts = ", ".join(f"{count} of {rate} Hz" for rate, count in sorted(rates.items()))
    note(f"Resampled to {sound.settings.sample_rate} Hz: {counts}")


def compare(config, data):
    """Refuses data that have changed since a run began, and reports other versions of libraries.

    TensorFlow must be imported.

    Raises:
        ValueError: If the data have changed.
    """
    now = describe(config["options"], data)
    parts = ("sequences", "frames", "sha256")
    if any(config["data"][part] != now["data"][part] for part in parts):
        raise ValueError(
            "The data of a run must not change after it began; restore them, or begin a new run. "
            f"Received: {where(config['options'])}, whose files have changed."
        )
    changed = [
        name for name in now["versions"] if config["versions"][name] != now["versions"][name]
    ]
    if changed:
        note(
            f"Note: the run began with another version of {', '.join(changed)}; it goes on, but "
            "its numbers may differ from those of an undisturbed run."
        )
