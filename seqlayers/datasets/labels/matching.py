"""Recordings and the label files that belong to them, by name."""

import re
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from seqlayers import audio, files
from seqlayers.datasets.labels.annotation import LabelError
from seqlayers.datasets.labels.formats import SUFFIXES, NoEffect, annotations, read
from seqlayers.datasets.labels.text import listed

# What follows the name of a recording in that of a label file: song.wav.not.mat,
# song.Table.1.selections.txt, song.audacity.txt, song.TextGrid, song_annotations.csv of DAS.
_ENDING = re.compile(
    r"(\.cbin)?\.not\.mat|(\.audacity|(\.table\.\d+)?\.selections)?\.txt|\.textgrid"
    r"|(_annotations)?\.csv",
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
    `song.csv`, `song_annotations.csv`, `song.wav.not.mat` or `song.Table.1.selections.txt`. In a
    table, a path belongs to the recording whose path in its folder it ends with:
    `C:\\birds\\day1\\song.wav` to `day1/song.wav`. So does a part of that path, such as `song.wav`,
    if it is the only one.

    Args:
        recordings: A folder of recordings, or one file.
        labels: A folder of label files, which may be the same one; one table of many recordings; or
            the label file of one recording, if `recordings` is one file.
        format: Format of the label files, as in `read`.
        tier, column, channel: As in `read`. In a folder of several formats each is for the files
            of its format.

    Returns:
        `Matched(recordings, annotations, sources, unlabelled, unmatched)`.

    Raises:
        LabelError: If no label file fits, several fit one recording or one fits several, or one of
            those that fit cannot be read. The message names them. Also if the names of recordings
            differ only in how accents are encoded.
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
    names = {_name(path.relative_to(root).as_posix()): path for path in paths}
    if len(names) < len(paths):
        _refuse("recordings must differ in more than how accents are encoded", paths, recordings)
    if Path(labels).is_dir():
        sources, unmatched = _of_folder(names, Path(labels))
        found = _read_each(sources, format, options)
    else:
        given = annotations(labels, format, **options)
        if None not in given:
            found, unmatched = _of_table(names, labels, given)
        elif not Path(recordings).is_dir():
            found, unmatched = dict.fromkeys(names, given[None]), []
        else:
            raise LabelError(
                "labels of a folder of recordings must be a folder of label files, or a table "
                "that names the recordings. Received: a file that names none",
                labels,
            )
        sources = dict.fromkeys(found, Path(labels))
    if not found:
        raise LabelError(
            "there must be labels of a recording, found by its name. Received: "
            f"recordings {listed(map(str, names))}; labels {listed(map(str, unmatched))}",
            labels,
        )
    matched = [name for name in names if name in found]
    return Matched(
        [names[name] for name in matched],
        [found[name] for name in matched],
        [sources[name] for name in matched],
        [path for name, path in names.items() if name not in found],
        unmatched,
    )


def _name(path):
    """Returns a path with accents as part of their letters; on macOS they may be characters."""
    return PurePosixPath(unicodedata.normalize("NFC", path))


def _of_folder(names, folder):
    """Returns the label file of each recording, and the files without one."""
    found: dict = {}
    unmatched = []
    starts: dict = {}
    for name in names:
        for start in {str(name), str(name.with_suffix(""))}:
            starts.setdefault(start, []).append(name)
    for file in files.find(folder, SUFFIXES):
        own = str(_name(file.relative_to(folder).as_posix()))
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


def _read_each(sources, format, options):
    """Returns the labels of each recording. An option must have an effect with a file of them."""
    found: dict = {}
    refused: dict = {}
    for name, file in sources.items():
        own = dict(options)
        while name not in found:
            try:
                found[name] = read(file, format, **own)
            except NoEffect as error:
                own[error.option] = None
                refused.setdefault(error.option, []).append(error)
    for errors in refused.values():
        if len(errors) == len(sources):
            raise errors[0]
    return found


def _endings(name):
    """Returns the matches of what may follow the name of a recording, `.txt` and longer ones."""
    places = (match.start() for match in re.finditer(r"[._]", name))
    return [match for at in places if (match := _ENDING.fullmatch(name, at))]


def _of_table(names, table, by_given):
    """Returns the annotation of each recording, and the names of the table without one."""
    found: dict = {}
    unmatched = []
    by_file: dict = {}
    for name in names:
        by_file.setdefault(name.name, []).append(name)
    for given, annotation in by_given.items():
        path = _name(given.replace("\\", "/"))
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
