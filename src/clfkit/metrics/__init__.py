"""Metrics: numbers between 0 and 1 (and the loss) computed from predictions, by counting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clfkit.components import metrics
from clfkit.data.bundle import ClassMap, FloatArray, IndexArray
from clfkit.registry import Component

Watched = Mapping[str, float | None]
"""`valid.<metric>` of one epoch: None for what is undefined, as in JSON."""
Measure = Callable[[FloatArray, float], Watched]
"""Probabilities (N, K) of a split and its mean loss → the metrics that are watched beside loss and accuracy."""


@dataclass(frozen=True)
class Predictions:
    """What a model said about N samples of known class.

    labels: (N,) class indices. probabilities: (N, K), rows sum to 1. loss: mean of the experiment's loss.
    train_counts: (K,) train samples of each class, where they are known.
    """

    labels: IndexArray
    probabilities: FloatArray
    classes: ClassMap
    loss: float
    train_counts: IndexArray | None = None

    @cached_property
    def predicted(self) -> IndexArray:
        """(N,) the most probable class of each sample; the lowest index among equals."""
        best: IndexArray = self.probabilities.argmax(axis=1).astype(np.int64)
        return best

    @cached_property
    def confusion(self) -> IndexArray:
        """(K, K) counts: rows are true classes, columns predicted ones. Of 20,000 classes it would take 3.2 GB."""
        k = len(self.classes)
        return np.bincount(self.labels * k + self.predicted, minlength=k * k).astype(np.int64).reshape(k, k)

    @cached_property
    def per_class(self) -> PerClass:
        """Precision, recall, F1 and support of each class, counted without the confusion matrix."""
        k = len(self.classes)
        right = np.bincount(self.labels[self.labels == self.predicted], minlength=k)
        return per_class(right, np.bincount(self.labels, minlength=k), np.bincount(self.predicted, minlength=k))


def unbalanced(counts: IndexArray) -> bool:
    """Whether the largest class has at least twice the samples of the smallest, by the (K,) samples of each."""
    return bool(counts.max() >= 2 * counts.min())


class PerClass(NamedTuple):
    """Four arrays of shape (K,), one entry for each class; NaN stands for undefined."""

    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]
    support: IndexArray


def per_class(right: IndexArray, support: IndexArray, predicted: IndexArray) -> PerClass:
    """Precision, recall, F1 and support of each class.

    right, support, predicted: (K,) numbers of samples given their own class, of the class, and predicted as it.

    With TP, FP and FN of a class: precision = TP / (TP + FP), undefined when nothing was predicted as the
    class; recall = TP / (TP + FN), undefined when no sample is of the class; F1 = 2 TP / (2 TP + FP + FN),
    undefined when neither. support = TP + FN, the number of samples of the class.
    """
    return PerClass(
        precision=_share(right, predicted),
        recall=_share(right, support),
        f1=_share(2 * right, support + predicted),
        support=support,
    )


def _share(part: IndexArray, whole: IndexArray) -> npt.NDArray[np.float64]:
    """part / whole, NaN where whole is 0."""
    share = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def score(predictions: Predictions, names: Iterable[str] | None = None) -> dict[str, float]:
    """The metrics of these names, by default every registered one. NaN stands for undefined."""
    return {
        name: float(metrics.build(Component(name, metrics.entry(name).options()), predictions))
        for name in (metrics.names() if names is None else names)
    }
