"""`seqlayers segment`, and recordings that it and `seqlayers train` refuse."""

import os
import re

import numpy as np
import pytest
from commands.helpers import CALLS, RATE, refused, rows, succeeds

from seqlayers import audio, plotting


def test_segments_go_to_a_table(birds, tmp_path):
    out = tmp_path / "new" / "segments.csv"
    said = succeeds("segment", birds, "--out", out)
    assert "Skipped 2 of 5 recordings:" in said
    assert f"a.wav: {CALLS} segments, " in said and f"of {CALLS / 2:.3f} s" in said
    assert f"{3 * CALLS} segments in 3 recordings" in said and str(out) in said
    found = rows(out)
    assert list(found[0]) == ["file", "start", "end"]
    assert [row["file"] for row in found[::CALLS]] == ["a.wav", "b.wav", "evening/c.wav"]
    for n, row in enumerate(found):
        start = 0.2 + n % CALLS / 2
        assert float(row["start"]) == pytest.approx(start, abs=0.01)
        assert float(row["end"]) == pytest.approx(start + 0.04, abs=0.01)


def test_segments_follow_the_options_and_may_be_drawn(birds, tmp_path):
    out, picture = tmp_path / "a.csv", tmp_path / "a.png"
    command = ["segment", birds / "a.wav", "--out", out, "--picture", picture]
    succeeds(*command, "--buffer", 20, "--sample-rate", 2 * RATE, "--band", 300, 3500)
    assert {row["file"] for row in rows(out)} == {"a.wav"} and len(rows(out)) == CALLS
    assert float(rows(out)[0]["end"]) - float(rows(out)[0]["start"]) > 0.07
    assert picture.read_bytes().startswith(b"\x89PNG")
    said = refused(*command)
    assert str(out) in said and "--overwrite" in said
    succeeds(*command, "--overwrite", "--max-length", 30, "--long", "split")
    assert len(rows(out)) == 2 * CALLS


def test_what_was_measured_is_printed(birds, tmp_path):
    said = succeeds("segment", birds / "a.wav", "--out", tmp_path / "a.csv")
    line = next(line for line in said.splitlines() if line.startswith("a.wav"))
    assert re.search(r"; noise -[\d.]+ dB, level -[\d.]+ dB, sound -[\d.]+ dB ", line)
    assert "found, " not in said and "dropped" not in said


def sparse(folder, found):
    """Writes a recording of 40 s: one beep in noise, or almost all beeps, or short beeps."""
    t, starts = np.arange(40 * RATE) / RATE, {"little": [20], "all": np.arange(0, 39, 0.56)}
    x, size = 1e-3 * np.random.default_rng(0).normal(size=len(t)), 0.5 if found == "all" else 0.1
    for start in starts.get(found, np.arange(1, 39, 2)):
        if found == "short" and start > 1:
            size = 0.004
        x += 0.1 * np.sin(2 * np.pi * 350 * t) * ((start <= t) & (t < start + size))
    audio.write(folder / f"{found}.wav", x, RATE)
    return folder / f"{found}.wav"


@pytest.mark.parametrize(
    "found, parts",
    [
        ("little", ["Little is found, 0.3% of the recording", "set --band to where they are"]),
        ("all", ["Nearly everything is found, 9", "% of the recording. If noise", "--threshold"]),
        ("short", ["Most sounds above the level are dropped: 18 shorter than --min-length 15"]),
    ],
)
def test_little_and_nearly_everything_come_with_what_to_try(found, parts, tmp_path):
    options = ["--long", "split"] if found == "all" else []
    said = succeeds("segment", sparse(tmp_path, found), "--out", tmp_path / "a.csv", *options)
    assert [part for part in parts if part not in said] == []


def test_what_is_joined_as_speech_is_says_so(tmp_path):
    t = np.arange(4 * RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 30))
    x = 0.05 * voice * (t % 1 < 0.6) + 1e-3 * np.random.default_rng(0).normal(size=len(t))
    audio.write(tmp_path / "voice.wav", x, RATE)
    out = tmp_path / "a.csv"
    assert "100 ms, as speech is" in succeeds("segment", tmp_path, "--out", out)
    said = succeeds("segment", tmp_path, "--out", out, "--overwrite", "--min-spacing", 5)
    assert "as speech is" not in said


def test_what_is_taken_for_sound_beside_digital_silence_is_named(tmp_path):
    """A hum hides the song in a recording that was paused; in a band, it does not."""
    t = np.arange(12 * RATE) / RATE
    x = 0.02 * np.sin(2 * np.pi * 1800 * t) * (t % 0.5 < 0.1) + 0.1 * np.sin(100 * np.pi * t)
    x += 1e-4 * np.random.default_rng(0).normal(size=len(t))
    audio.write(tmp_path / "paused.wav", x * ((t > 3) & (t < 9)), RATE)
    out = tmp_path / "a.csv"
    said = succeeds("segment", tmp_path, "--out", out)
    assert "All that is not digital silence is taken for sound." in said and len(rows(out)) == 1
    said = succeeds("segment", tmp_path, "--out", out, "--overwrite", "--band", 1000, 3000)
    assert "digital silence" not in said and len(rows(out)) == 12


def test_noise_that_changes_is_named(tmp_path):
    t, rng = np.arange(20 * RATE) / RATE, np.random.default_rng(0)
    calls = 0.2 * np.sin(2 * np.pi * 1800 * t) * (t % 0.5 < 0.1)
    for name, loud in (("steady", 1), ("changing", np.where(t < 14, 1, 10))):
        audio.write(tmp_path / f"{name}.wav", calls + 1e-3 * loud * rng.normal(size=len(t)), RATE)
    said = succeeds("segment", tmp_path, "--out", tmp_path / "a.csv")
    assert said.count("or sounds have no pause") == 1
    share = re.search(r"In (\d+)% of the recording, the noise is 5 dB or more above", said)[1]
    assert int(share) == pytest.approx(30, abs=6)


def test_the_advice_can_be_followed(tmp_path):
    path, out = sparse(tmp_path, "little"), tmp_path / "a.csv"
    said = succeeds("segment", path, "--out", out)
    (before,) = rows(out)
    options = re.search("or try (--threshold .*);", said)[1].split()
    succeeds("segment", path, "--out", out, "--overwrite", *options, "--buffer", 0)
    (after,) = rows(out)  # at a lower level, it begins earlier and ends later
    assert 19.98 < float(after["start"]) < float(before["start"])
    assert float(before["end"]) < float(after["end"]) < 20.12
    said = succeeds("segment", path, "--out", out, "--overwrite", "--threshold", 99.9)
    assert "try --threshold 99.7 in place of 99.9" in said


@pytest.mark.parametrize(
    "option, other",
    [
        (["--picture-from", 1], "--picture"),
        (["--picture-seconds", 10], "--picture"),
        (["--tolerance", 5], "--reference"),
    ],
)
def test_options_without_effect_are_refused(option, other, birds, tmp_path):
    said = refused("segment", birds, "--out", tmp_path / "a.csv", *option)
    assert f"`{option[0]}` has no effect without `{other}`; remove it." in said


def test_a_table_is_written_whole_or_not_at_all(birds, tmp_path, monkeypatch):
    out = tmp_path / "a.csv"
    out.write_text("what was there")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seqlayers.files._flush", full)
    said = refused("segment", birds / "a.wav", "--out", out, "--overwrite")
    assert f"{out}: No space left on device." in said
    assert out.read_text() == "what was there" and list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    "args, parts",
    [
        (["--threshold", 101], ["--threshold", "=101", "from 0 to 100"]),
        (["--threshold", -1], ["--threshold", "=-1", "from 0 to 100"]),
        (["--threshold", "nan"], ["--threshold", "=nan", "finite number"]),
        (["--min-length", -3], ["--min-length", "=-3", "at least 0"]),
        (["--buffer", "inf"], ["--buffer", "=inf", "finite number"]),
        (
            ["--threshold", 90, "--min-length", 600],
            ["`--max-length` must be at least `--min-length`", "--min-length=600"],
        ),
        (["--method", "loud"], ["--method", "loud", "contrast", "percentile"]),
        (["--method", "contrast", "--threshold", 80], ["`--threshold` must not", "=80"]),
        (["--max-length", 5], ["`--max-length` must be at least `--min-length`", "--max-length=5"]),
        (["--max-length", 0, "--min-length", 0], ["`--max-length`", "above 0"]),
        (["--band", 3000, 300], ["`--band", "3000", "300"]),
        (["--band", 5000, 9000], ["`--band`", "start", "4000 Hz", "9000"]),
        (["--band", 300, 4001], ["`--band`", "end", "4000 Hz", "4001"]),
        (["--band", 300, 300], ["`--band`", "above 300"]),
        (["--long", "keep"], ["--long", "keep", "drop", "split"]),
        (["--sample-rate", 0], ["--sample-rate", "=0", "from 1"]),
        (["--channel", 3], ["there is no channel 3"]),
    ],
)
@pytest.mark.parametrize("command", ["train", "segment"])
def test_wrong_options_of_segments_are_refused(command, args, parts, birds, tmp_path):
    source = [birds / "a.wav"] if command == "segment" else ["--wav", birds / "a.wav"]
    said = refused(command, *source, *args, "--out", tmp_path / "out")
    assert [part for part in parts if part not in said] == []
    assert not (tmp_path / "out").exists()


def test_rules_that_do_not_fit_the_sample_rate_are_refused(birds, tmp_path):
    command = ["segment", birds, "--out", tmp_path / "a.csv"]
    said = refused(*command, "--sample-rate", 100)
    assert "`--window` must be at least one sample, 10 ms" in said and "--window=4" in said
    assert "`--band` must end below half the sample rate, 500 Hz" in refused(
        *command, "--sample-rate", 1000, "--band", 100, 600
    )
    said = succeeds(*command, "--band", 300, RATE / 2 + 100)  # one recording has another rate
    assert "a.wav: `--band` must end below half" in said
    assert {row["file"] for row in rows(tmp_path / "a.csv")} == {"evening/c.wav"}


def test_names_that_are_not_text_and_special_files_do_no_harm(birds, tmp_path):
    folder = tmp_path / "names"
    folder.mkdir()
    sound = (birds / "a.wav").read_bytes()
    names = ["caf\udce9.wav", "a\nb.wav", "torn\udcff.wav"]
    for name in names:
        (folder / name).write_bytes(sound[: len(sound) // 2 if "torn" in name else None])
    out = tmp_path / "a.csv"
    said = succeeds("segment", folder, "--out", out)
    assert r"caf\udce9.wav: " in said and r"torn\udcff.wav: truncated" in said
    assert {row["file"] for row in rows(out)} == {r"caf\udce9.wav", r"a\nb.wav"}
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", "/dev/zero"):
        said = refused("segment", path, "--out", tmp_path / "b.csv")
        assert f"{path}: the path must name a regular file" in said


@pytest.fixture
def drawn(monkeypatch):
    """The arguments of all pictures that are drawn, each as a dictionary."""
    pictures, draw = [], plotting.segments

    def keep(samples, rate, times, **options):
        pictures.append({"samples": samples, "rate": rate, "times": times, **options})
        return draw(samples, rate, times, **options)

    monkeypatch.setattr(plotting, "segments", keep)
    return pictures


def test_the_picture_has_the_loudness_beside_the_level(birds, tmp_path, drawn):
    picture, out = tmp_path / "a.png", tmp_path / "a.csv"
    options = ["--band", 300, 3500, "--picture-from", 1.1, "--picture-seconds", 2.5]
    succeeds("segment", birds / "a.wav", "--out", out, "--picture", picture, *options)
    (shown,) = drawn
    samples, rate = audio.read(birds / "a.wav")
    begin, end = round(1.1 * rate), round(3.6 * rate)
    np.testing.assert_array_equal(shown["samples"], samples[begin:end])
    whole = audio.envelope(samples, rate, audio.SegmentRules(band=(300, 3500)))
    np.testing.assert_allclose(shown["envelope"], whole[begin:end], rtol=1e-4, atol=1e-9)
    assert shown["start"] == 1.1 and shown["band"] == (300, 3500) and shown["title"] == "a.wav"
    loud, t = shown["envelope"] >= shown["threshold"], np.arange(begin, end) / rate
    found = [(float(row["start"]), float(row["end"])) for row in rows(out)]
    np.testing.assert_allclose(shown["times"], [each for each in found if 1.1 < each[0] < 3.6])
    inside = np.any([(start <= t) & (t < end) for start, end in found], axis=0)
    assert (loud == inside).mean() > 0.99


def test_a_picture_begins_before_the_first_segment(birds, tmp_path, drawn):
    path = tmp_path / "late.wav"
    x, rate = audio.read(birds / "a.wav")
    audio.write(
        path, np.concatenate([1e-3 * np.random.default_rng(0).normal(size=3 * rate), x]), rate
    )
    command = ["segment", path, "--out", tmp_path / "a.csv", "--picture", tmp_path / "a.svg"]
    succeeds(*command)
    (shown,) = drawn
    assert shown["start"] == pytest.approx(2.7, abs=0.02)  # half a second before
    assert len(shown["samples"]) / rate == pytest.approx(9 - shown["start"], abs=0.01)
    said = refused(*command, "--overwrite", "--picture-from", 9)
    assert "--picture-from must lie within a recording, of 9.000 s at most" in said
    assert "--picture-seconds" in refused(*command, "--overwrite", "--picture-seconds", 0)


def test_a_pdf_has_a_page_for_each_recording(birds, tmp_path, drawn):
    command = ["segment", birds, "--out", tmp_path / "a.csv", "--picture-seconds", 1]
    succeeds(*command, "--picture", tmp_path / "a.pdf")
    assert [shown["title"] for shown in drawn] == ["a.wav", "b.wav", "evening/c.wav", "silent.wav"]
    assert [shown["rate"] for shown in drawn] == [RATE, RATE, 2 * RATE, RATE]
    assert (tmp_path / "a.pdf").read_bytes().count(b"/Type /Page ") == 4
    said = succeeds(*command, "--picture", tmp_path / "a.png", "--overwrite")
    assert "shows one of 4 recordings; a name that ends as .pdf" in said and len(drawn) == 5


def test_a_recording_without_a_segment_is_drawn_too(tmp_path, drawn):
    path, picture = sparse(tmp_path, "short"), tmp_path / "a.png"
    said = refused(
        *("segment", path, "--out", tmp_path / "a.csv", "--picture", picture),
        *("--min-length", 300, "--picture-from", 20),
    )
    assert "no segment of 300 to 10000 ms" in said and picture.exists()
    (shown,) = drawn
    assert len(shown["times"]) == 0 and shown["start"] == 20 and shown["threshold"] > 0


def useless(folder):
    """Writes recordings without a segment to a folder."""
    noise = 1e-3 * np.random.default_rng(0).normal(size=RATE)
    noise[2000:4000] += 0.5 * np.sin(np.arange(2000))
    audio.write(folder / "loud.wav", noise, RATE)
    audio.write(folder / "silent.wav", np.zeros(RATE), RATE)
    audio.write(folder / "empty.wav", np.zeros(0), RATE)
    (folder / "text.wav").write_text("not sound")
    whole = (folder / "loud.wav").read_bytes()
    (folder / "torn.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "none").mkdir()
    (folder / "none" / "song.mid").write_text("")
    return folder


@pytest.mark.parametrize(
    "name, parts",
    [
        (
            "loud.wav",
            ["no segment of 15 to 100 ms", "0 shorter, 1 longer", "change `--min-length`"],
        ),
        ("silent.wav", ["There is no segment", "It is silent"]),
        ("empty.wav", ["empty.wav: There are no samples"]),
        ("text.wav", ["text.wav: not a sound file"]),
        ("torn.wav", ["torn.wav: truncated"]),
        ("none", ["none: the folder must hold a sound file", "*.wav", "Received: none"]),
        (".", ["loud.wav", "silent.wav", "text.wav", "Received: 5 recordings without one"]),
    ],
)
@pytest.mark.parametrize("command", ["train", "segment"])
def test_recordings_without_a_segment_are_refused(command, name, parts, tmp_path):
    path = useless(tmp_path) / name
    source = [path] if command == "segment" else ["--wav", path]
    rules = ["--max-length", 100, "--min-spacing", 100]
    said = refused(command, *source, *rules, "--out", tmp_path / "out")
    assert ("SOURCE" if command == "segment" else "--wav") in said
    assert [part for part in parts if part not in said] == []
    assert not (tmp_path / "out").exists()


def test_a_picture_of_another_kind_is_refused_before_any_work(birds, tmp_path):
    picture = tmp_path / "a.xyz"
    said = refused("segment", birds, "--out", tmp_path / "a.csv", "--picture", picture)
    assert "--picture must end as .png" in said and str(picture) in said
    assert not list(tmp_path.iterdir())
