"""Greyscale: images without their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._colour import greys
from clfkit.augmentations._pieces import changed
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.options import Probability

if TYPE_CHECKING:
    from torch import Tensor


@augmentations.register("greyscale", inputs="image")
def greyscale(spec: DataSpec, *, probability: Probability = 0.1) -> Augmentation:
    """Takes the colours out of some images; all channels become their lightness, as in torchvision's RandomGrayscale.

    Options:
        probability: how often it happens to an image.
    """

    def grey(images: Tensor, draws: rng.Streams) -> Tensor:
        chosen = (draws.uniform(1)[:, 0] < probability) & (spec.shape[0] > 1)
        return changed(images, chosen, lambda pixels: greys(pixels).expand_as(pixels))

    return grey
