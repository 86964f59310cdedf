"""How well the probability of a class ranks its samples above all others."""

from __future__ import annotations

from clfkit.components import metrics
from clfkit.metrics import Numbers, Predictions, mean_of_defined


@metrics.register("roc_auc")
def roc_auc(predictions: Predictions) -> Numbers:
    """Area under the ROC curve: how often a sample of a class is ranked above one of another class; ties count half.

    Of two classes, one number; of more, each class against the rest, and the mean over the classes that have samples.
    As scikit-learn's roc_auc_score (multi_class="ovr"), which refuses absent classes. NaN where only one class has
    samples.
    """
    return mean_of_defined(predictions.ranking.area)


@metrics.register("average_precision")
def average_precision(predictions: Predictions) -> Numbers:
    """Area under the precision-recall curve: the mean precision over the ranks of a class's samples.

    Of two classes, that of the second one; of more, each class against the rest, and the mean over the classes that
    have samples. Σ (R_i - R_i-1) P_i over the distinct probabilities, as scikit-learn's average_precision_score. NaN
    without samples of the class.
    """
    return mean_of_defined(predictions.ranking.precision)
