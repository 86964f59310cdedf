"""Two engines, one model: the same steps in float64, and runs that change the engine on their way."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from plain_torch import assert_near
from scratch_problems import batch_of, engine_of, make_setup, rate_of, train_of

import clfkit
from clfkit.errors import CheckpointError, Interrupted, UsageError
from clfkit.evaluation import evaluate
from clfkit.experiment import resume_run
from clfkit.progress import Quiet
from clfkit.run import RunDirectory

IMAGE = (2, 9, 7)
FLOOR = 1e-6
"""Moments below are those of rounding errors: a bias before batch norm has no gradient."""
PROBLEMS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "mlp": ((4,), {"model": {"name": "mlp", "hidden": (6, 5), "norm": "layer"}, "optimizer": "adam"}),
    "penalties": ((4,), {"optimizer": {"name": "rmsprop", "momentum": 0.5, "weight_decay": 0.1, "l1": 0.01}}),
    "decoupled": ((4,), {"optimizer": {"name": "adamw"}, "clip_norm": 0.1, "accumulate": 3}),
    "two classes": (
        (4,),
        {
            "classes": 2,
            "loss": {"name": "bce_with_logits", "label_smoothing": 0.2, "class_weights": "balanced"},
            "optimizer": "adagrad",
        },
    ),
    "cnn": (
        IMAGE,
        {
            "model": {"name": "cnn", "channels": (3, 4), "dense": (5,), "dropout": 0, "batch_norm": True},
            "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True},
            "loss": {"name": "cross_entropy", "class_weights": "effective_number", "label_smoothing": 0.1},
        },
    ),
    "adjusted": ((4,), {"loss": {"name": "cross_entropy", "class_weights": "balanced", "logit_adjustment": 1.5}}),
    "two classes adjusted": ((4,), {"classes": 2, "loss": {"name": "bce_with_logits", "logit_adjustment": 1}}),
    "cnn averaged": (
        IMAGE,
        {"model": {"name": "cnn", "channels": (3,), "dropout": 0, "batch_norm": True}, "ema": 0.8},
    ),
    "cnn in pieces": (IMAGE, {"model": {"name": "cnn", "channels": (3,), "dropout": 0}, "accumulate": 4}),
}


@pytest.mark.parametrize(("shape", "changes"), PROBLEMS.values(), ids=PROBLEMS)
def test_engines_agree_step_by_step(shape: tuple[int, ...], changes: dict[str, Any]) -> None:
    setup = make_setup(*shape, **changes)
    mine, theirs = engine_of(setup), engine_of(setup, "torch")
    assert mine.parameters == theirs.parameters
    assert_near(mine.model_state(), theirs.model_state(), 0)
    for step in range(30):
        one, other = (each.train_step(batch_of(setup, step), rate_of(step), step) for each in (mine, theirs))
        assert_near(mine.read([one]).arrays(), theirs.read([other]).arrays(), 1e-11)
        assert_near(mine.model_state(), theirs.model_state(), 1e-10)
        assert_near(mine.optimizer_state(), theirs.optimizer_state(), 1e-9, floor=FLOOR)
    split = train_of(setup)
    assert_near(mine.score(split).arrays(), theirs.score(split).arrays(), 1e-11)
    assert_allclose(mine.predict(split.inputs), theirs.predict(split.inputs), rtol=1e-6)


@pytest.mark.parametrize("engine", ["scratch", "torch"])
@pytest.mark.parametrize("shape", [(4,), IMAGE], ids=["vector", "image"])
def test_a_full_batch_may_hold_other_samples_than_all(shape: tuple[int, ...], engine: str) -> None:
    """As many indices as samples, one sample only: what balanced sampling may draw for `batch_size: full`."""
    setup = make_setup(*shape, **({"model": {"name": "cnn", "dropout": 0}} if shape == IMAGE else {}))
    samples = len(train_of(setup))
    one, many = engine_of(setup, engine), engine_of(setup, engine)
    single = one.read([one.train_step(np.array([3]), 0.1, 0)])
    repeated = many.read([many.train_step(np.full(samples, 3), 0.1, 0)])
    assert repeated.mean_loss == pytest.approx(single.mean_loss, rel=1e-9)
    assert repeated.correct.sum() == samples * single.correct.sum()


# Runs that change the engine on their way

BLOBS = {"model.norm": "layer", "train.precision": "fp64", "train.schedule": "cosine"}
DIGITS = {
    "data.split": {"valid": 100, "test": 0.8},
    "train.batch_size": 64,
    "train.precision": "fp64",
    "train.schedule": {"name": "one_cycle", "warmup": 1},
}
EXPERIMENTS: dict[str, tuple[str, dict[str, Any]]] = {"mlp": ("blobs", BLOBS), "cnn": ("digits", DIGITS)}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {"name": "adam", "lr": 0.01},
    "adamw": {"name": "adamw", "lr": 0.01, "weight_decay": 0.1},
    "nesterov": {"name": "sgd", "lr": 0.02, "momentum": 0.9, "nesterov": True},
    "adagrad": {"name": "adagrad", "lr": 0.02},
    "rmsprop": {"name": "rmsprop", "lr": 0.003, "momentum": 0.5},
}
both_orders = pytest.mark.parametrize(("first", "second"), [("torch", "scratch"), ("scratch", "torch")])
every_experiment = pytest.mark.parametrize(("base", "changes"), EXPERIMENTS.values(), ids=EXPERIMENTS)


class StopAt(Quiet):
    """Interrupts a run right after an optimizer step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int) -> None:
        if step == self.step:
            signal.raise_signal(signal.SIGINT)


def switched(laboratory: Any, base: str, changes: dict[str, Any], first: str, second: str) -> RunDirectory:
    """A run that one engine begins, up to the middle of its second epoch, and the other one ends."""
    with pytest.raises(Interrupted):
        laboratory.run(laboratory.config(base, {**changes, "engine": first}), StopAt(7), "switched")
    run = RunDirectory(laboratory.out / "tiny" / "switched")
    resume_run(run, Quiet(), laboratory.config(base, {**changes, "engine": second}), force=True)
    assert run.config().engine.name == second
    return run


@both_orders
@pytest.mark.parametrize(
    ("experiment", "optimizer"), [*(("mlp", name) for name in OPTIMIZERS), ("cnn", "adam"), ("cnn", "nesterov")]
)
def test_moments_carry_on(laboratory: Any, experiment: str, optimizer: str, first: str, second: str) -> None:
    """As if the engine had never changed; without dropout, whose masks are each engine's own."""
    base, changes = EXPERIMENTS[experiment]
    changes = {**changes, "model.dropout": 0.0, "train.optimizer": OPTIMIZERS[optimizer]}
    whole = laboratory.run(laboratory.config(base, {**changes, "engine": first}), run_id="whole")
    run = switched(laboratory, base, changes, first, second)
    mine, theirs = run.checkpoint("last"), whole.checkpoint("last")
    assert mine.state.step == theirs.state.step
    assert_near(mine.model, theirs.model, 1e-9)
    assert theirs.optimizer and mine.optimizer
    assert_near(mine.optimizer, theirs.optimizer, 1e-9, floor=FLOOR)
    assert_allclose(run.step_losses(), whole.step_losses(), rtol=1e-6)
    assert run.metrics("test")["accuracy"] == whole.metrics("test")["accuracy"]


@both_orders
@every_experiment
def test_runs_with_dropout_change_engines(
    laboratory: Any, base: str, changes: dict[str, Any], first: str, second: str
) -> None:
    run = switched(laboratory, base, changes, first, second)
    assert run.status()["status"] == "finished"
    assert len(run.history()) == run.config().train.epochs
    losses = run.step_losses()
    assert losses[-5:].mean() < losses[:5].mean()


@both_orders
@every_experiment
@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_a_model_predicts_alike_on_both_engines(
    laboratory: Any, base: str, changes: dict[str, Any], first: str, second: str, precision: str
) -> None:
    config = laboratory.config(base, {**changes, "engine": first, "train.precision": precision})
    classifier = clfkit.load(laboratory.run(config).path)
    other = classifier.with_overrides([f"engine={second}"])
    assert type(classifier.engine) is not type(other.engine)
    split = classifier.bundle.test
    samples = np.asarray(split.inputs)
    assert_allclose(other.predict_proba(samples), classifier.predict_proba(samples), rtol=1e-4, atol=1e-6)
    mine, theirs = (evaluate(each.engine, split, "test", each.spec.classes) for each in (classifier, other))
    assert mine.metrics["accuracy"] == theirs.metrics["accuracy"]
    assert mine.metrics.keys() == theirs.metrics.keys()
    assert theirs.metrics == pytest.approx(mine.metrics, rel=1e-4, nan_ok=True)  # undefined on both


@both_orders
def test_another_engine_is_a_change_like_any_other(laboratory: Any, first: str, second: str) -> None:
    run = laboratory.run(laboratory.config("blobs", {"engine": first}))
    changed = laboratory.config("blobs", {"engine": second, "train.epochs": 5})
    with pytest.raises(UsageError, match=rf"engine\.name: '{first}' → '{second}'"):
        resume_run(run, Quiet(), changed)


@both_orders
def test_another_network_is_refused_by_the_other_engine_too(laboratory: Any, first: str, second: str) -> None:
    run = laboratory.run(laboratory.config("blobs", {"engine": first}))
    changed = laboratory.config("blobs", {"engine": second, "train.epochs": 5, "model.hidden": [9]})
    with pytest.raises(CheckpointError, match=r"weights are those of another model: '1\.weight' has shape \(8, 2\)"):
        resume_run(run, Quiet(), changed, force=True)
    assert run.config().engine.name == first


@pytest.mark.parametrize("engine", ["torch", "scratch"])
@pytest.mark.parametrize(("before", "after"), [("fp32", "fp64"), ("fp64", "fp32")])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_runs_change_precision(
    laboratory: Any, engine: str, before: str, after: str, optimizer: dict[str, Any]
) -> None:
    changes = {"engine": engine, "model.dropout": 0, "train.optimizer": optimizer}
    run = laboratory.run(laboratory.config("blobs", {**changes, "train.precision": before}))
    longer = {**changes, "train.epochs": 6, "train.precision": after}
    resume_run(run, Quiet(), laboratory.config("blobs", longer), force=True)
    whole = laboratory.run(laboratory.config("blobs", longer))
    assert_near(run.checkpoint("last").model, whole.checkpoint("last").model, 1e-3)
    assert run.checkpoint("last").model["1.weight"].dtype == {"fp32": "float32", "fp64": "float64"}[after]
