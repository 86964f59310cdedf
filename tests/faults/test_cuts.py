"""Runs that are cut at every step, and which run `--resume` goes on with."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from ambush import noting

from clfkit.components import schedules
from clfkit.errors import Interrupted, RunError, UsageError
from clfkit.experiment import resume_run
from clfkit.progress import Quiet
from clfkit.resuming import resumable_run
from clfkit.run import RunDirectory
from clfkit.trainer import Trainer
from sameness import assert_equal


class StopAfter(Quiet):
    """Stops a run after so many more steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_step(self, step: int) -> None:
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGTERM)


OPTIONS: dict[str, dict[str, Any]] = {
    "plateau": {"patience": 0, "factor": 0.5, "threshold": 0.9},
    "multistep": {"milestones": [1, 2]},
    "step": {"step_size": 1},
    "cosine": {"warmup": 1.5},
    "one_cycle": {"warmup": 0.5},
}
"""So that the rate changes within three epochs."""
WATCHED = {"train.best": "valid.accuracy", "train.early_stopping": {"metric": "valid.loss", "patience": 2}}


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads what every step was trained on since it was asked last: learning rate, samples and keys."""
    path = tmp_path / "steps.jsonl"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    monkeypatch.setattr(Trainer, "fit", noting(Trainer.fit, descriptor))

    def taken() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        os.truncate(path, 0)
        return lines

    yield taken
    os.close(descriptor)


def cut_at_every_step(laboratory: Any, config: Any) -> RunDirectory:
    with pytest.raises(Interrupted):
        laboratory.run(config, StopAfter(1), "cut")
    run = RunDirectory(laboratory.out / config.name / "cut")
    while run.status()["status"] == "interrupted":
        try:
            resume_run(run, StopAfter(1))
        except Interrupted:
            continue
    return run


@pytest.mark.fault("A2")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "plateau" else pytest.mark.matrix) for name in schedules.names()],
)
def test_a_cut_at_every_step_changes_nothing_under_any_schedule(laboratory: Any, notes: Any, name: str) -> None:
    changes = {"engine": "scratch", "train.epochs": 3, "train.schedule": {"name": name, **OPTIONS.get(name, {})}}
    changes |= {"train.optimizer.lr": 0.3, "baselines": [], "report": False, **WATCHED}
    config = laboratory.config("blobs", changes)
    whole = laboratory.run(config)
    steps = notes()
    cut = cut_at_every_step(laboratory, config)
    assert notes() == steps
    rates = {step["lr"] for step in steps}
    assert len(rates) == 1 if name == "constant" else len(rates) > 1
    assert_equal(cut, whole)


@pytest.mark.fault("A2")
@pytest.mark.matrix
@pytest.mark.parametrize("mix", [None, "mixup"], ids=["augmented", "mixed too"])
def test_a_cut_at_every_step_draws_the_same_augmentations(laboratory: Any, notes: Any, mix: str | None) -> None:
    model = {"name": "mlp", "hidden": [4], "dropout": 0.3}
    changes = {"engine": "torch" if mix else "scratch", "model": model, "train.augment": ["shift"], "train.mix": mix}
    config = laboratory.config("digits", {**changes, "train.epochs": 2, "baselines": [], "report": False})
    whole = laboratory.run(config)
    steps = notes()
    cut = cut_at_every_step(laboratory, config)
    assert notes() == steps
    assert_equal(cut, whole)


def interrupted(laboratory: Any, run_id: str, changes: dict[str, Any] | None = None) -> RunDirectory:
    with pytest.raises(Interrupted):
        laboratory.run(tiny(laboratory, changes), StopAfter(7), run_id)
    return RunDirectory(laboratory.out / "tiny" / run_id)


def tiny(laboratory: Any, changes: dict[str, Any] | None = None) -> Any:
    return laboratory.config("blobs", {"engine": "scratch", "baselines": [], "report": False, **(changes or {})})


@pytest.mark.fault("A5")
def test_resume_goes_on_with_the_latest_interrupted_run(laboratory: Any) -> None:
    config = tiny(laboratory)
    first, second = interrupted(laboratory, "b"), interrupted(laboratory, "a")
    for run, started in ((first, "2020-01-01T00:00:00+00:00"), (second, "2020-01-02T00:00:00+00:00")):
        run.set_status("interrupted", started=started)
    laboratory.run(config, None, "done")
    assert resumable_run(laboratory.out, config) == second
    resume_run(second, Quiet())
    assert resumable_run(laboratory.out, config) == first
    resume_run(first, Quiet())
    with pytest.raises(RunError, match=r"nothing to resume .* is finished; a larger train\.epochs extends"):
        resumable_run(laboratory.out, config)


@pytest.mark.fault("A5")
@pytest.mark.parametrize("epochs", [5, 9])
def test_a_finished_run_is_extended(laboratory: Any, epochs: int) -> None:
    longer = tiny(laboratory, {"train.epochs": epochs, "train.schedule": "constant"})
    run = laboratory.run(tiny(laboratory))
    assert resumable_run(laboratory.out, longer) == run
    resume_run(run, Quiet(), longer)
    assert_equal(run, laboratory.run(longer))


CHANGED = {
    "train.optimizer.lr": (0.01, "train.optimizer.lr: 0.05 → 0.01"),
    "train.epochs": (9, "train.epochs: 4 → 9"),
    "model.dropout": (0.1, "model.dropout: 0.3 → 0.1"),
    "seed": (8, "seed: 7 → 8"),
    "train.schedule": ("cosine", "train.schedule"),
}


@pytest.mark.fault("A5")
@pytest.mark.parametrize("key", CHANGED)
def test_a_changed_option_is_named_and_force_asked_for(laboratory: Any, key: str) -> None:
    value, told = CHANGED[key]
    run = interrupted(laboratory, "a")
    changed = tiny(laboratory, {key: value, "data.seed": 7})
    run_before = run.config()
    with pytest.raises(UsageError) as refused:
        resume_run(run, Quiet(), changed)
    assert told in str(refused.value) and "--force" in str(refused.value)
    assert run.config() == run_before
