"""How well the probability of a class ranks its samples above all others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from clfkit.components import metrics
from clfkit.data.bundle import FloatArray, IndexArray
from clfkit.metrics import Counts, Numbers, Predictions, mean_of_defined, share, summed


@metrics.register("roc_auc")
def roc_auc(predictions: Predictions) -> Numbers:
    """Area under the ROC curve: how often a sample of a class is ranked above one of another class; ties count half.

    Of two classes, one number; of more, each class against the rest, and the mean over the classes that have samples.
    As scikit-learn's roc_auc_score (multi_class="ovr"), which refuses absent classes. NaN where only one class has
    samples.
    """
    return mean_of_defined(np.stack([_area(ranks) for ranks in _rankings(predictions)], axis=0))


@metrics.register("average_precision")
def average_precision(predictions: Predictions) -> Numbers:
    """Area under the precision-recall curve: the mean precision over the ranks of a class's samples.

    Of two classes, that of the second one; of more, each class against the rest, and the mean over the classes that
    have samples. Σ (R_i - R_i-1) P_i over the distinct probabilities, as scikit-learn's average_precision_score. NaN
    without samples of the class.
    """
    return mean_of_defined(np.stack([_precision(ranks) for ranks in _rankings(predictions)], axis=0))


class _Ranks(NamedTuple):
    """Samples at and between the u distinct probabilities that samples of one class have of it, in rising order.

    positive: (u, …) samples of the class at each. every: (2 u + 1, …) all samples: below the first, at it, between
    it and the second, and so on.
    """

    positive: Counts
    every: Counts


def _rankings(predictions: Predictions) -> Iterator[_Ranks]:
    """Of every class; of two classes, of the second alone."""
    k = len(predictions.classes)
    borders = np.cumsum(np.bincount(predictions.labels, minlength=k))
    members = np.split(predictions.labels.argsort(kind="stable"), borders[:-1])
    for index in range(k) if k != 2 else (1,):
        yield _ranks(np.ascontiguousarray(predictions.probabilities[:, index]), members[index], predictions.weights)


def _ranks(column: FloatArray, members: IndexArray, weights: FloatArray | None) -> _Ranks:
    """column: (N,) probabilities of the class. members: the samples that are of it."""
    values, at = np.unique(column[members], return_inverse=True)
    places = np.searchsorted(values, column, "left") + np.searchsorted(values, column, "right")
    size = 2 * len(values) + 1
    if weights is None:
        return _Ranks(np.bincount(at, minlength=len(values)), np.bincount(places, minlength=size))
    return _Ranks(summed(weights[members], at, len(values)), summed(weights, places, size))


def _area(ranks: _Ranks) -> Numbers:
    positive, every = ranks
    beside = every[1::2] - positive  # others of the same probability
    below = np.cumsum(every[:-1:2] + np.concatenate((np.zeros_like(beside[:1]), beside[:-1])), axis=0, dtype=np.float64)
    total = positive.sum(axis=0, dtype=np.float64)
    return share((positive * (below + beside / 2)).sum(axis=0), total * (every.sum(axis=0, dtype=np.float64) - total))


def _precision(ranks: _Ranks) -> Numbers:
    positive, every = ranks
    found = np.cumsum(positive[::-1], axis=0, dtype=np.float64)[::-1]
    listed = np.cumsum(every[::-1], axis=0, dtype=np.float64)[::-1][1::2]
    precise = np.divide(found, listed, out=np.zeros_like(found), where=listed > 0)
    return share((positive * precise).sum(axis=0), positive.sum(axis=0, dtype=np.float64))
