"""The run directory: names, locks, status, and what is found where."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from clfkit.classifier import find_source, load
from clfkit.errors import CheckpointError, Interrupted, RunError, UsageError
from clfkit.experiment import run_experiment
from clfkit.history import EpochRecord
from clfkit.progress import Quiet
from clfkit.resuming import stage
from clfkit.run import RunDirectory, all_runs, latest_run, run_called
from clfkit.watching import WatchedRun
from clfkit.world import World


@pytest.fixture
def run(laboratory: Any) -> RunDirectory:
    """A run that was just made."""
    return RunDirectory.create(laboratory.out, laboratory.config(), "one")


def test_created_run_knows_its_config(laboratory: Any, run: RunDirectory) -> None:
    assert run.path == laboratory.out / "tiny" / "one"
    assert run.id == "one"
    assert run.config() == laboratory.config()
    assert RunDirectory.open(run.path) == run


@pytest.mark.parametrize(
    "run_id", ["a/b", "../x", "..", ".", "", ".hidden", "-x", "a b", "x" * 101, "ä", "a\0", "C:\\x"]
)
def test_run_id_that_is_no_plain_name_is_refused(laboratory: Any, run_id: str) -> None:
    with pytest.raises(UsageError, match="--run-id"):
        RunDirectory.create(laboratory.out, laboratory.config(), run_id)
    assert not laboratory.out.exists()


def test_existing_run_id_is_refused_and_left_alone(laboratory: Any, run: RunDirectory) -> None:
    (run.path / "note.txt").write_text("mine")
    with pytest.raises(RunError, match=r"one exists already.*--resume"):
        RunDirectory.create(laboratory.out, laboratory.config(), "one")
    assert (run.path / "note.txt").read_text() == "mine"


def test_runs_of_the_same_second_get_names_of_their_own(laboratory: Any) -> None:
    runs = [RunDirectory.create(laboratory.out, laboratory.config(), None) for _ in range(4)]
    assert len({run.id for run in runs}) == 4


def test_output_folder_that_cannot_be_made(laboratory: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot make a run folder"):
        RunDirectory.create(tmp_path / "file", laboratory.config(), None)


def test_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"not a run directory.*config\.yaml"):
        RunDirectory.open(tmp_path)


# Lock and status


def test_lock_is_held_by_one(run: RunDirectory) -> None:
    with run.lock():
        run.set_status("running")
        with pytest.raises(RunError, match=f"in use by process {os.getpid()}"):
            run.lock()
        assert run.status()["status"] == "running"
    with run.lock():
        pass


def test_run_whose_process_is_gone_is_crashed(run: RunDirectory) -> None:
    """A process that dies lets go of its lock, whatever it had written."""
    code = (
        "import os, pathlib, sys; from clfkit.run import RunDirectory; run = RunDirectory(pathlib.Path(sys.argv[1]))\n"
        "lock = run.lock(); run.set_status('running', epochs=3); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(run.path)], check=False, timeout=60)
    assert (run.path / "status.json").is_file()
    status = run.status()
    assert (status["status"], status["epochs"]) == ("crashed", 3)


def test_a_status_that_does_not_say_it_is_crashed(run: RunDirectory) -> None:
    (run.path / "status.json").write_text('{"started": "2026-11-01T12:00:00+00:00"}')
    assert run.status() == {"status": "crashed", "started": "2026-11-01T12:00:00+00:00"}


def test_run_on_another_machine_is_taken_at_its_word(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "elsewhere")
        run.set_status("running")
    assert run.status()["status"] == "running"


def test_status_keeps_what_is_not_given_anew(run: RunDirectory) -> None:
    run.set_status("running", epochs=3)
    started = run.status()["started"]
    run.set_status("finished", best=1)
    status = run.status()
    assert (status["status"], status["epochs"], status["best"], status["started"]) == ("finished", 3, 1, started)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_damaged_status_is_a_crash(run: RunDirectory, text: str) -> None:
    (run.path / "status.json").write_text(text)
    assert run.status()["status"] == "crashed"
    run.set_status("finished")
    assert run.status()["status"] == "finished"


def test_failed_run_says_why(laboratory: Any) -> None:
    config = laboratory.config("blobs", {"train.optimizer": {"name": "sgd", "lr": 1e30}})
    run = RunDirectory.create(laboratory.out, config, None)
    from clfkit.errors import TrainingError

    with pytest.raises(TrainingError):
        run_experiment(run, config, Quiet())
    assert run.status()["status"] == "failed"
    assert "loss became" in run.status()["reason"]


def test_run_that_fails_before_its_first_step_leaves_nothing(laboratory: Any) -> None:
    from clfkit.errors import DataError

    config = laboratory.config("blobs", {"train.loss.class_weights": {"nobody": 2.0}})
    run = RunDirectory.create(laboratory.out, config, None)
    with pytest.raises(DataError, match="nobody"):
        run_experiment(run, config, Quiet())
    assert not run.path.exists()


# History


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch=epoch, step=epoch, lr=0.1, train_loss=0.3, train_accuracy=0.5, seconds=0.0)


def test_history_grows_and_is_replaced(run: RunDirectory) -> None:
    assert run.history() == ()
    run.append_history([record(1)])
    run.append_history([record(2)])
    assert run.history() == (record(1), record(2))
    run.write_history((record(1),))
    run.append_history([record(2)])
    assert run.history() == (record(1), record(2))


def test_damaged_history_is_an_expected_error(run: RunDirectory) -> None:
    run.append_history([record(1)])
    with (run.path / "history.jsonl").open("a") as file:
        file.write('{"epoch": 2, "st')
    with pytest.raises(RunError, match=r"history\.jsonl cannot be read"):
        run.history()


def test_step_losses_are_cut_where_a_resumed_epoch_begins(run: RunDirectory) -> None:
    assert len(run.step_losses()) == 0
    run.append_step_losses(np.arange(4.0), 0)
    run.append_step_losses(np.arange(4.0, 8.0), 4)
    run.append_step_losses(np.array([50.0, 60.0]), 5)
    assert run.step_losses().tolist() == [0, 1, 2, 3, 4, 50, 60]


# Where things are


def test_results_are_kept_by_split(run: RunDirectory) -> None:
    assert run.evaluation("test") is None
    with pytest.raises(RunError, match=r"no evaluation of test; run: clfkit eval"):
        run.metrics()
    run.save_evaluation("test", {"metrics": {"accuracy": 0.5, "loss": float("nan")}})
    assert run.metrics() == {"accuracy": 0.5, "loss": None}
    path = run.save_predictions("test", ids=np.array(["a", "b"]), labels=np.arange(2))
    with np.load(path, allow_pickle=False) as stored:
        assert stored["ids"].tolist() == ["a", "b"]


def test_predictions_of_objects_are_never_pickled(run: RunDirectory) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        run.save_predictions("test", ids=np.array([object()]))


@pytest.fixture
def two(laboratory: Any, finished_run: RunDirectory) -> list[RunDirectory]:
    """Two finished runs of one experiment; by name the older would be the last."""
    runs = []
    for name, started in (("z", "2030-01-01T00:00:00+00:00"), ("a", "2031-01-01T00:00:00+00:00")):
        path = laboratory.out / "tiny" / name
        shutil.copytree(finished_run.path, path)
        run = RunDirectory(path)
        run.set_status("finished", started=started)
        runs.append(run)
    return runs


def test_latest_is_the_one_started_last(laboratory: Any, two: list[RunDirectory]) -> None:
    assert all_runs(laboratory.out) == all_runs(laboratory.out, "tiny") == two
    assert latest_run(laboratory.out) == two[1]
    assert all_runs(laboratory.out, "other") == []
    with pytest.raises(RunError, match=r"no runs under .*other"):
        latest_run(laboratory.out, "other")


def test_an_id_alone_is_a_run_where_one_has_it(laboratory: Any, two: list[RunDirectory], tmp_path: Path) -> None:
    assert run_called("z", laboratory.out) == two[0]
    assert run_called("latest", laboratory.out) == two[1]
    for other in ("nobody", "tiny", "tiny/z", "*", "..", str(two[0].path)):
        assert run_called(other, laboratory.out) is None
    assert load("z", laboratory.out).run == two[0]
    shutil.copytree(two[0].path, laboratory.out / "rival" / "z")
    both = f"{laboratory.out}/rival/z, {laboratory.out}/tiny/z"
    with pytest.raises(UsageError, match=f"^z is the id of 2 runs: give one of {both}$"):
        run_called("z", laboratory.out)


def test_stage_says_what_a_trained_run_lacks(two: list[RunDirectory]) -> None:
    run = two[0]
    assert stage(run) == "finished"
    run.set_status("interrupted", trained=None)
    assert stage(run) == "interrupted"
    run.set_status("interrupted", trained=True)
    assert stage(run) == "trained"
    shutil.rmtree(run.path / "evaluation")
    assert stage(run) == "evaluation interrupted"


def test_sources_of_a_checkpoint(laboratory: Any, two: list[RunDirectory], tmp_path: Path) -> None:
    best = two[1].path / "checkpoints" / "best"
    assert find_source("latest", laboratory.out) == (two[1], best)
    assert find_source(str(two[1].path), tmp_path) == (two[1], best)
    last = two[0].path / "checkpoints" / "last"
    assert find_source(str(last), tmp_path) == (two[0], last)
    moved = shutil.copytree(last, tmp_path / "alone")
    assert find_source(str(moved), tmp_path) == (None, moved)
    shutil.rmtree(best)
    assert find_source("latest", laboratory.out) == (two[1], two[1].path / "checkpoints" / "last")


def test_sources_that_are_none(laboratory: Any, run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        find_source(str(tmp_path / "nowhere"), tmp_path)
    with pytest.raises(CheckpointError, match="neither a run directory nor a checkpoint"):
        find_source(str(tmp_path), tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        find_source(str(run.path), tmp_path)
    with pytest.raises(RunError, match="no runs under"):
        find_source("latest", tmp_path / "empty")


def test_interrupted_is_an_expected_error_with_the_code_of_its_signal() -> None:
    assert Interrupted("x", 15).exit_code == 143


@pytest.mark.parametrize("name", ["/etc", "*", "..", "", "a/b", "[x]", "tiny/../tiny", "a\0b"])
def test_name_of_an_experiment_is_no_path(laboratory: Any, run: RunDirectory, name: str) -> None:
    with pytest.raises(UsageError, match="not the name of an experiment"):
        all_runs(laboratory.out, name)


# Predictions


def test_predictions_are_those_that_were_saved(run: RunDirectory) -> None:
    assert run.predictions("test") is None
    ids, labels = np.array(["b.png", "a.png", "ü.png"]), np.array([0, 1, 2])
    probabilities = np.array([[0.5, 0.25, 0.25], [0.0, 0.25, 0.75], [0.25, 0.0, 0.75]], np.float16)
    run.save_predictions("test", ids=ids, labels=labels, probabilities=probabilities)
    found = run.predictions("test")
    assert found is not None
    assert {name: found[name].tolist() for name in ("ids", "labels", "predicted")} == {
        "ids": ids.tolist(), "labels": [0, 1, 2], "predicted": [0, 2, 2]
    }  # fmt: skip
    assert found["probabilities"].tolist() == probabilities.tolist()
    of_many = {"top_classes": np.array([[4, 1], [7, 0], [2, 4]]), "top_probabilities": probabilities[:, :2]}
    run.save_predictions("valid", ids=ids, labels=labels, **of_many)
    found = run.predictions("valid")
    assert found is not None and found["predicted"].tolist() == [4, 7, 2]


def test_predicted_class_is_that_of_full_precision(finished_run: RunDirectory) -> None:
    """Two probabilities that are the same in float16 may not have been."""
    found = finished_run.predictions("test")
    assert found is not None
    right = (found["predicted"] == found["labels"]).mean()
    assert right == finished_run.metrics("test")["accuracy"]
    with np.load(finished_run.path / "predictions/test.npz") as saved:
        assert saved["predicted"].dtype == np.int32


@pytest.mark.parametrize("content", [b"", b"PK nonsense", b"\x93NUMPY"])
def test_damaged_predictions_are_named(run: RunDirectory, content: bytes) -> None:
    (run.path / "predictions").mkdir()
    (run.path / "predictions/test.npz").write_bytes(content)
    with pytest.raises(RunError, match=r"predictions/test\.npz"):
        run.predictions("test")


@pytest.mark.parametrize("missing", ["ids", "labels", "predicted"])
def test_predictions_without_one_of_their_arrays_are_refused(run: RunDirectory, missing: str) -> None:
    arrays = {name: np.arange(3) for name in ("ids", "labels", "predicted") if name != missing}
    run.save_predictions("test", **arrays)
    with pytest.raises(RunError, match="does not hold ids, labels and predictions"):
        run.predictions("test")
    run.save_predictions("test", **arrays, **{missing: np.arange(2)})
    with pytest.raises(RunError, match="of the same samples"):
        run.predictions("test")


# A disk that is full, or somebody else's


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_predictions_are_there_in_full_or_not_at_all(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run.save_predictions("test", labels=np.arange(2))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunError, match=r"cannot write .*test\.npz: the disk is full"):
            run.save_predictions("test", labels=np.arange(3))
    with np.load(path) as stored:
        assert len(stored["labels"]) == 2
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), NotImplementedError("no flock here")])
def test_run_that_cannot_be_locked(run: RunDirectory, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    run.set_status("running")

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(RunError, match=r"cannot lock .*one: (Permission denied|no flock here)"):
        run.lock()
    assert run.status()["status"] == "running"


def test_lock_outlasts_a_glance_at_the_status(run: RunDirectory) -> None:
    """Asking for a run's status takes its lock for an instant."""
    glance = FileLock(run.path / ".lock", thread_local=False)
    glance.acquire()
    timer = threading.Timer(0.2, glance.release, kwargs={"force": True})
    timer.start()
    try:
        with run.lock() as lock:
            assert lock.is_locked
    finally:
        timer.join()


def test_full_disk_is_an_expected_error_for_every_file_of_a_run(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.save_evaluation("test", {})
    for method in ("open", "mkdir", "unlink"):
        monkeypatch.setattr(Path, method, full)
    for change in (
        lambda: run.append_history([record(1)]),
        lambda: run.append_step_losses(np.zeros(1), 0),
        lambda: run.plot_path("curves", "png"),
        run.discard_results,
    ):
        with pytest.raises(RunError, match=r"cannot (write|make|remove) .*: the disk is full"):
            change()


class Second(World):
    """A world that does the work of all, under the number of the second."""

    rank = 1

    def share(self, samples: int, pieces: int = 1) -> list[slice]:
        """All of it."""
        return World().share(samples, pieces)


def test_a_watched_run_is_written_by_nobody(laboratory: Any, run: RunDirectory) -> None:
    """A whole training, snapshots too: what another process of the same run does."""
    config = laboratory.config("blobs", {"train.epochs": 2, "train.snapshots": {"every": 1}, "track": ["tensorboard"]})
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    world = Second()
    run_experiment(WatchedRun(run.path), config, Quiet(), world=world)
    with pytest.raises(UsageError, match="'scratch' trains in one process"):  # and not removed either
        world.size = 2
        run_experiment(WatchedRun(run.path), laboratory.config("blobs", {"engine": "scratch"}), Quiet(), world=world)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
