"""Two interleaving half circles: scikit-learn's `make_moons`."""

from __future__ import annotations

from pydantic import NonNegativeFloat

from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.sources._points import AtLeastTwo, points, scikit_seed


@datasets.register("moons", inputs="vector", classes=2)
def moons(seed: int, *, samples: AtLeastTwo = 1000, noise: NonNegativeFloat = 0.1) -> Dataset:
    """Two interleaving half circles in the plane.

    Source: scikit-learn's `make_moons`.

    Options:
        samples: number of points.
        noise: standard deviation of the Gaussian noise added to both coordinates.
    """
    from sklearn.datasets import make_moons

    inputs, labels = make_moons(samples, noise=noise, random_state=scikit_seed(seed))
    return points(inputs, labels, 2)
