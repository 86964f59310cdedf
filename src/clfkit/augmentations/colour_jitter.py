"""Colour jitter: brightness, contrast, saturation and hue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._colour import brightened, contrasted, saturated, turned
from clfkit.augmentations._pieces import changed
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.options import Probability

if TYPE_CHECKING:
    from torch import Tensor

Turn = Annotated[float, Field(ge=0.0, le=0.5)]


@augmentations.register("colour_jitter", inputs="image")
def colour_jitter(
    spec: DataSpec,
    *,
    brightness: Probability = 0.4,
    contrast: Probability = 0.4,
    saturation: Probability = 0.4,
    hue: Turn = 0.1,
    probability: Probability = 1.0,
) -> Augmentation:
    """Changes brightness, contrast, saturation and hue of every image, in this order, by amounts of its own.

    As torchvision's ColorJitter, which draws the order too. Grey images have neither saturation nor hue.

    Options:
        brightness: farthest from 1 of the factor that values are multiplied by.
        contrast: the same for distances from the mean grey.
        saturation: the same for distances from each pixel's grey.
        hue: farthest move round the circle of hues, as a share of the circle.
        probability: how often it happens to an image.
    """
    reach = np.array([brightness, contrast, saturation, hue])

    def jitter(pixels: Tensor, light: Tensor, distance: Tensor, colour: Tensor, turn: Tensor) -> Tensor:
        pixels = brightened(pixels, light) if brightness else pixels
        pixels = contrasted(pixels, distance) if contrast else pixels
        pixels = saturated(pixels, colour) if saturation else pixels
        return turned(pixels, turn) if hue else pixels

    def jittered(images: Tensor, draws: rng.Streams) -> Tensor:
        drawn = draws.uniform(5)
        amounts = np.array([1, 1, 1, 0]) + reach * (2 * drawn[:, :4] - 1)
        return changed(images, (drawn[:, 4] < probability) & reach.any(), jitter, *amounts.T)

    return jittered
