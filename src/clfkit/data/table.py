"""Raw columns of a table as features: medians for gaps, one 0/1 feature per category."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import Column, FloatArray

RawTable = npt.NDArray[np.float64]
"""(rows, columns). Numbers as they are, categories as positions in the column's list; NaN where nothing stands."""


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


def encode(
    raw: RawTable, columns: tuple[Column, ...], fitted: tuple[Column, ...]
) -> tuple[FloatArray, tuple[str, ...]]:
    """Raw rows as float32 features, and the features' names.

    A category that the train split does not have, or a gap in a categorical column, is all zeros.
    """
    features: list[npt.NDArray[np.floating]] = []
    names: list[str] = []
    for position, (column, known) in enumerate(zip(columns, fitted, strict=True)):
        values = raw[:, position]
        if known.kind == "numeric":
            features.append(np.where(np.isnan(values), known.median, values))
            names.append(known.name)
            continue
        for category in known.categories:
            code = column.categories.index(category) if category in column.categories else -1
            features.append((values == code).astype(np.float64))
            names.append(f"{known.name}={category}")
    if not features:
        raise ValueError("a table needs at least one column beside the label")
    return np.stack(features, axis=1).astype(np.float32), tuple(names)
