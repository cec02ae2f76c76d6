"""Files that are damaged, foreign or lie: each is read, or refused by the library's own error.

Every reader gets files of its format with bytes changed, cut and repeated, and files that
hypothesis makes of the format's own parts. Each answer takes at most 2 s and 200 MB.
"""

import struct

import hypothesis
import numpy as np
import pytest
from faults.helpers import limits, times
from hypothesis import strategies as st

from seqlayers.datasets import midi
from seqlayers.files import FileError

CASES = times(60, 10_000)  # for each reader

pytestmark = pytest.mark.faults
LENGTHS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


@st.composite
def changed(draw, originals):
    """Bytes of one of the originals with a few changes."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 5))
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == 2:
            length = draw(st.sampled_from(LENGTHS))
            form = draw(st.sampled_from(["<L", ">L"]))
            data[at : at + 4] = struct.pack(form, length)
        elif kind == 3:
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == 4:
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        else:
            data[at:at] = draw(st.binary(max_size=16))
    return bytes(data)


def answers(read, path, tried, *kinds):
    """Returns a function of bytes: they are read within the limits, or refused by name."""

    def check(data):
        path.write_bytes(data)
        tried()
        with limits():
            try:
                read(path)
            except FileError as error:
                message = str(error)
                assert str(path) in message and len(message) < 2000, message

    return check


def run(strategy, check):
    """Checks `CASES` draws of a strategy."""
    settings = hypothesis.settings(hypothesis.settings.get_profile("faults"), max_examples=CASES)
    settings(hypothesis.given(strategy)(lambda data: check(data)))()


def track(body):
    return b"MTrk" + struct.pack(">L", len(body)) + body


def deltas():
    return st.integers(0, 3).map(lambda n: b"\xff" * n) | st.just(b"\x00")


def midi_files():
    """MIDI files of legal and illegal parts, in legal and illegal order."""
    byte = st.integers(0, 255).map(lambda n: bytes([n]))
    event = st.one_of(
        st.tuples(st.sampled_from([b"\x90", b"\x80", b"\xb0", b""]), st.just(b"\x3c\x40")),
        st.tuples(st.sampled_from([b"\xc1", b"\xd1"]), st.just(b"\x05")),
        st.tuples(st.sampled_from([b"\xf0", b"\xf7"]), byte, st.binary(max_size=6)),
        st.tuples(st.just(b"\xff"), byte, byte, st.binary(max_size=6)),
        st.tuples(byte, byte, byte),
    ).map(b"".join)
    body = st.lists(st.tuples(deltas() | byte, event).map(b"".join), max_size=12).map(b"".join)
    tracks = st.lists(
        st.tuples(body, st.sampled_from([b"\x00\xff\x2f\x00", b""])).map(b"".join).map(track),
        max_size=3,
    )
    numbers = st.sampled_from([0, 1, 2, 3, 480, 0x7FFF, 0xE728, 0xFFFF])
    head = st.tuples(numbers, numbers, numbers).map(lambda n: b"MThd" + struct.pack(">LHHH", 6, *n))
    return st.tuples(head, tracks.map(b"".join)).map(b"".join)


def test_midi_files(tmp_path, tried):
    roll = (np.random.default_rng(0).random((12, 88)) < 0.05).astype("uint8")
    midi.write(tmp_path / "original.mid", roll)
    originals = [(tmp_path / "original.mid").read_bytes()]
    check = answers(midi.read, tmp_path / "changed.mid", tried)
    run(changed(originals) | midi_files(), check)
