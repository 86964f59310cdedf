"""RandAugment: a few operations of one strength, drawn for each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import PositiveInt

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._geometry import Pixel
from clfkit.augmentations._policies import applied, operations
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.options import Probability

if TYPE_CHECKING:
    from torch import Tensor


@augmentations.register("rand_augment", inputs="image")
def rand_augment(
    spec: DataSpec, *, operations_each: PositiveInt = 2, magnitude: Probability = 0.3, fill: Pixel = 0
) -> Augmentation:
    """Some of fourteen operations on every image, one after the other, all of the same strength.

    Nothing, slants, moves, a turn, brightness, saturation, contrast, sharpness, fewer bits, a partial negative,
    stretched and equalised values. Cubuk et al., "RandAugment", 2020, with the ranges of torchvision.

    Options:
        operations_each: how many an image goes through.
        magnitude: their strength, as a share of each one's range.
        fill: the value, 0 to 255, of what comes in from outside.
    """
    every = operations(spec.shape, fill)

    def augmented(images: Tensor, draws: rng.Streams) -> Tensor:
        for _ in range(operations_each):
            drawn, signs = draws.whole(1, len(every))[:, 0], draws.whole(1, 2)[:, 0] == 1
            images = applied(images, every, drawn, np.full(len(drawn), magnitude), signs, wide=False)
        return images

    return augmented
