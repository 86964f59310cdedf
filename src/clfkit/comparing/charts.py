"""Charts of a comparison as numbers that a template puts into SVG: places in pixels and labels of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clfkit.axes import LOGARITHMIC, Tick, Values, decades, groups, means, room, round_numbers, segments, step_of
from clfkit.bootstrap import Interval
from clfkit.comparing.runs import ComparedRun
from clfkit.plots.style import percent
from clfkit.wording import cut

WIDTH, HEIGHT = 460, 260  # of a chart of curves
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 36
MARKS = 6  # on an axis, about
POINTS = 500
"""Most points of a curve; of more epochs each point is the mean of as many neighbours as it takes."""
ROW, NAMES, BAR = 26, 190, 400  # of the chart of intervals: height of a row, widths of names and bars
LONGEST_NAME = 24


@dataclass(frozen=True)
class Curves:
    """A metric over the epochs. lines: for each run its segments, as `x,y x,y …`; an epoch without value ends one.

    spoken: for each run the first and the last value in words.
    """

    title: str
    lines: tuple[tuple[str, ...], ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    spoken: tuple[str, ...]


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
    lowest, highest = room(min(low for low, _ in ends.values()), max(high for _, high in ends.values()))

    def place(value: float) -> float:
        return round(NAMES + (value - lowest) / (highest - lowest) * BAR, 1)

    found = [
        Bar(
            name=cut(runs[at].name, LONGEST_NAME),
            at=place(value),
            low=place(ends[at][0]),
            high=place(ends[at][1]),
            number=at,
            row=row,
            text=percent(value, 2) + _between(runs[at].interval(split, "accuracy")),
        )
        for row, (at, value) in enumerate(known)
    ]
    digits = max(0, -math.floor(math.log10(step_of(lowest, highest, MARKS) * 100)))
    return found, [Tick(place(at), percent(at, digits)) for at in round_numbers(lowest, highest, MARKS)]


def _curves(runs: Sequence[ComparedRun], metric: str) -> Curves | None:
    """None where no run has a value."""
    series = [_series(run, metric) for run in runs]
    every = np.concatenate([values for _, values in series])
    every = every[np.isfinite(every)]
    if not len(every):
        return None
    logarithmic = metric.endswith("loss") and every.min() > 0 and every.max() > LOGARITHMIC * every.min()
    first, last = 1.0, max(2.0, max(float(epochs[-1]) for epochs, _ in series if len(epochs)))
    scaled = np.log10(every) if logarithmic else every
    lowest, highest = room(float(scaled.min()), float(scaled.max()))

    def across(epochs: Values) -> Values:
        return LEFT + (epochs - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def up(values: Values) -> Values:
        shown = np.log10(values) if logarithmic else values
        return HEIGHT - BOTTOM - (shown - lowest) / (highest - lowest) * (HEIGHT - TOP - BOTTOM)

    marks = decades(lowest, highest) if logarithmic else round_numbers(lowest, highest, MARKS)
    epochs = [each for each in round_numbers(first, last, MARKS) if each == int(each)]
    return Curves(
        title=metric.replace(".", " ").capitalize() + (" (logarithmic)" if logarithmic else ""),
        lines=tuple(segments(across(epochs), up(values)) for epochs, values in series),
        across=_ticks(epochs, across(np.array(epochs))),
        up=_ticks(marks, up(np.array(marks))),
        spoken=tuple(_spoken(run, metric) for run in runs),
    )


def _series(run: ComparedRun, metric: str) -> tuple[Values, Values]:
    """Epochs and values of a metric, of many epochs their means; NaN where it is not known."""
    known = [(record.epoch, record.value(metric)) for record in run.records]
    epochs, values = np.array(known, np.float64).reshape(-1, 2).T
    starts = groups(len(epochs), POINTS)
    return (means(epochs, starts), means(values, starts)) if len(epochs) else (epochs, values)


def _spoken(run: ComparedRun, metric: str) -> str:
    known = [(record.epoch, value) for record in run.records if (value := record.value(metric)) is not None]
    if not known:
        return "no value"
    return " to ".join(f"{value:.4g} at epoch {epoch:,}" for epoch, value in dict([known[0], known[-1]]).items())


def _ticks(values: Sequence[float], places: Values) -> tuple[Tick, ...]:
    return tuple(Tick(round(float(at), 1), f"{value:.4g}") for value, at in zip(values, places, strict=True))


def _between(ends: Interval | None) -> str:
    return f" ({percent(ends[0], 2)} to {percent(ends[1], 2)})" if ends else ""
