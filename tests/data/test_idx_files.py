"""IDX files: what was written comes back, and no other file passes for one."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from clfkit.data.idx_files import read_idx
from clfkit.errors import DataError
from clfkit.vision import torchvision

Bytes = npt.NDArray[np.uint8]
Encoder = Callable[[Bytes], bytes]

arrays = npst.arrays(np.uint8, npst.array_shapes(min_dims=1, max_dims=4, max_side=6))
SMALL = 200_000  # bytes of memory that reading a file of less than 100 bytes may take, Python's own objects included


def read(content: bytes, dimensions: int) -> Bytes:
    """What `read_idx` makes of a file with that content."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "some-idx"
        file.write_bytes(content)
        return read_idx(file, dimensions)


@settings(deadline=None)
@given(array=arrays)
def test_arrays_come_back(idx_bytes: Encoder, array: Bytes) -> None:
    again = read(idx_bytes(array), array.ndim)
    assert again.dtype == np.uint8
    assert again.flags.writeable and again.flags.c_contiguous
    assert again.shape == array.shape
    assert again.tobytes() == array.tobytes()


@settings(deadline=None, max_examples=30)
@given(array=npst.arrays(np.uint8, npst.array_shapes(min_dims=1, max_dims=3, max_side=6)))
def test_torchvision_reads_the_same(idx_bytes: Encoder, array: Bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "some-idx"
        file.write_bytes(idx_bytes(array))
        theirs = torchvision().datasets.mnist.read_sn3_pascalvincent_tensor(file).numpy()
        mine = read_idx(file, array.ndim)
    assert (mine.dtype, mine.shape, mine.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())


@settings(deadline=None)
@given(array=arrays, data=st.data())
def test_every_truncation_is_refused(idx_bytes: Encoder, array: Bytes, data: st.DataObject) -> None:
    content = idx_bytes(array)
    length = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(DataError, match="some-idx: damaged: "):
        read(content[:length], array.ndim)


@settings(deadline=None)
@given(array=arrays, more=st.binary(min_size=1, max_size=50))
def test_every_extension_is_refused(idx_bytes: Encoder, array: Bytes, more: bytes) -> None:
    with pytest.raises(DataError, match=r"some-idx: damaged: .* bytes of data for its shape"):
        read(idx_bytes(array) + more, array.ndim)


magics = st.one_of(st.binary(max_size=4), st.integers(0, 255).map(lambda number: bytes([0, 0, 8, number])))
sizes = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 2**32 - 1)), max_size=4).map(
    lambda numbers: b"".join(number.to_bytes(4, "big") for number in numbers)
)


@settings(deadline=None, max_examples=300)
@given(magic=magics, sizes=sizes, rest=st.binary(max_size=50), dimensions=st.integers(1, 4))
def test_any_header_is_read_or_refused_in_little_memory(
    magic: bytes, sizes: bytes, rest: bytes, dimensions: int
) -> None:
    content = magic + sizes + rest
    tracemalloc.start()  # NumPy reports its arrays
    try:
        with suppress(DataError):
            assert read(content, dimensions).size == len(content) - 4 - 4 * dimensions
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SMALL


@settings(deadline=None)
@given(shape=st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=4), rest=st.binary(max_size=50))
def test_a_header_that_claims_too_much_is_refused_in_little_memory(shape: list[int], rest: bytes) -> None:
    assume(np.prod(shape, dtype=object) != len(rest))
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=f"{len(rest)} are there"):
            read(header + rest, len(shape))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SMALL


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file, it begins with nothing"),
        (b"\0\0\x08", "not an IDX file, it begins with 00 00 08"),
        (b"junk" * 100, "not an IDX file, it begins with 6a 75 6e 6b"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", r"numbers are of the type 0x0d; only 0x08 \(bytes\) is read"),
        (b"\0\0\x08\x03" + b"\0\0\0\x01" * 3 + b"\0", "its number of dimensions is 3, not 1"),
        (b"\0\0\x08\0\0", "its number of dimensions is 0, not 1"),
        (b"\0\0\x08\x01\0\0\0", "damaged: it ends within its header"),
        (b"\0\0\x08\x01\0\0\0\0", r"empty: its shape is \(0,\)"),
        (
            b"\0\0\x08\x01\xff\xff\xff\xffab",
            r"4,294,967,295 bytes of data for its shape \(4294967295,\) .* 2 are there",
        ),
    ],
)
def test_each_fault_is_told_with_the_file(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=f"/some-idx: .*{message}") as caught:
        read(content, 1)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent: cannot be read: No such file"):
        read_idx(tmp_path / "absent", 1)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_idx(tmp_path, 1)
