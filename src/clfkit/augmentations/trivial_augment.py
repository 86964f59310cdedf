"""TrivialAugment: one operation of any strength, drawn for each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._geometry import Pixel
from clfkit.augmentations._policies import applied, operations
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec

if TYPE_CHECKING:
    from torch import Tensor


@augmentations.register("trivial_augment", inputs="image")
def trivial_augment(spec: DataSpec, *, fill: Pixel = 0) -> Augmentation:
    """One of the operations of rand_augment on every image, in wider ranges, its strength drawn too: nothing to tune.

    Müller and Hutter, "TrivialAugment", 2021, the wide space, with the ranges of torchvision.

    Options:
        fill: the value, 0 to 255, of what comes in from outside.
    """
    every = operations(spec.shape, fill)

    def augmented(images: Tensor, draws: rng.Streams) -> Tensor:
        drawn, signs = draws.whole(1, len(every))[:, 0], draws.whole(1, 2)[:, 0] == 1
        return applied(images, every, drawn, draws.uniform(1)[:, 0], signs, wide=True)

    return augmented
