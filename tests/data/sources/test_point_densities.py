"""The densities of synthetic points against the points that their sources draw, and against closed forms."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import i0e
from scipy.stats import chi2

from clfkit.components import datasets
from clfkit.data.bundle import Dataset, Density, Split
from clfkit.data.limits import posterior
from clfkit.data.loading import load_bundle

Array = npt.NDArray[np.float64]

PLANES: list[dict[str, Any]] = [
    {"name": "blobs", "std": 3.0, "samples": 20_000},
    {"name": "moons", "noise": 0.2, "samples": 20_001},
    {"name": "circles", "noise": 0.2, "samples": 20_000},
    {"name": "xor", "noise": 0.2, "samples": 20_003},
    {"name": "gaussian_quantiles", "samples": 20_000, "classes": 4},
    {"name": "spiral", "points": 8000},
    {"name": "spiral", "points": 8000, "form": "nnfs"},
    {"name": "spiral", "points": 8000, "classes": 2, "noise": 0.8},
]
NAMES = [f"{options['name']}-{number}" for number, options in enumerate(PLANES)]


def made(options: dict[str, Any], seed: int = 3) -> Dataset:
    found = datasets.build(datasets.parse(options), seed)
    assert isinstance(found, Dataset)
    return found


def density_of(data: Dataset | Split) -> Density:
    assert data.density is not None
    return data.density


def shares_of(data: Dataset) -> Array:
    shares: Array = np.bincount(data.labels) / len(data.labels)
    return shares


def masses(density: Density, edges: tuple[Array, Array], fine: int) -> Array:
    """Probability of each class in each cell, shape (x, y, K): the mean density of `fine` × `fine` places in it."""
    places = [
        (axis[:-1, None] + np.diff(axis)[:, None] * (np.arange(fine) + 0.5) / fine).ravel() for axis in edges
    ]  # fmt: skip
    x, y = np.meshgrid(*places, indexing="ij")
    values = np.exp(density.log_density(np.stack([x.ravel(), y.ravel()], axis=1)))
    cells = values.reshape(len(edges[0]) - 1, fine, len(edges[1]) - 1, fine, -1).mean(axis=(1, 3))
    areas: Array = np.outer(*(np.diff(axis) for axis in edges))
    return cells * areas[..., None]


@pytest.mark.parametrize("options", PLANES, ids=NAMES)
def test_points_fall_where_the_density_says(options: dict[str, Any]) -> None:
    """Each class: probabilities of 12 × 12 cells sum to 1, and the source's own points are as many as they say."""
    data = made(options)
    inputs = np.asarray(data.inputs, np.float64)
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    wide = 0.1 * (high - low)
    edges = [np.linspace(*ends, 13) for ends in zip(low - wide, high + wide, strict=True)]
    found = masses(density_of(data), (edges[0], edges[1]), 24)
    for label, size in enumerate(np.bincount(data.labels)):
        expected = found[..., label]
        assert expected.sum() == pytest.approx(1, abs=0.01)
        counts, *_ = np.histogram2d(*inputs[data.labels == label].T, bins=edges)
        assert (np.abs(counts - size * expected) <= 5 * np.sqrt(size * expected) + 0.005 * size).all()


@pytest.mark.parametrize("options", PLANES, ids=NAMES)
def test_the_posterior_is_calibrated_on_the_sources_points(options: dict[str, Any]) -> None:
    data = made(options)
    chances = posterior(density_of(data), np.asarray(data.inputs), shares_of(data))
    assert np.allclose(chances.sum(axis=1), 1)
    hits = np.eye(len(data.classes))[data.labels]
    for low in np.arange(0, 1, 0.1):
        inside = (chances >= low) & (chances <= low + 0.1)
        deviation = np.sqrt((chances * (1 - chances))[inside].sum())
        assert abs(hits[inside].sum() - chances[inside].sum()) <= 4 * deviation + 1e-3


@pytest.mark.parametrize("options", PLANES, ids=NAMES)
def test_fresh_points_are_like_the_sources_own(options: dict[str, Any]) -> None:
    data = made(options)
    fresh = density_of(data).draw(data.labels, np.random.default_rng(0))
    assert fresh.shape == data.inputs.shape
    own = np.asarray(data.inputs, np.float64)
    for label in range(len(data.classes)):
        one, other = (values[data.labels == label] for values in (own, fresh))
        scale = one.std(axis=0) / np.sqrt(len(one) / 2)
        assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) <= 5 * scale).all()
        assert np.allclose(np.cov(one.T), np.cov(other.T), rtol=0.1, atol=0.05 * one.std() ** 2)


def test_a_curve_of_few_points_is_those_points() -> None:
    """Ten points an arc, little noise: the density has a peak at each of them."""
    density = density_of(made({"name": "moons", "samples": 20, "noise": 0.01}))
    angle = np.linspace(0, np.pi, 10)
    at_points = density.log_density(np.stack([np.cos(angle), np.sin(angle)], axis=1))[:, 0]
    assert np.allclose(at_points, -np.log(10 * 2 * np.pi * 0.01**2))
    between = 0.5 * (angle[1:] + angle[:-1])
    assert density.log_density(np.stack([np.cos(between), np.sin(between)], axis=1))[:, 0].max() < at_points.min() - 100


@pytest.mark.parametrize("noise", [0.03, 0.2, 1.0])
def test_circles_are_rice_distributed(noise: float) -> None:
    density = density_of(made({"name": "circles", "noise": noise, "factor": 0.4}))
    places = np.random.default_rng(0).uniform(-1.5, 1.5, (200, 2))
    radius = np.hypot(*places.T)[:, None]
    ring = np.array([1.0, 0.4])
    expected = -0.5 * ((radius - ring) / noise) ** 2 + np.log(i0e(radius * ring / noise**2) / (2 * np.pi * noise**2))
    assert np.allclose(density.log_density(places), expected, atol=0.01)
    near = np.abs(radius - ring) < 3 * noise
    assert np.allclose(density.log_density(places)[near], expected[near], atol=1e-4)


@pytest.mark.parametrize("features", [1, 2, 5])
def test_shells_hold_the_shares_of_a_chi_square(features: int) -> None:
    data = made({"name": "gaussian_quantiles", "features": features, "samples": 900})
    fresh = np.random.default_rng(0).normal(size=(100, features))
    values = density_of(data).log_density(fresh)
    own = np.isfinite(values)
    assert (own.sum(axis=1) == 1).all(), "shells do not overlap"
    squares = np.square(np.asarray(data.inputs, np.float64)).sum(axis=1)
    inner, outer = (squares[data.labels == 0].max(), squares[data.labels == 1].min())
    share = chi2.cdf(0.5 * (inner + outer), features)
    cloud = -0.5 * np.square(fresh).sum(axis=1) - 0.5 * features * np.log(2 * np.pi)
    assert np.allclose(values[own[:, 0], 0], (cloud - np.log(share))[own[:, 0]], atol=1e-4)


def test_no_arm_is_likelier_at_the_common_centre() -> None:
    density = density_of(made({"name": "spiral", "form": "nnfs"}))
    assert np.allclose(posterior(density, np.zeros((1, 2), np.float32), np.full(3, 1 / 3)), 1 / 3)


def test_no_arm_reaches_beyond_the_unit_circle() -> None:
    density = density_of(made({"name": "spiral"}))
    assert np.isneginf(density.log_density(np.array([[0.8, 0.8]]))).all()
    assert np.isfinite(density.log_density(np.array([[0.0, 1.0]], np.float32))).all()


OPTIONS = {
    "blobs": {"std": st.floats(1e-3, 1e3), "classes": st.integers(2, 6), "features": st.integers(1, 6)},
    "moons": {"noise": st.floats(0, 1e3)},
    "circles": {"noise": st.floats(0, 1e3), "factor": st.floats(0, 0.99)},
    "xor": {"noise": st.floats(0, 1e3), "samples": st.integers(2, 50)},
    "gaussian_quantiles": {"classes": st.integers(2, 6), "features": st.integers(1, 6)},
    "spiral": {
        "noise": st.floats(0, 1e3), "points": st.integers(2, 50), "classes": st.integers(2, 6),
        "form": st.sampled_from(["cs231n", "nnfs"]),
    },
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_points_of_any_source_have_a_posterior(drawn: st.DataObject) -> None:
    name = drawn.draw(st.sampled_from(sorted(OPTIONS)))
    data = made({"name": name, **{key: drawn.draw(values) for key, values in OPTIONS[name].items()}})
    density, shares = density_of(data), shares_of(data)
    fresh = density.draw(data.labels, np.random.default_rng(0))
    for points in (np.asarray(data.inputs), fresh, fresh.astype(np.float32)):
        chances = posterior(density, points, shares)
        assert chances.shape == (len(data.labels), len(data.classes))
        assert np.allclose(chances.sum(axis=1), 1)


@pytest.mark.parametrize("name", ["moons", "circles", "spiral", "xor", "gaussian_quantiles"])
def test_without_noise_the_classes_are_told_apart(name: str) -> None:
    data = made({"name": name} if name == "gaussian_quantiles" else {"name": name, "noise": 0.0})
    inputs = np.asarray(data.inputs)
    away = np.hypot(*inputs.T) > 0  # the arms of a spiral have their centre in common
    chances = posterior(density_of(data), inputs[away], shares_of(data))
    assert np.allclose(chances[np.arange(away.sum()), data.labels[away]], 1)


def test_a_bundle_keeps_the_density_and_its_fingerprint() -> None:
    data = datasets.parse("moons")
    first = load_bundle(data, 0)
    again = load_bundle(data, 0, first.spec)
    places = np.random.default_rng(0).normal(size=(10, 2))
    assert np.array_equal(density_of(first.test).log_density(places), density_of(again.test).log_density(places))
    without = dataclasses.replace(first, test=dataclasses.replace(first.test, density=None))
    assert without.fingerprint == first.fingerprint


def test_features_in_another_order_have_no_density() -> None:
    data = datasets.parse("moons")
    spec = load_bundle(data, 0).spec.model_copy(update={"feature_names": ("y", "x")})
    assert load_bundle(data, 0, spec).test.density is None


def test_measured_data_have_no_density() -> None:
    assert load_bundle(datasets.parse("iris"), 0).test.density is None
