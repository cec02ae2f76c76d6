import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seqlayers import files

FULL_DISK = """
import resource, sys
from seqlayers.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(sys.argv[1], bytes(5000))
except OSError:
    sys.exit(7)
"""


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "model.weights.h5"
    path.write_bytes(b"old")
    return path


def names(folder):
    return sorted(os.listdir(folder))


def test_a_file_is_made_and_replaced(tmp_path):
    path = tmp_path / "roll.mid"
    files.write_atomically(path, b"one")
    assert path.read_bytes() == b"one"
    files.write_atomically(str(path), bytearray(b"two"))
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == ["roll.mid"]


def test_only_regular_files_are_read(old, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    files.check_regular_file(old)
    (tmp_path / "link").symlink_to(old)
    files.check_regular_file(tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for path, kind in (
            (tmp_path / "pipe", "a pipe"),
            (tmp_path / "socket", "a socket"),
            ("/dev/zero", "a device"),
        ):
            with pytest.raises(files.FileError, match=f"{path}: .*regular file. Received: {kind}"):
                files.check_regular_file(path)
    with pytest.raises(IsADirectoryError) as raised:
        files.check_regular_file(tmp_path)
    assert raised.value.filename == str(tmp_path)
    with pytest.raises(FileNotFoundError):
        files.check_regular_file(tmp_path / "missing")


def test_names_that_are_not_text_are_escaped():
    names = {
        b"caf\xc3\xa9 1.wav": "café 1.wav",
        b"caf\xe9.wav": r"caf\udce9.wav",
        b"a\n\x1b": r"a\n\x1b",
        "a\xa0b\u2009c\u2028d".encode(): "a\xa0b\u2009c\\u2028d",
    }
    for name, shown in names.items():
        assert files.printable(Path(os.fsdecode(name))) == shown
        assert str(files.FileError("damaged", os.fsdecode(name))) == f"{shown}: damaged"


def test_the_temporary_name_keeps_folder_and_ending(old):
    with files.replacing(old) as temporary:
        assert temporary.parent == old.parent
        assert temporary.name.endswith("model.weights.h5")
        assert not temporary.exists()
        temporary.write_bytes(b"new")
        assert old.read_bytes() == b"old"
    assert old.read_bytes() == b"new"


def test_a_long_name_is_written_too(tmp_path):
    path = tmp_path / ("é" * 124 + ".keras")  # 254 bytes
    files.write_atomically(path, b"long")
    assert path.read_bytes() == b"long"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failing_writer_leaves_the_old_file_and_no_other(old, error):
    with pytest.raises(error):
        with files.replacing(old) as temporary:
            temporary.write_bytes(b"half")
            raise error
    assert old.read_bytes() == b"old"
    assert names(old.parent) == [old.name]


def test_a_disk_that_cannot_flush_leaves_the_old_file_and_no_other(old, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(old, b"new")
    assert old.read_bytes() == b"old"
    assert names(old.parent) == [old.name]


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX")
def test_a_full_disk_leaves_the_old_file_and_no_other(old):
    root = Path(files.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(old)], cwd=root)
    assert done.returncode == 7
    assert old.read_bytes() == b"old"
    assert names(old.parent) == [old.name]


def test_a_writer_that_wrote_nothing_is_an_error(old):
    with pytest.raises(FileNotFoundError, match="Nothing was written"):
        with files.replacing(old):
            pass
    assert old.read_bytes() == b"old"


def test_a_missing_folder_and_a_folder_as_file_are_named_before_the_work(tmp_path):
    for path, error in [
        (tmp_path / "no" / "a.bin", FileNotFoundError),
        (tmp_path, IsADirectoryError),
    ]:
        with pytest.raises(error, match="Received: path="):
            with files.replacing(path):
                pytest.fail("the block ran")


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX")
def test_a_link_stays_a_link_and_the_mode_stays(tmp_path):
    path, link = tmp_path / "a.bin", tmp_path / "latest.bin"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to("a.bin")
    files.write_atomically(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_suffix_that_a_writer_adds_is_removed_again(tmp_path):
    with files.replacing(tmp_path / "array") as temporary:
        np.save(temporary, [1, 2])  # writes `array.npy`
    np.testing.assert_array_equal(np.load(tmp_path / "array"), [1, 2])
    assert names(tmp_path) == ["array"]
    with pytest.raises(RuntimeError):
        with files.replacing(tmp_path / "array") as temporary:
            np.save(temporary, [3])
            raise RuntimeError
    np.testing.assert_array_equal(np.load(tmp_path / "array"), [1, 2])
    assert names(tmp_path) == ["array"]


@pytest.mark.parametrize("follow", [True, False])
def test_a_pipe_or_a_device_is_not_replaced(tmp_path, follow):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(files.FileError, match="regular file or none.*Received: a (pipe|dev)"):
            with files.replacing(path, follow):
                pytest.fail("the block ran")
    assert names(tmp_path) == ["pipe"]


def test_a_link_is_refused_where_it_must_not_be_followed(tmp_path, old):
    link = tmp_path / "link"
    for target in (old, tmp_path / "missing"):
        link.symlink_to(target)
        with pytest.raises(files.FileError, match=f"{link}: .*Received: a symbolic link"):
            with files.replacing(link, follow=False):
                pytest.fail("the block ran")
        link.unlink()
    with files.replacing(link, follow=False) as temporary:
        temporary.write_bytes(b"new")
        link.symlink_to(old)  # after the check
    assert old.read_bytes() == b"old"
    assert not link.is_symlink() and link.read_bytes() == b"new"


def test_only_names_that_replacing_lends_count_as_temporary(tmp_path):
    with files.replacing(tmp_path / "config.json") as temporary:
        assert files.is_temporary(temporary.name, ["config.json"])
        assert not files.is_temporary(temporary.name, ["last.keras"])
        temporary.touch()
    for name in (".tmp-mine-config.json", ".tmp-0123-config.json", "config.json"):
        assert not files.is_temporary(name, ["config.json"])


JSON = {
    "two keys": (b'{"a": 1, "a": 2}', "the key 'a' twice"),
    "nan": (b'{"a": NaN}', "NaN, which is not finite"),
    "infinite": (b'{"a": [1e999]}', "1e999, which is not finite"),
    "nested": (b"[" * 100_000, "nested too deep"),
    "nested objects": (b'{"a":' * 100_000, "nested too deep"),
    "nested as Python may": (b'{"a": %s0%s}' % (b"[" * 200, b"]" * 200), "nested too deep"),
    "a list": (b"[1]", "a list"),
    "empty": (b"", "Expecting value"),
    "not utf-8": (b'{"a": "\xff"}', "can't decode"),
    "digits": (b'{"a": %s}' % (b"9" * 5000), "limit"),
    "more": (b'{"a": 1} {}', "Extra data"),
}


@pytest.mark.parametrize("data, received", JSON.values(), ids=JSON)
def test_json_that_is_no_sound_object_is_refused_by_name(data, received, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(data)
    with pytest.raises(files.FileError, match="must be a JSON object") as caught:
        files.read_json(path)
    assert caught.value.path == str(path)
    assert received in str(caught.value)


def test_json_is_read_to_a_bound_and_from_regular_files_alone(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    path.write_text('{"a": [1, 2.5, null, "\u00e9"]}')
    assert files.read_json(path) == {"a": [1, 2.5, None, "é"]}
    monkeypatch.setattr(files, "MAX_JSON", 5)
    with pytest.raises(files.FileError, match="more than 5 bytes"):
        files.read_json(path)
    with pytest.raises(files.FileError, match="a device"):
        files.read_json("/dev/zero")


def test_a_new_directory_appears_whole(tmp_path):
    path = tmp_path / "exported"
    with files.new_directory(path) as temporary:
        (temporary / "variables").mkdir()
        (temporary / "variables" / "data").write_bytes(b"1")
        assert not path.exists()
    assert (path / "variables" / "data").read_bytes() == b"1"
    assert names(tmp_path) == ["exported"]


def test_a_path_below_a_file_is_one_without_a_folder(old):
    assert files.mode_of(old / "exported") is None
    for write in (files.new_directory, files.replacing):
        with pytest.raises(FileNotFoundError, match="The folder of `path` must exist"):
            with write(old / "exported"):
                pytest.fail("the block ran")


def test_a_failing_writer_leaves_no_directory(tmp_path):
    with pytest.raises(ValueError):
        with files.new_directory(tmp_path / "exported") as temporary:
            (temporary / "half").write_bytes(b"1")
            raise ValueError
    assert names(tmp_path) == []


def test_an_existing_directory_is_never_touched(tmp_path):
    path = tmp_path / "exported"
    path.mkdir()
    with pytest.raises(FileExistsError, match="must not exist"):
        with files.new_directory(path):
            pytest.fail("the block ran")
    path.rmdir()
    with pytest.raises(FileExistsError, match="must not exist"):
        with files.new_directory(path):
            path.mkdir()  # someone else was faster
    assert names(tmp_path) == ["exported"]


REPLACED = """
import os, signal, sys
from pathlib import Path
from seqlayers import files

target, last, can_exchange = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
changes = 0

def change(*_):
    global changes
    changes += 1
    if changes == last:
        os.kill(os.getpid(), signal.SIGKILL)

def audited(event, args):
    if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"):
        change()

def exchange(one, other, own=files._exchange):
    change()
    done = can_exchange and own(one, other)
    change()
    return done

files._exchange, os.fsync = exchange, change  # a kill loses nothing that is not flushed
sys.addaudithook(audited)
with files.new_directory(target, check_replaced=lambda folder: None) as temporary:
    for name in "ab":
        (temporary / name).write_text("new")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="folders are exchanged on Linux alone")
@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_that_is_replaced_is_whole_whenever_the_process_is_killed(tmp_path, can_exchange):
    command = [sys.executable, "-c", REPLACED, tmp_path / "target"]
    root, seen = Path(files.__file__).parents[1], []
    for last in range(1, 100):
        for left in tmp_path.iterdir():
            shutil.rmtree(left)
        (tmp_path / "target").mkdir()
        for name in "ab":
            (tmp_path / "target" / name).write_text("old")
        done = subprocess.run([*map(str, command), str(last), str(can_exchange)], cwd=root)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        found = tmp_path / "target"
        if not found.exists() and not can_exchange:
            (found,) = tmp_path.glob(".old-*-target")
        texts = {(found / name).read_text() for name in "ab"}
        assert len(texts) == 1 and names(found) == ["a", "b"]
        seen.append((found.name[:4], *texts))
    assert names(tmp_path) == ["target"] and (tmp_path / "target" / "b").read_text() == "new"
    expected = [("targ", "old"), (".old", "old"), ("targ", "new")]
    assert list(dict.fromkeys(seen)) == [e for e in expected if e[0] == "targ" or not can_exchange]
