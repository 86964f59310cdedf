"""Exclusive or: a square whose opposite quadrants share a class."""

from __future__ import annotations

import numpy as np
from pydantic import NonNegativeFloat

from clfkit import rng
from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.sources._points import AtLeastTwo, points


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
    right, top = quadrant >= 2, (quadrant == 1) | (quadrant == 2)
    signs = np.stack([np.where(right, 1.0, -1.0), np.where(top, 1.0, -1.0)], axis=1)
    inputs = signs * draw.random((samples, 2)) + draw.normal(0.0, noise, (samples, 2))
    return points(inputs, (right ^ top).astype(np.int64), 2)
