"""The data figure: points, histograms or pictures on the left, samples of each class on the right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn_classifiers import certain, invented
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.plots import draw


def data(classifier: Classifier, **options: Any) -> Figure:
    return draw(plots.parse({"name": "data", **options}), classifier)


def silent(inputs: np.ndarray, labels: np.ndarray, classes: int) -> Classifier:
    """A classifier that is never asked anything."""
    names = tuple(f"class {i}" for i in range(classes))
    return invented(inputs, labels, names, lambda x: certain(np.zeros(len(x), int), classes))


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.subfigs[1].legends[0].get_texts()]


def test_train_filled_and_test_hollow(blobs: Classifier) -> None:
    left, _ = data(blobs).axes
    scatters = [c for c in left.collections if isinstance(c, PathCollection)]
    assert sum(len(c.get_offsets()) for c in scatters) == len(blobs.bundle.train) + len(blobs.bundle.test)
    hollow = [c for c in scatters if np.allclose(c.get_facecolor()[0], 1)]
    assert sum(len(c.get_offsets()) for c in hollow) == len(blobs.bundle.test)
    assert "filled: train, hollow: test" in left.get_title(loc="left")
    assert (left.get_xlabel(), left.get_ylabel()) == ("x", "y")


@pytest.mark.parametrize(("train", "test", "hollow_above"), [(600, 60, True), (60, 600, False)])
def test_the_smaller_split_is_drawn_on_top(train: int, test: int, hollow_above: bool) -> None:
    points = np.random.default_rng(0).normal(size=(660, 2)).astype(np.float32)
    labels = np.zeros(660, np.int64)
    classifier = invented(
        points[:train], labels[:train], ("a",), lambda x: certain(np.zeros(len(x), int), 1),
        test_inputs=points[train:], test_labels=labels[:test],
    )  # fmt: skip
    scatters = [c for c in data(classifier).axes[0].collections if isinstance(c, PathCollection)]
    assert [len(c.get_offsets()) for c in scatters] == [600, 60]
    assert np.allclose(scatters[-1].get_facecolor()[0], 1) == hollow_above


def test_bars_count_every_split(blobs: Classifier) -> None:
    figure = data(blobs)
    bundle = blobs.bundle
    assert legend(figure) == [f"{part} ({len(getattr(bundle, part))})" for part in ("train", "valid", "test")]
    widths = [[bar.get_width() for bar in container] for container in figure.axes[1].containers]
    assert widths[0] == bundle.train.counts(5).tolist()
    assert widths[2] == bundle.test.counts(5).tolist()
    assert [t.get_text() for t in figure.axes[1].get_yticklabels()] == ["0", "1", "2", "3", "4"]


def test_four_features_are_projected(iris: Classifier) -> None:
    left = data(iris).axes[0]
    assert "first two principal components" in left.get_title(loc="left")


def test_two_of_four_features(iris: Classifier) -> None:
    left = data(iris, features=("sepal width (cm)", "petal width (cm)")).axes[0]
    assert (left.get_xlabel(), left.get_ylabel()) == ("sepal width (cm)", "petal width (cm)")


def test_one_feature_gives_a_histogram_of_each_class() -> None:
    inputs = np.random.default_rng(0).normal(size=(100, 1)).astype(np.float32)
    labels = (inputs[:, 0] > 0).astype(np.int64)
    left = data(silent(inputs, labels, 2)).axes[0]
    legend = left.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["class 0", "class 1"]
    assert sum(patch.get_data().values.sum() for patch in left.patches) == 100


def test_one_feature_and_many_classes_give_one_histogram() -> None:
    inputs = np.arange(60, dtype=np.float32)[:, None]
    left = data(silent(inputs, np.arange(60) % 30, 30)).axes[0]
    assert left.get_legend() is None
    assert sum(patch.get_height() for patch in left.patches) == 60


def test_many_points_are_thinned() -> None:
    inputs = np.random.default_rng(0).normal(size=(6000, 2)).astype(np.float32)
    left = data(silent(inputs, np.arange(6000) % 2, 2)).axes[0]
    assert "10,000 of 12,000 points drawn" in left.get_title(loc="left")


def test_two_pictures_of_each_class_in_order(digits: Classifier) -> None:
    pictures = [axes for axes in data(digits).axes if axes.images]
    assert [axes.get_title() for axes in pictures] == [str(i) for i in range(10) for _ in range(2)]


def test_forty_pictures_at_most() -> None:
    labels = np.arange(300) % 100
    figure = data(silent(np.zeros((300, 3, 5, 5), np.uint8), labels, 100))
    above = [axes.get_title() for axes in figure.axes if axes.images]
    assert len(above) == len(set(above)) == 40
    assert (above[0], above[-1]) == ("class 0", "class 99")


def test_counts_of_many_classes_are_curves() -> None:
    labels = np.concatenate([np.arange(100), np.zeros(50, np.int64)])
    right = data(silent(np.zeros((150, 2), np.float32), labels, 100)).axes[1]
    train = right.get_lines()[0]
    assert np.asarray(train.get_ydata()).tolist() == [51] + [1] * 99
    assert right.get_title(loc="left") == "100 classes"
