"""CSV files as text cells."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from clfkit.data.bundle import listed
from clfkit.errors import DataError
from clfkit.wording import meant

if TYPE_CHECKING:
    from _csv import Reader

MISSING = frozenset({"", "NA", "N/A", "nan", "NaN", "null", "None", "?"})
"""Cells that say that nothing is known of a feature; in a column of labels they are class names, unless empty."""

SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class CsvTable:
    """A CSV file: its header, its rows of stripped cells, and the line on which each row ends."""

    path: Path
    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def where(self, row: int) -> str:
        """File and line of a row, for messages."""
        return f"{self.path}:{self.lines[row]}"

    def position(self, column: str, role: str) -> int:
        """The position of a column. Raises DataError that says what the column is for and what there is."""
        if column not in self.header:
            near = meant(column, self.header)
            there = "" if near.startswith("choose") else f" (there are {listed(self.header)})"
            raise DataError(f"{self.path}: no {role} column {column!r}; {near}{there}")
        return self.header.index(column)

    def cells(self, column: str, role: str) -> list[str]:
        """All cells of a column. Raises DataError as `position` does, and for a cell that is empty or holds a NUL."""
        at = self.position(column, role)
        for row, cells in enumerate(self.rows):
            if not cells[at]:
                raise DataError(f"{self.where(row)}: the {role} column {column!r} is empty")
            if "\0" in cells[at]:
                raise DataError(f"{self.where(row)}: the {role} column {column!r} holds a NUL, which no text does")
        return [cells[at] for cells in self.rows]


def read_csv(path: Path, separator: str | None = None) -> CsvTable:
    """Read a UTF-8 file whose first line names the columns; empty lines are skipped.

    separator: None takes the one of `,` `;` tab and `|` that the header has most of, quoted names apart.
    Raises DataError naming file and line for ragged rows, columns of the same name, and anything unreadable.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if separator is None:
                separator = _separator(file)
                file.seek(0)
            return _parse(path, csv.reader(file, delimiter=separator, strict=True))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text: {error.reason}; save it as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _separator(file: TextIO) -> str:
    header = next((line for line in file if line.strip()), "")
    return max(SEPARATORS, key=re.sub('"[^"]*"', "", header).count)


def _parse(path: Path, reader: Reader) -> CsvTable:
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = tuple(cell.strip() for cell in next((row for row in reader if row), []))
        _check_header(path, header)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(f"{path}:{reader.line_num}: {len(row)} cells under {len(header)} columns")
            rows.append([cell.strip() for cell in row])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}") from None
    if not rows:
        raise DataError(f"{path}: no rows below the header")
    return CsvTable(path, header, rows, lines)


def _check_header(path: Path, header: tuple[str, ...]) -> None:
    if not header:
        raise DataError(f"{path}: empty file; the first line must name the columns")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}:1: columns of the same name: {listed(twice)}")
