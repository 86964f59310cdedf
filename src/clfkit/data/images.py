"""Image files as arrays of pixels."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import ImageFormat, IndexArray
from clfkit.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

PixelArray = npt.NDArray[np.uint8]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
MAX_PIXELS = 100_000_000  # a header that claims more is refused before anything is decoded
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


def decode_image(path: Path, image_format: ImageFormat, content: bytes | None = None) -> PixelArray:
    """One image file as uint8 (channels, height, width) in the given format.

    content: the file's bytes where they lie inside another file; then `path` only names it in messages.
    The camera's orientation (EXIF) is applied, transparency is laid on white, 16-bit greys are scaled to 8 bits,
    and of an animation the first frame is taken. Raises DataError naming the file and what is wrong with it.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path if content is None else io.BytesIO(content)) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise DataError(f"{path}: {width}×{height} pixels are more than the {MAX_PIXELS:,} that are read")
            side = 2 * max(image_format.height, image_format.width)
            opened.draft("L" if image_format.channels == 1 else "RGB", (side, side))
            return _pixels(opened, image_format)
    except UnidentifiedImageError:
        reason = "not an image in a known format"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        reason = f"more than the {MAX_PIXELS:,} pixels that are read"
    except FileNotFoundError:
        reason = "no such file"
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error) as error:
        reason = f"damaged image: {error}"
    raise DataError(f"{path}: {reason}")


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


def shape_of(image_format: ImageFormat) -> tuple[int, int, int]:
    """(channels, height, width)."""
    return image_format.channels, image_format.height, image_format.width


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


def _pixels(opened: Image, image_format: ImageFormat) -> PixelArray:
    """An opened image file as uint8 (channels, height, width)."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    image = _eight_bits(ImageOps.exif_transpose(opened), "L" if image_format.channels == 1 else "RGB")
    size = (image_format.width, image_format.height)
    if image.size != size:
        fit = image_format.resize == "crop"
        method = Resampling.BILINEAR  # averages over the whole source area when it makes an image smaller
        image = ImageOps.fit(image, size, method) if fit else image.resize(size, method)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if image_format.channels == 1 else np.moveaxis(pixels, 2, 0)


def _eight_bits(image: Image, mode: str) -> Image:
    """Any image in mode L (grey) or RGB, with 8 bits a channel."""
    from PIL import Image as images

    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range")
    if image.mode.startswith("I"):  # 16 bits, in Pillow's 16- or 32-bit containers
        grey = np.clip(np.asarray(image).astype(np.float64), 0, 65535) / 257
        image = images.fromarray(np.rint(grey).astype(np.uint8))
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        image = images.alpha_composite(images.new("RGBA", picture.size, "white"), picture)
    return image if image.mode == mode else image.convert(mode)
