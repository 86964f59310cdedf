"""How good the probabilities themselves are, not only which of them is the largest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clfkit.components import metrics
from clfkit.metrics import Numbers, Predictions, share

CONFIDENCE_BINS = 15  # as in Guo et al.
ONE_SIDED = 1.645  # deviations that a normal variable exceeds once in 20
SMALLEST = float(np.finfo(np.float32).tiny)


@metrics.register("log_loss", lower_is_better=True)
def log_loss(predictions: Predictions) -> Numbers:
    """Mean of -log of the probability of a sample's own class, in nats; ln K for a model that says nothing.

    Probabilities below 1.2e-38, the least that float32 knows exactly, count as that: a mistake costs 87 nats at most.
    (scikit-learn's log_loss lifts float32 probabilities to 1.2e-7, float64 ones to 2.2e-16.) NaN without samples.
    """
    return predictions.mean(predictions.once(_surprise))


@metrics.register("brier", lower_is_better=True)
def brier(predictions: Predictions) -> Numbers:
    """Mean squared distance of the probabilities from those of one who knows: 1 for the own class, 0 for the others.

    0 to 2; with two classes half of it, 0 to 1. As scikit-learn's brier_score_loss. Brier, "Verification of forecasts
    expressed in terms of probability", 1950. NaN without samples.
    """
    return predictions.mean(predictions.once(_distance))


@metrics.register("ece", lower_is_better=True)
def ece(predictions: Predictions) -> Numbers:
    """Expected calibration error: how far confidence and accuracy are apart, 0 to 1.

    Samples are put into 15 bins of equal width by their confidence, the probability of the predicted class; the error
    is the mean over samples of |accuracy - confidence| of the bin. Guo et al., "On calibration of modern neural
    networks", 2017. NaN without samples.
    """
    gaps = predictions.once(_gaps)
    if predictions.weights is None:
        return np.float64(np.abs(gaps.sum(axis=1, dtype=np.float64)).sum() / (gaps.shape[1] or np.nan))
    return share(np.abs(gaps @ predictions.weights).sum(axis=0), predictions.weights.sum(axis=0))


def least_ece(predictions: Predictions) -> float:
    """What of the measured `ece` may not be chance: the lower end of what its samples speak for, on their mean.

    With few samples in a bin confidence and accuracy differ even where all probabilities are right. How far they then
    do, in 19 of 20 such splits at most, is taken off in squares, as the deviation of independent errors. That of a bin
    is about half-normal, with the variance Σ c (1 - c) of its hits.
    """
    error, confidence = float(ece(predictions)), predictions.confidence
    variance = np.bincount(confidence_bins(confidence), confidence * (1 - confidence), minlength=CONFIDENCE_BINS)
    mean, deviation = np.sqrt(2 / np.pi * variance).sum(), np.sqrt((1 - 2 / np.pi) * variance.sum())
    chance = (mean + ONE_SIDED * deviation) / max(1, len(confidence))
    return float(np.sqrt(max(error**2 - chance**2, 0.0)))


def _surprise(predictions: Predictions) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = -np.log(np.maximum(predictions.own, SMALLEST).astype(np.float64))
    return found


def _distance(predictions: Predictions) -> npt.NDArray[np.float64]:
    squares = np.einsum("nk,nk->n", predictions.probabilities, predictions.probabilities, dtype=np.float64)
    found: npt.NDArray[np.float64] = squares - 2 * predictions.own.astype(np.float64) + 1
    return found / 2 if len(predictions.classes) == 2 else found


def _gaps(predictions: Predictions) -> npt.NDArray[np.float32]:
    """(bins, N): right or not less the confidence, in the row of the sample's bin."""
    confidence = predictions.confidence
    found = np.zeros((CONFIDENCE_BINS, len(confidence)), np.float32)
    found[confidence_bins(confidence), np.arange(len(confidence))] = predictions.right - confidence
    return found


def confidence_bins(confidence: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """(N,) → the bin of each, from 0; a confidence on a border belongs to the lower bin."""
    found: npt.NDArray[np.int64] = np.ceil(confidence.astype(np.float64) * CONFIDENCE_BINS).astype(np.int64) - 1
    return found.clip(0, CONFIDENCE_BINS - 1)


class Bin(NamedTuple):
    """Samples whose confidence lies between low and high: how many, its mean, and the share of them that is right."""

    low: float
    high: float
    samples: int
    confidence: float
    accuracy: float


def reliability(confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_]) -> list[Bin]:
    """Confidence beside accuracy in the bins of `ece`, empty ones left out. Both (N,)."""
    at = confidence_bins(confidence)
    counts = np.bincount(at, minlength=CONFIDENCE_BINS)
    sure, hits = (share(np.bincount(at, each, minlength=CONFIDENCE_BINS), counts) for each in (confidence, right))
    return [
        Bin(
            index / CONFIDENCE_BINS,
            (index + 1) / CONFIDENCE_BINS,
            int(counts[index]),
            float(sure[index]),
            float(hits[index]),
        )
        for index in np.flatnonzero(counts).tolist()
    ]
