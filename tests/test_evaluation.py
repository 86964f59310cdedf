"""Evaluation counts what the engine predicts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfkit.calibration import fit_temperature, tempered
from clfkit.classifier import load
from clfkit.data.bundle import ClassMap, Split
from clfkit.errors import ModelError, UsageError
from clfkit.evaluation import evaluate, save_evaluation, stored_probabilities, tells_nothing
from clfkit.run import RunDirectory
from clfkit.storage import without_nan


def test_evaluation_of_a_run_can_be_counted_again_from_its_predictions(finished_run: RunDirectory) -> None:
    classifier = load(finished_run.path)
    for part in ("valid", "test"):
        stored = json.loads((finished_run.path / "evaluation" / f"{part}.json").read_text())
        with np.load(finished_run.path / "predictions" / f"{part}.npz", allow_pickle=False) as arrays:
            labels, probabilities = arrays["labels"], arrays["probabilities"]
        assert probabilities.dtype == np.float16
        assert stored["samples"] == len(labels) == len(classifier.bundle.part(part))  # type: ignore[arg-type]
        predicted = probabilities.argmax(axis=1)
        assert stored["metrics"]["accuracy"] == pytest.approx((predicted == labels).mean(), abs=0.02)
        chosen = probabilities.astype(float)[np.arange(len(labels)), labels]
        assert stored["metrics"]["loss"] == pytest.approx(-np.log(chosen).mean(), abs=0.01)
        for index, name in enumerate(classifier.classes):
            own = stored["classes"][name]
            assert own["support"] == (labels == index).sum()
            low, high = own["recall_interval"]
            assert low <= own["recall"] <= high
        assert stored["resamples"] == 1000
    best = finished_run.history()[finished_run.checkpoint("best").state.best_epoch - 1]
    valid = json.loads((finished_run.path / "evaluation" / "valid.json").read_text())["metrics"]
    assert valid["accuracy"] == best.valid_accuracy
    assert valid["loss"] == pytest.approx(best.valid_loss, rel=1e-6)


def test_evaluating_again_gives_the_same_numbers(finished_run: RunDirectory) -> None:
    classifier = load(finished_run.path)
    counts, warmth = classifier.checkpoint.class_counts, classifier.temperature
    again = evaluate(classifier.engine, classifier.bundle.test, "test", classifier.spec.classes, counts, None, warmth)
    stored = finished_run.evaluation("test") or {}
    assert {**without_nan(again.as_json()), "baselines": stored["baselines"]} == stored
    assert (again.split, again.samples) == ("test", 40)


def test_the_temperature_is_that_of_valid_and_told_on_test_too(finished_run: RunDirectory) -> None:
    classifier = load(finished_run.path)
    valid = classifier.bundle.valid
    probabilities = classifier.engine.predict(valid.inputs)
    assert classifier.temperature == fit_temperature(probabilities, valid.labels)
    for part in ("valid", "test"):
        stored = finished_run.evaluation(part)
        assert stored is not None and stored["calibration"]["temperature"] == classifier.temperature
        assert sum(each["samples"] for each in stored["calibration"]["bins"]) == stored["samples"]
    stored = finished_run.evaluation("valid") or {}
    assert stored["calibration"]["metrics"]["log_loss"] <= stored["metrics"]["log_loss"] + 1e-6


def test_calibrated_probabilities_leave_predictions_alone(finished_run: RunDirectory) -> None:
    classifier = load(finished_run.path)
    samples = np.asarray(classifier.bundle.test.inputs)
    plain, calibrated = classifier.predict_proba(samples), classifier.predict_proba(samples, calibrated=True)
    assert (plain.argmax(axis=1) == calibrated.argmax(axis=1)).all()
    np.testing.assert_allclose(calibrated, tempered(plain, classifier.temperature), rtol=1e-5)
    with pytest.raises(UsageError, match="no temperature was fitted"):
        load(finished_run.path / "checkpoints" / "last").predict_proba(samples, calibrated=True)


def test_probabilities_that_are_no_numbers_are_told(finished_run: RunDirectory) -> None:
    classifier = load(finished_run.path)
    test = classifier.bundle.test
    broken = replace(test, inputs=np.where(np.arange(len(test))[:, None] < 2, np.float32("nan"), test.inputs))
    with pytest.raises(ModelError, match=f"^test: the model gives 2 of {len(test):,} samples"):
        evaluate(classifier.engine, broken, "test", classifier.spec.classes)


def test_class_that_does_not_occur_is_undefined_not_zero(finished_run: RunDirectory, tmp_path: str) -> None:
    import dataclasses
    from pathlib import Path

    classifier = load(finished_run.path)
    test = classifier.bundle.test
    at = np.flatnonzero(test.labels != 0)
    rest = dataclasses.replace(test, inputs=np.asarray(test.inputs)[at], labels=test.labels[at], ids=test.ids[at])
    evaluation = evaluate(classifier.engine, rest, "test", classifier.spec.classes)
    assert np.isnan(evaluation.classes["0"]["recall"]) and evaluation.classes["0"]["support"] == 0
    run = RunDirectory(Path(tmp_path))
    save_evaluation(run, evaluation)
    stored = run.evaluation("test")
    assert stored is not None and stored["classes"]["0"]["recall"] is None
    with np.load(run.path / "predictions" / "test.npz") as arrays:
        assert arrays["ids"].tolist() == rest.ids.tolist()


def test_test_split_is_read_after_training_only(laboratory: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine sees the test split once, with the best epoch's weights."""
    from clfkit.engines.pytorch.engine import TorchEngine
    from clfkit.progress import Quiet

    events: list[str] = []
    evaluate_split = TorchEngine.evaluate

    class Watcher(Quiet):
        def on_stop(self) -> None:
            events.append("stop")

    def watched(self: TorchEngine, split: Split) -> object:
        events.append(f"evaluate {len(split)}")
        return evaluate_split(self, split)

    monkeypatch.setattr(TorchEngine, "evaluate", watched)
    laboratory.run(None, Watcher())  # type: ignore[attr-defined]
    assert events == ["stop", "evaluate 20", "evaluate 40"]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40_000))
@settings(max_examples=20)
def test_of_many_classes_the_most_probable_are_kept_in_order(seed: int, block: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.full(1001, 0.1), 7).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clfkit.evaluation.SORTED_AT_ONCE", block)
        kept = stored_probabilities(probabilities)
    values = np.take_along_axis(probabilities, kept["top_classes"].astype(np.int64), axis=1)
    np.testing.assert_array_equal(values, -np.sort(-probabilities, axis=1)[:, :100])
    np.testing.assert_array_equal(kept["top_probabilities"], values.astype(np.float16))
    assert all(len(set(row)) == 100 for row in kept["top_classes"].tolist())


def test_up_to_a_thousand_classes_every_probability_is_kept() -> None:
    probabilities = np.full((3, 1000), 0.001, np.float32)
    np.testing.assert_array_equal(
        stored_probabilities(probabilities)["probabilities"], probabilities.astype(np.float16)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"best": "valid.tail_accuracy"}, r"train\.best: valid\.tail_accuracy is undefined for these samples"),
        ({"best": "valid.top5"}, r"train\.best: valid\.top5 is always 1 for these samples"),
        ({"early_stopping": {"metric": "valid.top5"}}, r"train\.early_stopping\.metric: valid\.top5 is always 1"),
    ],
)
def test_a_watched_metric_that_tells_nothing_is_refused(laboratory: Any, changes: dict[str, Any], message: str) -> None:
    """Balanced blobs of three classes: every epoch would be as good as the first."""
    with pytest.raises(UsageError, match=message):
        laboratory.run(laboratory.config("blobs", {f"train.{key}": value for key, value in changes.items()}))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=20), st.sampled_from([6, 7]))
def test_metrics_of_many_unbalanced_classes_tell_models_apart(labels: list[int], classes: int) -> None:
    """Whatever classes the valid split has; of the thirds at least one."""
    found = np.array(labels) % classes
    split = Split(np.zeros((len(found), 1)), found, np.arange(len(found)))
    names, counts = ClassMap(names=tuple("abcdefg"[:classes])), 10 * np.arange(1, classes + 1)
    for name in ("top5", "macro_f1", "weighted_f1", "balanced_accuracy", "accuracy", "loss"):
        assert tells_nothing(name, split, names, counts) is None
    thirds = [tells_nothing(f"{part}_accuracy", split, names, counts) for part in ("head", "middle", "tail")]
    assert set(thirds) <= {None, "undefined"} and None in thirds
