"""The share of samples whose class is among the five most probable."""

from __future__ import annotations

import numpy as np

from clfkit.components import metrics
from clfkit.data.bundle import FloatArray, IndexArray
from clfkit.metrics import Predictions

BLOCK = 10_000_000
"""Probabilities that are compared at once: with many classes there are gigabytes of them."""


@metrics.register("top5")
def top5(predictions: Predictions) -> float:
    """Share of samples whose true class is among the 5 most probable ones; 1 with at most 5 classes.

    Equally probable classes rank by index, lowest first, as in accuracy: a model that says nothing (all
    classes equal) gets no credit for it, and top5 is never below accuracy. NaN without samples.
    """
    labels, probabilities = predictions.labels, predictions.probabilities
    if not len(labels):
        return float("nan")
    rows = max(1, BLOCK // probabilities.shape[1])
    starts = range(0, len(labels), rows)
    hits = sum(_hits(labels[start : start + rows], probabilities[start : start + rows]) for start in starts)
    return hits / len(labels)


def _hits(labels: IndexArray, probabilities: FloatArray) -> int:
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > own) | ((probabilities == own) & earlier)
    return int(np.count_nonzero(ahead.sum(axis=1) < 5))
