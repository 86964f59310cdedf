"""The share of samples whose class is among the five most probable."""

from __future__ import annotations

import numpy as np

from clfkit.components import metrics
from clfkit.metrics import Predictions


@metrics.register("top5")
def top5(predictions: Predictions) -> float:
    """Share of samples whose true class is among the 5 most probable ones; 1 with at most 5 classes.

    Equally probable classes rank by index, lowest first, as in accuracy: a model that says nothing (all
    classes equal) gets no credit for it, and top5 is never below accuracy. NaN without samples.
    """
    labels, probabilities = predictions.labels, predictions.probabilities
    if not len(labels):
        return float("nan")
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > own) | ((probabilities == own) & earlier)
    return float((ahead.sum(axis=1) < 5).mean())
