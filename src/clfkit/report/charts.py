"""Charts as numbers that a template puts into SVG: places of lines, marks and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 54, 20, 14, 34
MARKS = 5  # on an axis, about
POINTS = 400
"""Most points of a line; of more each is the mean of neighbours."""
RATIO = 20
"""Of the largest to the smallest value, from which an axis is logarithmic."""

Values = npt.NDArray[np.float64]
Form = Literal["number", "percent", "small", "count"]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where it is, and what it says."""

    at: float
    text: str


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
    logarithmic = form == "number" and known.min() > 0 and known.max() > RATIO * known.min()
    low, high = _room(*(math.log10(end) if logarithmic else end for end in (float(known.min()), float(known.max()))))
    if form == "percent":
        low, high = max(low, 0.0), min(high, 1.0)
    first, last = float(xs[0]), float(xs[-1]) if len(xs) > 1 else float(xs[0]) + 1
    columns = LEFT + (xs - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def height(values: Values) -> Values:
        with np.errstate(divide="ignore", invalid="ignore"):
            shown = np.log10(values) if logarithmic else values
        return HEIGHT - BOTTOM - (shown - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    marks = _decades(low, high) if logarithmic else round_numbers(low, high, MARKS)
    return Chart(
        title=title,
        lines=tuple(
            Line(name, look, _segments(columns, height(row)), tuple(written(value, form) for value in row.tolist()))
            for (name, look), row in zip(series, table, strict=True)
        ),
        across=_epoch_ticks(xs, columns),
        up=tuple(Tick(round(float(height(np.array(at))), 1), written(at, form, short=True)) for at in marks),
        xs=tuple(int(x) for x in xs),
        columns=tuple(np.round(columns, 1).tolist()),
        mark=None if best is None else round(float(np.interp(best, xs, columns)), 1),
        logarithmic=logarithmic,
    )


def round_numbers(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers from low to high, in steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]


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


def _segments(columns: Values, rows: Values) -> tuple[str, ...]:
    """Runs of finite points; one that stands alone becomes a short stroke."""
    finite = np.isfinite(rows)
    cuts = np.flatnonzero(np.diff(finite.astype(np.int8))) + 1
    pieces = []
    for piece in np.split(np.arange(len(rows)), cuts):
        if len(piece) and finite[piece[0]]:
            ends = [*piece, piece[-1]] if len(piece) == 1 else piece
            pieces.append(
                " ".join(f"{columns[i] + 0.5 * (n and len(piece) == 1):.1f},{rows[i]:.1f}" for n, i in enumerate(ends))
            )
    return tuple(pieces)


def _room(low: float, high: float) -> tuple[float, float]:
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten between two exponents, with 2 and 5 between them where they are few."""
    factors = (1,) if high - low > 3 else (1, 2, 5) if high - low > 1 else (1, 2, 3, 5, 7)
    powers = range(math.floor(low), math.ceil(high) + 1)
    step = max(1, round((high - low) / 6))
    every = [factor * 10.0**power for power in powers if power % step == 0 for factor in factors]
    return [at for at in every if low <= math.log10(at) <= high]
