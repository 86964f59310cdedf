"""Confused classes and likely label errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from clfkit.data.bundle import ClassMap
from clfkit.data.names import Names
from clfkit.metrics import Predictions
from clfkit.mistakes import confused_pairs, likely_label_errors


def predictions(labels: list[int], rows: np.ndarray) -> Predictions:
    names = tuple("abcdefghij"[: rows.shape[1]])
    return Predictions(np.array(labels, np.int64), rows.astype(np.float32), ClassMap(names=names), 0.5)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=60))
def test_pairs_are_those_of_the_confusion_matrix(pairs: list[tuple[int, int]]) -> None:
    found = predictions([true for true, _ in pairs], np.eye(5)[[said for _, said in pairs]].reshape(-1, 5))
    listed = confused_pairs(found)
    matrix = np.zeros((5, 5), int)
    for pair in listed:
        true, said = "abcde".index(pair.true), "abcde".index(pair.predicted)
        matrix[true, said] = pair.samples
        assert pair.share == pytest.approx(pair.samples / np.count_nonzero(found.labels == true))
    whole = confusion_matrix(found.labels, found.predicted, labels=range(5)) if pairs else np.zeros((5, 5), int)
    assert np.array_equal(matrix, whole * (1 - np.eye(5, dtype=int)))
    assert [pair.samples for pair in listed] == sorted((pair.samples for pair in listed), reverse=True)


def test_of_equal_counts_the_larger_share_of_its_class_comes_first() -> None:
    found = confused_pairs(predictions([0, 0, 0, 1], np.eye(3)[[0, 0, 2, 2]]))
    assert [(pair.true, pair.predicted, pair.share) for pair in found] == [
        ("b", "c", 1.0),
        ("a", "c", pytest.approx(1 / 3)),
    ]
    assert len(confused_pairs(predictions([0, 0, 0, 1], np.eye(3)[[0, 0, 2, 2]]), most=1)) == 1


def test_swapped_labels_are_found() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 600)
    rows = np.full((600, 3), 0.01)
    rows[np.arange(600), true] = rng.uniform(0.6, 0.9, 600)
    rows /= rows.sum(axis=1, keepdims=True)
    labels, swapped = true.copy(), rng.choice(600, 20, replace=False)
    labels[swapped] = (true[swapped] + 1) % 3
    found = likely_label_errors(predictions(labels.tolist(), rows), Names.of([f"{i}.png" for i in range(600)]))
    named = {int(str(each.id).removesuffix(".png")) for each in found}
    assert named <= set(swapped.tolist())
    assert len(named) >= 8  # those of which the model is surer than usual
    margins = [each.probability - each.probability_of_given for each in found]
    assert margins == sorted(margins, reverse=True)
    assert all(each.given != each.predicted for each in found)


def test_a_model_that_is_never_sure_accuses_nobody() -> None:
    rows = np.array([[0.55, 0.45], [0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])
    assert likely_label_errors(predictions([1, 0, 0, 1], rows), np.arange(4)) == []


def test_classes_that_overlap_accuse_nobody() -> None:
    """A sample that may be of either class is no error, whichever its label."""
    rows = np.array([[0.7, 0.3], [0.7, 0.3], [0.7, 0.3], [0.2, 0.8]])
    assert likely_label_errors(predictions([0, 0, 1, 1], rows), np.arange(4)) == []


def test_a_model_that_is_mostly_wrong_accuses_nobody() -> None:
    assert likely_label_errors(predictions([0, 0, 1, 1], np.eye(2)[[1, 1, 1, 1]]), np.arange(4)) == []


def test_at_most_so_many_are_listed() -> None:
    found = likely_label_errors(predictions([0, 0, 0, 1, 1], np.eye(2)[[1, 1, 0, 1, 1]]), np.arange(5), most=1)
    assert [(each.id, each.given, each.predicted, each.probability) for each in found] == [(0, "a", "b", 1.0)]
