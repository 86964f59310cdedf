"""Models of single epochs that a run keeps: which, how long, and across crashes."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from clfkit.checkpoint import read_checkpoint
from clfkit.classifier import load
from clfkit.errors import ConfigError
from clfkit.experiment import resume_run, run_experiment
from clfkit.progress import Quiet
from clfkit.run import RunDirectory


def kept(run: RunDirectory) -> list[int]:
    return list(run.snapshots.by_epoch())


def contents(run: RunDirectory) -> dict[str, bytes]:
    """Every file of every snapshot but times."""
    return {str(p.relative_to(run.path)): p.read_bytes() for p in run.path.rglob("snapshots/*/model.safetensors")}


@pytest.mark.parametrize(
    ("snapshots", "epochs"),
    [(None, []), ({}, [1, 2, 3, 4]), ({"every": 2}, [2, 4]), ({"last": 2}, [3, 4]), ({"every": 3, "last": 1}, [3])],
)
@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_the_newest_of_every_so_many_epochs_are_kept(
    laboratory: Any, snapshots: Any, epochs: list[int], engine: str
) -> None:
    run = laboratory.run(laboratory.config("blobs", {"train.snapshots": snapshots, "engine": engine}))
    assert kept(run) == epochs


def test_a_snapshot_is_the_model_of_its_epoch(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {"train.snapshots": {}, "train.ema": 0.9}))
    shorter = laboratory.run(laboratory.config("blobs", {"train.epochs": 2, "train.ema": 0.9}))
    snapshot, last = read_checkpoint(run.snapshots.by_epoch()[2]), shorter.checkpoint("last")
    assert snapshot.state.epoch == len(snapshot.records) == 2 and snapshot.state.step == 10
    assert not snapshot.optimizer
    for name, array in last.model.items():
        assert_array_equal(snapshot.model[name], array)


def test_a_snapshot_is_a_checkpoint_of_its_run_and_not_its_best(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {"train.snapshots": {}}))
    classifier = load(run.path / "checkpoints" / "snapshots" / "epoch-0003")
    assert classifier.run == run and not classifier.is_best and not classifier.publishes
    assert classifier.predict_proba(np.ones((2, 2))).shape == (2, 3)


def test_training_is_the_same_with_snapshots(laboratory: Any) -> None:
    changes = {"train.ema": 0.9, "train.max_steps": 14}
    with_them = laboratory.run(laboratory.config("blobs", {**changes, "train.snapshots": {}}))
    without = laboratory.run(laboratory.config("blobs", changes))
    assert_array_equal(with_them.step_losses(), without.step_losses())


class StopAt(Quiet):
    def __init__(self, step: int, error: Exception) -> None:
        self.step, self.error = step, error

    def on_step(self, step: int) -> None:
        if step == self.step:
            raise self.error


class Kill(Quiet):
    """Ends its process after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int) -> None:
        if step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


KILLS = [({"steps": 4}, stop) for stop in (6, 10, 13, 16)]
KILLS += [({"epochs": 1}, stop) for stop in (6, 10)] + [({"epochs": 2}, stop) for stop in (13, 16)]
KILLS += [({"epochs": 3}, stop) for stop in (16, 20)]


@pytest.mark.parametrize(("checkpoint", "stop"), KILLS, ids=str)
def test_none_is_lost_or_doubled_by_a_kill(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, checkpoint: dict[str, int], stop: int
) -> None:
    """The process ends without writing anything more, so that training goes on from an older checkpoint."""
    monkeypatch.setattr("clfkit.memory.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    config = laboratory.config("blobs", {"train.snapshots": {"last": 3}, "train.checkpoint_every": checkpoint})
    whole, run = laboratory.run(config), RunDirectory.create(laboratory.out, config, "killed")
    child = os.fork()
    if not child:
        try:
            run_experiment(run, config, Kill(stop))
        finally:  # whatever happens, the child runs no other test
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert 0 < run.checkpoint("last").state.step < stop
    resume_run(run, Quiet())
    assert kept(run) == [2, 3, 4]
    assert contents(run) == contents(whole)


def test_those_ahead_of_the_checkpoint_are_taken_back(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = laboratory.config("blobs", {"train.snapshots": {}, "train.checkpoint_every": {"epochs": 3}})
    monkeypatch.setattr("clfkit.memory.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    with pytest.raises(ZeroDivisionError):
        laboratory.run(config, StopAt(18, ZeroDivisionError()), "crashed")
    run = RunDirectory(laboratory.out / "tiny" / "crashed")
    run.snapshots.write(9, run.checkpoint("last"))
    assert kept(run) == [1, 2, 3, 9]
    resume_run(run, Quiet())
    assert kept(run) == [1, 2, 3, 4]


def test_removal_that_a_crash_cut_short_leaves_no_checkpoint(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {"train.snapshots": {}}))
    (run.snapshots.by_epoch()[2] / "manifest.json").unlink()
    assert kept(run) == [1, 3, 4]


def test_number_and_size_are_said_at_the_start(laboratory: Any) -> None:
    said: list[str] = []

    class Listening(Quiet):
        def say(self, message: str) -> None:
            said.append(message)

    laboratory.run(laboratory.config("blobs", {"train.snapshots": {"every": 2}}), Listening())
    assert [line for line in said if line.startswith("snapshots: up to 2 models of")]


@pytest.mark.parametrize("wrong", [{"every": 0}, {"last": 0}, {"last": 1001}, {"evry": 1}])
def test_senseless_options_are_refused(laboratory: Any, wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"train\.snapshots"):
        laboratory.config("blobs", {"train.snapshots": wrong})
