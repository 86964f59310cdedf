"""Charts as numbers that a template puts into SVG: places of lines, marks and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clfkit.axes import LOGARITHMIC, Tick, Values, decades, room, round_numbers, segments

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 54, 20, 14, 34
MARKS = 5  # on an axis, about
POINTS = 400
"""Most points of a line; of more each is the mean of neighbours."""

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
    """Lines over the epochs. xs: the epochs that are shown, columns: where they are. mark: where the best one is."""

    title: str
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    xs: tuple[int, ...]
    columns: tuple[float, ...]
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
    xs, table = _thinned(np.array(epochs, np.float64), table)
    logarithmic = form == "number" and known.min() > 0 and known.max() > LOGARITHMIC * known.min()
    low, high = room(*(math.log10(end) if logarithmic else end for end in (float(known.min()), float(known.max()))))
    if form == "percent":
        low, high = max(low, 0.0), min(high, 1.0)
    first, last = float(xs[0]), float(xs[-1]) if len(xs) > 1 else float(xs[0]) + 1
    columns = LEFT + (xs - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def height(values: Values) -> Values:
        with np.errstate(divide="ignore", invalid="ignore"):
            shown = np.log10(values) if logarithmic else values
        return HEIGHT - BOTTOM - (shown - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    marks = decades(low, high) if logarithmic else round_numbers(low, high, MARKS)
    return Chart(
        title=title,
        lines=tuple(
            Line(name, look, segments(columns, height(row)), tuple(written(value, form) for value in row.tolist()))
            for (name, look), row in zip(series, table, strict=True)
        ),
        across=_epoch_ticks(xs, columns),
        up=tuple(Tick(round(float(height(np.array(at))), 1), written(at, form, short=True)) for at in marks),
        xs=tuple(int(x) for x in xs),
        columns=tuple(np.round(columns, 1).tolist()),
        mark=None if best is None else round(float(np.interp(best, xs, columns)), 1),
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
    return f"{value:.3g}" if short or form == "small" else f"{value:.4g}"


def _epoch_ticks(xs: Values, columns: Values) -> tuple[Tick, ...]:
    wanted = round_numbers(float(xs[0]), float(xs[-1]), 6) if len(xs) > 1 else [float(xs[0])]
    whole = [x for x in wanted if x == round(x)]
    return tuple(Tick(round(float(np.interp(x, xs, columns)), 1), f"{x:,.0f}") for x in whole)


def _thinned(xs: Values, table: Values) -> tuple[Values, Values]:
    """At most `POINTS` columns: the last epoch of each group, and the means of what is known in it."""
    size = -(-len(xs) // POINTS)
    if size == 1:
        return xs, table
    starts = np.arange(0, len(xs), size)
    known = np.isfinite(table)
    with np.errstate(invalid="ignore"):
        means = np.add.reduceat(np.where(known, table, 0), starts, axis=1) / np.add.reduceat(known, starts, axis=1)
    return xs[np.minimum(starts + size, len(xs)) - 1], means
