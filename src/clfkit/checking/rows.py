"""What is noted of tables: gaps, columns that say nothing, equal rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clfkit.checking.copies import copies, equal_rows
from clfkit.checking.findings import Example, Fact, Finding
from clfkit.checking.pictures import digest_of
from clfkit.checking.samples import Samples
from clfkit.data.bundle import Dataset, listed
from clfkit.data.table import RawTable
from clfkit.wording import counted

BY_CHANCE = 0.01  # the share of rows that may equal others: tables have few different values
BY_MISTAKE = 0.1  # the share of different values of a column that are no numbers, up to which they look like slips
GAPS = 0.5  # the share of a column's cells that are missing, from which on it is told


def row_facts(dataset: Dataset) -> list[Fact]:
    """Columns and gaps. Raises no error: what cannot be read was refused before."""
    raw = _raw(dataset)
    names = _column_names(dataset)
    kinds = [column.kind for column in dataset.columns] or ["numeric"] * len(names)
    numeric = kinds.count("numeric")
    missing = np.isnan(raw).sum(axis=0)
    gaps = int(missing.sum())
    holed = int(np.count_nonzero(missing))
    which = f"{counted(gaps, 'cell')} of {counted(holed, 'column')} ({gaps / raw.size:.2%})" if gaps else "none"
    columns = f"{len(names):,}: {numeric:,} of numbers, {len(names) - numeric:,} of categories"
    return [
        Fact("columns", columns, {"numeric": numeric, "categorical": len(names) - numeric}),
        Fact("rows", "are counted from 0 here, the first one below the header", {"first": 0}),
        Fact("missing", which, {name: int(count) for name, count in zip(names, missing, strict=True) if count}),
    ]


def row_findings(dataset: Dataset, samples: Samples) -> Iterator[Finding]:
    """Equal rows, and columns that are constant or mostly missing."""
    raw = _raw(dataset)
    digests = np.array([digest_of(row) for row in raw]).reshape(len(raw), 2)
    yield from copies(samples, equal_rows(digests), "row", BY_CHANCE)
    yield from _nearly_numeric(dataset)
    names = _column_names(dataset)
    gaps = np.isnan(raw)
    with np.errstate(invalid="ignore"):
        low, high = np.where(gaps, np.inf, raw).min(axis=0), np.where(gaps, -np.inf, raw).max(axis=0)
    if len(constant := np.flatnonzero(low >= high)):
        yield Finding(
            "constant_columns", False, len(constant), f"{counted(len(constant), 'column')} with a single value",
            f"data.drop leaves {'it' if len(constant) == 1 else 'them'} out",
            [Example(names[at]) for at in constant.tolist()],
        )  # fmt: skip
    share = gaps.mean(axis=0)
    if len(holed := np.flatnonzero(share > GAPS)):
        yield Finding(
            "missing_values", False, len(holed), f"{counted(len(holed), 'column')} mostly missing",
            "data.drop leaves columns out; gaps become the median of the train rows",
            [Example(f"{names[at]}: {share[at]:.0%}") for at in holed.tolist()],
        )  # fmt: skip


def _nearly_numeric(dataset: Dataset) -> Iterator[Finding]:
    """Columns that are read as categories, since a few of their values are no numbers."""
    examples = []
    for column in dataset.columns:
        others = [value for value in column.categories if not _is_number(value)]
        if others and len(others) <= BY_MISTAKE * len(column.categories):
            examples.append(Example(f"{column.name}, which holds {listed(others)}"))
    if examples:
        yield Finding(
            "nearly_numeric", False, len(examples),
            f"{counted(len(examples), 'column')} of numbers but for a few values, so read as categories",
            "mend those values, or leave their cells empty", examples,
        )  # fmt: skip


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _raw(dataset: Dataset) -> RawTable:
    """The rows as float64, with one kind of zero and of gap, so that equal rows are equal bytes."""
    raw = np.asarray(dataset.inputs, np.float64) + 0.0
    raw[np.isnan(raw)] = np.nan
    return raw


def _column_names(dataset: Dataset) -> tuple[str, ...]:
    if dataset.columns:
        return tuple(column.name for column in dataset.columns)
    return dataset.feature_names or tuple(f"x{at + 1}" for at in range(dataset.inputs.shape[1]))
