"""Image files as arrays of pixels."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from clfkit.data.bundle import ImageFormat, IndexArray, Inputs, Marked, PixelArray
from clfkit.data.decoding import decode_image, shape_of
from clfkit.data.names import Names
from clfkit.errors import DataError
from clfkit.reporting import work

MEGABYTE = 1_000_000
FILES_AT_ONCE = 10_000  # that are looked at before it is told
TASK_IMAGES = 8  # that a thread decodes at most before it looks for more: each look takes as long as opening a file
THREADS = min(8, os.cpu_count() or 1)  # Pillow lets go of the interpreter lock while it decodes and resizes


class Images(Inputs, Marked, Protocol):
    """Images in files, which are decoded one by one whenever they are asked for."""

    @property
    def format(self) -> ImageFormat:
        """What they are decoded to."""

    def origins(self) -> Iterator[bytes]:
        """For each image, where it lies and the state of its file: what changes when it may be another one.

        Raises DataError for a missing file.
        """

    def decode(self, row: int) -> PixelArray:
        """One image, uint8 (channels, height, width). Raises DataError naming a file that cannot be read."""


def decode_all(images: Images, progress: Callable[[int], object] = lambda count: None) -> PixelArray:
    """All images as one array; see `decode_each`."""
    return decode_each(len(images), images.decode, images.format, progress)


def decode_each(
    count: int,
    decode: Callable[[int], PixelArray],
    image_format: ImageFormat,
    progress: Callable[[int], object] = lambda count: None,
) -> PixelArray:
    """What `decode` makes of the positions from 0 to below `count`, as one array, decoded by several threads."""
    pixels = np.empty((count, *shape_of(image_format)), np.uint8)
    with ThreadPoolExecutor(THREADS) as pool:
        for done in decode_into(pixels, range(count), decode, pool):
            progress(done)
    return pixels


def decode_into(
    pixels: PixelArray, rows: Sequence[int] | IndexArray, decode: Callable[[int], PixelArray], pool: ThreadPoolExecutor
) -> Iterator[int]:
    """Put what `decode` makes of each row into `pixels[row]`; the threads of `pool` begin at once.

    Yields how many more are there. The iterator raises what `decode` raised for the first of the rows that failed.
    """
    at_once = min(TASK_IMAGES, -(-len(rows) // (4 * THREADS))) or 1

    def place(start: int) -> int:
        some = rows[start : start + at_once]
        for row in some:
            pixels[row] = decode(row)
        return len(some)

    return pool.map(place, range(0, len(rows), at_once))


@dataclass(frozen=True)
class ImageFiles:
    """Image files as inputs that are decoded whenever they are asked for.

    names: paths relative to `root`, with slashes.
    """

    root: Path
    names: Names
    format: ImageFormat

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, channels, height, width)."""
        return (len(self.names), *shape_of(self.format))

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """uint8."""
        return np.dtype(np.uint8)

    @cached_property
    def stats(self) -> IndexArray:
        """Size in bytes, time of change and time of the entry's change, in ns, of each file: (N, 3).

        Raises DataError for a missing file.
        """
        return read_stats(self.root, self.names)

    @property
    def marks(self) -> IndexArray:
        """Size in bytes and time of change in ns of each file (N, 2): cheap signs that it is another one."""
        return self.stats[:, :2]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, indices: IndexArray) -> PixelArray:
        """The pixels of the files at `indices`. Raises DataError naming a file that cannot be read."""
        chosen = np.arange(len(self))[indices]
        return decode_each(len(chosen), lambda position: self.decode(chosen[position]), self.format)

    def decode(self, row: int | np.integer[Any]) -> PixelArray:
        """The pixels of one file. Raises DataError naming it if it cannot be read."""
        return decode_image(self.root / self.names[row], self.format)

    def origins(self) -> Iterator[bytes]:
        """For each file its true path, by whichever way its folder was named, and its stats."""
        folder = os.fsencode(Path(os.path.realpath(self.root), "_"))[:-1]
        stats = memoryview(self.stats.tobytes())
        return (
            folder + name + b"\0" + stats[start : start + 24]
            for name, start in zip(self.names.encoded(), range(0, len(stats), 24), strict=True)
        )


def read_stats(root: Path, names: Names) -> IndexArray:
    """See `ImageFiles.stats`."""
    folder = os.fsencode(root / "_")[:-1]
    found = array("q")
    with work("looking at files", len(names)) as progress:
        for start in range(0, len(names), FILES_AT_ONCE):
            some = names[start : start + FILES_AT_ONCE]
            for name in some.encoded():
                try:
                    stat = os.stat(folder + name)  # noqa: PTH116, a Path would take longer than the file system
                except OSError as error:
                    raise DataError(f"{root / os.fsdecode(name)}: {error.strerror}") from None
                found.extend((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
            progress.advance(len(some))
    return np.array(found, np.int64).reshape(-1, 3)


def fits(count: int, image_format: ImageFormat, megabytes: int) -> bool:
    """Whether the pixels of `count` images take no more than `megabytes`."""
    return count * int(np.prod(shape_of(image_format))) <= megabytes * MEGABYTE
