"""Axes of charts that templates put into SVG: marks, lines as text, room around values, means of many of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Starts = npt.NDArray[np.int64]

LOGARITHMIC = 20
"""Ratio of the largest to the smallest value, from which an axis is logarithmic."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where it is, in pixels, and what it says."""

    at: float
    text: str


def room(low: float, high: float) -> tuple[float, float]:
    """A range with some room around its ends, and of some width where they are the same but for rounding."""
    largest = max(abs(low), abs(high))
    margin = (0.06 * (high - low) if high - low > 1e-9 * largest else 0.1 * largest) or 1.0
    return low - margin, high + margin


def step_of(low: float, high: float, count: int) -> float:
    """1, 2 or 5 times a power of ten, so that about `count` steps fill the range."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def round_numbers(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers from low to high."""
    step = step_of(low, high, count)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten between 10^low and 10^high, with numbers between them where they are few."""
    factors = (1,) if high - low > 3 else (1, 2, 5) if high - low > 1 else (1, 2, 3, 5, 7)
    powers = range(math.floor(low), math.ceil(high) + 1)
    step = max(1, round((high - low) / 6))
    every = [factor * 10.0**power for power in powers if power % step == 0 for factor in factors]
    return [at for at in every if low <= math.log10(at) <= high]


def groups(count: int, most: int) -> Starts:
    """Where each group of neighbours begins, so that `count` values make at most `most` groups of one size."""
    return np.arange(0, count, max(1, -(-count // most)))


def means(values: Values, starts: Starts) -> Values:
    """The mean of what is known in each group along the last axis (…, N); NaN where nothing is."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        sums = np.add.reduceat(np.where(known, values, 0), starts, axis=-1)
        found: Values = sums / np.add.reduceat(known.astype(np.float64), starts, axis=-1)
    return found


def segments(across: Values, up: Values) -> tuple[str, ...]:
    """Lines between places without gaps, as `x,y x,y …`; one place that stands alone becomes a short stroke."""
    finite = np.isfinite(up)
    cuts = np.flatnonzero(np.diff(finite.astype(np.int8))) + 1
    pieces = []
    for piece in np.split(np.arange(len(up)), cuts):
        if len(piece) and finite[piece[0]]:
            ends = [(across[at], up[at]) for at in piece]
            ends += [(across[piece[0]] + 0.5, up[piece[0]])] if len(piece) == 1 else []
            pieces.append(" ".join(f"{x:.1f},{y:.1f}" for x, y in ends))
    return tuple(pieces)
