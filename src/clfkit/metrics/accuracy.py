"""The share of samples that are given their own class."""

from __future__ import annotations

from clfkit.components import metrics
from clfkit.metrics import Numbers, Predictions


@metrics.register("accuracy")
def accuracy(predictions: Predictions) -> Numbers:
    """Share of samples whose most probable class is the true one.

    Of equally probable classes the one with the lowest index is predicted. NaN without samples.
    """
    return predictions.mean(predictions.right)
