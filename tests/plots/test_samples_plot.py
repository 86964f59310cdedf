"""Pictures: which test and train images are shown, and what stands above them."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_classifiers import certain, invented
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.plots import NothingToDraw, draw

NAMES = tuple("abcdefghij")


def samples(classifier: Classifier) -> Figure:
    return draw(plots.parse("samples"), classifier)


def pictures(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def captions(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in pictures(figure)]


def images(count: int, *, mistakes: int, channels: int = 3) -> Classifier:
    """Images whose first `mistakes` are taken for the next class; each image is filled with its position."""
    labels = np.arange(count) % 10
    inputs = np.ones((count, channels, 6, 4), np.uint8) * np.arange(count, dtype=np.uint8)[:, None, None, None]
    answers = np.where(np.arange(count) < mistakes, (labels + 1) % 10, labels)
    return invented(inputs, labels, NAMES, lambda x: certain(answers[x[:, 0, 0, 0]], 10, 0.85))


def test_five_right_of_different_classes_then_five_mistakes() -> None:
    figure = samples(images(100, mistakes=20))
    above = captions(figure)
    assert [text[0] for text in above] == ["✓"] * 5 + ["✗"] * 5
    assert len({text.split()[1] for text in above[:5]}) == 5
    assert above[0] == "✓ a (85 %)"
    assert above[5] == "✗ b (85 %)\ntrue: a"
    assert "20 of 100" in figure.get_suptitle()


def test_mistakes_differ_in_colour_too() -> None:
    figure = samples(images(100, mistakes=20))
    colours = [axes.title.get_color() for axes in pictures(figure)]
    assert len(set(colours[:5])) == len(set(colours[5:])) == 1
    assert colours[0] != colours[5]


@pytest.mark.parametrize(
    ("count", "mistakes", "right"), [(100, 0, 10), (100, 2, 8), (100, 97, 3), (100, 100, 0), (4, 1, 3)]
)
def test_few_right_ones_or_few_mistakes(count: int, mistakes: int, right: int) -> None:
    above = captions(samples(images(count, mistakes=mistakes)))
    assert len(above) == min(10, count)
    assert sum(text.startswith("✓") for text in above) == right


def test_the_choice_is_always_the_same() -> None:
    first, second = (pictures(samples(images(200, mistakes=30))) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        assert np.array_equal(one.images[0].get_array(), two.images[0].get_array())


@pytest.mark.parametrize(("channels", "shape"), [(1, (6, 4)), (3, (6, 4, 3))])
def test_grey_and_colour_images_keep_their_shape(channels: int, shape: tuple[int, ...]) -> None:
    figure = samples(images(30, mistakes=3, channels=channels))
    assert all(axes.images[0].get_array().shape == shape for axes in pictures(figure))


def test_trained_on_digits(digits: Classifier) -> None:
    assert len(captions(samples(digits))) == 10


def test_points_are_not_images(blobs: Classifier) -> None:
    with pytest.raises(NothingToDraw, match="needs image data"):
        samples(blobs)


def test_no_test_split() -> None:
    classifier = images(10, mistakes=0)
    empty = np.zeros((0, 3, 6, 4), np.uint8)
    train = classifier.bundle.train
    other = invented(
        np.asarray(train.inputs), train.labels, NAMES, lambda x: certain(np.zeros(len(x), int), 10),
        test_inputs=empty, test_labels=train.labels[:0],
    )  # fmt: skip
    with pytest.raises(NothingToDraw, match="the test split is empty"):
        samples(other)
