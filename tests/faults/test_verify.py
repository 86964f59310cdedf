"""`clfkit verify` says of runs as they were that they are reproducible, and of altered ones from which step on not."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfkit.checkpoint import read_checkpoint, write_checkpoint
from clfkit.config import override_config
from clfkit.errors import Interrupted, RunError, UsageError
from clfkit.experiment import resume_run
from clfkit.progress import Quiet
from clfkit.run import RunDirectory
from clfkit.verifying import verify
from test_resume import StopAt

OWN = {
    "engine": "scratch",
    "report": False,
    "baselines": [],
    "train.checkpoint_every": {"steps": 5},
    "train.snapshots.every": 2,
}


@pytest.fixture(scope="module")
def kept(laboratories: Any, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A finished run of 20 steps, to be read only."""
    laboratory = laboratories(tmp_path_factory.mktemp("verify"))
    return laboratory.run(laboratory.config("blobs", OWN), None, "one")  # type: ignore[no-any-return]


@pytest.fixture
def run(kept: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A copy."""
    return RunDirectory(shutil.copytree(kept.path, tmp_path / "run"))


def content(run: RunDirectory) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


@pytest.mark.fault("A6")
def test_run_as_it_was_is_reproducible_and_untouched(run: RunDirectory) -> None:
    before = content(run)
    verdict = verify(run, Quiet())
    assert verdict.reproducible and (verdict.start, verdict.end) == (0, 20)
    steps = {"initial": 0, "snapshots/epoch-0002": 10, "previous": 15, "last": 20, "snapshots/epoch-0004": 20}
    best = run.checkpoint("best").state.step
    assert verdict.same == {**steps, "best": best}
    assert content(run) == before


@pytest.mark.fault("A6")
@pytest.mark.parametrize(
    ("begin", "steps", "end"),
    [("start", 7, 7), ("start", 5, 5), ("start", 1000, 20), ("previous", None, 20), ("3", 2, 17)],
)
def test_a_part_of_a_run(run: RunDirectory, begin: str, steps: int | None, end: int) -> None:
    verdict = verify(run, Quiet(), begin, steps)
    assert verdict.reproducible
    assert (verdict.start, verdict.end) == (0 if begin == "start" else 15, end)


@pytest.mark.fault("A6")
@pytest.mark.parametrize("begin", ["start", "previous"])
def test_another_loss_is_found_at_its_step(run: RunDirectory, begin: str) -> None:
    losses = run.step_losses()
    losses[17] = np.nextafter(losses[17], np.float32(9))
    losses.tofile(run.path / "steps.f32")
    verdict = verify(run, Quiet(), begin)
    assert verdict.difference is not None and verdict.difference.step == 18
    assert verdict.difference.what.startswith(f"the loss was {losses[17]:.9g}, and is ")
    assert "previous" in verdict.same or begin == "previous"


@pytest.mark.fault("A6")
@pytest.mark.parametrize(("name", "step"), [("snapshots/epoch-0002", 10), ("initial", 0), ("last", 20)])
def test_other_weights_are_found_at_their_checkpoint(run: RunDirectory, name: str, step: int) -> None:
    place = run.path / "checkpoints" / name
    altered = read_checkpoint(place)
    first = next(iter(altered.model))
    altered.model[first].flat[0] = np.nextafter(altered.model[first].flat[0], 9)
    write_checkpoint(place, altered)
    verdict = verify(run, Quiet())
    assert verdict.difference is not None
    assert verdict.difference.step == step
    assert verdict.difference.what == f"weights of {name}: {first} is another"


@pytest.mark.fault("A6")
def test_another_score_is_found(run: RunDirectory) -> None:
    records = run.history()
    run.write_history((*records[:2], records[2].model_copy(update={"valid_accuracy": 0.5}), *records[3:]))
    verdict = verify(run, Quiet())
    assert verdict.difference is not None and verdict.difference.step == 15
    assert "valid.accuracy of epoch 3 was 0.5, and is" in verdict.difference.what


@pytest.mark.fault("A6")
@pytest.mark.parametrize(
    "changes",
    [
        {"train.max_steps": 13, "train.schedule": "cosine"},
        {"train.ema": 0.9, "model.norm": "batch", "train.batch_size": 28},
        {"train.schedule": {"name": "plateau", "patience": 0, "factor": 0.5}, "train.mix": "mixup", "engine": "torch"},
    ],
    ids=["cut short", "average", "torch"],
)
@pytest.mark.matrix
def test_runs_of_all_kinds_stopped_and_resumed(laboratory: Any, changes: Mapping[str, Any]) -> None:
    config = laboratory.config("blobs", {**OWN, **changes})
    with pytest.raises(Interrupted):
        laboratory.run(config, StopAt(7), "one")
    run = RunDirectory(laboratory.out / "tiny/one")
    verdict = verify(run, Quiet())
    assert verdict.reproducible and (verdict.end, verdict.lost_steps) == (7, 0) and verdict.same["last"] == 7
    resume_run(run, Quiet())
    for begin in ("start", "previous"):
        assert verify(run, Quiet(), begin).reproducible


@pytest.mark.fault("A6")
def test_other_options_are_a_cause(run: RunDirectory) -> None:
    run.replace_config(override_config(run.config(), {"train.optimizer.lr": 0.01}))
    verdict = verify(run, Quiet())
    assert verdict.difference is not None and not verdict.reproducible
    assert verdict.causes == ("train.optimizer.lr: 0.05 → 0.01",)


@pytest.mark.fault("A6")
def test_damaged_checkpoints_are_named_and_the_rest_is_compared(run: RunDirectory) -> None:
    (run.path / "checkpoints/best/model.safetensors").write_bytes(b"")
    verdict = verify(run, Quiet())
    assert verdict.reproducible and "best" not in verdict.same
    assert [reason.partition(": ")[2] for reason in verdict.unread] == [
        "model.safetensors is damaged (its SHA-256 is not the manifest's)"
    ]


@pytest.mark.fault("A6")
def test_losses_that_the_run_has_not_kept_are_counted(run: RunDirectory) -> None:
    losses = run.step_losses()
    losses[[2, 5]] = np.nan
    losses[:-3].tofile(run.path / "steps.f32")
    verdict = verify(run, Quiet())
    assert verdict.reproducible and (verdict.end, verdict.lost_steps) == (20, 5)


@pytest.mark.fault("A6")
def test_a_run_that_has_lost_its_checkpoints_is_not_passed(run: RunDirectory) -> None:
    shutil.rmtree(run.path / "checkpoints")
    verdict = verify(run, Quiet())
    assert verdict.same == {}
    assert verdict.unread == tuple(f"{run.path} has no {kind} checkpoint" for kind in ("best", "last"))


@pytest.mark.fault("A6")
def test_scores_that_the_run_has_not_kept_are_counted(run: RunDirectory) -> None:
    (run.path / "history.jsonl").write_text("")
    verdict = verify(run, Quiet())
    assert verdict.reproducible and verdict.lost_epochs == 4


@pytest.mark.fault("A6")
def test_what_cannot_be_verified_is_refused(run: RunDirectory, laboratory: Any) -> None:
    for name in ("best", "2", "nothing", "../last"):
        with pytest.raises(UsageError, match=rf"--from {name}: .*choose from start, previous"):
            verify(run, Quiet(), name)
    with pytest.raises(RunError, match="nothing of steps after 20"):
        verify(run, Quiet(), "last")
    with pytest.raises(RunError, match="nothing of steps after 0"):
        verify(RunDirectory.create(laboratory.out, run.config(), "empty"), Quiet())
    run.replace_config(laboratory.config("blobs", {**OWN, "data.seed": 9}))
    with pytest.raises(RunError, match="the data changed"):
        verify(run, Quiet())


@pytest.mark.fault("A6")
def test_without_moments_every_snapshot_is_a_beginning(laboratory: Any) -> None:
    plain = {**OWN, "train.optimizer": {"name": "sgd", "lr": 0.1}}
    run = laboratory.run(laboratory.config("blobs", plain), None, "one")
    verdict = verify(run, Quiet(), "snapshots/epoch-0002")
    assert verdict.reproducible and (verdict.start, verdict.end) == (10, 20)
