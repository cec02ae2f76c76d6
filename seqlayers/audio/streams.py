"""Checks of FLAC and of OGG, which are read to their end or refused."""

import re
import zlib

from seqlayers.audio.damage import AudioError

BLOCK = 2**20  # bytes that are searched at a time
MOST_BEGINS = 64  # places that are tried; others than frames look like one
HEAD_OF_FLAC = b"fLaC\0\0\0\x22"
FRAME_OF_FLAC = re.compile(rb"\xff[\xf8\xf9][\x10-\xff][\0-\xaf]", re.DOTALL)


def check_ogg(file, start, size):
    """Refuses OGG that lacks pages, whose last page is missing, or that has streams joined.

    libsndfile reads the first of joined streams alone.

    Args:
        file: The file.
        start: Place of the first page.
        size: Bytes of the file.

    Raises:
        AudioError: If it is not whole.
    """
    at, last, pages, begun = start, 0, {}, False  # number of the last page of each stream
    while at < size:
        file.seek(at)
        head = file.read(27)
        if head[:4] != b"OggS":
            if last & 4 and _search(file, b"OggS", at) is None:
                break  # a tag behind the end
            raise AudioError(f"damaged: there is no page at byte {at}")
        lengths = file.read(head[26]) if len(head) == 27 else b""
        page = head + lengths + file.read(sum(lengths))
        if len(head) < 27 or len(page) < 27 + head[26] + sum(lengths):
            raise AudioError("truncated: the last page lacks some of its bytes")
        if _crc32(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
            raise AudioError(f"damaged: the page at byte {at} does not fit its checksum")
        at += len(page)
        last, stream, number = head[5], head[14:18], int.from_bytes(head[18:22], "little")
        if last & 2 and begun:  # the first page of a stream
            raise AudioError("several streams joined into one file; split them")
        begun = begun or not last & 2
        if stream in pages and number != pages[stream] + 1:
            raise AudioError(f"damaged: a page is missing before page {number}")
        pages[stream] = number
    if not last & 4:
        raise AudioError("truncated: the last page of the stream is missing")


def check_flac(file, start, size):
    """Refuses FLAC of unknown length whose last frame is incomplete, and FLAC joined into one file.

    libsndfile stops without an error at an incomplete frame, and after the first of joined files.

    Args:
        file: The file.
        start: Place of its first byte.
        size: Bytes of the file.

    Raises:
        AudioError: If it is not whole.
    """
    file.seek(start)
    head = file.read(26)
    another = _search(file, HEAD_OF_FLAC, start + 1)
    if another is not None:
        raise AudioError(f"several files joined: another one begins at byte {another}; split them")
    numbers = int.from_bytes(head[18:26].ljust(8), "big")
    if numbers % 2**36:  # the number of samples
        return
    channels, bits = (numbers >> 41) % 8 + 1, (numbers >> 36) % 32 + 1
    block = int.from_bytes(head[10:12], "big")
    longest = block * channels * (bits + 1) // 8 + 1024  # bytes of a frame that is not compressed
    file.seek(max(start, size - longest))
    tail = file.read()
    begins = [match.start() for match in FRAME_OF_FLAC.finditer(tail)]
    if not any(_crc16(tail[at:]) == 0 for at in begins[: -MOST_BEGINS - 1 : -1]):
        raise AudioError("truncated: the last frame lacks some of its bytes")


def _search(file, pattern, at):
    """Returns the first place of a pattern from `at` on, or None."""
    file.seek(at)
    held = b""
    while block := file.read(BLOCK):
        held += block
        found = held.find(pattern)
        if found >= 0:
            return at + found
        at += max(0, len(held) - len(pattern) + 1)
        held = held[-len(pattern) + 1 :]
    return None


def _crc32(data):
    """Returns the checksum of OGG: that of zlib with the bits of all bytes the other way round."""
    crc = zlib.crc32(data.translate(_REVERSED), 2**32 - 1) ^ (2**32 - 1)
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _crc16_table():
    table = []
    for value in range(256):
        value <<= 8
        for _ in range(8):
            value = value << 1 ^ (0x18005 if value & 0x8000 else 0)
        table.append(value & 0xFFFF)
    return table


_CRC16 = _crc16_table()


def _crc16(data):
    """Returns the checksum of FLAC, which is 0 of a frame that ends with its own."""
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ byte]
    return crc
