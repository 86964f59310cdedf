"""How good the probabilities themselves are, not only which of them is the largest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clfkit.components import metrics
from clfkit.metrics import Numbers, Predictions, share

CONFIDENCE_BINS = 15  # as in Guo et al.
SMALLEST = float(np.finfo(np.float32).eps)


@metrics.register("log_loss", lower_is_better=True)
def log_loss(predictions: Predictions) -> Numbers:
    """Mean of -log of the probability of a sample's own class, in nats; ln K for a model that says nothing.

    Probabilities below 1.2e-7 count as that, as in scikit-learn. NaN without samples.
    """
    return predictions.mean(-np.log(np.maximum(predictions.own, SMALLEST).astype(np.float64)))


@metrics.register("brier", lower_is_better=True)
def brier(predictions: Predictions) -> Numbers:
    """Mean squared distance of the probabilities from those of one who knows: 1 for the own class, 0 for the others.

    0 to 2; with two classes half of it, 0 to 1. As scikit-learn's brier_score_loss. Brier, "Verification of forecasts
    expressed in terms of probability", 1950. NaN without samples.
    """
    squares = np.einsum("nk,nk->n", predictions.probabilities, predictions.probabilities, dtype=np.float64)
    distance = squares - 2 * predictions.own.astype(np.float64) + 1
    return predictions.mean(distance / 2 if len(predictions.classes) == 2 else distance)


@metrics.register("ece", lower_is_better=True)
def ece(predictions: Predictions) -> Numbers:
    """Expected calibration error: how far confidence and accuracy are apart, 0 to 1.

    Samples are put into 15 bins of equal width by their confidence, the probability of the predicted class; the error
    is the mean over samples of |accuracy - confidence| of the bin. Guo et al., "On calibration of modern neural
    networks", 2017. NaN without samples.
    """
    confidence = predictions.confidence
    bins, gaps = confidence_bins(confidence), predictions.right - confidence
    parts = [np.abs(predictions.mean(np.where(bins == index, gaps, 0.0))) for index in np.unique(bins)]
    return np.sum(parts, axis=0) if parts else np.float64("nan")


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
