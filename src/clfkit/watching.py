"""A run directory that another process of the same run writes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clfkit.checkpoint import Checkpoint
from clfkit.checkpoint_folders import SnapshotFolder
from clfkit.config import ExperimentConfig
from clfkit.history import EpochRecord
from clfkit.run import Kind, RunDirectory, Status


@dataclass(frozen=True)
class _WatchedSnapshots(SnapshotFolder):
    """Snapshots that another process writes."""

    def write(self, epoch: int, checkpoint: Checkpoint) -> None: ...
    def discard(self, path: Path) -> None: ...
    def discard_after(self, epoch: int) -> None: ...


@dataclass(frozen=True)
class WatchedRun(RunDirectory):
    """A run that another process writes: what is there can be read, and nothing is written."""

    def lock(self) -> AbstractContextManager[object]:
        """Nothing: the one that writes holds it."""
        return nullcontext()

    def replace_config(self, config: ExperimentConfig) -> None: ...
    def set_status(self, status: Status, **more: Any) -> None: ...
    def write_environment(self, environment: dict[str, Any]) -> None: ...
    def write_history(self, records: tuple[EpochRecord, ...]) -> None: ...
    def append_history(self, records: Sequence[EpochRecord]) -> None: ...
    def append_step_losses(self, losses: np.ndarray[Any, Any], first_step: int) -> None: ...
    def save_checkpoint(self, kind: Kind, checkpoint: Checkpoint) -> None: ...
    def go_back_to(self, place: Path | None) -> None: ...
    @property
    def snapshots(self) -> SnapshotFolder:
        """To be read only."""
        return _WatchedSnapshots(self.path / "checkpoints" / "snapshots")

    def discard_results(self) -> None: ...
    def save_evaluation(self, split: str, evaluation: dict[str, Any]) -> None: ...

    def save_predictions(self, split: str, **arrays: np.ndarray[Any, Any]) -> Path:
        """Nothing."""
        return self.path
