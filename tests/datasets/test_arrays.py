import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from seqlayers.datasets import arrays
from seqlayers.datasets.arrays import INTEGERS, TEXTS, Array, read_arrays

FORMS = {"numbers": INTEGERS, "names": TEXTS, "grid": Array("f", axes=2)}
RIGHT = {
    "numbers": np.array([1, 2**40]),
    "names": np.array(["a", "bé"]),
    "grid": np.arange(6.0).reshape(2, 3),
}


def npz(compressed=True, **given):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **given)
    return file


def npy(header, data=b"", version=1):
    text = header.encode("latin1")
    return b"\x93NUMPY" + struct.pack("<BBH", version, 0, len(text)) + text + data


def zipped(members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"grid": np.asfortranarray(RIGHT["grid"])},
        {"grid": RIGHT["grid"].astype(">f8")},
        {"grid": np.zeros((0, 3))},
        {"names": RIGHT["names"].astype(">U2")},
        {"numbers": np.array([], "uint8")},
        {"unknown": np.array([None])},
    ],
    ids=str,
)
def test_arrays_are_read_as_numpy_reads_them(compressed, changes):
    given = RIGHT | changes
    read = read_arrays(npz(compressed, **given), FORMS)
    assert list(read) == list(FORMS)
    for name, array in read.items():
        np.testing.assert_array_equal(array, given[name])
        assert array.dtype == given[name].dtype.newbyteorder("=")


def test_optional_arrays_are_there_together_or_not_at_all():
    rest = {"grid": FORMS["grid"], "names": TEXTS}
    assert list(read_arrays(npz(numbers=RIGHT["numbers"]), {"numbers": INTEGERS}, rest)) == [
        "numbers"
    ]
    assert set(read_arrays(npz(**RIGHT), {"numbers": INTEGERS}, rest)) == set(FORMS)
    with pytest.raises(ValueError, match="`names` is missing"):
        read_arrays(npz(numbers=[1], grid=RIGHT["grid"]), {"numbers": INTEGERS}, rest)


HEADER = "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }\n"
LIES = {
    "more than there is": HEADER.replace("1,", "10000000000000,"),
    "more than an integer": HEADER.replace("1,", f"{10**40},"),
    "a negative number": HEADER.replace("1,", "-1,"),
    "many axes": HEADER.replace("1,", "1, " * 70),
    "elements of no bytes": HEADER.replace("<i8", "<U0"),
    "elements of 8 GB": HEADER.replace("<i8", "<U2000000000"),
    "objects": HEADER.replace("<i8", "|O"),
    "a record": HEADER.replace("'<i8'", "[('a', '<i8')]"),
    "no type": HEADER.replace("<i8", "?!"),
    "an open string": HEADER.replace("'shape", "'''shape"),
    "brackets": "[" * 4000,
    "a call": "__import__('os').abort()",
    "nothing": "",
}


@pytest.mark.parametrize("header", LIES.values(), ids=LIES)
def test_a_header_that_lies_is_refused(header):
    file = zipped([("numbers.npy", npy(header, bytes(8)))])
    with pytest.raises(ValueError, match="numbers.npy"):
        read_arrays(file, {"numbers": INTEGERS})


def test_text_that_is_none_is_refused():
    for code in (0x110000, 0xD800, 0xFFFFFFFF):
        codes = np.array([65, code], "uint32").view("U1")
        with pytest.raises(ValueError, match="Unicode"):
            read_arrays(npz(names=codes), {"names": TEXTS})


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_cannot_be_bounded_are_refused(method):
    file = zipped([("numbers.npy", npy(HEADER, bytes(8)))], method)
    with pytest.raises(ValueError, match="stored or deflated"):
        read_arrays(file, {"numbers": INTEGERS})


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_a_name_are_refused():
    file = zipped([("numbers.npy", npy(HEADER, bytes(8)))] * 2)
    with pytest.raises(ValueError, match="2 arrays `numbers`"):
        read_arrays(file, {"numbers": INTEGERS})


def test_a_small_file_does_not_fill_the_memory():
    zeros = np.zeros(2 * arrays.LEAST_BYTES, "uint8")
    bomb = npz(unknown=zeros, numbers=[1])
    claims = npz(numbers=zeros)
    tracemalloc.start()
    assert read_arrays(bomb, {"numbers": INTEGERS})["numbers"].tolist() == [1]
    with pytest.raises(ValueError, match="too many for a file of"):
        read_arrays(claims, {"numbers": INTEGERS})
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_member_that_unpacks_to_more_than_it_declares_is_not_unpacked():
    zeros = npy(HEADER.replace("1,", f"{2**22},"), bytes(2**25))
    data = zipped([("numbers.npy", zeros)]).getvalue()
    small = struct.pack("<L", len(npy(HEADER, bytes(8))))
    file = io.BytesIO(data.replace(struct.pack("<L", len(zeros)), small))
    tracemalloc.start()
    with pytest.raises(ValueError, match="whole .npz file"):
        read_arrays(file, {"numbers": INTEGERS})
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
