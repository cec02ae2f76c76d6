"""Frames of MP3, counted, as the length of a file without a header is otherwise a guess.

A file may begin with a frame that holds no sound but the number of frames, under the name "Xing" or
"Info". Where it is missing, libsndfile guesses the number of samples from the bytes of the file and
of its first frame, and reads no more.
"""

import functools
import re
from typing import NamedTuple

from seqlayers.audio.damage import AudioError

BITRATES = {  # kbit/s, by version and layer
    (1, 1): range(32, 480, 32),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = (44100, 48000, 32000)
READ = 48  # bytes of a frame that hold its header and the name of a count
LONGEST = 2881  # bytes of a frame; the shortest has 24
LONGER = 128  # times that a guess of the length can be too small
SYNC = re.compile(rb"\xff[\xe2-\xff]")
BLOCK = 2**20  # bytes that are searched at a time
TAGS = {b"TAG": 128, b"APE": 2**40, b"LYR": 2**40}  # bytes that may follow the sound: these or all
MOST_TAGS = 100  # of no bytes, there could be millions


class Frame(NamedTuple):
    """A frame, from its header.

    Attributes:
        length: Bytes, with the header.
        num_samples: Samples of each channel.
        kind: Version, layer and sample rate, which are the same in all frames of a stream.
        count_at: Place of the name of a count, if it holds one.
    """

    length: int
    num_samples: int
    kind: tuple
    count_at: int


class Frames(NamedTuple):
    """The frames of a file.

    Attributes:
        start, end: Places of the first frame that holds sound, and behind the last one.
        num_samples: Samples of all frames; None if libsndfile finds them.
        is_guess: Whether libsndfile guesses them.
    """

    start: int
    end: int
    num_samples: int | None = None
    is_guess: bool = False


def frame(head):
    """Returns the `Frame` that begins with given bytes; None if they are no header of one."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    return _frame(head[1], head[2], head[3] >> 6 == 3)


@functools.lru_cache(2**12)
def _frame(second, third, mono):
    version, layer = (2.5, None, 2, 1)[second >> 3 & 3], 4 - (second >> 1 & 3)
    bitrate, rate = third >> 4, third >> 2 & 3
    if second < 0xE0 or version is None or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    bits = 1000 * BITRATES[min(2, int(version)), layer][bitrate - 1]
    rate = RATES[rate] // {1: 1, 2: 2, 2.5: 4}[version]
    num_samples = 384 if layer == 1 else 576 if layer == 3 and version > 1 else 1152
    slot = 4 if layer == 1 else 1
    length = (num_samples // 8 * bits // rate // slot + (third >> 1 & 1)) * slot
    sides = (17, 9) if version > 1 else (32, 17)
    return Frame(length, num_samples, (version, layer, rate), 4 + sides[mono])


def skip_id3(file):
    """Returns the place behind the ID3 tags, and the zeros after them, at the start of a file."""
    at = 0
    for _ in range(MOST_TAGS):
        file.seek(at)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10:
            break
        length = 0
        for byte in head[6:]:
            length = length << 7 | byte & 127
        at += 10 + length + 10 * (head[5] >> 4 & 1)
    if at:
        file.seek(at)
        zeros = file.read(2**16)
        at += len(zeros) - len(zeros.lstrip(b"\0"))
    return at


def frames(file, start, size, strict):
    """Counts the frames of a file.

    Args:
        file: The file.
        start: Place of the first frame.
        size: Bytes of the file.
        strict: Whether a file that is not whole is refused.

    Returns:
        `Frames`.

    Raises:
        AudioError: If the last frame is incomplete, the file has fewer frames than it declares, or
            several streams, and `strict`.
    """
    file.seek(start)
    first = frame(file.read(READ))
    file.seek(start)
    is_count, declared, num_bytes = _count(file.read(first.length), first)
    sound = start + first.length * is_count
    if not strict or declared and num_bytes == size - start:
        return Frames(sound, size, None, not declared)
    count, end = _walk(file, sound, size, first)
    if declared and declared > count:
        raise AudioError(f"truncated: {count} of {declared} frames")
    if declared == count:
        return Frames(sound, end)
    return Frames(sound, end, count * first.num_samples, True)


def _walk(file, at, size, first):
    """Returns the number of frames from `at` on, and the place behind the last one."""
    count = 0
    while at < size:
        file.seek(at)
        head = file.read(READ)
        found = frame(head)
        if found is None:
            _check_rest(file, at, size)
            break
        if found.kind != first.kind or _holds_count(head, found):
            raise AudioError(f"several streams joined: another one begins at byte {at}; split them")
        if at + found.length > size:
            raise AudioError("truncated: the last frame lacks some of its bytes")
        count, at = count + 1, at + found.length
    return count, at


def _check_rest(file, at, size):
    """Refuses what comes after the frames, unless it is a tag or holds no frames."""
    file.seek(at)
    head = file.read(4)
    if head[:1] == b"\xff" and len(head) < 4:
        raise AudioError("truncated: the last frame lacks some of its bytes")
    place = at + TAGS.get(head[:3], 0)
    while place < size:
        file.seek(place)
        block = file.read(BLOCK + 4 * LONGEST)
        if any(
            _begins_frames(block, match.start()) for match in SYNC.finditer(block, 0, BLOCK + 3)
        ):
            raise AudioError(
                f"damaged, or several files joined: byte {at} is no frame, but frames follow"
            )
        place += BLOCK


def _begins_frames(data, place):
    """Returns whether 4 frames of one kind begin at a place: one or two may be there by chance."""
    kinds = set()
    for _ in range(4):
        found = frame(data[place : place + 4])
        if found is None:
            return False
        kinds.add(found.kind)
        place += found.length
    return len(kinds) == 1


def _holds_count(head, found):
    at = found.count_at + 2 * (head[1] & 1 == 0)  # behind a checksum
    return head[at : at + 4] in (b"Xing", b"Info") and not any(head[6:at])


def _count(tag, first):
    """Returns whether the first frame is one of counts, the number of frames, and that of bytes.

    A number that it lacks is 0.
    """
    if first.kind[1] != 3 or not _holds_count(tag, first):
        return False, 0, 0
    at = first.count_at + 2 * (tag[1] & 1 == 0) + 4
    flags, frames, length = (
        int.from_bytes(tag[at + 4 * k : at + 4 * k + 4], "big") for k in range(3)
    )
    return True, frames if flags & 1 else 0, length if flags & 3 == 3 else 0
