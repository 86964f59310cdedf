"""Affine: images turned, moved, scaled and slanted."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._geometry import Geometric, Matrices, Pixel, eyes
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.options import Interval, Probability

Angle = Annotated[float, Field(ge=0.0, le=180.0)]
Slant = Annotated[float, Field(ge=0.0, le=80.0)]


class Affine(Geometric):
    """Rotation, move, scale and slant about the middle, as torchvision.transforms.v2.functional.affine."""

    def __init__(
        self, shape: tuple[int, ...], *, degrees: float, translate: float, scale: tuple[float, float], shear: float,
        fill: int, probability: float,
    ) -> None:  # fmt: skip
        self.fill = fill
        self._reach = translate * shape[2], translate * shape[1]
        self._degrees, self._scale, self._shear, self._probability = degrees, scale, shear, probability

    def matrices(self, draws: rng.Streams) -> Matrices:
        drawn = draws.uniform(7)
        turn, right, down, slant_x, slant_y = (2 * drawn[:, :5] - 1).T
        low, high = self._scale
        found = inverse_affine(
            self._degrees * turn, self._reach[0] * right, self._reach[1] * down, low + (high - low) * drawn[:, 5],
            self._shear * slant_x, self._shear * slant_y,
        )  # fmt: skip
        return np.where((drawn[:, 6] < self._probability)[:, None, None], found, eyes(len(drawn)))


def inverse_affine(
    degrees: np.ndarray, right: np.ndarray, down: np.ndarray, scale: np.ndarray, slant_x: np.ndarray,
    slant_y: np.ndarray,
) -> Matrices:  # fmt: skip
    """The way back of: slant in x, slant in y, scale, turn, move. Angles in degrees (n,), moves in pixels (n,)."""
    turn, along_x, along_y = np.radians(degrees), np.radians(slant_x), np.radians(slant_y)
    a, c = np.cos(turn - along_y) / np.cos(along_y), np.sin(turn - along_y) / np.cos(along_y)
    b, d = -(a * np.tan(along_x) + np.sin(turn)), np.cos(turn) - c * np.tan(along_x)
    back = eyes(len(degrees))
    back[:, :2, :2] = np.array([[d, -b], [-c, a]]).transpose(2, 0, 1) / scale[:, None, None]
    back[:, 0, 2] = -(back[:, 0, 0] * right + back[:, 0, 1] * down)
    back[:, 1, 2] = -(back[:, 1, 0] * right + back[:, 1, 1] * down)
    return back


@augmentations.register("affine", inputs="image")
def affine(
    spec: DataSpec,
    *,
    degrees: Angle = 10.0,
    translate: Probability = 0.1,
    scale: Interval = (0.9, 1.1),
    shear: Slant = 0.0,
    fill: Pixel = 0,
    probability: Probability = 1.0,
) -> Augmentation:
    """Turns, moves, scales and slants every image by amounts of its own, with bilinear interpolation.

    Options:
        degrees: the largest angle of rotation, to either side.
        translate: the farthest move, as a share of width and height.
        scale: smallest and largest size, as factors.
        shear: the largest angle in degrees by which upright and level lines are slanted, each by its own.
        fill: the value, 0 to 255, of what comes in from outside.
        probability: how often it happens to an image.
    """
    return Affine(
        spec.shape, degrees=degrees, translate=translate, scale=scale, shear=shear, fill=fill, probability=probability
    )
