"""Interleaved spiral arms: the toy set of Stanford's CS231n and of the book "Neural Networks from Scratch"."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat, NonNegativeInt

from clfkit import rng
from clfkit.components import datasets
from clfkit.data.bundle import Dataset, IndexArray, Part
from clfkit.data.densities import LEAST_DEVIATION, log_sum
from clfkit.data.sources import _points
from clfkit.data.sources._points import AtLeastTwo

SWEEP = 4.0  # radians from the inner to the outer end of an arm, in both sources
STRETCH = {"cs231n": 1.0, "nnfs": 2.5}
OUTER_RADIUS = 1 + 1e-6  # points at radius 1 are rounded to float32
FAR = 9.0  # deviations, beyond which a normal density adds nothing to a sum


@datasets.register("spiral", inputs="vector", classes="classes")
def spiral(
    seed: int,
    *,
    classes: AtLeastTwo = 3,
    points: AtLeastTwo = 100,
    noise: NonNegativeFloat = 0.2,
    form: Literal["cs231n", "nnfs"] = "cs231n",
    valid_points: NonNegativeInt = 0,
    test_points: NonNegativeInt = 0,
) -> Dataset:
    """One spiral arm for each class, from the centre to radius 1.

    The points of arm j lie at radius r = 0 … 1, evenly spaced, and at the angle s · (start_j + 4r + noise), with
    s = 1 (cs231n) or 2.5 (nnfs, whose arms wind one and a half times around the centre); x = r sin, y = r cos.
    Three arms start at 0, 4 and 8 radians as in both sources. Any other number of arms would overlap at such
    steps of 4, and starts evenly around the circle instead.

    Source: https://cs231n.github.io/neural-networks-case-study/ and `nnfs.datasets.spiral_data`. The best
    possible accuracy with the defaults is 99.3 % (cs231n: all but two of the three first points of the arms, which are
    the common centre) and 90.4 % (nnfs, 91.0 % away from the centre).

    Options:
        classes: number of arms.
        points: number of points in each arm.
        noise: standard deviation of the angle in radians, before the stretch of the nnfs form.
        form: cs231n, or the more tightly wound nnfs.
        valid_points: points in each arm of a valid split that is drawn separately; 0 takes `split.valid` of `points`.
        test_points: points in each arm of a test split that is drawn separately; 0 takes `split.test` of `points`.
    """
    sizes: dict[Part, int] = {"train": points, "valid": valid_points, "test": test_points}
    stretch = STRETCH[form]
    purposes = {"train": "spiral", "valid": "spiral valid", "test": "spiral test"}
    drawn = {
        part: _arms(count, classes, noise, stretch, rng.generator(seed, purposes[part]))
        for part, count in sizes.items()
        if count
    }
    ends = np.cumsum([len(labels) for _, labels in drawn.values()])
    given = {
        part: np.arange(end - len(labels), end)
        for end, (part, (_, labels)) in zip(ends, drawn.items(), strict=True)
        if len(drawn) > 1
    }
    inputs, labels = (np.concatenate(arrays) for arrays in zip(*drawn.values(), strict=True))
    density = SpiralArms(classes, noise, stretch, test_points or points)
    return dataclasses.replace(_points.points(inputs, labels, classes, density), given=given)


def _arms(
    points: int, classes: int, noise: float, stretch: float, draw: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Points (classes · points, 2) and their arms."""
    labels = np.repeat(np.arange(classes), points)
    radius = np.tile(np.linspace(0.0, 1.0, points), classes)
    return _scattered(radius, labels * _step(classes, stretch), noise, stretch, draw), labels


def _step(classes: int, stretch: float) -> float:
    """Radians from the start of an arm to that of the next one, before the stretch."""
    return SWEEP if classes == 3 else 2 * np.pi / (classes * stretch)


def _scattered(
    radius: npt.NDArray[np.floating], starts: npt.NDArray[np.floating], noise: float, stretch: float,
    draw: np.random.Generator,
) -> npt.NDArray[np.float64]:  # fmt: skip
    """Points (N, 2) at these radii (N,) of arms that start at these angles (N,)."""
    angle = stretch * (starts + radius * SWEEP + draw.normal(0.0, noise, len(radius)))
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)


@dataclass(frozen=True)
class SpiralArms:
    """The density of the arms: at any radius r the angle is normal, wrapped around the circle.

    p(x, y | arm) = p(r) p(angle | r, arm) / r with p(r) = 1 up to radius 1. Fresh points lie at the `points` radii of
    the source (those of test, if it has its own), so that one in `points` is the centre, where all arms are alike.
    """

    classes: int
    noise: float
    stretch: float
    points: int

    def log_density(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """log p(x, y | arm) at points (N, 2), shape (N, classes)."""
        x, y = points.astype(np.float64).T
        radius = np.hypot(x, y)
        centres = self.stretch * (np.arange(self.classes) * _step(self.classes, self.stretch) + radius[:, None] * SWEEP)
        off = np.remainder(np.arctan2(x, y)[:, None] - centres + np.pi, 2 * np.pi) - np.pi
        deviation = min(max(self.stretch * self.noise, LEAST_DEVIATION), 2 * np.pi)  # beyond, all angles are alike
        most = math.ceil((FAR * deviation + np.pi) / (2 * np.pi))
        turns = 2 * np.pi * np.arange(-most, most + 1)
        density = log_sum(-0.5 * ((off[..., None] + turns) / deviation) ** 2)
        density -= np.log(deviation * np.sqrt(2 * np.pi))
        density[radius == 0] = -np.log(2 * np.pi)  # the centre lies at every angle
        density -= np.log(np.maximum(radius, np.finfo(np.float32).tiny))[:, None]
        density[radius > OUTER_RADIUS] = -np.inf
        return density

    def draw(self, labels: IndexArray, random: np.random.Generator) -> npt.NDArray[np.float64]:
        """Fresh points (N, 2) of these arms (N,)."""
        radius = random.integers(self.points, size=len(labels)) / (self.points - 1)
        return _scattered(radius, labels * _step(self.classes, self.stretch), self.noise, self.stretch, random)
