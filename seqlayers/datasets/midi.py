"""Standard MIDI files to piano-rolls and back.

Reading follows the rule by which the published piano-rolls were made, found by comparing them with
their MIDI files. A tick falls on grid step

    index(tick) = floor(tick / (ticks per beat * step in beats) + 1/2)

and a note sounds from index(on) up to, not including, index(off); so very short notes may vanish.
The roll ends with the last note-off, and the first column of the grid is dropped. Tempo is
ignored, all tracks are merged, and a note-off ends the oldest sounding note of its pitch and
channel in its track.

Files that differ from the standard are refused, never half read, with these exceptions. A note-off
without a note is ignored; a note that is never ended sounds until its track ends; chunks of
unknown kind and bytes after the last track are skipped. The percussion channel (10) is left out,
for its numbers are instruments and not pitches, and so are notes that lie off the keyboard.
"""

import collections
import io
import math
import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_integer
from seqlayers.datasets.piano_roll import FIRST_NOTE, NUM_KEYS, check_roll
from seqlayers.files import write_atomically

MAX_FILE_BYTES = 4 * 2**20  # a file takes some hundred times its size in memory while it is read
PERCUSSION = 9  # counted from 0
TICKS_PER_BEAT = 480  # of the files we write
LONGEST_DELTA = 2**28 - 1  # what four bytes of seven bits hold


class MidiError(ValueError):
    """A file that is no MIDI file, is damaged, or cannot be made a piano-roll. Names the file."""


class Folder(NamedTuple):
    """What `read_folder` found: `rolls[n]` is of `paths[n]`; `skipped` has (path, reason) pairs."""

    paths: Any
    rolls: Any
    skipped: Any


def read(path, step_in_beats=0.5, transpose=0, max_steps=100_000):
    """Reads a MIDI file of format 0 or 1 as a piano-roll.

    Args:
        path: The file.
        step_in_beats: Length of a time step; 0.5 is an eighth note where the beat is a quarter.
        transpose: Semitones to add to each note.
        max_steps: The longest roll that is made.

    Returns:
        uint8 array `(T, 88)` of 0 and 1, with at least one note.

    Raises:
        MidiError: If the file is empty, damaged, not MIDI, of format 2, timed in SMPTE frames,
            larger than `MAX_FILE_BYTES`, without a note that the grid can hold, or longer than
            `max_steps`.
        ValueError: If another argument is wrong.
        OSError: If there is no such file or it may not be read.

    Example:
        >>> write("scale.mid", np.eye(88, dtype="uint8")[39:47])
        >>> read("scale.mid").shape
        (8, 88)
    """
    transpose = _check_options(step_in_beats, transpose, max_steps)
    try:
        ticks_per_beat, tracks = _parse(path)
        notes = [note for track in tracks for note in _notes(track)]
        return _roll(notes, ticks_per_beat * step_in_beats, transpose, max_steps)
    except MidiError as error:
        raise MidiError(f"{os.fspath(path)}: {error}") from error.__cause__


def write(path, roll, step_in_beats=0.5, tempo=120, velocity=80):
    """Writes a piano-roll as a MIDI file, all of it or nothing.

    Ones that follow each other in a column become one held note. A step of silence comes first,
    since `read` drops the first; so `read` gives the same roll back, but for silence at its end. A
    roll of nothing but silence makes a file without notes, which `read` refuses.

    Args:
        path: The file to make or to replace.
        roll: Array `(T, 88)` of 0 and 1.
        step_in_beats: Length of a time step, at least 1/120.
        tempo: Beats per minute, at least 4.
        velocity: How hard notes are struck, 1 to 127.

    Raises:
        ValueError: If an argument is not as above, or the roll is too long for a MIDI
            file.
        OSError: If the file cannot be written; an older one is untouched then.

    Example:
        >>> write("chord.mid", np.isin(np.arange(88), [39, 43, 46])[None].repeat(4, axis=0))
    """
    import mido

    roll = check_roll(roll)
    _check_real("step_in_beats", step_in_beats, 1 / 120)
    _check_real("tempo", tempo, 4)
    if check_integer("velocity", velocity) > 127:
        raise ValueError(f"`velocity` must be at most 127. Received: velocity={velocity}.")
    ticks = TICKS_PER_BEAT * step_in_beats
    if (len(roll) + 1) * ticks > LONGEST_DELTA:
        raise ValueError(
            "A MIDI file cannot hold so long a roll; write it in parts or with shorter steps. "
            f"Received: {len(roll)} steps of step_in_beats={step_in_beats}."
        )

    silence = np.zeros((1, NUM_KEYS), "int8")
    edges = np.diff(np.concatenate([silence, roll.astype("int8"), silence]), axis=0)
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=max(1, mido.bpm2tempo(tempo))))
    now = 0
    for step, key in np.argwhere(edges):
        tick = round((int(step) + 1) * ticks)
        kind = "note_on" if edges[step, key] > 0 else "note_off"
        note, delta = FIRST_NOTE + int(key), tick - now
        track.append(mido.Message(kind, note=note, velocity=int(velocity), time=delta))
        now = tick
    end = round((len(roll) + 1) * ticks)
    track.append(mido.MetaMessage("end_of_track", time=end - now))

    file = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track]).save(file=file)
    write_atomically(path, file.getvalue())


def read_folder(path, step_in_beats=0.5, transpose=0, max_steps=100_000):
    """Reads all MIDI files in a folder and the folders below, and tells which could not be read.

    Args:
        path: The folder. Files count that end in `.mid` or `.midi`, in small letters or capitals.
        step_in_beats, transpose, max_steps: As in `read`.

    Returns:
        `Folder(paths, rolls, skipped)`, by path in alphabetical order.

    Raises:
        MidiError: If there is no MIDI file, or none that can be read.
        ValueError: If another argument is wrong.
        NotADirectoryError: If `path` is no folder.

    Example:
        >>> paths, rolls, skipped = read_folder("my_music", step_in_beats=0.25)
    """
    _check_options(step_in_beats, transpose, max_steps)
    folder = Path(path)
    if not folder.is_dir():
        raise NotADirectoryError(f"`path` must be a folder. Received: path={path}.")
    found = Folder([], [], [])
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() not in (".mid", ".midi") or not file.is_file():
            continue
        try:
            roll = read(file, step_in_beats, transpose, max_steps)
        except (MidiError, OSError) as error:
            found.skipped.append((file, str(error)))
        else:
            found.paths.append(file)
            found.rolls.append(roll)
    if not found.rolls:
        first = f"; the first: {found.skipped[0][1]}" if found.skipped else ""
        raise MidiError(
            f"{folder}: there must be a MIDI file that can be read, *.mid or *.midi. "
            f"Received: {len(found.skipped)} that cannot{first}."
        )
    return found


def _parse(path):
    """Ticks per beat and the tracks, each a list of messages."""
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
    if kind > 1:
        raise MidiError(f"the format must be 0 or 1. Received: {kind}")
    if num_tracks == 0 or (kind == 0 and num_tracks > 1):
        raise MidiError(f"format {kind} cannot have {num_tracks} tracks")
    if division & 0x8000:
        raise MidiError("time must be in ticks per beat; this file counts SMPTE frames")
    if division == 0:
        raise MidiError("there must be at least 1 tick per beat. Received: 0")

    tracks = []
    while len(tracks) < num_tracks:
        if at == len(data):
            raise MidiError(f"truncated: {len(tracks)} of {num_tracks} tracks")
        name, start = data[at : at + 4], at
        body, at = _chunk(data, at)
        if name == b"MTrk":
            tracks.append(_messages(body, division, start))
    if data[at : at + 4] == b"MTrk":
        raise MidiError(f"the header tells of {num_tracks} tracks, and there are more")
    return division, tracks


def _chunk(data, at):
    """The bytes of the chunk whose name is at `at`, and where the next one starts."""
    start = at + 8
    if start > len(data):
        raise MidiError(f"truncated in the chunk at byte {at}")
    stop = start + int.from_bytes(data[at + 4 : start], "big")
    if stop > len(data):
        raise MidiError(f"truncated: the chunk at byte {at} should end at byte {stop}")
    return data[start:stop], stop


def _messages(body, division, at):
    """The messages of a track, read by itself so that it cannot run into the next one."""
    import mido

    header = struct.pack(">4sLHHH", b"MThd", 6, 0, 1, division)
    alone = header + struct.pack(">4sL", b"MTrk", len(body)) + body
    try:
        (track,) = mido.MidiFile(file=io.BytesIO(alone)).tracks
    except Exception as error:  # damaged bytes make mido raise a dozen kinds
        reason = str(error) or "it ends within a message"
        raise MidiError(f"damaged track at byte {at}: {reason}") from error
    ends = [n for n, message in enumerate(track) if message.type == "end_of_track"]
    if ends != [len(track) - 1]:
        raise MidiError(f"damaged track at byte {at}: it must end with one end-of-track message")
    if any(message.time > LONGEST_DELTA for message in track):
        raise MidiError(f"damaged track at byte {at}: a time of more than four bytes")
    return track


def _notes(track):
    """Triples (tick on, tick off, note), without percussion."""
    sounding = collections.defaultdict(collections.deque)
    now = 0
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off") or message.channel == PERCUSSION:
            continue
        since = sounding[message.channel, message.note]
        if message.type == "note_on" and message.velocity > 0:
            since.append(now)
        elif since:
            yield since.popleft(), now, message.note
    for (_, note), since in sounding.items():
        for on in since:
            yield on, now, note


def _roll(notes, ticks_per_step, transpose, max_steps):
    if not notes:
        raise MidiError("there are no notes")
    ticks = np.array([note[:2] for note in notes], "float64")  # [notes, 2]
    keys = np.array([note[2] for note in notes]) + (transpose - FIRST_NOTE)
    if ticks.max() >= (max_steps + 1.5) * ticks_per_step:
        raise MidiError(
            f"the roll would be longer than max_steps={max_steps}; use longer steps, or raise it"
        )
    grid = np.floor(ticks / ticks_per_step + 0.5).astype("int64")
    steps = int(grid[:, 1].max())
    there = (keys >= 0) & (keys < NUM_KEYS)
    (on, off), keys = grid[there].T, keys[there]
    changes = np.zeros((steps + 1, NUM_KEYS), "int32")
    np.add.at(changes, (on, keys), 1)
    np.add.at(changes, (off, keys), -1)
    roll = (np.cumsum(changes, axis=0, out=changes)[1:-1] > 0).astype("uint8")
    if not roll.any():
        raise MidiError("no note is both on the keyboard and long enough; use shorter steps")
    return roll


def _check_options(step_in_beats, transpose, max_steps):
    _check_real("step_in_beats", step_in_beats, 0)
    check_integer("max_steps", max_steps)
    return check_integer("transpose", transpose, least=-127)


def _check_real(name, value, least):
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or value < least or value == 0:
        raise ValueError(
            f"`{name}` must be a positive number{f' of at least {least:.6g}' if least else ''}. "
            f"Received: {name}={value!r}."
        )
