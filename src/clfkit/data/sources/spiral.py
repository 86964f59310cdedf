"""Interleaved spiral arms: the toy set of Stanford's CS231n and of the book "Neural Networks from Scratch"."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat, NonNegativeInt

from clfkit import rng
from clfkit.components import datasets
from clfkit.data.bundle import Dataset, Part
from clfkit.data.sources import _points
from clfkit.data.sources._points import AtLeastTwo

SWEEP = 4.0  # radians from the inner to the outer end of an arm, in both sources
STRETCH = {"cs231n": 1.0, "nnfs": 2.5}


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
    possible accuracy with the defaults is 100 % (cs231n; but the first point of every arm is the common centre, so that
    two of them are always wrong) and 91 % (nnfs).

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
    return dataclasses.replace(_points.points(inputs, labels, classes), given=given)


def _arms(
    points: int, classes: int, noise: float, stretch: float, draw: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Points (classes · points, 2) and their arms."""
    step = SWEEP if classes == 3 else 2 * np.pi / (classes * stretch)
    labels = np.repeat(np.arange(classes), points)
    radius = np.tile(np.linspace(0.0, 1.0, points), classes)
    angle = stretch * (labels * step + radius * SWEEP + draw.normal(0.0, noise, len(labels)))
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), labels
