"""Decoded pixels cropped, resized and turned as the camera was held."""

from __future__ import annotations

import math

import numpy as np

from clfkit.data.bundle import PixelArray

Sides = tuple[float, float]
"""Height and width."""


def fitted(pixels: PixelArray, extent: Sides, size: tuple[int, int], *, crop: bool) -> PixelArray:
    """Pixels (height, width, channels) as (channels, *size).

    extent: height and width of the picture in pixels. A JPEG file that was reduced while it was decoded may end within
    the last row and column. crop: take the largest part with the proportions of `size`, to a pixel, so that as many
    whole pixels are cut off on one side as on the other; otherwise all is stretched.
    """
    (top, left), part = _middle(extent, size) if crop else ((0, 0), extent)
    tall, wide = (side if side >= new else math.ceil(side) for side, new in zip(part, size, strict=True))
    pixels = pixels[top : top + math.ceil(tall), left : left + math.ceil(wide)]
    return np.moveaxis(pixels, 2, 0) if (tall, wide) == size else _resized(pixels, (tall, wide), size)


def _middle(extent: Sides, size: tuple[int, int]) -> tuple[tuple[int, int], Sides]:
    """What is cut off at the top and on the left, and the height and width of what is left."""
    zoom = min(extent[0] / size[0], extent[1] / size[1])
    top, left = (
        min(round((side - new * zoom) / 2), int(side - 1) // 2) for side, new in zip(extent, size, strict=True)
    )
    return (top, left), (extent[0] - 2 * top, extent[1] - 2 * left)


def _resized(pixels: PixelArray, part: Sides, size: tuple[int, int]) -> PixelArray:
    """The upper left part of a picture (height, width, channels) as (channels, *size).

    Every new pixel is an average, weighted by a triangle as wide as two new pixels: Pillow's BILINEAR to within one
    level, which torch computes three times as fast.
    """
    import torch
    from torch.nn.functional import interpolate

    own = np.array(pixels, order="C")  # torch would copy another layout in several threads, and warns of a borrowed one
    batch = torch.from_numpy(own)[None].permute(0, 3, 1, 2)  # in this order, else the result is laid out anew
    scale = tuple(math.nextafter(new / side, math.inf) for new, side in zip(size, part, strict=True))
    result: PixelArray = interpolate(batch, scale_factor=scale, mode="bilinear", antialias=True)[0].numpy()
    return result  # of the right size: torch rounds the product down


def turned(pixels: PixelArray, orientation: int) -> PixelArray:
    """Stored pixels (channels, height, width) as they are to be seen; `orientation` is EXIF's, from 1 to 8."""
    if swaps_sides(orientation):
        pixels = pixels.swapaxes(1, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, :, ::-1]
    return pixels


def swaps_sides(orientation: int) -> bool:
    """Whether height and width change places."""
    return orientation in (5, 6, 7, 8)
