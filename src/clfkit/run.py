"""A run directory: the only module that knows which file of a run holds what."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from clfkit.checkpoint import Checkpoint, find_checkpoint, read_checkpoint, write_checkpoint
from clfkit.checkpoint_folders import Generations, SnapshotFolder
from clfkit.config import ExperimentConfig, check_document
from clfkit.document import as_yaml, read_document
from clfkit.errors import CheckpointError, RunError, UsageError
from clfkit.history import EpochRecord, HistoryFiles
from clfkit.left_out_files import LIST as BAD_SAMPLES
from clfkit.locking import is_free, locked, this_process
from clfkit.result_files import ResultFiles
from clfkit.storage import changing, made, remove_left_over, write_atomically, write_json
from clfkit.tracker_files import TrackerFiles

OUTPUTS = Path("outputs")
REPORT = "report.html"
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Kind = Literal["best", "last", "initial"]
Status = Literal["running", "finished", "interrupted", "failed", "crashed"]


@dataclass(frozen=True)
class RunDirectory:
    """One run's folder: config, environment, history, checkpoints, evaluation, predictions, plots, status."""

    path: Path

    @property
    def id(self) -> str:
        """The run id, which is the folder's name."""
        return self.path.name

    @classmethod
    def create(cls, root: Path, config: ExperimentConfig, run_id: str | None) -> RunDirectory:
        """Make `root/<name>/<run-id>` and write the resolved config. Raises RunError if it exists or cannot be."""
        if run_id is not None and not RUN_ID.fullmatch(run_id):
            raise UsageError(f"--run-id {run_id!r}: use letters, digits, dot, dash and underscore only")
        parent = root / config.name
        try:
            parent.mkdir(parents=True, exist_ok=True)
            for candidate in _candidates(run_id):
                try:
                    (parent / candidate).mkdir()
                    break
                except FileExistsError:
                    if run_id is not None:
                        raise RunError(
                            f"{parent / candidate} exists already; choose another --run-id, or continue it with "
                            f"--resume {parent / candidate}"
                        ) from None
        except OSError as error:
            raise RunError(f"cannot make a run folder in {parent}: {error.strerror or error}") from None
        run = cls(parent / candidate)
        run.replace_config(config)
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run. Raises RunError if the folder is not one."""
        if not (path / "config.yaml").is_file():
            raise RunError(f"{path} is not a run directory (no config.yaml); `clfkit runs` lists those that are")
        return cls(path)

    def config(self) -> ExperimentConfig:
        """The resolved config that the run was started with."""
        return check_document(read_document(self.path / "config.yaml"))

    def replace_config(self, config: ExperimentConfig) -> None:
        """Write the config, as when a run is continued with other options."""
        write_atomically(self.path / "config.yaml", as_yaml(config.plain()).encode())

    def lock(self) -> AbstractContextManager[object]:
        """The lock that a process writing into this run holds. Raises RunError when another holds it."""
        return locked(self.path)

    # Status and environment

    def set_status(self, status: Status, **more: Any) -> None:
        """Update status.json, keeping what is not given anew, without what is given as None."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        before = self._json("status.json") or {"started": now}
        changed = {**before, **this_process(), "status": status, "updated": now, **more}
        write_json(self.path / "status.json", {key: value for key, value in changed.items() if value is not None})

    def status(self) -> dict[str, Any]:
        """status.json; a run whose process has gone without a word is `crashed`."""
        status = {"status": "crashed", **(self._json("status.json") or {})}
        here = status.get("host") == socket.gethostname()
        if status.get("status") == "running" and here and is_free(self.path):
            status["status"] = "crashed"
        return status

    def write_environment(self, environment: dict[str, Any]) -> None:
        """environment.json: versions, machine, and what was decided automatically."""
        write_json(self.path / "environment.json", environment)

    def environment(self) -> dict[str, Any] | None:
        """What `write_environment` wrote, or None."""
        return self._json("environment.json")

    # History

    @property
    def _history(self) -> HistoryFiles:
        return HistoryFiles(lines=self.path / "history.jsonl", table=self.path / "metrics.csv")

    def write_history(self, records: tuple[EpochRecord, ...]) -> None:
        """Replace history.jsonl and metrics.csv, as a resumed run does."""
        self._history.replace(records)

    def append_history(self, records: Sequence[EpochRecord]) -> None:
        """Add lines to history.jsonl and rows to metrics.csv."""
        self._history.append(records)

    def history(self) -> tuple[EpochRecord, ...]:
        """The records of all finished epochs. Raises RunError for a damaged file."""
        return self._history.read()

    def append_step_losses(self, losses: np.ndarray[Any, Any], first_step: int) -> None:
        """Put the loss of every step from `first_step` on into steps.f32, after cutting what lay beyond.

        Losses before it that the file has lost become NaN.
        """
        path = self.path / "steps.f32"
        with changing(path, size=4 * len(losses)), path.open("r+b" if path.exists() else "w+b") as file:
            lost = max(0, first_step - file.seek(0, os.SEEK_END) // 4)
            file.truncate((first_step - lost) * 4)
            file.seek(0, os.SEEK_END)
            file.write(np.concatenate([np.full(lost, np.nan), losses]).astype("<f4").tobytes())

    def step_losses(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The loss of every optimizer step, shape (steps,)."""
        path = self.path / "steps.f32"
        return np.fromfile(path, "<f4") if path.is_file() else np.empty(0, np.float32)

    # Checkpoints

    def save_checkpoint(self, kind: Kind, checkpoint: Checkpoint) -> None:
        """Write checkpoints/<kind>; that of `last` which it replaces is kept as checkpoints/previous."""
        if kind == "last":
            Generations(self.path / "checkpoints").write(checkpoint)
        else:
            write_checkpoint(self.path / "checkpoints" / kind, checkpoint)

    def checkpoint_path(self, kind: Kind) -> Path | None:
        """Where checkpoints/<kind> is, after a crash too; None when there is none."""
        if kind == "last":
            return next(iter(self.resumable()), None)
        return find_checkpoint(self.path / "checkpoints" / kind)

    def checkpoint(self, kind: Kind) -> Checkpoint:
        """Read checkpoints/<kind>. Raises CheckpointError."""
        path = self.checkpoint_path(kind)
        if path is None:
            raise CheckpointError(f"{self.path} has no {kind} checkpoint")
        return read_checkpoint(path)

    def resumable(self) -> list[Path]:
        """Where checkpoints that training can go on from may be, whole or damaged: the last one, then older ones."""
        return Generations(self.path / "checkpoints").places()

    def go_back_to(self, place: Path | None) -> None:
        """Make one of `resumable`, if any, the last checkpoint. Remove what killed processes left. Raises RunError."""
        if place is not None:
            Generations(self.path / "checkpoints").go_back_to(place)
        remove_left_over(self.path)

    @property
    def snapshots(self) -> SnapshotFolder:
        """Where the models of single epochs are: checkpoints/snapshots/epoch-0012 and so on."""
        return SnapshotFolder(self.path / "checkpoints" / "snapshots")

    # Results

    @property
    def _results(self) -> ResultFiles:
        return ResultFiles(self.path)

    def discard_results(self) -> None:
        """Forget what was found of weights that are not the run's best any more. Raises RunError.

        Evaluations and predictions go, and what the status says of them.
        """
        self._results.discard()
        status = self._json("status.json") or {}
        told = [key for key in status if key == "best_epoch" or key.endswith(".accuracy")]
        if told:
            self.set_status(status["status"], **dict.fromkeys(told))

    def save_evaluation(self, split: str, evaluation: dict[str, Any]) -> None:
        """evaluation/<split>.json."""
        write_json(made(self.path / "evaluation") / f"{split}.json", evaluation)

    def evaluation(self, split: str) -> dict[str, Any] | None:
        """What `save_evaluation` wrote, or None."""
        return self._json(f"evaluation/{split}.json")

    def metrics(self, split: str = "test") -> dict[str, float]:
        """The metrics of an evaluated split. Raises RunError when it was not evaluated."""
        evaluation = self.evaluation(split)
        if evaluation is None:
            raise RunError(
                f"{self.path} has no evaluation of {split}; run: clfkit eval --checkpoint {self.path} --split {split}"
            )
        return dict(evaluation["metrics"])

    def save_predictions(self, split: str, **arrays: np.ndarray[Any, Any]) -> Path:
        """predictions/<split>.npz. Raises RunError when the disk does not take it."""
        return self._results.save_predictions(split, arrays)

    def predictions(self, split: str) -> dict[str, npt.NDArray[Any]] | None:
        """What was predicted for each sample of an evaluated split; None without.

        ids: (N,). labels: (N,) class indices. predicted: (N,) the most probable class of each, as an index.
        And what `stored_probabilities` of clfkit.evaluation has kept. Raises RunError for a damaged file.
        """
        return self._results.predictions(split)

    def export_path(self, name: str) -> Path:
        """export/<name>."""
        return made(self.path / "export") / name

    def plot_path(self, name: str, suffix: str) -> Path:
        """plots/<name>.<suffix>."""
        return made(self.path / "plots") / f"{name}.{suffix}"

    def plots(self) -> list[str]:
        """Names of the figures that have been drawn."""
        return sorted({path.stem for path in (self.path / "plots").glob("*.*")})

    @property
    def trackers(self) -> TrackerFiles:
        """What trackers take and keep here."""
        return TrackerFiles(self.path)

    def written(self) -> dict[str, Path]:
        """What of a run a user looks for first, and where it is, as far as it exists."""
        places = {"run": ".", "weights": "checkpoints/best/model.safetensors", "history": "history.jsonl"}
        places |= {"bad samples": BAD_SAMPLES, "evaluation": "evaluation", "plots": "plots", "report": REPORT}
        return {what: path for what, name in places.items() if (path := self.path / name).exists()}

    def _json(self, name: str) -> dict[str, Any] | None:
        try:
            value = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None


def all_runs(root: Path, name: str | None = None) -> list[RunDirectory]:
    """The runs under an output folder (of one experiment, if named), oldest first. Raises UsageError for a path."""
    if name is not None and not RUN_ID.fullmatch(name):
        raise UsageError(f"{name!r} is not the name of an experiment: letters, digits, dot, dash and underscore only")
    found = [RunDirectory(path.parent) for path in root.glob(f"{name or '*'}/*/config.yaml")]
    return sorted(found, key=lambda run: (str(run.status().get("started", "")), run.id))


def latest_run(root: Path, name: str | None = None) -> RunDirectory:
    """The run started last that has a checkpoint. Raises RunError when there is none."""
    for run in reversed(all_runs(root, name)):
        if run.checkpoint_path("best") or run.checkpoint_path("last"):
            return run
    raise RunError(f"no runs under {root / name if name else root}; `clfkit train CONFIG` makes one")


def run_called(text: str, root: Path) -> RunDirectory | None:
    """The run under root that `latest` or a run id alone means; None for a text that is neither, such as a path.

    Raises UsageError for an id that several runs have, RunError for `latest` where there is none.
    """
    if text == "latest":
        return latest_run(root)
    if not RUN_ID.fullmatch(text) or Path(text).exists():
        return None
    found = [str(config.parent) for config in sorted(root.glob(f"*/{text}/config.yaml"))]
    if len(found) > 1:
        raise UsageError(f"{text} is the id of {len(found)} runs: give one of {', '.join(found)}")
    return RunDirectory(Path(found[0])) if found else None


def _candidates(run_id: str | None) -> Iterator[str]:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    yield from (stamp, *(f"{stamp}-{number}" for number in range(2, 1000))) if run_id is None else (run_id,)
