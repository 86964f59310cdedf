"""The best possible accuracy against closed forms, and against the classifiers that reach it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, Dataset, IndexArray
from clfkit.data.densities import GaussianMixture
from clfkit.data.limits import BATCH, TOLERANCE, BestAccuracy, best_accuracy, best_on
from clfkit.data.loading import load_bundle
from clfkit.errors import DataError


def best(options: dict[str, Any]) -> BestAccuracy:
    bundle = load_bundle(datasets.parse(options), 0)
    found = best_on(bundle.test, len(bundle.spec.classes))
    assert found is not None
    return found


def assert_covers(found: BestAccuracy, exact: float) -> None:
    """Within three quarters more than the 95 % interval: one test in a thousand would fail by chance."""
    low, high = found.interval
    assert low <= found.accuracy <= high
    assert high - low <= 2 * TOLERANCE
    assert abs(found.accuracy - exact) <= 1.75 * TOLERANCE


def test_the_wound_spiral_allows_91_percent_and_the_other_all() -> None:
    """Angles are normal with deviation 0.5 around arms 10 radians apart; one point in `points` is the centre."""
    arms = np.array([0.0, 10.0, 20.0])

    def largest(angle: float) -> float:
        turns = 2 * np.pi * np.arange(-5, 6)
        off = np.remainder(angle - arms, 2 * np.pi)
        return float(norm.pdf(off[:, None] + turns, scale=0.5).sum(axis=1).max())

    anywhere = quad(largest, 0, 2 * np.pi, limit=500)[0] / 3
    assert anywhere == pytest.approx(0.9098, abs=1e-4)
    for points in (20, 1000):
        centre = 1 / points
        wound = {"name": "spiral", "form": "nnfs", "points": points}
        assert_covers(best(wound), anywhere * (1 - centre) + centre / 3)
        assert_covers(best({"name": "spiral", "points": points}), 1 - centre * 2 / 3)


def test_separate_test_points_settle_how_often_the_centre_comes() -> None:
    assert_covers(best({"name": "spiral", "points": 10, "test_points": 2000}), 1 - 2 / 6000)


def test_xor_is_as_sure_as_two_signs() -> None:
    kept = quad(lambda u: norm.cdf(u / 0.3), 0, 1)[0]
    assert_covers(best({"name": "xor", "noise": 0.3}), kept**2 + (1 - kept) ** 2)


def test_shells_do_not_overlap() -> None:
    assert best({"name": "gaussian_quantiles", "features": 3}) == BestAccuracy(1.0, (1.0, 1.0))


PAIR = GaussianMixture([np.array([[-1.0]]), np.array([[1.0]])], 1.0)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 1.0])
def test_the_shares_of_the_classes_count(share: float) -> None:
    """Two normal classes two deviations apart: the threshold moves to the rarer one."""
    shares = np.array([share, 1 - share])
    with np.errstate(divide="ignore"):
        threshold = 0.5 * np.log(shares[0] / shares[1])
    exact = shares @ [norm.cdf(threshold + 1), norm.sf(threshold - 1)]
    assert_covers(best_accuracy(PAIR, shares, 0), exact)


def test_the_interval_covers_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clfkit.data.limits.TOLERANCE", 1.0)  # one batch is enough
    hits = 0
    for seed in range(100):
        low, high = best_accuracy(PAIR, np.array([0.8, 0.2]), seed).interval
        threshold = 0.5 * np.log(4)
        hits += low <= 0.8 * norm.cdf(threshold + 1) + 0.2 * norm.sf(threshold - 1) <= high
    assert 88 <= hits <= 100


def test_the_same_seed_gives_the_same_figure() -> None:
    shares = np.array([0.5, 0.5])
    assert best_accuracy(PAIR, shares, 1) == best_accuracy(PAIR, shares, 1)
    assert best_accuracy(PAIR, shares, 1) != best_accuracy(PAIR, shares, 2)


def test_data_without_a_density_have_no_limit() -> None:
    assert best_on(load_bundle(datasets.parse("iris"), 0).test, 3) is None


class Plugin:
    """What a source of one's own may hand over: classes on two lines, and a result that a test chooses."""

    def __init__(self, shape: tuple[int, ...], value: float) -> None:
        self._result = np.full(shape, value)

    def log_density(self, points: object) -> Any:
        return self._result

    def draw(self, labels: IndexArray, random: np.random.Generator) -> Any:
        return labels[:, None].astype(np.float64)


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (Plugin((BATCH, 3), 0.0), "must be .* numbers"),
        (Plugin((BATCH,), 0.0), "must be .* numbers"),
        (Plugin((BATCH, 2), np.nan), "not a number"),
        (Plugin((BATCH, 2), -np.inf), "is zero"),
    ],
)
def test_a_density_that_is_none_is_told(density: Plugin, message: str) -> None:
    with pytest.raises(DataError, match=message):
        best_accuracy(density, np.array([0.5, 0.5]), 0)


def test_a_source_of_ones_own_may_supply_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def pair(seed: int) -> Dataset:
        labels = np.arange(100) % 2
        inputs = PAIR.draw(labels, np.random.default_rng(seed)).astype(np.float32)
        return Dataset(inputs, labels, ClassMap(names=("low", "high")), "vector", ("x",), density=PAIR)

    monkeypatch.setattr(datasets, "build", lambda _, seed: pair(seed))
    found = best_on(load_bundle(datasets.parse("moons"), 0).test, 2)
    assert found is not None
    assert_covers(found, norm.cdf(1))
