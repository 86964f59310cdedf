"""Shift: images moved by a few whole pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import PositiveInt

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


PADDINGS: dict[str, Literal["constant", "edge", "reflect"]] = {"black": "constant", "edge": "edge", "mirror": "reflect"}
"""What comes in from outside: zeros, the pixels at the edge, or the image mirrored; and NumPy's names for them."""


@augmentations.register("shift", inputs="image")
def shift(
    spec: DataSpec, *, pixels: PositiveInt = 2, padding: Literal["black", "edge", "mirror"] = "black"
) -> Augmentation:
    """Moves every image by a whole number of pixels, up and down and to the sides: others call it pad and crop.

    All of the (2 pixels + 1)² places are equally likely. Images are moved as bytes, before they are normalised.

    Options:
        pixels: the farthest that an image is moved in each direction.
        padding: what comes in: `black` (0), the pixels at the `edge` again, or the image in a `mirror`.
    """
    import torch
    from torch.nn.functional import pad

    check_room(spec, pixels)

    def framed(images: Tensor) -> Tensor:
        if padding == "black":
            return pad(images, (pixels,) * 4)
        rows, columns = (np.pad(np.arange(side), pixels, mode=PADDINGS[padding]) for side in images.shape[2:])
        return images[:, :, torch.from_numpy(rows).to(images.device)][..., torch.from_numpy(columns).to(images.device)]

    def shifted(images: Tensor, draws: rng.Streams) -> Tensor:
        places = torch.from_numpy(draws.whole(2, 2 * pixels + 1)).to(images.device)
        _, _, height, width = images.shape
        windows = framed(images).unfold(2, height, 1).unfold(3, width, 1)
        return windows[torch.arange(len(images), device=images.device), :, places[:, 0], places[:, 1]]

    return shifted


def check_room(spec: DataSpec, pixels: int) -> None:
    """Raises UsageError when an image could be moved out of its frame."""
    _, height, width = spec.shape
    if pixels >= min(height, width):
        raise UsageError(
            f"train.augment: a shift of {pixels} pixels would move images of {height}×{width} out of sight"
        )
