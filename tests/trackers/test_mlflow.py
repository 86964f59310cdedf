"""Runs in a real MLflow store, read through MLflow's own client."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clfkit.components import models
from clfkit.config import ExperimentConfig
from clfkit.errors import Interrupted, UsageError
from clfkit.experiment import resume_run
from clfkit.progress import Quiet
from clfkit.registry import Component
from clfkit.run import RunDirectory

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
pytest.importorskip("sqlalchemy", reason="needs the extra mlflow")
pytest.importorskip("alembic", reason="needs the extra mlflow")

from clfkit.trackers.mlflow import LONGEST_VALUE, parameters  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MLflow's use of its own libraries
]


@pytest.fixture(scope="session")
def first_run(laboratories: Any, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of an experiment called `first`, for which the store was made: its tables take longer than all tests."""
    laboratory = laboratories(tmp_path_factory.mktemp("first"))
    run: RunDirectory = laboratory.run(config(laboratory, experiment="first"), None, "first")
    return run


@pytest.fixture
def store(laboratory: Any, first_run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the store where runs of the laboratory go by default; a server that is gone is soon found out."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    laboratory.out.mkdir()
    file = shutil.copy(store_of(first_run), laboratory.out / "mlflow.db")
    return mlflow.MlflowClient(f"sqlite:///{file}")


def store_of(run: RunDirectory) -> Path:
    """Where runs go that name no store."""
    return run.path.parents[1] / "mlflow.db"


def config(laboratory: Any, changes: Mapping[str, Any] | None = None, **options: Any) -> ExperimentConfig:
    track = {"track": [{"name": "mlflow", **options}], "engine": "scratch", "train.best": "valid.macro_f1"}
    wanted: ExperimentConfig = laboratory.config("blobs", {**track, **(changes or {})})
    return wanted


def stored(store: Any, experiment: str = "tiny") -> Any:
    """The only run that is there."""
    (found,) = store.search_runs([store.get_experiment_by_name(experiment).experiment_id])
    return found


def points(store: Any, run: Any) -> dict[str, list[tuple[int, float]]]:
    """Every metric's points, in the order of steps."""
    return {
        name: sorted((metric.step, metric.value) for metric in store.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }


def expected(run: RunDirectory) -> dict[str, list[tuple[int, float]]]:
    """What they should be, by the run's own files."""
    found: dict[str, list[tuple[int, float]]] = {}
    for record in run.history():
        for name, value in record.cells().items():
            if name not in ("epoch", "step") and value is not None:
                found.setdefault(name, []).append((record.epoch, value))
    for name, value in (run.metrics("test") if run.evaluation("test") else {}).items():
        if value is not None:
            found[f"test.{name}"] = [(len(run.history()), value)]
    return found


def without_times(found: dict[str, list[tuple[int, float]]]) -> dict[str, list[tuple[int, float]]]:
    return {name: each for name, each in found.items() if name != "seconds"}


def artifacts(store: Any, run: Any, folder: str | None = None) -> set[str]:
    """Paths of all files that are kept with a run."""
    found = store.list_artifacts(run.info.run_id, folder)
    files = {each.path for each in found if not each.is_dir}
    return files.union(*(artifacts(store, run, each.path) for each in found if each.is_dir))


class StopAt(Quiet):
    """Stops training after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int) -> None:
        if step == self.step:
            signal.raise_signal(signal.SIGINT)


class Heard(Quiet):
    """Keeps what is said of trackers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        if "mlflow" in message:
            self.said.append(message)


def test_parameters_metrics_files_and_tags(laboratory: Any, store: Any) -> None:
    run = laboratory.run(config(laboratory, {"plots": ["curves"]}), None, "one")
    found = stored(store)
    assert points(store, found) == expected(run)
    assert {"train.loss", "valid.macro_f1", "lr", "test.accuracy"} <= found.data.metrics.keys()
    wanted = {"model": "mlp", "model.hidden": "[8]", "train.optimizer": "adam", "train.optimizer.lr": "0.05"}
    assert wanted.items() <= found.data.params.items()
    assert "track" not in "".join(found.data.params)
    assert found.info.status == "FINISHED" and found.info.run_name == "one"
    assert found.data.tags["clfkit.version"] and found.data.tags["clfkit.run"] == str(run.path)
    kept = {"config.yaml", "metrics.csv", "plots/curves.png", "evaluation/test.json", "evaluation/valid.json"}
    kept.add("report.html")
    assert artifacts(store, found) == kept
    assert (laboratory.out / "mlruns" / found.info.run_id / "artifacts" / "config.yaml").read_bytes() == (
        run.path / "config.yaml"
    ).read_bytes()


def test_another_store_another_experiment_and_the_checkpoint(
    laboratory: Any, store: Any, tmp_path: Path, first_run: RunDirectory
) -> None:
    file = tmp_path / "elsewhere" / "mine.db"
    file.parent.mkdir()
    shutil.copy(store_of(first_run), file)
    run = laboratory.run(config(laboratory, uri=f"sqlite:///{file}", experiment="Ours: 2", checkpoint=True))
    elsewhere = mlflow.MlflowClient(f"sqlite:///{file}")
    found = stored(elsewhere, "Ours: 2")
    assert points(elsewhere, found) == expected(run)
    assert "checkpoints/best/model.safetensors" in artifacts(elsewhere, found)
    assert (file.parent / "mlruns").is_dir()
    assert store.get_experiment_by_name("tiny") is None


def test_a_store_that_is_not_there_yet_is_made(first_run: RunDirectory) -> None:
    store = mlflow.MlflowClient(f"sqlite:///{store_of(first_run)}")
    assert points(store, stored(store, "first")) == expected(first_run)


def test_a_run_that_goes_on_is_one_run_there(laboratory: Any, store: Any) -> None:
    whole = laboratory.run(config(laboratory, experiment="whole"), None, "whole")
    with pytest.raises(Interrupted):
        laboratory.run(config(laboratory), StopAt(12), "stopped")
    stopped = stored(store)
    assert stopped.info.status == "KILLED"
    assert [step for step, _ in points(store, stopped)["train.loss"]] == [1, 2]
    run = RunDirectory(laboratory.out / "tiny" / "stopped")
    resume_run(run, Quiet())
    found = stored(store)
    assert found.info.run_id == stopped.info.run_id and found.info.status == "FINISHED"
    assert points(store, found) == expected(run)
    assert without_times(points(store, found)) == without_times(points(store, stored(store, "whole")))
    assert len(whole.history()) == 4


def test_an_extended_run_notes_what_changed(laboratory: Any, store: Any) -> None:
    run = laboratory.run(config(laboratory))
    resume_run(run, Quiet(), config(laboratory, {"train.epochs": 6}))
    found = stored(store)
    assert [step for step, _ in points(store, found)["train.loss"]] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in points(store, found)["test.accuracy"]] == [4, 6]
    assert found.data.params["train.epochs"] == "4"
    assert {key: tag for key, tag in found.data.tags.items() if key.startswith("resumed.")} == {
        "resumed.train.epochs": "6"
    }


def test_an_epoch_that_was_cut_short_begins_the_run_anew(laboratory: Any, store: Any) -> None:
    """A store cannot take a point back, so the run is deleted there and written again."""
    run = laboratory.run(config(laboratory, {"train.max_steps": 12}))
    before = stored(store)
    resume_run(run, Quiet(), config(laboratory, {"train.max_steps": 18}))
    found = stored(store)
    assert found.info.run_id != before.info.run_id
    assert store.get_run(before.info.run_id).info.lifecycle_stage == "deleted"
    assert points(store, found) == expected(run)


def test_a_run_that_was_deleted_there_is_made_again(laboratory: Any, store: Any) -> None:
    run = laboratory.run(config(laboratory))
    store.delete_run(stored(store).info.run_id)
    resume_run(run, Quiet(), config(laboratory, {"train.epochs": 5}))
    assert points(store, stored(store)) == expected(run)


KILLED = """
import os, sys, time
from pathlib import Path
import clfkit.memory
from clfkit.config import load_config
from clfkit.experiment import run_experiment
from clfkit.progress import Quiet
from clfkit.run import RunDirectory
from clfkit.trackers.mlflow import StoredRun

clfkit.memory.SECONDS_BETWEEN_CHECKPOINTS = clfkit.memory.SECONDS_BETWEEN_WRITES = 0.0
told, epochs = [], StoredRun.epochs

def noted(self, records):
    epochs(self, records)
    told.extend(records)

class Killed(Quiet):
    def on_step(self, step):
        if step == 18:  # in the fourth epoch; the third is recorded, and no checkpoint holds it
            while len(told) < 2:
                time.sleep(0.01)
            os._exit(9)

StoredRun.epochs = noted
config = load_config(sys.argv[1])
run_experiment(RunDirectory.create(Path(sys.argv[2]), config, "killed"), config, Killed())
"""


def test_a_kill_leaves_nothing_behind_that_is_not_trained_again(laboratory: Any, store: Any) -> None:
    file = laboratory.file()
    text = file.read_text().replace("engine: torch", "engine: scratch\ntrack: [mlflow]")
    file.write_text(text.replace("{epochs: 4,", "{epochs: 4, checkpoint_every: {epochs: 2},"))
    done = subprocess.run([sys.executable, "-c", KILLED, file, laboratory.out], timeout=120, check=False)
    assert done.returncode == 9
    run = RunDirectory(laboratory.out / "tiny" / "killed")
    assert len(run.history()) == 3
    assert [step for step, _ in points(store, stored(store))["train.loss"]] == [1, 2]
    resume_run(run, Quiet())
    assert points(store, stored(store)) == expected(run)


def test_a_server_that_is_not_there_ends_no_training(laboratory: Any, store: Any) -> None:
    heard = Heard()
    run = laboratory.run(config(laboratory, uri="http://127.0.0.1:9"), heard)
    assert run.status()["status"] == "finished" and len(run.history()) == 4
    notes = [line for line in heard.said if line != "waiting for mlflow"]
    assert len(notes) == 1
    assert notes[0].startswith("note: the rest of this run is not tracked by mlflow: ") and "127.0.0.1" in notes[0]


def changed(file: Path, statement: str) -> None:
    """Change a store as another program may."""
    with contextlib.closing(sqlite3.connect(file)) as store, store:
        store.execute(statement)


def test_a_store_that_fails_ends_no_training_and_is_caught_up_with(laboratory: Any, store: Any) -> None:
    file = laboratory.out / "mlflow.db"
    run_id = "one"

    class Spoils(Heard):
        def on_epoch_end(self, record: Any, best: bool) -> None:
            if record.epoch == 1:
                changed(file, "ALTER TABLE metrics RENAME TO elsewhere")

    run = laboratory.run(config(laboratory), heard := Spoils(), run_id)
    assert run.status()["status"] == "finished"
    assert [line.startswith("note: the rest of this run is not tracked by mlflow") for line in heard.said] == [True]
    assert len((run.path / "metrics.csv").read_text().splitlines()) == 5
    changed(file, "ALTER TABLE elsewhere RENAME TO metrics")
    resume_run(run, Quiet(), config(laboratory, {"train.epochs": 5}))
    assert points(store, stored(store)) == expected(run)


def test_a_file_that_is_no_store_is_left_alone(laboratory: Any) -> None:
    laboratory.out.mkdir()
    file = laboratory.out / "mlflow.db"
    file.write_text("Dear diary, …")
    laboratory.run(config(laboratory), heard := Heard())
    assert heard.said == [f"note: the rest of this run is not tracked by mlflow: {file} is not a SQLite database"]
    assert file.read_text() == "Dear diary, …"


def test_a_path_that_the_store_cannot_have_is_refused_before_training(laboratory: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mlflow takes no %, \? or # in the path"):
        laboratory.run(config(laboratory, uri=f"sqlite:///{tmp_path}/100%.db"))


def test_training_gives_the_same_bits(laboratory: Any, store: Any) -> None:
    plain = laboratory.run(config(laboratory, {"track": [], "engine": "torch"}), None, "plain")
    tracked = laboratory.run(
        config(laboratory, {"track": ["mlflow", "tensorboard"], "engine": "torch"}), None, "tracked"
    )
    for kind in ("last", "best"):
        one, other = (run.path / "checkpoints" / kind / "model.safetensors" for run in (plain, tracked))
        assert one.read_bytes() == other.read_bytes()
    assert [record.model_copy(update={"seconds": 0.0}) for record in plain.history()] == [
        record.model_copy(update={"seconds": 0.0}) for record in tracked.history()
    ]
    assert plain.step_losses().tobytes() == tracked.step_losses().tobytes()


def test_long_and_nested_options_become_short_text(laboratory: Any) -> None:
    changes = {"train.loss": {"name": "cross_entropy", "class_weights": {"0": 2.0}}, "train.clip_norm": 1.5}
    found = parameters(config(laboratory, changes))
    assert found["train.loss"] == "cross_entropy" and found["train.loss.class_weights"] == '{"0": 2.0}'
    assert found["train.clip_norm"] == "1.5" and found["train.max_steps"] == "null"
    assert found["name"] == "tiny" and found["data.split.valid"] == "0.1"
    long = models.parse({"name": "mlp", "hidden": tuple(range(1, 400))})
    assert isinstance(long, Component)
    text = parameters(long, "model")["model.hidden"]
    assert len(text) == LONGEST_VALUE and text.startswith("[1, 2, 3") and text.endswith("…")
