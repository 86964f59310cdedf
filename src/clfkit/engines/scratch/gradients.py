"""Gradients by trying: central finite differences against those that the layers compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clfkit import rng
from clfkit.engines.scratch.engine import ScratchEngine
from clfkit.engines.scratch.memory import Array

STEPS = (1e-4, 1e-5)
"""Distances h to try. The error of a quotient is h⁴ / 30 times a fifth derivative, plus about 10⁻¹⁵ / h of rounding:
nearer than 10⁻⁵ it says more about the digits of the loss than about its slope."""

SMALL = 1e-3
"""Entries smaller than this share of the largest gradient are measured against that share: their own few digits are
lost in the rounding of the loss."""

PATIENCE = 4
"""For how many entries beside kinks another one is tried, for each that is wanted."""


@dataclass(frozen=True)
class Comparison:
    """One tensor: the largest relative error |a - d| / max(|a|, |d|, floor) among `checked` of its entries.

    a is the gradient that the layers compute, d the difference quotient. skipped: entries beside a kink of a
    function, where a difference is no derivative. error is NaN if nothing could be checked.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    checked: int
    skipped: int
    error: float


def compare_gradients(engine: ScratchEngine, entries: int, seed: int) -> Iterator[Comparison]:
    """Check the logits and every learned tensor on all train samples of an engine, at most `entries` numbers of each.

    The engine should compute in float64. What is differentiated is what training minimises: the mean loss of the
    batch with its penalties, dropout with one mask throughout, batch norm with the statistics of the batch.
    """
    network, loss, penalty = engine.network, engine.loss, engine.penalty
    pulled = network.weights[: network.decayed]
    x, labels = engine.train.batch(np.arange(len(engine.train)))
    weight = loss.weight(labels)
    random = rng.Restartable()

    def forward() -> Array:
        random.restart(rng.key(seed, "gradcheck"))
        return network.forward(x, random.generator)

    def objective() -> float:
        return loss.forward(forward(), labels) / weight + penalty.loss(pulled)

    logits = forward().copy()
    loss.forward(logits, labels)
    of_logits = loss.backward(1 / weight)
    yield _compare(
        "logits", type(loss).__name__, logits, of_logits.copy(), lambda: loss.forward(logits, labels) / weight,
        lambda: (), entries, np.abs(of_logits).max() * SMALL, seed,
    )  # fmt: skip
    objective()
    network.backward(loss.backward(1 / weight))
    penalty.learn(pulled, network.gradient[: network.decayed])
    gradient = network.gradient.copy()
    floor = float(np.abs(gradient).max()) * SMALL
    gradients = network.named(gradient)
    weights = network.named(network.weights)
    for index, layer in enumerate(network.layers):
        for name in (f"{index}.{part}" for part in layer.shapes):
            yield _compare(
                name, type(layer).__name__, weights[name], gradients[name], objective, network.branches, entries,
                floor, seed,
            )  # fmt: skip


def _compare(
    name: str,
    kind: str,
    tensor: Array,
    gradient: Array,
    objective: Callable[[], float],
    branches: Callable[[], Sequence[Array]],
    entries: int,
    floor: float,
    seed: int,
) -> Comparison:
    """Vary entries of a tensor, in a random order, until enough of them are compared or none is left."""
    values, slopes = tensor.reshape(-1), gradient.reshape(-1)
    checked, skipped, error = 0, 0, np.nan
    for at in rng.generator(seed, f"gradcheck {name}").permutation(values.size):
        if skipped == PATIENCE * entries:
            break
        quotient = _difference(values, at, objective, branches)
        if quotient is None:
            skipped += 1
            continue
        size = max(abs(slopes[at]), abs(quotient), floor)
        found = abs(slopes[at] - quotient) / size if size else 0.0
        error = np.maximum(error, found) if checked else found  # NaN once is NaN for good
        checked += 1
        if checked == entries:
            break
    return Comparison(name, kind, tensor.shape, checked, skipped, float(error))


def _difference(
    values: Array, at: int, objective: Callable[[], float], branches: Callable[[], Sequence[Array]]
) -> float | None:
    """(8 f(v + h) - 8 f(v - h) - f(v + 2h) + f(v - 2h)) / 12h for one entry v; None beside a kink.

    The central difference of fourth order (Abramowitz and Stegun 1964, 25.3.6).
    """
    middle = float(values[at])

    def moved(by: float) -> tuple[float, Sequence[Array]]:
        values[at] = middle + by
        loss = objective()
        values[at] = middle
        return loss, branches()

    for step in STEPS:
        h = step * max(1.0, abs(middle))
        (above, one_side), (below, other_side) = moved(2 * h), moved(-2 * h)
        if all(map(np.array_equal, one_side, other_side)):
            return (8 * (moved(h)[0] - moved(-h)[0]) - (above - below)) / (12 * h)
    return None
