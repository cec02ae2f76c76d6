"""Arrays of .npz files, read within bounds.

Nothing that a file says of itself is believed: sizes and types are compared with what the caller
expects and with the size of the file before memory is taken, members nobody asked for stay packed,
and nothing is unpickled. `numpy.load` checks none of this.
"""

import io
import math
import os
import zipfile
from typing import NamedTuple

import numpy as np

LEAST_BYTES = 8 * 2**20  # unpacked; as much is always accepted
LARGEST_RATIO = 8  # of unpacked bytes to those of the file; labelled speech has 1.2 to 1.5
HEADER_BYTES = 10_000  # of an array; NumPy's own limit


class Array(NamedTuple):
    """The expected form of an array.

    Attributes:
        kinds: The kinds of NumPy types that are accepted, such as "iu" for integers.
        axes: Number of axes.
        item_bytes: Size of an element in bytes; any if None.
    """

    kinds: str
    axes: int = 1
    item_bytes: int | None = None


INTEGERS, TEXTS = Array("iu"), Array("U")


def read_arrays(file, wanted, optional=()):
    """Reads arrays of an .npz file.

    Args:
        file: The file, opened to read bytes.
        wanted: Dict from names to the `Array` expected.
        optional: A second dict; its arrays must be all there or all missing.

    Returns:
        Dict from names to arrays, in the byte order of this machine.

    Raises:
        ValueError: If the file is not an .npz file or is damaged, an array is missing or has
            another form, or the arrays would take more than `LARGEST_RATIO` times the size of the
            file and more than `LEAST_BYTES`.
    """
    size = file.seek(0, os.SEEK_END)
    try:
        with zipfile.ZipFile(file) as archive:
            members = _members(archive, wanted, optional, size)
            return {name: _read(archive, *member) for name, member in members.items()}
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # a dozen kinds, with bytes of the file in their messages
        raise ValueError("it must be a whole .npz file") from error


def _members(archive, wanted, optional, size):
    """Returns a dict from names to pairs of a member and its expected form."""
    found: dict = {}
    for member in archive.infolist():
        found.setdefault(member.filename.removesuffix(".npy"), []).append(member)
    expected = dict(wanted)
    if set(optional) & set(found):
        expected |= optional
    if missing := sorted(set(expected) - set(found)):
        raise ValueError(f"the array `{missing[0]}` is missing")
    for name in expected:
        (member, *others) = found[name]
        if others:
            raise ValueError(f"there are {1 + len(others)} arrays `{name}`")
        # Others unpack a block at once, however large it is.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"the array `{name}` must be stored or deflated, as NumPy does")
        if member.compress_size > size:
            raise ValueError(f"the array `{name}` is larger than the file")
    unpacked = sum(found[name][0].file_size for name in expected)
    if unpacked > max(LEAST_BYTES, LARGEST_RATIO * size):
        raise ValueError(f"it claims to unpack to {unpacked} bytes, too many for a file of {size}")
    return {name: (found[name][0], form) for name, form in expected.items()}


def _read(archive, member, form):
    with archive.open(member) as file:
        start = io.BytesIO(file.read(HEADER_BYTES))
        shape, fortran, dtype = _header(start, member.filename)
        wrong = dtype.kind not in form.kinds or len(shape) != form.axes or min(shape, default=0) < 0
        if wrong or not dtype.itemsize or form.item_bytes not in (None, dtype.itemsize):
            raise ValueError(f"{member.filename} cannot hold {dtype} of shape {shape}")
        num_bytes = math.prod(shape) * dtype.itemsize
        if start.tell() + num_bytes != member.file_size:
            raise ValueError(
                f"{member.filename} must have {num_bytes} bytes for {dtype} of shape {shape}. "
                f"Received: {member.file_size - start.tell()}"
            )
        data, done = np.empty(num_bytes, "uint8"), 0
        block = start.read()
        while block:
            data[done : done + len(block)] = np.frombuffer(block, "uint8")
            done += len(block)
            block = file.read(2**20)
    if done != num_bytes:
        raise ValueError(f"{member.filename} ends after {done} of {num_bytes} bytes")
    array = data.view(dtype).reshape(shape, order="F" if fortran else "C")
    array = array.astype(dtype.newbyteorder("="), copy=False)
    if dtype.kind == "U":
        codes = np.ascontiguousarray(array).reshape(-1).view("uint32")
        if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes <= 0xDFFF))).any():
            raise ValueError(f"{member.filename} must hold Unicode text")
    return array


def _header(file, name):
    """Returns shape, whether the order is Fortran's, and type; `file` is then at the numbers."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        return readers[np.lib.format.read_magic(file)](file, max_header_size=HEADER_BYTES)
    except Exception as error:  # damaged bytes make NumPy's parser raise a dozen kinds
        raise ValueError(f"{name} must begin with the header of an array") from error
