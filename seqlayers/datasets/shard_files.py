"""The files of a folder of shards, see `seqlayers.datasets.shards`, and their index."""

import contextlib
import csv
import hashlib
import json
import re
import resource
import stat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlayers import files
from seqlayers.audio import Normalizer
from seqlayers.audio.normalizer import KINDS
from seqlayers.backends import import_tensorflow
from seqlayers.checks import check_choice, check_flag, check_integer, check_sequence

FORMAT = 1  # of the index
INDEX = "index.json"
SOURCES = "sources.csv"
DTYPES = ("float32", "uint8")
MAX_SHARDS = 99_999
MAX_BYTES = 2**31 - 2**20  # of a sequence; a record must stay below 2 GiB
_SHARD = re.compile(r"shard-\d{5}-of-\d{5}\.tfrecord")
_SPARE_FILES = 64  # open files of the process besides shards


class ShardError(files.FileError):
    """A folder of shards that cannot be used. It has a `reason` and a `path`."""


class Shard(NamedTuple):
    """A file of an `Index`.

    Attributes:
        file: Its name.
        bytes: Its length.
        sha256: Hash of its contents, in hexadecimal.
        sequences, frames: Their numbers.
    """

    file: str
    bytes: int
    sha256: str
    sequences: int
    frames: int


class Index(NamedTuple):
    """The contents of a folder of shards.

    Attributes:
        features: Number F of features of a frame.
        dtype: Type of the frames in the files, `"float32"` or `"uint8"`.
        compression: `"gzip"` or None.
        lengths: Dictionary of the number of sequences of each length.
        shards: List of `Shard`.
        normalizer: `audio.Normalizer` fitted to all frames, which are stored as they were before;
            None if there is none.
        about: Dictionary that `write` was given.
    """

    features: int
    dtype: str
    compression: str | None
    lengths: dict
    shards: list
    normalizer: Any
    about: dict

    @property
    def num_sequences(self):
        """Number of sequences."""
        return sum(self.lengths.values())

    @property
    def num_frames(self):
        """Number of frames."""
        return sum(length * count for length, count in self.lengths.items())

    def num_batches(self, batch_size=32, max_steps=None):
        """Returns the number of batches of an epoch, for the arguments of `load`."""
        batch_size = check_integer("batch_size", batch_size)
        return -(-self.num_pieces(max_steps) // batch_size)

    def num_pieces(self, max_steps=None):
        """Returns the number of pieces that sequences are cut into; that of sequences if None."""
        if max_steps is None:
            return self.num_sequences
        max_steps = check_integer("max_steps", max_steps)
        return sum(-(-length // max_steps) * count for length, count in self.lengths.items())

    @property
    def frame_bytes(self):
        """Number of bytes of a frame."""
        return self.features * np.dtype(self.dtype).itemsize

    @property
    def tf_compression(self):
        """The compression as TensorFlow names it."""
        return "" if self.compression is None else self.compression.upper()


def write(
    sequences,
    folder,
    num_shards,
    *,
    dtype="float32",
    compression=None,
    normalizer=None,
    about=None,
    overwrite=False,
):
    """Writes sequences to a folder of shards, all of them or none. One is in memory at a time.

    Args:
        sequences: Any iterable of arrays `(T, F)`, or of pairs of the name of a file and an array
            that comes from it. F must be the same for all.
        folder: The folder to make. The folder it lies in must exist.
        num_shards: Number of files, at most the number of sequences. Give each worker of a training
            several, of 100 MB or more where there are as many data.
        dtype: `"float32"`, or `"uint8"` for integers from 0 to 255, such as piano-rolls.
        compression: `"gzip"`, which makes piano-rolls ten times smaller, or None.
        normalizer: Kind of the `audio.Normalizer` to fit to the frames, see `Normalizer.fit`; None
            for none. Frames are stored as they are, and `load` normalises them.
        about: Dictionary for JSON that is kept in the index.
        overwrite: Whether to replace the folder, if it holds shards and no other files.

    Returns:
        The `Index`.

    Raises:
        ValueError: If an argument is invalid, or a sequence is no such array or does not fit.
        FileExistsError: If there is something at `folder` that may not be replaced.
        OSError: If the disk is full. What was at `folder` is untouched then.

    Example:
        >>> write((np.full((t, 2), t) for t in range(1, 100)), "numbers", num_shards=4).num_frames
        4950
    """
    num_shards = check_integer("num_shards", num_shards, most=MAX_SHARDS)
    check_choice("dtype", dtype, DTYPES)
    check_compression(compression)
    overwrite = check_flag("overwrite", overwrite)
    if normalizer is not None:
        check_choice("normalizer", normalizer, KINDS)
    about = _checked_about(about)  # before anything is read
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_FILES
    if num_shards > most:
        raise ValueError(
            f"`num_shards` must be at most {most}, since all shards are open at once; use fewer, "
            f"or raise the limit of open files (`ulimit -n`). Received: num_shards={num_shards}."
        )
    with files.new_directory(folder, _check_replaceable if overwrite else None) as temporary:
        with contextlib.ExitStack() as stack:
            written = _Written(temporary, num_shards, dtype, compression, stack)
            arrays = written.each(sequences)
            if normalizer is not None:
                normalizer = Normalizer.fit(arrays, normalizer)
            for _ in arrays:
                pass
        index = written.index(normalizer, about)
        _write_index(temporary / INDEX, index)
    return index


class _Written:
    """The files that `write` fills, and what the index will hold."""

    def __init__(self, folder, num_shards, dtype, compression, stack):
        tf = import_tensorflow("datasets.shards.write")
        self.folder, self.dtype, self.compression = folder, dtype, compression
        self.features = None
        self.names = [f"shard-{n:05}-of-{num_shards:05}.tfrecord" for n in range(num_shards)]
        self.counts = np.zeros((num_shards, 2), "int64")  # sequences, frames
        self.lengths: dict = {}
        self.sources = None
        options = None if compression is None else compression.upper()
        self.writers = [
            stack.enter_context(tf.io.TFRecordWriter(str(folder / name), options))
            for name in self.names
        ]
        self.stack = stack

    def each(self, sequences):
        """Yields each sequence as an array of the type that is stored, after it is written."""
        for n, item in enumerate(_iterated(sequences)):
            name = f"sequences[{n}]"
            source, item = item if _is_pair(item) else (None, item)
            array = self._converted(name, check_sequence(item, self.features, name))
            self.features = array.shape[1]
            shard = n % len(self.writers)
            self.writers[shard].write(_record(array))
            self.counts[shard] += 1, len(array)
            self.lengths[len(array)] = self.lengths.get(len(array), 0) + 1
            if source is not None:
                self._note(files.printable(source), n)
            yield array

    def _converted(self, name, array):
        with np.errstate(invalid="ignore"):  # compared below
            stored = array.astype(np.dtype(self.dtype).newbyteorder("<"))
        if self.dtype == "uint8" and (stored != array).any():
            raise ValueError(
                f'`{name}` must hold integers from 0 to 255 with dtype="uint8"; use "float32". '
                f"Received: {array[stored != array][0]}."
            )
        if stored.nbytes > MAX_BYTES:
            raise ValueError(
                f"`{name}` must have at most {MAX_BYTES:,} bytes; cut it into parts. "
                f"Received: {stored.nbytes:,} of shape {stored.shape}."
            )
        return stored

    def _note(self, source, n):
        """Adds a row to the table of sources where a new one begins."""
        if self.sources is None:
            file = open(self.folder / SOURCES, "w", newline="", encoding="utf-8")
            self.sources = csv.writer(self.stack.enter_context(file), lineterminator="\n")
            self.sources.writerow(("file", "first_sequence"))
            self.last = None
        if source != self.last:
            self.sources.writerow((source, n))
            self.last = source

    def index(self, normalizer, about):
        """Returns the `Index`, when all files are closed."""
        num_sequences = int(self.counts[:, 0].sum())
        if num_sequences == 0:
            raise ValueError("`sequences` must hold at least one sequence. Received: none.")
        if num_sequences < len(self.names):
            raise ValueError(
                "`num_shards` must be at most the number of sequences. "
                f"Received: num_shards={len(self.names)} for {num_sequences} sequences."
            )
        found = []
        for name, counts in zip(self.names, self.counts.tolist(), strict=True):
            path = self.folder / name
            found.append(Shard(name, path.stat().st_size, _sha256(path), *counts))
        lengths = dict(sorted(self.lengths.items()))
        return Index(self.features, self.dtype, self.compression, lengths, found, normalizer, about)


def read_index(folder):
    """Reads the index of a folder of shards, and checks that all files have their length.

    Args:
        folder: The folder.

    Returns:
        An `Index`.

    Raises:
        ShardError: If the index is damaged or of another version, or a shard is missing, is no
            regular file, or has another length.
        FileNotFoundError: If there is no index.
    """
    path = Path(folder) / INDEX
    mode = files.mode_of(path)
    if mode is None:
        raise FileNotFoundError(
            "`folder` must be a folder of shards, as `seqlayers data shard` or "
            f"`datasets.shards.write` makes it. Received: {files.printable(folder)}, "
            f"which has no {INDEX}."
        )
    _check_regular(path, mode)
    try:
        value = files.read_json(path)
    except files.FileError as error:
        raise ShardError(error.reason, path) from error
    index = _parsed(value, path)
    for shard in index.shards:
        path = Path(folder) / shard.file
        mode = files.mode_of(path)
        if mode is None:
            raise ShardError("the shard is missing; write the shards again.", path)
        _check_regular(path, mode)
        if (size := path.stat().st_size) != shard.bytes:
            raise ShardError(
                f"the shard must have {shard.bytes:,} bytes, its length in {INDEX}; write the "
                f"shards again. Received: {size:,} bytes.",
                path,
            )
    return index


def verify(folder):
    """Reads all shards of a folder and compares their contents with the index.

    Args:
        folder: The folder.

    Returns:
        The `Index`.

    Raises:
        ShardError: If a shard has changed, or as in `read_index`.
        FileNotFoundError: If there is no index.
    """
    index = read_index(folder)
    for shard in index.shards:
        path = Path(folder) / shard.file
        if _sha256(path) != shard.sha256:
            raise ShardError(
                f"the contents must have their SHA-256 in {INDEX}; write the shards again. "
                "Received: other contents.",
                path,
            )
    return index


def _record(array):
    import tensorflow as tf

    frames = tf.train.Feature(bytes_list=tf.train.BytesList(value=[array.tobytes()]))
    example = tf.train.Example(features=tf.train.Features(feature={"frames": frames}))
    return example.SerializeToString()


def _iterated(sequences):
    try:
        return iter(sequences)
    except TypeError as error:
        raise ValueError(
            "`sequences` must be an iterable of arrays `(time, features)`. "
            f"Received: {type(sequences).__name__}."
        ) from error


def _checked_about(about):
    """Returns a dictionary, {} for None, if JSON can hold it."""
    if about is not None and not isinstance(about, dict):
        raise ValueError(f"`about` must be a dictionary or None. Received: about={about!r}.")
    try:
        return json.loads(json.dumps(about or {}, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"`about` must hold what JSON can: texts, finite numbers, lists. Received: {error}."
        ) from error


def check_compression(compression):
    """Returns a compression if there is such a one."""
    return None if compression is None else check_choice("compression", compression, ("gzip",))


def _is_pair(item):
    """Returns whether an item of an iterable is a name and a sequence."""
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str | Path)


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_index(path, index):
    """Writes the file that `read_index` reads."""
    value = {
        "format": FORMAT,
        **index._asdict(),
        "shards": [shard._asdict() for shard in index.shards],
        "normalizer": index.normalizer and index.normalizer.get_config(),
    }
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")


def _check_regular(path, mode):
    """Refuses links, which may lead out of the folder, and all that is no file."""
    if not stat.S_ISREG(mode):
        raise ShardError(
            f"there must be a regular file; copy it here. Received: {files.kind_of(mode)}.", path
        )


def _parsed(value, path):
    """Returns the `Index` in a dictionary that was read from a file."""
    if value.get("format") != FORMAT:
        raise ShardError(
            f"the format must be {FORMAT}; write the shards again with this version. "
            f"Received: format={value.get('format')!r}.",
            path,
        )
    try:
        check_choice("dtype", value["dtype"], DTYPES)
        check_compression(value["compression"])
        lengths = {
            check_integer("length", int(length)): check_integer("count", count)
            for length, count in value["lengths"].items()
        }
        shards = [_parsed_shard(**shard) for shard in value["shards"]]
        normalizer = value["normalizer"]
        index = Index(
            check_integer("features", value["features"]),
            value["dtype"],
            value["compression"],
            lengths,
            shards,
            None if normalizer is None else Normalizer.from_config(normalizer),
            dict(value["about"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ShardError(f"the index is damaged; write the shards again: {error}", path) from error
    if len({shard.file for shard in shards}) < len(shards):
        raise ShardError("the index is damaged; write the shards again: a shard twice", path)
    if max(lengths, default=0) * index.frame_bytes > MAX_BYTES:
        raise ShardError("the index is damaged; write the shards again: a length too large", path)
    if index.normalizer is not None and len(index.normalizer.shift) != index.features:
        raise ShardError(
            f"the index is damaged; write the shards again: {index.features} features and a "
            f"normalizer of {len(index.normalizer.shift)}",
            path,
        )
    for name, counted in (("sequences", index.num_sequences), ("frames", index.num_frames)):
        listed = sum(getattr(shard, name) for shard in shards)
        if listed != counted or not shards:
            raise ShardError(
                f"the index is damaged; write the shards again: {listed:,} {name} in "
                f"{len(shards)} shards, {counted:,} by their lengths",
                path,
            )
    return index


def _parsed_shard(file, bytes, sha256, sequences, frames):
    if not isinstance(file, str) or not _SHARD.fullmatch(file):
        raise ValueError(f"{file!r} is no name of a shard")
    if not isinstance(sha256, str):
        raise ValueError(f"{sha256!r} is no SHA-256")
    return Shard(
        file,
        check_integer("bytes", bytes),
        sha256,
        check_integer("sequences", sequences),
        check_integer("frames", frames),
    )


def _check_replaceable(folder):
    """Refuses to delete a folder that holds anything but shards."""
    names = {path.name for path in folder.iterdir()}
    others = [n for n in names if n not in (INDEX, SOURCES) and not _SHARD.fullmatch(n)]
    if others or (names and INDEX not in names):
        held = files.printable(min(others)) if others else f"no {INDEX}"
        raise FileExistsError(
            "What is overwritten must be a folder of shards without other files, or an empty one. "
            f"Received: {files.printable(folder)}, which holds {held}."
        )
