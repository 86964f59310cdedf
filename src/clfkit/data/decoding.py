"""One image file as an array of pixels in the format that a model sees."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clfkit.data.bundle import ImageFormat, PixelArray
from clfkit.data.jpeg_decoders import JpegDecoder, jpeg_decoder
from clfkit.data.jpeg_headers import plain_size
from clfkit.data.lockstep import Steps, finished
from clfkit.data.opening import MAX_PIXELS, STUMBLES, opened_image, small_file, told_of, too_many_bytes
from clfkit.data.resizing import Sides, fitted, swaps_sides, turned
from clfkit.errors import BadImage

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MOST_JPEG_BYTES = 4 * MAX_PIXELS  # more than so many pixels take there
WHOLE = MAX_PIXELS  # a side that no file has, so that none is reduced to it
ORIENTATION = 0x0112  # the tag in EXIF data
WAITING_BYTES = 1 << 20  # of a file, or of its pixels, that may wait for other images to come as far


def decode_image(path: Path, image_format: ImageFormat, content: bytes | None = None) -> PixelArray:
    """One image file as uint8 (channels, height, width) in the given format.

    content: the file's bytes where they lie inside another file; then `path` only names it in messages.
    The camera's orientation (EXIF) is applied, transparency is laid on white, 16-bit greys are scaled to 8 bits,
    and of an animation the first frame is taken. Raises BadImage naming the file and what is wrong with it, DataError
    for a disk that cannot be read.
    """
    return finished(decode_in_steps(path, image_format, content))


def decode_in_steps(path: Path, image_format: ImageFormat, content: bytes | None = None) -> Steps[PixelArray]:
    """The same with pauses: before a plain JPEG file is decoded, and before pixels are resized.

    There is none while it holds an open file, what Pillow has made of one, or more than WAITING_BYTES.
    """
    content = small_file(path, WAITING_BYTES) if content is None else content
    if content is not None and (decode := jpeg_decoder(image_format.decoder)):
        found = yield from _of_plain_file(path, content, image_format, decode)
        if found is not None:
            return found
    stored, extent, orientation = _by_pillow(path, content, image_format)
    if stored.nbytes <= WAITING_BYTES:
        yield
    with told_of(path):
        return _fitted(stored, extent, image_format, orientation)


def _of_plain_file(
    path: Path, content: bytes, image_format: ImageFormat, decode: JpegDecoder
) -> Steps[PixelArray | None]:
    """What `decode` makes of a plain JPEG file; None for all others and damaged ones, of which Pillow's way tells."""
    size = plain_size(content)
    if size is None or math.prod(size) > MAX_PIXELS or len(content) > MOST_JPEG_BYTES:
        return None
    if len(content) <= WAITING_BYTES:
        yield
    try:
        decoded = _reduced(content, size, image_format, decode)
    except (OSError, *STUMBLES):
        return None
    if decoded is None:
        return None
    if decoded[0].nbytes <= WAITING_BYTES:
        yield
    with told_of(path):
        return _fitted(*decoded, image_format)


def _by_pillow(path: Path, content: bytes | None, image_format: ImageFormat) -> tuple[PixelArray, Sides, int]:
    """The pixels of any file as they are stored, see `_stored`, and how the camera was held."""
    with opened_image(path, content) as opened:
        stored, extent = _stored(path, opened, image_format)
        # formats that turn pixels themselves have lost it by now
        return stored, extent, opened.getexif().get(ORIENTATION, 1)


def _fitted(stored: PixelArray, extent: Sides, image_format: ImageFormat, orientation: int = 1) -> PixelArray:
    """Stored pixels in the size of the format, as they are to be seen."""
    size = (image_format.height, image_format.width)
    if swaps_sides(orientation):
        size = size[::-1]
    return turned(fitted(stored, extent, size, crop=image_format.resize == "crop"), orientation)


def whole_picture(path: Path, image_format: ImageFormat, content: bytes | None = None) -> tuple[PixelArray, str]:
    """One image file in full, upright, uint8 (channels, height, width) of any size, and Pillow's word for its mode.

    It is decoded as `decode_image` decodes it, in the channels of the format and by its decoder. Raises as that does.
    """
    with opened_image(path, content) as opened:
        mode = opened.mode
        stored, _ = _stored(path, opened, image_format.model_copy(update={"height": WHOLE, "width": WHOLE}))
        return turned(np.moveaxis(stored, 2, 0), opened.getexif().get(ORIENTATION, 1)), mode


def shape_of(image_format: ImageFormat) -> tuple[int, int, int]:
    """(channels, height, width)."""
    return image_format.channels, image_format.height, image_format.width


def _stored(path: Path, opened: ImageFile, image_format: ImageFormat) -> tuple[PixelArray, Sides]:
    """The pixels of a file as they are stored (height, width, channels), 8 bits each, and the extent of the picture.

    JPEG files are reduced while they are decoded, but not below the size of the format.
    """
    from PIL.JpegImagePlugin import JpegImageFile

    if opened.mode == "F":
        raise BadImage(path, "unsupported", "floating-point pixels have no fixed range")
    decode = jpeg_decoder(image_format.decoder)
    if decode is not None and isinstance(opened, JpegImageFile) and opened.mode in ("L", "RGB"):
        decoded = _reduced(_content(path, opened), opened.size[::-1], image_format, decode)
        if decoded is not None:
            return decoded
    mode, least = ("L" if image_format.channels == 1 else "RGB"), max(image_format.height, image_format.width)
    draft = opened.draft(mode, (least, least))
    opened.load()
    pixels = np.asarray(_eight_bits(opened, mode), dtype=np.uint8)
    _, _, wide, tall = draft[1] if draft else (0, 0, *pixels.shape[1::-1])
    return pixels.reshape(*pixels.shape[:2], -1), (tall, wide)


def _reduced(
    content: bytes, size: tuple[int, int], image_format: ImageFormat, decode: JpegDecoder
) -> tuple[PixelArray, Sides] | None:
    """What `_stored` returns, of a JPEG file of this (height, width) by this decoder; None where it is not for it."""
    least = max(image_format.height, image_format.width)
    divisor = max((each for each in (2, 4, 8) if min(size) >= each * least), default=1)
    pixels = decode(content, image_format.channels == 1, size, divisor)
    if pixels is None:
        return None
    return pixels, size if len(pixels) == size[0] else (size[0] / divisor, size[1] / divisor)


def _content(path: Path, opened: ImageFile) -> bytes:
    """The whole of an opened file. Raises BadImage for one that is larger than an image may be."""
    assert opened.fp is not None, "it is open"
    if (size := opened.fp.seek(0, os.SEEK_END)) > MOST_JPEG_BYTES:
        raise too_many_bytes(path, size)
    opened.fp.seek(0)
    return opened.fp.read()


def _eight_bits(image: Image, mode: str) -> Image:
    """Any image in mode L (grey) or RGB, with 8 bits a channel."""
    from PIL import Image as images

    if image.mode.startswith("I"):  # 16 bits, in Pillow's 16- or 32-bit containers
        grey = np.clip(np.asarray(image).astype(np.float64), 0, 65535) / 257
        image = images.fromarray(np.rint(grey).astype(np.uint8))
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        image = images.alpha_composite(images.new("RGBA", picture.size, "white"), picture)
    return image if image.mode == mode else image.convert(mode)
