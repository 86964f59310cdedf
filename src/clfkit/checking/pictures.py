"""What is noted of each picture: a digest of its pixels, a thumbnail, its sides and its mode."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import PixelArray

THUMB = (16, 18)
MODES = ("", "L", "RGB", "P", "RGBA", "LA", "CMYK", "1", "I;16", "I", "F", "YCbCr", "PA", "LAB", "HSV", "RGBX")
"""Pillow's words for the channels of a file; the first stands for any other."""
GREY_MODES = ("L", "LA", "1", "I;16", "I", "F")

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""The shares of red, green and blue in grey (ITU-R BT.601), as Pillow has them."""

PIXELS_AT_ONCE = 1_000_000
"""Of a large picture, so many become floating-point numbers at a time."""

PICTURE = np.dtype([("digest", "<u8", (2,)), ("thumb", "u1", THUMB), ("sides", "<i4", (2,)), ("mode", "u1")])
"""sides: height and width in pixels. digest: 128 bits of the pixels and their shape. mode: a position in MODES."""

Pictures = npt.NDArray[Any]
"""(N,) of PICTURE."""


def noted(pixels: PixelArray, mode: str) -> Pictures:
    """A picture (channels, height, width) as it is noted, of shape (1,)."""
    found = np.zeros(1, PICTURE)
    found["digest"] = digest_of(pixels)
    found["thumb"] = thumbnail(pixels)
    found["sides"] = pixels.shape[1:]
    found["mode"] = MODES.index(mode) if mode in MODES else 0
    return found


def digest_of(values: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """128 bits (2,) of an array's content, shape and type."""
    digest = hashlib.blake2b(f"{values.dtype} {values.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).data)
    return np.frombuffer(digest.digest(), "<u8")


def thumbnail(pixels: PixelArray) -> PixelArray:
    """A picture (channels, height, width) in grey, as averages over 16 rows of 18 parts of one size."""
    height, width = pixels.shape[1:]
    down, across = _averages(height, THUMB[0]), _averages(width, THUMB[1])
    at_once = max(1, PIXELS_AT_ONCE // width)
    starts = range(0, height, at_once)
    stripes = (down[:, at : at + at_once] @ pixels[:, at : at + at_once].astype(np.float32) for at in starts)
    small = sum(stripes, np.float32(0)) @ across.T
    grey = small[0] if len(small) == 1 else np.tensordot(LUMA, small, 1)
    return np.asarray(np.rint(grey), np.uint8)


@lru_cache(maxsize=256)
def _averages(old: int, new: int) -> npt.NDArray[np.float32]:
    """The matrix (new, old) that averages `old` values over `new` intervals of one length."""
    edges = np.linspace(0, old, new + 1)
    starts = np.arange(old)
    held = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return np.asarray(np.maximum(held, 0) * (new / old), np.float32)
