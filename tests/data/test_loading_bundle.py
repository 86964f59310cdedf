"""From a source to a bundle: statistics of the train split, seeds, and checks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, Dataset, ImageFormat
from clfkit.data.images import ImageFiles
from clfkit.data.loading import Selection, _levels, load_bundle
from clfkit.errors import DataError


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


def test_levels_of_colour_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (230, 3, 4, 5), dtype=np.uint8)
    expected = [np.bincount(images[:, channel].ravel(), minlength=256) for channel in range(3)]
    assert np.array_equal(_levels(images), expected)


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
        (np.zeros((4, 1), np.float32), ("a",), "only one class"),
    ],
)
def test_unusable_samples_are_refused(
    inputs: np.ndarray, names: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "build", broken(inputs, names))
    with pytest.raises(DataError, match=message):
        load("moons")


def test_a_selection_picks_from_inputs_outside_memory() -> None:
    files = ImageFiles((), ImageFormat(height=2, width=3, channels=1))
    selection = Selection(files, np.empty(0, np.int64))
    assert selection.shape == (0, 1, 2, 3)
    assert selection.dtype == np.uint8
    assert len(selection[np.empty(0, np.int64)]) == 0
