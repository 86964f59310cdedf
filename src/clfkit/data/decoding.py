"""One image file as an array of pixels in the format that a model sees."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clfkit.data.bundle import ImageFormat, PixelArray
from clfkit.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000  # a header that claims more is refused before anything is decoded


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


def shape_of(image_format: ImageFormat) -> tuple[int, int, int]:
    """(channels, height, width)."""
    return image_format.channels, image_format.height, image_format.width


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
