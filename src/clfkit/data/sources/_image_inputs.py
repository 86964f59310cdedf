"""The options that datasets of image files share, and the inputs that they make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from clfkit.data.bundle import Decoder, ImageFormat, Inputs
from clfkit.data.cache import CacheFolder, load_images
from clfkit.data.images import Images
from clfkit.data.jpeg_decoders import jpeg_decoder
from clfkit.options import Needs, fault, one_of


def _no_nul(path: str) -> str:
    if "\0" in path:
        raise fault("must be the path of a folder, and no path holds a NUL")
    return path


Size = Annotated[
    PositiveInt | tuple[PositiveInt, PositiveInt],
    one_of("a number of pixels, or a pair of them: [height, width]"),
]
Channels = Literal[1, 3]
Resize = Literal["crop", "stretch"]
Cache = Annotated[str, Field(min_length=1), AfterValidator(_no_nul)]
CacheLimit = Annotated[PositiveFloat, Needs("a cache", lambda group: group.cache != "off")]


def image_format(size: Size, channels: Channels, resize: Resize, decoder: Decoder) -> ImageFormat:
    """What image files are decoded to. Raises DataError where the decoder's library is missing."""
    jpeg_decoder(decoder)
    height, width = (size, size) if isinstance(size, int) else size
    return ImageFormat(height=height, width=width, channels=channels, resize=resize, decoder=decoder)


def inputs_of(images: Images, root: str, about: str, memory: int, cache: str, cache_limit: float) -> Inputs:
    """The images in memory, in a cache or as they are; see `load_images`. about: which of all images below root.

    From now on the images know the state that their files are in, which may change later.
    """
    inputs = load_images(images, memory, CacheFolder.of(cache, cache_limit, Path(root), about, images.format))
    if isinstance(inputs, np.ndarray):  # others ask for it themselves, when it is wanted
        _ = images.marks
    return inputs
