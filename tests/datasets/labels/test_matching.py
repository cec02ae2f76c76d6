"""Recordings and label files are matched by name."""

import unicodedata

import numpy as np
import pytest
from label_files import AUDACITY, LONG_TEXTGRID, RAVEN, notmat

from seqlayers import audio
from seqlayers.datasets import labels
from seqlayers.datasets.labels import Annotation

SONG = Annotation([[0.1, 0.2]], ["a"])


@pytest.fixture
def songs(tmp_path):
    """Makes a folder of recordings."""

    def songs(*names):
        for name in names:
            path = tmp_path / "songs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write(path, np.zeros(80, "float32"), 8000)
        return tmp_path / "songs"

    return songs


def names(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


@pytest.mark.parametrize(
    "name, data",
    [
        ("song.txt", AUDACITY.encode()),
        ("song.wav.txt", AUDACITY.encode()),
        ("song.audacity.txt", AUDACITY.encode()),
        ("song.Table.1.selections.txt", RAVEN.encode()),
        ("song.selections.txt", RAVEN.encode()),
        ("song.TextGrid", LONG_TEXTGRID.encode()),
        ("song.csv", b"onset_s,offset_s,label\n0.1,0.2,a\n"),
        ("song_annotations.csv", b"name,start_seconds,stop_seconds\na,0.1,0.2\n"),
        ("song.not.mat", notmat([1.0], [2.0], "a")),
        ("song.wav.not.mat", notmat([1.0], [2.0], "a")),
        ("song.cbin.not.mat", notmat([1.0], [2.0], "a")),
    ],
)
def test_a_label_file_begins_as_its_recording(songs, name, data):
    root = songs("song.wav", "song.2.wav", "a.wav")
    (root / name).write_bytes(data)
    matched = labels.match(root, root, tier="words" if name.endswith("TextGrid") else None)
    assert names(matched.recordings, root) == ["song.wav"] and matched.unmatched == []
    assert names(matched.sources, root) == [name] and len(matched.annotations[0])
    assert names(matched.unlabelled, root) == ["a.wav", "song.2.wav"]


def test_subfolders_keep_their_names_apart(songs, tmp_path):
    root = songs("one/song.wav", "two/song.wav")
    for folder in ("one", "three"):
        (tmp_path / "labels" / folder).mkdir(parents=True)
        labels.write(tmp_path / "labels" / folder / "song.txt", SONG, "audacity")
    matched = labels.match(root, tmp_path / "labels")
    assert names(matched.recordings, root) == ["one/song.wav"]
    assert names(matched.unlabelled, root) == ["two/song.wav"]
    assert names(matched.unmatched, tmp_path) == ["labels/three/song.txt"]


@pytest.mark.parametrize("format", ["csv", "generic"])
def test_a_table_names_recordings_by_the_end_of_their_paths(songs, tmp_path, format):
    root = songs("one/song.wav", "two/song.wav", "song.wav", "two/b.wav", "c.wav")
    table = tmp_path / "songs.csv"
    given = {
        "C:\\birds\\one\\song.wav": "a",
        "/elsewhere/two/song.wav": "b",
        "song.wav": "c",
        "b.wav": "d",
        "three/c.mp3": "e",
        "one/b.wav": "f",
    }
    songs_of_table = {name: Annotation([[0, 1]], [label]) for name, label in given.items()}
    labels.write_table(table, songs_of_table, format)
    matched = labels.match(root, table)
    found = zip(names(matched.recordings, root), matched.annotations, strict=True)
    assert {name: song.labels[0] for name, song in found} == {
        "one/song.wav": "a",
        "two/song.wav": "b",
        "song.wav": "c",
        "two/b.wav": "d",
    }
    assert matched.sources == [table] * 4
    assert names(matched.unlabelled, root) == ["c.wav"]
    assert matched.unmatched == ["three/c.mp3", "one/b.wav"]


def test_accents_may_be_encoded_in_two_ways(songs, tmp_path):
    split, whole = (unicodedata.normalize(form, "märz/grün.wav") for form in ("NFD", "NFC"))
    root = songs(split)
    labels.write_table(tmp_path / "songs.csv", {whole: SONG})
    labels.write((root / split).with_name("grün.txt"), SONG, "audacity")
    for table in (root, tmp_path / "songs.csv"):
        assert names(labels.match(root, table).recordings, root) == [split]
    songs(whole)
    with pytest.raises(labels.LabelError, match="differ in more than how accents are encoded"):
        labels.match(root, root)


def test_several_label_files_of_a_recording_are_refused(songs):
    root = songs("song.wav")
    labels.write(root / "song.txt", SONG, "audacity")
    labels.write(root / "song.csv", SONG, "csv")
    with pytest.raises(labels.LabelError, match="'song.wav' must have one label file.*csv.*txt"):
        labels.match(root, root)


def test_a_label_file_of_several_recordings_is_refused(songs):
    root = songs("song.wav")
    (root / "song.flac").write_bytes(b"not read")
    labels.write(root / "song.txt", SONG, "audacity")
    with pytest.raises(labels.LabelError, match=r"song.txt: .* 'song.flac', 'song.wav'"):
        labels.match(root, root)


@pytest.mark.parametrize("given", [["song.wav"], ["/x/a.wav", "/y/a.wav"]])
def test_a_name_in_a_table_that_fits_several_recordings_is_refused(songs, tmp_path, given):
    root = songs("one/song.wav", "two/song.wav", "a.wav")
    labels.write_table(tmp_path / "songs.csv", dict.fromkeys(given, SONG))
    with pytest.raises(labels.LabelError, match=f"songs.csv: '{given[-1]}' must name one"):
        labels.match(root, tmp_path / "songs.csv")


def test_nothing_that_fits_is_refused_with_the_names(songs, tmp_path):
    root = songs("song.wav")
    name = f"/{'far/' * 20}sing.wav"
    labels.write_table(tmp_path / "songs.csv", {name: SONG})
    with pytest.raises(labels.LabelError, match=f"recordings 'song.wav'; labels '{name}'"):
        labels.match(root, tmp_path / "songs.csv")


def test_a_label_file_that_cannot_be_read_is_refused_by_name(songs):
    root = songs("song.wav")
    (root / "song.txt").write_text("0.5\tx\ta\n")
    with pytest.raises(labels.LabelError, match="song.txt: line 1: the end must be a number"):
        labels.match(root, root)


def test_a_label_file_belongs_to_the_one_recording_that_is_given(songs, tmp_path):
    root = songs("song.wav", "other.wav")
    (tmp_path / "marks.TextGrid").write_text(LONG_TEXTGRID)
    matched = labels.match(root / "song.wav", tmp_path / "marks.TextGrid", tier="tones")
    assert names(matched.recordings, root) == ["song.wav"] and matched.unmatched == []
    assert matched.annotations[0].labels == ["L+!H-"]
    assert matched.sources == [tmp_path / "marks.TextGrid"]
    with pytest.raises(labels.LabelError, match="must be a folder of label files, or a table"):
        labels.match(root, tmp_path / "marks.TextGrid", tier="tones")


def test_options_of_files_are_refused_for_a_table(songs, tmp_path):
    root = songs("song.wav")
    labels.write_table(tmp_path / "songs.csv", {"song.wav": SONG})
    with pytest.raises(ValueError, match="`tier` has no effect with the format 'csv'.*'words'"):
        labels.match(root, tmp_path / "songs.csv", tier="words")


def test_in_a_folder_of_several_formats_an_option_is_for_the_files_of_its_own(songs, tmp_path):
    root, marks = songs("a.wav", "b.wav"), tmp_path / "marks"
    marks.mkdir()
    (marks / "a.TextGrid").write_text(LONG_TEXTGRID)
    labels.write(marks / "b.csv", SONG, "csv")
    alone = labels.read(marks / "a.TextGrid", tier="words")
    matched = labels.match(root, marks, tier="words")
    assert [a.labels for a in matched.annotations] == [alone.labels, SONG.labels]
    with pytest.raises(ValueError, match="`column` has no effect with the format 'textgrid'"):
        labels.match(root, marks, tier="words", column="Species")
