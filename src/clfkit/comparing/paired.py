"""Tests of models on the same samples: McNemar's exact test, bootstrapped differences, Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clfkit.bootstrap import Interval, ends, resampled, resamples_of

ALPHA = 0.05
"""How often a difference may be found where there is none, over all tests of one comparison together."""
FEWEST_DISCORDANT = 6
"""Samples that only one of two models gets right, below which no outcome is significant: 2 / 2^5 > 0.05."""


@dataclass(frozen=True)
class Paired:
    """Two models on the same samples.

    difference: accuracy of the first minus that of the second, -1 to 1, with its 95 % interval.
    only_first, only_second: samples that this one alone gets right. p: of McNemar's exact test, for this pair alone.
    """

    difference: float
    interval: Interval
    only_first: int
    only_second: int
    p: float


def compare_all(right: npt.NDArray[np.bool_], seed: int) -> dict[tuple[int, int], Paired]:
    """Each ordered pair of K models, by which samples each gets right: (K, N).

    Differences are bootstrapped over samples, in pairs: both accuracies are measured on the same resamples, so that
    what is hard for both does not widen the interval.
    """
    models, samples = right.shape
    hits = right.astype(np.float32)
    blocks = [hits @ weights / samples for weights in resampled(samples, resamples_of(samples), seed)]
    accuracies = np.concatenate(blocks, axis=1) if blocks else np.empty((models, 0))
    pairs = {}
    for first in range(models):
        for second in range(models):
            if first != second:
                only_first = int(np.count_nonzero(right[first] & ~right[second]))
                only_second = int(np.count_nonzero(right[second] & ~right[first]))
                difference = (only_first - only_second) / samples
                low, high = ends(accuracies[first] - accuracies[second], difference)
                p = mcnemar(only_first, only_second)
                pairs[first, second] = Paired(difference, (float(low), float(high)), only_first, only_second, p)
    return pairs


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of the exact test: how probable a split at least as uneven is between equally good models.

    Samples that both get right, or neither, tell nothing. Of the others each is as likely to fall to the one as to the
    other if the models are equally good, so the counts are binomial with p = 1/2. McNemar, "Note on the sampling error
    of the difference between correlated proportions or percentages", 1947.
    """
    from scipy.special import bdtr

    total = only_first + only_second
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), total, 0.5)))


def holm(values: Sequence[float]) -> list[float]:
    """P-values of several tests made larger, so that those below 0.05 hold together: 5 % is the chance of any error.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none becomes smaller than the one before it.
    Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(np.arange(len(values), 0, -1) * np.asarray(values, np.float64)[order])
    adjusted = np.empty(len(values))
    adjusted[order] = raised.clip(max=1.0)
    return [float(value) for value in adjusted]
