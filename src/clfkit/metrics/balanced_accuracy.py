"""The accuracy of the classes, each counting the same."""

from __future__ import annotations

from clfkit.components import metrics
from clfkit.metrics import Numbers, Predictions, mean_of_defined


@metrics.register("balanced_accuracy")
def balanced_accuracy(predictions: Predictions) -> Numbers:
    """Mean recall of the classes that have samples, each class counting the same; as in scikit-learn.

    Also known as macro recall. NaN without samples.
    """
    return mean_of_defined(predictions.of_every_class.recall)
