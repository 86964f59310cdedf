"""Intervals of metrics: what they would have been on other samples like these."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clfkit import rng
from clfkit.data.bundle import FloatArray, IndexArray
from clfkit.metrics import PerClass, Predictions, measured

RESAMPLES = 1000
FEWEST_RESAMPLES = 200
MOST_DRAWS = 500_000_000  # of all resamples together: of very many samples fewer resamples are drawn
BLOCK = 4_000_000  # draws in memory at once
DRAWN_TOGETHER = 50  # resamples at most, by one stream
MOST_RANKED = 2_000_000_000  # samples × classes × resamples: rankings of more take too long
RANKINGS = ("roc_auc", "average_precision")
LEVEL = 0.95

MOST_CLASSES = 5_000  # whose own figures get intervals: those of more take memory and nobody reads them

Interval = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of metrics, and of each class's precision, recall and F1: lower and upper ends.

    metrics: only those that are defined in every resample, and that can be resampled. classes: {name: (2, K)}, NaN
    where undefined.
    """

    resamples: int
    metrics: dict[str, Interval]
    classes: dict[str, npt.NDArray[np.float64]]


def intervals(predictions: Predictions, names: Iterable[str], seed: int) -> Intervals:
    """Percentile bootstrap over samples: 95 % of the values that the metrics have on resamples lie between the ends.

    A resample is as many samples, drawn with replacement. Efron, "Bootstrap methods: another look at the jackknife",
    1979. It holds fewer different samples than the split, which moves some metrics to one side: with three samples of
    a class, precision and F1; with few samples, the calibration error. So the ends are moved by as much as the median
    of the resamples is away from the metric itself. A metric that is the same whichever samples are drawn, such as the
    accuracy of a model that is always right, has an interval without width: no resample knows of errors that did not
    happen.
    """
    samples, k = predictions.probabilities.shape
    count = resamples_of(samples)
    ranked = samples * k * count <= MOST_RANKED
    wanted = [name for name in names if name != "loss" and (ranked or name not in RANKINGS)]
    found: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in wanted}
    tables: list[FloatArray] = []
    for weights in resampled(samples, count, seed):
        block = predictions.weighted(weights)
        for name, values in measured(block, wanted).items():
            if np.shape(values) == weights.shape[1:]:  # one from outside may know nothing of resamples
                found[name].append(np.asarray(values))
        if k <= MOST_CLASSES:
            tables.append(np.stack([np.asarray(part, np.float32).T for part in block.per_class[:3]]))
    whole = measured(predictions, wanted)
    ends_of = {name: ends(np.concatenate(values), whole[name]) for name, values in found.items() if values}
    shares = PerClass._fields[:3], np.concatenate(tables, axis=1) if tables else (), predictions.per_class[:3]
    return Intervals(
        count,
        {name: (float(low), float(high)) for name, (low, high) in ends_of.items() if not math.isnan(low)},
        {name: ends(values, of_all) for name, values, of_all in zip(*shares, strict=True)} if tables else {},
    )


def resamples_of(samples: int) -> int:
    """How many resamples are drawn of so many samples; none of none."""
    return min(RESAMPLES, max(FEWEST_RESAMPLES, MOST_DRAWS // samples)) if samples else 0


def resampled(samples: int, count: int, seed: int) -> Iterator[FloatArray]:
    """How often each sample is in each of `count` resamples, in blocks (samples, R): whole numbers in float32."""
    together = max(1, min(DRAWN_TOGETHER, BLOCK // max(1, samples)))  # by one stream, whatever the blocks
    drawn: list[FloatArray] = []
    for start in range(0, count, together):
        drawn.append(_drawn(samples, min(together, count - start), seed, start))
        if sum(map(np.size, drawn)) >= BLOCK or start + together >= count:
            yield np.concatenate(drawn, axis=1)
            drawn = []


def ends(values: FloatArray, of_all: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The ends (2, …) of the middle 95 % of values (R, …), moved so that their median is the value of all samples (…).

    Undefined values are left out; NaN where all are. Ends leave 0 to 1, or 0 to ∞, only where values do.
    """
    ordered = np.sort(values.astype(np.float64), axis=0)  # NaN comes last
    last = np.maximum(np.count_nonzero(~np.isnan(ordered), axis=0) - 1, 0)
    low, middle, high = (_quantile(ordered, last, share) for share in ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2))
    lowest = np.where(ordered[0] >= 0, 0.0, -np.inf)
    highest = np.where(np.take_along_axis(ordered, last[None], axis=0)[0] <= 1, 1.0, np.inf)
    found: npt.NDArray[np.float64] = np.stack([low, high]) + (np.asarray(of_all) - middle).clip(
        lowest - low, highest - high
    )
    return found


def _quantile(ordered: npt.NDArray[np.float64], last: IndexArray, share: float) -> npt.NDArray[np.float64]:
    """Quantile (…) of rising values (R, …), the defined of which end at place `last` (…)."""
    below = np.floor(share * last).astype(np.int64)
    near, far = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (below, np.minimum(below + 1, last)))
    found: npt.NDArray[np.float64] = near + (share * last - below) * (far - near)
    return found


def _drawn(samples: int, count: int, seed: int, first: int) -> npt.NDArray[np.float32]:
    """(samples, count) for the resamples from number `first` on."""
    rows = rng.generator(seed, "bootstrap", first).integers(0, samples, (count, samples))
    places = (rows * count + np.arange(count)[:, None]).ravel()
    return np.bincount(places, minlength=samples * count).reshape(samples, count).astype(np.float32)
