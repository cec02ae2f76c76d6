"""Recordings and the label files that belong to them, by name."""

import re
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from seqlayers import audio, files
from seqlayers.datasets.labels.annotation import LabelError
from seqlayers.datasets.labels.formats import SUFFIXES, read, read_table
from seqlayers.datasets.labels.text import listed

# What follows the name of a recording in that of a label file: song.wav.not.mat,
# song.Table.1.selections.txt, song.audacity.txt, song.TextGrid.
_ENDING = re.compile(
    r"(\.cbin)?\.not\.mat|(\.audacity|(\.table\.\d+)?\.selections)?\.txt|\.textgrid|\.csv",
    re.IGNORECASE,
)


class Matched(NamedTuple):
    """Recordings with their labels.

    Attributes:
        recordings: List of the recordings that have labels, sorted by path.
        annotations: List of their `Annotation`.
        sources: List of the label files that these come from.
        unlabelled: List of the recordings without labels.
        unmatched: List of label files, or of names in a table, that belong to no recording.
    """

    recordings: Any
    annotations: Any
    sources: Any
    unlabelled: Any
    unmatched: Any


def match(recordings, labels, format=None, *, tier=None, column=None, channel=None):
    """Reads the labels of the recordings of a folder.

    In a folder, a label file belongs to the recording in the same subfolder whose name it begins
    with, with or without its suffix: `song.wav` has its labels in `song.txt`, `song.TextGrid`,
    `song.csv`, `song.wav.not.mat` or `song.Table.1.selections.txt`. In a table, a path belongs to
    the recording whose path in its folder it ends with: `C:\\birds\\day1\\song.wav` to
    `day1/song.wav`. So does a part of that path, such as `song.wav`, if it is the only one.

    Args:
        recordings: A folder of recordings, or one file.
        labels: A folder of label files, which may be the same one, or one table of many recordings.
        format: Format of the label files, as in `read`.
        tier, column, channel: As in `read`, for a folder of label files.

    Returns:
        `Matched(recordings, annotations, sources, unlabelled, unmatched)`.

    Raises:
        LabelError: If no label file fits, several fit one recording or one fits several, or one of
            those that fit cannot be read. The message names them.
        AudioError: If there is no recording.
        ValueError: If another argument is invalid.
        FileNotFoundError: If there is nothing at a path.

    Example:
        >>> labels.write_table("songs.csv", {"one.wav": labels.Annotation([[0.1, 0.3]], ["a"])})
        >>> matched = labels.match("songs", "songs.csv")
        >>> [path.name for path in matched.recordings], [path.name for path in matched.unlabelled]
        (['one.wav'], ['two.wav'])
    """
    options = {"tier": tier, "column": column, "channel": channel}
    paths = audio.find(recordings)
    root = Path(recordings) if Path(recordings).is_dir() else Path(recordings).parent
    names = {PurePosixPath(path.relative_to(root).as_posix()): path for path in paths}
    if Path(labels).is_dir():
        found, unmatched = _of_folder(names, Path(labels))
        annotations = {name: read(file, format, **options) for name, file in found.items()}
        sources = found
    else:
        given = [f"{name}={value!r}" for name, value in options.items() if value is not None]
        if given:
            raise ValueError(
                "`tier`, `column` and `channel` have no effect with a table of many recordings; "
                f"remove them. Received: {', '.join(given)}."
            )
        annotations, unmatched = _of_table(names, labels, read_table(labels, format))
        sources = dict.fromkeys(annotations, Path(labels))
    if not annotations:
        raise LabelError(
            "there must be labels of a recording, found by its name. Received: "
            f"recordings {listed(map(str, names))}; labels {listed(map(str, unmatched))}",
            labels,
        )
    matched = [name for name in names if name in annotations]
    return Matched(
        [names[name] for name in matched],
        [annotations[name] for name in matched],
        [sources[name] for name in matched],
        [path for name, path in names.items() if name not in annotations],
        unmatched,
    )


def _of_folder(names, folder):
    """Returns the label file of each recording, and the files without one."""
    found: dict = {}
    unmatched = []
    starts: dict = {}
    for name in names:
        for start in {str(name), str(name.with_suffix(""))}:
            starts.setdefault(start, []).append(name)
    for file in files.find(folder, SUFFIXES):
        own = file.relative_to(folder).as_posix()
        owners = {
            name
            for start in (own[: match.start()] for match in _endings(own))
            for name in starts.get(start, [])
        }
        if not owners:
            unmatched.append(file)
            continue
        if len(owners) > 1:
            _refuse("a label file must belong to one recording", owners, file)
        found.setdefault(owners.pop(), []).append(file)
    for name, own in found.items():
        if len(own) > 1:
            _refuse(f"{str(name)!r} must have one label file", own, folder)
    return {name: own[0] for name, own in found.items()}, unmatched


def _endings(name):
    """Returns the matches of what may follow the name of a recording, `.txt` and longer ones."""
    places = (match.start() for match in re.finditer(r"\.", name))
    return [match for at in places if (match := _ENDING.fullmatch(name, at))]


def _of_table(names, table, annotations):
    """Returns the annotation of each recording, and the names of the table without one."""
    found: dict = {}
    unmatched = []
    by_file: dict = {}
    for name in names:
        by_file.setdefault(name.name, []).append(name)
    for given, annotation in annotations.items():
        path = PurePosixPath(given.replace("\\", "/"))
        owners = _owners(path, by_file.get(path.name, []))
        if not owners:
            unmatched.append(given)
            continue
        if len(owners) > 1 or owners[0] in found:
            _refuse(
                f"{given!r} must name one recording, and no other name the same one", owners, table
            )
        found[owners[0]] = annotation
    return found, unmatched


def _owners(path, names):
    """Returns the longest recording's path that a path ends with, or else all that end with it."""
    around = [name for name in names if path.parts[-len(name.parts) :] == name.parts]
    if around:
        return [max(around, key=lambda name: len(name.parts))]
    return [name for name in names if name.parts[-len(path.parts) :] == path.parts]


def _refuse(reason, received, path):
    raise LabelError(f"{reason}. Received: {listed(sorted(map(str, received)))}", path)
