"""Raw columns of a table as features: medians for gaps, one 0/1 feature per category."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import Column, listed
from clfkit.errors import DataError

RawTable = npt.NDArray[np.float64]
"""(rows, columns). Numbers as they are, categories as positions in the column's list; NaN where nothing stands."""

Features = npt.NDArray[np.float64]
"""(rows, features), in the units of the table; of timestamps float32 would keep only the minute."""


def number_of(cell: str) -> float | None:
    """The number that a cell holds, or None. `1_000` is text, though Python would read it."""
    if "_" in cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def column_positions(names: Sequence[str], columns: Sequence[Column], whose: str) -> list[int]:
    """Where each of `columns` stands among `names`. Raises DataError listing those that are missing."""
    missing = [column.name for column in columns if column.name not in names]
    if missing:
        raise DataError(f"{whose}: missing columns: {listed(missing)}; there are {listed(names)}")
    return [names.index(column.name) for column in columns]


def fit_columns(columns: tuple[Column, ...], train: RawTable) -> tuple[Column, ...]:
    """The columns with what must be learnt from the train rows: medians, and the categories that occur."""
    fitted = []
    for position, column in enumerate(columns):
        values = train[:, position]
        present = values[~np.isnan(values)]
        if column.kind == "numeric":
            fitted.append(column.model_copy(update={"median": float(np.median(present)) if len(present) else 0.0}))
        else:
            seen = tuple(column.categories[int(code)] for code in np.unique(present))
            fitted.append(column.model_copy(update={"categories": seen}))
    return tuple(fitted)


def encode(raw: RawTable, columns: tuple[Column, ...], fitted: tuple[Column, ...]) -> tuple[Features, tuple[str, ...]]:
    """Raw rows as features, and the features' names. `columns` describe `raw`, `fitted` what was learnt.

    A category that the train split does not have, or a gap in a categorical column, is all zeros.
    """
    features: list[Features] = []
    names: list[str] = []
    for position, (column, known) in enumerate(zip(columns, fitted, strict=True)):
        values = raw[:, position]
        if known.kind == "numeric":
            features.append(np.where(np.isnan(values), known.median, values))
            names.append(known.name)
            continue
        for category in known.categories:
            features.append((values == _code(category, column)).astype(np.float64))
            names.append(f"{known.name}={category}")
    if not features:
        raise ValueError("a table needs at least one column beside the label")
    return np.stack(features, axis=1), tuple(names)


def _code(category: str, column: Column) -> float:
    """What stands for the category in a raw column; NaN, which equals nothing, where the column does not have it.

    A column that looked like numbers was read as such: there the number that the category spells stands.
    """
    if column.kind == "numeric":
        number = number_of(category)
        return math.nan if number is None else number
    return float(column.categories.index(category)) if category in column.categories else math.nan
