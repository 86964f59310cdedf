"""Charts of a comparison as numbers that a template puts into SVG: places in pixels and labels of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clfkit.bootstrap import Interval
from clfkit.comparing.runs import ComparedRun
from clfkit.plots.style import percent

WIDTH, HEIGHT = 460, 260  # of a chart of curves
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 36
MARKS = 6  # on an axis, about
POINTS = 500
"""Most points of a curve; of more epochs each point is the mean of as many neighbours as it takes."""
DECADES = 20
"""Ratio of the largest to the smallest loss from which its axis is logarithmic."""
ROW, NAMES, BAR = 26, 190, 400  # of the chart of intervals: height of a row, widths of names and bars
LONGEST_NAME = 24

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where it is, in pixels, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Curves:
    """A metric over the epochs. lines: for each run its segments, as `x,y x,y …`; an epoch without value ends one."""

    title: str
    lines: tuple[tuple[str, ...], ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


@dataclass(frozen=True)
class Bar:
    """A value with its interval, in pixels, and what they say. number: that of the run, row: that of the bar."""

    name: str
    at: float
    low: float
    high: float
    number: int
    row: int
    text: str


def curves(runs: Sequence[ComparedRun]) -> list[Curves]:
    """A chart for every metric in the history of any run: losses, then accuracies, then what else was watched."""
    names = ["train.loss", "valid.loss", "train.accuracy", "valid.accuracy"]
    names += sorted({name for run in runs for record in run.records for name in record.others})
    charts = [_curves(runs, name) for name in names]
    return [chart for chart in charts if chart is not None]


def bars(runs: Sequence[ComparedRun], split: str) -> tuple[list[Bar], list[Tick]]:
    """The accuracies of all runs that have one, on one axis, with their 95 % intervals."""
    known = [(at, value) for at, run in enumerate(runs) if (value := run.metric(split, "accuracy")) is not None]
    ends = {at: runs[at].interval(split, "accuracy") or (value, value) for at, value in known}
    if not known:
        return [], []
    lowest, highest = _room(min(low for low, _ in ends.values()), max(high for _, high in ends.values()))

    def place(value: float) -> float:
        return round(NAMES + (value - lowest) / (highest - lowest) * BAR, 1)

    found = [
        Bar(
            name=_cut(runs[at].name),
            at=place(value),
            low=place(ends[at][0]),
            high=place(ends[at][1]),
            number=at,
            row=row,
            text=percent(value, 2) + _between(runs[at].interval(split, "accuracy")),
        )
        for row, (at, value) in enumerate(known)
    ]
    digits = max(0, -math.floor(math.log10(_step(lowest, highest, MARKS) * 100)))
    return found, [Tick(place(at), percent(at, digits)) for at in _round_numbers(lowest, highest, MARKS)]


def _curves(runs: Sequence[ComparedRun], metric: str) -> Curves | None:
    """None where no run has a value."""
    series = [_series(run, metric) for run in runs]
    every = np.concatenate([values for _, values in series])
    every = every[np.isfinite(every)]
    if not len(every):
        return None
    logarithmic = metric.endswith("loss") and every.min() > 0 and every.max() > DECADES * every.min()
    first, last = 1.0, max(2.0, max(float(epochs[-1]) for epochs, _ in series if len(epochs)))
    scaled = np.log10(every) if logarithmic else every
    lowest, highest = _room(float(scaled.min()), float(scaled.max()))

    def across(epochs: Values) -> Values:
        return LEFT + (epochs - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def up(values: Values) -> Values:
        shown = np.log10(values) if logarithmic else values
        return HEIGHT - BOTTOM - (shown - lowest) / (highest - lowest) * (HEIGHT - TOP - BOTTOM)

    marks = _decades(lowest, highest) if logarithmic else _round_numbers(lowest, highest, MARKS)
    epochs = [each for each in _round_numbers(first, last, MARKS) if each == int(each)]
    return Curves(
        title=metric.replace(".", " ").capitalize() + (" (logarithmic)" if logarithmic else ""),
        lines=tuple(_segments(across(epochs), up(values)) for epochs, values in series),
        across=_ticks(epochs, across(np.array(epochs))),
        up=_ticks(marks, up(np.array(marks))),
    )


def _series(run: ComparedRun, metric: str) -> tuple[Values, Values]:
    """Epochs and values of a metric, of many epochs their means; NaN where it is not known."""
    known = [(record.epoch, record.value(metric)) for record in run.records]
    epochs, values = np.array(known, np.float64).reshape(-1, 2).T
    if len(epochs) <= POINTS:
        return epochs, values
    starts = np.arange(0, len(epochs), -(-len(epochs) // POINTS))
    counts = np.diff([*starts, len(epochs)])
    return np.add.reduceat(epochs, starts) / counts, np.add.reduceat(values, starts) / counts


def _segments(across: Values, up: Values) -> tuple[str, ...]:
    """Lines between places without gaps; one alone becomes a line without length, which round ends make a dot."""
    segments: list[list[str]] = [[]]
    for x, y in zip(across, up, strict=True):
        if np.isfinite(y):
            segments[-1].append(f"{x:.1f},{y:.1f}")
        elif segments[-1]:
            segments.append([])
    return tuple(" ".join(each if len(each) > 1 else each * 2) for each in segments if each)


def _ticks(values: Sequence[float], places: Values) -> tuple[Tick, ...]:
    return tuple(Tick(round(float(at), 1), f"{value:.4g}") for value, at in zip(values, places, strict=True))


def _between(ends: Interval | None) -> str:
    return f" ({percent(ends[0], 2)} to {percent(ends[1], 2)})" if ends else ""


def _room(low: float, high: float) -> tuple[float, float]:
    """A range with some room around its ends, and of some width where they are the same."""
    margin = 0.05 * (high - low) or max(abs(high), 1e-6) * 0.05
    return low - margin, high + margin


def _step(low: float, high: float, count: int) -> float:
    """1, 2 or 5 times a power of ten, so that about so many steps fill the range."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next((power * factor for factor in (1, 2, 5) if power * factor >= rough), power * 10)


def _round_numbers(low: float, high: float, count: int) -> list[float]:
    """About so many round numbers between two others."""
    step = _step(low, high, count)
    return [round(at * step, 12) for at in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between 10^low and 10^high; of many decades the powers alone."""
    factors = (1, 2, 5) if high - low < 3 else (1,)
    exponents = range(math.floor(low), math.ceil(high) + 1)
    apart = max(1, len(exponents) // 6)
    marks = [factor * 10.0**exponent for exponent in exponents[::apart] for factor in factors]
    return [mark for mark in marks if low <= math.log10(mark) <= high]


def _cut(name: str) -> str:
    """A name without its middle where it is long, since ends tell runs apart as often as starts."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"
