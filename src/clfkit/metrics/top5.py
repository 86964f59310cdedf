"""The share of samples whose class is among the five most probable."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clfkit.components import metrics
from clfkit.data.bundle import FloatArray, IndexArray
from clfkit.metrics import Numbers, Predictions

BLOCK = 10_000_000
"""Probabilities that are compared at once: with many classes there are gigabytes of them."""


@metrics.register("top5")
def top5(predictions: Predictions) -> Numbers:
    """Share of samples whose true class is among the 5 most probable ones; 1 with at most 5 classes.

    Equally probable classes rank by index, lowest first, as in accuracy: a model that says nothing (all
    classes equal) gets no credit for it, and top5 is never below accuracy. NaN without samples.
    """
    return predictions.mean(predictions.once(_among_five))


def _among_five(predictions: Predictions) -> npt.NDArray[np.bool_]:
    labels, probabilities = predictions.labels, predictions.probabilities
    rows = max(1, BLOCK // probabilities.shape[1])
    starts = range(0, len(labels), rows)
    hits = [_hits(labels[start : start + rows], probabilities[start : start + rows]) for start in starts]
    return np.concatenate(hits) if hits else np.zeros(0, np.bool_)


def _hits(labels: IndexArray, probabilities: FloatArray) -> npt.NDArray[np.bool_]:
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > own) | ((probabilities == own) & earlier)
    found: npt.NDArray[np.bool_] = np.count_nonzero(ahead, axis=1) < 5
    return found
