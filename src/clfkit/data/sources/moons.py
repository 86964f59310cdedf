"""Two interleaving half circles: scikit-learn's `make_moons`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat

from clfkit.components import datasets
from clfkit.data.sources._points import AtLeastTwo, arcs

if TYPE_CHECKING:
    import numpy.typing as npt

    from clfkit.data.bundle import Dataset


@datasets.register("moons", inputs="vector", classes=2)
def moons(seed: int, *, samples: AtLeastTwo = 1000, noise: NonNegativeFloat = 0.1) -> Dataset:
    """Two interleaving half circles in the plane.

    Source: scikit-learn's `make_moons`.

    Options:
        samples: number of points.
        noise: standard deviation of the Gaussian noise added to both coordinates.
    """
    import numpy as np

    def outer(count: int) -> npt.NDArray[np.float64]:
        angle = np.linspace(0, np.pi, count)
        return np.stack([np.cos(angle), np.sin(angle)])

    def inner(count: int) -> npt.NDArray[np.float64]:
        angle = np.linspace(0, np.pi, count)
        return np.stack([1 - np.cos(angle), 1 - np.sin(angle) - 0.5])

    return arcs(outer, inner, samples, noise, seed)
