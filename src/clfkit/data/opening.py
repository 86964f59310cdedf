"""One image file, opened without trusting it: what it claims is checked before anything is decoded."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from clfkit.data.scanning import FORMATS
from clfkit.errors import BadImage, DataError, ImageFault

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 89_000_000  # a header that claims more is refused before anything is decoded; Pillow warns from 89.5 on
MOST_BYTES = 8 * MAX_PIXELS  # of a file: more than so many pixels take
READ = tuple(dict.fromkeys(FORMATS.values()))  # and no others: for EPS files, Pillow would start Ghostscript
BEGINNING = 32  # bytes that tell a format

MAGIC = {
    b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"BM": "BMP", b"GIF8": "GIF", b"RIFF": "WebP", b"II*\0": "TIFF",
    b"MM\0*": "TIFF", b"P5": "PGM", b"P6": "PPM",
}  # fmt: skip
"""How files begin in the formats that are read."""

FOREIGN = {
    b"%PDF": "a PDF document", b"<svg": "an SVG drawing", b"<?xml": "an XML document", b"<!DOC": "a web page",
    b"<!doc": "a web page", b"<html": "a web page", b"PK\3\4": "a zip archive", b"\x1f\x8b": "a gzip archive",
    b"8BPS": "a Photoshop file", b"\0\0\1\0": "an icon", b"\0\0\0\x0cjP": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL": "JPEG XL", b"version https://git-lfs": "a pointer of Git LFS",
}  # fmt: skip
"""How files begin that are often taken for images."""

BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF"}

KINDS = {
    stat.S_IFIFO: "a named pipe", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip

MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
FORBIDDEN = (errno.EACCES, errno.EPERM)
AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

STUMBLES = (
    ValueError, SyntaxError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError,
    struct.error, zlib.error,
)  # fmt: skip
"""What Pillow raises in damaged files beside OSError: its parsers trust what they have read, such as a resolution that
is text."""


class Header(NamedTuple):
    """What an image file says of itself. size: its bytes; mode: Pillow's word for its channels."""

    format: str
    width: int
    height: int
    mode: str
    size: int


def read_header(path: Path, content: bytes | None = None) -> Header:
    """What the header of an image file says; no pixel is decoded. Raises as `opened_image` does."""
    with opened_image(path, content) as opened:
        assert opened.fp is not None, "it is open"
        size = opened.fp.seek(0, os.SEEK_END)
        return Header(opened.format or "", opened.width, opened.height, opened.mode, size)


@contextlib.contextmanager
def opened_image(path: Path, content: bytes | None = None) -> Iterator[ImageFile]:
    """An image file whose header was read and claims no more pixels than are read; nothing is decoded yet.

    content: the file's bytes where they lie inside another file; then `path` only names it in messages.
    Raises BadImage, for what goes wrong while it is open too, with what is wrong with the file: another kind of file (a
    named pipe is not waited for), none, a foreign format, too many pixels, damage. Raises DataError for a disk that
    cannot be read, which says nothing of the image.
    """
    from PIL import Image, UnidentifiedImageError

    with opened_file(path) if content is None else io.BytesIO(content) as file, told_of(path):
        start = file.read(BEGINNING)
        if not start:
            raise BadImage(path, "empty", "an empty file")
        file.seek(0)
        try:
            with Image.open(file, formats=READ) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    reason = f"{width}×{height} pixels are more than the {MAX_PIXELS:,} that are read"
                    raise BadImage(path, "too large", reason)
                yield opened
        except UnidentifiedImageError:
            raise BadImage(path, *_unidentified(start)) from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise BadImage(path, "too large", f"more than the {MAX_PIXELS:,} pixels that are read") from None


@contextlib.contextmanager
def told_of(path: Path) -> Iterator[None]:
    """What goes wrong while an image is worked at is told of this file: raises BadImage, or DataError for a disk."""
    try:
        yield
    except OSError as error:
        raise refused(path, error) from None
    except STUMBLES as error:
        raise BadImage(path, "damaged", f"damaged image: {error}") from None


def opened_file(path: Path) -> BinaryIO:
    """A regular file, for reading; it is never waited for, as opening a named pipe would. Raises as `state_of` does."""
    state_of(path)
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | AT_ONCE), "rb")  # it may have become a pipe since
    except OSError as error:
        raise refused(path, error) from None


def state_of(path: Path) -> os.stat_result:
    """Size and times of a regular file, which is not opened.

    Raises BadImage for anything else, and for a file that is missing or that may not be read; DataError for a disk that
    cannot be read.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise refused(path, error) from None
    if not stat.S_ISREG(found.st_mode):
        raise no_file(path, found.st_mode)
    return found


def read_file(path: Path) -> bytes:
    """The bytes of a regular file. Raises as `opened_file` does, and BadImage for one larger than an image may be."""
    found = _content_or_size(path, MOST_BYTES)
    if isinstance(found, int):
        raise too_many_bytes(path, found)
    return found


def small_file(path: Path, most: int) -> bytes | None:
    """The bytes of a regular file, None where there are more than `most`. Raises as `opened_file` does."""
    found = _content_or_size(path, most)
    return None if isinstance(found, int) else found


def _content_or_size(path: Path, most: int) -> bytes | int:
    """The bytes of a file, or how many there are where they are more than `most`."""
    with opened_file(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            return file.read() if size <= most else size
        except OSError as error:
            raise refused(path, error) from None


def too_many_bytes(path: Path, size: int) -> BadImage:
    """What is said of a file that is larger than an image may be."""
    return BadImage(path, "too large", f"{size:,} bytes are more than {MAX_PIXELS:,} pixels take")


def no_file(path: Path, mode: int) -> BadImage:
    """What stands where a regular file should."""
    return BadImage(path, "no regular file", f"{KINDS.get(stat.S_IFMT(mode), 'something else')}, not a file")


def refused(path: Path, error: OSError) -> DataError:
    """What an OSError says of an image file: those of the system have a number, those of Pillow have none."""
    if error.errno is None:
        return BadImage(path, "damaged", f"damaged image: {error}")
    if error.errno in MISSING:
        if error.errno == errno.ENOENT and not path.is_symlink():
            return BadImage(path, "missing", "no such file")
        return BadImage(path, "missing", "a link to nothing" if error.errno == errno.ENOENT else _said(error))
    if error.errno in FORBIDDEN:
        return BadImage(path, "not permitted", _said(error))
    return DataError(f"{path}: cannot be read: {_said(error)}")


def _said(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _unidentified(start: bytes) -> tuple[ImageFault, str]:
    """What a file is that begins so and that Pillow does not know."""
    for magic, name in MAGIC.items():
        if start.startswith(magic):
            return "damaged", f"damaged image: its {name} header is cut off or damaged"
    what = BRANDS.get(start[8:12]) if start[4:8] == b"ftyp" else None
    for magic, name in FOREIGN.items():
        what = name if start.startswith(magic) else what
    it_is = f"{what}, " if what else ""
    return "unknown format", f"{it_is}not an image in a format that is read ({', '.join(READ)})"
