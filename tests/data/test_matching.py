"""Other data for a trained model: found by name, nothing fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, DataBundle, Dataset, DataSpec
from clfkit.data.loading import load_bundle
from clfkit.data.matching import match_dataset
from clfkit.errors import DataError

CLASSES = ClassMap(names=("a", "b"))
POINTS = DataSpec(
    inputs="vector", shape=(2,), classes=CLASSES, feature_names=("x", "y"), mean=(0.0, 0.0), std=(1.0, 1.0)
)
NAMELESS = POINTS.model_copy(update={"feature_names": ()})
TRAIN = "n,colour,zip,label\n" + "".join(f"{n},{'rgb'[n % 3]},{n % 2 + 10},{'ab'[n % 2]}\n" for n in range(60))


def table(tmp_path: Path, text: str, fitted: DataSpec | None = None, **options: object) -> DataBundle:
    (tmp_path / "t.csv").write_text(text)
    data = {"name": "table", "root": str(tmp_path / "t.csv"), "split": {"valid": 0, "test": 0}, **options}
    return load_bundle(datasets.parse(data), 0, fitted)


def points(inputs: np.ndarray, names: tuple[str, ...]) -> Dataset:
    return Dataset(inputs, np.arange(len(inputs)) % 2, CLASSES, "vector", names)


@pytest.fixture
def spec(tmp_path: Path) -> DataSpec:
    return table(tmp_path, TRAIN, categorical=("zip",)).spec


def test_columns_are_found_by_name_and_nothing_is_fitted(spec: DataSpec, tmp_path: Path) -> None:
    text = "more,zip,label,colour,n\nq,11,c,violet,1000\nq,10,d,r,\nq,10,c,g,2000\n"
    for categorical in (("zip",), ()):  # a column of categories that looks like numbers is matched all the same
        bundle = table(tmp_path, text, spec, categorical=categorical)
        assert bundle.spec == spec.model_copy(update={"classes": ClassMap(names=("c", "d"))})
        assert spec.feature_names == ("n", "colour=b", "colour=g", "colour=r", "zip=10", "zip=11")
        expected = [[1000, 0, 0, 0, 0, 1], [spec.columns[0].median, 0, 0, 1, 1, 0], [2000, 0, 1, 0, 1, 0]]
        assert np.asarray(bundle.train.inputs).tolist() == expected


def test_the_same_data_stay_the_same(spec: DataSpec, tmp_path: Path) -> None:
    fitted = table(tmp_path, TRAIN, spec, categorical=("zip",))
    assert fitted.spec == spec
    assert fitted.fingerprint == table(tmp_path, TRAIN, categorical=("zip",)).fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n,label\n1,a\n2,b\n", "missing columns: 'colour', 'zip'; there are 'n'"),
        ("n,colour,zip,label\none,r,10,a\ntwo,g,10,b\n", "hold text, and numbers in the model's table: 'n'"),
    ],
)
def test_columns_that_do_not_fit_are_listed(text: str, message: str, spec: DataSpec, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        table(tmp_path, text, spec)


def test_a_table_may_hold_the_features_of_a_model_without_one(tmp_path: Path) -> None:
    bundle = table(tmp_path, "y,label,x\n2,a,1\n4,b,3\n", POINTS)
    assert np.asarray(bundle.train.inputs).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(DataError, match="sample 1: no value in column 'x'"):
        table(tmp_path, "y,label,x\n2,a,1\n4,b,\n", POINTS)
    with pytest.raises(DataError, match="no names to find columns by"):
        table(tmp_path, "y,label,x\n2,a,1\n4,b,3\n", NAMELESS)


def test_features_are_reordered_by_name() -> None:
    inputs = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert np.asarray(match_dataset(points(inputs, ("y", "x")), POINTS)).tolist() == [[2, 1], [4, 3]]
    for names, spec in ((("x", "y"), POINTS), ((), POINTS), (("p", "q"), NAMELESS)):
        assert np.array_equal(np.asarray(match_dataset(points(inputs, names), spec)), inputs)


@pytest.mark.parametrize(
    ("inputs", "names", "message"),
    [
        (np.zeros((2, 2)), ("x", "z"), "missing: 'y'; extra: 'z'"),
        (np.zeros((2, 3)), ("x", "y", "z"), "trained on; extra: 'z'"),
        (np.zeros((2, 3)), (), r"of shape \(3,\), and the model takes \(2,\)"),
        (np.array([[0.0, 1e39]] * 2), ("x", "y"), "sample 0: .* in column 'y' is too far"),
    ],
)
def test_features_that_do_not_fit_are_listed(inputs: np.ndarray, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        match_dataset(points(inputs, names), POINTS)


def test_samples_of_another_kind_are_refused() -> None:
    with pytest.raises(DataError, match="image samples, and the model takes vector samples"):
        load_bundle(datasets.parse("digits"), 0, POINTS)
    other = load_bundle(datasets.parse("digits"), 0).spec.model_copy(update={"shape": (1, 9, 9)})
    with pytest.raises(DataError, match=r"of shape \(1, 8, 8\), and the model takes \(1, 9, 9\)"):
        load_bundle(datasets.parse("digits"), 0, other)


def test_statistics_of_the_model_are_kept() -> None:
    fitted = load_bundle(datasets.parse("moons"), 0).spec
    assert load_bundle(datasets.parse({"name": "moons", "noise": 0.3}), 5, fitted).spec == fitted
