"""Samples as small pictures inside a page."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import IndexArray, Split
from clfkit.errors import ClfkitError

LARGEST = 160
"""Longest side of a picture, in pixels."""
PLAIN = 64
"""Up to this side a picture is kept exactly, as PNG; larger ones of photographs are JPEG."""
QUALITY = 82


def data_uri(pixels: npt.NDArray[np.generic]) -> str:
    """An image (channels, height, width) of pixels from 0 to 255 as a `data:` address, at most 160 pixels wide."""
    from PIL import Image

    image = Image.fromarray(np.asarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1), np.uint8))
    image.thumbnail((LARGEST, LARGEST))
    kind = "png" if max(image.size) <= PLAIN else "jpeg"
    options = {"optimize": True} if kind == "png" else {"quality": QUALITY}
    image.save(content := io.BytesIO(), kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"


def pictures_of(split: Split, rows: IndexArray) -> list[str] | str:
    """Some images of a split as `data:` addresses, or why one of them cannot be read."""
    try:
        return [data_uri(pixels) for pixels in split.inputs[rows]]
    except ClfkitError as error:
        return str(error)
