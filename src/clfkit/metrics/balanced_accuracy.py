"""The accuracy of the classes, each counting the same."""

from __future__ import annotations

import numpy as np

from clfkit.components import metrics
from clfkit.metrics import Predictions


@metrics.register("balanced_accuracy")
def balanced_accuracy(predictions: Predictions) -> float:
    """Mean recall of the classes that have samples, each class counting the same; as in scikit-learn.

    NaN without samples.
    """
    recall = predictions.per_class.recall
    defined = recall[~np.isnan(recall)]
    return float(defined.mean()) if len(defined) else float("nan")
