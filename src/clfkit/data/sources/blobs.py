"""Gaussian clusters around random centres: scikit-learn's `make_blobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import PositiveFloat, PositiveInt

from clfkit.components import datasets
from clfkit.data.sources._points import AtLeastTwo, points, scikit_draw

if TYPE_CHECKING:
    from clfkit.data.bundle import Dataset


@datasets.register("blobs", inputs="vector", classes="classes")
def blobs(
    seed: int,
    *,
    samples: PositiveInt = 5000,
    classes: AtLeastTwo = 5,
    features: PositiveInt = 2,
    std: PositiveFloat = 1.0,
    box: PositiveFloat = 10.0,
) -> Dataset:
    """Gaussian clusters, one for each class, around centres drawn at random.

    Source: scikit-learn's `make_blobs`. How far the classes overlap depends on the centres, hence on the seed.

    Options:
        samples: number of points.
        classes: number of clusters.
        features: number of dimensions.
        std: standard deviation of each cluster.
        box: centres are drawn from the cube that reaches from -box to box.
    """
    import numpy as np

    from clfkit.data.densities import GaussianMixture

    draw = scikit_draw(seed)
    centres = draw.uniform(-box, box, (classes, features))
    labels = np.repeat(np.arange(classes), [len(range(label, samples, classes)) for label in range(classes)])
    inputs = draw.normal(centres[labels], std)
    order = draw.permutation(samples)
    return points(inputs[order], labels[order], classes, GaussianMixture(list(centres[:, None]), std))
