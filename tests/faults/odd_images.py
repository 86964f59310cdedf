"""Image files that are bad or odd, each in a few bytes."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from clfkit.errors import ImageFault

Pixels = npt.NDArray[np.uint8]

SIDE = 32
rng = np.random.default_rng(0)
TEXTURE: Pixels = np.kron(rng.integers(0, 256, (4, 4, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
PICTURE = Image.fromarray(TEXTURE)
LEFT_DARK: Pixels = np.repeat(np.array([[0] * 16 + [255] * 16], np.uint8), SIDE, axis=0)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image as a file's bytes."""
    image.save(file := io.BytesIO(), kind, **options)
    return file.getvalue()


PNG, JPEG = saved(PICTURE, "PNG"), saved(PICTURE, "JPEG", quality=95, subsampling=0)


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width: int, height: int, data: bytes = b"", *more: bytes) -> bytes:
    """A PNG file (8 bits, colour) whose header claims that size. more: chunks before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(data, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more) + pixels + chunk(b"IEND", b"")


def spoiled(content: bytes, at: float) -> bytes:
    """A few bytes are others, at that share of the file."""
    place = int(at * len(content))
    return content[:place] + bytes(byte ^ 0x55 for byte in content[place : place + 4]) + content[place + 4 :]


def turned() -> bytes:
    """Stored lying on its side, as cameras do."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(PICTURE.rotate(90), "JPEG", quality=95, subsampling=0, exif=exif)


def with_transparent_half() -> bytes:
    """A palette whose first colour, that of the right half, is transparent."""
    image = Image.fromarray(np.where(LEFT_DARK == 0, 1, 0).astype(np.uint8), "L").convert("P")
    image.putpalette([200, 0, 0, 0, 0, 0])
    return saved(image, "PNG", transparency=0)


class Refused(NamedTuple):
    """What is told of a file: its fault, and a part of the reason. by: the decoders that tell it."""

    fault: ImageFault
    reason: str
    by: tuple[str, ...] = ("pillow", "simplejpeg")


class Odd(NamedTuple):
    """A file of a name, and what comes of it: the pixels (height, width, 3) that a person would see, or a refusal."""

    name: str
    content: bytes | Callable[[Path], object]
    outcome: Pixels | Refused


def grey(values: Pixels) -> Pixels:
    """The same in three channels."""
    return np.repeat(values[:, :, None], 3, axis=2)


READABLE = "an image in a format that is read"
FOREIGN = f"not {READABLE}"

ODD_IMAGES: dict[str, Odd] = {
    # no image at all
    "empty": Odd("a.png", b"", Refused("empty", "an empty file")),
    "text": Odd("a.jpg", b"hello, world\n" * 9, Refused("unknown format", FOREIGN)),
    "web page": Odd("a.jpg", b"<!DOCTYPE html><html>404</html>", Refused("unknown format", "a web page, " + FOREIGN)),
    "LFS pointer": Odd(
        "a.png", b"version https://git-lfs.github.com/spec/v1\n", Refused("unknown format", "a pointer of")
    ),
    "HEIC": Odd("a.jpg", b"\0\0\0\x18ftypheic" + bytes(99), Refused("unknown format", "HEIC, " + FOREIGN)),
    "AVIF": Odd("a.png", saved(PICTURE, "AVIF"), Refused("unknown format", "AVIF, " + FOREIGN)),
    "JPEG 2000": Odd("a.jpg", saved(PICTURE, "JPEG2000"), Refused("unknown format", "JPEG 2000, " + FOREIGN)),
    "EPS": Odd("a.png", saved(PICTURE, "EPS"), Refused("unknown format", FOREIGN)),
    "zeros": Odd("a.png", bytes(500), Refused("unknown format", FOREIGN)),
    # damaged
    "header cut": Odd("a.png", PNG[:20], Refused("damaged", "damaged image: ")),
    "JPEG header cut": Odd("a.jpg", JPEG[:10], Refused("damaged", "damaged image")),
    "stream cut": Odd("a.png", PNG[:-40], Refused("damaged", "damaged image")),
    "JPEG stream cut": Odd("a.jpg", JPEG[: len(JPEG) * 2 // 3], Refused("damaged", "damaged image")),
    "GIF stream cut": Odd("a.gif", saved(PICTURE, "GIF")[:-60], Refused("damaged", "damaged image")),
    "WebP cut": Odd("a.webp", saved(PICTURE, "WEBP")[:-30], Refused("damaged", "damaged image")),
    "BMP cut": Odd("a.bmp", saved(PICTURE, "BMP")[:-500], Refused("damaged", "damaged image")),
    "TIFF cut": Odd("a.tif", saved(PICTURE, "TIFF")[:200], Refused("damaged", "damaged image")),
    "bit rot": Odd("a.png", spoiled(PNG, 0.5), Refused("damaged", "damaged image")),
    "zero-sized": Odd("a.png", png_of(0, 0), Refused("damaged", "damaged image")),
    "zero-sized GIF": Odd("a.gif", b"GIF89a" + bytes(7) + b";", Refused("damaged", "damaged image")),
    # too much
    "forged header": Odd("a.png", png_of(60_000, 60_000), Refused("too large", "more than the 89,000,000 pixels")),
    "decompression bomb": Odd(
        "a.png", png_of(12_000, 12_000, bytes(1 << 22)), Refused("too large", "more than the 89,000,000 pixels")
    ),
    "bomb in a text": Odd(
        "a.png",
        png_of(8, 8, bytes(200), chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 22), 9))),
        Refused("damaged", "damaged image: Decompressed data too large"),
    ),
    "bomb behind the pixels": Odd(
        "a.png", png_of(32, 32, b"".join(b"\0" + row.tobytes() for row in TEXTURE) + bytes(1 << 22)), TEXTURE
    ),
    "floating point": Odd(
        "a.tif", saved(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), Refused("unsupported", "floating-point")
    ),
    # no file
    "named pipe": Odd("a.png", lambda path: os.mkfifo(path), Refused("no regular file", "a named pipe, not a file")),
    "device": Odd(
        "a.png", lambda path: path.symlink_to("/dev/zero"), Refused("no regular file", "a device, not a file")
    ),
    "link loop": Odd(
        "a.png", lambda path: path.symlink_to(path.name), Refused("missing", "too many levels of symbolic")
    ),
    "dangling link": Odd("a.png", lambda path: path.symlink_to("gone.png"), Refused("missing", "a link to nothing")),
    # odd, and read as a person would see it
    "wrong suffix": Odd("a.jpg", PNG, TEXTURE),
    "one pixel": Odd(
        "a.png", saved(PICTURE.crop((0, 0, 1, 1)), "PNG"), np.broadcast_to(TEXTURE[0, 0], (SIDE, SIDE, 3))
    ),
    "CMYK": Odd("a.jpg", saved(PICTURE.convert("CMYK"), "JPEG", quality=95, subsampling=0), TEXTURE),
    "16 bits": Odd("a.png", saved(Image.fromarray(LEFT_DARK.astype(np.uint16) * 257), "PNG"), grey(LEFT_DARK)),
    "one bit": Odd("a.png", saved(Image.fromarray(LEFT_DARK).convert("1"), "PNG"), grey(LEFT_DARK)),
    "transparent palette": Odd("a.png", with_transparent_half(), grey(LEFT_DARK)),
    "grey in colour": Odd("a.jpg", saved(Image.fromarray(LEFT_DARK), "JPEG", quality=95), grey(LEFT_DARK)),
    "animated GIF": Odd(
        "a.gif",
        saved(Image.fromarray(LEFT_DARK), "GIF", save_all=True, append_images=[Image.new("L", (SIDE, SIDE))]),
        grey(LEFT_DARK),
    ),
    "animated WebP": Odd(
        "a.webp",
        saved(PICTURE, "WEBP", save_all=True, lossless=True, append_images=[Image.new("RGB", (SIDE, SIDE))]),
        TEXTURE,
    ),
    "EXIF rotation": Odd("a.jpg", turned(), TEXTURE),
    "ICC profile": Odd("a.png", saved(PICTURE, "PNG", icc_profile=b"no profile at all" * 20), TEXTURE),
    "bytes behind the end": Odd("a.jpg", JPEG + b"<?php evil(); ?>" * 50, TEXTURE),
    "name with newline": Odd("a\nb\x1b[31m.png", PNG, TEXTURE),
    "JPEG bit rot": Odd("a.jpg", spoiled(JPEG, 0.9), Refused("damaged", "damaged image", by=("simplejpeg",))),
}
"""By what is odd about them."""


def place(odd: Odd, folder: Path) -> Path:
    """Put the file into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / odd.name
    if isinstance(odd.content, bytes):
        path.write_bytes(odd.content)
    else:
        odd.content(path)
    return path
