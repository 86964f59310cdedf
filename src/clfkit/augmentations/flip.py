"""Flip: images mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._geometry import Geometric, Matrices, eyes
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.options import Probability

if TYPE_CHECKING:
    from torch import Tensor


class Flip(Geometric):
    """Left and right, or top and bottom, exchanged; by itself exact, byte for byte."""

    def __init__(self, horizontal: float, vertical: float) -> None:
        self._probabilities = np.array([horizontal, vertical])

    def matrices(self, draws: rng.Streams) -> Matrices:
        found = eyes(len(flips := self._flips(draws)))
        found[:, [0, 1], [0, 1]] = np.where(flips, -1.0, 1.0)
        return found

    def __call__(self, images: Tensor, draws: rng.Streams) -> Tensor:
        import torch

        horizontal, vertical = torch.from_numpy(self._flips(draws)).to(images.device).T[:, :, None, None, None]
        images = torch.where(horizontal, images.flip(3), images)
        return torch.where(vertical, images.flip(2), images)

    def _flips(self, draws: rng.Streams) -> np.ndarray:
        return np.asarray(draws.uniform(2) < self._probabilities)


@augmentations.register("flip", inputs="image")
def flip(spec: DataSpec, *, horizontal: Probability = 0.5, vertical: Probability = 0.0) -> Augmentation:
    """Mirrors images, each with its own luck.

    Options:
        horizontal: how often left and right are exchanged.
        vertical: how often top and bottom are.
    """
    return Flip(horizontal, vertical)
