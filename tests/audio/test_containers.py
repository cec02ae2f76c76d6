"""Sound files are read whole or refused: what is whole is accepted, what is not is named."""

import io
import struct

import numpy as np
import pytest

from seqlayers import audio
from seqlayers.audio.containers import Mended
from tests.audio.conftest import encoded

N = 20_000
CHIRP = np.arange(N) ** 2 / 2e5
SAMPLES = 0.5 * np.sin(CHIRP) * (0.6 + 0.4 * np.sin(np.arange(N) / 900))


def patched(data, at, layout, *values):
    data = bytearray(data)
    struct.pack_into(layout, data, at, *values)
    return bytes(data)


KINDS = [
    *[("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "DOUBLE", "ULAW")],
    *[("WAV", subtype) for subtype in ("IMA_ADPCM", "MS_ADPCM", "GSM610")],
    ("RIFX", "PCM_16"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_24"),
    ("WAVEX", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AIFF", "FLOAT"),
    ("AU", "PCM_16"),
    ("CAF", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("SVX", "PCM_16"),
    ("NIST", "PCM_16"),
    ("NIST", "ULAW"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


def made(kind, subtype, samples=SAMPLES):
    endian = "BIG" if kind == "RIFX" else None
    return encoded("WAV" if kind == "RIFX" else kind, subtype, samples, endian=endian)


@pytest.mark.parametrize("kind, subtype", KINDS)
def test_files_are_read_whole_and_cut_ones_are_refused_wherever_they_are_cut(read, kind, subtype):
    data = made(kind, subtype)
    whole = read(data)
    assert len(whole) >= N
    # Behind the samples there may be padding, which nobody misses.
    rng = np.random.default_rng(0)
    for cut in (
        *range(40, 102),
        len(data) // 2,
        len(data) // 2 + 1,
        *rng.integers(1, len(data) - 64, 12),
    ):
        with pytest.raises(audio.AudioError):
            read(data[:cut])
    for cut in range(len(data) - 6, len(data)):
        try:
            np.testing.assert_array_equal(read(data[:cut])[:N], whole[:N])
        except audio.AudioError:
            pass


@pytest.mark.parametrize("kind, subtype", KINDS)
def test_of_a_cut_file_what_is_there_is_read_if_one_asks(read, kind, subtype):
    data = made(kind, subtype, np.tile(SAMPLES, 30 if kind == "OGG" else 5))
    if kind == "CAF":  # libsndfile refuses it
        return
    whole, part = read(data), read(data[: len(data) // 2], strict=False)
    assert 0.3 * len(whole) < len(part) < 0.6 * len(whole)
    assert (part == whole[: len(part)]).mean() > 0.95  # but for the last frames


@pytest.mark.parametrize("kind, subtype", [k for k in KINDS if k[0] != "MP3"])
def test_joined_files_are_refused(read, kind, subtype):
    data = made(kind, subtype)
    other = made(kind, subtype, SAMPLES[:15_000])
    for second in (data, other):
        with pytest.raises(audio.AudioError, match="joined"):
            read(data + second)
        # At the place where FLAC ends, its decoder meets other bytes.
        assert len(read(data + second, strict=False)) >= (N - 4096 if kind == "FLAC" else N)


@pytest.mark.parametrize("kind, subtype", [("VOC", "PCM_16"), ("MAT4", "PCM_16")])
def test_cut_files_of_other_formats_are_refused_where_libsndfile_notes_it(read, kind, subtype):
    data = encoded(kind, subtype, SAMPLES)
    assert len(read(data)) >= N
    with pytest.raises(audio.AudioError, match="truncated"):
        read(data[: len(data) // 2])
    assert len(read(data[: len(data) // 2], strict=False)) > N / 3


WAV = encoded("WAV", "PCM_16", SAMPLES)
WHOLE = np.frombuffer(WAV[44:], "<i2") / np.float32(2**15)
PIPED = [0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0x7FFFFFDB, 0x7FFFEFFF, 0]


@pytest.mark.parametrize("length", PIPED, ids=hex)
@pytest.mark.parametrize("riff", [None, 0, 36, 0xFFFFFFFF, 0x7FFFF024])
def test_wav_whose_writer_could_not_go_back_is_read_to_its_end(read, length, riff):
    data = patched(WAV, 40, "<I", length)
    riff = min(2**32 - 1, length + 36) if riff is None else riff
    for strict in (True, False):
        samples = read(patched(data, 4, "<I", riff), strict=strict)
        np.testing.assert_array_equal(samples[:, 0], WHOLE)


def test_other_lengths_that_were_never_known_are_read_to_the_end(read):
    au = encoded("AU", "PCM_16", SAMPLES)
    whole = read(au)
    for length in (0xFFFFFFFF, 0, 0x7FFFFFFF):
        np.testing.assert_array_equal(read(patched(au, 8, ">I", length)), whole)
    little = encoded("AU", "PCM_16", SAMPLES, endian="LITTLE")
    np.testing.assert_array_equal(read(patched(little, 8, "<I", 0xFFFFFFFF)), whole)
    rifx = made("RIFX", "PCM_16")
    for length in (0xFFFFFFFF, 0x7FFFF000, 0):
        np.testing.assert_array_equal(read(patched(rifx, 40, ">I", length)), whole)
    aiff = encoded("AIFF", "PCM_16", SAMPLES)
    at = aiff.index(b"SSND") + 4
    for length in (0xFFFFFFFF, 0x7F000008):
        np.testing.assert_array_equal(read(patched(aiff, at, ">I", length)), whole)
    caf = encoded("CAF", "PCM_16", SAMPLES)
    np.testing.assert_array_equal(
        read(patched(caf, caf.index(b"data") + 4, ">Q", 2**64 - 1)), whole
    )
    w64 = encoded("W64", "PCM_16", SAMPLES)
    at = w64.index(b"data") + 16
    for length in (2**63 - 1, 2**64 - 1):
        np.testing.assert_array_equal(read(patched(w64, at, "<Q", length)), whole)
    rf64 = encoded("RF64", "PCM_16", SAMPLES)
    at = rf64.index(b"ds64") + 16
    for length in (2**64 - 1, 0):
        np.testing.assert_array_equal(read(patched(rf64, at, "<Q", length)), whole)


def test_a_sound_of_no_samples_with_chunks_behind_it_stays_empty(read):
    empty = encoded("WAV", "PCM_16", np.zeros(0))
    for more in (b"", b"LIST" + struct.pack("<I", 5) + b"hello\0"):
        data = patched(empty + more, 4, "<I", len(empty + more) - 8)
        assert read(data).shape == (0, 1)
    silent = np.zeros(1600, "<i2").tobytes()  # which could be taken for chunks of no bytes
    assert read(empty + silent).shape == (1600, 1)


def test_chunks_behind_the_samples_are_no_samples(read):
    data = WAV + b"LIST" + struct.pack("<I", 4) + b"abcd"
    np.testing.assert_array_equal(read(patched(data, 4, "<I", len(data) - 8))[:, 0], WHOLE)


def unknown_length(flac):
    at = flac.index(b"fLaC") + 21
    return flac[:at] + bytes([flac[at] & 0xF0]) + bytes(4) + flac[at + 5 :]


def test_flac_of_unknown_length_is_read_whole_or_refused(read):
    known = encoded("FLAC", "PCM_16", SAMPLES)
    whole, data = read(known), unknown_length(known)
    np.testing.assert_array_equal(read(data), whole)
    for cut in (1, 2, 3, 100, 3000, len(data) // 2):
        with pytest.raises(audio.AudioError, match="truncated: the last frame"):
            read(data[:-cut])
    part = read(data[: len(data) // 2], strict=False)
    np.testing.assert_array_equal(part, whole[: len(part)])
    assert len(part) > 5000


def test_a_file_with_another_header_reads_as_one(tmp_path):
    (tmp_path / "data").write_bytes(bytes(range(100)))
    with open(tmp_path / "data", "rb") as file:
        expected = b"head" + bytes(range(10, 90))
        mended = Mended(b"head", file, 10, 90).buffered()
        assert mended.read() == expected
        for at in (0, 2, 4, 50, 84, 200):
            mended.seek(at)
            assert mended.read(7) == expected[at : at + 7]
        assert mended.seek(0, io.SEEK_END) == 84
        assert mended.seek(-200, io.SEEK_END) == 0
        longer = Mended(b"", file, 0, 100, 1000).buffered()
        assert longer.read() == bytes(range(100))
        assert longer.seek(-128, io.SEEK_END) == 872 and longer.read(128) == bytes(128)
