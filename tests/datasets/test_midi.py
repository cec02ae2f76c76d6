import io
import json
import os
import struct
from pathlib import Path

import mido
import numpy as np
import pytest

from seqlayers.datasets import midi, piano_roll

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "music" / "midi"
END = b"\x00\xff\x2f\x00"
NOTE = b"\x83\x60\x90\x3c\x40" + b"\x83\x60\x80\x3c\x00"  # C4 from tick 480 to 960
needs_files = pytest.mark.skipif(
    not (SHARED / "manifest.json").exists(), reason="the MIDI files are not beside the repository"
)


def track(*events, end=END):
    body = b"".join(events) + end
    return b"MTrk" + struct.pack(">L", len(body)) + body


def header(kind=1, tracks=1, division=480):
    return b"MThd" + struct.pack(">LHHH", 6, kind, tracks, division)


@pytest.fixture
def read(tmp_path):
    """Reads bytes as a MIDI file, a step a beat, and tells (step, MIDI note) of each one."""

    def read(data, step_in_beats=1, **options):
        path = tmp_path / "song.mid"
        path.write_bytes(data)
        roll = midi.read(path, step_in_beats, **options)
        return roll.shape[0], [(int(t), int(k) + 21) for t, k in np.argwhere(roll)]

    return read


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def manifest():
    if not (SHARED / "manifest.json").exists():
        return []
    return json.loads((SHARED / "manifest.json").read_text())


@needs_files
@pytest.mark.parametrize(
    "entry", [e for e in manifest() if e["exact"]], ids=lambda entry: entry["file"]
)
def test_published_rolls_come_out_bit_for_bit(entry):
    path = SHARED / entry["file"]
    actual = midi.read(path, entry["step_in_beats"], entry["transpose_semitones"])
    wanted = getattr(piano_roll.load(entry["dataset"]), entry["split"])[entry["index"]]
    assert actual.dtype == np.uint8
    np.testing.assert_array_equal(actual, wanted)


@needs_files
def test_a_folder_of_other_files_is_read_whole():
    paths, rolls, skipped = midi.read_folder(SHARED)
    assert len(paths) == len(rolls) == 16 and skipped == []
    assert [p.name for p in paths] == sorted(e["file"] for e in manifest())


@pytest.mark.parametrize("step_in_beats", [0.5, 1, 1 / 3, 1 / 7, 0.3, 4, 1 / 120])
def test_written_rolls_are_read_back(tmp_path, rng, step_in_beats):
    path = tmp_path / "roll.mid"
    for density in (0.02, 0.5, 0.95):
        roll = (rng.random((50, 88)) < density).astype("uint8")
        roll[-1, 3] = 1
        midi.write(path, roll, step_in_beats)
        np.testing.assert_array_equal(midi.read(path, step_in_beats), roll)


@pytest.mark.parametrize("name", ["jsb_chorales", "piano_midi"])
def test_real_rolls_are_read_back_but_for_silence_at_the_end(tmp_path, name):
    path = tmp_path / "roll.mid"
    for roll in piano_roll.load(name).valid[:3]:
        midi.write(path, roll)
        actual = midi.read(path)
        np.testing.assert_array_equal(actual, roll[: len(actual)])
        assert not roll[len(actual) :].any()


def test_ones_in_a_row_are_one_held_note(tmp_path):
    roll = np.zeros((6, 88), bool)
    roll[1:4, 39] = roll[5, 39] = True
    path = tmp_path / "roll.mid"
    midi.write(path, roll, step_in_beats=1, tempo=90, velocity=64)
    (messages,) = mido.MidiFile(path).tracks
    notes = [(m.type, m.note, m.velocity, m.time) for m in messages if not m.is_meta]
    assert notes == [
        ("note_on", 60, 64, 960),
        ("note_off", 60, 64, 1440),
        ("note_on", 60, 64, 480),
        ("note_off", 60, 64, 480),
    ]
    assert messages[0].tempo == mido.bpm2tempo(90)


def test_notes_that_go_on_are_struck_again_where_another_begins(tmp_path):
    roll = np.zeros((4, 88), bool)
    roll[:3, 39] = roll[1:3, 43] = roll[3, 44] = True  # the last one begins where both end
    path = tmp_path / "roll.mid"
    midi.write(path, roll, step_in_beats=1, articulate=True)
    (messages,) = mido.MidiFile(path).tracks
    ticks = np.cumsum([m.time for m in messages])
    struck = [(m, tick // 480 - 1) for m, tick in zip(messages, ticks, strict=True)]
    notes = [(m.note, step) for m, step in struck if m.type == "note_on"]
    assert notes == [(60, 0), (60, 1), (64, 1), (65, 3)]
    np.testing.assert_array_equal(midi.read(path, step_in_beats=1), roll)


def test_one_track_has_the_instrument_before_all_notes(tmp_path):
    midi.write(tmp_path / "roll.mid", np.ones((2, 88)), programme=20)
    (messages,) = mido.MidiFile(tmp_path / "roll.mid").tracks
    kinds = [m.type for m in messages]
    assert kinds[:3] == ["set_tempo", "program_change", "note_on"]
    assert messages[1].program == 19  # General MIDI counts from 1, the bytes from 0


def test_a_silent_roll_is_written_and_refused_by_read(tmp_path):
    midi.write(tmp_path / "silence.mid", np.zeros((4, 88)))
    with pytest.raises(midi.MidiError, match="no notes"):
        midi.read(tmp_path / "silence.mid")


def test_a_full_disk_leaves_the_old_song(tmp_path, monkeypatch):
    path = tmp_path / "roll.mid"
    midi.write(path, np.ones((2, 88)))
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        midi.write(path, np.ones((9, 88)))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["roll.mid"]


@pytest.mark.parametrize(
    "roll, message",
    [
        (np.ones((3, 87)), "88 features"),
        (np.ones(88), "array"),
        (np.ones((0, 88)), "at least one frame"),
        (np.full((3, 88), 0.5), "only 0 and 1"),
        (np.full((3, 88), 2), "only 0 and 1"),
        (np.full((3, 88), np.nan), "finite"),
        (np.full((3, 88), "x"), "real numbers"),
    ],
)
def test_what_is_no_roll_is_not_written(tmp_path, roll, message):
    with pytest.raises(ValueError, match=f"`roll` .*{message}"):
        midi.write(tmp_path / "roll.mid", roll)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "argument",
    [
        {"step_in_beats": 0},
        {"step_in_beats": 0.001},
        {"step_in_beats": np.inf},
        {"step_in_beats": "1"},
        {"tempo": 3},
        {"tempo": np.nan},
        {"tempo": True},
        {"velocity": 0},
        {"velocity": 128},
        {"velocity": 64.0},
        {"programme": 0},
        {"programme": 129},
        {"articulate": "yes"},
    ],
)
def test_a_wrong_argument_of_write_is_named(tmp_path, argument):
    (name,) = argument
    with pytest.raises(ValueError, match=f"`{name}` must .*Received: {name}="):
        midi.write(tmp_path / "roll.mid", np.ones((3, 88)), **argument)
    assert list(tmp_path.iterdir()) == []


def test_a_roll_too_long_for_the_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must fit into a MIDI file"):
        midi.write(tmp_path / "roll.mid", np.ones((3, 88)), step_in_beats=1e6)


@pytest.mark.parametrize(
    "argument",
    [
        {"step_in_beats": 0},
        {"step_in_beats": -1},
        {"step_in_beats": np.nan},
        {"step_in_beats": None},
        {"transpose": 1.0},
        {"transpose": -128},
        {"max_steps": 0},
    ],
)
def test_a_wrong_argument_of_read_is_named(tmp_path, argument):
    (name,) = argument
    for function in (midi.read, midi.read_folder):
        with pytest.raises(ValueError, match=f"`{name}` must .*Received: {name}="):
            function(tmp_path, **argument)


def test_the_first_grid_column_is_dropped_and_notes_are_rounded_to_the_grid(read):
    assert read(header() + track(NOTE)) == (1, [(0, 60)])
    early = b"\x81\x6f\x90\x40\x40" + b"\x83\x60\x80\x40\x00"  # tick 239 to 719: grid 0 to 1
    late = b"\x81\x70\x90\x41\x40" + b"\x83\x60\x80\x41\x00"  # tick 240 to 720: grid 1 to 2
    assert read(header(tracks=3) + track(NOTE) + track(early) + track(late)) == (
        1,
        [(0, 60), (0, 65)],
    )


def test_running_status_and_velocity_zero_are_understood(read):
    running = b"\x83\x60\x90\x3c\x40" + b"\x00\x40\x40" + b"\x83\x60\x3c\x00" + b"\x00\x40\x00"
    assert read(header(kind=0) + track(running)) == (1, [(0, 60), (0, 64)])


def test_tracks_are_merged_and_transposed(read):
    other = NOTE.replace(b"\x3c", b"\x43")
    data = header(tracks=2) + track(NOTE) + track(other)
    assert read(data) == (1, [(0, 60), (0, 67)])
    assert read(data, transpose=-2) == (1, [(0, 58), (0, 65)])
    assert read(data, transpose=45) == (1, [(0, 105)])  # the other one is off the keyboard


def test_a_note_off_ends_the_oldest_note_of_its_pitch(read):
    twice = (
        b"\x83\x60\x90\x3c\x40" + b"\x83\x60\x3c\x40" + b"\x83\x60\x3c\x00" + b"\x83\x60\x3c\x00"
    )
    apart = (
        b"\x83\x60\x90\x3e\x40" + b"\x83\x60\x3e\x00" + b"\x83\x60\x3e\x40" + b"\x83\x60\x3e\x00"
    )
    assert read(header(tracks=2) + track(twice) + track(apart)) == (
        3,
        [(0, 60), (0, 62), (1, 60), (2, 60), (2, 62)],
    )


def test_a_lone_note_off_is_ignored_and_a_hanging_note_ends_with_its_track(read):
    lone = b"\x00\x80\x3c\x00"
    hanging = b"\x83\x60\x90\x3c\x40"
    assert read(header() + track(lone, hanging, end=b"\x87\x40\xff\x2f\x00")) == (
        2,
        [(0, 60), (1, 60)],
    )


def test_percussion_is_left_out(read):
    drums = NOTE.replace(b"\x90", b"\x99").replace(b"\x80", b"\x89")
    assert read(header(tracks=2) + track(NOTE) + track(drums, drums)) == (1, [(0, 60)])
    with pytest.raises(midi.MidiError, match="no notes, but 2 of percussion"):
        read(header() + track(drums, drums))


def test_unknown_chunks_long_headers_and_bytes_after_the_end_are_skipped(read):
    long = b"MThd" + struct.pack(">LHHH", 8, 1, 1, 480) + b"??"
    assert read(long + b"XFIH" + struct.pack(">L", 3) + b"abc" + track(NOTE) + b"junk") == (
        1,
        [(0, 60)],
    )


LEGAL = {
    "an escape": b"\x00\xf7\x01\xf8",
    "an escape of nothing": b"\x00\xf7\x00",
    "an escape of a note": b"\x00\xf7\x03\x90\x40\x40",
    "a system message": b"\x00\xf0\x05\x7e\x7f\x09\x01\xf7",
    "a system message in three parts": b"\x00\xf0\x03\x43\x12\x00"
    + b"\x81\x48\xf7\x06\x43\x12\x00\x43\x12\x00"
    + b"\x64\xf7\x04\x43\x12\x00\xf7",
    "a long system message": b"\x00\xf0\x81\x00" + bytes(127) + b"\xf7",
    "an unknown meta-event": b"\x00\xff\x6e\x02\xff\xf7",
    "a meta-event longer than is known": b"\x00\xff\x51\x05\x07\xa1\x20\x01\x02",
    "a meta-event shorter than is known": b"\x00\xff\x51\x00",
    "a sequence number left out": b"\x00\xff\x00\x00",
    "a key of the future": b"\x00\xff\x59\x02\x09\x03",
    "a meter of thirds": b"\x00\xff\x58\x04\x04\xff\x18\x08",
    "text of any bytes": b"\x00\xff\x01\x04\xff\xfe\x00\x80",
    "messages of all other kinds": b"\x00\xb0\x07\x64\x00\xc0\x05\x00\x06\x00\xd0\x40"
    + b"\x00\xe0\x00\x40\x00\xa0\x3c\x10",
    "running status around a meta-event": b"\x00\xb0\x07\x64\x00\xff\x01\x00\x00\x07\x65",
    "a time in four bytes": b"\x80\x80\x80\x00\xb0\x07\x64",
}


@pytest.mark.parametrize("event", LEGAL.values(), ids=LEGAL)
def test_all_events_of_the_standard_are_read(read, event):
    alone = read(header() + track(NOTE))
    assert read(header() + track(NOTE, event)) == alone
    assert read(header() + track(event, NOTE))[1][-1][1] == 60


def test_the_time_of_an_unknown_event_counts(read):
    unknown = b"\x87\x40\xff\x6e\x00"
    assert read(header() + track(unknown, NOTE)) == (3, [(2, 60)])


def test_format_2_with_one_track_is_read(read):
    assert read(header(kind=2) + track(NOTE)) == (1, [(0, 60)])


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "empty file"),
        (b"RIFF" + bytes(40), "not a MIDI file"),
        (b"MThd", "truncated"),
        (b"MThd" + struct.pack(">L", 2) + b"\x00\x01", "header must have 6 bytes"),
        (b"MThd" + b"\xff\xff\xff\xff" + bytes(20), "truncated"),
        (header(kind=2, tracks=2) + track(NOTE) * 2, "2 tracks of format 2 are pieces"),
        (header(kind=65535) + track(NOTE), "format must be 0, 1 or 2"),
        (header(tracks=0), "cannot have 0 tracks"),
        (header(kind=0, tracks=2) + track(NOTE) * 2, "format 0 cannot have 2 tracks"),
        (header(division=0) + track(NOTE), "at least 1 tick"),
        (header(division=0xE728) + track(NOTE), "SMPTE"),
        (header(tracks=2) + track(NOTE), "1 of 2 tracks"),
        (header(tracks=1) + track(NOTE) * 2, "there are more"),
        (header() + track(NOTE)[:-1], "truncated"),
        (header() + track(NOTE, end=b""), "must end with one end-of-track"),
        (header() + track(NOTE, END), "must end with one end-of-track"),
        (header() + track(END, NOTE, end=b""), "must end with one end-of-track"),
        (header() + track(b"\x00\x3c\x40"), "track at byte 22: a status byte is missing"),
        (header() + track(NOTE, b"\x00\x90\x3c", end=b""), "byte 32: .* within another one"),
        (header() + track(b"\x00\x90\x3c", NOTE), "a data byte is missing"),
        (header() + track(b"\x00\xf4"), "no event of status 0xf4"),
        (header() + track(b"\x00\xf8"), "no event of status 0xf8"),
        (header() + track(b"\x00\xff"), "within another one"),
        (header() + track(b"\x00\xf0\x01\xf7\x00\x3c\x40"), "a status byte is missing"),
        (header() + track(b"\x00\xff\x01\x7fabc"), "damaged track"),
        (header() + track(b"\x00\xff\x01\xff\xff\xff\xff\x7f"), "more than four bytes"),
        (header() + track(b"\x8f\xff\xff\xff\x7f\x90\x3c\x40"), "more than four bytes"),
        (header() + track(NOTE, b"\xff\xff\xff\x7f\x90\x3c\x40\x00\x3c\x00"), "max_steps"),
        (header() + track(), "no notes"),
        (header() + track(b"\x00\x90\x3c\x40\x01\x3c\x00"), "long enough"),
        (header() + track(NOTE.replace(b"\x3c", b"\x02")), "no note is on the keyboard"),
    ],
)
def test_damaged_and_foreign_files_are_refused_by_name(read, data, message):
    with pytest.raises(midi.MidiError, match=rf"song\.mid: .*({message})"):
        read(data)


def test_the_length_of_the_roll_is_bounded_before_it_is_made(read):
    data = header(division=1) + track(b"\x00\x90\x3c\x40", b"\x64\x3c\x00")  # 100 beats
    assert read(data, max_steps=99)[0] == 99
    with pytest.raises(midi.MidiError, match="max_steps=98"):
        read(data, max_steps=98)
    with pytest.raises(midi.MidiError, match="max_steps"):
        read(data, step_in_beats=5e-324)


def test_a_file_too_large_is_refused_unread(read, monkeypatch):
    monkeypatch.setattr(midi, "MAX_FILE_BYTES", 30)
    with pytest.raises(midi.MidiError, match="at most 30 bytes"):
        read(header() + track(NOTE))


def test_a_file_cut_off_anywhere_is_an_error(tmp_path, rng):
    roll = (rng.random((6, 88)) < 0.08).astype("uint8")
    midi.write(tmp_path / "whole.mid", roll)
    whole = (tmp_path / "whole.mid").read_bytes()
    path = tmp_path / "cut.mid"
    for stop in range(len(whole)):
        path.write_bytes(whole[:stop])
        with pytest.raises(midi.MidiError, match="cut.mid"):
            midi.read(path)


def test_noise_is_read_or_refused_but_never_crashes(tmp_path, rng):
    file = io.BytesIO()
    notes = [
        mido.Message("note_on", note=n, velocity=9 * (k % 2), time=200)
        for k in (1, 2)
        for n in (50, 60)
    ]
    mido.MidiFile(tracks=[mido.MidiTrack(notes)]).save(file=file)
    whole = np.frombuffer(file.getvalue(), "uint8")
    path = tmp_path / "noise.mid"
    outcomes = set()
    for trial in range(200):
        if trial % 2:
            data = whole.copy()
            data[rng.integers(len(data), size=2)] = rng.integers(256, size=2)
        else:
            body = rng.integers(256, size=rng.integers(60), dtype="uint8").tobytes()
            data = np.frombuffer(header() + track(body), "uint8")
        path.write_bytes(data.tobytes())
        try:
            roll = midi.read(path)
        except midi.MidiError as error:
            assert "noise.mid" in str(error)
            outcomes.add("refused")
        else:
            assert roll.shape[1] == 88 and len(roll) <= 100_000 and roll.max() == 1
            outcomes.add("read")
    assert outcomes == {"read", "refused"}


def test_a_pipe_is_refused_unopened(tmp_path):
    os.mkfifo(tmp_path / "pipe.mid")
    with pytest.raises(midi.MidiError, match="pipe.mid: the path must name a regular file"):
        midi.read(tmp_path / "pipe.mid")


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        midi.read(tmp_path / "no.mid")


def test_a_folder_gives_what_it_can_and_tells_what_it_skipped(tmp_path):
    roll = np.ones((3, 88), "uint8")
    (tmp_path / "below").mkdir()
    (tmp_path / "folder.mid").mkdir()
    midi.write(tmp_path / "b.MID", roll)
    (tmp_path / "._b.mid").write_bytes(b"left by a system")
    (tmp_path / ".trash").mkdir()
    midi.write(tmp_path / ".trash" / "c.mid", roll)
    midi.write(tmp_path / "below" / "a.midi", roll)
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    (tmp_path / "notes.txt").write_bytes(b"no music")
    found = midi.read_folder(tmp_path)
    assert found.paths == [tmp_path / "b.MID", tmp_path / "below" / "a.midi"]
    assert all(np.array_equal(r, roll) for r in found.rolls)
    ((path, reason),) = found.skipped
    assert path == tmp_path / "broken.mid" and "truncated" in reason


def test_a_folder_without_music_is_an_error(tmp_path):
    with pytest.raises(midi.MidiError, match="must hold a MIDI file.* Received: none"):
        midi.read_folder(tmp_path)
    (tmp_path / "broken.mid").write_bytes(b"")
    with pytest.raises(
        midi.MidiError, match="1 that cannot be read; the first: .*broken.mid: empty file"
    ):
        midi.read_folder(tmp_path)
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        midi.read_folder(tmp_path / "broken.mid")
