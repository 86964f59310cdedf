"""What a trainer does, remembered in a run directory."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from clfkit.checkpoint import Checkpoint
from clfkit.config import ExperimentConfig
from clfkit.data.bundle import DataBundle
from clfkit.engines.base import Arrays, Totals
from clfkit.environment import differences, environment
from clfkit.history import EpochRecord, TrainState
from clfkit.remembering import Snapshot
from clfkit.run import RunDirectory

SECONDS_BETWEEN_WRITES = 0.2
"""How long the history of a run may lag behind; a checkpoint always brings it up to date."""
SECONDS_BETWEEN_CHECKPOINTS = 1.0
"""How long a checkpoint at the end of an epoch may wait. Getting one onto the disk for good takes as long as hundreds
of epochs of a tiny network."""


@dataclass
class RunMemory:
    """Remembers what a trainer does in a run directory. See `clfkit.remembering.Memory`."""

    phases: ClassVar[Mapping[str, str]] = {"history": "_write_history", "checkpoint": "_write_checkpoints"}
    """What a profile tells apart, and the methods that do it."""

    run: RunDirectory
    config: ExperimentConfig
    bundle: DataBundle
    class_counts: tuple[int, ...]
    saved_best: int = 0
    settled: Callable[[Sequence[EpochRecord]], None] = lambda records: None  # called when a checkpoint is on the disk
    _pending: list[tuple[EpochRecord, Totals]] = field(default_factory=list)
    _written_at: float = 0.0
    _unsaved: Snapshot | None = None
    _saved_at: float = field(default_factory=time.monotonic)

    def save(self, snapshot: Snapshot) -> None:
        """Write a checkpoint: at once where its steps or minutes were asked for, else perhaps a moment later.

        Of several that wait only the newest is written.
        """
        self._unsaved = snapshot
        if self.config.train.checkpoint_every.epochs is None:
            self.flush()
        else:
            self._save_if_due()

    def record(self, record: EpochRecord, totals: Totals) -> None:
        """Write what an epoch gave, together with others where epochs are shorter than files take to open."""
        self._pending.append((record, totals))
        if time.monotonic() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self._write_history()
        every = self.config.train.checkpoint_every.epochs
        if every is not None and record.epoch % every:  # else a newer checkpoint comes in a moment
            self._save_if_due()

    def keep(self, state: TrainState, records: Sequence[EpochRecord], model: Callable[[], Arrays]) -> None:
        """Write the model of the epoch that has just ended, if it is due, as a snapshot; older ones give way.

        That is before a checkpoint is written which knows the epoch to be over. So none is missing after a crash, and
        those of epochs that are trained again are written again, the same.
        """
        options, ended = self.config.train.snapshots, records[-1]
        if options is None or ended.epoch % options.every:
            return
        folder = self.run.snapshots
        folder.write(ended.epoch, self.checkpoint(_at_end_of(ended, state), tuple(records), model()))
        for path in [*folder.by_epoch().values()][: -options.last]:
            folder.discard(path)

    def start(self, decisions: dict[str, Any]) -> list[str]:
        """Write environment.json: that of the start, and of every time the run was resumed. What has changed since."""
        now, start = environment(decisions), self.run.environment()
        self.run.write_environment({**start, "resumed": [*start.get("resumed", []), now]} if start else now)
        return differences(start, now) if start else []

    def decide(self, decisions: Mapping[str, Any], pieces: Mapping[int, int]) -> None:
        """Put the engine's decisions into environment.json, in the place of those of the last start. See Memory."""
        self.run.set_status("running", pieces={str(step): count for step, count in pieces.items()})
        written = self.run.environment()
        if written is not None:
            session = [written, *written.get("resumed", [])][-1]
            session["decisions"] = dict(decisions)
            self.run.write_environment(written)

    def flush(self) -> None:
        """Write what is not written yet. A checkpoint that is left for a second Ctrl-C is not begun again."""
        self._write_history()
        if self._unsaved is not None:
            try:
                self._write_checkpoints(self._unsaved)
            except KeyboardInterrupt:
                self._unsaved = None
                raise
            self._unsaved, self._saved_at = None, time.monotonic()

    def checkpoint(self, state: TrainState, records: tuple[EpochRecord, ...], model: Arrays) -> Checkpoint:
        """A checkpoint of this run; without optimizer state."""
        return Checkpoint(
            self.config, self.bundle.spec, self.class_counts, self.bundle.fingerprint, state, records, model
        )

    def _save_if_due(self) -> None:
        if self._unsaved is not None and time.monotonic() - self._saved_at >= SECONDS_BETWEEN_CHECKPOINTS:
            self.flush()

    def _write_history(self) -> None:
        """What fails is not tried again, since a part of it may be there; resuming writes the history anew."""
        pending, self._pending, self._written_at = self._pending, [], time.monotonic()
        if pending:
            first, totals = pending[0]
            self.run.append_history([record for record, _ in pending])
            losses = np.concatenate([each.step_losses for _, each in pending])
            self.run.append_step_losses(losses, first.step - len(totals.loss))

    def write_best(self, state: TrainState, records: Sequence[EpochRecord], best: Arrays) -> None:
        """The best checkpoint, if it is another since the last time, or has gone or was damaged. Raises RunError.

        What was found of another best one goes first, so that whatever a crash leaves, no result is of other weights.
        """
        if state.best_epoch != self.saved_best or not self.run.checkpoint_path("best"):
            record = records[state.best_epoch - 1]
            own = tuple(records[: record.epoch])
            self.run.discard_results()
            self.run.save_checkpoint("best", self.checkpoint(_at_end_of(record, state), own, best))
            self.saved_best = state.best_epoch

    def _write_checkpoints(self, snapshot: Snapshot) -> None:
        """The last checkpoint, then the best one: where there is one, training can be gone on with, or was lost."""
        state, records, best = snapshot.state, snapshot.records, snapshot.best
        last = self.checkpoint(state, records, snapshot.model)
        self.run.save_checkpoint(
            "last",
            dataclasses.replace(
                last, optimizer=snapshot.optimizer, progress=snapshot.progress,
                best={} if best is None or last.is_best else best,
            ),
        )  # fmt: skip
        if best is not None:
            self.write_best(state, records, best)
        self.settled(records)


def _at_end_of(record: EpochRecord, state: TrainState) -> TrainState:
    """The state of training when an epoch had just ended."""
    then = {"epoch": record.epoch, "step": record.step, "position": 0, "seconds": 0.0, "stopped_early": False}
    return state.model_copy(update=then)
