"""A table of your own: any CSV file, or NumPy's .npz."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from clfkit.components import datasets
from clfkit.data.bundle import Column, Dataset
from clfkit.data.csv_columns import infer_columns
from clfkit.data.csv_files import CsvTable, read_csv
from clfkit.data.labelling import Coded, label_samples, part_codes, part_named
from clfkit.data.npz_files import class_names, numbers, read_pair
from clfkit.data.roots import missing
from clfkit.errors import DataError

Separator = Annotated[str, Field(min_length=1, max_length=1)]


@datasets.register("table", inputs="vector")
def table(
    seed: int,
    *,
    root: str,
    label: str = "label",
    split_column: str | None = None,
    drop: tuple[str, ...] = (),
    categorical: tuple[str, ...] = (),
    separator: Separator | None = None,
) -> Dataset:
    """Rows of a CSV file with a header, or arrays x (N, features) and y (N,) of an .npz file.

    Columns whose cells are all numbers are numeric; the others hold categories, each of which becomes a feature
    of 0 or 1. Gaps (an empty cell, NA, N/A, nan, null, None, ?) become the median of the train rows, or zeros in a
    column of categories. The classes are the texts of the label column, sorted (whole numbers by value).
    A row's id is its position, from 0. Nothing is unpickled.

    Raises DataError naming the file and the line at fault.

    Options:
        root: the .csv (or .tsv, .txt) or .npz file.
        label: column of the class (.npz: name of the array, when it is not y).
        split_column: column that says train, valid or test; by default the rows are divided at random.
        drop: columns to leave out.
        categorical: columns that hold categories though they look like numbers.
        separator: character between the cells; by default the header tells which of , ; | and tab it is.
    """
    path = Path(root)
    if not path.is_file():
        raise missing(f"there is no file {root}", root)
    if path.suffix.lower() == ".npz":
        if split_column or drop or categorical:
            raise DataError("data: split_column, drop and categorical are for CSV files; an .npz file has no columns")
        return _from_npz(path, label)
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise DataError(f"data.root: {root} is neither a .csv nor an .npz file")
    return _from_csv(read_csv(path, separator), label, split_column, drop, categorical)


def _from_csv(
    rows: CsvTable, label: str, split_column: str | None, drop: tuple[str, ...], categorical: tuple[str, ...]
) -> Dataset:
    names = rows.cells(label, "label")
    parts = None
    if split_column is not None:
        cells = rows.cells(split_column, "split")
        parts = part_codes(part_named(cell, rows.where(row)) for row, cell in enumerate(cells))
    for column in drop:
        rows.position(column, "dropped")
    for column in categorical:
        rows.position(column, "categorical")
    features = [column for column in rows.header if column not in {label, split_column, *drop}]
    if not features:
        raise DataError(f"{rows.path}: no column is left beside the label {label!r}")
    raw, columns = infer_columns(rows, features, categorical)
    classes, labels, given = label_samples(Coded.of(names), parts, str(rows.path))
    return Dataset(raw, labels, classes, "vector", given=given, columns=columns, label_column=label)


def _from_npz(path: Path, label: str) -> Dataset:
    inputs, labelled = read_pair(path, label)
    if inputs.ndim != 2:
        raise DataError(f"{path}: x must have the shape (N, features), not {inputs.shape}")
    raw = numbers(inputs, path, gaps=True)
    columns = tuple(Column(name=f"x{position + 1}", kind="numeric") for position in range(raw.shape[1]))
    classes, labels, _ = label_samples(Coded.of(class_names(labelled, path)), None, str(path))
    return Dataset(raw, labels, classes, "vector", columns=columns, label_column=label)
