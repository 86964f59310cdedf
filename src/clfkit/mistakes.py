"""What a model gets wrong: the classes that it confuses, and the samples whose label it contradicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import Ids, IndexArray
from clfkit.metrics import Predictions, share

Shares = npt.NDArray[np.floating]

MOST_PAIRS = 100
MOST_SUSPECTS = 200
RULED_OUT = 0.05  # share of a class's mean probability, below which it is out of the question


@dataclass(frozen=True)
class Confused:
    """Samples of one class that are predicted as another: how many, and which share of the class."""

    true: str
    predicted: str
    samples: int
    share: float


def confused_pairs(predictions: Predictions, most: int = MOST_PAIRS) -> list[Confused]:
    """The pairs of classes that are confused most often, most samples first, of equals the larger share."""
    k, names = len(predictions.classes), predictions.classes.names
    wrong = ~predictions.right
    pairs, counts = np.unique(predictions.labels[wrong] * k + predictions.predicted[wrong], return_counts=True)
    shares = counts / np.bincount(predictions.labels, minlength=k)[pairs // k]
    order = np.lexsort((pairs, -shares, -counts))[:most]
    return [
        Confused(names[pair // k], names[pair % k], int(count), float(part))
        for pair, count, part in zip(pairs[order].tolist(), counts[order], shares[order], strict=True)
    ]


@dataclass(frozen=True)
class Suspect:
    """A sample whose given label is probably wrong: its id, what it is said to be, what the model takes it for."""

    id: str | int
    given: str
    predicted: str
    probability: float
    probability_of_given: float


def likely_label_errors(predictions: Predictions, ids: Ids, most: int = MOST_SUSPECTS) -> list[Suspect]:
    """Samples whose given label is probably wrong, see `contradicted`, the most certain first."""
    names, labels, said = predictions.classes.names, predictions.labels, predictions.predicted
    confidence, own, known = predictions.confidence, predictions.own, np.asarray(ids)
    return [
        Suspect(
            known[row].item(),
            names[labels[row]],
            names[said[row]],
            round(float(confidence[row]), 4),
            round(float(own[row]), 4),
        )
        for row in contradicted(labels, said, confidence, own, len(names))[:most].tolist()
    ]


def contradicted(
    labels: IndexArray, predicted: IndexArray, confidence: Shares, own: Shares, classes: int
) -> IndexArray:
    """Positions of samples whose given label the model contradicts with confidence, the most certain first.

    labels, predicted: (N,) class indices. confidence, own: (N,) probabilities of the predicted class and of the given
    one. The model is confident of a class when it gives it at least the mean probability that it gives to samples of
    that class: confident learning, Northcutt et al., "Confident learning: estimating uncertainty in dataset labels",
    2021. Since classes that overlap contradict each other without an error of anybody, the given label must also have
    less than a twentieth of its own mean. Ranked by the probability of the predicted class less that of the given one.
    A model that is wrong as often as right accuses nobody.
    """
    if 2 * np.count_nonzero(predicted == labels) <= len(labels):
        return np.zeros(0, np.int64)
    usual = share(np.bincount(labels, own, minlength=classes), np.bincount(labels, minlength=classes))
    sure = confidence >= usual[predicted]  # of a class without samples: never
    rows = np.flatnonzero((predicted != labels) & sure & (own < RULED_OUT * usual[labels]))
    order: IndexArray = rows[np.argsort(own[rows] - confidence[rows], kind="stable")]
    return order
