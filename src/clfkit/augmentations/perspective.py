"""Perspective: images as if seen from the side."""

from __future__ import annotations

import numpy as np

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._geometry import Geometric, Matrices, Pixel, eyes
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.options import Probability


class Perspective(Geometric):
    """The four corners of an image moved inwards, each by amounts of its own, as torchvision's RandomPerspective."""

    def __init__(self, shape: tuple[int, ...], distortion: float, fill: int, probability: float) -> None:
        self.fill = fill
        width, height = shape[2], shape[1]
        self._corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
        self._middle = np.array([width, height]) / 2
        self._reach = distortion * np.array([width // 2, height // 2])
        self._probability = probability

    def matrices(self, draws: rng.Streams) -> Matrices:
        drawn = draws.uniform(9)
        inwards = np.where(self._corners > 0, -1, 1)
        moved = self._corners + inwards * np.floor(drawn[:, :8].reshape(-1, 4, 2) * (self._reach.astype(int) + 1))
        found = inverse_perspective(np.broadcast_to(self._corners, moved.shape), moved, self._middle)
        return np.where((drawn[:, 8] < self._probability)[:, None, None], found, eyes(len(drawn)))


def inverse_perspective(before: np.ndarray, after: np.ndarray, middle: np.ndarray) -> Matrices:
    """The way back of the projections that take four points (n, 4, 2) of the image to four others, in pixels.

    Places are counted from the upper left corner and from `middle` on within the matrices.
    """
    x, y = (after - middle).transpose(2, 0, 1)
    u, v = (before - middle).transpose(2, 0, 1)
    one, zero = np.ones_like(x), np.zeros_like(x)
    across = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1)
    down = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1)
    system, wanted = np.concatenate([across, down], axis=1), np.concatenate([u, v], axis=1)
    found = np.linalg.solve(system, wanted[:, :, None])[:, :, 0]
    return np.concatenate([found, np.ones((len(found), 1))], axis=1).reshape(-1, 3, 3)


@augmentations.register("perspective", inputs="image")
def perspective(
    spec: DataSpec, *, distortion: Probability = 0.3, fill: Pixel = 0, probability: Probability = 0.5
) -> Augmentation:
    """Tilts some images in space: each corner moves inwards by a random amount, with bilinear interpolation.

    Options:
        distortion: how far corners may move, as a share of half the width and height.
        fill: the value, 0 to 255, of what comes in from outside.
        probability: how often it happens to an image.
    """
    return Perspective(spec.shape, distortion, fill, probability)
