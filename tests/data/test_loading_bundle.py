"""From a source to a bundle: statistics of the train split, seeds, and checks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, Column, Dataset, ImageFormat
from clfkit.data.images import ImageFiles
from clfkit.data.loading import Selection, load_bundle
from clfkit.data.names import Names
from clfkit.errors import DataError
from clfkit.registry import InputKind


def load(name: str, seed: int = 42, **options: object) -> object:
    return load_bundle(datasets.parse({"name": name, **options}), seed=seed)


def test_statistics_are_those_of_the_train_split() -> None:
    bundle = load_bundle(datasets.parse({"name": "iris"}), seed=1)
    inputs = np.asarray(bundle.train.inputs)
    np.testing.assert_allclose(bundle.spec.mean, inputs.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(bundle.spec.std, inputs.std(axis=0), rtol=1e-6)


def test_image_statistics_are_per_channel() -> None:
    bundle = load_bundle(datasets.parse({"name": "digits"}), seed=1)
    inputs = np.asarray(bundle.train.inputs, dtype=np.float64)
    np.testing.assert_allclose(bundle.spec.mean, [inputs.mean()])
    np.testing.assert_allclose(bundle.spec.std, [inputs.std()])


def test_normalize_off_leaves_inputs_alone() -> None:
    bundle = load_bundle(datasets.parse({"name": "moons", "normalize": False}), seed=1)
    assert (bundle.spec.mean, bundle.spec.std) == ((0.0, 0.0), (1.0, 1.0))


def test_same_seed_same_bundle() -> None:
    def fingerprint(seed: int) -> str:
        return load_bundle(datasets.parse({"name": "xor"}), seed=seed).fingerprint

    assert fingerprint(3) == fingerprint(3)
    assert fingerprint(3) != fingerprint(4)


def broken(inputs: np.ndarray, names: tuple[str, ...]) -> Callable[..., Dataset]:
    labels = np.arange(len(inputs)) % len(names)
    return lambda *_: Dataset(inputs, labels, ClassMap(names=names), "vector", ("x",))


@pytest.mark.parametrize(
    ("inputs", "names", "message"),
    [
        (np.array([[0.0], [np.nan]], np.float32), ("a", "b"), "sample 1 has a value that is not a finite number"),
        (np.zeros((4, 1), np.float32), ("a",), r"only one class \('a'\);"),
    ],
)
def test_unusable_samples_are_refused(
    inputs: np.ndarray, names: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "build", broken(inputs, names))
    with pytest.raises(DataError, match=message):
        load("moons")


def test_a_selection_picks_from_inputs_outside_memory() -> None:
    files = ImageFiles(Path(), Names.of([]), ImageFormat(height=2, width=3, channels=1))
    selection = Selection(files, np.empty(0, np.int64))
    assert selection.shape == (0, 1, 2, 3)
    assert selection.dtype == np.uint8
    assert len(selection[np.empty(0, np.int64)]) == 0


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (("image", np.zeros((4, 1, 2, 2), np.float32)), r"must return uint8 pixels .*, not float32 \(4, 1, 2, 2\)"),
        (("image", np.zeros((4, 2, 2), np.uint8)), r"must return uint8 pixels .*, not uint8 \(4, 2, 2\)"),
        (("vector", np.zeros((4, 2), np.int64)), r"must return float numbers .*, not int64 \(4, 2\)"),
        (("vector", np.zeros((4, 2, 2))), r"must return float numbers .*, not float64 \(4, 2, 2\)"),
        (("vector", np.zeros((3, 2))), r"for each of 3 samples, not int64 \(4,\)"),
    ],
)
def test_sources_are_told_what_they_must_return(
    dataset: tuple[InputKind, np.ndarray], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Dataset(dataset[1], np.arange(4) % 2, ClassMap(names=("a", "b")), dataset[0])
    monkeypatch.setattr(datasets, "build", lambda *_: made)
    with pytest.raises(DataError, match=message):
        load("moons")


@pytest.mark.parametrize("labels", [np.array([0, 1, 2, 0]), np.array([0, -1, 1, 0]), np.array([0.0, 1.0, 0.0, 1.0])])
def test_labels_that_are_no_classes_are_refused(labels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Dataset(np.zeros((4, 2)), labels, ClassMap(names=("a", "b")), "vector")
    monkeypatch.setattr(datasets, "build", lambda *_: made)
    with pytest.raises(DataError, match="a source must return"):
        load("moons")


def test_tables_are_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = (Column(name="n", kind="numeric"),)
    inputs = np.array([[0.0], [np.nan], [np.inf], [1.0]])
    made = Dataset(inputs, np.arange(4) % 2, ClassMap(names=("a", "b")), "vector", columns=columns)
    monkeypatch.setattr(datasets, "build", lambda *_: made)
    with pytest.raises(DataError, match="sample 2 has a value that is not a finite number"):
        load("moons")
    monkeypatch.setattr(datasets, "build", lambda *_: dataclasses.replace(made, columns=columns * 2))
    with pytest.raises(DataError, match="must describe its 1 columns, not 2"):
        load("moons")
