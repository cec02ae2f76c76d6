"""`seqlayers segment --reference`: segments compared with marks made by hand."""

import csv

import pytest
from commands.helpers import CALLS, refused, rows, succeeds
from label_files import LONG_TEXTGRID

from seqlayers.datasets import labels


def test_segments_are_compared_with_marks(birds, tmp_path):
    out, marks = tmp_path / "a.csv", tmp_path / "marks.csv"
    succeeds("segment", birds, "--out", out)
    found = rows(out)
    for row in found:
        row["start"] = float(row["start"]) + 0.004
    with open(marks, "w", newline="") as file:
        table = csv.DictWriter(file, ["kind", "end", "start", "file"], restval="call")
        table.writeheader()
        table.writerows(found[1:CALLS])
    said = succeeds("segment", birds, "--out", out, "--overwrite", "--reference", marks)
    assert f"Agreement with {CALLS - 1} marks, boundaries right within 10 ms:" in said
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines()[-4:]}
    assert lines["precision"] == ["recall", "F1", "R-value", "error"]
    share = f"{(CALLS - 1) / CALLS:.3f}"
    assert lines["onsets"][:2] == [share, "1.000"] and lines["onsets"][4:] == ["4.0", "ms"]
    assert lines["offsets"][4:] == ["0.0", "ms"]
    command = ["segment", birds, "--out", out, "--overwrite", "--reference", marks]
    assert "0.000   0.000   0.000" in succeeds(*command, "--tolerance", 3)


@pytest.mark.parametrize(
    "text, parts",
    [
        ("file,start\na.wav,1\n", ["marks.csv: line 1: ", "start and end", "'file', 'start'"]),
        ("file,start,end\na.wav,1,x\n", ["marks.csv: line 2: end must be a number", "'x'"]),
        ("file,start,end\nz.wav,1,2\n", ["recordings 'a.wav'; labels 'z.wav'"]),
        (
            "file,start,end\na.wav,1,2\nz.wav,1,2\n",
            ["recordings of SOURCE", "z.wav, which is none of a.wav"],
        ),
        ("file,start,end\n", ["marks.csv: ", "labels none"]),
        ("start,end\n", ["at least one segment", "marks.csv, with none"]),
        ("file,start,end\na.wav,1,2\na.wav,0,3\n", ["1 to 2 within 0 to 3 s of a.wav in "]),
        (
            LONG_TEXTGRID,
            ["`--tier` must name one of the tiers", "Received: no `--tier`", "'words', 'tones'"],
        ),
    ],
)
def test_wrong_marks_are_refused(text, parts, birds, tmp_path):
    (tmp_path / "marks.csv").write_text(text)
    command = ["segment", birds / "a.wav", "--out", tmp_path / "a.csv"]
    said = refused(*command, "--reference", tmp_path / "marks.csv")
    assert [part for part in parts if part not in said] == []
    assert "--reference" in said and not (tmp_path / "a.csv").exists()


def test_marks_may_be_label_files_of_any_format(birds, tmp_path):
    marks, out = tmp_path / "marks", tmp_path / "a.csv"
    (marks / "evening").mkdir(parents=True)
    (marks / "a.txt").write_text("0.2\t0.24\tcall\n")
    (marks / "b.TextGrid").write_text(LONG_TEXTGRID)
    (marks / "evening" / "c.txt").write_text("")
    (marks / "z.txt").write_text("not read")
    command = ["segment", birds, "--out", out, "--reference", marks, "--tier", "words"]
    assert "Agreement with 3 marks, " in succeeds(*command)  # the tier is of one of the files
    out.unlink()
    (marks / "b.TextGrid").unlink()
    assert "`--tier` has no effect with the format 'audacity'" in refused(*command)
    said = succeeds(*command[:-2])
    assert f"Skipped 1 of 3 label files:\n  {marks / 'z.txt'}: there is no such recording" in said
    assert "Agreement with 1 mark, " in said
    share = f"{1 / (2 * CALLS):.3f}"  # of what is found in a and c
    assert f"onsets          {share}   1.000" in said
    said = refused("segment", birds, "--out", marks / "a.txt", "--overwrite", "--reference", marks)
    assert "neither a recording of SOURCE nor --reference" in said
    labels.write(marks / "a.TextGrid", labels.Annotation([[0.2, 0.24]], ["call"]), "textgrid")
    said = succeeds(
        "segment", birds / "b.wav", "--out", tmp_path / "b.csv", "--reference", marks / "a.TextGrid"
    )
    assert "Agreement with 1 mark, " in said


def test_marks_that_do_not_fit_their_recording_are_named(birds, tmp_path):
    marks = tmp_path / "marks.csv"
    marks.write_text("file,start,end\na.wav,200,240\ntext.wav,1,2\n")
    said = succeeds("segment", birds, "--out", tmp_path / "a.csv", "--reference", marks)
    assert "Not compared, as they cannot be read: text.wav." in said
    assert f"a.wav lasts {CALLS / 2:.3f} s and has marks up to 240 s" in said
    assert "Agreement with 1 mark, " in said


def test_what_is_read_is_not_replaced(birds, tmp_path):
    sound, marks = birds / "a.wav", tmp_path / "marks.csv"
    marks.write_text("file,start,end\na.wav,1,2\n")
    link = tmp_path / "link.csv"
    link.symlink_to(sound)
    for out in (sound, marks, link):
        before = out.read_bytes()
        said = refused("segment", sound, "--out", out, "--overwrite", "--reference", marks)
        assert "neither a recording of SOURCE nor --reference" in said and str(out) in said
        assert out.read_bytes() == before
