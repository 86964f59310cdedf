"""Whom the trainer tells how it goes: who watches, and where training is remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from clfkit.engines.base import Arrays, Totals
from clfkit.history import EpochRecord, TrainState


class Observer(Protocol):
    """Whoever wants to watch: a progress bar, a log."""

    def on_step(self, step: int) -> None:
        """After every optimizer step; must not wait for the device."""

    def on_epoch_end(self, record: EpochRecord, best: bool) -> None:
        """After every epoch; `best` if it is the best so far."""


@dataclass(frozen=True)
class Snapshot:
    """A moment of training, complete: what a checkpoint stores of it. `best` is the model of the best epoch."""

    state: TrainState
    records: tuple[EpochRecord, ...]
    model: Arrays
    optimizer: Arrays
    progress: Arrays
    best: Arrays | None


class Memory(Protocol):
    """Where training is remembered: a run directory."""

    def save(self, snapshot: Snapshot) -> None:
        """Take a checkpoint, to be on the disk soon and at the latest when training ends in any way but a kill."""

    def record(self, record: EpochRecord, totals: Totals) -> None:
        """Write what an epoch gave."""

    def keep(self, state: TrainState, records: Sequence[EpochRecord], model: Callable[[], Arrays]) -> None:
        """Write the model of the epoch that has just ended at once, if it is one to be kept."""

    def decide(self, decisions: Mapping[str, Any], pieces: Mapping[int, int]) -> None:
        """Write what the engine decides from now on, and from which steps on batches are cut into how many pieces."""

    def flush(self) -> None:
        """Write what waits to be written."""
