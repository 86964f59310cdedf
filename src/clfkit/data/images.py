"""Image files as arrays of pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from clfkit.data.bundle import ImageFormat, IndexArray, Inputs, Marked, PixelArray
from clfkit.data.decoding import decode_image, decode_in_steps, shape_of, whole_picture
from clfkit.data.file_states import FileStates, look_at
from clfkit.data.lockstep import Steps, in_step
from clfkit.data.names import Names
from clfkit.data.opening import read_file
from clfkit.data.threads import THREADS, threads
from clfkit.errors import BadImage

MEGABYTE = 1_000_000
TASK_IMAGES = 16  # that a thread decodes in step before it looks for more: each look takes as long as opening a file


class Images(Inputs, Marked, Protocol):
    """Images in files, which are decoded one by one whenever they are asked for."""

    @property
    def format(self) -> ImageFormat:
        """What they are decoded to."""

    def origins(self) -> Iterator[bytes]:
        """For each image, where it lies and the state of its file: what changes when it may be another one.

        Raises DataError for a missing file.
        """

    def together(self) -> Iterator[bytes]:
        """The same of all of them in few pieces, found sooner. Raises as `origins` does."""

    def decode(self, row: int) -> PixelArray:
        """One image, uint8 (channels, height, width). Raises BadImage, DataError for a disk that cannot be read."""

    def decode_in_steps(self, row: int) -> Steps[PixelArray]:
        """The same in steps."""

    def lost(self) -> Mapping[int, BadImage]:
        """The rows whose file is missing or no file at all, and what there is."""

    def take(self, rows: IndexArray) -> Images:
        """Those at these rows, none of which is lost."""

    def path(self, row: int) -> Path:
        """What messages call one of them."""

    def content(self, row: int) -> bytes:
        """The bytes of one file as they are. Raises DataError."""

    def whole(self, row: int) -> tuple[PixelArray, str]:
        """One image in full, see `whole_picture`. Raises as `decode` does."""


def decode_all(images: Images, progress: Callable[[int], object] = lambda count: None) -> PixelArray:
    """All images as one array; see `decode_each`."""
    return decode_each(len(images), images.decode_in_steps, images.format, progress)


def decode_each(
    count: int,
    decode: Callable[[int], Steps[PixelArray]],
    image_format: ImageFormat,
    progress: Callable[[int], object] = lambda count: None,
) -> PixelArray:
    """What `decode` makes of the positions from 0 to below `count`, as one array, decoded by several threads."""
    pixels = np.empty((count, *shape_of(image_format)), np.uint8)
    with threads() as pool:
        for done in decode_into(pixels, range(count), decode, pool):
            progress(done)
    return pixels


def decode_into(
    pixels: PixelArray,
    rows: Sequence[int] | IndexArray,
    decode: Callable[[int], Steps[PixelArray]],
    pool: ThreadPoolExecutor,
) -> Iterator[int]:
    """Put what `decode` makes of each row into `pixels[row]`; the threads of `pool` begin at once.

    Yields how many more are there. The iterator raises what was raised for the first of the rows that failed.
    """
    at_once = min(TASK_IMAGES, -(-len(rows) // (4 * THREADS))) or 1

    def place(start: int) -> int:
        some = rows[start : start + at_once]
        for row, found in zip(some, in_step([decode(row) for row in some]), strict=True):
            pixels[row] = found
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

    @property
    def stats(self) -> IndexArray:
        """Size in bytes, time of change and time of the entry's change, in ns, of each file: (N, 3).

        Raises BadImage for a missing file, and for what is none.
        """
        stats, lost = self._looked_at
        for bad in lost.values():
            raise bad
        return stats

    @cached_property
    def _looked_at(self) -> FileStates:
        return look_at(self.root, self.names)

    @property
    def marks(self) -> IndexArray:
        """Size in bytes and time of change in ns of each file (N, 2): cheap signs that it is another one."""
        return self.stats[:, :2]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, indices: IndexArray) -> PixelArray:
        """The pixels of the files at `indices`. Raises DataError naming a file that cannot be read."""
        chosen = np.arange(len(self))[indices]
        return decode_each(len(chosen), lambda position: self.decode_in_steps(chosen[position]), self.format)

    def whole(self, row: int) -> tuple[PixelArray, str]:
        """See Images."""
        return whole_picture(self.path(row), self.format)

    def decode(self, row: int | np.integer[Any]) -> PixelArray:
        """The pixels of one file. Raises BadImage, DataError for a disk that cannot be read."""
        return decode_image(self.path(row), self.format)

    def decode_in_steps(self, row: int | np.integer[Any]) -> Steps[PixelArray]:
        """The same in steps."""
        return decode_in_steps(self.path(row), self.format)

    def lost(self) -> Mapping[int, BadImage]:
        """See Images."""
        return self._looked_at.lost

    def take(self, rows: IndexArray) -> ImageFiles:
        """See Images."""
        chosen = ImageFiles(self.root, self.names[rows], self.format)
        vars(chosen)["_looked_at"] = FileStates(self._looked_at.stats[rows], {})  # fills the cached property
        return chosen

    def path(self, row: int | np.integer[Any]) -> Path:
        """See Images."""
        return self.root / self.names[row]

    def content(self, row: int) -> bytes:
        """See Images."""
        return read_file(self.path(row))

    def origins(self) -> Iterator[bytes]:
        """For each file its true path, by whichever way its folder was named, and its stats."""
        folder = self._true_folder()
        stats = memoryview(self.stats.tobytes())
        return (
            folder + name + b"\0" + stats[start : start + 24]
            for name, start in zip(self.names.encoded(), range(0, len(stats), 24), strict=True)
        )

    def together(self) -> Iterator[bytes]:
        """See Images."""
        return iter((self._true_folder(), self.names.lines(b"\0"), self.stats.tobytes()))

    def _true_folder(self) -> bytes:
        return os.fsencode(Path(os.path.realpath(self.root), "_"))[:-1]


def fits(count: int, image_format: ImageFormat, megabytes: int) -> bool:
    """Whether the pixels of `count` images take no more than `megabytes`."""
    return count * int(np.prod(shape_of(image_format))) <= megabytes * MEGABYTE
