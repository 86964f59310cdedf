"""Erase: a rectangle of each image covered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._geometry import Pixel
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.options import Interval, Portions, Probability

if TYPE_CHECKING:
    from torch import Tensor


@augmentations.register("erase", inputs="image")
def erase(
    spec: DataSpec,
    *,
    scale: Portions = (0.02, 0.33),
    ratio: Interval = (0.3, 10 / 3),
    fill: Pixel = 0,
    probability: Probability = 0.5,
) -> Augmentation:
    """Covers a rectangle of random size, form and place in some images; all other pixels keep their bytes.

    Random erasing (Zhong et al. 2020) as in torchvision's RandomErasing, but a rectangle that is too wide or too high
    is cut to the image, not drawn again.

    Options:
        scale: smallest and largest share of the area.
        ratio: smallest and largest width over height of the rectangle.
        fill: the value, 0 to 255, that covers it.
        probability: how often it happens to an image.
    """
    import torch

    _, height, width = spec.shape
    slim, wide = np.log(ratio)

    def erased(images: Tensor, draws: rng.Streams) -> Tensor:
        chance, size, form, across, down = draws.uniform(5).T
        area = np.where(chance < probability, scale[0] + (scale[1] - scale[0]) * size, 0.0) * height * width
        shape = np.exp(slim + (wide - slim) * form)
        columns = _covered(np.sqrt(area * shape), across, width)
        rows = _covered(np.sqrt(area / shape), down, height)
        covered = torch.from_numpy(rows[:, None, :, None] & columns[:, None, None, :]).to(images.device)
        return images.masked_fill(covered, fill)

    return erased


def _covered(lengths: np.ndarray, places: np.ndarray, side: int) -> np.ndarray:
    """Which pixels (n, side) of a row are covered: `lengths` (n,) of them, all starts equally likely."""
    whole = np.minimum(lengths.round(), side)
    start = np.floor(places * (side - whole + 1))
    at = np.arange(side)
    return np.asarray((at >= start[:, None]) & (at < (start + whole)[:, None]))
