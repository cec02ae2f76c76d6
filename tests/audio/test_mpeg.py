"""MP3 files without a declared length, with tags, cut, and joined."""

import numpy as np
import pytest

from seqlayers import audio
from seqlayers.audio import mpeg
from tests.audio.conftest import encoded

N = 100_000
T = np.arange(N)
CHIRP = 0.5 * np.sin(T * T / 5e6) * (0.6 + 0.4 * np.sin(T / 7000))
STEREO = np.stack([CHIRP, CHIRP[::-1]], axis=1)
ARTWORK = b"ID3\3\0\0" + bytes([0, 3, 0, 0]) + b"\xff\xd8\xff\xe0" * 12288
DELAY = 1105  # samples that the encoder puts before the sound, which a declared length removes


def mp3(samples=CHIRP, rate=44100, mode="CONSTANT", level=0.0):
    return encoded("MP3", None, samples, rate, bitrate_mode=mode, compression_level=level)


def without_length(data):
    assert b"Xing" in data[:48] or b"Info" in data[:48]
    return data[mpeg.frame(data[:4]).length :]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE", "AVERAGE"])
@pytest.mark.parametrize("rate", [44100, 32000, 22050, 8000])
@pytest.mark.parametrize("samples", [CHIRP, STEREO], ids=["mono", "stereo"])
def test_all_frames_are_read_where_their_number_is_not_declared(read, mode, rate, samples):
    data = mp3(samples, rate, mode)
    declared, bare = read(data), without_length(data)
    assert len(declared) == N
    whole = read(bare)
    assert len(whole) % mpeg.frame(bare).num_samples == 0
    np.testing.assert_array_equal(whole[DELAY : DELAY + N], declared)
    for tagged in (ARTWORK + bare, bare + b"TAG" + bytes(125), ARTWORK + bytes(500) + bare):
        np.testing.assert_array_equal(read(tagged), whole)
        np.testing.assert_array_equal(read(tagged, strict=False), whole)
    np.testing.assert_array_equal(read(ARTWORK + data), declared)
    np.testing.assert_array_equal(read(data + b"TAG" + bytes(125)), declared)


def test_a_tone_keeps_its_loudness_in_every_block(tmp_path):
    tone = 0.5 * np.sin(np.arange(300_000) / 9)
    path = tmp_path / "tone.mp3"
    path.write_bytes(mp3(tone, level=0.5))
    whole = audio.read(path).samples
    for samples in (
        whole,
        audio.read(path, strict=False).samples,
        *(np.concatenate(list(audio.read_blocks(path, size))) for size in (777, 4096, 2**16)),
    ):
        np.testing.assert_array_equal(samples, whole)
        rms = np.sqrt(np.square(samples[:299_000].reshape(-1, 1000)).mean(axis=1))
        np.testing.assert_allclose(rms, rms[100], rtol=0.02)
        np.testing.assert_allclose(rms, 0.5**1.5, rtol=0.1)


def test_cut_files_are_refused_or_read_as_far_as_they_go(read):
    for data in (mp3(), without_length(mp3(mode="VARIABLE"))):
        whole = read(data)
        for cut in (1, 3, 500, len(data) // 3, 2 * len(data) // 3):
            with pytest.raises(audio.AudioError, match="truncated"):
                read(data[:-cut])
        part = read(data[: len(data) // 2], strict=False)
        assert len(part) > 0.3 * N
        np.testing.assert_allclose(part[:-5000], whole[: len(part) - 5000], atol=1e-6)


def test_joined_files_are_read_whole_or_refused(read):
    data = mp3()
    bare = without_length(data)
    whole = read(bare)
    for joined in (
        data + data,
        bare + data,
        data + ARTWORK + data,
        ARTWORK + data + ARTWORK + bare,
    ):
        with pytest.raises(audio.AudioError, match="joined"):
            read(joined)
        assert len(read(joined, strict=False)) >= N
    with pytest.raises(audio.AudioError, match="joined"):
        read(bare + without_length(mp3(rate=32000)))
    both = read(bare + bare)
    assert len(both) == 2 * len(whole)
    np.testing.assert_array_equal(both[: len(whole)], whole)
    np.testing.assert_allclose(both[len(whole) + 3000 :], whole[3000:], atol=1e-4)
    more = read(data + bare)  # of which the declared number is too small
    assert len(more) == len(both)


def test_a_hole_in_the_middle_is_refused(read):
    for data in (mp3(), without_length(mp3())):
        holed = data[: len(data) // 2] + data[len(data) // 2 + 700 :]
        with pytest.raises(audio.AudioError):
            read(holed)


def test_headers_of_frames_are_told_from_other_bytes():
    assert mpeg.frame(bytes.fromhex("fffb9000")) == (417, 1152, (1, 3, 44100), 36)
    assert mpeg.frame(bytes.fromhex("fffb92c0")) == (418, 1152, (1, 3, 44100), 21)
    assert mpeg.frame(bytes.fromhex("fff38400")) == (192, 576, (2, 3, 24000), 21)
    assert mpeg.frame(bytes.fromhex("fffd9000"))[:3] == (522, 1152, (1, 2, 44100))
    assert mpeg.frame(bytes.fromhex("ffff9000"))[:3] == (312, 384, (1, 1, 44100))
    for wrong in ("fffbf000", "fffb0000", "fffb9c00", "ffeb9000", "fff99000", "fefb9000", "fffb"):
        assert mpeg.frame(bytes.fromhex(wrong)) is None
