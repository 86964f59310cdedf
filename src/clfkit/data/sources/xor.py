"""Exclusive or: a square whose opposite quadrants share a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat

from clfkit import rng
from clfkit.components import datasets
from clfkit.data.bundle import Dataset, IndexArray
from clfkit.data.densities import LEAST_DEVIATION, log_sum
from clfkit.data.sources._points import AtLeastTwo, points

SIGNS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
"""Those of the coordinates of the four quadrants: classes 0, 1, 0, 1."""


@datasets.register("xor", inputs="vector", classes=2)
def xor(seed: int, *, samples: AtLeastTwo = 1000, noise: NonNegativeFloat = 0.1) -> Dataset:
    """The square from -1 to 1; class 1 where exactly one coordinate is positive. No straight line divides it.

    The points are uniform within each quadrant, the quadrants take turns, so all four are of equal size.

    Options:
        samples: number of points.
        noise: standard deviation of the Gaussian noise added to both coordinates after the class is settled.
    """
    draw = rng.generator(seed, "xor")
    quadrant = np.arange(samples) % 4
    inputs = SIGNS[quadrant] * draw.random((samples, 2)) + draw.normal(0.0, noise, (samples, 2))
    return points(inputs, quadrant % 2, 2, Quadrants(np.bincount(quadrant, minlength=4), noise))


@dataclass(frozen=True)
class Quadrants:
    """The density of the two classes: of either half its quadrants, each the convolution of a square and a Gaussian.

    sizes: (4,) points in each quadrant, in the order in which they take turns. In one coordinate, seen from the side of
    its sign, p(t) = Φ(t / noise) - Φ((t - 1) / noise).
    """

    sizes: npt.NDArray[np.int64]
    noise: float

    def log_density(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """log p(x, y | class) at points (N, 2), shape (N, 2)."""
        of_quadrant = np.stack([self._log_side(points * signs).sum(axis=1) for signs in SIGNS], axis=1)
        with np.errstate(divide="ignore"):  # two points fill two quadrants
            of_quadrant += np.log(self._shares())
        return np.stack([log_sum(of_quadrant[:, label::2]) for label in range(2)], axis=1)

    def draw(self, labels: IndexArray, random: np.random.Generator) -> npt.NDArray[np.float64]:
        """Fresh points (N, 2) of these classes (N,)."""
        later = random.random(len(labels)) < self._shares()[2:][labels]
        signs = SIGNS[labels + 2 * later]
        return signs * random.random(signs.shape) + random.normal(0.0, self.noise, signs.shape)

    def _shares(self) -> npt.NDArray[np.float64]:
        """(4,) share of each quadrant in its class: classes take turns too, so those of class k are k and k + 2."""
        return self.sizes / np.tile(self.sizes[:2] + self.sizes[2:], 2)

    def _log_side(self, t: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """log p(t) of one coordinate. It is the same at t and 1 - t; of the lower one the logarithm stays exact."""
        from scipy.special import log_ndtr

        noise = max(self.noise, LEAST_DEVIATION)
        lower = np.minimum(t, 1.0 - t).astype(np.float64)
        upper, rest = log_ndtr(lower / noise), log_ndtr((lower - 1.0) / noise)
        ratio = np.minimum(rest - upper, -np.finfo(np.float64).tiny)  # two equal values would have no logarithm
        result: npt.NDArray[np.float64] = upper + np.log(-np.expm1(ratio))
        return result
