"""Files `.not.mat` of evsonganaly, as MATLAB 5 and later save them (-v6 or -v7).

`onsets` and `offsets` are milliseconds, `labels` has one character for each syllable: `-` where
there is no label yet. They are read as they are.

A file is a header of 128 bytes and elements: a type, a number of bytes and that many bytes. An
element is a matrix, or a matrix compressed by zlib. A matrix holds elements again: its class, its
dimensions, its name and its values. Source: The MathWorks, MAT-File Format, version 5.

SciPy is not used: `scipy.io.loadmat` of SciPy 1.17 ends the process on some damaged files.
"""

import reprlib
import struct
import zlib

import numpy as np

from seqlayers.datasets.labels.annotation import LabelError
from seqlayers.datasets.labels.text import check_span

_NAMES = ("onsets", "offsets", "labels")
_MOST = 10**6  # values of a matrix
_HEADER, _BEGINNING, _MOST_BYTES = 128, 2**10, 8 * _MOST + 2**12
_ORDERS = {b"IM": "<", b"MI": ">"}
_NAME, _FLAGS, _SIZES, _MATRIX, _COMPRESSED = 1, 6, 5, 14, 15  # types of elements
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8"}
_NUMBERS |= {13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CHARACTER_CLASS, _NUMBER_CLASSES, _COMPLEX = 4, range(6, 16), 0x800


def parse(data):
    """Returns triples `(start, end, label)`.

    Raises:
        LabelError: If the bytes are no such file, or it is damaged.
    """
    order = _ORDERS.get(data[126:_HEADER])
    if not data.startswith(b"MATLAB 5.0") or order is None:
        raise LabelError(
            "the file must be one of MATLAB; save it with -v7. "
            f"Received: {reprlib.repr(bytes(data[:10]))}"
        )
    found, at = {}, _HEADER
    while at < len(data):
        kind, body, at = _element(data, at, order)
        if kind == _COMPRESSED:
            kind, body = _decompressed(body, order)
        variable = _variable(body, order) if kind == _MATRIX else {}
        if variable.keys() & found.keys():
            raise LabelError(f"damaged: {', '.join(variable)} must be there once")
        found |= variable
    missing = [name for name in _NAMES if name not in found]
    if missing:
        raise LabelError(
            f"the file must have numbers or characters named {', '.join(_NAMES)}. "
            f"Received: none named {', '.join(missing)}"
        )
    onsets, offsets, labels = (found[name] for name in _NAMES)
    for name in _NAMES:
        wanted = "characters" if name == "labels" else "numbers"
        if len(found[name]) and isinstance(found[name], str) != (name == "labels"):
            raise LabelError(f"{name} must be {wanted}. Received: others")
    if not len(onsets) == len(offsets) == len(labels):
        raise LabelError(
            "there must be an onset, an offset and a character for each syllable. Received: "
            f"{len(onsets)}, {len(offsets)} and {len(labels)}"
        )
    rows = []
    for n, (onset, offset, label) in enumerate(zip(onsets, offsets, labels, strict=True), 1):
        names = (f"the onset of syllable {n}", "its offset")
        rows.append((*check_span(onset / 1000, offset / 1000, names=names), label))
    return rows


def _element(data, at, order):
    """Returns the type and the bytes of the element at a place, and the place of the next one."""
    if at + 8 > len(data):
        raise LabelError(f"damaged: an element is cut off at byte {at}")
    kind, size = struct.unpack(f"{order}II", data[at : at + 8])
    start, end = at + 8, at + 8
    if kind >> 16:  # up to four bytes stand in the place of their number
        kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
    else:
        end += size + (-size % 8 if kind != _COMPRESSED else 0)
    if start + size > min(len(data), end):
        raise LabelError(f"damaged: the element at byte {at} has {size} bytes, more than there are")
    return kind, data[start : start + size], end


def _decompressed(body, order):
    """Returns the type and the bytes of a compressed element; of no matrix but those of syllables.

    Only the beginning of others is decompressed: a few kilobytes may hold megabytes of zeros.
    """
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(body, _BEGINNING)
        if data[:4] != struct.pack(f"{order}I", _MATRIX) or _named(data[8:], order) is None:
            return None, b""
        data += stream.decompress(stream.unconsumed_tail, _MOST_BYTES)
    except zlib.error as error:
        raise LabelError(f"damaged: {error}") from error
    return _element(data, 0, order)[:2]


def _named(body, order):
    """Returns the name, flags, dimensions and place of the values of a matrix.

    None if its name is none of `_NAMES`, or it has no rows and columns of numbers or characters.
    """
    kind, flags, at = _element(body, 0, order)
    if kind != _FLAGS or len(flags) != 8:
        raise LabelError("damaged: a matrix must begin with its class")
    (flags,) = struct.unpack(f"{order}I", flags[:4])
    if flags & 0xFF != _CHARACTER_CLASS and flags & 0xFF not in _NUMBER_CLASSES:
        return None
    kind, sizes, at = _element(body, at, order)
    if kind != _SIZES or len(sizes) != 8:
        return None  # no matrix, but an array of more axes
    kind, name, at = _element(body, at, order)
    name = name.decode("latin-1")
    if kind != _NAME or name not in _NAMES:
        return None
    return name, flags, struct.unpack(f"{order}2i", sizes), at


def _variable(body, order):
    """Returns the values of a matrix by its name; nothing if it is none of `_NAMES`."""
    named = _named(body, order)
    if named is None:
        return {}
    name, flags, (rows, columns), at = named
    if min(rows, columns) not in (0, 1) or max(rows, columns) > _MOST or flags & _COMPLEX:
        raise LabelError(
            f"{name} must be a row or a column of at most {_MOST:,} real values. "
            f"Received: {rows} x {columns}{' complex ones' if flags & _COMPLEX else ''}"
        )
    kind, values, _ = _element(body, at, order)
    found = _values(kind, values, flags & 0xFF == _CHARACTER_CLASS, order)
    if found is None or len(found) != rows * columns:
        raise LabelError(f"damaged: {name} must have {rows * columns} values")
    return {name: found}


def _values(kind, data, characters, order):
    """Returns characters as a string or numbers as a list; None if the bytes are neither."""
    try:
        if characters:
            encoding = _TEXTS[kind]
            ending = {"<": "-le", ">": "-be"}[order] if encoding in ("utf-16", "utf-32") else ""
            return data.decode(encoding + ending)
        return np.frombuffer(data, order + _NUMBERS[kind]).tolist()
    except (KeyError, ValueError):
        return None
