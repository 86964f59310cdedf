"""Intervals of metrics: what they would have been on other samples like these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clfkit import rng
from clfkit.data.bundle import FloatArray, IndexArray
from clfkit.metrics import Counts, PerClass, Predictions, measured, score
from clfkit.metrics.probabilities import least_ece
from clfkit.reporting import work

RESAMPLES = 1000
FEWEST_RESAMPLES = 200
MOST_DRAWS = 500_000_000  # of all resamples together: of very many samples fewer resamples are drawn
BLOCK = 4_000_000  # draws in memory at once
DRAWN_TOGETHER = 50  # resamples at most, by one stream
MOST_RANKED = 500_000_000  # samples × classes × resamples: rankings of more take too long
RANKINGS = ("roc_auc", "average_precision")
LEVEL = 0.95
MOST_UNDEFINED = 1 - LEVEL  # share of resamples without a value, beyond which there is no interval
OF_SAMPLES = ("accuracy", "top5")
"""Metrics that are shares of the samples."""

MOST_CLASSES = 5_000  # whose own figures get intervals: those of more take memory and nobody reads them

Interval = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of metrics, and of each class's precision, recall and F1: lower and upper ends.

    metrics: those that can be resampled, are defined in 19 of 20 resamples and vary. classes: {name: (2, K)}, NaN where
    there is none.
    """

    resamples: int
    metrics: dict[str, Interval]
    classes: dict[str, npt.NDArray[np.float64]]


def intervals(predictions: Predictions, names: Iterable[str], seed: int) -> Intervals:
    """Percentile bootstrap over samples: 95 % of the values that the metrics have on resamples lie between the ends.

    A resample is as many samples, drawn with replacement. Efron, "Bootstrap methods: another look at the jackknife",
    1979. It holds fewer different samples than the split, which moves some metrics to one side: with three samples of
    a class, precision and F1; with few samples, the calibration error. So the ends are moved by as much as the median
    of the resamples is away from the metric itself. The lower end of `ece` is moved further, to what may not be chance.

    No resample knows of errors that did not happen. Of a model that is always right, or always wrong, accuracy, top5,
    recall and precision have the exact interval of a binomial (Clopper and Pearson 1934); other metrics that are the
    same whichever samples are drawn have none. A mean over classes counts a class that a resample lacks as it is on all
    samples.
    """
    samples, k = predictions.probabilities.shape
    count = resamples_of(samples)
    ranked = samples * k * count <= MOST_RANKED
    wanted = [name for name in names if name != "loss" and (ranked or name not in RANKINGS)]
    found: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in wanted}
    tables: list[FloatArray] = []
    with work("intervals", count) as progress:
        for weights in resampled(samples, count, seed, k):
            block = predictions.weighted(weights)
            for name, values in measured(block, wanted).items():
                if np.shape(values) == weights.shape[1:]:  # one from outside may know nothing of resamples
                    found[name].append(np.asarray(values))
            if k <= MOST_CLASSES:
                tables.append(np.stack([np.asarray(part, np.float32).T for part in block.per_class[:3]]))
            progress.advance(weights.shape[1])
    whole = score(predictions, wanted)
    joined = {name: np.concatenate(values) for name, values in found.items() if values}
    ends_of = {
        name: ends(values, whole[name])
        for name, values in joined.items()
        if np.count_nonzero(np.isnan(values)) <= MOST_UNDEFINED * count
    }
    for name in ends_of.keys() & OF_SAMPLES:
        if name == "accuracy" or k > 5:  # the five most probable of five are always all
            ends_of[name] = exact_where_constant(ends_of[name], np.array(whole[name]), np.array(samples))
    if "ece" in ends_of:
        ends_of["ece"][0] = min(ends_of["ece"][0], max(0.0, ends_of["ece"][0] + least_ece(predictions) - whole["ece"]))
    return Intervals(
        count,
        {name: (float(low), float(high)) for name, (low, high) in ends_of.items() if low < high},
        _of_classes(predictions.per_class, np.concatenate(tables, axis=1)) if tables else {},
    )


def _of_classes(whole: PerClass, values: FloatArray) -> dict[str, npt.NDArray[np.float64]]:
    """Ends (2, K) of precision, recall and F1 from their values (3, R, K) on resamples."""
    precision, recall, f1 = (ends(each, of_all) for each, of_all in zip(values, whole[:3], strict=True))
    return {
        "precision": exact_where_constant(precision, whole.precision, whole.predicted),
        "recall": exact_where_constant(recall, whole.recall, whole.support),
        "f1": np.where(f1[0] < f1[1], f1, np.nan),
    }


def exact_where_constant(
    found: npt.NDArray[np.float64], of_all: npt.NDArray[np.float64], samples: Counts
) -> npt.NDArray[np.float64]:
    """Ends (2, …), where they are one those of a share 0 or 1 of so many samples (…): p^n = 2.5 % at the other end."""
    with np.errstate(divide="ignore"):
        other = ((1 - LEVEL) / 2) ** (1 / np.asarray(samples, np.float64))
    exact = np.where(
        of_all == 1, np.stack([other, of_all]), np.where(of_all == 0, np.stack([of_all, 1 - other]), np.nan)
    )
    return np.where(found[0] == found[1], exact, found)


def resamples_of(samples: int) -> int:
    """How many resamples are drawn of so many samples; none of none."""
    return min(RESAMPLES, max(FEWEST_RESAMPLES, MOST_DRAWS // samples)) if samples else 0


def resampled(samples: int, count: int, seed: int, classes: int = 0) -> Iterator[FloatArray]:
    """How often each sample is in each of `count` resamples, in blocks (samples, R): whole numbers in float32.

    Neither a block nor `classes` numbers for each of its resamples pass 4 million numbers, but for one resample.
    """
    size = max(1, samples, classes)
    together = max(1, min(DRAWN_TOGETHER, BLOCK // size))  # by one stream, whatever the blocks
    drawn: list[FloatArray] = []
    for start in range(0, count, together):
        drawn.append(_drawn(samples, min(together, count - start), seed, start))
        if size * sum(each.shape[1] for each in drawn) >= BLOCK or start + together >= count:
            yield np.concatenate(drawn, axis=1)
            drawn = []


def ends(values: npt.NDArray[np.floating], of_all: npt.ArrayLike) -> npt.NDArray[np.float64]:
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
