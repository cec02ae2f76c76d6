"""The data of a run, read, reported and compared with those that the run began with."""

import collections
from pathlib import Path

import click

from seqlayers.audio import AudioError
from seqlayers.checks import counted
from seqlayers.commands.cli import import_runs, list_skipped, naming, note
from seqlayers.datasets.labels import LabelError
from seqlayers.datasets.labels.text import listed
from seqlayers.datasets.piano_roll import SPLITS
from seqlayers.files import printable
from seqlayers.runs import data as run_data
from seqlayers.runs import labelled as run_labels
from seqlayers.runs.config import describe_data, versions
from seqlayers.runs.options.rules import source
from seqlayers.runs.options.schema import flag

SHOWN = 3  # most files that are named as added, missing or changed
_DATA = {"midi": "folder", "wav": "recordings", "labels": "label files"}


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
    for name in (kind, *(["labels"] if options["labels"] else [])) if config else ():
        _check_there(name, options)
    if options["labels"]:
        data = _labelled(options, config)
        if config:
            _refuse_changed(config, data)
        return data
    with naming(flag(kind)):
        data = run_data.read_data(options, (config or {}).get("sound"))
    read = sum(map(len, data.splits.values()))
    if kind == "wav":
        list_skipped(data.skipped, len(data.files), "recordings")
        list_resampled(data.resampled, data.sound.settings.sample_rate)
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


def _labelled(options, config):
    """Returns the `Data` of recordings with labels, and reports them."""
    labelled = read_labels(options)
    if not config:
        _report_split(labelled)
    building = import_runs().building
    rate = run_labels.sample_rate(labelled, options)
    labeller = building.build_labeller(options, labelled.classes, rate)
    data = run_labels.data(labelled, labeller, options)
    list_resampled(data.resampled, labeller.sample_rate)
    if not config:
        _report_frames(labeller.settings)
    return data


def _report_frames(settings):
    """Prints the distance of frames where it suits speech, and what to do for song."""
    if settings.suit_speech:
        note(
            f"Frames are {1000 * settings.hop:.1f} ms apart at {settings.sample_rate} Hz, as suits "
            "speech. For song, give --sample-rate 22050, or remove recordings of a lower rate."
        )


def read_labels(options, classes=None):
    """Reads recordings and their labels, and reports on stderr how many there are.

    Args:
        options, classes: As in `runs.labelled.read`.

    Returns:
        `Labelled`.
    """
    with naming("--wav", AudioError), naming("--labels", LabelError):
        labelled = run_labels.read(options, classes)
    number = len(labelled.annotations)
    list_skipped(labelled.skipped, number, "recordings")
    found = run_labels.counts(labelled.annotations.values())
    note(
        f"{options['wav']}: {counted(number, 'recording')}, "
        f"{counted(sum(found.values()), 'label')} of {counted(len(found), 'kind')}"
    )
    return labelled


def _report_split(labelled):
    """Prints how recordings with labels are split, and which labels no split trains."""
    found = {split: labelled.labels(split) for split in SPLITS}
    parts = ", ".join(f"{sum(found[split].values()):,} {split}" for split in SPLITS)
    note(f"Labels split {'within each recording' if labelled.by_time else 'by recording'}: {parts}")
    for split, purpose in (("valid", "validate"), ("test", "test")):
        if not found[split]:
            note(f"None is left to {purpose}: there are too few labels.")
    if untrained := [name for name in labelled.classes if not found["train"][name]]:
        note(f"Not learned, for want of an example to train on: {listed(untrained)}")


def _check_there(name, options):
    path = Path(options[name])
    if name != "dataset" and not (path.is_dir() if name == "midi" else path.exists()):
        raise click.UsageError(
            f"The data of a run must stay where they were when it began; put the {_DATA[name]} "
            f"back. Received: a run with {flag(name)} {printable(path)}, where there is "
            f"{'no folder' if name == 'midi' else 'nothing'}."
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


def list_resampled(resampled, sample_rate):
    """Prints how many recordings were resampled, from which rates and to which one."""
    if not resampled:
        return
    rates = collections.Counter(rate for _, rate in resampled)
    counts = ", ".join(f"{count} of {rate} Hz" for rate, count in sorted(rates.items()))
    note(f"Resampled to {sample_rate} Hz: {counts}")


def compare_versions(config):
    """Reports libraries of other versions than a run began with. TensorFlow must be imported."""
    now = versions()
    changed = [name for name in now if config["versions"][name] != now[name]]
    if changed:
        note(
            f"Note: the run began with another version of {', '.join(changed)}; it goes on, but "
            "its numbers may differ from those of an undisturbed run."
        )
