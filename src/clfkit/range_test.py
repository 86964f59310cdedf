"""The learning-rate range test: the loss while the rate grows from nothing to too much."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import numpy.typing as npt

from clfkit import rng
from clfkit.batch_size import prepared
from clfkit.config import ExperimentConfig
from clfkit.data.bundle import IndexArray
from clfkit.preparation import Parts, memory_errors, read_data

LOWEST, HIGHEST = 1e-6, 10.0
STEPS = 200
"""Steps from the lowest rate to the highest, 28 to a power of ten."""
QUIET = 28
"""Steps at the beginning, at rates that change nothing yet: their losses differ by the batches alone."""
WIDTH = 4.0
"""Standard deviation of the smoothing, in steps."""
EXPLODED = 2.0
"""How many times the loss of the beginning, in the mean of five steps, ends the test."""
BELOW = 0.25
"""Largest share of the rate at the minimum that is suggested."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RangeTest:
    """Loss against learning rate; arrays of shape (steps,).

    losses: of each train batch, before it was learned from. smoothed: the same without the noise of batches.
    suggestion: the rate to train with; None where no rate lowered the loss by more than that noise.
    current: the rate that the config has. batch_size: samples of a step, None where that is not known.
    """

    rates: Floats
    losses: Floats
    smoothed: Floats
    suggestion: float | None
    current: float
    batch_size: int | None = None


def find_rate(config: ExperimentConfig, on_step: Callable[[int], None] = lambda step: None) -> RangeTest:
    """Train a fresh model on the train split, one step at each rate, until the loss explodes.

    Everything but the rate is the experiment's own; its schedule is left aside. Nothing is written, and the result is
    a function of the config alone (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3).
    on_step: called after each step with the number of those done, STEPS at most.
    """
    parts = prepared(config, read_data(config))
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    losses: list[float] = []
    with memory_errors(), parts.engine.at_work():
        for step, (look, indices) in zip(range(STEPS), _endless(parts), strict=False):
            result = parts.engine.train_step(indices, float(rates[step]), rng.key(config.seed, "step", step), look)
            totals = parts.engine.read([result])
            on_step(step + 1)
            if totals.untaken:
                break
            losses.append(totals.mean_loss)
            if len(losses) > QUIET and np.mean(losses[-5:]) > EXPLODED * np.mean(losses[:QUIET]):
                break
    test = judge(rates[: len(losses)], np.array(losses), parts.rate)
    return replace(test, batch_size=parts.batches.batch_size)


def judge(rates: Floats, losses: Floats, current: float) -> RangeTest:
    """What finite losses at rising rates, both (steps,), say about the rate to train with.

    It is the rate at which the smoothed loss falls fastest with the logarithm of the rate, before its minimum: the
    network learns most from a step there. At the minimum steps begin to undo each other, so the suggestion stays below
    BELOW of that rate: where the loss falls by little more than batches differ, the steepest place may lie just before.
    """
    if len(losses) <= QUIET:
        return RangeTest(rates, losses, losses, None, current)
    beginning = losses[:QUIET]
    # A loss that explodes would else reach back over its neighbours.
    smoothed = _smooth(np.minimum(losses, EXPLODED * beginning.mean()))
    lowest = int(smoothed.argmin())
    suggestion = None
    if beginning.mean() - smoothed[lowest] > beginning.std():
        steepest = int(np.gradient(smoothed)[: lowest + 1].argmin())
        suggestion = float(f"{min(rates[steepest], BELOW * rates[lowest]):.2g}")
    return RangeTest(rates, losses, smoothed, suggestion, current)


def _smooth(losses: Floats) -> Floats:
    """Means of neighbours, weighted by a Gaussian of `WIDTH` steps.

    A running mean, as it is usual here, lags behind, which moves the whole curve to higher rates.
    """
    at = np.arange(len(losses))
    weights = np.exp(-0.5 * ((at[:, None] - at) / WIDTH) ** 2)
    smoothed: Floats = weights @ losses / weights.sum(axis=1)
    return smoothed


def _endless(parts: Parts) -> Iterator[tuple[int, IndexArray]]:
    """(key of their looks, indices) of batch after batch, epoch after epoch."""
    for epoch in count():
        batches = parts.engine.ahead(indices for _, indices in parts.batches.epoch(epoch))
        for position, indices in enumerate(batches):
            yield parts.batches.look(epoch, position), indices
