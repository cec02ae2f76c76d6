"""Damage of OGG and FLAC that its decoder passes over."""

import numpy as np
import pytest

from seqlayers import audio
from tests.audio.conftest import encoded

N = np.arange(120_000)
SAMPLES = 0.5 * np.sin(N * N / 4e6) * (0.6 + 0.4 * np.sin(N / 9000))


def pages(data):
    return [b"OggS" + page for page in data.split(b"OggS")[1:]]


@pytest.fixture(params=["VORBIS", "OPUS"])
def ogg(request):
    return encoded("OGG", request.param, SAMPLES, rate=48000)


def test_a_flipped_bit_anywhere_is_refused(read, ogg, rng):
    assert len(read(ogg)) == len(N)
    for place in rng.integers(0, len(ogg), 20):
        data = bytearray(ogg)
        data[place] ^= 1 << rng.integers(8)
        with pytest.raises(audio.AudioError):
            read(bytes(data))


def test_lost_pages_are_refused(read, ogg):
    parts = pages(ogg)
    for lost in range(len(parts)):
        with pytest.raises(audio.AudioError):
            read(b"".join(parts[:lost] + parts[lost + 1 :]))


def test_a_tag_behind_the_last_page_does_no_harm(read, ogg):
    np.testing.assert_array_equal(read(ogg + b"TAG" + bytes(125)), read(ogg))


@pytest.mark.parametrize("bits", ["PCM_16", "PCM_24"])
def test_flac_with_a_flipped_bit_is_refused_or_the_same(read, bits, rng):
    flac = encoded("FLAC", bits, SAMPLES)
    whole = read(flac)
    for place in rng.integers(0, len(flac), 20):
        data = bytearray(flac)
        data[place] ^= 1 << rng.integers(8)
        try:
            np.testing.assert_array_equal(read(bytes(data)), whole)
        except audio.AudioError:
            pass
