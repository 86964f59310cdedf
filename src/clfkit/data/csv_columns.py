"""The columns of a CSV file as a raw table of numbers and category codes."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import Column
from clfkit.data.csv_files import MISSING, CsvTable
from clfkit.data.statistics import LARGEST
from clfkit.data.table import RawTable, column_positions, number_of
from clfkit.errors import DataError

MANY_CATEGORIES = 200  # a column with more of them was hardly meant as one, unless it was said so


def infer_columns(
    table: CsvTable, names: Sequence[str], categorical: Collection[str]
) -> tuple[RawTable, tuple[Column, ...]]:
    """The named columns as a raw table, and their kinds.

    Numeric is a column whose cells are finite numbers or missing; any other, and those in `categorical`, hold
    categories, sorted. Raises DataError naming the line of infinities, and for texts that are no categories.
    """
    columns: list[Column] = []
    for name in names:
        cells = [row[table.header.index(name)] for row in table.rows]
        stray = next((row for row, cell in enumerate(cells) if cell not in MISSING and number_of(cell) is None), None)
        if stray is None and name not in categorical:
            columns.append(Column(name=name, kind="numeric"))
            continue
        categories = tuple(sorted({cell for cell in cells if cell not in MISSING}))
        if len(categories) > MANY_CATEGORIES and name not in categorical:
            assert stray is not None
            raise DataError(
                f"{table.path}: column {name!r} has {len(categories)} different texts (the first, {cells[stray]!r}, "
                f"on line {table.lines[stray]}); name it in data.drop to leave it out, or in data.categorical"
            )
        columns.append(Column(name=name, kind="categorical", categories=categories))
    return code_columns(table, tuple(columns)), tuple(columns)


def code_columns(table: CsvTable, columns: tuple[Column, ...]) -> RawTable:
    """The cells of known columns, found by name; columns that are not asked for are passed over.

    A category that the column does not list is as good as missing. Raises DataError listing columns that the
    file lacks, and naming the line of a cell that should be a number and is not.
    """
    found = column_positions(table.header, columns, str(table.path))
    raw = np.empty((len(table.rows), len(columns)), np.float64)
    for position, (column, at) in enumerate(zip(columns, found, strict=True)):
        cells = [row[at] for row in table.rows]
        if column.kind == "numeric":
            raw[:, position] = _numbers(table, column.name, cells)
        else:
            codes = {category: float(code) for code, category in enumerate(column.categories)}
            raw[:, position] = [math.nan if cell in MISSING else codes.get(cell, math.nan) for cell in cells]
    return raw


def _numbers(table: CsvTable, name: str, cells: list[str]) -> npt.NDArray[np.float64]:
    """A numeric column, NaN where nothing stands. Raises DataError naming the line of anything else."""
    values = [math.nan if cell in MISSING else number_of(cell) for cell in cells]
    for row, value in enumerate(values):
        if value is None or abs(value) > LARGEST:
            what = "is not a number" if value is None else "is not finite" if math.isinf(value) else "is too large"
            raise DataError(f"{table.where(row)}: {cells[row]!r} in column {name!r} {what}")
    return np.array(values, np.float64)
