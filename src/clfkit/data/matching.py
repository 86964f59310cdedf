"""New samples in the form that a trained model knows: columns and features are found by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clfkit.data.bundle import Column, Dataset, DataSpec, Inputs, listed
from clfkit.data.statistics import check_range
from clfkit.data.table import Features, RawTable, column_positions, encode
from clfkit.errors import DataError


def known_columns(spec: DataSpec, whose: str) -> tuple[Column, ...]:
    """The columns of the model's table, or one numeric column for each of its named features.

    Raises DataError, which begins with `whose`, when the features have no names.
    """
    if not spec.feature_names:
        raise DataError(f"{whose}: the model's features have no names to find columns by; give an .npz file")
    return spec.columns or tuple(Column(name=name, kind="numeric") for name in spec.feature_names)


def features_of(
    raw: RawTable, columns: tuple[Column, ...], spec: DataSpec, where: Callable[[int], str], whose: str
) -> Features:
    """Raw rows, described by `columns` in the order of `known_columns`, as the model's features.

    Raises DataError, which begins with `where(row)`, for a gap that the model has no median for, and for numbers
    out of range.
    """
    features, names = encode(raw, columns, known_columns(spec, whose))
    gaps = np.isnan(raw)
    if not spec.columns and gaps.any():
        row, position = (int(at[0]) for at in np.nonzero(gaps))
        raise DataError(f"{where(row)}: no value in column {names[position]!r}")
    check_range(features, spec.mean, spec.std, names, where)
    return features


def match_dataset(dataset: Dataset, spec: DataSpec) -> Inputs:
    """The inputs of other data as the model takes them; nothing is fitted.

    Of a table, columns that the model does not know are passed over. Raises DataError listing columns or features
    that are missing (or, without a table, too many), and for samples of another kind or shape.
    """
    if dataset.kind != spec.inputs:
        raise DataError(f"the data are {dataset.kind} samples, and the model takes {spec.inputs} samples")
    if dataset.columns:
        return _table(dataset, spec)
    order = _feature_order(dataset.feature_names, spec.feature_names)
    if dataset.inputs.shape[1:] != spec.shape:
        raise DataError(f"the data are samples of shape {dataset.inputs.shape[1:]}, and the model takes {spec.shape}")
    if dataset.kind == "image":
        return dataset.inputs
    inputs = dataset.inputs[np.arange(len(dataset.inputs))]
    inputs = inputs[:, order] if order else inputs
    check_range(inputs, spec.mean, spec.std, spec.feature_names, _sample)
    return inputs


def _table(dataset: Dataset, spec: DataSpec) -> Features:
    whose = "the data"
    known = known_columns(spec, whose)
    found = column_positions([column.name for column in dataset.columns], known, whose)
    columns = tuple(dataset.columns[position] for position in found)
    pairs = list(zip(columns, known, strict=True))
    texts = [column.name for column, model in pairs if column.kind == "categorical" and model.kind == "numeric"]
    if texts:
        raise DataError(f"{whose}: columns that hold text, and numbers in the model's table: {listed(texts)}")
    raw = np.asarray(dataset.inputs, np.float64)[:, found]
    return features_of(raw, columns, spec, _sample, whose)


def _sample(row: int) -> str:
    return f"sample {row}"


def _feature_order(names: tuple[str, ...], known: tuple[str, ...]) -> list[int]:
    """The position in `names` of each known feature; none when either side has no names."""
    if not names or not known:
        return []
    missing = [name for name in known if name not in names]
    extra = [name for name in names if name not in known]
    if missing or extra:
        parts = [f"missing: {listed(missing)}"] if missing else []
        parts += [f"extra: {listed(extra)}"] if extra else []
        raise DataError(f"the features of the data are not those the model was trained on; {'; '.join(parts)}")
    return [names.index(name) for name in known]
