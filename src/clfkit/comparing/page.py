"""A comparison as one HTML page that needs nothing beside itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clfkit import __version__
from clfkit.comparing import charts
from clfkit.comparing.comparison import Comparison
from clfkit.errors import UnknownName
from clfkit.history import oriented
from clfkit.pages import render
from clfkit.wording import printable

PALETTE = 10
"""Colours in the page; the next runs have the same ones with dashes."""
UPRIGHT = 4
"""Most runs whose columns a sheet of paper holds upright."""


@dataclass(frozen=True)
class Cell:
    """A metric of a run and its interval as text; best: no other run has a better one."""

    value: str
    interval: str
    best: bool


def page(comparison: Comparison) -> str:
    """The page: verdicts, accuracies with intervals, what differs, metrics, curves, time. Works without a network."""
    bars, ticks = charts.bars(comparison.runs, comparison.split)
    html = render(
        "clfkit.comparing", "page.html", {"shown": _shown}, comparison=comparison, version=__version__,
        palette=PALETTE, upright=UPRIGHT, chart=charts, bars=bars, ticks=ticks, curves=charts.curves(comparison.runs),
        metrics={split: _metrics(comparison, split) for split in comparison.splits},
    )  # fmt: skip
    return str(html)


def _metrics(comparison: Comparison, split: str) -> list[tuple[str, list[Cell]]]:
    """The metrics of a split by name, a cell for each run."""
    rows = []
    for name, values in comparison.metrics(split):
        ends = [run.interval(split, name) for run in comparison.runs]
        best = _best(f"{split}.{name}", values)
        cells = [
            Cell(
                _shown(value),
                f"{each[0]:.4f} to {each[1]:.4f}" if each else "",
                best is not None and value is not None and math.isclose(value, best),
            )
            for value, each in zip(values, ends, strict=True)
        ]
        rows.append((name, cells))
    return rows


def _best(metric: str, values: Sequence[float | None]) -> float | None:
    """The best of values that differ; None where it is not known whether a metric rises or falls."""
    known = [value for value in values if value is not None]
    if all(math.isclose(value, known[0]) for value in known):
        return None
    try:
        return max(known, key=lambda value: oriented(metric, value))
    except UnknownName:  # of a plugin that is not loaded
        return None


def _shown(value: object) -> str:
    """A value of a table."""
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else printable(str(value), None)
