"""Columns learn from the train rows only, and become the features that scikit-learn would make."""

from __future__ import annotations

import numpy as np
import pytest

from clfkit.data.bundle import Column
from clfkit.data.table import encode, fit_columns

NAN = float("nan")
COLUMNS = (Column(name="length", kind="numeric"), Column(name="colour", kind="categorical", categories=("b", "g", "r")))
RAW = np.array([[1.0, 0], [NAN, 2], [4.0, 2], [10.0, NAN], [NAN, 1]])


def test_only_train_rows_are_learnt_from() -> None:
    length, colour = fit_columns(COLUMNS, RAW[:3])
    assert length.median == 2.5
    assert colour.categories == ("b", "r")


def test_features_and_their_names() -> None:
    features, names = encode(RAW, COLUMNS, fit_columns(COLUMNS, RAW[:3]))
    assert names == ("length", "colour=b", "colour=r")
    assert features.dtype == np.float64
    assert features.tolist() == [[1, 1, 0], [2.5, 0, 1], [4, 0, 1], [10, 0, 0], [2.5, 0, 0]]


def test_same_features_as_scikit_learn() -> None:
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    rng = np.random.default_rng(0)
    raw = np.stack([rng.normal(size=60), rng.integers(0, 3, 60).astype(float)], axis=1)
    raw[rng.random(60) < 0.2, 0] = NAN
    features, _ = encode(raw, COLUMNS, fit_columns(COLUMNS, raw[:40]))
    imputer = SimpleImputer(strategy="median").fit(raw[:40, :1])
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(raw[:40, 1:])
    expected = np.hstack([imputer.transform(raw[:, :1]), encoder.transform(raw[:, 1:])])
    np.testing.assert_allclose(features, expected, rtol=1e-6)


def test_a_column_without_values_gets_median_zero() -> None:
    (column,) = fit_columns(COLUMNS[:1], np.full((3, 1), NAN))
    assert column.median == 0.0


def test_a_table_without_columns_is_a_bug() -> None:
    with pytest.raises(ValueError, match="at least one column"):
        encode(np.empty((2, 0)), (), ())
