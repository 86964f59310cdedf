"""Tables from CSV and .npz files as datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from clfkit.components import datasets
from clfkit.data.bundle import DataBundle
from clfkit.data.loading import load_bundle
from clfkit.errors import ClassMismatch, DataError

ROWS = "".join(
    f"{n},{'NA' if n % 5 == 0 else n * 2},{'red' if n % 3 else 'blue'},{'yes' if n % 2 else 'no'}\n" for n in range(40)
)
CSV = "id,size,colour,label\n" + ROWS


def load(file: Path, **options: object) -> DataBundle:
    return load_bundle(datasets.parse({"name": "table", "root": str(file), **options}), seed=0)


def write(tmp_path: Path, text: str = CSV, name: str = "t.csv") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_features_and_classes(tmp_path: Path) -> None:
    bundle = load(write(tmp_path), drop=("id",))
    assert bundle.spec.feature_names == ("size", "colour=blue", "colour=red")
    assert bundle.spec.classes.names == ("no", "yes")
    assert bundle.spec.label_column == "label"
    inputs = np.asarray(bundle.train.inputs)
    ids = bundle.train.ids
    assert inputs.dtype == np.float64
    assert np.array_equal(bundle.train.labels, ids % 2)
    assert np.array_equal(inputs[:, 2], ids % 3 != 0)
    sizes = ids[ids % 5 != 0] * 2
    assert np.array_equal(inputs[ids % 5 != 0, 0], sizes)
    assert (inputs[ids % 5 == 0, 0] == np.median(sizes)).all()  # the median of the train rows alone
    assert bundle.spec.columns[0].median == np.median(sizes)


def test_split_column_and_separator(tmp_path: Path) -> None:
    rows = [f"{n};{'ab'[n % 2]};{['train', 'train', 'val', 'test'][n // 2 % 4]}" for n in range(40)]
    bundle = load(
        write(tmp_path, "\n".join(["n;kind;part", *rows]), "t.txt"), label="kind", split_column="part", separator=";"
    )
    assert bundle.spec.feature_names == ("n",)
    assert (len(bundle.train), len(bundle.valid), len(bundle.test)) == (20, 10, 10)
    assert bundle.test.ids.tolist()[:3] == [6, 7, 14]


def test_a_class_that_only_the_test_rows_have_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "n,label,part\n1,a,train\n2,b,train\n3,c,test\n")
    with pytest.raises(ClassMismatch, match="test has 'c'"):
        load(file, split_column="part")


def test_forced_categories(tmp_path: Path) -> None:
    bundle = load(write(tmp_path, "zip,label\n" + "10,a\n20,b\n" * 10), categorical=("zip",))
    assert bundle.spec.feature_names == ("zip=10", "zip=20")


def test_whole_number_labels_are_in_numerical_order(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n % 11}\n" for n in range(110))
    assert load(write(tmp_path, "n,label\n" + rows)).spec.classes.names == tuple(map(str, range(11)))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (CSV, {"label": "colours"}, "no label column 'colours'; did you mean 'colour'"),
        (CSV, {"drop": ("sizes",)}, "no dropped column 'sizes'; did you mean 'size'"),
        (CSV, {"categorical": ("x9",)}, "no categorical column 'x9'"),
        (CSV, {"split_column": "part"}, "no split column 'part'"),
        (CSV, {"split_column": "colour"}, r"t\.csv:2: the part must be train, valid or test, not 'blue'"),
        (CSV, {"drop": ("id", "size", "colour")}, "no column is left"),
        (CSV + "1,2,red,\n", {}, r"t\.csv:42: the label column 'label' is empty"),
        (CSV + "1,2,red\n", {}, r"t\.csv:42: 3 cells under 4 columns"),
    ],
)
def test_faults(text: str, options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, text), **options)


def test_npz(tmp_path: Path) -> None:
    inputs = np.arange(80.0).reshape(40, 2)
    inputs[3, 0] = np.nan
    np.savez(tmp_path / "t.npz", x=inputs, y=np.array(["b", "a"] * 20))
    bundle = load(tmp_path / "t.npz")
    assert bundle.spec.classes.names == ("a", "b")
    assert bundle.spec.feature_names == ("x1", "x2")
    assert all(np.isfinite(np.asarray(split.inputs)).all() for split in (bundle.train, bundle.valid, bundle.test))


def test_npz_faults(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=np.zeros((4, 2, 2)), y=np.arange(4))
    with pytest.raises(DataError, match=r"shape \(N, features\), not \(4, 2, 2\)"):
        load(tmp_path / "t.npz")
    with pytest.raises(DataError, match="are for CSV files"):
        load(tmp_path / "t.npz", drop=("a",))
    np.savez(tmp_path / "t.npz", x=np.full((4, 2), np.inf), y=np.arange(4))
    with pytest.raises(DataError, match="sample 0 has a value that is not a finite number"):
        load(tmp_path / "t.npz")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.root: there is no file"):
        load(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"neither a \.csv nor an \.npz"):
        load(write(tmp_path, CSV, "t.xlsx"))
    with pytest.raises(ValidationError, match=r"root\n.*missing"):
        datasets.parse("table")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_header_tells_the_separator(separator: str, tmp_path: Path) -> None:
    file = write(tmp_path, CSV.replace(",", separator), "t.tsv")
    assert load(file).fingerprint == load(write(tmp_path)).fingerprint


def test_classes_may_be_called_as_gaps_are(tmp_path: Path) -> None:
    names = ["None", "NA", "null", "?", "nan"]
    file = write(tmp_path, "n,label\n" + "".join(f"{n},{names[n % 5]}\n" for n in range(50)))
    assert load(file).spec.classes.names == tuple(sorted(names))


def test_medians_and_categories_are_those_of_the_train_rows(tmp_path: Path) -> None:
    rows = [f"{n},{'rb'[n % 2]},{'ab'[n % 2]},train" for n in range(1, 10)]
    rows += [f"{n * 1000},violet,a,test" for n in range(1, 40)]
    rows += [",violet,b,test"]
    file = write(tmp_path, "n,colour,label,part\n" + "\n".join(rows) + "\n")
    bundle = load(file, split_column="part", split={"valid": 0})
    assert bundle.spec.columns[0].median == 5
    assert bundle.spec.feature_names == ("n", "colour=b", "colour=r")
    assert np.asarray(bundle.test.inputs)[-1].tolist() == [5, 0, 0]
    assert bundle.spec.mean[0] == 5
