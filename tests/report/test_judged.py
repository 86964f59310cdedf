"""What follows from saved predictions, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfkit.metrics.probabilities import CONFIDENCE_BINS
from clfkit.mistakes import RULED_OUT
from clfkit.report.judged import Judged


def judged(seed: int, samples: int, classes: int) -> tuple[Judged, np.ndarray]:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), samples)
    labels, predicted = random.integers(0, classes, samples), probabilities.argmax(axis=1)
    rows = np.arange(samples)
    return Judged(
        rows, labels, predicted, probabilities.max(axis=1), probabilities[rows, labels], classes
    ), probabilities


sizes = st.tuples(st.integers(0, 10**6), st.integers(1, 60), st.integers(2, 6))


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_reliability_counts_every_sample_once(size: tuple[int, int, int]) -> None:
    found, _ = judged(*size)
    bins = found.reliability()
    assert sum(each.samples for each in bins) == len(found)
    for each in bins:
        inside = (found.confidence >= each.low) & ((found.confidence < each.high) | (each.high == 1))
        assert each.samples == inside.sum()
        assert each.accuracy == pytest.approx((found.labels == found.predicted)[inside].mean())
        assert each.confidence == pytest.approx(found.confidence[inside].mean())
    assert len(bins) <= CONFIDENCE_BINS


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_suspects_contradict_with_usual_confidence(size: tuple[int, int, int]) -> None:
    found, probabilities = judged(*size)
    expected = []
    for row in range(len(found)):
        own, said = found.labels[row], found.predicted[row]
        of_class = probabilities[found.labels == said, said]
        of_own = probabilities[found.labels == own, own]
        sure = own != said and len(of_class) and probabilities[row, said] >= of_class.mean()
        if sure and probabilities[row, own] < RULED_OUT * of_own.mean():
            expected.append(row)
    mostly_right = 2 * (found.labels == found.predicted).sum() > len(found)
    assert sorted(found.suspects().tolist()) == (expected if mostly_right else [])
    margins = (found.confidence - found.own)[found.suspects()]
    assert (np.diff(margins) <= 0).all()


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_confusion_holds_every_sample(size: tuple[int, int, int]) -> None:
    found, _ = judged(*size)
    true, said, counts = found.confusion
    dense = np.zeros((found.classes, found.classes), int)
    dense[true, said] = counts
    expected = np.zeros_like(dense)
    np.add.at(expected, (found.labels, found.predicted), 1)
    np.testing.assert_array_equal(dense, expected)
    assert (counts > 0).all()
