"""Standard MIDI files, read as piano-rolls and written from them.

Reading follows the rule by which the published piano-rolls were made. It was found by comparing
them with their MIDI files. A tick falls on grid step

    index(tick) = floor(tick / (ticks per beat * step in beats) + 1/2)

and a note sounds from index(on) up to, not including, index(off); very short notes may vanish. The
roll ends with the last note-off, and the first column of the grid is dropped. Tempo is ignored, all
tracks are merged, and a note-off ends the oldest note of its pitch, channel and track that still
sounds.

Files that break the standard are refused, with these exceptions: a note-off without a note is
ignored; a note without an end sounds until its track ends; a status byte counts on after a
meta-event; bytes after the last track are skipped. The percussion channel (10) is dropped, because
its numbers are instruments and not pitches, as are notes outside the keyboard.
"""

import array
import collections
import io
import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_flag, check_integer, check_number
from seqlayers.datasets.piano_roll import FIRST_NOTE, NUM_KEYS, check_roll
from seqlayers.files import FileError, check_regular_file, find, reason_of, write_atomically

SUFFIXES = (".mid", ".midi")
MAX_FILE_BYTES = 4 * 2**20  # as many are read in a second or two
NOTE_OFF, NOTE_ON = 0x8, 0x9  # the upper half of a status byte; the lower one is the channel
ONE_BYTE = (0xC, 0xD)  # such messages have one data byte; the others have two
SYSTEM, ESCAPE, META = 0xF0, 0xF7, 0xFF  # status bytes of events with a length
END_OF_TRACK = 0x2F  # type of a meta-event
PERCUSSION = 9  # channel, counted from 0
TICKS_PER_BEAT = 480  # of the files we write
LONGEST_DELTA = 2**28 - 1  # what four bytes of seven bits hold


class MidiError(FileError):
    """A file that is not MIDI, is damaged, or does not fit a piano-roll.

    Attributes:
        reason: Why it cannot be used, without its name.
        path: The file as a string, or None.
    """


class Folder(NamedTuple):
    """The MIDI files of a folder.

    Attributes:
        paths: List of the files that were read.
        rolls: List of their piano-rolls.
        skipped: List of pairs `(path, reason)`, the files that could not be read.
    """

    paths: Any
    rolls: Any
    skipped: Any


def read(path, step_in_beats=0.5, transpose=0, max_steps=100_000):
    """Reads a MIDI file as a piano-roll.

    Args:
        path: The file.
        step_in_beats: Length of a time step; 0.5 is an eighth note where the beat is a quarter.
        transpose: Semitones to add to each note.
        max_steps: Longest roll that is accepted, in time steps.

    Returns:
        uint8 array `(T, 88)` of 0 and 1, with at least one note.

    Raises:
        MidiError: If the file is empty, damaged, not MIDI, of format 2 with several tracks, timed
            in SMPTE frames, larger than `MAX_FILE_BYTES`, without a note that the grid can hold, or
            longer than `max_steps`.
        ValueError: If another argument is invalid.
        OSError: If there is no such file or it cannot be opened.

    Example:
        >>> write("scale.mid", np.eye(88, dtype="uint8")[39:47])
        >>> read("scale.mid").shape
        (8, 88)
    """
    transpose = _check_options(step_in_beats, transpose, max_steps)
    try:
        ticks_per_beat, tracks = _parse(path)
        notes, num_drums = zip(*(_notes(*track) for track in tracks), strict=True)
        notes = np.concatenate(notes)
        if not len(notes):
            drums = f", but {sum(num_drums)} of percussion (channel 10), which has no pitches"
            raise MidiError("there are no notes" + drums * any(num_drums))
        return _roll(notes, ticks_per_beat * step_in_beats, transpose, max_steps)
    except MidiError as error:
        raise MidiError(error.reason, path) from error.__cause__


def write(
    path, roll, step_in_beats=0.5, tempo: float = 120, velocity=80, programme=None, articulate=False
):
    """Writes a piano-roll as a MIDI file, all of it or nothing.

    The file has one track. A step of silence comes first, because `read` drops the first step. So
    `read` returns the same roll, except for silence at its end. A silent roll makes a file without
    notes, which `read` refuses.

    A roll has no mark between a held note and one that is struck again, so neither has a model of
    rolls. Consecutive ones in a column become one held note. With `articulate` they are struck
    again in each step in which another key begins.

    Args:
        path: The file to make or to replace.
        roll: Array `(T, 88)` of 0 and 1.
        step_in_beats: Length of a time step, at least 1/120.
        tempo: Beats per minute, at least 4.
        velocity: Loudness of the notes, 1 to 127.
        programme: Number of an instrument of General MIDI, 1 to 128: 1 is a piano, 20 a church
            organ, 41 a violin. The player chooses if None.
        articulate: Whether notes that go on are struck again where another one begins.

    Raises:
        ValueError: If the roll is invalid or too long for a MIDI file, or a number is out of range.
        OSError: If the file cannot be written; an older one is then untouched.

    Example:
        >>> write("chord.mid", np.isin(np.arange(88), [39, 43, 46])[None].repeat(4, axis=0))
    """
    import mido

    roll = check_roll(roll)
    check_number("step_in_beats", step_in_beats, least=1 / 120)
    check_number("tempo", tempo, least=4)
    check_integer("velocity", velocity, most=127)
    if programme is not None:
        programme = check_integer("programme", programme, most=128)
    articulate = check_flag("articulate", articulate)
    ticks = TICKS_PER_BEAT * step_in_beats
    if (len(roll) + 1) * ticks > LONGEST_DELTA:
        raise ValueError(
            "The roll must fit into a MIDI file; write it in parts or with shorter steps. "
            f"Received: {len(roll)} steps of step_in_beats={step_in_beats}."
        )

    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=max(1, mido.bpm2tempo(tempo))))
    if programme is not None:
        track.append(mido.Message("program_change", program=programme - 1))
    now = 0
    for step, key, kind in _edges(roll, articulate):
        tick = round((step + 1) * ticks)
        note, delta = FIRST_NOTE + key, tick - now
        track.append(mido.Message(kind, note=note, velocity=int(velocity), time=delta))
        now = tick
    end = round((len(roll) + 1) * ticks)
    track.append(mido.MetaMessage("end_of_track", time=end - now))

    file = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track]).save(file=file)
    write_atomically(path, file.getvalue())


def _edges(roll, articulate):
    """Returns `(step, key, kind)` of each end and beginning of a note, a key's end first."""
    silence = np.zeros((1, NUM_KEYS), bool)
    roll = np.concatenate([silence, roll.astype(bool), silence])
    before, now = roll[:-1], roll[1:]
    again = before & now & (now & ~before).any(axis=1, keepdims=True) & articulate
    kinds = (("note_off", before & (~now | again)), ("note_on", now & (~before | again)))
    edges = [(*map(int, at), kind) for kind, there in kinds for at in np.argwhere(there)]
    return sorted(edges, key=lambda edge: edge[:2])


def read_folder(path, step_in_beats=0.5, transpose=0, max_steps=100_000):
    """Reads all MIDI files in a folder and its subfolders. Files that cannot be read are listed.

    Args:
        path: The folder. Files with the suffix `.mid` or `.midi`, in any case, are read; hidden
            files and folders, whose names start with a dot, are not.
        step_in_beats, transpose, max_steps: As in `read`.

    Returns:
        `Folder(paths, rolls, skipped)`, by path in alphabetical order.

    Raises:
        MidiError: If there is no MIDI file, or none that can be read.
        ValueError: If another argument is invalid.
        NotADirectoryError: If `path` is not a folder.

    Example:
        >>> paths, rolls, skipped = read_folder("my_music", step_in_beats=0.25)
    """
    found = Folder([], [], [])
    for file, roll in read_each(path, step_in_beats, transpose, max_steps, found.skipped):
        found.paths.append(file)
        found.rolls.append(roll)
    return found


def read_each(path, step_in_beats=0.5, transpose=0, max_steps=100_000, skipped=None):
    """Reads the MIDI files in a folder and its subfolders one by one, so that one is in memory.

    Args:
        path, step_in_beats, transpose, max_steps: As in `read_folder`.
        skipped: List that gets a pair `(path, reason)` for each file that cannot be read.

    Yields:
        Pairs `(path, roll)`, by path in alphabetical order.

    Raises:
        MidiError, ValueError, NotADirectoryError: As `read_folder` does.

    Example:
        >>> lengths = [len(roll) for path, roll in read_each("my_music")]
    """
    _check_options(step_in_beats, transpose, max_steps)
    folder = Path(path)
    if not folder.is_dir():
        raise NotADirectoryError(f"`path` must be a folder. Received: path={path}.")
    skipped, read_any = [] if skipped is None else skipped, False
    for file in find(folder, SUFFIXES):
        try:
            roll = read(file, step_in_beats, transpose, max_steps)
        except (MidiError, OSError) as error:
            skipped.append((file, reason_of(error)))
        else:
            read_any = True
            yield file, roll
    if not read_any:
        received = "none"
        if skipped:
            first = "{}: {}".format(*skipped[0])
            received = f"{len(skipped)} that cannot be read; the first: {first}"
        raise MidiError(
            "the folder must hold a MIDI file that can be read (*.mid, *.midi). "
            f"Received: {received}.",
            folder,
        )


def _parse(path):
    """Returns the ticks per beat, and pairs `(place, bytes)` of the tracks."""
    check_regular_file(path, MidiError)
    size = os.stat(path).st_size
    if size > MAX_FILE_BYTES:
        raise MidiError(f"the file must have at most {MAX_FILE_BYTES} bytes. Received: {size}.")
    data = Path(path).read_bytes()
    if data[:4] != b"MThd":
        raise MidiError("not a MIDI file; it does not start with MThd" if data else "empty file")
    header, at = _chunk(data, 0)
    if len(header) < 6:
        raise MidiError("the header must have 6 bytes")
    kind, num_tracks, division = struct.unpack(">HHH", header[:6])
    if kind > 2:
        raise MidiError(f"the format must be 0, 1 or 2. Received: {kind}")
    if num_tracks == 0 or (kind == 0 and num_tracks > 1):
        raise MidiError(f"format {kind} cannot have {num_tracks} tracks")
    if kind == 2 and num_tracks > 1:
        raise MidiError(
            f"the {num_tracks} tracks of format 2 are pieces of their own; save each as a file"
        )
    if division & 0x8000:
        raise MidiError("time must be in ticks per beat; this file counts SMPTE frames")
    if division == 0:
        raise MidiError("there must be at least 1 tick per beat. Received: 0")

    tracks = []
    while len(tracks) < num_tracks:
        if at == len(data):
            raise MidiError(f"truncated: {len(tracks)} of {num_tracks} tracks")
        name, start = data[at : at + 4], at + 8
        body, at = _chunk(data, at)
        if name == b"MTrk":
            tracks.append((start, body))
    if data[at : at + 4] == b"MTrk":
        raise MidiError(f"the header declares {num_tracks} tracks, but there are more")
    return division, tracks


def _chunk(data, at):
    """Returns the bytes of the chunk whose name is at `at`, and the place of the next one."""
    start = at + 8
    if start > len(data):
        raise MidiError(f"truncated in the chunk at byte {at}")
    stop = start + int.from_bytes(data[at + 4 : start], "big")
    if stop > len(data):
        raise MidiError(f"truncated: the chunk at byte {at} should end at byte {stop}")
    return data[start:stop], stop


def _notes(start, body):
    """Returns integers `(notes, 3)` of tick on, tick off and note, and the number of drum beats.

    Args:
        start: Place of the track in the file, for messages.
        body: The bytes of the track.
    """
    notes, num_drums, now = array.array("q"), 0, 0
    sounding = collections.defaultdict(collections.deque)
    for now, status, note, velocity in _messages(start, body):
        kind, channel = status >> 4, status & 15
        starts = kind == NOTE_ON and velocity > 0
        if channel == PERCUSSION:
            num_drums += starts
        elif starts:
            sounding[channel, note].append(now)
        elif kind in (NOTE_ON, NOTE_OFF) and (since := sounding[channel, note]):
            notes.extend((since.popleft(), now, note))
    for (_, note), since in sounding.items():
        for on in since:
            notes.extend((on, now, note))
    return np.array(notes, "int64").reshape(-1, 3), num_drums


def _messages(start, body):
    """Yields `(tick, status, first data byte, second)` of a track; the last is its end.

    All events of the standard are read, and all but messages of channels are skipped. mido, which
    writes our files, refuses some legal ones and takes a hundred times the memory of a file.
    """
    now, at, running = 0, 0, None
    try:
        while True:
            event = at
            delta, at = _number(body, at)
            now += delta
            status = body[at]
            if status >= 0x80:
                at += 1
            elif running is None:
                raise MidiError("a status byte is missing")
            else:
                status = running
            if status < SYSTEM:
                running, first, second = status, body[at], 0
                at += 1
                if status >> 4 not in ONE_BYTE:
                    second = body[at]
                    at += 1
                if (first | second) >= 0x80:
                    raise MidiError("a data byte is missing")
                yield now, status, first, second
                continue
            kind = None
            if status == META:  # running status should end here, too, but files go on with it
                kind, at = body[at], at + 1
            elif status in (SYSTEM, ESCAPE):
                running = None
            else:
                raise MidiError(f"there is no event of status {status:#04x}")
            length, at = _number(body, at)
            at += length
            if at > len(body):
                raise IndexError
            if kind == END_OF_TRACK:
                break
        if at < len(body):
            raise MidiError("the track must end with one end-of-track event; bytes follow it")
        yield now, META, 0, 0
    except IndexError:
        where = "without one" if event == len(body) else "within another one"
        reason = f"the track must end with one end-of-track event; it ends {where}"
        raise MidiError(f"damaged track at byte {start + event}: {reason}") from None
    except MidiError as error:
        raise MidiError(f"damaged track at byte {start + event}: {error.reason}") from None


def _number(body, at):
    """Returns a number of variable length and the place behind it."""
    value = 0
    for place in range(at, at + 4):
        byte = body[place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + 1
    raise MidiError("a number has more than four bytes")


def _roll(notes, ticks_per_step, transpose, max_steps):
    ticks = notes[:, :2].astype("float64")
    keys = notes[:, 2] + (transpose - FIRST_NOTE)
    if ticks.max() >= (max_steps + 1.5) * ticks_per_step:
        raise MidiError(
            f"the roll would be longer than max_steps={max_steps}; use longer steps, or raise it"
        )
    grid = np.floor(ticks / ticks_per_step + 0.5).astype("int64")
    steps = int(grid[:, 1].max())
    there = (keys >= 0) & (keys < NUM_KEYS)
    if not there.any():
        raise MidiError(
            f"no note is on the keyboard, from {FIRST_NOTE} to {FIRST_NOTE + NUM_KEYS - 1}. "
            f"Received: from {notes[:, 2].min()} to {notes[:, 2].max()}, transpose={transpose}."
        )
    (on, off), keys = grid[there].T, keys[there]
    changes = np.zeros((steps + 1, NUM_KEYS), "int32")
    np.add.at(changes, (on, keys), 1)
    np.add.at(changes, (off, keys), -1)
    roll = (np.cumsum(changes, axis=0, out=changes)[1:-1] > 0).astype("uint8")
    if not roll.any():
        raise MidiError("no note on the keyboard is long enough to be seen; use shorter steps")
    return roll


def _check_options(step_in_beats, transpose, max_steps):
    check_number("step_in_beats", step_in_beats, above=0)
    check_integer("max_steps", max_steps)
    return check_integer("transpose", transpose, least=-127)
