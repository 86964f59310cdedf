"""A circle within a circle: scikit-learn's `make_circles`."""

from __future__ import annotations

from pydantic import NonNegativeFloat

from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.sources._points import AtLeastTwo, points, scikit_seed
from clfkit.options import Fraction


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
    from sklearn.datasets import make_circles

    inputs, labels = make_circles(samples, noise=noise, factor=factor, random_state=scikit_seed(seed))
    return points(inputs, labels, 2)
