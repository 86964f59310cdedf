"""When the checkpoints of a run reach the disk."""

from __future__ import annotations

from typing import Any

import pytest

from clfkit.errors import RunError
from clfkit.progress import Quiet
from clfkit.run import RunDirectory


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps of which a last checkpoint was written."""
    steps: list[int] = []
    save = RunDirectory.save_checkpoint

    def noted(self: RunDirectory, kind: Any, checkpoint: Any) -> None:
        if kind == "last":
            steps.append(checkpoint.state.step)
        save(self, kind, checkpoint)

    monkeypatch.setattr(RunDirectory, "save_checkpoint", noted)
    return steps


def last_for(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let a checkpoint wait until the one before is so old."""
    monkeypatch.setattr("clfkit.memory.SECONDS_BETWEEN_CHECKPOINTS", seconds)


@pytest.mark.parametrize(
    ("every", "seconds", "steps"),
    [
        ({"epochs": 1}, 1000.0, [20]),
        ({"epochs": 1}, 0.0, [5, 10, 15, 20]),
        ({"epochs": 3}, 0.0, [15, 20]),
        ({"steps": 5}, 1000.0, [5, 10, 15, 20]),
        ({"steps": 4}, 1000.0, [4, 8, 12, 16, 20]),
    ],
)
def test_checkpoints_counted_in_epochs_may_wait(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, written: list[int],
    every: dict[str, int], seconds: float, steps: list[int],
) -> None:  # fmt: skip
    last_for(monkeypatch, seconds)
    laboratory.run(laboratory.config("blobs", {"train.checkpoint_every": every}))
    assert written == steps


def test_one_that_waits_is_written_when_a_listener_fails(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, written: list[int]
) -> None:
    class Broken(Quiet):
        def on_step(self, step: int) -> None:
            if step == 13:
                raise RunError("the terminal has gone")

    last_for(monkeypatch, 1000.0)
    with pytest.raises(RunError, match="terminal"):
        laboratory.run(laboratory.config(), Broken(), "broken")
    assert written == [10]
    assert len(RunDirectory(laboratory.out / "tiny" / "broken").history()) == 2


def test_one_that_waits_is_not_forgotten(laboratory: Any, monkeypatch: pytest.MonkeyPatch, written: list[int]) -> None:
    """It is written at the end of an epoch as soon as the one before is old enough, with no new one due."""

    class Watch(Quiet):
        def on_step(self, step: int) -> None:
            if step == 14:
                last_for(monkeypatch, 0.0)

    last_for(monkeypatch, 1000.0)
    laboratory.run(laboratory.config("blobs", {"train.checkpoint_every": {"epochs": 2}}), Watch())
    assert written == [10, 20]


def test_newest_checkpoint_is_the_one_written(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, written: list[int]
) -> None:
    """One that waits gives way to that of the epoch that has just ended."""

    class Watch(Quiet):
        def on_step(self, step: int) -> None:
            last_for(monkeypatch, 0.0 if step == 8 else 1000.0)

        def on_epoch_end(self, record: Any, best: bool) -> None:
            if record.epoch == 2:
                last_for(monkeypatch, 0.0)

    last_for(monkeypatch, 1000.0)
    laboratory.run(laboratory.config(), Watch())
    assert written == [10, 20]


def test_checkpoint_that_cannot_be_written_still_waits(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure while writing loses nothing: the same one is tried again."""
    save, failures = RunDirectory.save_checkpoint, [RunError("disk full")]

    def fails_once(self: RunDirectory, kind: Any, checkpoint: Any) -> None:
        if kind == "last" and failures:
            raise failures.pop()
        save(self, kind, checkpoint)

    monkeypatch.setattr(RunDirectory, "save_checkpoint", fails_once)
    with pytest.raises(RunError, match="disk full"):
        laboratory.run(laboratory.config("blobs", {"train.checkpoint_every": {"steps": 5}}), None, "full")
    assert RunDirectory(laboratory.out / "tiny" / "full").checkpoint("last").state.step == 5
