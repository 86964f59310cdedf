"""Metrics: numbers computed from predictions, for all samples or for many resamples at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from clfkit.components import metrics
from clfkit.data.bundle import ClassMap, FloatArray, IndexArray
from clfkit.registry import Component

if TYPE_CHECKING:
    from clfkit.metrics._ranking import Ranking

Numbers = npt.NDArray[np.float64] | np.float64
"""One number, or one of each of R resamples."""
Counts = npt.NDArray[Any]
"""Whole numbers, of type int64 or, of resamples, float32: exact up to 16 million samples."""
Found = TypeVar("Found")
Watched = Mapping[str, float | None]
"""`valid.<metric>` of one epoch: None for what is undefined, as in JSON."""
Measure = Callable[[FloatArray, float], Watched]
"""Probabilities (N, K) of a split and its mean loss → the metrics that are watched beside loss and accuracy."""


@dataclass(frozen=True)
class Predictions:
    """What a model said about N samples of known class.

    labels: (N,) class indices. probabilities: (N, K), rows sum to 1. loss: mean of the experiment's loss.
    train_counts: (K,) train samples of each class, where they are known.
    weights: how often each sample counts in each of R resamples, (N, R); without, every sample counts once. What is
    measured has a last axis for them: `…` in the shapes below is R with weights, and nothing without.
    """

    labels: IndexArray
    probabilities: FloatArray
    classes: ClassMap
    loss: float
    train_counts: IndexArray | None = None
    weights: FloatArray | None = None
    _known: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def weighted(self, weights: FloatArray) -> Predictions:
        """The same samples, counted otherwise. What was found out about each of them is not found out again."""
        other = dataclasses.replace(self, weights=weights)
        vars(other)["_known"] = self._known
        return other

    def once(self, found: Callable[[Predictions], Found]) -> Found:
        """What a function finds out about each sample, whatever the samples count: asked once for all resamples."""
        if found not in self._known:
            self._known[found] = found(self)
        value: Found = self._known[found]
        return value

    @property
    def predicted(self) -> IndexArray:
        """(N,) the most probable class of each sample; the lowest index among equals."""
        return self.once(_predicted)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """(N,) whether a sample is given its own class."""
        return self.once(_right)

    @property
    def own(self) -> FloatArray:
        """(N,) the probability of each sample's own class."""
        return self.once(_own)

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """(N,) the probability of each sample's predicted class."""
        return self.once(_confidence)

    def mean(self, values: npt.NDArray[Any], where: npt.NDArray[np.bool_] | None = None) -> Numbers:
        """Mean (…) of values (N,), or of those samples where something holds. NaN without any."""
        if self.weights is None:
            chosen = values if where is None else values[where]
            return np.float64(chosen.mean(dtype=np.float64)) if len(chosen) else np.float64("nan")
        counted = np.ones(len(values), np.float32) if where is None else where.astype(np.float32)
        return share((values * counted).astype(np.float32) @ self.weights, counted @ self.weights)

    def counts(self, groups: IndexArray, size: int, where: npt.NDArray[np.bool_] | None = None) -> Counts:
        """Samples in each of `size` groups (size, …), or of those where something holds. groups: (N,) from 0."""
        if where is not None:
            groups = groups[where]
        if self.weights is None:
            return np.bincount(groups, minlength=size)
        weights = self.weights if where is None else self.weights[where]
        return summed(weights, groups, size)

    @cached_property
    def per_class(self) -> PerClass:
        """Precision, recall, F1 and support of each class, counted without the confusion matrix."""
        k = len(self.classes)
        right = self.counts(self.labels, k, self.right)
        return per_class(right, self.counts(self.labels, k), self.counts(self.predicted, k))

    @cached_property
    def of_every_class(self) -> PerClass:
        """`per_class` for means over the classes.

        Where a resample holds no sample of a class, or none that is predicted as it, that class keeps what it has on
        all samples: else each resample would be a mean over other classes.
        """
        found = self.per_class
        if self.weights is None:
            return found
        whole = self.once(_per_class_of_all)
        absent = (found.support == 0) & (whole.support > 0)[:, None]

        def kept(values: npt.NDArray[np.float64], of_all: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            return np.where(absent | np.isnan(values), of_all[:, None], values)

        return found._replace(
            precision=kept(found.precision, whole.precision),
            recall=kept(found.recall, whole.recall),
            f1=kept(found.f1, whole.f1),
        )

    @cached_property
    def ranking(self) -> Ranking:
        """Area under the ROC curve and average precision of each class against the rest."""
        from clfkit.metrics._ranking import rankings

        return rankings(self)


SIZES = 8
"""Groups of classes with about as many samples, at most."""


def _predicted(predictions: Predictions) -> IndexArray:
    best: IndexArray = predictions.probabilities.argmax(axis=1).astype(np.int64)
    return best


def _right(predictions: Predictions) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = predictions.predicted == predictions.labels
    return found


def _own(predictions: Predictions) -> FloatArray:
    return np.take_along_axis(predictions.probabilities, predictions.labels[:, None], axis=1)[:, 0]


def _confidence(predictions: Predictions) -> npt.NDArray[np.float64]:
    best: npt.NDArray[np.float64] = predictions.probabilities.max(axis=1, initial=0.0).astype(np.float64)
    return best


def _per_class_of_all(predictions: Predictions) -> PerClass:
    return dataclasses.replace(predictions, weights=None).per_class


def unbalanced(counts: IndexArray) -> bool:
    """Whether the largest class has at least twice the samples of the smallest, by the (K,) samples of each."""
    return bool(counts.max() >= 2 * counts.min())


def of_about_one_size(counts: IndexArray, there: npt.NDArray[np.bool_]) -> list[IndexArray]:
    """Classes with about as many samples, fewest first, in up to `SIZES` groups; those of one size stay together.

    counts: (K,) samples of each class. there: (K,) which classes to group; at least one.
    """
    order = np.flatnonzero(there)[np.argsort(counts[there], kind="stable")]
    sizes = counts[order]
    borders = np.unique(np.searchsorted(sizes, sizes[np.linspace(0, len(sizes), SIZES, endpoint=False).astype(int)]))
    return np.split(order, borders[1:])


class PerClass(NamedTuple):
    """Arrays of shape (K, …), one entry for each class; NaN stands for undefined."""

    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]
    support: Counts
    predicted: Counts


def per_class(right: Counts, support: Counts, predicted: Counts) -> PerClass:
    """Precision, recall, F1 and support of each class.

    right, support, predicted: (K, …) numbers of samples given their own class, of the class, and predicted as it.

    With TP, FP and FN of a class: precision = TP / (TP + FP), undefined when nothing was predicted as the
    class; recall = TP / (TP + FN), undefined when no sample is of the class; F1 = 2 TP / (2 TP + FP + FN),
    undefined when neither. support = TP + FN, the number of samples of the class.
    """
    return PerClass(
        precision=share(right, predicted),
        recall=share(right, support),
        f1=share(2 * right, support + predicted),
        support=support,
        predicted=predicted,
    )


def share(part: npt.ArrayLike, whole: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """part / whole in float64, NaN where whole is 0."""
    above, below = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below != 0, above / below, np.nan)


def mean_of_defined(values: npt.NDArray[np.float64], weights: Counts | None = None) -> Numbers:
    """Mean (…) over the classes of values (K, …), those undefined left out; NaN where all are."""
    defined = ~np.isnan(values)
    weighed = defined if weights is None else defined * weights
    return share((np.where(defined, values, 0.0) * weighed).sum(axis=0), weighed.sum(axis=0))


def summed(weights: FloatArray, groups: IndexArray, size: int) -> npt.NDArray[np.float32]:
    """Sums (size, R) of weights (N, R) over the samples of each group; groups: (N,) from 0 to below `size`."""
    sums = np.zeros((size, weights.shape[1]), np.float32)
    if len(groups):
        order = groups.argsort(kind="stable")
        there, starts = np.unique(groups[order], return_index=True)
        sums[there] = np.add.reduceat(weights.take(order, axis=0), starts, axis=0)
    return sums


def score(predictions: Predictions, names: Iterable[str] | None = None) -> dict[str, float]:
    """The metrics of these names, by default every registered one. NaN stands for undefined."""
    return {name: float(value) for name, value in measured(predictions, names).items()}


def measured(predictions: Predictions, names: Iterable[str] | None = None) -> dict[str, Numbers]:
    """The same of predictions with weights: one number (R,) of each resample."""
    return {
        name: metrics.build(Component(name, metrics.entry(name).options()), predictions)
        for name in (metrics.names() if names is None else names)
    }
