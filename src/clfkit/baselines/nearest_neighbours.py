"""The classes of the train samples that lie nearest."""

from __future__ import annotations

import numpy as np

from clfkit.baselines import Learnable, TooLarge
from clfkit.components import baselines
from clfkit.data.bundle import FloatArray

NEIGHBOURS = 5
BLOCK = 10_000_000  # distances in memory at once
MOST_PRODUCTS = 100_000_000_000  # train samples × samples × features


@baselines.register("nearest_neighbours")
def nearest_neighbours(train: Learnable, features: FloatArray) -> FloatArray:
    """The share of each class among the 5 nearest train samples by Euclidean distance, as KNeighborsClassifier.

    Of classes with as many, the one with the lowest index is said, as in scikit-learn. Raises TooLarge where train
    samples × samples × features pass 10^11.
    """
    if len(train.labels) * features.size > MOST_PRODUCTS:
        raise TooLarge(
            f"{len(train.labels):,} train samples × {len(features):,} samples × {features.shape[1]:,} features"
        )
    count = min(NEIGHBOURS, len(train.labels))
    squares = np.einsum("nd,nd->n", train.features, train.features)
    found = np.zeros((len(features), train.classes), np.float32)
    rows = max(1, BLOCK // len(squares))
    for start in range(0, len(features), rows):
        some = features[start : start + rows]
        distances = squares - 2 * some @ train.features.T  # less the square of the sample itself, the same in a row
        nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
        np.add.at(found, (np.arange(start, start + len(some))[:, None], train.labels[nearest]), 1 / count)
    return found
