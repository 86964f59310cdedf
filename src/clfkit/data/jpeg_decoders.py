"""Decoders of JPEG files beside Pillow, which are faster and need a library that may be missing."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import cache

import numpy as np

from clfkit.data.bundle import Decoder, PixelArray
from clfkit.errors import DataError

JpegDecoder = Callable[[bytes, bool, tuple[int, int], int], PixelArray | None]
"""(content, grey, (height, width), divisor) → the pixels (height, width, channels) of a grey or RGB file, as stored.

divisor: 1, 2, 4 or 8, by which the sides may be divided, rounded up. None for a file that may be sound but is not for
this decoder. Raises ValueError for a damaged file."""

UNNAMED_SUBSAMPLING = "Could not determine subsampling level of JPEG image"
"""How libjpeg-turbo's interface, not libjpeg itself, refuses valid files whose subsampling it has no name for."""


@cache
def jpeg_decoder(name: Decoder) -> JpegDecoder | None:
    """The decoder of that name; None for Pillow. Raises DataError where its library is missing or does not load."""
    try:
        return MAKERS[name]()
    except ImportError as error:
        raise DataError(f"images are decoded by {name} (data.decoder), {error}") from None


def versions(name: Decoder) -> str:
    """The libraries, with their versions, that make pixels of image files when this one decodes JPEG files."""
    libraries = dict.fromkeys(("pillow", "torch", name))
    return " ".join(f"{library} {importlib.metadata.version(library)}" for library in libraries)


def _simplejpeg() -> JpegDecoder:
    """libjpeg-turbo by the library simplejpeg, in its strict mode: whatever libjpeg warns of is an error."""
    try:
        import simplejpeg
    except ModuleNotFoundError:
        raise ImportError("which is not installed: pip install clfkit[jpeg]") from None

    def decode(content: bytes, grey: bool, size: tuple[int, int], divisor: int) -> PixelArray | None:
        try:
            found = simplejpeg.decode_jpeg_header(content)[:2]
        except KeyError:  # a subsampling (4:4:1) that simplejpeg has no name for
            return None
        except ValueError as error:
            if str(error).endswith(UNNAMED_SUBSAMPLING):
                return None
            raise
        if found != size:
            raise ValueError("it has two sizes")
        height, width = (-(-side // divisor) for side in size)
        colours = "GRAY" if grey else "RGB"
        pixels: PixelArray = simplejpeg.decode_jpeg(
            content, colours, min_height=height, min_width=width, min_factor=divisor
        )
        return pixels

    return decode


def _torchvision() -> JpegDecoder:
    """torchvision's own, always of the full size."""
    from clfkit.vision import jpeg_decoder

    load = jpeg_decoder()

    def decode(content: bytes, grey: bool, size: tuple[int, int], divisor: int) -> PixelArray:
        import torch

        try:
            planes = load(torch.frombuffer(bytearray(content), dtype=torch.uint8), "GRAY" if grey else "RGB")
        except RuntimeError as error:
            raise ValueError(str(error).partition("\n")[0]) from None
        return np.moveaxis(planes.numpy(), 0, 2)

    return decode


MAKERS: dict[Decoder, Callable[[], JpegDecoder | None]] = {
    "pillow": lambda: None,
    "simplejpeg": _simplejpeg,
    "torchvision": _torchvision,
}
