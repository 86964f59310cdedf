"""Samples as small pictures inside a page."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt

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
