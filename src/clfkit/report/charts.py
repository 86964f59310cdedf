"""Charts as numbers that a template puts into SVG: places of lines, marks and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clfkit.axes import LOGARITHMIC, Starts, Tick, Values, decades, groups, means, room, round_numbers, segments

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 54, 20, 14, 34
MARKS = 5  # on an axis, about
POINTS = 400
"""Most points of a line; of more each is the mean of neighbours."""

SHORTEST = 0.01
"""Smaller numbers stand on an axis with a power of ten, for which there is room."""

Form = Literal["number", "percent", "small", "count"]


@dataclass(frozen=True)
class Line:
    """One line of a chart. segments: `x,y x,y …`, a gap where a value is missing. values: of every place in `xs`."""

    name: str
    look: str
    segments: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Chart:
    """Lines over the epochs. columns: where values are shown, spoken: of which epochs. mark: where the best one is.

    size: how many epochs a value is the mean of; the last one may be of fewer.
    """

    title: str
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    spoken: tuple[str, ...]
    columns: tuple[float, ...]
    size: int
    mark: float | None
    logarithmic: bool


def over_epochs(
    title: str, epochs: Sequence[int], series: Mapping[tuple[str, str], Sequence[float | None]], form: Form,
    best: int | None = None,
) -> Chart | None:  # fmt: skip
    """Series by (name, look), a value an epoch or None; None where there is no value at all. best: an epoch."""
    table = np.array([[math.nan if value is None else value for value in each] for each in series.values()])
    known = table[np.isfinite(table)]
    if not len(known):
        return None
    starts = groups(len(epochs), POINTS)
    table = means(table, starts)
    logarithmic = form == "number" and known.min() > 0 and known.max() > LOGARITHMIC * known.min()
    low, high = room(*(math.log10(end) if logarithmic else end for end in (float(known.min()), float(known.max()))))
    if form == "percent":
        low, high = max(low, 0.0), min(high, 1.0)
    first, last = epochs[0], max(epochs[-1], epochs[0] + 1)

    def across(at: Values) -> Values:
        return LEFT + (at - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def height(values: Values) -> Values:
        with np.errstate(divide="ignore", invalid="ignore"):
            shown = np.log10(values) if logarithmic else values
        return HEIGHT - BOTTOM - (shown - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    columns = across(means(np.array(epochs, np.float64), starts))
    wanted = round_numbers(first, last, 6) if len(epochs) > 1 else [float(first)]
    marks = decades(low, high) if logarithmic else round_numbers(low, high, MARKS)
    return Chart(
        title=title,
        lines=tuple(
            Line(name, look, segments(columns, height(row)), tuple(written(value, form) for value in row.tolist()))
            for (name, look), row in zip(series, table, strict=True)
        ),
        across=tuple(Tick(round(float(across(np.array(x))), 1), f"{x:,.0f}") for x in wanted if x == round(x)),
        up=tuple(Tick(round(float(height(np.array(at))), 1), written(at, form, short=True)) for at in marks),
        spoken=_spoken(epochs, starts),
        columns=tuple(np.round(columns, 1).tolist()),
        size=-(-len(epochs) // len(starts)),
        mark=None if best is None else round(float(across(np.array(min(max(best, first), last)))), 1),
        logarithmic=logarithmic,
    )


def written(value: float, form: Form, *, short: bool = False) -> str:
    """A value for people; a dash for one that is missing. short: as a label of an axis."""
    if not math.isfinite(value):
        return "–"
    if form == "percent":
        return f"{100 * value:.{0 if short and abs(value * 100 - round(value * 100)) < 1e-6 else 1 if short else 2}f} %"
    if form == "count":
        return f"{value:,.0f}"
    if short and 0 < abs(value) < SHORTEST:
        digits, power = f"{value:.2e}".split("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
    return f"{value:.3g}" if short or form == "small" else f"{value:.4g}"


def _spoken(epochs: Sequence[int], starts: Starts) -> tuple[str, ...]:
    """Of which epochs each value is."""
    ends = [*starts[1:], len(epochs)]
    spans = [(epochs[start], epochs[end - 1]) for start, end in zip(starts, ends, strict=True)]
    return tuple(f"epoch {one}" if one == two else f"epochs {one} to {two}, mean" for one, two in spans)
