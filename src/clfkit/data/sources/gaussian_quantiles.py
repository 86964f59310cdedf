"""One Gaussian cloud cut into nested shells: scikit-learn's `make_gaussian_quantiles`."""

from __future__ import annotations

from pydantic import PositiveInt

from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.sources._points import AtLeastTwo, points, scikit_draw
from clfkit.errors import DataError


@datasets.register("gaussian_quantiles", inputs="vector", classes="classes")
def gaussian_quantiles(
    seed: int,
    *,
    samples: AtLeastTwo = 1000,
    classes: AtLeastTwo = 3,
    features: PositiveInt = 2,
) -> Dataset:
    """A standard normal cloud whose classes are shells of equal size around its centre.

    Source: scikit-learn's `make_gaussian_quantiles`. Raises DataError for more classes than points.

    Options:
        samples: number of points.
        classes: number of shells.
        features: number of dimensions.
    """
    from sklearn.datasets import make_gaussian_quantiles

    if samples < classes:
        raise DataError(f"data.samples: {samples} points cannot fill {classes} classes")
    inputs, labels = make_gaussian_quantiles(
        n_samples=samples, n_features=features, n_classes=classes, random_state=scikit_draw(seed)
    )
    return points(inputs, labels, classes)
