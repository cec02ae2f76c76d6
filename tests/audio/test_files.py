"""Sound files are read whole or refused, or in blocks, written whole or not at all, and resampled
in time."""

import os
import pickle
import struct

import numpy as np
import pytest

from seqlayers import audio
from seqlayers.audio import read_blocks
from tests.audio.conftest import encoded

RATE = 16000


def header(tag=1, channels=1, rate=RATE, bits=16, align=None):
    align = channels * bits // 8 if align is None else align
    layout = struct.pack("<HHIIHH", tag, channels, rate, 0, align, bits)
    if tag == 0xFFFE:  # a subformat follows: integers
        layout += struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", 1)
        layout += bytes.fromhex("000000001000800000aa00389b71")
    return chunk(b"fmt ", layout)


def chunk(name, body, size=None):
    size = len(body) if size is None else size
    return name + struct.pack("<I", size) + body + b"\0" * (len(body) % 2)


def riff(*chunks, size=None):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


INTEGERS = np.arange(-500, 500, dtype="<i2")
DATA = INTEGERS.tobytes()
WAV = riff(header(), chunk(b"data", DATA))


def sound(kind, num_samples=30_000, subtype=None):
    """Returns a chirp of changing loudness, and the bytes of its file."""
    n = np.arange(num_samples)
    samples = 0.5 * np.sin(n**2 / 2e5) * (0.6 + 0.4 * np.sin(n / 900))
    return samples, encoded(kind, subtype, samples)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sound"


def read(path, data, **options):
    path.write_bytes(data)
    return audio.read(path, **options)


@pytest.mark.parametrize(
    "layout, stored, expected",
    [
        ({"bits": 8}, np.array([0, 128, 255], "u1"), [-1, 0, 127 / 128]),
        ({"bits": 16}, np.array([-(2**15), 0, 1], "<i2"), [-1, 0, 2**-15]),
        ({"bits": 24}, np.array([0, 0, 128, 0, 0, 0, 1, 0, 0], "u1"), [-1, 0, 2**-23]),
        ({"bits": 32}, np.array([-(2**31), 0, 2**30], "<i4"), [-1, 0, 0.5]),
        ({"bits": 16, "tag": 0xFFFE}, np.array([-(2**15), 0, 1], "<i2"), [-1, 0, 2**-15]),
        ({"bits": 32, "tag": 3}, np.array([-1.5, 0, 0.25], "<f4"), [-1.5, 0, 0.25]),
        ({"bits": 64, "tag": 3}, np.array([-1.5, 0, 0.25], "<f8"), [-1.5, 0, 0.25]),
    ],
)
def test_every_kind_of_sample_is_read(path, layout, stored, expected):
    sound = read(path, riff(header(**layout), chunk(b"data", stored.tobytes())))
    assert sound.samples.dtype == "float32" and sound.sample_rate == RATE
    np.testing.assert_array_equal(sound.samples, expected)


@pytest.mark.parametrize("kind, noise", [("FLAC", 1e-4), ("OGG", 0.1), ("MP3", 0.1)])
def test_compressed_files_are_read(path, kind, noise):
    samples, data = sound(kind)
    actual = read(path, data).samples
    assert actual.shape == samples.shape
    assert np.abs(actual - samples).max() < noise
    assert np.corrcoef(actual, samples)[0, 1] > 0.99


def test_real_recordings_are_read_sample_for_sample(shared_data):
    for speech, wav in (
        ("timit_sample", "timit_dr1-fvmh0_sa1"),
        ("arctic_slt_103", "arctic_slt_a0001"),
    ):
        with np.load(shared_data / "speech" / f"{speech}.npz") as data:
            expected = data["audio"][: data["lengths"][0]]
        samples, rate = audio.read(shared_data / "wav" / f"{wav}.wav")
        assert rate == 16000
        np.testing.assert_array_equal(samples * 2**15, expected)


def test_channels_are_averaged_or_picked_or_kept(path):
    stereo = np.array([[0.5, 0.0], [-0.5, 0.25], [1.0, -1.0]], "<f4")
    data = riff(header(tag=3, channels=2, bits=32), chunk(b"data", stereo.tobytes()))
    np.testing.assert_array_equal(read(path, data).samples, [0.25, -0.125, 0])
    np.testing.assert_array_equal(read(path, data, channel=1).samples, [0, 0.25, -1])
    np.testing.assert_array_equal(read(path, data, channel=None).samples, stereo)
    with pytest.raises(audio.AudioError, match="sound: there is no channel 2; the file has 2"):
        read(path, data, channel=2)


def test_long_files_are_read_in_blocks_that_fit_together(path):
    samples, data = sound("FLAC", 2**18 + 17, "PCM_24")
    for strict in (True, False):
        actual = read(path, data, strict=strict).samples
        np.testing.assert_allclose(actual, samples, atol=2**-22)


def test_no_samples_are_no_error(path):
    empty = riff(header(channels=2), chunk(b"data", b""))
    assert read(path, empty).samples.shape == (0,)
    assert read(path, empty, channel=None).samples.shape == (0, 2)
    assert read(path, empty, sample_rate=8000).samples.shape == (0,)
    followed = riff(header(), chunk(b"data", b""), chunk(b"LIST", b"abcd"))
    assert read(path, followed).samples.shape == (0,)


@pytest.mark.parametrize(
    "data",
    [
        riff(header(), chunk(b"LIST", b"abc"), chunk(b"data", DATA)),
        riff(header(), chunk(b"data", DATA, size=0xFFFFFFFF), size=0xFFFFFFFF),
        riff(header(), chunk(b"data", DATA), chunk(b"LIST", b"abc")),
    ],
    ids=["odd chunk before", "sizes unknown as it was streamed", "chunk behind"],
)
def test_what_other_writers_do_is_read(path, data):
    np.testing.assert_array_equal(read(path, data).samples * 2**15, INTEGERS)


BROKEN = {
    "nothing": (b"", "empty file"),
    "four bytes": (b"RIFF", "not a sound file"),
    "text": (b"la la la " * 30, "not a sound file"),
    "header only": (riff(header()), "No 'data' chunk"),
    "rate 0": (riff(header(rate=0), chunk(b"data", DATA)), "0 samples per second"),
    "absurd rate": (riff(header(rate=2**32 - 1), chunk(b"data", DATA)), "not a sound file"),
    "no channels": (riff(header(channels=0), chunk(b"data", DATA)), "Channel count is zero"),
    "far junk": (riff(header(), chunk(b"LIST", b"ab", size=2**31), DATA), "No 'data' chunk"),
    "NaN": (
        riff(header(tag=3, bits=32), chunk(b"data", np.array([0, np.nan], "<f4").tobytes())),
        "sample 1 is not finite",
    ),
    "infinity in two channels": (
        riff(
            header(tag=3, bits=32, channels=2),
            chunk(b"data", np.array([0, 0, np.inf, -np.inf], "<f4").tobytes()),
        ),
        "sample 1 is not finite",
    ),
    "no FLAC": (sound("FLAC")[1][:60], "not a sound file"),
}


@pytest.mark.parametrize("data, reason", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("strict", [True, False])
def test_broken_files_are_refused_by_name(path, data, reason, strict):
    with pytest.raises(audio.AudioError, match=f"{path}: .*{reason}"):
        read(path, data, strict=strict)


TRUNCATED = {
    "bytes lost": (WAV[:-500], "truncated: 1500 of 2000 bytes", 750),
    "half a sample": (WAV[:-501], "truncated: 1499 of 2000 bytes", 749),
    "odd size": (riff(header(), chunk(b"data", DATA + b"x")), "the last sample lacks", 1000),
    "4 GB promised": (
        riff(header(), chunk(b"data", DATA, size=0xFFFFFFF0)),
        "truncated: 2000 of 4294967280",
        1000,
    ),
    "bad block": (riff(header(align=3), chunk(b"data", DATA)), "cannot take 3 bytes", 1000),
}


@pytest.mark.parametrize("data, reason, left", TRUNCATED.values(), ids=TRUNCATED)
def test_truncated_files_are_refused_unless_one_asks(path, data, reason, left):
    with pytest.raises(audio.AudioError, match=f"{path}: .*{reason}"):
        read(path, data)
    samples = read(path, data, strict=False).samples
    np.testing.assert_array_equal(samples * 2**15, INTEGERS[:left])


@pytest.mark.parametrize("kind", ["FLAC", "MP3"])
def test_truncated_compressed_files_are_refused_unless_one_asks(path, kind):
    _, data = sound(kind)
    whole = read(path, data).samples
    with pytest.raises(audio.AudioError, match=str(path)):
        read(path, data[: len(data) // 2])
    part = read(path, data[: len(data) // 2], strict=False).samples
    assert 8000 < len(part) < len(whole)
    np.testing.assert_allclose(part[:8000], whole[:8000], atol=1e-5)


def test_a_header_that_promises_too_much_takes_no_memory(path):
    _, data = sound("FLAC")
    promising = bytearray(data)
    promising[21] |= 0x0F  # the number of samples has 36 bits
    with pytest.raises(audio.AudioError, match=str(path)):
        read(path, bytes(promising))


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("sample_rate", [None, 7000, 44100])
def test_blocks_put_together_are_the_whole_file(path, kind, sample_rate):
    path.write_bytes(sound(kind, 20_000)[1])
    expected = audio.read(path, sample_rate).samples
    for block_samples in (777, 10_000, 20_000, 2**16):
        blocks = list(read_blocks(path, block_samples, sample_rate))
        assert all(block.dtype == "float32" and len(block) for block in blocks)
        assert sample_rate or len(blocks) == -(-20_000 // block_samples)
        np.testing.assert_array_equal(np.concatenate(blocks), expected)


@pytest.mark.parametrize("channel", ["mean", 1, None])
@pytest.mark.parametrize("sample_rate", [None, 8000])
def test_channels_of_blocks_are_those_of_the_whole(path, rng, channel, sample_rate):
    audio.write(path, rng.uniform(-1, 1, (1000, 3)), RATE, bits=24)
    expected = audio.read(path, sample_rate, channel).samples
    blocks = list(read_blocks(path, 300, sample_rate, channel))
    np.testing.assert_array_equal(np.concatenate(blocks), expected)


def test_blocks_stay_small_whatever_the_rate_and_the_channels(path):
    path.write_bytes(riff(header(rate=160), chunk(b"data", 40 * DATA)))
    lengths = [len(block) for block in read_blocks(path, sample_rate=RATE)]
    assert sum(lengths) == 40_000 * RATE / 160
    assert max(lengths) < 3 * 2**16
    audio.write(path, np.zeros((1000, 500)), RATE)
    lengths = [len(block) for block in read_blocks(path)]
    assert sum(lengths) == 1000 and max(lengths) == 2**18 // 500


def test_no_samples_are_no_blocks(path):
    path.write_bytes(riff(header(channels=2), chunk(b"data", b"")))
    for options in ({}, {"channel": None}, {"sample_rate": 8000}):
        assert list(read_blocks(path, **options)) == []


@pytest.mark.parametrize(
    "data, reason",
    [*BROKEN.values(), *((data, reason) for data, reason, _ in TRUNCATED.values())],
    ids=[*BROKEN, *TRUNCATED],
)
def test_broken_and_truncated_files_are_refused_in_blocks_too(path, data, reason):
    path.write_bytes(data)
    blocks = read_blocks(path, 1500)
    with pytest.raises(audio.AudioError, match=f"{path}: .*{reason}"):
        next(blocks)


def test_blocks_before_the_damage_are_out_when_it_is_met(path):
    samples, data = sound("FLAC")
    path.write_bytes(data[: len(data) // 2])
    blocks = read_blocks(path, 4096)
    np.testing.assert_allclose(next(blocks), samples[:4096], atol=2**-15)
    with pytest.raises(audio.AudioError, match=str(path)):
        list(blocks)
    samples[12_345] = np.nan
    stored = samples.astype("<f4").tobytes()
    path.write_bytes(riff(header(tag=3, bits=32), chunk(b"data", stored)))
    for sample_rate in (None, 8000):
        blocks = read_blocks(path, 4096, sample_rate)
        assert len(next(blocks)) > 1000
        with pytest.raises(audio.AudioError, match=f"{path}: sample 12345 is not finite"):
            list(blocks)


@pytest.mark.parametrize(
    "options", [{"block_samples": 0}, {"sample_rate": 0.5}, {"channel": "left"}]
)
def test_options_of_blocks_are_checked_at_once(path, options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        read_blocks(path, **options)


def test_an_error_holds_the_file_and_the_reason(path):
    with pytest.raises(audio.AudioError) as raised:
        read(path, b"")
    assert (raised.value.path, raised.value.reason) == (str(path), "empty file")
    assert str(raised.value) == f"{path}: empty file"
    again = pickle.loads(pickle.dumps(raised.value))  # as from another process
    assert (str(again), again.path, again.reason) == (
        f"{path}: empty file",
        str(path),
        "empty file",
    )


def test_sound_files_of_a_folder_are_found_by_suffix(tmp_path):
    (tmp_path / "more" / "wav.wav").mkdir(parents=True)
    (tmp_path / ".cache").mkdir()
    for name in ("b.WAV", "a.mp3", "notes.txt", "more/c.flac", ".hidden.wav", ".cache/d.ogg"):
        (tmp_path / name).write_bytes(b"")
    found = audio.find(tmp_path)
    assert [file.relative_to(tmp_path).as_posix() for file in found] == [
        "a.mp3",
        "b.WAV",
        "more/c.flac",
    ]
    assert audio.find(str(tmp_path / "notes.txt")) == [tmp_path / "notes.txt"]
    with pytest.raises(audio.AudioError, match="wav.wav: the folder must hold.*Received: none"):
        audio.find(tmp_path / "more" / "wav.wav")
    with pytest.raises(FileNotFoundError) as raised:
        audio.find(tmp_path / "nowhere")
    assert raised.value.filename == str(tmp_path / "nowhere")


@pytest.mark.parametrize("reader", [audio.read, audio.sample_rate_of, audio.segments_of_file])
def test_what_never_ends_is_refused_and_not_waited_for(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(audio.AudioError, match="pipe.wav: the path must name a regular file"):
        reader(tmp_path / "pipe.wav")
    with pytest.raises(audio.AudioError, match="/dev/zero: .*Received: a device"):
        reader("/dev/zero")


def test_the_duration_of_a_file_is_that_of_its_samples(path):
    path.write_bytes(riff(header(channels=2), chunk(b"data", DATA)))
    samples, rate = audio.read(path)
    assert audio.duration_of(path) == audio.duration_of(path, channel=1) == len(samples) / rate > 0
    with pytest.raises(audio.AudioError, match="channel"):
        audio.duration_of(path, channel=2)
    path.write_bytes(riff(header(channels=2), chunk(b"data", b"")))
    assert audio.duration_of(path) == 0


def test_the_rate_of_a_file_is_read_without_its_samples(path):
    path.write_bytes(riff(header(channels=2), chunk(b"data", DATA)))
    assert audio.sample_rate_of(path) == RATE
    path.write_bytes(riff(header(rate=0), chunk(b"data", DATA)))
    with pytest.raises(audio.AudioError, match="0 samples per second"):
        audio.sample_rate_of(path)


def test_what_is_no_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        audio.read(tmp_path / "missing.wav")
    with pytest.raises(IsADirectoryError):
        audio.read(tmp_path)


@pytest.mark.parametrize("options", [{"sample_rate": 0}, {"channel": -1}, {"channel": "left"}])
def test_options_of_reading_are_checked(path, options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        read(path, WAV, **options)


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("shape", [(1000,), (500, 2), (0,)])
def test_what_is_written_is_read_again(path, rng, bits, shape):
    samples = rng.uniform(-1, 1, shape).astype("float32")
    audio.write(path, samples, RATE, bits=bits)
    actual, rate = audio.read(path, channel=None)
    assert rate == RATE
    half_a_step = 0 if bits == 32 else 0.5 / 2 ** (bits - 1)
    np.testing.assert_allclose(actual.reshape(shape), samples, rtol=0, atol=half_a_step)
    assert path.read_bytes().startswith(b"RIFF")


def test_a_suffix_of_another_format_is_refused(tmp_path):
    for name in ("o.txt", "o.flac", "o.wav.mp3"):
        with pytest.raises(ValueError, match=f"`path` must end as .wav.*{name}"):
            audio.write(tmp_path / name, np.zeros(10), RATE)
    assert not list(tmp_path.iterdir())
    for name in ("o.WAV", "o"):
        audio.write(tmp_path / name, np.zeros(10), RATE)
        assert len(audio.read(str(tmp_path / name)).samples) == 10


def test_writing_twice_changes_nothing(path):
    samples = INTEGERS / np.float32(2**15)
    audio.write(path, samples, RATE)
    np.testing.assert_array_equal(audio.read(path).samples, samples)


def test_full_scale_can_be_written(path):
    audio.write(path, np.array([-1.0, 1.0]), RATE)
    np.testing.assert_array_equal(audio.read(path).samples * 2**15, [-(2**15), 2**15 - 1])


@pytest.mark.parametrize(
    "samples, options, reason",
    [
        (np.array([0.0, 1.5]), {}, "between -1 and 1.*peak of 1.5"),
        (np.array([0.0, np.nan]), {}, "must be finite.*nan at sample 1"),
        (INTEGERS, {}, "must be floats; divide integers.*int16"),
        ([[0.5], [0.5, 0.5]], {}, "`samples` must be an array of floats"),
        (np.zeros((2, 2, 2)), {}, r"`\(N,\)` or .*\(2, 2, 2\)"),
        (np.zeros(2), {"bits": 12}, "`bits`.*12"),
        (np.zeros(2), {"sample_rate": 0}, "`sample_rate`.*0"),
        (np.zeros(2), {"sample_rate": 2**40}, "cannot hold.*sample_rate=1099511627776"),
        (np.zeros((2, 2000)), {}, "cannot hold.*2000"),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file(tmp_path, samples, options, reason):
    path = tmp_path / "sound.wav"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=reason):
        audio.write(path, samples, **{"sample_rate": RATE, **options})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_resampling_keeps_a_tone_and_its_phase():
    def tone(rate):
        return np.sin(2 * np.pi * 440 * np.arange(rate) / rate + 0.3)  # a second

    for rate, new_rate in ((44100, 16000), (16000, 44100), (32000, 16000)):
        actual = audio.resample(tone(rate), rate, new_rate)
        assert actual.dtype == "float32" and actual.shape == (new_rate,)
        inner = slice(new_rate // 20, -new_rate // 20)  # edges ring
        np.testing.assert_allclose(actual[inner], tone(new_rate)[inner], atol=1e-4)


def test_resampling_leaves_out_what_the_lower_rate_cannot_hold():
    too_high = np.sin(2 * np.pi * 6000 * np.arange(16000) / 16000)
    assert np.abs(audio.resample(too_high, 16000, 8000)[400:-400]).max() < 1e-4


def test_channels_are_resampled_by_themselves(rng):
    stereo = rng.uniform(-1, 1, (1000, 2)).astype("float32")
    both = audio.resample(stereo, 32000, 16000)
    for k in range(2):
        np.testing.assert_allclose(both[:, k], audio.resample(stereo[:, k], 32000, 16000))


def test_resampling_to_the_same_rate_gives_a_copy():
    samples = np.zeros(10, "float32")
    same = audio.resample(samples, RATE, RATE)
    same[0] = 1
    assert samples[0] == 0


def test_reading_resamples_if_asked(path):
    sound = read(path, WAV, sample_rate=8000)
    assert sound.sample_rate == 8000
    samples = audio.resample(INTEGERS / np.float32(2**15), RATE, 8000)
    np.testing.assert_array_equal(sound.samples, samples)


def test_samples_too_large_to_be_resampled_are_refused(path):
    loud = 3.4e38 * np.sign(np.sin(np.arange(1000.0) / 7))
    with pytest.raises(ValueError, match="`samples` must be finite.*give finite results"):
        audio.resample(loud, RATE, 44100)
    audio.write(path, loud, RATE, bits=32)
    for reader in (audio.read, lambda *args: list(read_blocks(path, 300, args[1]))):
        with pytest.raises(audio.AudioError, match=f"{path}: the samples are too large"):
            reader(path, 44100)


@pytest.mark.parametrize("rates", [(0, 8000), (8000, 1.5), (2**70, 3)])
def test_rates_are_checked(rates):
    with pytest.raises(ValueError, match="_rate`.*Received"):
        audio.resample(np.zeros(8), *rates)
