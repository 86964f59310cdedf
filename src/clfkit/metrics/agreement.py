"""Agreement of predicted and true classes beyond what chance would give."""

from __future__ import annotations

import numpy as np

from clfkit.components import metrics
from clfkit.metrics import Numbers, Predictions, share


@metrics.register("mcc")
def mcc(predictions: Predictions) -> Numbers:
    """Matthews correlation coefficient, -1 to 1: the correlation of predicted and true class; 0 is chance.

    With c of n samples right, t samples of and p predictions as each class:
    (c n - Σ t p) / √((n² - Σ p²) (n² - Σ t²)). Gorodkin, "Comparing two K-category assignments by a K-category
    correlation coefficient", 2004. NaN where all samples are of one class or all are predicted as one; scikit-learn
    says 0 there.
    """
    right, total, true, said = _sums(predictions)
    spread = (total**2 - (said**2).sum(axis=0)) * (total**2 - (true**2).sum(axis=0))
    return share(right * total - (true * said).sum(axis=0), np.sqrt(spread))


@metrics.register("kappa")
def kappa(predictions: Predictions) -> Numbers:
    """Cohen's kappa, up to 1: the share of agreement that chance does not explain; 0 is chance.

    (accuracy - e) / (1 - e), where e is the accuracy of as many predictions of each class dealt out at random. Cohen,
    "A coefficient of agreement for nominal scales", 1960. NaN where all is of one class and predicted as it.
    """
    right, total, true, said = _sums(predictions)
    chance = (true * said).sum(axis=0)
    return share(right * total - chance, total**2 - chance)


def _sums(predictions: Predictions) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Samples that are right (…), all (…), of each class (K, …), predicted as each class (K, …); in float64."""
    table = predictions.per_class
    true, said = np.asarray(table.support, np.float64), np.asarray(table.predicted, np.float64)
    right = np.where(true > 0, table.recall * true, 0.0).sum(axis=0)
    return np.rint(right), true.sum(axis=0), true, said
