"""Two interleaving half circles: scikit-learn's `make_moons`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat

from clfkit.components import datasets
from clfkit.data.sources._points import AtLeastTwo, arcs

if TYPE_CHECKING:
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

    outer, inner = (np.linspace(0, np.pi, count) for count in (samples // 2, samples - samples // 2))
    return arcs(
        np.stack([np.cos(outer), np.sin(outer)]), np.stack([1 - np.cos(inner), 1 - np.sin(inner) - 0.5]), noise, seed
    )
