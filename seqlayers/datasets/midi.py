"""Standard MIDI files, read as piano-rolls and written from them.

Reading follows the rule by which the published piano-rolls were made. It was found by comparing
them with their MIDI files. A tick falls on grid step

    index(tick) = floor(tick / (ticks per beat * step in beats) + 1/2)

and a note sounds from index(on) up to, not including, index(off); very short notes may vanish. The
roll ends with the last note-off, and the first column of the grid is dropped. Tempo is ignored, all
tracks are merged, and a note-off ends the oldest note of its pitch, channel and track that still
sounds.

Files that break the standard are refused, with these exceptions: a note-off without a note is
ignored; a note without an end sounds until its track ends; chunks of unknown kind and bytes after
the last track are skipped. The percussion channel (10) is dropped, because its numbers are
instruments and not pitches, as are notes outside the keyboard.
"""

import collections
import io
import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlayers.checks import check_integer, check_number
from seqlayers.datasets.piano_roll import FIRST_NOTE, NUM_KEYS, check_roll
from seqlayers.files import FileError, reason_of, write_atomically

MAX_FILE_BYTES = 4 * 2**20  # a file takes some hundred times its size in memory while it is read
PERCUSSION = 9  # counted from 0
TICKS_PER_BEAT = 480  # of the files we write
LONGEST_DELTA = 2**28 - 1  # what four bytes of seven bits hold


class MidiError(FileError):
    """A file that is not MIDI, is damaged, or does not fit a piano-roll. See `FileError`."""


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
    """Reads a MIDI file of format 0 or 1 as a piano-roll.

    Args:
        path: The file.
        step_in_beats: Length of a time step; 0.5 is an eighth note where the beat is a quarter.
        transpose: Semitones to add to each note.
        max_steps: Longest roll that is accepted, in time steps.

    Returns:
        uint8 array `(T, 88)` of 0 and 1, with at least one note.

    Raises:
        MidiError: If the file is empty, damaged, not MIDI, of format 2, timed in SMPTE frames,
            larger than `MAX_FILE_BYTES`, without a note that the grid can hold, or longer than
            `max_steps`.
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
        notes = [note for track in tracks for note in _notes(track)]
        return _roll(notes, ticks_per_beat * step_in_beats, transpose, max_steps)
    except MidiError as error:
        raise MidiError(error.reason, path) from error.__cause__


def write(path, roll, step_in_beats=0.5, tempo=120, velocity=80):
    """Writes a piano-roll as a MIDI file, all of it or nothing.

    Consecutive ones in a column become one held note. A step of silence comes first, because `read`
    drops the first step. So `read` returns the same roll, except for silence at its end. A silent
    roll makes a file without notes, which `read` refuses.

    Args:
        path: The file to make or to replace.
        roll: Array `(T, 88)` of 0 and 1.
        step_in_beats: Length of a time step, at least 1/120.
        tempo: Beats per minute, at least 4.
        velocity: Loudness of the notes, 1 to 127.

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
    ticks = TICKS_PER_BEAT * step_in_beats
    if (len(roll) + 1) * ticks > LONGEST_DELTA:
        raise ValueError(
            "The roll must fit into a MIDI file; write it in parts or with shorter steps. "
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
    """Reads all MIDI files in a folder and its subfolders. Files that cannot be read are listed.

    Args:
        path: The folder. Files with the suffix `.mid` or `.midi`, in any case, are read.
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
            found.skipped.append((file, reason_of(error)))
        else:
            found.paths.append(file)
            found.rolls.append(roll)
    if not found.rolls:
        first = "; the first: {}: {}".format(*found.skipped[0]) if found.skipped else ""
        raise MidiError(
            "there must be a MIDI file that can be read, *.mid or *.midi. "
            f"Received: {len(found.skipped)} that cannot{first}.",
            folder,
        )
    return found


def _parse(path):
    """Returns the ticks per beat and the tracks, each a list of messages."""
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


def _messages(body, division, at):
    """Returns the messages of a track, read by itself so that it cannot run into the next one."""
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
    """Yields triples (tick on, tick off, note), without percussion."""
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
    check_number("step_in_beats", step_in_beats, above=0)
    check_integer("max_steps", max_steps)
    return check_integer("transpose", transpose, least=-127)
