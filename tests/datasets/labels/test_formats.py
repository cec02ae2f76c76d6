"""Label files as programs write them, and round trips of those that we write."""

import codecs
import csv
import struct

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from label_files import AUDACITY, GENERIC, LONG_TEXTGRID, SHORT_TEXTGRID, notmat

from seqlayers.datasets import labels
from seqlayers.datasets.labels import Annotation


def test_a_label_track_of_audacity(read):
    wanted = [
        (0.52381, 0.741497, "syllable a"),
        (0.7, 0.9, "b, over a"),
        (1.25, 1.25, "a point"),
        (2.0, 2.5, ""),
    ]
    assert read(AUDACITY) == wanted
    assert read(AUDACITY, "song", format="audacity") == read(AUDACITY, "song") == wanted
    assert read("0.5\t1.5\n") == [(0.5, 1.5, "")]
    assert read("") == read("\n\n") == []


def test_line_ends_marks_and_decimal_commas_are_read_alike(read):
    wanted = read(AUDACITY)
    assert read(AUDACITY.replace("\n", "\r\n")) == wanted
    assert read(AUDACITY.replace("\n", "\r")) == wanted
    assert read(AUDACITY.rstrip("\n") + "\n\n \n") == wanted
    assert read(codecs.BOM_UTF8 + AUDACITY.encode()) == wanted
    assert read(AUDACITY.encode("utf-16")) == wanted
    assert read(codecs.BOM_UTF16_BE + AUDACITY.encode("utf-16-be")) == wanted
    assert read(AUDACITY.replace(", ", "; ").replace(".", ",")) == [
        (*times, label.replace(", ", "; ")) for *times, label in wanted
    ]


OLD_TEXTGRID = SHORT_TEXTGRID.replace('ooTextFile"', 'ooTextFile short"').replace(
    "Object class = ", ""
)


@pytest.mark.parametrize("text", [LONG_TEXTGRID, SHORT_TEXTGRID, OLD_TEXTGRID])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_textgrid_of_both_forms(read, text, encoding, end):
    data = text.replace("\n", end).encode(encoding)
    words = [
        (0.75, 1.0386122448979592, 'say "ä" 3 <p>'),
        (1.0386122448979592, 2.0, "two\nlines ! all text"),
    ]
    assert read(data, "song.TextGrid", tier="words") == read(data, tier="words") == words
    assert read(data, tier="tones") == [(0.8, 0.8, "L+!H-")]


def test_a_point_without_text_is_a_label(read):
    text = LONG_TEXTGRID.replace("L+!H-", "")
    assert read(text, tier="tones") == [(0.8, 0.8, "")]


@pytest.mark.parametrize(
    "text",
    [
        'onset_s,offset_s,label\n0.1,0.25,a\n0.3,0.5,"b, c"\n',
        'label,peak,offset_s,onset_s\r\n"a",9,0.25,0.1\r\n"b, c",9,0.5,0.3\r\n\r\n,,,\r\n',
        "onset_s;offset_s;label\n0,1;0,25;a\n0,3;0,5;b, c\n",
        "onset_s\toffset_s\tlabel\n0,1\t0,25\ta\n0,3\t0,5\tb, c\n",
        'file,start,end,label\na.wav,0.1,0.25,a\na.wav,0.300000,0.5,"b, c"\n',
        ',name,start_seconds,stop_seconds\n0,a,0.1,0.25\n1,"b, c",0.3,0.5\n',
    ],
)
def test_tables_of_comma_separated_values(read, text):
    assert read(text, "song.csv") == read(text) == [(0.1, 0.25, "a"), (0.3, 0.5, "b, c")]


def test_a_table_without_a_column_of_labels_has_empty_ones(read):
    wanted = [(0.1, 0.25, ""), (0.3, 0.5, "")]
    assert read("file,start,end\na.wav,0.1,0.25\na.wav,0.3,0.5\n", "song.csv") == wanted
    assert read("end;start\n0,25;0,1\n0,5;0,3\n") == wanted


@pytest.mark.parametrize("start, stop", [("", ""), ("", "0.0"), ("nan", "NaN")])
def test_names_without_segments_in_a_table_of_das_are_no_labels(read, start, stop):
    table = f"name,start_seconds,stop_seconds\nsine,{start},{stop}\npulse,0.5,0.5\n"
    assert read(table) == [(0.5, 0.5, "pulse")]


def test_a_table_of_many_recordings(tmp_path):
    path = tmp_path / "songs.csv"
    path.write_text(GENERIC)
    found = labels.read_table(path)
    assert list(found) == ["/data/one.wav", "/data/two.wav"]
    assert found["/data/one.wav"].labels == ["a", "b"]
    assert found["/data/two.wav"].times.tolist() == [[0, 0.125]]
    with pytest.raises(labels.LabelError, match="one recording.*one.wav.*two.wav"):
        labels.read(path)
    path.write_text("onset_s,offset_s,label\n0,1,a\n")
    with pytest.raises(labels.LabelError, match="column `file`"):
        labels.read_table(path)


def test_a_file_of_evsonganaly(read):
    data = notmat([100.0, 512.5], [250.0, 600.03125], "-#")
    assert read(data, "song.cbin.not.mat") == [(0.1, 0.25, "-"), (0.5125, 0.60003125, "#")]
    assert read(data, "song", format="notmat") == read(data, "song.NOT.MAT")
    assert read(notmat([], [], ""), "song.wav.not.mat") == []
    zeros = notmat(np.zeros(9999), np.zeros(9999), "a" * 9999)  # few bytes that are many
    assert read(zeros, "song.not.mat") == [(0.0, 0.0, "a")] * 9999


@pytest.mark.parametrize("order", ["<", ">"])
def test_matlab_saves_whole_numbers_in_fewer_bytes_and_on_either_byte_order(read, order):
    def element(kind, data):
        return struct.pack(f"{order}2I", kind, len(data)) + data + bytes(-len(data) % 8)

    def matrix(name, values, of_class, kind, form):
        parts = [
            element(6, struct.pack(f"{order}2I", of_class, 0)),
            element(5, struct.pack(f"{order}2i", 1, len(values))),
            element(1, name),
            element(kind, struct.pack(f"{order}{len(values)}{form}", *values)),
        ]
        return element(14, b"".join(parts))

    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}2H", 0x0100, 0x4D49)
    data = header + b"".join(
        [
            matrix(b"onsets", [100, 512], 6, 4, "H"),
            matrix(b"offsets", [250, 70000], 6, 6, "I"),
            matrix(b"labels", [ord("a"), ord("ä")], 4, 4, "H"),
        ]
    )
    assert read(data, "song.not.mat") == [(0.1, 0.25, "a"), (0.512, 70.0, "ä")]


@st.composite
def annotations(draw, characters, disjoint=False):
    """Annotations whose labels are made of some characters; unless disjoint, with points."""
    number = draw(st.integers(0, 6))
    microseconds = st.integers(0, 10**10)
    if disjoint:
        gaps = st.lists(microseconds, min_size=number, max_size=number)
        lengths = st.lists(st.integers(1, 10**7), min_size=number, max_size=number)
        both = np.stack([draw(gaps), draw(lengths)], axis=1).reshape(-1)
        times = np.cumsum(both).reshape(-1, 2) / 10**6
    else:
        pairs = st.lists(st.tuples(microseconds, microseconds), min_size=number, max_size=number)
        times = np.sort(np.array(draw(pairs), "float64").reshape(-1, 2), axis=1) / 10**6
    texts = st.lists(st.text(characters), min_size=number, max_size=number)
    if disjoint:
        texts = texts.map(lambda texts: [text + "x" for text in texts])
    return Annotation(times, draw(texts))


ALL = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
LINE = st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\n\r")
SPECIAL = st.sampled_from("\"',;\t\n\\!<> äש🐦")
HELD = {
    "audacity": annotations(LINE),
    "raven": annotations(LINE),
    "textgrid": annotations(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0\r") | SPECIAL, disjoint=True
    ),
    "csv": annotations(ALL | SPECIAL),
    "generic": annotations(ALL | SPECIAL),
}


def test_every_writable_format_has_a_round_trip():
    assert set(HELD) == set(labels.WRITABLE) == set(labels.FORMATS) - {"notmat"}


@pytest.mark.parametrize("format", labels.WRITABLE)
def test_what_is_written_is_read_to_a_microsecond(tmp_path, format):
    path = tmp_path / "song.txt"

    @hypothesis.settings(max_examples=50, deadline=None, database=None, derandomize=True)
    @hypothesis.given(HELD[format], st.sampled_from([None, 44100]))
    def check(song, rate):
        labels.write(path, song, format, sample_rate=rate, duration=10**6)
        found = labels.read(path, None if len(song) else format)
        assert found.labels == song.labels
        np.testing.assert_allclose(found.times, song.times, rtol=0, atol=1e-6)

    check()


@pytest.mark.parametrize("format", ["csv", "generic"])
def test_a_table_of_many_recordings_is_read_as_it_was_written(tmp_path, format):
    path = tmp_path / "songs.csv"
    songs = {
        "day 1/ä,b.wav": Annotation([[0.1, 0.2], [0.15, 1.123456]], ['"a",\nb', "c\rd"]),
        "b.wav": Annotation([[0, 0]], [""]),
    }
    labels.write_table(path, songs, format, sample_rate=1000)
    found = labels.read_table(path)
    assert list(found) == list(songs)
    for name, song in songs.items():
        assert found[name].labels == song.labels
        np.testing.assert_array_equal(found[name].times, song.times)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))  # as any other reader of CSV
    assert [row["label"] for row in rows] == ['"a",\nb', "c\rd", ""]
    if format == "generic":
        assert rows[1]["onset_sample"] == "150" and rows[2]["annotation"] == "1"


def test_a_textgrid_fills_gaps_up_to_the_duration(tmp_path):
    path = tmp_path / "song.TextGrid"
    labels.write(path, Annotation([[0.5, 1], [1, 1.25]], ["a", 'b"']), "textgrid", duration=2)
    words = path.read_text().split()
    numbers = [words[n + 2] for n, word in enumerate(words) if word in ("xmin", "xmax")]
    assert numbers[4:] == [
        *("0.000000", "0.500000", "0.500000", "1.000000"),
        *("1.000000", "1.250000", "1.250000", "2.000000"),
    ]
    assert [words[n + 2] for n, word in enumerate(words) if word == "text"] == [
        *('""', '"a"', '"b"""', '""')
    ]


@pytest.mark.parametrize(
    "format, times, label, message",
    [
        ("audacity", [0, 1], "a\tb", "tabs or line breaks"),
        ("raven", [0, 1], "a\nb", "tabs or line breaks"),
        ("csv", [0, 1], "a\0b", "NUL"),
        ("generic", [0, 1], "\ud800", "UTF-8"),
        ("textgrid", [1, 1], "a", "must not overlap"),
        ("textgrid", [0, 1], " ", "must not overlap"),
        ("textgrid", [0, 9], "a", "`duration` must be above 0"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_the_old_file_left(
    tmp_path, format, times, label, message
):
    path = tmp_path / "song.txt"
    path.write_text("old")
    with pytest.raises(labels.LabelError, match=f"{path}.*{message}"):
        labels.write(path, Annotation([times], [label]), format, duration=5)
    assert path.read_text() == "old"
    if times == [0, 1]:
        with pytest.raises(labels.LabelError, match=f"^(?!.*{path}).*{message}"):
            labels.check_writable(["ok", label], format)
    labels.check_writable([], format)
    labels.check_writable(["ok", "a"], format)


def test_overlaps_are_refused_by_textgrids_and_kept_by_others(tmp_path):
    song = Annotation([[0, 1], [0.5, 1.5]], ["a", "b"])
    with pytest.raises(labels.LabelError, match="'b' from 0.500000 to 1.500000 s"):
        labels.write(tmp_path / "song.TextGrid", song, "textgrid")
    labels.write(tmp_path / "song.txt", song, "audacity")
    assert labels.read(tmp_path / "song.txt").times.tolist() == [[0, 1], [0.5, 1.5]]


def test_an_empty_textgrid_needs_a_duration(tmp_path):
    with pytest.raises(labels.LabelError, match="`duration` must be above 0"):
        labels.write(tmp_path / "song.TextGrid", Annotation([], []), "textgrid")
