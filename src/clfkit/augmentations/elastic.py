"""Elastic: images bent like rubber."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from clfkit import rng
from clfkit.augmentations import Augmentation
from clfkit.augmentations._geometry import Geometric, Matrices, Offsets, Pixel, eyes
from clfkit.components import augmentations
from clfkit.data.bundle import DataSpec
from clfkit.options import Probability

Points = Annotated[int, Field(ge=2, le=64)]


class Elastic(Geometric):
    """Control points on a coarse grid, each moved by an amount of its own; what lies between follows smoothly."""

    bends = True

    def __init__(self, shape: tuple[int, ...], *, reach: float, points: int, fill: int, probability: float) -> None:
        self.fill = fill
        self._reach = reach * np.array([shape[2], shape[1]])[:, None, None]
        self._points, self._probability = points, probability

    def matrices(self, draws: rng.Streams) -> Matrices:
        return eyes(len(draws))

    def offsets(self, draws: rng.Streams) -> Offsets:
        happens = draws.uniform(1) < self._probability
        drawn = draws.uniform(2 * self._points**2).reshape(-1, 2, self._points, self._points)
        return self._reach * (2 * drawn - 1) * happens[:, :, None, None]


@augmentations.register("elastic", inputs="image")
def elastic(
    spec: DataSpec,
    *,
    reach: Probability = 0.05,
    points: Points = 5,
    fill: Pixel = 0,
    probability: Probability = 1.0,
) -> Augmentation:
    """Bends every image by a smooth field of its own, with bilinear interpolation, as if written by another hand.

    Elastic distortions are from Simard, Steinkraus and Platt (2003); random moves of a coarse grid with bicubic
    interpolation between its points from Ronneberger, Fischer and Brox (2015). Right after `affine` and the like it is
    one interpolation with them.

    Options:
        reach: the farthest that a control point moves to either side, as a share of width and height.
        points: control points along each side, the outer ones on the edge; more of them bend smaller parts.
        fill: the value, 0 to 255, of what comes in from outside.
        probability: how often it happens to an image.
    """
    return Elastic(spec.shape, reach=reach, points=points, fill=fill, probability=probability)
