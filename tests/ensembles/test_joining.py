"""An ensemble gives the mean of its members' probabilities, whatever they are, and is a run like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import clfkit
from clfkit.classifier import Classifier, load
from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, Dataset
from clfkit.ensembles.joining import Joined, join_probabilities
from clfkit.ensembles.members import find_members
from clfkit.errors import RunError, UsageError
from clfkit.experiment import resume_run
from clfkit.progress import Quiet

FIXED = {"data.seed": 5, "train.epochs": 2}


def trained(laboratory: Any, base: str = "blobs", **changes: Any) -> str:
    return str(laboratory.run(laboratory.config(base, {**FIXED, **changes})).path)


def join(laboratory: Any, runs: list[str], **options: Any) -> Joined:
    return join_probabilities(find_members(runs, laboratory.out), laboratory.out, None, None, **options)


def mean_of(classifiers: list[Classifier], inputs: Any, classes: tuple[str, ...]) -> Any:
    """Mean of the probabilities, columns by name."""
    each = [(c.predict_proba(inputs), [c.classes.index(name) for name in classes]) for c in classifiers]
    return np.mean([probabilities[:, order] for probabilities, order in each], axis=0)


MIXED: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "seeds": ("blobs", [{"seed": 1}, {"seed": 2}, {"seed": 3}]),
    "engines and models": ("blobs", [{"engine": "scratch"}, {"model": "logistic"}, {"model.norm": "batch"}]),
    "images": ("digits", [{"seed": 1}, {"model": {"name": "mlp", "hidden": [8]}}]),
    "one logit": ("moons", [{"seed": 1}, {"train.loss": "cross_entropy"}, {"engine": "scratch"}]),
    "smoothed": ("blobs", [{"seed": n, "train.loss.label_smoothing": 0.1} for n in (1, 2)]),
    "own scale": ("blobs", [{}, {"data.normalize": False}]),
    "fp64": ("blobs", [{"train.precision": "fp64"}, {"train.precision": "fp64", "seed": 2}]),
}


@pytest.mark.parametrize(("base", "changes"), MIXED.values(), ids=MIXED)
def test_probabilities_are_the_mean_of_the_members(laboratory: Any, base: str, changes: list[dict[str, Any]]) -> None:
    runs = [trained(laboratory, base, **each) for each in changes]
    joined = join(laboratory, runs)
    whole, members = clfkit.load(joined.run.path), [clfkit.load(run) for run in runs]
    inputs = np.asarray(whole.bundle.test.inputs)
    assert_allclose(whole.predict_proba(inputs), mean_of(members, inputs, whole.classes), atol=1e-6)
    assert not whole.data_changed and whole.publishes
    assert set(joined.scores) == {"valid", "test"}
    for run, scores in joined.members.items():
        assert scores["test"]["accuracy"] == pytest.approx(load(run).run.metrics("test")["accuracy"])  # type: ignore[union-attr]
    stored = np.load(joined.run.path / "predictions" / "test.npz")
    assert_allclose(stored["probabilities"], mean_of(members, inputs, whole.classes), atol=1e-3)


def test_a_class_that_all_members_rule_out_has_a_finite_loss(laboratory: Any) -> None:
    runs = [trained(laboratory, **{"seed": n, "train.epochs": 20, "data.std": 0.01}) for n in (1, 2)]
    whole = clfkit.load(join(laboratory, runs).run.path)
    far = np.array([[1e6, 0.0], [0.0, -1e6]])
    assert np.isfinite(whole.predict_proba(far)).all()
    assert np.isfinite(whole.engine.evaluate(whole.bundle.test)[1].mean_loss)


def test_classes_in_another_order_are_matched_by_name(laboratory: Any) -> None:
    """The same samples and split; only the numbers of the classes differ."""
    runs = [trained(laboratory, data={"name": "named_points", "seed": 5, "turn": turn}) for turn in (0, 1)]
    first, other = (clfkit.load(run) for run in runs)
    assert first.classes != other.classes and sorted(first.classes) == sorted(other.classes)
    joined = join(laboratory, runs)
    whole, inputs = clfkit.load(joined.run.path), np.asarray(first.bundle.test.inputs)
    assert whole.classes == first.classes
    assert_allclose(whole.predict_proba(inputs), mean_of([first, other], inputs, first.classes), atol=1e-6)
    assert joined.members[runs[1]]["test"]["accuracy"] == pytest.approx(other.run.metrics("test")["accuracy"])  # type: ignore[union-attr]


@datasets.register("named_points", inputs="vector", classes=3)
def named_points(seed: int, *, turn: int = 0) -> Dataset:
    """Three clusters in the plane.

    Options:
        turn: which class is the first; it changes nothing else.
    """
    noise = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(3), 40)
    inputs = (np.eye(3)[kinds][:, :2] * 3 + noise.normal(size=(120, 2))).astype(np.float32)
    names = tuple(np.roll(["ant", "bee", "cat"], turn).tolist())
    return Dataset(inputs, (kinds + turn) % 3, ClassMap(names=names), "vector", ("x", "y"))


def test_snapshots_of_one_run_are_members(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {"train.snapshots": {"last": 3}}))
    joined = join(laboratory, [str(run.path)])
    snapshots = [clfkit.load(path) for path in run.snapshots.by_epoch().values()]
    whole, inputs = clfkit.load(joined.run.path), np.random.default_rng(0).normal(size=(20, 2))
    assert len(snapshots) == len(joined.members) == 3
    assert_allclose(whole.predict_proba(inputs), mean_of(snapshots, inputs, whole.classes), atol=1e-6)


def test_ensembles_are_members_too(laboratory: Any) -> None:
    runs = [trained(laboratory, seed=seed) for seed in (1, 2, 3)]
    pair = join(laboratory, runs[:2]).run.path
    whole = clfkit.load(join(laboratory, [str(pair), runs[2]]).run.path)
    inputs = np.ones((1, 2))
    weighed = 0.5 * clfkit.load(pair).predict_proba(inputs) + 0.5 * clfkit.load(runs[2]).predict_proba(inputs)
    assert_allclose(whole.predict_proba(inputs), weighed, atol=1e-6)


def test_data_that_changed_since_are_refused(laboratory: Any, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [f"{i % 3},{i % 7},{'ab'[i % 2]}\n" for i in range(60)]
    table.write_text("x,y,label\n" + "".join(rows))
    data = {"name": "table", "root": str(table), "seed": 1}
    runs = [trained(laboratory, data=data, seed=seed) for seed in (1, 2)]
    table.write_text("x,y,label\n" + "".join(rows[::-1]))
    with pytest.raises(UsageError, match="not any more what"):
        join(laboratory, runs)


def test_it_cannot_be_resumed(laboratory: Any) -> None:
    joined = join(laboratory, [trained(laboratory, seed=seed) for seed in (1, 2)])
    with pytest.raises(RunError, match="joined from 2 trained models and not trained itself"):
        resume_run(joined.run, Quiet())
