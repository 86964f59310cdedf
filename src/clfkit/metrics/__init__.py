"""Metrics: numbers between 0 and 1 (and the loss) computed from predictions, by counting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clfkit.components import metrics
from clfkit.data.bundle import ClassMap, FloatArray, IndexArray
from clfkit.registry import Component


@dataclass(frozen=True)
class Predictions:
    """What a model said about N samples of known class.

    labels: (N,) class indices. probabilities: (N, K), rows sum to 1. loss: mean of the experiment's loss.
    """

    labels: IndexArray
    probabilities: FloatArray
    classes: ClassMap
    loss: float

    @cached_property
    def predicted(self) -> IndexArray:
        """(N,) the most probable class of each sample; the lowest index among equals."""
        return self.probabilities.argmax(axis=1).astype(np.int64)

    @cached_property
    def confusion(self) -> IndexArray:
        """(K, K) counts: rows are true classes, columns predicted ones."""
        k = len(self.classes)
        return np.bincount(self.labels * k + self.predicted, minlength=k * k).reshape(k, k).astype(np.int64)


def score(predictions: Predictions) -> dict[str, float]:
    """Every registered metric of these predictions. NaN stands for undefined."""
    return {
        name: float(metrics.build(Component(name, metrics.entry(name).options()), predictions))
        for name in metrics.names()
    }
