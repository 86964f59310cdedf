"""IDX files of bytes, the format of MNIST, read without trust in the sizes that they claim."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from clfkit.data.bundle import PixelArray
from clfkit.errors import DataError

BYTES = 0x08  # the type of unsigned bytes; the format also knows wider numbers
SIZE_BYTES = 4  # of the size of one dimension, big-endian


def read_idx(path: Path, dimensions: int) -> PixelArray:
    """The array of an IDX file, uint8 with so many dimensions.

    The file holds two zero bytes, a byte for the type, a byte for the number of dimensions, the size of each, and
    the data in C order. Nothing is allocated before these sizes are found to give the file's length exactly.

    Source: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/, 1998.

    Raises DataError for anything else than such an array of at least one element.
    """
    try:
        with path.open("rb") as file:
            shape = _shape(file, path, dimensions)
            start, length = file.tell(), os.fstat(file.fileno()).st_size
            count = math.prod(shape)
            if length != start + count:
                claim = f"{count:,} bytes of data for its shape {shape}"
                raise DataError(f"{path}: damaged: {claim} were expected, but {length - start:,} are there")
            if not count:
                raise DataError(f"{path}: empty: its shape is {shape}")
            held = np.fromfile(file, np.uint8, count)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(held) != count:  # it shrank meanwhile
        raise DataError(f"{path}: damaged: it ends after {len(held):,} of {count:,} bytes of data")
    return held.reshape(shape)


def _shape(file: BinaryIO, path: Path, dimensions: int) -> tuple[int, ...]:
    """The sizes of all dimensions as the header claims them. Raises DataError when it describes another array."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(f"{path}: damaged: not an IDX file, it begins with {magic.hex(' ') or 'nothing'}")
    if magic[2] != BYTES:
        raise DataError(f"{path}: its numbers are of the type 0x{magic[2]:02x}; only 0x{BYTES:02x} (bytes) is read")
    if magic[3] != dimensions:
        raise DataError(f"{path}: its number of dimensions is {magic[3]}, not {dimensions}")
    sizes = file.read(SIZE_BYTES * dimensions)
    if len(sizes) < SIZE_BYTES * dimensions:
        raise DataError(f"{path}: damaged: it ends within its header")
    return tuple(np.frombuffer(sizes, ">u4").tolist())
