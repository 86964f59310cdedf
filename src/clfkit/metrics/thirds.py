"""Accuracy of frequent, middling and rare classes: what a mean over all samples hides where classes are unbalanced."""

from __future__ import annotations

import numpy as np

from clfkit.components import metrics
from clfkit.data.bundle import IndexArray
from clfkit.metrics import Numbers, Predictions, unbalanced


@metrics.register("head_accuracy")
def head_accuracy(predictions: Predictions) -> Numbers:
    """Accuracy on samples of the third of classes with the most train samples.

    NaN where no class has twice the train samples of another or they are unknown, and without such samples.
    """
    return _accuracy_of(predictions, 0)


@metrics.register("middle_accuracy")
def middle_accuracy(predictions: Predictions) -> Numbers:
    """Accuracy on samples of the classes between head and tail; NaN as head_accuracy."""
    return _accuracy_of(predictions, 1)


@metrics.register("tail_accuracy")
def tail_accuracy(predictions: Predictions) -> Numbers:
    """Accuracy on samples of the third of classes with the fewest train samples; NaN as head_accuracy."""
    return _accuracy_of(predictions, 2)


def thirds(counts: IndexArray) -> IndexArray:
    """(K,) samples of each class → 0 (head), 1 or 2 (tail): thirds of the classes by their rank, the largest first.

    Classes of one size share their mean rank, and so stay together.
    """
    _, inverse, same = np.unique(-counts, return_inverse=True, return_counts=True)
    middle = np.cumsum(same) - same / 2  # of each group of equals, among 0 to K
    found: IndexArray = np.floor(3 * middle / len(counts)).astype(np.int64)[inverse]
    return found


def _accuracy_of(predictions: Predictions, third: int) -> Numbers:
    counts = predictions.train_counts
    if counts is None or not unbalanced(counts):
        return np.float64("nan")
    return predictions.mean(predictions.right, thirds(counts)[predictions.labels] == third)
