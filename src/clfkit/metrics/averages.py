"""Precision and F1 averaged over classes: plainly, and by their samples."""

from __future__ import annotations

from clfkit.components import metrics
from clfkit.metrics import Numbers, Predictions, mean_of_defined


@metrics.register("macro_precision")
def macro_precision(predictions: Predictions) -> Numbers:
    """Mean precision of the classes that are predicted anywhere, each counting the same.

    As scikit-learn's precision_score with average="macro" and zero_division=np.nan. NaN without samples.
    """
    return mean_of_defined(predictions.of_every_class.precision)


@metrics.register("macro_f1")
def macro_f1(predictions: Predictions) -> Numbers:
    """Mean of the F1 scores of all classes, each class counting the same however few its samples.

    Classes that are neither true nor predicted anywhere are left out, as in scikit-learn's f1_score with
    average="macro". NaN without samples.
    """
    return mean_of_defined(predictions.of_every_class.f1)


@metrics.register("weighted_precision")
def weighted_precision(predictions: Predictions) -> Numbers:
    """Mean precision of the classes that are predicted anywhere, each weighted by the number of its samples.

    As scikit-learn's precision_score with average="weighted" and zero_division=np.nan. Weighted recall is accuracy.
    NaN without samples.
    """
    return mean_of_defined(predictions.of_every_class.precision, predictions.of_every_class.support)


@metrics.register("weighted_f1")
def weighted_f1(predictions: Predictions) -> Numbers:
    """Mean of the F1 scores of all classes, each weighted by the number of its samples.

    As scikit-learn's f1_score with average="weighted". NaN without samples.
    """
    return mean_of_defined(predictions.of_every_class.f1, predictions.of_every_class.support)
