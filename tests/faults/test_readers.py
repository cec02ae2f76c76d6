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


def mostly(right, wrong, of=12):
    """Draws from `right`, and once in `of` times from `wrong`."""
    return st.integers(1, of).flatmap(lambda n: wrong if n == of else right)


def joined(*parts):
    """Draws bytes of each part, one after the other."""
    return st.tuples(*parts).map(b"".join)


def midi_files():
    """MIDI files of the standard's parts, most of them in legal order."""
    data = st.binary(max_size=9).map(lambda data: bytes([len(data)]) + data)
    notes = [b"\x90\x3c\x40", b"\x90\x3c\x00", b"\x80\x3c\x00", b"\x99\x3c\x40", b"\x91\x05\x40"]
    others = [b"\xb0\x07\x07", b"\xe0\x00\x40", b"\xa0\x3c\x02", b"\xc1\x05", b"\xd1\x05"]
    event = st.one_of(
        st.sampled_from(notes),
        st.sampled_from(others),
        joined(st.sampled_from([b"\xf0", b"\xf7"]), data),
        joined(st.just(b"\xff"), st.binary(min_size=1, max_size=1), data),
    )
    delta = st.sampled_from([b"\x00", b"\x01", b"\x83\x60", b"\x87\x40"])
    delta = mostly(delta, st.just(b"\xff\xff\xff\x7f"), of=30)
    event = joined(delta, mostly(event, st.binary(max_size=4), of=30))
    body = st.lists(event, max_size=12).map(b"".join)
    end = mostly(st.sampled_from([b"\x00\xff\x2f\x00", b"\x83\x60\xff\x2f\x00"]), st.just(b""))
    tracks = st.lists(joined(body, end).map(track), min_size=1, max_size=3)
    kind = mostly(st.just(1), st.integers(0, 3), of=6)
    more = mostly(st.just(0), st.sampled_from([1, -1]))
    division = mostly(st.just(480), st.sampled_from([0, 1, 24, 0x7FFF, 0xE728]), of=6)

    def whole(parts):
        kind, more, division, tracks = parts
        head = struct.pack(">LHHH", 6, kind, len(tracks) + more, division)
        return b"MThd" + head + b"".join(tracks)

    return st.tuples(kind, more, division, tracks).map(whole)


def test_midi_files(tmp_path, tried):
    roll = (np.random.default_rng(0).random((12, 88)) < 0.05).astype("uint8")
    midi.write(tmp_path / "original.mid", roll)
    originals = [(tmp_path / "original.mid").read_bytes()]
    check = answers(midi.read, tmp_path / "changed.mid", tried)
    run(changed(originals) | midi_files(), check)
