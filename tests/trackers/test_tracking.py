"""Trackers beside a run: what they are told and when, and that training neither waits for them nor fails with them."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from clfkit.components import trackers
from clfkit.config import ExperimentConfig
from clfkit.environment import environment
from clfkit.errors import ConfigError, Interrupted, UsageError
from clfkit.experiment import resume_run
from clfkit.history import EpochRecord
from clfkit.progress import Quiet
from clfkit.run import RunDirectory
from clfkit.trackers import ends

PATIENCE = 30.0  # seconds after which a test that hangs fails


class Diary:
    """A tracker that writes down what it is told, and fails or waits where it is asked to."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.fails_at = ""
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def start(self, records: Sequence[EpochRecord]) -> None:
        self._note("start", [record.epoch for record in records])

    def epochs(self, records: Sequence[EpochRecord]) -> None:
        self._note("epochs", [record.epoch for record in records])

    def finish(self) -> None:
        self._note("finish", self.run.status()["status"])

    def _note(self, what: str, value: object) -> None:
        assert self.may_go_on.wait(PATIENCE)
        self.told.append((what, value))
        if what == self.fails_at:
            raise LookupError(f"no {what}\nat https://me:secret@host")

    run: RunDirectory


class Heard(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Diary]:
    """What the tracker called `diary` is told."""
    diary = Diary()
    monkeypatch.setattr(trackers, "_entries", dict(trackers._entries))

    @trackers.register("diary")
    def build(run: RunDirectory) -> Diary:
        """A diary."""
        diary.run = run
        return diary

    monkeypatch.setattr("clfkit.memory.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    yield diary
    diary.may_go_on.set()


def config(laboratory: Any, **changes: Any) -> ExperimentConfig:
    wanted: ExperimentConfig = laboratory.config("blobs", {"track": ["diary"], "engine": "scratch", **changes})
    return wanted


@pytest.mark.parametrize(
    ("every", "epochs"),
    [({"epochs": 1}, [[1], [2], [3], [4]]), ({"epochs": 3}, [[1, 2, 3], [4]]), ({"steps": 7}, [[1], [2], [3, 4]])],
)
def test_epochs_are_told_when_a_checkpoint_holds_them(
    laboratory: Any, diary: Diary, every: dict[str, int], epochs: list[list[int]]
) -> None:
    laboratory.run(config(laboratory, **{"train.checkpoint_every": every}))
    assert diary.told == [("start", []), *(("epochs", each) for each in epochs), ("finish", "finished")]


def test_a_run_that_goes_on_tells_no_epoch_twice(laboratory: Any, diary: Diary) -> None:
    class Stop(Quiet):
        def on_step(self, step: int) -> None:
            if step == 12:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        laboratory.run(config(laboratory), Stop(), "one")
    assert diary.told == [("start", []), ("epochs", [1]), ("epochs", [2]), ("finish", "interrupted")]
    diary.told.clear()
    resume_run(RunDirectory(laboratory.out / "tiny" / "one"), Quiet())
    assert diary.told == [("start", [1, 2]), ("epochs", [3]), ("epochs", [4]), ("finish", "finished")]


@pytest.mark.parametrize("method", ["start", "epochs", "finish"])
def test_what_fails_is_said_once_and_left_alone(laboratory: Any, diary: Diary, method: str) -> None:
    diary.fails_at, heard = method, Heard()
    run = laboratory.run(config(laboratory), heard)
    assert run.status()["status"] == "finished"
    assert len(run.history()) == 4
    assert [what for what, _ in diary.told].count(method) == 1
    assert diary.told[-1][0] == method
    notes = [line for line in heard.said if "diary" in line]
    assert notes == [f"note: the rest of this run is not tracked by diary: no {method}"]


def test_training_does_not_wait(laboratory: Any, diary: Diary) -> None:
    """The tracker moves on only when training is over."""

    class Watch(Heard):
        def on_stop(self) -> None:
            assert diary.told == []
            diary.may_go_on.set()

    diary.may_go_on.clear()
    laboratory.run(config(laboratory), Watch())
    assert [what for what, _ in diary.told] == ["start", *["epochs"] * 4, "finish"]


def test_a_long_wait_at_the_end_is_explained(laboratory: Any, diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watch(Heard):
        def say(self, message: str) -> None:
            super().say(message)
            if message == "waiting for diary":
                diary.may_go_on.set()

    diary.may_go_on.clear()
    monkeypatch.setattr("clfkit.trackers.SECONDS_BEFORE_A_WORD", 0.0)
    laboratory.run(config(laboratory), heard := Watch())
    assert "waiting for diary" in heard.said
    assert diary.told[-1] == ("finish", "finished")


def test_a_run_that_a_signal_stopped_waits_for_no_tracker_that_does_not_answer(
    laboratory: Any, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Heard):
        def on_step(self, step: int) -> None:
            if step == 3:
                signal.raise_signal(signal.SIGTERM)

    diary.may_go_on.clear()
    for name in ("SECONDS_BEFORE_A_WORD", "SECONDS_AFTER_A_SIGNAL"):
        monkeypatch.setattr(f"clfkit.trackers.{name}", 0.0)
    with pytest.raises(Interrupted):
        laboratory.run(config(laboratory), heard := Stop(), "one")
    assert heard.said[-1] == "note: diary does not answer, and is not waited for: it may lack the end of this run"
    assert diary.told == [] and diary.run.status()["status"] == "interrupted"


def test_times_are_counted_back_from_now() -> None:
    records = [
        EpochRecord(epoch=n, step=n, lr=0.1, train_loss=1.0, train_accuracy=0.5, seconds=seconds)  # type: ignore[call-arg]
        for n, seconds in ((1, 5.0), (2, 2.0), (3, 1.0))
    ]
    first, second, third = ends(records)
    assert (second - first, third - second) == pytest.approx((2.0, 1.0), abs=1e-4)
    assert ends([]) == []


@pytest.mark.parametrize(
    ("track", "library"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow"), ("mlflow", "sqlalchemy")]
)
def test_missing_library_is_told_before_data_is_read(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, track: str, library: str
) -> None:
    if track != library:
        pytest.importorskip("mlflow", reason="needs the extra mlflow")
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr("clfkit.experiment.read_data", lambda config: pytest.fail("data was read"))
    with pytest.raises(UsageError) as caught:
        laboratory.run(laboratory.config("blobs", {"track": [track]}), None, "one")
    assert str(caught.value) == (
        f'track: {track} needs the library {library}, which is not installed: pip install "clfkit[{track}]"'
    )
    assert not (laboratory.out / "tiny" / "one").exists()


@pytest.mark.parametrize(
    ("track", "message"),
    [
        (["tensorboard", "mlflow", "tensorboard"], r"track\.2: 'tensorboard' stands here twice"),
        (["tensorbord"], r"track\.0\.name: unknown tracker 'tensorbord'; did you mean 'tensorboard'\?"),
        ("mlflo", r"track\.0\.name: unknown tracker 'mlflo'; did you mean 'mlflow'\?"),
        (3, r"track: must be a list, not 3"),
        ([{"name": "mlflow", "uri": "ftp://host"}], r"track\.0\.uri: must be sqlite:///FILE, http://SERVER or https"),
        ([{"name": "mlflow", "uri": "databricks"}], r"track\.0\.uri: must be sqlite"),
        ([{"name": "mlflow", "uri": "sqlite:///a b.db"}], r"track\.0\.uri: must be sqlite"),
        ([{"name": "mlflow", "experiment": ""}], r"track\.0\.experiment: "),
    ],
)
def test_faults_of_a_config(laboratory: Any, track: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        laboratory.config("blobs", {"track": track})


@pytest.mark.parametrize("uri", ["http://me:secret@host:5000", "https://secret@host", "https://me:a@secret@host/x"])
def test_secrets_are_refused_and_not_repeated(laboratory: Any, uri: str) -> None:
    from clfkit.config import load_config

    for text in (f"track=[{{name: mlflow, uri: '{uri}'}}]", f"track={{name: mlflow, uri: '{uri}'}}", f"track={uri}"):
        with pytest.raises(ConfigError) as caught:
            load_config(laboratory.file(), [text])
        assert "secret" not in str(caught.value)
        assert "…@host" in str(caught.value)
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD"):
        load_config(laboratory.file(), [f"track=[{{name: mlflow, uri: '{uri}'}}]"])


def test_the_command_is_remembered_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["clfkit", "train", "--set", "track.0.url=https://me:secret@host/x"])
    assert environment({})["command"] == ["clfkit", "train", "--set", "track.0.url=https://…@host/x"]


def test_tracking_may_change_when_a_run_goes_on(laboratory: Any, diary: Diary) -> None:
    run = laboratory.run(laboratory.config("blobs", {"engine": "scratch"}), None, "one")
    resume_run(run, Quiet(), config(laboratory, **{"train.epochs": 6}))
    assert diary.told == [("start", [1, 2, 3, 4]), ("epochs", [5]), ("epochs", [6]), ("finish", "finished")]


def test_old_runs_have_no_trackers(laboratory: Any, tmp_path: Path) -> None:
    """A config that was saved before there were any."""
    run = RunDirectory.create(laboratory.out, laboratory.config(), "one")
    path = run.path / "config.yaml"
    path.write_text(path.read_text().replace("track: []\n", ""))
    assert "track" not in path.read_text()
    assert run.config() == laboratory.config()
