"""Baselines beside scikit-learn, and what they are given to learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from clfkit import baselines as room
from clfkit.baselines import Learnable, compare, pooled
from clfkit.baselines.logistic_regression import logistic_regression
from clfkit.baselines.majority import majority
from clfkit.baselines.nearest_neighbours import nearest_neighbours
from clfkit.components import baselines, datasets
from clfkit.data.bundle import Split
from clfkit.data.loading import load_bundle


@pytest.fixture
def clouds() -> tuple[Learnable, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    features = (rng.normal(0, 1, (400, 5)) + labels[:, None] * 0.7).astype(np.float32)
    return Learnable(features[:300], labels[:300], 3), features[300:]


def test_logistic_regression_is_that_of_scikit_learn(clouds: tuple[Learnable, np.ndarray]) -> None:
    train, features = clouds
    peer = LogisticRegression(max_iter=1000, tol=1e-8).fit(train.features, train.labels).predict_proba(features)
    np.testing.assert_allclose(logistic_regression(train, features), peer, atol=2e-3)


def test_neighbours_are_those_of_scikit_learn(clouds: tuple[Learnable, np.ndarray]) -> None:
    train, features = clouds
    peer = KNeighborsClassifier(5).fit(train.features, train.labels).predict_proba(features)
    np.testing.assert_allclose(nearest_neighbours(train, features), peer, atol=1e-6)


def test_fewer_samples_than_neighbours() -> None:
    train = Learnable(np.eye(2, dtype=np.float32), np.array([0, 1]), 2)
    np.testing.assert_allclose(nearest_neighbours(train, train.features), 0.5)


def test_the_majority_is_said_of_everything() -> None:
    train = Learnable(np.zeros((4, 1), np.float32), np.array([1, 1, 2, 1]), 4)
    np.testing.assert_allclose(majority(train, np.zeros((2, 1), np.float32)), [[0, 0.75, 0.25, 0]] * 2)


def test_what_would_take_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = load_bundle(datasets.parse({"name": "blobs", "samples": 200}), seed=0)
    assert compare(bundle, bundle.test).keys() == set(baselines.names())
    monkeypatch.setattr("clfkit.baselines.logistic_regression.MOST_PRODUCTS", 10)
    assert compare(bundle, bundle.test).keys() == {"majority", "nearest_neighbours"}
    assert compare(bundle, bundle.test, ()) == {}
    monkeypatch.setattr("clfkit.baselines.nearest_neighbours.MOST_PRODUCTS", 10)
    assert compare(bundle, bundle.test).keys() == {"majority"}


def test_many_samples_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = load_bundle(datasets.parse({"name": "blobs", "samples": 1000}), seed=0)
    monkeypatch.setattr(room, "MOST_SAMPLES", 50)
    few = compare(bundle, bundle.test, ["nearest_neighbours"])["nearest_neighbours"]["accuracy"]
    assert few > 0.7
    assert round(few * 50, 6) % 1 == 0


def test_classes_in_turns_are_all_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_SAMPLES", 100)
    bundle = load_bundle(datasets.parse({"name": "blobs", "samples": 200, "classes": 2}), seed=0)
    labels = np.arange(1000) % 2  # every other sample is of the same class
    inputs = (np.random.default_rng(0).normal(0, 1, (1000, 2)) + 6 * labels[:, None]).astype(np.float32)
    turns = Split(inputs, labels, np.arange(1000))
    found = compare(replace(bundle, train=turns), turns)
    assert found["nearest_neighbours"]["accuracy"] > 0.95
    assert found["logistic_regression"]["accuracy"] > 0.95
    assert 0.3 < found["majority"]["accuracy"] < 0.7


def test_features_are_standardised_whatever_the_model_is_given() -> None:
    found = [
        compare(bundle, bundle.test)
        for normalize in (True, False)
        if (bundle := load_bundle(datasets.parse({"name": "wine", "normalize": normalize}), seed=0))
    ]
    assert found[0]["nearest_neighbours"] == found[1]["nearest_neighbours"]
    assert found[0]["logistic_regression"]["accuracy"] == pytest.approx(
        found[1]["logistic_regression"]["accuracy"], abs=0.03
    )


def test_far_away_features_have_neighbours_too() -> None:
    bundle = load_bundle(datasets.parse({"name": "blobs", "samples": 400, "classes": 3, "normalize": False}), seed=0)
    moved = replace(
        bundle,
        train=replace(bundle.train, inputs=bundle.train.inputs + np.float32(30_000)),
        test=replace(bundle.test, inputs=bundle.test.inputs + np.float32(30_000)),
    )
    near, far = (compare(each, each.test, ["nearest_neighbours"]) for each in (bundle, moved))
    assert far["nearest_neighbours"]["accuracy"] == pytest.approx(near["nearest_neighbours"]["accuracy"], abs=0.05)


@pytest.mark.parametrize("side", [8, 16, 28, 33])
def test_images_are_averaged_over_blocks(side: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 2, side, side + 1), dtype=np.uint8)
    found = pooled(images)
    assert max(found.shape[2:]) <= 16
    block = -(-side // 16)
    np.testing.assert_allclose(found[:, :, 0, 0], images[:, :, :block, : -(-(side + 1) // 16)].mean(axis=(2, 3)))


def test_digits_are_easy_for_their_neighbours() -> None:
    bundle = load_bundle(datasets.parse({"name": "digits"}), seed=0)
    found = compare(bundle, bundle.test)
    assert found["nearest_neighbours"]["accuracy"] > 0.95 > found["majority"]["accuracy"] * 5
    assert found["logistic_regression"]["accuracy"] > 0.9
    assert set(found["majority"]) == {"accuracy", "balanced_accuracy", "macro_f1"}
