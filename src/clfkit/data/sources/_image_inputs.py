"""The options that datasets of image files share, and the inputs that they make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from clfkit.components import Share
from clfkit.data.bundle import Dataset, Decoder, ImageFormat, Inputs, LeftOut
from clfkit.data.cache import CacheFolder, load_images
from clfkit.data.images import Images
from clfkit.data.index import IndexFile
from clfkit.data.jpeg_decoders import jpeg_decoder
from clfkit.data.labelling import LabelledFiles
from clfkit.data.leaving_out import Rule, leave_out, told
from clfkit.options import Needs, fault, one_of
from clfkit.reporting import say


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
MaxBad = Annotated[Share, Needs("on_bad_sample: skip or quarantine", lambda group: group.on_bad_sample != "error")]
CacheLimit = Annotated[PositiveFloat, Needs("a cache", lambda group: group.cache != "off")]


def image_format(size: Size, channels: Channels, resize: Resize, decoder: Decoder) -> ImageFormat:
    """What image files are decoded to. Raises DataError where the decoder's library is missing."""
    jpeg_decoder(decoder)
    height, width = (size, size) if isinstance(size, int) else size
    return ImageFormat(height=height, width=width, channels=channels, resize=resize, decoder=decoder)


class Keeping(NamedTuple):
    """Where decoded images are kept: the options of these names, and which of all images below the root they are."""

    root: str
    about: str
    memory: int
    cache: str
    cache_limit: float


def dataset_of(images: Images, found: LabelledFiles, keeping: Keeping, rule: Rule) -> Dataset:
    """The images in memory, in a cache or as they are (see `load_images`), without those that the rule leaves out.

    From now on the images know the state that their files are in, which may change later. Without any memory, which
    options do not allow, they are all left in their files, unread: see `read_undecoded`.
    """
    root, about, memory, cache, cache_limit = keeping
    if not memory:
        return _dataset(images, images, found, LeftOut())
    left_out = LeftOut()
    if rule.on_bad_sample != "error":
        kept = IndexFile.of(cache, Path(root), "bad", about, images.format.model_dump_json())
        images, found, left_out = leave_out(images, found, rule, kept)
        if left_out.samples:
            say(f"note: {told(left_out, len(images))}")
    inputs = load_images(images, memory, CacheFolder.of(cache, cache_limit, Path(root), about, images.format))
    if isinstance(inputs, np.ndarray):  # others ask for it themselves, when it is wanted
        _ = images.marks
    return _dataset(inputs, images, found, left_out)


def _dataset(inputs: Inputs, images: Images, found: LabelledFiles, left_out: LeftOut) -> Dataset:
    names, classes, labels, given, unread = found
    return Dataset(
        inputs, labels, classes, "image", ids=names, given=given, image=images.format, files=images,
        left_out=left_out, unread=unread,
    )  # fmt: skip
