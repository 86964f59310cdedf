"""Samples ranked by the probability of each class: area under the ROC curve, average precision."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import FloatArray, IndexArray
from clfkit.metrics import Counts, Numbers, Predictions, share, summed


class Ranking(NamedTuple):
    """Of each class against the rest (K, …), of two classes of the second alone (1, …); NaN where undefined."""

    area: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]


def rankings(predictions: Predictions) -> Ranking:
    """Both of all classes, from one look at their order."""
    k = len(predictions.classes)
    borders = np.cumsum(np.bincount(predictions.labels, minlength=k))
    members = np.split(predictions.labels.argsort(kind="stable"), borders[:-1])
    found = []
    for index in range(k) if k != 2 else (1,):
        column = np.ascontiguousarray(predictions.probabilities[:, index])
        found.append(_ranked(*_ranks(column, members[index], predictions.weights)))
    areas, precisions = zip(*found, strict=True)
    return Ranking(np.stack(areas), np.stack(precisions))


def _ranks(column: FloatArray, members: IndexArray, weights: FloatArray | None) -> tuple[Counts, Counts]:
    """Samples at and between the u distinct probabilities that samples of a class have of it, in rising order.

    column: (N,) probabilities of the class. members: the samples that are of it. Returns (u, …) samples of the class
    at each, and (2 u + 1, …) all samples: below the first, at it, between it and the second, and so on.
    """
    values, at = np.unique(column[members], return_inverse=True)
    places = np.searchsorted(values, column, "left") + np.searchsorted(values, column, "right")
    size = 2 * len(values) + 1
    if weights is None:
        return np.bincount(at, minlength=len(values)), np.bincount(places, minlength=size)
    return summed(weights[members], at, len(values)), summed(weights, places, size)


def _ranked(own: Counts, every: Counts) -> tuple[Numbers, Numbers]:
    """Area and precision of one class from what `_ranks` counts. Sums of float32 are exact up to 16 million samples."""
    reached = own.cumsum(axis=0)  # of the class, up to and with each probability
    below = (every[:-1:2] + np.concatenate((np.zeros_like(every[:1]), every[1:-2:2]))).cumsum(axis=0)  # of all
    total = every.sum(axis=0, dtype=np.float64)
    members = own.sum(axis=0, dtype=np.float64)
    others_below = below - (reached - own)
    won = np.einsum("u...,u...->...", own, others_below + (every[1::2] - own) / 2, dtype=np.float64)
    found, listed = members - (reached - own), total - below  # at or above each probability
    precise = np.divide(found, listed, out=np.zeros(found.shape), where=listed > 0)
    return share(won, members * (total - members)), share(np.einsum("u...,u...->...", own, precise), members)
