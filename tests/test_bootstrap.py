"""Intervals of metrics: their ends, what they cover, what has none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clfkit import bootstrap
from clfkit.bootstrap import ends, intervals, resampled, resamples_of
from clfkit.components import metrics
from clfkit.data.bundle import ClassMap
from clfkit.metrics import Predictions, score


def predictions(samples: int, classes: int, share: float, seed: int = 0) -> Predictions:
    """Of a model that is right about a share of the samples, and puts 0.6 on the class that it says."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    said = np.where(rng.random(samples) < share, labels, (labels + 1) % classes)
    probabilities = np.full((samples, classes), 0.4 / max(1, classes - 1), np.float32)
    probabilities[np.arange(samples), said] = 0.6
    return Predictions(labels, probabilities, ClassMap(names=tuple(map(str, range(classes)))), 0.5)


def test_every_resample_holds_as_many_samples() -> None:
    whole = np.concatenate(list(resampled(50, 30, seed=3)), axis=1)
    assert whole.shape == (50, 30)
    assert (whole.sum(axis=0) == 50).all()
    assert not np.array_equal(whole, np.concatenate(list(resampled(50, 30, seed=4)), axis=1))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "BLOCK", 50 * 7)
    blocks = list(resampled(50, 30, seed=3))
    assert [block.shape for block in blocks] == [(50, 7)] * 4 + [(50, 2)]
    monkeypatch.setattr(bootstrap, "BLOCK", 50 * 120)
    assert [block.shape for block in resampled(50, 300, seed=3)] == [(50, 150), (50, 150)]
    assert [block.shape for block in resampled(50, 300, seed=3, classes=75)] == [(50, 100)] * 3
    monkeypatch.setattr(bootstrap, "BLOCK", 10)
    assert [block.shape for block in resampled(50, 2, seed=3)] == [(50, 1), (50, 1)]


def test_ends_are_quantiles_moved_to_the_value_of_all_samples() -> None:
    values = np.random.default_rng(0).normal(5, 1, (999, 3))
    middle = np.median(values, axis=0)
    np.testing.assert_allclose(ends(values, middle), np.quantile(values, (0.025, 0.975), axis=0))
    np.testing.assert_allclose(ends(values, middle + 0.25), np.quantile(values, (0.025, 0.975), axis=0) + 0.25)
    values[::2, 1] = np.nan
    np.testing.assert_allclose(
        ends(values, np.nanmedian(values, axis=0)), np.nanquantile(values, (0.025, 0.975), axis=0)
    )
    assert np.isnan(ends(np.full(9, np.nan), 0.5)).all()


@pytest.mark.parametrize("value", [0.0, 0.97, 1.0])
def test_ends_of_shares_are_shares(value: float) -> None:
    low, high = ends(np.random.default_rng(0).beta(20, 2, 1000), value)
    assert 0 <= low < high <= 1


def test_the_interval_of_accuracy_is_that_of_the_binomial() -> None:
    found = predictions(2000, 4, 0.8)
    accuracy = score(found, ["accuracy"])["accuracy"]
    low, high = intervals(found, ["accuracy"], seed=0).metrics["accuracy"]
    half = 1.96 * math.sqrt(accuracy * (1 - accuracy) / 2000)
    assert low == pytest.approx(accuracy - half, abs=0.002)
    assert high == pytest.approx(accuracy + half, abs=0.002)


def test_nineteen_of_twenty_intervals_cover_the_truth() -> None:
    covered = 0
    for seed in range(100):
        low, high = intervals(predictions(300, 3, 0.8, seed), ["accuracy"], seed).metrics["accuracy"]
        covered += low <= 0.8 <= high
    assert 88 <= covered <= 100


def test_the_value_lies_within_even_with_few_samples_of_many_classes() -> None:
    found = predictions(600, 200, 0.5)
    scores = score(found)
    result = intervals(found, scores, seed=0)
    assert {"macro_f1", "weighted_precision", "ece", "roc_auc"} < result.metrics.keys()
    for name, (low, high) in result.metrics.items():
        assert low <= scores[name] <= high, name
    own = found.per_class.recall
    low, high = result.classes["recall"]
    there = ~np.isnan(own)
    assert (low[there] <= own[there]).all() and (own[there] <= high[there]).all()
    assert np.isnan(low[~there]).all()


def test_what_is_undefined_has_no_interval() -> None:
    one_class = Predictions(np.zeros(5, np.int64), np.full((5, 2), 0.5, np.float32), ClassMap(names=("a", "b")), 0.5)
    found = intervals(one_class, score(one_class), seed=0)
    assert not {"loss", "mcc", "roc_auc", "average_precision", "tail_accuracy"} & found.metrics.keys()
    assert found.metrics["accuracy"] == pytest.approx((0.025 ** (1 / 5), 1.0))
    assert not {"balanced_accuracy", "macro_f1", "top5"} & found.metrics.keys()
    empty = Predictions(np.zeros(0, np.int64), np.zeros((0, 2), np.float32), ClassMap(names=("a", "b")), 0.5)
    assert intervals(empty, ["accuracy"], seed=0).metrics == {}


def test_who_makes_no_mistake_may_make_one_on_the_next_sample() -> None:
    for share, exact in ((1.0, lambda n: (0.025 ** (1 / n), 1.0)), (0.0, lambda n: (0.0, 1 - 0.025 ** (1 / n)))):
        found = predictions(40, 3, share)
        result = intervals(found, ["accuracy", "balanced_accuracy"], seed=0)
        assert result.metrics["accuracy"] == pytest.approx(exact(40))
        assert "balanced_accuracy" not in result.metrics
        support = np.bincount(found.labels)
        for name, samples in (("recall", support), ("precision", np.bincount(found.predicted))):
            low, high = result.classes[name]
            np.testing.assert_allclose(np.stack([low, high], axis=1), [exact(count) for count in samples])
        assert np.isnan(result.classes["f1"]).all()


def test_a_rare_class_does_not_make_a_model_look_better() -> None:
    labels = np.array([0] * 99 + [1], np.int64)
    said = np.tile(np.array([[1.0, 0.0]], np.float32), (100, 1))
    found = Predictions(labels, said, ClassMap(names=("a", "b")), 0.5)
    result = intervals(found, score(found), seed=0).metrics
    assert not {"balanced_accuracy", "mcc"} & result.keys()  # the one never varies, the other is never defined
    assert result["macro_f1"][1] < 0.51
    assert result["accuracy"][1] == pytest.approx(1.0, abs=0.011)


def test_what_few_resamples_know_has_no_interval() -> None:
    labels, said = np.array([0] * 99 + [1]), np.array([0] * 98 + [1, 1])
    found = Predictions(labels, np.eye(2, dtype=np.float32)[said], ClassMap(names=("a", "b")), 0.5)
    whole = intervals(found, score(found), seed=0).metrics
    assert "mcc" not in whole  # undefined wherever the one sample of b is not drawn, in more than a third
    assert "macro_f1" in whole


def test_the_calibration_error_may_be_chance() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 300)
    rows = np.column_stack([sure, 1 - sure]).astype(np.float32)
    found = Predictions((rng.random(300) > sure).astype(np.int64), rows, ClassMap(names=("a", "b")), 0.5)
    error = score(found, ["ece"])["ece"]
    low, high = intervals(found, ["ece"], seed=0).metrics["ece"]
    assert low == 0 < error < high


def test_rankings_of_very_many_classes_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found = predictions(60, 5, 0.5)
    monkeypatch.setattr(bootstrap, "MOST_RANKED", 60 * 5 * 1000 - 1)
    assert intervals(found, ["roc_auc", "brier"], seed=0).metrics.keys() == {"brier"}


def test_a_metric_that_knows_nothing_of_resamples_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_entries", {name: metrics.entry(name) for name in metrics.names()})

    @metrics.register("share_of_firsts")
    def share_of_firsts(predictions: Predictions) -> float:
        """Share of samples said to be of the first class."""
        return float((predictions.predicted == 0).mean())

    found = predictions(60, 5, 0.5)
    assert 0 < score(found, ["share_of_firsts"])["share_of_firsts"] < 1
    assert intervals(found, ["share_of_firsts", "accuracy"], seed=0).metrics.keys() == {"accuracy"}


def test_of_very_many_samples_fewer_resamples_are_drawn() -> None:
    assert [resamples_of(count) for count in (0, 1, 10_000, 1_000_000, 10**9)] == [0, 1000, 1000, 500, 200]
