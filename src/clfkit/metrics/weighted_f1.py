"""The mean of the classes' F1 scores, weighted by their samples."""

from __future__ import annotations

import numpy as np

from clfkit.components import metrics
from clfkit.metrics import Predictions


@metrics.register("weighted_f1")
def weighted_f1(predictions: Predictions) -> float:
    """Mean of the F1 scores of all classes, each weighted by the number of its samples.

    As scikit-learn's f1_score with average="weighted". NaN without samples.
    """
    counts = predictions.per_class
    if not counts.support.any():
        return float("nan")
    return float(np.average(np.nan_to_num(counts.f1), weights=counts.support))
