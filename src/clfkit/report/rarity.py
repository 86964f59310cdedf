"""The section of a report about rare classes: recall of each class against its train samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clfkit.axes import Tick, Values, decades, room, round_numbers
from clfkit.data.bundle import IndexArray
from clfkit.metrics import of_about_one_size, unbalanced
from clfkit.plots.recall import FAR_APART, FEWEST_CLASSES
from clfkit.report.charts import BOTTOM, HEIGHT, LEFT, MARKS, RIGHT, TOP, WIDTH, written
from clfkit.report.material import Material

UP = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Dot:
    """A class: where it is, and what it is."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Group:
    """Classes with about as many train samples: from where to where, how high their mean is, and in words."""

    left: float
    right: float
    y: float
    sizes: str
    classes: int
    recall: str


@dataclass(frozen=True)
class Rarity:
    """Dots of classes and the means of groups of them."""

    dots: tuple[Dot, ...]
    groups: tuple[Group, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    logarithmic: bool


def recall_by_size(material: Material) -> Rarity | None:
    """Recall of each class against its train samples; None where few classes, or equal ones, have nothing to show."""
    table, counts = material.evaluation.get("classes", {}), np.array(material.train_counts, np.int64)
    if len(counts) < FEWEST_CLASSES or len(table) != len(counts) or not unbalanced(counts):
        return None
    recalls = np.array([row["recall"] for row in table.values()], np.float64)  # None becomes NaN
    there = ~np.isnan(recalls)
    if not there.any():
        return None
    logarithmic = bool(counts.max() >= FAR_APART * max(1, counts.min()))
    scaled = np.log10(np.maximum(counts, 1)) if logarithmic else counts.astype(np.float64)
    low, high = room(float(scaled.min()), float(scaled.max()))
    marks = decades(low, high) if logarithmic else round_numbers(max(low, 0), high, MARKS)

    def across(at: Values) -> Values:
        return LEFT + (at - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(share: float) -> float:
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    columns = np.round(across(scaled), 1)
    dots = [
        Dot(columns[at], up(recalls[at]), f"{name}: {written(recalls[at], 'percent')}, {counts[at]:,} train samples")
        for at, name in enumerate(table)
        if there[at]
    ]
    groups = []
    for group in of_about_one_size(counts, there):
        mean = float(recalls[group].mean())
        left, right = columns[group].min(), columns[group].max()
        groups.append(Group(left, right, up(mean), _span(counts[group]), len(group), written(mean, "percent")))
    places = across(np.log10(marks) if logarithmic else np.array(marks))
    ticks = [Tick(round(float(at), 1), f"{mark:,.0f}") for at, mark in zip(places, marks, strict=True) if mark % 1 == 0]
    heights = [Tick(up(share), written(share, "percent", short=True)) for share in UP]
    return Rarity(tuple(dots), tuple(groups), tuple(ticks), tuple(heights), logarithmic)


def _span(counts: IndexArray) -> str:
    fewest, most = int(counts.min()), int(counts.max())
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
