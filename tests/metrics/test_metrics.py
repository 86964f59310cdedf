"""Every metric against scikit-learn, on random and on degenerate predictions."""

from __future__ import annotations

import dataclasses
import math
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    log_loss,
    matthews_corrcoef,
    precision_recall_fscore_support,
    precision_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from clfkit.components import metrics
from clfkit.data.bundle import ClassMap
from clfkit.metrics import Predictions, score, top5
from clfkit.metrics import measured as all_measured
from clfkit.metrics.probabilities import CONFIDENCE_BINS, confidence_bins, least_ece
from clfkit.metrics.thirds import thirds
from clfkit.registry import Component

NAN = float("nan")


def predictions(
    labels: list[int],
    probabilities: list[list[float]] | np.ndarray,
    classes: int,
    train_counts: list[int] | None = None,
) -> Predictions:
    return Predictions(
        np.array(labels, dtype=np.int64),
        np.asarray(probabilities, dtype=np.float32).reshape(len(labels), classes),
        ClassMap(names=tuple(f"class {index}" for index in range(classes))),
        loss=0.25,
        train_counts=None if train_counts is None else np.array(train_counts),
    )


def certain(
    labels: list[int], predicted: list[int], classes: int, train_counts: list[int] | None = None
) -> Predictions:
    """Predictions that put everything on one class each."""
    return predictions(labels, np.eye(classes)[np.array(predicted, dtype=np.int64)], classes, train_counts)


def measured(name: str, of: Predictions) -> float:
    return float(metrics.build(Component(name, metrics.entry(name).options()), of))


def measured_all(of: Predictions, name: str) -> list[float]:
    """The metric of each resample."""
    return list(metrics.build(Component(name, metrics.entry(name).options()), of))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Labels, predicted classes and the number of classes, often with classes that never occur."""
    classes = draw(st.integers(1, 7))
    size = draw(st.integers(0, 30))
    index = st.integers(0, classes - 1)
    column = st.lists(index, min_size=size, max_size=size)
    return draw(column), draw(column), classes


@settings(deadline=None)
@given(pairs())
def test_counts_match_scikit_learn(case: tuple[list[int], list[int], int]) -> None:
    labels, predicted, classes = case
    found = certain(labels, predicted, classes)
    ours = found.per_class
    if not labels:
        assert np.isnan(ours[:3]).all() and not ours.support.any()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = precision_recall_fscore_support(labels, predicted, labels=range(classes), zero_division=np.nan)
    for name, mine, other in zip(("precision", "recall", "f1", "support"), ours[:4], peer, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, err_msg=name)


@settings(deadline=None)
@given(pairs())
def test_accuracy_and_f1_match_scikit_learn(case: tuple[list[int], list[int], int]) -> None:
    labels, predicted, classes = case
    found = score(certain(labels, predicted, classes))
    if not labels:
        assert all(math.isnan(found[name]) for name in ("accuracy", "top5", "macro_f1", "weighted_f1"))
        return
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predicted), rel=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # predicted classes without samples
        peer = balanced_accuracy_score(labels, predicted)
    assert found["balanced_accuracy"] == pytest.approx(peer, rel=1e-12)
    for average in ("macro", "weighted"):
        peer = f1_score(labels, predicted, average=average, zero_division=0)
        assert found[f"{average}_f1"] == pytest.approx(peer, rel=1e-12), average
        peer = precision_score(labels, predicted, average=average, zero_division=np.nan)
        if average == "weighted" and not set(labels) & set(predicted):
            peer = NAN  # scikit-learn then takes the plain mean
        assert found[f"{average}_precision"] == pytest.approx(peer, rel=1e-12, nan_ok=True), average
    one_sided = min(len(set(labels)), len(set(predicted))) == 1
    peer = NAN if one_sided else matthews_corrcoef(labels, predicted)
    assert found["mcc"] == pytest.approx(peer, rel=1e-12, abs=1e-12, nan_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all of one class and predicted as it
        peer = cohen_kappa_score(labels, predicted)
    assert found["kappa"] == pytest.approx(peer, rel=1e-12, abs=1e-12, nan_ok=True)


@settings(max_examples=50)
@given(st.integers(6, 15), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_top5_matches_scikit_learn(classes: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), size).astype(np.float32)
    labels = rng.integers(0, classes, size).tolist()
    peer = top_k_accuracy_score(labels, probabilities, k=5, labels=range(classes))
    assert measured("top5", predictions(labels, probabilities, classes)) == pytest.approx(peer, rel=1e-12)


@given(st.integers(1, 12), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_top5_is_the_same_however_the_samples_are_cut_up(classes: int, block: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, 4, (9, classes)) / 8  # many of them equal
    found = predictions(rng.integers(0, classes, 9).tolist(), probabilities, classes)
    whole = measured("top5", found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(top5, "BLOCK", block)
        assert measured("top5", found) == whole


def test_memory_follows_the_samples_and_not_the_square_of_the_classes() -> None:
    classes, rng = 20_000, np.random.default_rng(1)
    labels, said = rng.integers(0, classes, 60), rng.integers(0, classes, 60)
    said[:20] = labels[:20]
    probabilities = np.zeros((60, classes), np.float32)
    probabilities[np.arange(60), said] = 1
    found = predictions(labels.tolist(), probabilities, classes)
    tracemalloc.start()
    scores, counts = score(found), found.per_class
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # the confusion matrix alone would be 3.2 GB
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, said, average="macro", zero_division=0), rel=1e-12)
    assert counts.support.sum() == 60


def test_top5_of_equal_probabilities_takes_the_lowest_indices() -> None:
    equal = np.full((8, 8), 1 / 8)
    assert measured("top5", predictions(list(range(8)), equal, 8)) == 5 / 8
    assert measured("accuracy", predictions(list(range(8)), equal, 8)) == 1 / 8


@given(st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.2]), min_size=7, max_size=7), min_size=1, max_size=9))
def test_top5_is_never_below_accuracy(rows: list[list[float]]) -> None:
    found = predictions([index % 7 for index in range(len(rows))], rows, 7)
    assert measured("top5", found) >= measured("accuracy", found)


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_top5_of_few_classes_is_1(classes: int) -> None:
    assert measured("top5", certain([0] * 3, [classes - 1] * 3, classes)) == 1.0


def counted(*rows: list[int]) -> Predictions:
    """Predictions with that confusion matrix."""
    matrix = np.array(rows, dtype=np.int64)
    true, said = (np.repeat(at.ravel(), matrix.ravel()).tolist() for at in np.indices(matrix.shape))
    return certain(true, said, len(rows))


def test_undefined_values_of_a_class_are_nan() -> None:
    #   three classes true; the second is never predicted; the third never occurs, but is predicted once;
    #   the fourth is neither
    found = counted([4, 0, 1, 0], [2, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]).per_class
    np.testing.assert_allclose(found.precision, [4 / 6, NAN, 0.0, NAN])
    np.testing.assert_allclose(found.recall, [4 / 5, 0.0, NAN, NAN])
    np.testing.assert_allclose(found.f1, [8 / 11, 0.0, 0.0, NAN])
    assert found.support.tolist() == [5, 2, 0, 0]


def test_no_samples_leave_every_class_undefined() -> None:
    found = certain([], [], 3).per_class
    assert np.isnan(found.precision).all() and np.isnan(found.recall).all() and np.isnan(found.f1).all()
    assert found.support.tolist() == [0, 0, 0]


def test_macro_f1_leaves_out_classes_that_do_not_occur() -> None:
    assert measured("macro_f1", certain([0, 1], [0, 1], 9)) == 1.0


def test_the_loss_is_passed_on() -> None:
    assert score(certain([0], [0], 2))["loss"] == 0.25


def test_all_metrics_are_known() -> None:
    ours = [name for name in metrics.names() if metrics.entry(name).function.__module__.startswith("clfkit.")]
    assert ours == [
        "accuracy", "average_precision", "balanced_accuracy", "brier", "ece", "head_accuracy", "kappa", "log_loss",
        "loss", "macro_f1", "macro_precision", "mcc", "middle_accuracy", "roc_auc", "tail_accuracy", "top5",
        "weighted_f1", "weighted_precision",
    ]  # fmt: skip


THIRDS = ("head_accuracy", "middle_accuracy", "tail_accuracy")


def test_thirds_are_those_of_the_classes_by_train_samples() -> None:
    """Of class k, k + 1 of 6 samples are right."""
    labels = [k for k in range(6) for _ in range(6)]
    predicted = [k if n <= k else (k + 1) % 6 for k in range(6) for n in range(6)]
    found = score(certain(labels, predicted, 6, [1, 50, 3, 40, 2, 7]))
    right = {"head_accuracy": (2 + 4) / 12, "middle_accuracy": (6 + 3) / 12, "tail_accuracy": (1 + 5) / 12}
    assert {name: found[name] for name in THIRDS} == pytest.approx(right)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12))
def test_classes_of_one_size_stay_together_and_larger_ones_come_first(counts: list[int]) -> None:
    parts = thirds(np.array(counts)).tolist()
    assert set(parts) <= {0, 1, 2}
    pairs = [(a, b) for a in zip(counts, parts, strict=True) for b in zip(counts, parts, strict=True) if a[0] >= b[0]]
    assert all(larger[1] <= smaller[1] for larger, smaller in pairs)
    if len(set(counts)) == len(counts) and len(counts) % 3 == 0:
        assert [parts.count(third) for third in range(3)] == [len(counts) // 3] * 3


@pytest.mark.parametrize("counts", [None, [5, 5, 5], [5, 6, 5], [174, 183, 180], [10, 19, 10]])
def test_balanced_classes_have_no_tail(counts: list[int] | None) -> None:
    found = score(certain([0, 1, 2], [0, 1, 2], 3, counts))
    assert all(math.isnan(found[name]) for name in THIRDS)


def test_classes_are_unbalanced_from_twice_the_samples_on() -> None:
    found = score(certain([0, 1, 2], [0, 1, 2], 3, [10, 20, 11]))
    assert [found[name] for name in THIRDS] == [1.0, 1.0, 1.0]


def test_a_third_without_samples_is_undefined() -> None:
    found = score(certain([0, 0], [0, 1], 2, [90, 10]))
    assert found["head_accuracy"] == 0.5
    assert math.isnan(found["middle_accuracy"]) and math.isnan(found["tail_accuracy"])


@st.composite
def guesses(draw: st.DrawFn) -> Predictions:
    """Predictions of every class, with probabilities that are often the same for several samples."""
    classes, size = draw(st.integers(2, 5)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    raw = rng.integers(0, draw(st.sampled_from([3, 1000])), (size, classes)) + rng.integers(0, 2) + 1e-3
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=size, max_size=size))
    return predictions(labels, raw / raw.sum(axis=1, keepdims=True), classes)


@settings(deadline=None)
@given(guesses())
def test_metrics_of_probabilities_match_scikit_learn(found: Predictions) -> None:
    labels, probabilities, k = found.labels, found.probabilities.astype(np.float64), len(found.classes)
    exact = predictions(labels.tolist(), probabilities, k)
    scores, classes = score(found), range(k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float32 rows sum to 1 but for some rounding
        peer = log_loss(labels, probabilities, labels=classes)
        assert scores["log_loss"] == pytest.approx(peer, rel=1e-9)
        own = probabilities[:, 1] if k == 2 else probabilities
        assert scores["brier"] == pytest.approx(brier_score_loss(labels, own, labels=classes), abs=2e-7)
    distances = ((probabilities - np.eye(k)[labels]) ** 2).sum(axis=1) / (2 if k == 2 else 1)
    assert scores["brier"] == pytest.approx(distances.mean(), rel=1e-9, abs=1e-12)
    there = [1] if k == 2 else np.unique(labels).tolist()
    truth = [(labels == index).astype(int) for index in there]
    columns = [exact.probabilities[:, index] for index in there]
    areas = [roc_auc_score(t, c) for t, c in zip(truth, columns, strict=True)] if len(set(labels)) > 1 else [NAN]
    assert scores["roc_auc"] == pytest.approx(np.mean(areas), rel=1e-12, nan_ok=True)
    precise = [average_precision_score(t, c) if t.any() else NAN for t, c in zip(truth, columns, strict=True)]
    assert scores["average_precision"] == pytest.approx(np.mean(precise), rel=1e-12, nan_ok=True)


def test_the_calibration_error_is_the_gap_of_confidence_and_accuracy_in_each_bin() -> None:
    confident = [0.95, 0.95, 0.95, 0.95, 0.6, 0.6]  # three of four right, one of two right
    rows = [[p, 1 - p] for p in confident]
    assert measured("ece", predictions([0, 0, 0, 1, 0, 1], rows, 2)) == pytest.approx((4 * 0.2 + 2 * 0.1) / 6, abs=1e-6)
    borders = np.arange(1, CONFIDENCE_BINS + 1) / CONFIDENCE_BINS
    assert confidence_bins(borders - 1e-9).tolist() == list(range(CONFIDENCE_BINS))
    assert confidence_bins(np.array([0.0, 1.0])).tolist() == [0, CONFIDENCE_BINS - 1]


def test_a_model_that_knows_nothing_scores_as_chance() -> None:
    found = score(predictions([0, 1, 2, 0], np.full((4, 3), 1 / 3), 3))
    assert found["roc_auc"] == 0.5
    assert found["log_loss"] == pytest.approx(math.log(3))
    assert math.isnan(found["mcc"]) and found["kappa"] == 0.0


@settings(deadline=None, max_examples=60)
@given(guesses(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_weights_count_samples_as_often_as_they_say(found: Predictions, resamples: int, seed: int) -> None:
    size, k = found.probabilities.shape
    found = dataclasses.replace(found, train_counts=np.arange(1, k + 1))
    chosen = np.random.default_rng(seed).integers(0, size, (resamples, size))
    weights = np.stack([np.bincount(row, minlength=size) for row in chosen]).T.astype(np.float32)
    weighed = found.weighted(weights)
    for name, values in all_measured(weighed).items():
        if name == "loss":
            continue
        assert values.shape == (resamples,), name
        for row, value in zip(chosen, values, strict=True):
            again = predictions(found.labels[row].tolist(), found.probabilities[row], k, list(range(1, k + 1)))
            if name in OVER_CLASSES and not lacks_nothing(found, again):
                continue  # a class that is lacking keeps its value, see below
            assert value == pytest.approx(measured(name, again), rel=1e-5, abs=1e-6, nan_ok=True), name
    for ours, whole in zip(weighed.per_class, dataclasses.replace(found, weights=None).per_class, strict=True):
        assert ours.shape == (*whole.shape, resamples)


OVER_CLASSES = ("balanced_accuracy", "macro_f1", "macro_precision", "weighted_f1", "weighted_precision")


def lacks_nothing(found: Predictions, again: Predictions) -> bool:
    """Whether every class that has samples, or is predicted, has and is so among fewer samples too."""
    return set(found.labels) == set(again.labels) and set(found.predicted) == set(again.predicted)


def test_a_class_that_a_resample_lacks_keeps_its_value() -> None:
    found = certain([0, 0, 0, 1], [0, 0, 1, 0], 2)  # recall 2/3 and 0, precision 2/3 and 0
    lacking = found.weighted(np.array([[1, 1], [1, 1], [0, 1], [0, 1]], np.float32))
    assert measured_all(lacking, "balanced_accuracy") == pytest.approx([(1 + 0) / 2, (2 / 3 + 0) / 2])
    assert measured_all(lacking, "macro_precision") == pytest.approx([(1 + 0) / 2, (2 / 3 + 0) / 2])
    assert np.isnan(lacking.per_class.recall[1, 0])


def test_what_is_known_belongs_to_the_probabilities() -> None:
    found = certain([0, 1], [0, 1], 2)
    assert score(found)["accuracy"] == 1
    assert score(dataclasses.replace(found, probabilities=found.probabilities[::-1]))["accuracy"] == 0


def test_a_confident_mistake_costs_as_much_as_the_loss_says() -> None:
    probabilities = np.array([[1 - 1e-20, 1e-20]])
    assert measured("log_loss", predictions([1], probabilities, 2)) == pytest.approx(20 * math.log(10), rel=1e-6)
    assert measured("log_loss", predictions([1], [[1.0, 0.0]], 2)) == pytest.approx(87.34, abs=0.01)


def test_chance_is_no_calibration_error() -> None:
    rng, above = np.random.default_rng(0), 0
    for _ in range(100):
        sure = rng.uniform(0.5, 1, 200)
        found = predictions((rng.random(200) > sure).astype(int).tolist(), np.column_stack([sure, 1 - sure]), 2)
        assert 0 <= least_ece(found) < measured("ece", found)
        above += least_ece(found) > 0
    assert above <= 12
    overconfident = predictions([0, 1] * 500, [[0.99, 0.01]] * 1000, 2)
    assert least_ece(overconfident) == pytest.approx(0.49, abs=0.01)


def test_what_is_known_of_each_sample_is_not_found_again() -> None:
    found = certain([0, 1], [0, 0], 2)
    assert found.predicted.tolist() == [0, 0]
    assert found.weighted(np.ones((2, 3), np.float32)).predicted is found.predicted
