"""The confusion matrix with few, with dozens and with thousands of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_classifiers import certain, invented
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.plots import NothingToDraw, draw, save
from clfkit.plots._matrix import MERGED_ROWS


def confusion(classifier: Classifier, **options: Any) -> Figure:
    return draw(plots.parse({"name": "confusion", **options}), classifier)


def confused(labels: Any, predicted: Any, classes: int) -> Classifier:
    """A classifier that predicts just that on its test split."""
    labels, predicted = np.asarray(labels, np.int64), np.asarray(predicted, np.int64)
    names = tuple(f"class {i}" for i in range(classes))
    return invented(np.zeros((len(labels), 2), np.float32), labels, names, lambda x: certain(predicted, classes))


def random_confused(classes: int, samples: int) -> Classifier:
    random = np.random.default_rng(classes)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, samples)])
    noise = random.integers(0, classes, len(labels))
    return confused(labels, np.where(random.random(len(labels)) < 0.8, labels, noise), classes)


def cells(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_counts_and_percentages_of_two_classes() -> None:
    figure = confusion(confused([0, 0, 0, 1], [0, 0, 1, 1], 2))
    assert cells(figure) == ["2\n67 %", "1\n33 %", "·", "1\n100 %"]
    assert np.allclose(np.asarray(figure.axes[0].images[0].get_array()), [[2 / 3, 1 / 3], [0, 1]])
    assert figure.get_suptitle() == "drawn on the test split: 3 of 4 right (75.0 %)"


def test_axes_name_classes_and_roles(blobs: Classifier) -> None:
    axes = confusion(blobs).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "2", "3", "4"]
    assert axes.get_xlabel() == "predicted class"
    assert axes.get_ylabel() == "true class"


def test_rows_without_samples_are_neither_numbers_nor_errors() -> None:
    shares = confusion(confused([0, 0], [0, 2], 3)).axes[0].images[0].get_array()
    assert np.ma.getmaskarray(np.ma.masked_invalid(shares)).all(axis=1).tolist() == [False, True, True]


def test_ten_classes_have_text_in_every_cell() -> None:
    assert len(cells(confusion(random_confused(10, 300)))) == 100


def test_fifteen_classes_have_counts_only() -> None:
    assert all(text == "·" or text.isdecimal() for text in cells(confusion(random_confused(15, 300))))


@pytest.mark.parametrize("classes", [30, 60])
def test_dozens_of_classes_are_named_without_numbers(classes: int) -> None:
    figure = confusion(random_confused(classes, 600))
    labels = figure.axes[0].get_xticklabels()
    assert len(labels) == classes
    assert all(text.get_rotation() == 90 for text in labels)
    assert not cells(figure)


def test_long_names_push_nothing_out_of_the_figure(tmp_path: Path) -> None:
    labels = np.arange(60)
    names = tuple(f"Alphabet_of_the_Magi_character{i:02d}" for i in labels)
    figure = confusion(invented(np.zeros((60, 2), np.float32), labels, names, lambda x: certain(labels, 60)))
    save(figure, tmp_path / "confusion.png")
    axes = figure.axes[0]
    for axis in (axes.xaxis, axes.yaxis):
        bounds = axis.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
        assert bounds is not None
        assert min(bounds.x0, bounds.y0) >= 0


def test_thousands_of_classes_are_merged() -> None:
    classifier = random_confused(1623, 5000)
    figure = confusion(classifier)
    merged = figure.axes[0].images[0].get_array()
    assert merged.shape == (MERGED_ROWS, MERGED_ROWS)
    assert merged.sum() == len(classifier.bundle.test)
    assert "1,623 classes" in figure.axes[0].get_title(loc="left")
    assert len(figure.axes[0].get_xticklabels()) < 20
    assert np.trace(np.ma.filled(merged, 0)) > 0.7 * merged.sum()


def test_most_frequent_confusions_are_listed_in_order() -> None:
    labels = [3] * 5 + [40] * 3 + [7] * 2 + [*range(70)]
    predicted = [9] * 5 + [41] * 2 + [40] + [7] * 2 + [*range(70)]
    (listing,) = next(axes for axes in confusion(confused(labels, predicted, 70)).axes if axes.texts).texts
    assert listing.get_text().splitlines() == ["class 3 → class 9: 5", "class 40 → class 41: 2"]


def test_recall_is_drawn_in_descending_order() -> None:
    labels = np.repeat(np.arange(30), 4)
    predicted = labels.copy()
    predicted[:4], predicted[4:6] = 29, 29
    figure = confusion(confused(labels, predicted, 30))
    axes = next(axes for axes in figure.axes if axes.get_ylabel() == "recall")
    assert axes.get_lines()[0].get_ydata() == pytest.approx([1] * 28 + [0.5, 0])
    assert axes.get_title(loc="left") == "Recall: mean 95.0 %; 1 at 0"


def test_another_split(blobs: Classifier) -> None:
    count = len(blobs.bundle.train)
    assert f"on the train split: {count}" not in confusion(blobs).get_suptitle()
    assert f"of {count} right" in confusion(blobs, split="train").get_suptitle()


def test_an_empty_split() -> None:
    with pytest.raises(NothingToDraw, match="the valid split is empty"):
        confusion(confused([0, 1], [0, 1], 2), split="valid")


def test_counts_equal_those_of_the_trained_model(digits: Classifier) -> None:
    test = digits.bundle.test
    right = int((digits.engine.predict(test.inputs).argmax(axis=1) == test.labels).sum())
    assert f"{right} of {len(test)} right" in confusion(digits).get_suptitle()
