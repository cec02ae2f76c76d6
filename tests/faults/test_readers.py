"""Files that are damaged, foreign or lie: each is read, or refused by the library's own error.

Every reader gets files of its format with bytes changed, cut and repeated, and files that
hypothesis makes of the format's own parts. Each answer takes at most 2 s and 200 MB.
"""

import io
import json
import re
import struct
import tomllib
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import hypothesis
import numpy as np
import pytest
import soundfile
from faults.helpers import bounded, times
from hypothesis import strategies as st
from label_files import AUDACITY, GENERIC, LONG_TEXTGRID, RAVEN, SHORT_TEXTGRID, notmat
from scipy.io import savemat

from seqlayers import audio
from seqlayers.datasets import labels, midi, shard_files, shards, speech
from seqlayers.datasets.recordings import FRAME_LENGTH, HOP_LENGTH
from seqlayers.files import FileError
from seqlayers.runs import checkpoints, config, recipes
from seqlayers.runs.options import complete
from seqlayers.runs.sound import SoundFrames

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


def answers(read, path, tried):
    """Returns a function of bytes: they are read within the limits, or refused by name."""

    def answer():
        try:
            read(path)
        except FileError as error:
            message = str(error)
            assert str(path) in message and len(message) < 2000, message

    def check(data):
        path.write_bytes(data)
        tried()
        bounded(answer)

    return check


def takes(parse, use, tried):
    """Returns a function of text: what Python makes of it is taken, or refused by a ValueError."""

    def check(data):
        try:
            values = parse(data)
        except (ValueError, RecursionError):
            hypothesis.reject()  # this is Python's answer

        def answer():
            try:
                use(values)
            except ValueError as error:
                assert len(str(error)) < 2000, str(error)

        tried()
        bounded(answer)

    return check


class Drawn(NamedTuple):
    """The bytes of a file, shown in short: a file that fails stays under its name."""

    data: bytes

    def __repr__(self):
        return f"<{len(self.data)} bytes>"


def run(strategy, check):
    """Checks `CASES` draws of a strategy."""
    settings = hypothesis.settings(hypothesis.settings.get_profile("faults"), max_examples=CASES)
    settings(hypothesis.given(strategy.map(Drawn))(lambda file: check(file.data)))()


def mostly(right, wrong, of=12):
    """Draws from `right`, and once in `of` times from `wrong`."""
    return st.integers(1, of).flatmap(lambda n: wrong if n == of else right)


def joined(*parts):
    """Draws bytes of each part, one after the other."""
    return st.tuples(*parts).map(b"".join)


def track(body):
    return b"MTrk" + struct.pack(">L", len(body)) + body


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


SOUNDS = [
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAVEX", "PCM_24"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


@pytest.mark.parametrize("strict", [True, False])
def test_sound_files(tmp_path, tried, strict):
    samples = np.random.default_rng(0).normal(size=(3000, 2)).astype("float32") / 8
    originals = []
    for kind, subtype in SOUNDS:
        for channels in (1, 2):
            file = io.BytesIO()
            soundfile.write(file, samples[:, :channels], 16000, subtype, format=kind)
            originals.append(file.getvalue())

    def read(path):
        sound = audio.read(path, strict=strict)
        assert np.isfinite(sound.samples).all()

    run(changed(originals), answers(read, tmp_path / "changed.wav", tried))


def npy(dtype, shape, data):
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def members_of_speech():
    """The members of a file with two recordings, `(type, shape, data)` by name."""
    arrays = {
        "sample_rate": np.array(16000),
        "audio": np.arange(400, dtype="int16"),
        "lengths": np.array([150, 250]),
        "ids": np.array(["a/b", "c/d"]),
        "text": np.array(["one", "two"]),
        "phone_set": np.array(["aa", "ae"]),
        "phone_label": np.array([0, 1, 0, 1], "uint8"),
        "phone_start": np.array([0, 60, 0, 100]),
        "phone_end": np.array([60, 150, 100, 250]),
        "phone_counts": np.array([2, 2]),
        "word": np.array(["one", "two"]),
        "word_start": np.array([0, 0]),
        "word_end": np.array([150, 250]),
        "word_counts": np.array([1, 1]),
    }
    return {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}


@st.composite
def speech_files(draw):
    """Files of labelled speech whose arrays lie in their headers, are changed, or are missing."""
    members = members_of_speech()
    numbers = st.sampled_from([0, 1, 2, 4, 400, 2**31, 2**62, 10**30, -1])
    types = ["<i2", "<i4", "<i8", "|u1", "<u8", "<f8", "<c16", "|O", "<U3", "<U0", "|S3", "<M8[s]"]
    types += ["<U2000000000", "|V8", "?", ">i8", "", "<i9", [("a", "<i8")]]
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(members)))
        kind, shape, data = members.pop(name)
        change = draw(st.integers(0, 5))
        if change == 1:
            kind = draw(st.sampled_from(types))
        elif change == 2:
            shape = tuple(draw(st.lists(numbers, max_size=3)))
        elif change == 3:
            data = draw(changed([data or b"0"]))
        elif change == 4:
            value = draw(st.sampled_from([0, 1, -1, 2**31, 2**63 - 1, -(2**63)]))
            kind, shape, data = "<i8", (2,), struct.pack("<2q", value, draw(st.integers(-3, 400)))
        elif change == 5:
            kind, shape, data = "|i1", (2**24,), bytes(2**24)
        if change:
            members[name] = kind, shape, data
    file = io.BytesIO()
    method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, member in members.items():
            archive.writestr(f"{name}.npy", npy(*member))
    return file.getvalue()


def test_files_of_labelled_speech(tmp_path, tried):
    originals = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        kinds = members_of_speech().items()
        save(file, **{k: np.frombuffer(d, t).reshape(s) for k, (t, s, d) in kinds})
        originals.append(file.getvalue())
    check = answers(speech.load_timit, tmp_path / "changed.npz", tried)
    for data in originals:
        (tmp_path / "changed.npz").write_bytes(data)
        assert len(speech.load_timit(tmp_path / "changed.npz")) == 2
    run(changed(originals) | speech_files(), check)


LABELS = {
    "audacity": [AUDACITY],
    "raven": [RAVEN],
    "textgrid": [LONG_TEXTGRID, SHORT_TEXTGRID],
    "csv": [
        'onset_s,offset_s,label\n0.1,0.25,a\n0.3,0.5,"b, c"\n',
        "file,start,end\na.wav,0.1,0.25\na.wav,0.3,0.5\n",
        "name,start_seconds,stop_seconds\na,0.1,0.25\nb,,\n",
    ],
    "generic": [GENERIC],
}


def label_files(texts):
    """Label files whose words are those of some texts, in another order, and other numbers."""
    words = [re.findall(r"[^\s,]+|\s|,", text) for text in texts]
    others = st.sampled_from(
        ["", "-1", "1e999", "9" * 400, "nan", "0,5", '"', "\r", "\t", "\\", "\0", "File Offset (s)"]
    )

    @st.composite
    def drawn(draw):
        parts = list(draw(st.sampled_from(words)))
        for _ in range(draw(st.integers(1, 6))):
            at = draw(st.integers(0, len(parts) - 1))
            parts[at] = draw(st.sampled_from(parts) | others)
        return "".join(parts).encode(draw(st.sampled_from(["utf-8", "utf-16"])))

    return drawn()


@pytest.mark.parametrize("format", [*LABELS, None])
def test_label_files(tmp_path, tried, format):
    texts = LABELS[format] if format else [text for each in LABELS.values() for text in each]
    originals = [text.encode(encoding) for text in texts for encoding in ("utf-8", "utf-16")]
    tier = "words" if format == "textgrid" else None
    path = tmp_path / "changed.txt"
    path.write_bytes(originals[0])
    assert format == "generic" or len(labels.read(path, format, tier=tier))

    def read(path):
        if format == "generic":
            labels.read_table(path, format)
        else:
            labels.read(path, format, tier=tier)

    run(changed(originals) | label_files(texts), answers(read, path, tried))


def test_label_files_of_matlab(tmp_path, tried):
    originals = [notmat([100.0, 300.0], [250.0, 400.5], "ab"), notmat([1.0], [2.0], "-")]
    path = tmp_path / "changed.not.mat"
    path.write_bytes(originals[0])
    assert labels.read(path).labels == ["a", "b"]
    plain = io.BytesIO()
    savemat(plain, {"onsets": [[1.0]], "offsets": [[2.0]], "labels": "a"})
    run(changed([*originals, plain.getvalue()]), answers(labels.read, path, tried))


MEGABYTES = zlib.compress(bytes(9 * 2**20), 9)  # 9 kB


@pytest.mark.parametrize(
    "name, data",
    [
        ("song.txt", b"1" * 30_000 + b"x\t1\ta\n"),
        (
            "song.not.mat",
            notmat([1.0], [2.0], "a")[:128]
            + 200 * (struct.pack("<2I", 15, len(MEGABYTES)) + MEGABYTES),
        ),
    ],
)
def test_label_files_that_are_made_to_take_long(tmp_path, tried, name, data):
    answers(labels.read, tmp_path / name, tried)(data)


def json_values():
    """Draws values that a JSON file may hold in the place of anything."""
    numbers = st.sampled_from([0, -1, 1.5, 1e400, float("nan"), 10**400, 2**63, True, False])
    leaves = st.none() | numbers | st.text(max_size=5)
    nested = st.sampled_from([60, 5000]).map(lambda n: Nested(n))
    return st.recursive(
        leaves | nested,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=5,
    )


class Nested(list):
    """Stands for as many brackets in each other, which `json` cannot write."""

    def __init__(self, depth):
        super().__init__([f"<{depth} brackets>"])


def written(value):
    """JSON text of a value with `Nested` parts."""
    text = json.dumps(value)
    for depth in (60, 5000):
        text = text.replace(f'["<{depth} brackets>"]', "[" * depth + "]" * depth)
    return text.encode()


@st.composite
def configs(draw, originals):
    """JSON of one of the originals with a few values replaced, removed or added, at any depth."""
    config = json.loads(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        at = config
        while isinstance(at, dict) and at:
            name = draw(st.sampled_from(sorted(at)))
            if isinstance(at[name], dict) and draw(st.integers(0, 3)):
                at = at[name]
                continue
            change = draw(st.integers(0, 4))
            if change == 0:
                del at[name]
            elif change == 1:
                at[draw(st.text(max_size=5))] = draw(json_values())
            else:
                at[name] = draw(json_values())
            break
    return written(config)


def test_configs_of_normalizers(tmp_path, tried):
    original = json.dumps(audio.Normalizer([0.0, 1.0], [1.0, 2.0]).get_config()).encode()

    check = takes(json.loads, audio.Normalizer.from_config, tried)
    run(configs([original]) | changed([original]), check)


def configs_of_runs():
    """A `config.json` of a run on music and one on recordings, as dictionaries."""
    counts = {split: 3 for split in ("train", "valid", "test")}
    about = {"sequences": counts, "frames": counts, "sha256": "0" * 64}
    versions = dict.fromkeys(("seqlayers", "keras", "tensorflow"), "1.0")
    music = {"options": complete({"dataset": "jsb_chorales", "augment": (-5, 6)})}
    settings = audio.Spectra(FRAME_LENGTH, HOP_LENGTH, sample_rate=8000)
    ones = np.ones(settings.num_bins)
    frames = SoundFrames(settings, "log_amplitude", audio.Normalizer(ones, ones))
    options = complete({"wav": "birds", "model": "rnn-rbm", "visibles": "gaussian"})
    sounds = {"options": options, "sound": frames.get_config()}
    more = {"files": ["a.wav"], "files_skipped": 0}
    common = {"data": about, "versions": versions}
    return [music | common, sounds | common | {"data": about | more}]


def test_configs_of_runs(tmp_path, tried):
    originals = [json.dumps(each).encode() for each in configs_of_runs()]
    path = tmp_path / "config.json"
    for data in originals:
        path.write_bytes(data)
        assert config.read_config(tmp_path)["options"] == json.loads(data)["options"]
    check = answers(lambda path: config.read_config(path.parent), path, tried)
    run(configs(originals) | changed(originals), check)


def test_indexes_of_shards(tmp_path, tried):
    data = [np.ones((length, 3)) for length in (3, 5, 3)]
    shards.write(data, tmp_path / "shards", 2, normalizer="scale", about={"kind": "sound"})
    path = tmp_path / "shards" / shard_files.INDEX
    original = path.read_bytes()

    def read(path):
        try:
            shards.read_index(path.parent)
        except shards.ShardError as error:
            assert Path(error.path).parent == path.parent
            raise FileError(error.reason, path) from error

    read(path)
    run(configs([original]) | changed([original]), answers(read, path, tried))


@st.composite
def keras_files(draw, originals):
    """`.keras` files whose members are changed, or whose metadata hold other things."""
    members = dict(draw(st.sampled_from(originals)))
    name = draw(st.sampled_from(sorted(members)))
    if name == "metadata.json":
        members[name] = draw(configs([members[name]]))
    else:
        members[name] = draw(changed([members[name]]))
    if draw(st.integers(0, 5)) == 0:
        del members[draw(st.sampled_from(sorted(members)))]
    return zipped(members)


def zipped(members):
    """A zip file of members, bytes by name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_histories_in_checkpoints(tmp_path, tried):
    path, history = tmp_path / "changed.keras", [{"epoch": 1, "loss": 1.5}]
    plain = {"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": bytes(1000)}
    originals = [plain | {"seqlayers_history.json": json.dumps(history).encode()}]
    for each in configs_of_runs():
        path.write_bytes(zipped(plain))
        (tmp_path / "config.json").write_text(json.dumps(each))
        whole = config.read_config(tmp_path)
        checkpoints.add(path, config.Identity.of(whole), history)
        with zipfile.ZipFile(path) as archive:
            originals.append({name: archive.read(name) for name in archive.namelist()})
    for members in originals:
        path.write_bytes(zipped(members))
        assert checkpoints.read(path).history == history
    check = answers(checkpoints.read, path, tried)
    run(keras_files(originals) | changed([zipped(members) for members in originals]), check)


def test_options_of_recipes(tried):
    files = [json.dumps(file["options"]).encode() for file in recipes._files().values()]
    texts = [
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in json.loads(data).items())
        for data in files
    ]

    def use(options):
        complete({"dataset": "jsb_chorales"} | options)

    def parse(data):
        return tomllib.loads(data.decode())

    run(changed([text.encode() for text in texts]), takes(parse, use, tried))
    run(configs(files), takes(json.loads, use, tried))  # the values that other TOML would have
