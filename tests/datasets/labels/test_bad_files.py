"""Label files that are wrong: each is refused with the number of its line."""

import io

import numpy as np
import pytest
import scipy.io
from label_files import AUDACITY, GENERIC, LONG_TEXTGRID, RAVEN, SHORT_TEXTGRID, notmat

from seqlayers.datasets import labels
from seqlayers.datasets.labels import formats


@pytest.fixture
def refused(tmp_path):
    """Reads a file that must be refused; returns the line and the message."""

    def refused(data, name="song.txt", **options):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        with pytest.raises(labels.LabelError) as caught:
            labels.read(path, **options)
        error = caught.value
        assert error.path == str(path) and str(error).startswith(f"{path}: ")
        assert error.line is None or error.reason.startswith(f"line {error.line}: ")
        return error.line, error.reason

    return refused


# By file: what is changed into what, the line of the error, and its message.
CHANGES = {
    AUDACITY: [
        ("0.523810\t", "x\t", 1, "the start must be a number. Received: 'x'"),
        ("0.700000", "nan", 3, "the start must be a number"),
        ("0.900000", "1e999", 3, "the end must be a number"),
        ("0.900000", "1.234,5", 3, "the end must be a number"),
        ("0.700000", "-0.7", 3, "the start must be at least 0"),
        ("0.900000", "0.6", 3, "the end not before it. Received: 0.7 to 0.6 s"),
        ("\tb, over a", "\tb\tc", 3, "Received: 4 fields"),
        ("0.700000\t0.900000\tb, over a", "0.7", 3, "Received: 1 field"),
        ("1484.669312", "low", 2, "a frequency must be a number"),
        ("\t2969.338523", "", 2, "must follow a label and have two frequencies"),
        ("0.523810\t0.741497\tsyllable a\n", "", 1, "must follow a label"),
    ],
    RAVEN: [
        ("End Time (s)", "End (s)", 1, "must include 'End Time (s)' once. Received: 0 among"),
        ("Species", "End Time (s)", 1, "must include 'End Time (s)' once. Received: 2 among"),
        ("Delta Time (s)", "Kind", 1, "`column` must name the column of labels"),
        ("Species", "Species\tNotes", 1, "'Species', 'Notes'"),
        ("\tWOTH\n", "\n", 4, "must have 9 fields, as the header has. Received: 8"),
        ("1.700000000", "1.3", 4, "'Begin Time (s)' must be at least 0"),
        ("0.3800\tNOCA", "0.3800\tNoca", 3, "selection 1 must have the same times and label"),
        ("\t1\t1.12", "\tone\t1.12", 2, "'Channel' must be a number"),
    ],
    LONG_TEXTGRID: [
        ('"TextGrid"', '"PitchTier"', 2, "\"TextGrid\". Received: 'PitchTier'"),
        ("<exists>", "<absent>", 6, "the flag <exists>"),
        ('"TextTier"', '"TableTier"', 33, 'must be "IntervalTier" or "TextTier"'),
        ("size = 4", "size = 3", 29, "the class of a tier must be in double quotes"),
        ("size = 4", "size = 5", 33, "a time must be a number"),
        ("size = 4", "size = 4.5", 14, "must be an integer of at least 0"),
        ("xmax = 0.75", "xmax = -1", 17, "the end not before it"),
        ('"L+!H-"', '"L+!H-', 40, "a text must be in double quotes"),
        ('            mark = "L+!H-" \n', "", 40, "go on with a text. Received: its end"),
    ],
}
OPTIONS = {AUDACITY: {}, RAVEN: {}, LONG_TEXTGRID: {"tier": "words"}}


@pytest.mark.parametrize(
    "text, old, new, line, message", [(text, *each) for text in CHANGES for each in CHANGES[text]]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_wrong_line_is_refused_by_its_number(refused, text, old, new, line, message, end):
    options = {"channel": 0} if "Channel" in message else OPTIONS[text]
    at, reason = refused(text.replace(old, new, 1).replace("\n", end), **options)
    assert at == line and message in reason


def test_a_selection_table_of_several_recordings_needs_offsets(refused):
    table = "Begin Time (s)\tEnd Time (s)\tBegin File\tAnnotation\n0\t1\ta.wav\tx\n2\t3\tb.wav\tx\n"
    at, reason = refused(table)
    assert at == 3 and "must have 'Begin File' and 'File Offset (s)' in all rows" in reason
    assert "Received: 'a.wav', 'b.wav', with" in reason


def test_a_tier_that_is_not_there_lists_the_others(refused):
    for tier, came in ((None, "no `tier`"), ("phones", "tier='phones'")):
        at, reason = refused(SHORT_TEXTGRID, tier=tier)
        assert at is None
        assert f"Received: {came}" in reason and reason.endswith("the tiers 'words', 'tones'")
    _, reason = refused(SHORT_TEXTGRID.replace("tones", "words"), tier="words")
    assert reason.endswith("the tiers 'words', 'words'")


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("begin,end,label\n0,1,a\n", 1, "onset_s and offset_s, or start and end, or start_seconds"),
        ("start,offset_s\n0,1\n", 1, "Received: 'start', 'offset_s'"),
        ("", 1, "Received: none"),
        ("start,end,label,label\n0,1,a,b\n", 1, "must include 'label' once. Received: 2 among"),
        ("onset_s,offset_s,label\n0,1,a\n0,5,1,5,b\n", 3, "has; quote fields with the separator"),
        ("onset_s,offset_s,label\n0,1\n", 2, "must have 3 fields, as the header has. Received: 2"),
        ("onset_s,offset_s,label\n,1,a\n", 2, "onset_s must be a number"),
        ('onset_s,offset_s,label\n0,1,"a\nb"\n\n1,x,a\n', 5, "offset_s must be a number"),
        ('onset_s,offset_s,label\n0,1,a\n1,2,"b\n', 3, "comma-separated values: "),
        ("file,onset_s,offset_s,label\na.wav,0,1,a\n,1,2,b\n", 3, "in all rows, or in none"),
    ],
)
def test_a_wrong_row_of_a_table(refused, text, line, message):
    at, reason = refused(text, "song.csv")
    assert at == line and message in reason


def test_the_generic_form_has_a_column_of_recordings(refused):
    at, reason = refused(GENERIC.replace("notated_path", "path"), format="generic")
    assert at == 1 and "label, onset_s, offset_s, notated_path. Received: 'label'" in reason


def test_another_encoding_is_refused_at_its_line(refused):
    at, reason = refused(AUDACITY.replace("over a", "über a").encode("latin-1"))
    assert at == 3 and "UTF-8" in reason and reason.endswith("the byte 0xfc")
    at, reason = refused(AUDACITY.encode("utf-16-le"))
    assert at == 1 and reason.endswith("the character NUL")
    at, reason = refused(AUDACITY.replace("\n", "\r\n").encode("utf-16")[:-1])
    assert at == 7 and "UTF-16" in reason


def test_an_unknown_format_is_refused(refused):
    at, reason = refused("Hello\n", "song.lab")
    assert at is None and "audacity, raven, textgrid, csv, generic, notmat" in reason


def mat(**variables):
    file = io.BytesIO()
    scipy.io.savemat(file, variables)
    return file.getvalue()


# The number of bytes in the dimensions of `labels` is 1: SciPy 1.17 ends the process.
DAMAGED_DIMENSIONS = mat(onsets=[[1.0]], offsets=[[2.0]], labels="a")
AT = DAMAGED_DIMENSIONS.index(b"labels") - 20
DAMAGED_DIMENSIONS = DAMAGED_DIMENSIONS[:AT] + b"\x01" + DAMAGED_DIMENSIONS[AT + 1 :]


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "must be one of MATLAB"),
        (b"0.5\t1.5\ta\n", "must be one of MATLAB"),
        (notmat([1.0], [2.0], "a")[:300], "damaged"),
        (mat(onsets=[1.0], offsets=[2.0]), "none named labels"),
        (notmat([1.0, 3.0], [2.0, 4.0], "a"), "Received: 2, 2 and 1"),
        (
            mat(onsets=["x"], offsets=[2.0], labels="a"),
            "onsets must be numbers",
        ),
        (notmat([1.0], [2.0], "a", labels=[1.0]), "labels must be characters"),
        (notmat([1.0], [2.0], "a") + notmat([1.0], [2.0], "a")[128:], "onsets must be there once"),
        (notmat([1.0], [2.0], "a", labels="a" * (10**6 + 1)), "at most 1,000,000 real values"),
        (mat(onsets=[1j], offsets=[2.0], labels="a"), "real values. Received: 1 x 1 complex ones"),
        (mat(onsets=np.zeros((1, 1, 1)), offsets=[2.0], labels="a"), "none named onsets"),
        (DAMAGED_DIMENSIONS, "none named labels"),
        (notmat([1.0, 3.0], [2.0, 2.5], "ab"), "the onset of syllable 2 must be at least 0"),
        (notmat([float("nan")], [2.0], "a"), "the onset of syllable 1 must be at least 0"),
    ],
)
def test_a_wrong_file_of_matlab(refused, data, message):
    at, reason = refused(data, "song.wav.not.mat")
    assert at is None and message in reason


def test_a_large_file_is_refused(refused, monkeypatch):
    monkeypatch.setattr(formats, "MAX_FILE_BYTES", 100)
    assert "at most 100 bytes" in refused(AUDACITY)[1]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"format": "labels"}, "`format` must be"),
        ({"tier": "words"}, "`tier` has no effect with the format 'audacity'"),
        ({"column": "Species"}, "`column` has no effect"),
        ({"channel": 0}, "`channel` has no effect"),
        ({"channel": -1}, "`channel` must be an integer of at least 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, options, message):
    (tmp_path / "song.txt").write_text(AUDACITY)
    with pytest.raises(ValueError, match=message):
        labels.read(tmp_path / "song.txt", **options)
