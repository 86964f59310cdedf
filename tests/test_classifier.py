"""A trained classifier, used from Python."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import clfkit
from clfkit.classifier import Classifier, load
from clfkit.data.bundle import ClassMap
from clfkit.errors import CheckpointError, ClassMismatch, ConfigError, DataError, UsageError
from clfkit.evaluation import evaluate
from clfkit.run import RunDirectory
from clfkit.storage import without_nan


@pytest.fixture(scope="module")
def classifier(finished_run: RunDirectory) -> Classifier:
    return load(finished_run.path)


def test_predictions_from_python(classifier: Classifier) -> None:
    inputs = np.random.default_rng(0).normal(size=(7, 2)) * 5
    probabilities = classifier.predict_proba(inputs)
    assert probabilities.shape == (7, 3)
    assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    labels = classifier.predict(inputs)
    assert labels.dtype.kind == "i"
    assert_array_equal(labels, probabilities.argmax(axis=1))
    assert_array_equal(classifier.predict(inputs.tolist()), labels)
    assert_array_equal(classifier.predict(inputs.astype(np.float32)), labels)
    assert classifier.classes == ("0", "1", "2")
    assert classifier.predict(np.empty((0, 2))).shape == (0,)


def test_inputs_are_in_raw_units(classifier: Classifier) -> None:
    """As they stand in the data: the classifier scales them itself."""
    test = classifier.bundle.test
    with np.load(classifier.run.path / "predictions" / "test.npz") as stored:  # type: ignore[union-attr]
        expected, ids = stored["probabilities"], stored["ids"]
    assert_array_equal(ids, test.ids)
    assert_allclose(classifier.predict_proba(np.asarray(test.inputs)), expected, atol=1e-3)


@pytest.mark.parametrize("shape", [(2,), (5, 3), (5, 1), (5, 2, 1), (), (1, 5, 2)])
def test_wrong_shapes_are_refused(classifier: Classifier, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"must have shape \(N, 2\), not"):
        classifier.predict(np.zeros(shape))


@pytest.mark.parametrize("values", [[["a", "b"]], [[None, 1.0]], [[1j, 2.0]]])
def test_what_is_no_number_is_refused(classifier: Classifier, values: Any) -> None:
    with pytest.raises(DataError, match="must be numbers"):
        classifier.predict(values)


def test_ragged_samples_are_refused(classifier: Classifier) -> None:
    with pytest.raises(DataError, match="same shape"):
        classifier.predict([[1.0, 2.0], [3.0]])


def test_grey_images_may_come_without_channels(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("digits", {"train.epochs": 1}))
    classifier = clfkit.load(run.path)
    images = np.asarray(classifier.bundle.test.inputs)[:4]
    assert images.shape[1:] == (1, 8, 8)
    expected = classifier.predict_proba(images)
    assert_allclose(classifier.predict_proba(images[:, 0]), expected, atol=1e-6)
    assert_allclose(classifier.predict_proba(images.astype(np.float64)), expected, atol=1e-6)
    with pytest.raises(DataError, match=r"\(N, 1, 8, 8\)"):
        classifier.predict(images[0, 0])


def test_sources_of_a_classifier(finished_run: RunDirectory, tmp_path: Path) -> None:
    inputs = np.ones((2, 2))
    expected = clfkit.load(finished_run.path).predict_proba(inputs)
    out = finished_run.path.parent.parent
    assert_array_equal(clfkit.load("latest", out=out).predict_proba(inputs), expected)
    alone = shutil.copytree(finished_run.path / "checkpoints" / "best", tmp_path / "alone")
    lone = clfkit.load(alone)
    assert lone.run is None
    assert_array_equal(lone.predict_proba(inputs), expected)
    assert lone.initial() is None
    with pytest.raises(UsageError):
        clfkit.load(tmp_path / "nowhere")
    (alone / "model.safetensors").unlink()
    with pytest.raises(CheckpointError):
        clfkit.load(alone)


def test_initial_model_is_the_untrained_one(classifier: Classifier) -> None:
    before = classifier.initial()
    assert before is not None
    assert before.checkpoint.state.step == 0
    inputs = np.asarray(classifier.bundle.valid.inputs)
    assert np.abs(before.predict_proba(inputs) - classifier.predict_proba(inputs)).max() > 0.05


def test_records_are_those_of_the_whole_run(classifier: Classifier, finished_run: RunDirectory) -> None:
    assert classifier.records == finished_run.history()
    lone = Classifier(classifier.checkpoint, classifier.config)
    assert len(lone.records) == classifier.checkpoint.state.epoch


def test_overrides_may_move_data_but_not_change_the_model(classifier: Classifier) -> None:
    assert classifier.with_overrides([]) is classifier
    changed = classifier.with_overrides(["data.std=4.0", "train.device=cpu"])
    assert changed.data_changed and not classifier.data_changed
    assert_array_equal(changed.predict_proba(np.ones((1, 2))), classifier.predict_proba(np.ones((1, 2))))
    with pytest.raises(UsageError, match="model and loss of a checkpoint cannot be changed"):
        classifier.with_overrides(["model.hidden=[9]"])
    with pytest.raises(ConfigError):
        classifier.with_overrides(["data.stdd=4.0"])


# Classes are matched by name


@pytest.fixture
def animals(laboratory: Any, tmp_path: Path) -> tuple[Classifier, Path]:
    """A model of cats, dogs and eels, trained on an .npz file that a test may change."""
    rng = np.random.default_rng(0)
    y = np.repeat(["cat", "dog", "eel"], 40)
    x = rng.normal(size=(120, 2)) + np.repeat([[0, 0], [6, 0], [0, 6]], 40, axis=0)
    file = tmp_path / "animals.npz"
    np.savez(file, x=x.astype(np.float32), y=y)
    changes = {"data": {"name": "table", "root": str(file)}, "train.epochs": 20}
    return load(laboratory.run(laboratory.config("blobs", changes)).path), file


def test_names_of_the_data_are_those_predicted(animals: tuple[Classifier, Path]) -> None:
    classifier, _ = animals
    assert classifier.predict([[0, 0], [6, 0], [0, 6]]).tolist() == ["cat", "dog", "eel"]


def test_labels_in_another_order_are_matched_by_name(
    animals: tuple[Classifier, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset that lists the same classes in another order scores the same."""
    from clfkit.data.bundle import DataBundle

    classifier, _ = animals
    straight = classifier.bundle
    expected = evaluate(classifier.engine, straight.test, "test", classifier.spec.classes)
    assert expected.metrics["accuracy"] > 0.8
    order = np.array([2, 0, 1])  # the old index of each class of the new list
    permuted = straight.spec.model_copy(update={"classes": ClassMap(names=("eel", "cat", "dog"))})
    back = np.argsort(order)
    parts = {
        name: dataclasses.replace(split, labels=back[split.labels])
        for name, split in (("train", straight.train), ("valid", straight.valid), ("test", straight.test))
    }
    monkeypatch.setattr("clfkit.classifier.load_bundle", lambda *_: DataBundle(permuted, **parts))
    again = Classifier(classifier.checkpoint, classifier.config, classifier.run)
    assert_array_equal(again.bundle.test.labels, straight.test.labels)
    assert again.bundle.spec.classes.names == ("cat", "dog", "eel")
    assert not again.data_changed
    scored = evaluate(again.engine, again.bundle.test, "test", again.spec.classes)
    assert without_nan(scored.as_json()) == without_nan(expected.as_json())


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ({"eel": "dog"}, "missing: 'eel'"),
        ({"eel": "fox"}, "missing: 'eel'; extra: 'fox'"),
        ({"cat": "Cat", "dog": "Dog"}, "missing: 'cat', 'dog'; extra: 'Cat', 'Dog'"),
    ],
)
def test_other_classes_are_refused_and_listed(
    animals: tuple[Classifier, Path], rename: dict[str, str], message: str
) -> None:
    classifier, file = animals
    with np.load(file) as stored:
        x, y = stored["x"], stored["y"]
    np.savez(file, x=x, y=np.array([rename.get(name, name) for name in y.tolist()]))
    with pytest.raises(ClassMismatch, match=message):
        Classifier(classifier.checkpoint, classifier.config).bundle  # noqa: B018


def test_additional_class_is_refused(animals: tuple[Classifier, Path]) -> None:
    classifier, file = animals
    with np.load(file) as stored:
        x, y = stored["x"], stored["y"]
    np.savez(file, x=np.concatenate([x, x[:9] + 20]), y=np.concatenate([y, ["fox"] * 9]))
    with pytest.raises(ClassMismatch, match="extra: 'fox'"):
        Classifier(classifier.checkpoint, classifier.config).bundle  # noqa: B018


def test_class_order_in_the_checkpoint_decides(animals: tuple[Classifier, Path]) -> None:
    head = json.loads((animals[0].run.path / "checkpoints/best/checkpoint.json").read_text())  # type: ignore[union-attr]
    assert head["spec"]["classes"]["names"] == ["cat", "dog", "eel"]


def test_a_density_of_classes_in_another_order_is_not_taken(
    animals: tuple[Classifier, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its columns would be those of other classes."""
    from clfkit.data.densities import GaussianMixture

    classifier, _ = animals
    straight = classifier.bundle
    density = GaussianMixture([np.zeros((1, 2))] * 3, 1.0)
    for names, kept in ((("cat", "dog", "eel"), density), (("eel", "cat", "dog"), None)):
        spec = straight.spec.model_copy(update={"classes": ClassMap(names=names)})
        test = dataclasses.replace(straight.test, density=density)
        bundle = dataclasses.replace(straight, spec=spec, test=test)
        monkeypatch.setattr("clfkit.classifier.load_bundle", lambda *_, bundle=bundle: bundle)
        again = Classifier(classifier.checkpoint, classifier.config, classifier.run)
        assert again.bundle.test.density is kept
