"""CutMix: a rectangle of another image inside each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clfkit import rng
from clfkit.components import mixings
from clfkit.data.bundle import DataSpec, IndexArray
from clfkit.mixings import Mixing, Shares
from clfkit.options import Concentration, Probability

if TYPE_CHECKING:
    from torch import Tensor


@mixings.register("cutmix", inputs="image")
def cutmix(spec: DataSpec, *, alpha: Concentration = 1.0, probability: Probability = 1.0) -> Mixing:
    """A rectangle of 1 - λ of each image's area shows another image, with a λ of its own from Beta(α, α).

    The rectangle has the image's proportions and lies about a random place; what of it lies outside is cut off, and
    the labels have the shares of the areas that are seen. Yun et al., "CutMix", 2019, and torchvision's CutMix, where
    one rectangle serves a whole batch.

    Options:
        alpha: small ones make rectangles tiny or huge; at 1 all areas are equally likely.
        probability: how often it happens to an image.
    """
    import torch

    _, height, width = spec.shape

    def mixed(images: Tensor, others: Tensor, draws: rng.Streams) -> tuple[Tensor, Shares]:
        chance, across, down = draws.uniform(3).T
        side = np.where(chance < probability, np.sqrt(1 - draws.beta(alpha)), 0.0)
        columns, rows = _inside(across, side, width), _inside(down, side, height)
        window = torch.from_numpy(rows[:, None, :, None] & columns[:, None, None, :]).to(images.device)
        return torch.where(window, others, images), 1 - rows.mean(axis=1) * columns.mean(axis=1)

    return mixed


def _inside(middle: np.ndarray, side: np.ndarray, length: int) -> np.ndarray:
    """Which of `length` pixels in a row lie in the window; its middle and its side are shares of the length (n,)."""
    reach = np.floor(side * length / 2)
    centre: IndexArray = (middle * length).astype(np.int64)
    places = np.arange(length)
    return np.asarray((places >= (centre - reach)[:, None]) & (places < (centre + reach)[:, None]))
