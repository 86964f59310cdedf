"""Synthetic points and scikit-learn's small tables: shapes, classes, seeds, and the formulas they follow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_array_equal
from pydantic import ValidationError
from sklearn.datasets import make_blobs, make_circles, make_moons

from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.loading import load_bundle
from clfkit.errors import DataError


def make(name: str, seed: int = 0, **options: object) -> Dataset:
    made = datasets.build(datasets.parse({"name": name, **options}), seed)
    assert isinstance(made, Dataset)
    return made


@pytest.mark.parametrize(
    ("name", "options", "shape", "classes"),
    [
        ("blobs", {"samples": 40, "classes": 3, "features": 4}, (40, 4), 3),
        ("moons", {"samples": 41}, (41, 2), 2),
        ("circles", {"samples": 40, "factor": 0.3}, (40, 2), 2),
        ("gaussian_quantiles", {"samples": 60, "classes": 4, "features": 3}, (60, 3), 4),
        ("xor", {"samples": 40}, (40, 2), 2),
        ("spiral", {"points": 20}, (60, 2), 3),
        ("spiral", {"points": 20, "classes": 5, "form": "nnfs"}, (100, 2), 5),
    ],
)
def test_points(name: str, options: dict[str, object], shape: tuple[int, int], classes: int) -> None:
    made = make(name, **options)
    inputs = np.asarray(made.inputs)
    assert inputs.shape == shape
    assert inputs.dtype == np.float32
    assert made.labels.dtype == np.int64
    counts = np.bincount(made.labels)
    assert len(counts) == len(made.classes) == classes
    assert counts.max() - counts.min() <= 1
    assert len(made.feature_names) == shape[1]
    assert np.array_equal(inputs, make(name, **options).inputs)
    assert not np.array_equal(inputs, make(name, seed=1, **options).inputs)


ODD_NUMBERS = [(1, 7), (2, 42), (101, 0), (1000, 2**32 - 1)]


@pytest.mark.parametrize(("samples", "seed"), ODD_NUMBERS)
@pytest.mark.parametrize(("classes", "features", "std", "box"), [(5, 2, 1.0, 10.0), (2, 1, 0.3, 4.0), (7, 3, 2.5, 1.0)])
def test_blobs_are_those_of_scikit_learn(
    samples: int, seed: int, classes: int, features: int, std: float, box: float
) -> None:
    expected = make_blobs(
        samples, features, centers=classes, cluster_std=std, center_box=(-box, box), random_state=seed
    )
    options = {"samples": samples, "classes": classes, "features": features, "std": std, "box": box}
    assert_points(make("blobs", seed, **options), *expected)


@pytest.mark.parametrize(("samples", "seed"), ODD_NUMBERS[1:])
@pytest.mark.parametrize("noise", [0.0, 0.15])
def test_arcs_are_those_of_scikit_learn(samples: int, seed: int, noise: float) -> None:
    moons = make_moons(samples, noise=noise, random_state=seed)
    assert_points(make("moons", seed, samples=samples, noise=noise), *moons)
    circles = make_circles(samples, noise=noise, factor=0.3, random_state=seed)
    assert_points(make("circles", seed, samples=samples, noise=noise, factor=0.3), *circles)


def assert_points(made: Dataset, inputs: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> None:
    """Bit for bit, in the same order."""
    assert_array_equal(made.inputs, inputs.astype(np.float32))
    assert_array_equal(made.labels, labels)


def test_xor_without_noise_is_the_sign_of_the_product() -> None:
    made = make("xor", samples=100, noise=0.0)
    inputs = np.asarray(made.inputs)
    assert np.array_equal(made.labels == 1, inputs[:, 0] * inputs[:, 1] < 0)
    assert np.abs(inputs).max() <= 1


@pytest.mark.parametrize(("form", "stretch"), [("cs231n", 1.0), ("nnfs", 2.5)])
def test_three_arms_are_those_of_the_source(form: str, stretch: float) -> None:
    inputs = np.asarray(make("spiral", points=50, noise=0.0, form=form).inputs)
    for arm in range(3):
        radius, angle = np.linspace(0.0, 1, 50), np.linspace(arm * 4, (arm + 1) * 4, 50) * stretch
        expected = np.c_[radius * np.sin(angle), radius * np.cos(angle)]
        np.testing.assert_allclose(inputs[arm * 50 : (arm + 1) * 50], expected, atol=1e-6)


@pytest.mark.parametrize("form", ["cs231n", "nnfs"])
@pytest.mark.parametrize("classes", [2, 4, 7])
def test_other_numbers_of_arms_are_turned_evenly(form: str, classes: int) -> None:
    inputs = np.asarray(make("spiral", points=30, noise=0.0, form=form, classes=classes).inputs)
    arms = inputs.reshape(classes, 30, 2)
    turn = 2 * np.pi / classes
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    np.testing.assert_allclose(arms[1], arms[0] @ rotation, atol=1e-5)


def test_more_shells_than_points_are_refused() -> None:
    with pytest.raises(DataError, match=r"data\.samples"):
        make("gaussian_quantiles", samples=2, classes=3)


def test_out_of_range_options_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be below 1"):
        make("circles", factor=1.0)


@pytest.mark.parametrize(
    ("name", "shape", "first_class", "first_feature"),
    [
        ("iris", (150, 4), "setosa", "sepal length (cm)"),
        ("wine", (178, 13), "class_0", "alcohol"),
        ("breast_cancer", (569, 30), "malignant", "mean radius"),
    ],
)
def test_bundled_tables(name: str, shape: tuple[int, int], first_class: str, first_feature: str) -> None:
    made = make(name)
    assert made.inputs.shape == shape
    assert made.classes.names[0] == first_class
    assert made.feature_names[0] == first_feature
    assert len(made.feature_names) == shape[1]


def test_digits() -> None:
    made = make("digits")
    assert made.inputs.shape == (1797, 1, 8, 8)
    assert made.inputs.dtype == np.uint8
    assert np.asarray(made.inputs).max() == 255
    assert made.classes.names == tuple("0123456789")
    assert load_bundle(datasets.parse("digits"), seed=0).spec.inputs == "image"


def test_separate_spirals_leave_the_train_points_as_they_are() -> None:
    alone = make("spiral", points=20)
    apart = make("spiral", points=20, valid_points=5, test_points=30)
    sizes = {part: len(indices) for part, indices in apart.given.items()}
    assert sizes == {"train": 60, "valid": 15, "test": 90}
    assert_array_equal(np.asarray(apart.inputs)[apart.given["train"]], np.asarray(alone.inputs))
    again = make("spiral", points=20, test_points=20)
    test, train = (np.asarray(again.inputs)[again.given[part]] for part in ("test", "train"))
    assert np.allclose(np.hypot(*test.T), np.hypot(*train.T), atol=1e-6), "the same radii"
    assert np.abs(test - train).max() > 0.1, "other noise"
    assert all((np.bincount(apart.labels[indices]) == sizes[part] // 3).all() for part, indices in apart.given.items())
