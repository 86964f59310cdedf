"""The plain mean of the classes' F1 scores."""

from __future__ import annotations

import numpy as np

from clfkit.components import metrics
from clfkit.metrics import Predictions


@metrics.register("macro_f1")
def macro_f1(predictions: Predictions) -> float:
    """Mean of the F1 scores of all classes, each class counting the same however few its samples.

    Classes that are neither true nor predicted anywhere are left out, as in scikit-learn's f1_score with
    average="macro". NaN without samples.
    """
    f1 = predictions.per_class.f1
    defined = f1[~np.isnan(f1)]
    return float(defined.mean()) if len(defined) else float("nan")
