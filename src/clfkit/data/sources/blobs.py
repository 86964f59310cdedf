"""Gaussian clusters around random centres: scikit-learn's `make_blobs`."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.sources._points import AtLeastTwo, points, scikit_seed


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
    from sklearn.datasets import make_blobs

    inputs, labels = make_blobs(
        samples,
        features,
        centers=classes,
        cluster_std=std,
        center_box=(-box, box),
        random_state=scikit_seed(seed),
    )
    return points(inputs, labels, classes)
