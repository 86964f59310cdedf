"""A circle within a circle: scikit-learn's `make_circles`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat

from clfkit.components import datasets
from clfkit.data.sources._points import AtLeastTwo, arcs
from clfkit.options import Fraction

if TYPE_CHECKING:
    import numpy.typing as npt

    from clfkit.data.bundle import Dataset


@datasets.register("circles", inputs="vector", classes=2)
def circles(
    seed: int,
    *,
    samples: AtLeastTwo = 1000,
    noise: NonNegativeFloat = 0.05,
    factor: Fraction = 0.5,
) -> Dataset:
    """A circle (class 1) within the unit circle (class 0).

    Source: scikit-learn's `make_circles`.

    Options:
        samples: number of points.
        noise: standard deviation of the Gaussian noise added to both coordinates.
        factor: radius of the inner circle; that of the outer one is 1.
    """
    import numpy as np

    def circle(count: int) -> npt.NDArray[np.float64]:
        angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
        return np.stack([np.cos(angle), np.sin(angle)])

    return arcs(circle, lambda count: circle(count) * factor, samples, noise, seed)
