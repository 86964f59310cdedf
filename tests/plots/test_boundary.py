"""Decision regions: which axes there are, what their titles say, and that regions are the model's predictions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_classifiers import certain, config_of, invented, trained
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.data.densities import GaussianMixture
from clfkit.errors import UsageError
from clfkit.plots import NothingToDraw, draw
from clfkit.plots._predictions import predicted_on
from clfkit.plots.style import light


def boundary(classifier: Classifier, **options: Any) -> Figure:
    return draw(plots.parse({"name": "boundary", **options}), classifier)


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def legend(figure: Figure) -> list[str]:
    return [text.get_text().strip() for text in figure.legends[0].get_texts()]


def ringed(figure: Figure, axes: int) -> int:
    scatters = [c for c in figure.axes[axes].collections if isinstance(c, PathCollection)]
    return len(scatters[-1].get_offsets())


def halves(*, wrong: int = 0) -> Classifier:
    """Two classes told apart by the sign of the first feature; the first `wrong` labels are false."""
    inputs = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    labels = (inputs[:, 0] > 0).astype(np.int64)
    labels[:wrong] = 1 - labels[:wrong]
    return invented(inputs, labels, ("low", "high"), lambda x: certain((x[:, 0] > 0).astype(np.int64), 2))


def test_before_and_after_with_train_and_test(blobs: Classifier) -> None:
    figure = boundary(blobs)
    assert [title.split(":")[0] for title in titles(figure)] == [
        "Before training, train", "Before training, test", "After training, train", "After training, test",
    ]  # fmt: skip
    assert legend(figure) == ["0", "1", "2", "3", "4", "misclassified", "best possible"]
    assert figure.axes[2].get_xlabel() == "x"
    assert figure.axes[2].get_ylabel() == "y"


def test_title_gives_the_accuracy(blobs: Classifier) -> None:
    test = blobs.bundle.test
    accuracy = (blobs.engine.predict(test.inputs).argmax(axis=1) == test.labels).mean()
    assert f"{accuracy:.1%}".replace("%", " %") in titles(boundary(blobs))[3]
    assert accuracy > 0.8


def test_only_after_without_the_initial_model(blobs: Classifier) -> None:
    alone = dataclasses.replace(blobs, run=None)
    assert [title.split(",")[0] for title in titles(boundary(alone))] == ["After training"] * 2


def test_regions_are_predictions() -> None:
    figure = boundary(halves(), resolution=50)
    image = np.asarray(figure.axes[0].images[0].get_array())
    left, right, *_ = figure.axes[0].images[0].get_extent()
    x = left + (right - left) * (np.arange(50) + 0.5) / 50
    assert image.shape == (50, 50, 3)
    assert np.allclose(image, light((x > 0).astype(np.int64))[None])


def test_border_is_a_line_where_the_prediction_changes() -> None:
    figure = boundary(halves(), resolution=50)
    contour = next(c for c in figure.axes[0].collections if not isinstance(c, PathCollection))
    vertices = contour.get_paths()[0].vertices
    assert np.abs(np.asarray(vertices)[:, 0]).max() < 0.1


@pytest.mark.parametrize("wrong", [0, 7])
def test_misclassified_points_are_ringed(wrong: int) -> None:
    figure = boundary(halves(wrong=wrong))
    assert ringed(figure, 0) == wrong
    assert f"{100 - wrong}.0 % right" in titles(figure)[0]


def dashed(figure: Figure) -> list[Any]:
    """The optimal borders of the first axes."""
    lines = [c for c in figure.axes[0].collections if not isinstance(c, PathCollection)]
    return [each for each in lines if each.get_linestyle()[0][1] is not None]


def pair_of_blobs(tmp_path: Path) -> Classifier:
    return trained(tmp_path, config_of("{name: blobs, classes: 2, samples: 200}"), steps=1)


def test_the_optimal_border_of_two_blobs_is_between_their_centres(tmp_path: Path) -> None:
    """Points on it are equally far from both centres, which scikit-learn draws from the seed."""
    classifier = pair_of_blobs(tmp_path)
    centres = np.random.RandomState(classifier.config.data_seed).uniform(-10, 10, (2, 2))
    (line,) = dashed(boundary(classifier))
    vertices = np.asarray(line.get_paths()[0].vertices)
    nearer, farther = np.sort(np.linalg.norm(vertices[:, None] - centres, axis=2), axis=1).T
    assert len(vertices) > 50
    assert np.abs(farther - nearer).max() < 0.2


def test_the_optimal_border_can_be_left_out(tmp_path: Path) -> None:
    figure = boundary(pair_of_blobs(tmp_path), optimal=False)
    assert dashed(figure) == []
    assert legend(figure)[-1] == "misclassified"


def test_borders_of_several_classes_are_drawn_once() -> None:
    """A dashed line drawn from both sides would look solid: no two of its pieces may run along each other."""
    classifier = stripes(4)
    bundle = classifier.bundle
    centres = [np.array([[(index + 0.5) / 4, 0.5]]) for index in range(4)]
    vars(classifier)["bundle"] = dataclasses.replace(
        bundle, train=dataclasses.replace(bundle.train, density=GaussianMixture(centres, 0.1))
    )
    lines = dashed(boundary(classifier))
    places = [float(np.mean(path.vertices[:, 0])) for line in lines for path in line.get_paths() if len(path.vertices)]
    assert sorted(places) == pytest.approx([0.25, 0.5, 0.75], abs=0.01)


def test_no_optimal_border_where_no_class_ever_is(tmp_path: Path) -> None:
    config = config_of("{name: spiral, points: 40}")
    lines = dashed(boundary(trained(tmp_path, config, steps=1), resolution=100))
    radii = [np.hypot(*path.vertices.T).max() for line in lines for path in line.get_paths() if len(path.vertices)]
    assert 0.9 < min(radii) <= max(radii) < 1.01


def test_points_of_each_class_have_their_own_marker(blobs: Classifier) -> None:
    scatters = [c for c in boundary(blobs).axes[3].collections if isinstance(c, PathCollection)][:-1]
    shapes = {tuple(map(tuple, np.asarray(c.get_paths()[0].vertices).round(4))) for c in scatters}
    assert len(shapes) == 5


def test_one_region_only_draws_no_border() -> None:
    classifier = halves()
    vars(classifier)["engine"]._answer = lambda x: certain(np.zeros(len(x), np.int64), 2)
    figure = boundary(classifier)
    assert all(isinstance(c, PathCollection) for c in figure.axes[0].collections)


def test_many_features_are_drawn_on_the_principal_plane(iris: Classifier) -> None:
    figure = boundary(iris)
    assert "first two principal components of 4 standardised features" in figure.get_suptitle()
    assert figure.axes[2].get_xlabel().startswith("principal component 1 (7")
    assert legend(figure) == ["setosa", "versicolor", "virginica", "misclassified"]


def test_principal_plane_agrees_with_scikit_learn(iris: Classifier) -> None:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    from clfkit.plots._planes import choose_plane

    train = np.asarray(iris.bundle.train.inputs[np.arange(len(iris.bundle.train))], np.float64)
    standard = StandardScaler().fit_transform(train)
    expected = PCA(2).fit_transform(standard)
    plane = choose_plane(iris, ())
    points = plane.project(train)
    assert np.allclose(np.abs(points), np.abs(expected), atol=1e-6)
    assert np.allclose(plane.project(plane.lift(points)), points, atol=1e-5)


def test_chosen_features_with_the_others_at_their_median(iris: Classifier) -> None:
    from clfkit.plots._planes import choose_plane

    chosen = ("petal width (cm)", "petal length (cm)")
    figure = boundary(iris, features=chosen)
    assert "the other 2 features at the train median" in figure.get_suptitle()
    assert figure.axes[2].get_xlabel() == chosen[0]
    lifted = choose_plane(iris, chosen).lift(np.array([[1.5, 4.0]]))[0]
    train = iris.bundle.train.inputs[np.arange(len(iris.bundle.train))]
    assert np.allclose(lifted, [*np.median(train, axis=0)[:2], 4.0, 1.5])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (("petal width (cm)", "petal lenght (cm)"), "did you mean 'petal length"),
        (("petal width (cm)",), "two different names"),
        (("petal width (cm)", "petal width (cm)"), "two different names"),
    ],
)
def test_features_that_cannot_be_drawn(iris: Classifier, features: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        boundary(iris, features=features)


def test_many_classes_have_no_names_in_the_legend() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(60) % 30
    inputs = (labels[:, None] + random.normal(size=(60, 2))).astype(np.float32)
    names = tuple(f"class {i}" for i in range(30))
    figure = boundary(invented(inputs, labels, names, lambda x: certain(x[:, 0].astype(np.int64) % 30, 30)))
    assert legend(figure) == ["misclassified"]
    assert "30 classes" in figure.legends[0].get_title().get_text()


def test_many_points_are_thinned_and_the_title_says_so() -> None:
    inputs = np.random.default_rng(0).normal(size=(20_000, 2)).astype(np.float32)
    labels = (inputs[:, 0] > 0).astype(np.int64)
    figure = boundary(invented(inputs, labels, ("a", "b"), lambda x: certain((x[:, 0] > 0).astype(int), 2)))
    assert "(1,500 of 20,000 points drawn)" in titles(figure)[0]


def test_one_feature_has_no_plane() -> None:
    inputs = np.arange(4, dtype=np.float32)[:, None]
    classifier = invented(inputs, np.array([0, 0, 1, 1]), ("a", "b"), lambda x: certain(np.zeros(len(x), int), 2))
    with pytest.raises(NothingToDraw, match="one feature"):
        boundary(classifier)


def test_images_have_no_plane(digits: Classifier) -> None:
    with pytest.raises(NothingToDraw, match="needs vector data"):
        boundary(digits)


def stripes(classes: int) -> Classifier:
    """One stripe a class along x."""
    inputs = np.column_stack([np.linspace(0, 1, 400), np.linspace(1, 0, 400)]).astype(np.float32)

    def said(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return certain(np.clip(x[:, 0] * classes, 0, classes - 1).astype(np.int64), classes)

    labels = np.clip(inputs[:, 0] * classes, 0, classes - 1).astype(np.int64)
    return invented(inputs, labels, tuple(map(str, range(classes))), said)


@pytest.mark.parametrize(("classes", "pictures"), [(50, 1), (60, 2)])
def test_borders_of_many_classes_are_cells_of_one_picture(classes: int, pictures: int) -> None:
    axes = boundary(stripes(classes)).axes[0]
    assert len(axes.images) == pictures
    if pictures == 2:
        dark = np.asarray(axes.images[1].get_array())[..., 3] > 0
        assert np.count_nonzero(dark[5]) == classes - 1  # where one stripe meets the next
        assert (dark == dark[5]).all()


def test_predictions_are_the_same_however_few_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = stripes(7)
    whole = predicted_on(classifier, classifier.bundle.train)
    monkeypatch.setattr("clfkit.plots._predictions.PROBABILITIES_AT_ONCE", 1)  # so that 256 samples are one piece
    np.testing.assert_array_equal(predicted_on(classifier, classifier.bundle.train), whole)
    np.testing.assert_array_equal(whole, classifier.bundle.train.labels)
