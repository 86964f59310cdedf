"""Recall of classes against their size."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_classifiers import certain, invented

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.plots import NothingToDraw, draw


def classes_of(sizes: list[int], right: list[float]) -> Classifier:
    """So many train samples of each class, ten test samples, of which a share is right."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    test = np.repeat(np.arange(len(sizes)), 10)
    hit = np.tile(np.arange(10), len(sizes)) < 10 * np.repeat(right, 10)
    said = np.where(hit, test, (test + 1) % len(sizes))
    names = tuple(f"class {number}" for number in range(len(sizes)))
    return invented(
        np.zeros((len(labels), 2), np.float32), labels, names, lambda x: certain(said, len(sizes)),
        test_inputs=np.zeros((len(test), 2), np.float32), test_labels=test,
    )  # fmt: skip


def test_recall_of_each_class_stands_above_its_train_samples() -> None:
    sizes, right = [5 * (number + 1) for number in range(12)], [number % 11 / 10 for number in range(12)]
    axes = draw(plots.parse("recall"), classes_of(sizes, right)).axes[0]
    points = np.asarray(axes.collections[0].get_offsets())
    assert points[:, 0].tolist() == sizes
    assert np.allclose(points[:, 1], right)
    spans = [line.get_xdata() for line in axes.lines]
    assert [span[0] for span in spans] == sorted(span[0] for span in spans)
    assert spans[0][0] == sizes[0] and spans[-1][1] == sizes[-1]


def test_classes_of_one_size_are_one_group() -> None:
    axes = draw(plots.parse("recall"), classes_of([5] * 6 + [50] * 6, [0.5] * 6 + [1.0] * 6)).axes[0]
    assert [(*line.get_xdata(), line.get_ydata()[0]) for line in axes.lines] == [(5, 5, 0.5), (50, 50, 1.0)]


@pytest.mark.parametrize(
    ("sizes", "reason"), [([5, 50], "2 classes are too few"), ([30] * 12, "about as many train samples")]
)
def test_recall_needs_many_unbalanced_classes(sizes: list[int], reason: str) -> None:
    with pytest.raises(NothingToDraw, match=reason):
        draw(plots.parse("recall"), classes_of(sizes, [1.0] * len(sizes)))
