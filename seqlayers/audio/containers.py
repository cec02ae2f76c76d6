"""The length that a sound file declares, read from its container.

libsndfile reads as much as there is of a file that declares more, takes a length that a pipe's
writer did not know for the length, and reads the first only of files that were joined. Here the
declared length is found, so that a file is read whole or refused.

WAV, W64, AIFF, CAF and their kin are chunks, of which one holds the samples; `CHUNKS` has how each
of them stores names and lengths. AU and NIST are a header and samples. FLAC, OGG and MP3 are frames
or pages, which end with the last one: see `streams` and `mpeg`. In other formats, libsndfile's word
is taken.
"""

import io
import re
import struct
from typing import Any, NamedTuple

from seqlayers.audio import mpeg, streams
from seqlayers.audio.damage import AudioError


class Chunks(NamedTuple):
    """How a container stores its chunks.

    Attributes:
        first: Place of the first chunk.
        name: Bytes of a chunk's name, of which the first 4 are told apart.
        length: Format of its length, for `struct`.
        counted: Bytes before a chunk's content that its length counts.
        align: Chunks begin at multiples of this.
        data: Dictionary from the names of chunks with samples to the bytes before the first one.
    """

    first: int
    name: int
    length: str
    counted: int
    align: int
    data: dict


_RIFF = Chunks(12, 4, "<I", 0, 2, {b"data": 0})
CHUNKS = {
    b"RIFF": _RIFF,
    b"RIFX": _RIFF._replace(length=">I"),
    b"RF64": _RIFF,
    b"riff": Chunks(40, 16, "<Q", 24, 8, {b"data": 0}),  # W64
    b"FORM": Chunks(12, 4, ">I", 0, 2, {b"SSND": 8, b"BODY": 0}),  # AIFF, AIFF-C and 8SVX
    b"caff": Chunks(8, 4, ">Q", 0, 1, {b"data": 4}),
}
EMPTY = (b"RF64", b"riff")  # without samples, these count as empty for libsndfile
AU = {b".snd": ">", b"dns.": "<"}  # and the order of bytes
MOST_CHUNKS = 10_000  # zeros are chunks, too
FIRST_BYTES = {*CHUNKS, *AU, b"NIST"}


class Contents(NamedTuple):
    """The part of a file to decode.

    Attributes:
        file: A file with a mended header to read in its place; None if it is read as it is.
        num_bytes: Bytes of samples in the file; None if its container does not say.
        num_samples: Number of samples, in place of the number that libsndfile finds; None if that
            is right.
    """

    file: Any = None
    num_bytes: int | None = None
    num_samples: int | None = None


def contents(file, size, strict):
    """Finds what to decode of a file.

    Args:
        file: The file, opened for reading in binary.
        size: Its bytes.
        strict: Whether a file that is not whole is refused.

    Returns:
        `Contents`.

    Raises:
        AudioError: If the file is not whole and `strict`, without the name of the file.
    """
    start = mpeg.skip_id3(file)
    file.seek(start)
    head = file.read(12)
    if head[:4] in FIRST_BYTES and len(head) == 12 and not start:
        return _of_samples(file, size, head, strict)
    if head[:4] == b"OggS" and strict:
        streams.check_ogg(file, start, size)
    elif head[:4] == b"fLaC" and strict:
        streams.check_flac(file, start, size)
    elif mpeg.frame(head) is not None:
        found = mpeg.frames(file, start, size, strict)
        if not found.is_guess:
            return Contents(None, None, found.num_samples)
        # Of few bytes and many samples: libsndfile reads no more samples than it derives from the
        # length of the file and of its first frame.
        longer = Mended(b"", file, found.start, found.end, mpeg.LONGER * size)
        return Contents(longer.buffered(), None, found.num_samples)
    return Contents()


class _Data(NamedTuple):
    """The samples of a file: their place, their bytes as declared, and where that is stored."""

    start: int
    declared: int
    place: int
    format: str
    counted: int  # bytes besides samples in the stored length

    @property
    def is_placeholder(self):
        """Whether the length is one that writers leave who cannot go back, as into a pipe.

        These are 0, the largest length, and half of that or a little less: SoX writes 0x7FFFF000
        in WAV and 0x7F000000 in AIFF, arecord 0x80000000, both rounded down to whole samples.
        """
        stored, most = self.declared + self.counted, 256 ** struct.calcsize(self.format)
        halves = (most // 2, 0x7F000008)
        rounded = any(0 <= half - stored < 2**16 for half in halves)
        return self.declared <= 0 or rounded or most - stored <= 8


def _of_samples(file, size, head, strict):
    """Returns the `Contents` of a container of samples or of chunks."""
    layout = CHUNKS.get(head[:4])
    if layout is not None:
        data = _in_chunks(file, size, layout, strict)
        if data is None and strict and head[:4] in EMPTY:
            raise AudioError("damaged: No 'data' chunk")
    elif head[:4] in AU:
        data = _after_header(head)
    else:
        data = _after_text(file)
    if data is None:
        return Contents()
    rest, length = max(0, size - data.start), max(0, data.declared)
    mend = data.is_placeholder and not _ends_well(file, size, data.start + length, layout)
    if mend:
        length = rest
    if strict and length > rest:
        raise AudioError(f"truncated: {rest} of {length} bytes of samples")
    length = min(length, rest)
    another = _another(file, size, data.start + length, layout)
    if another is not None:
        if strict:
            raise AudioError(
                f"several files joined: another one begins at byte {another}; split them"
            )
        return Contents(Mended(b"", file, 0, another).buffered(), length)
    if not mend:
        return Contents(None, length)
    bits = 8 * struct.calcsize(data.format)
    file.seek(0)
    header = bytearray(file.read(data.start))
    struct.pack_into(data.format, header, data.place, min(2**bits - 1, length + data.counted))
    return Contents(Mended(bytes(header), file, data.start, size).buffered(), length)


def _after_header(head):
    """Returns the `_Data` of AU."""
    order = AU[head[:4]]
    start, length = struct.unpack(order + "II", head[4:12])
    return _Data(start, length, 8, order + "I", 0)


def _after_text(file):
    """Returns the `_Data` of NIST; None if its header does not say."""
    file.seek(0)
    fields = dict(re.findall(rb"\n(\w+) -(?:i|s1) (\d+)(?=\n)", file.read(1024)))
    keys = (b"sample_count", b"channel_count", b"sample_n_bytes")
    if not all(key in fields for key in keys):
        return None
    count, channels, width = (int(fields[key]) for key in keys)
    return _Data(1024, count * channels * width, 0, "<Q", 0)


def _in_chunks(file, size, layout, strict):
    """Returns the `_Data` of a file of chunks; None if none of them holds samples."""
    long = None  # of RF64: place of a length of 64 bits
    end = layout.first
    for name, begin, at, length in _chunks(file, size, layout, layout.first):
        if name == b"fmt ":
            _check_format(file, at, length, layout.length[0], strict)
        elif name == b"ds64":
            long = at + 8
        elif name in layout.data:
            before = layout.data[name]
            form, counted, place = layout.length, layout.counted + before, begin + layout.name
            if long is not None and length == 0xFFFFFFFF:
                file.seek(long)
                place, form = long, "<Q"
                (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
            return _Data(at + before, length - before, place, form, counted)
        end = at + length
        end += -end % layout.align
    if strict and size - end >= 4:  # a name
        raise AudioError("truncated: the header of a chunk lacks some of its bytes")
    return None


def _chunks(file, size, layout, at):
    """Yields `(name, place, place of the content, its length)` of the chunks from `at` on."""
    header = layout.name + struct.calcsize(layout.length)
    for _ in range(MOST_CHUNKS):
        if at + header > size:
            return
        file.seek(at)
        name = file.read(layout.name)
        (length,) = struct.unpack(layout.length, file.read(header - layout.name))
        length -= layout.counted
        yield name[:4], at, at + header, length
        at += header + max(0, length)
        at += -at % layout.align


def _ends_well(file, size, at, layout):
    """Returns whether a file ends at `at`, or has nothing but chunks from there on."""
    if at in (size, size - 1) or at > size or layout is None:
        return at in (size, size - 1)
    at += -at % layout.align
    for name, _, start, length in _chunks(file, size, layout, at):
        if not all(32 <= letter < 127 for letter in name):
            return False
        at = start + length
    return 0 <= at + -at % layout.align - size < layout.align


def _another(file, size, at, layout):
    """Returns where another file begins behind samples that end at `at`; None if none does."""
    if layout is None:
        places = [at]
    else:
        padded = at + -at % layout.align
        places = [at, at + 1, *(chunk[1] for chunk in _chunks(file, size, layout, padded))]
    for place in places:
        file.seek(place)
        if file.read(4) in FIRST_BYTES:
            return place
    return None


def _check_format(file, at, length, order, strict):
    """Checks the format of WAV."""
    file.seek(at)
    layout = file.read(16)
    if length < 16 or len(layout) < 16:
        return
    tag, channels, rate, _, align, bits = struct.unpack(order + "HHIIHH", layout)
    if rate == 0:
        raise AudioError("damaged header: 0 samples per second")
    plain = tag in (1, 3, 0xFFFE)  # integers, floats, and either with an extended header
    if strict and plain and align != channels * -(-bits // 8):
        raise AudioError(
            f"damaged header: {channels} channels of {bits} bits cannot take {align} bytes"
        )


class Mended(io.RawIOBase):
    """A file with another header, or another length.

    Args:
        head: The header.
        file: The file.
        start, end: The places between which its bytes follow the header.
        size: The length to feign, if it is more. Reading ends with the last byte all the same; from
            beyond, it gives zeros.
    """

    def __init__(self, head, file, start, end, size=0):
        self.head, self.file, self.start = head, file, start
        self.last = len(head) + end - start
        self.size, self.at = max(size, self.last), 0

    def buffered(self):
        """Returns the file with a buffer."""
        return io.BufferedReader(self, 2**16)

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        self.at = max(0, offset + (0, self.at, self.size)[whence])
        return self.at

    def readinto(self, buffer):
        if self.at < len(self.head):
            data = self.head[self.at : self.at + len(buffer)]
        elif self.at <= self.last:
            self.file.seek(self.start + self.at - len(self.head))
            data = self.file.read(min(len(buffer), self.last - self.at))
        else:
            data = bytes(max(0, min(len(buffer), self.size - self.at)))
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)
