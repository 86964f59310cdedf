"""Blur: images seen out of focus."""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._pieces import changed
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.options import Interval, Probability

if TYPE_CHECKING:
    from torch import Tensor


@augmentations.register("blur", inputs="image")
def blur(spec: DataSpec, *, sigma: Interval = (0.1, 2.0), probability: Probability = 0.2) -> Augmentation:
    """Blurs some images with a Gaussian of a width of their own, as torchvision's GaussianBlur; edges are mirrored.

    The Gaussian is cut off three times the largest deviation from its middle, or where the image ends.

    Options:
        sigma: smallest and largest standard deviation, in pixels.
        probability: how often it happens to an image.
    """
    low, high = sigma
    radius = min(math.ceil(3 * high), *(side - 1 for side in spec.shape[1:]))

    def blurred(images: Tensor, draws: rng.Streams) -> Tensor:
        widths, chance = draws.uniform(2).T
        return changed(images, chance < probability, smoothed, low + (high - low) * widths)

    def smoothed(pixels: Tensor, sigmas: Tensor) -> Tensor:
        import torch
        from torch.nn.functional import pad

        distances = torch.arange(-radius, radius + 1, device=pixels.device)
        weights = (-0.5 * (distances / sigmas[:, None]) ** 2).exp_()
        weights = (weights / weights.sum(1, keepdim=True))[:, :, None, None, None]
        _, _, height, width = pixels.shape
        framed = pad(pixels, (radius,) * 4, mode="reflect")
        # Sums of shifted pictures: unlike a convolution the same to the bit in a batch of any size.
        level = reduce(torch.add, (weights[:, j] * framed[..., j : j + width] for j in range(2 * radius + 1)))
        return reduce(torch.add, (weights[:, j] * level[:, :, j : j + height] for j in range(2 * radius + 1)))

    return blurred
