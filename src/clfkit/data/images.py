"""Image files as arrays of pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from clfkit.data.bundle import ImageFormat, IndexArray, PixelArray
from clfkit.data.decoding import decode_image, shape_of
from clfkit.errors import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
MEGABYTE = 1_000_000
THREADS = min(8, os.cpu_count() or 1)  # Pillow lets go of the interpreter lock while it decodes and resizes


def is_image(path: Path) -> bool:
    """Whether the file's suffix is that of an image format that is read here."""
    return path.suffix.lower() in SUFFIXES


def find_images(folder: Path) -> list[Path]:
    """The image files below `folder`, sorted by their path; hidden files and folders are passed over.

    Links to folders are followed, but never into a folder that holds the link (a loop), nor twice into the same.
    Raises DataError for a folder that cannot be listed and for names that are not valid UTF-8.
    """
    found: list[Path] = []
    seen: set[str] = set()
    home = Path(os.path.realpath(folder))

    def scan(directory: Path, above: frozenset[str]) -> None:
        real = os.path.realpath(directory)
        if real in above or real in seen:
            return
        seen.add(real)
        for entry in entries(directory):
            if entry.is_dir():
                scan(entry, above | {real})
            elif is_image(entry):
                found.append(entry)

    scan(folder, frozenset(map(str, home.parents)))
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def entries(directory: Path) -> list[Path]:
    """What stands in `directory`, sorted by name, without hidden entries and macOS's `__MACOSX`.

    Raises DataError for a folder that cannot be listed and for names that are not valid UTF-8.
    """
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208, names are checked before they become paths
    except OSError as error:
        raise DataError(f"{directory}: cannot be listed: {error.strerror}") from None
    shown = [name for name in names if not name.startswith(".") and name != "__MACOSX"]
    for name in shown:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{directory}: the file name {os.fsencode(name)!r} is not valid UTF-8; rename the file"
            ) from None
    return [directory / name for name in shown]


def decode_many(
    paths: Sequence[Path], image_format: ImageFormat, progress: Callable[[], object] = lambda: None
) -> PixelArray:
    """Image files as one array uint8 (N, channels, height, width), decoded by several threads.

    progress: called for every image that is there.
    Raises DataError naming the first file that cannot be read.
    """
    return decode_each(len(paths), lambda position: decode_image(paths[position], image_format), image_format, progress)


def decode_each(
    count: int,
    decode: Callable[[int], PixelArray],
    image_format: ImageFormat,
    progress: Callable[[], object] = lambda: None,
) -> PixelArray:
    """What `decode` makes of the positions from 0 to below `count`, as one array, decoded by several threads."""
    pixels = np.empty((count, *shape_of(image_format)), np.uint8)
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in decode_into(pixels, range(count), decode, pool):
            progress()
    return pixels


def decode_into(
    pixels: PixelArray, rows: Iterable[int], decode: Callable[[int], PixelArray], pool: ThreadPoolExecutor
) -> Iterator[None]:
    """Put what `decode` makes of each row into `pixels[row]`; the threads of `pool` begin at once. Yields for each.

    The iterator raises what `decode` raised for the first of the rows that failed.
    """

    def place(row: int) -> None:
        pixels[row] = decode(row)

    return pool.map(place, rows)


@dataclass(frozen=True)
class ImageFiles:
    """Image files as inputs that are decoded whenever they are asked for."""

    paths: tuple[Path, ...]
    format: ImageFormat

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, channels, height, width)."""
        return (len(self.paths), *shape_of(self.format))

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """uint8."""
        return np.dtype(np.uint8)

    @cached_property
    def stats(self) -> IndexArray:
        """Size in bytes, time of change and time of the entry's change, in ns, of each file: (N, 3).

        Raises DataError for a missing file.
        """
        try:
            found = [path.stat() for path in self.paths]
        except OSError as error:
            raise DataError(f"{error.filename}: {error.strerror}") from None
        return np.array([(s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in found], np.int64).reshape(-1, 3)

    @property
    def marks(self) -> IndexArray:
        """Size in bytes and time of change in ns of each file (N, 2): cheap signs that it is another one."""
        return self.stats[:, :2]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: IndexArray) -> PixelArray:
        """The pixels of the files at `indices`. Raises DataError naming a file that cannot be read."""
        return decode_many([self.paths[index] for index in np.arange(len(self))[indices]], self.format)


def fits(count: int, image_format: ImageFormat, megabytes: int) -> bool:
    """Whether the pixels of `count` images take no more than `megabytes`."""
    return count * int(np.prod(shape_of(image_format))) <= megabytes * MEGABYTE
