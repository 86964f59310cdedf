"""The best accuracy that any classifier can reach on data that were drawn from a known density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit import rng
from clfkit.data.bundle import Density, Split
from clfkit.errors import DataError

TOLERANCE = 0.001  # half of a 95 % interval that is narrow enough
BATCH = 8192
MOST_BATCHES = 32  # enough for any two classes; of many classes the interval may stay a little wider
SEED = 0  # the same for every run, so that two runs on the same data have the same limit
NORMAL_95 = 1.959964  # deviations to either side


@dataclass(frozen=True)
class BestAccuracy:
    """The Bayes-optimal accuracy, estimated by Monte Carlo, and its 95 % interval."""

    accuracy: float
    interval: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        """For evaluation/<split>.json."""
        return {"accuracy": self.accuracy, "interval": list(self.interval)}


def best_on(split: Split, classes: int) -> BestAccuracy | None:
    """The best possible accuracy on samples like those of a split, in its class shares; None without a density.

    It holds for fresh samples. On those of the split itself chance may carry a model beyond it, and memory will on
    train. Raises DataError when the density is not one.
    """
    if split.density is None:
        return None
    return best_accuracy(split.density, class_shares(split, classes), SEED)


def class_shares(split: Split, classes: int) -> npt.NDArray[np.float64]:
    """(K,) share of each class in a split that is not empty."""
    shares: npt.NDArray[np.float64] = split.counts(classes) / len(split)
    return shares


def best_accuracy(density: Density, shares: npt.NDArray[np.float64], seed: int) -> BestAccuracy:
    """The expected accuracy of whoever always says the most probable class: E[max over k of p(k | x)].

    shares: (K,) probabilities of the classes. The mean of the largest posterior over fresh samples varies less than the
    share of them that are guessed right, which has the same expectation. Samples are drawn until the interval is as
    narrow as `TOLERANCE` says. Raises DataError.
    """
    largest = np.empty(0)
    for batch in range(MOST_BATCHES):
        random = rng.generator(seed, "best possible accuracy", batch)
        labels = random.choice(len(shares), BATCH, p=shares)
        found = posterior(density, density.draw(labels, random), shares).max(axis=1)
        if np.isnan(found).any():
            raise DataError("the dataset's density is zero, or not a number, where it has drawn a sample itself")
        largest = np.concatenate([largest, found])
        half = NORMAL_95 * float(largest.std()) / len(largest) ** 0.5
        if half <= TOLERANCE:
            break
    mean = float(largest.mean())
    return BestAccuracy(mean, (max(mean - half, 0.0), min(mean + half, 1.0)))


def posterior(
    density: Density, points: npt.NDArray[np.floating], shares: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """p(class | x) at points (N, …), shape (N, K); NaN where no class ever is.

    shares: (K,) probabilities of the classes. Raises DataError for a density of another shape.
    """
    scores = density.log_density(points)
    if scores.shape != (len(points), len(shares)):
        raise DataError(f"the dataset's density must be {(len(points), len(shares))} numbers, not {scores.shape}")
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = scores + np.log(shares)
        scores -= scores.max(axis=1, keepdims=True)
        likelihoods: npt.NDArray[np.float64] = np.exp(scores)
    likelihoods /= likelihoods.sum(axis=1, keepdims=True)
    return likelihoods
