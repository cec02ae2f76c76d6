"""Selection tables of Raven: views, channels, columns of labels, and several recordings."""

import pytest
from label_files import RAVEN

from seqlayers.datasets import labels


def test_a_selection_of_raven_is_one_label_in_all_its_views(read):
    wanted = [(0.25, 0.5, ""), (1.12, 1.5, "NOCA"), (1.4, 1.7, "WOTH")]
    assert read(RAVEN) == read(RAVEN.replace("\n", "\r\n")) == wanted
    assert read(RAVEN, channel=0) == wanted[:2] and read(RAVEN, channel=1) == wanted[2:]


def test_the_column_of_labels_is_annotation_or_named(read):
    table = "Begin Time (s)\tEnd Time (s)\tAnnotation\tCommon Name\n0.5\t1.5\tx\tWren\n"
    assert read(table) == [(0.5, 1.5, "x")]
    assert read(table, column="Common Name") == [(0.5, 1.5, "Wren")]


@pytest.mark.parametrize("name", ["High Freq (Hz)", "Begin Clock Time", "Time 5% Rel.", ""])
def test_columns_that_raven_makes_itself_are_no_labels(read, name):
    assert read(f"Begin Time (s)\tEnd Time (s)\t{name}\n0.5\t1.5\t0.25\n") == [(0.5, 1.5, "")]


def test_selections_of_a_recording_in_a_row_of_others_count_from_its_own_start(read):
    table = "Begin Time (s)\tEnd Time (s)\tFile Offset (s)\tAnnotation\n"
    assert read(f"{table}3600.5\t3601.5\t0.5000\tx\n") == [(0.5, 1.5, "x")]
    assert read(f"{table}3600.12345\t3601\t3600.1235\tx\n") == [(3600.12345, 3601, "x")]


def test_a_selection_table_of_many_recordings(tmp_path):
    path = tmp_path / "birds.selections.txt"
    path.write_text(
        "Selection\tView\tBegin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\tA\tB\n"
        "1\tWaveform 1\t0.5\t1.5\tD:\\a.wav\t0.5\tx\t\n"
        "1\tSpectrogram 1\t0.5\t1.5\tD:\\a.wav\t0.5\tx\t\n"
        "1\tSpectrogram 1\t60.5\t61\tD:\\b.wav\t0.5\ty\t\n"  # a table joined to it
    )
    found = labels.read_table(path, column="A")
    assert {name: (each.times.tolist(), each.labels) for name, each in found.items()} == {
        "D:\\a.wav": ([[0.5, 1.5]], ["x"]),
        "D:\\b.wav": ([[0.5, 1.0]], ["y"]),
    }
    with pytest.raises(labels.LabelError, match="one recording; `read_table` reads those of many"):
        labels.read(path, column="A")
    with pytest.raises(ValueError, match='`format` must be "csv" or "generic" or "raven"'):
        labels.read_table(path, "audacity")
