"""A run trained once more, into memory alone, and compared with what it has kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.checkpoint import Checkpoint, read_checkpoint
from clfkit.config import ExperimentConfig, changed_options
from clfkit.engines.base import Arrays, Totals
from clfkit.environment import differences, environment
from clfkit.errors import CheckpointError, RunError, UsageError
from clfkit.experiment import Listener
from clfkit.history import EpochRecord, TrainState
from clfkit.preparation import Parts, memory_errors, read_data
from clfkit.remembering import Snapshot
from clfkit.reporting import heard_by
from clfkit.restoring import restore
from clfkit.resuming import models_of, pieces_of, refuse_foreign, refuse_joined
from clfkit.run import Kind, RunDirectory
from clfkit.trainer import Trainer

START = "start"
KINDS: tuple[Kind, ...] = ("best", "last")  # of checkpoints, which every run has that is trained to its end
LINES = 10  # of epochs, where each has a line: what they give is known already


@dataclass(frozen=True)
class Difference:
    """The step (from 1) from which on a replay is not the run, and what shows it."""

    step: int
    what: str


@dataclass(frozen=True)
class Verdict:
    """What a replay has found.

    start, end: steps done before it and after it. lost_steps, lost_epochs: of how many of these the run has not kept
    the loss and the scores. same: the checkpoints whose weights came out the same to the bit, and their steps.
    unread: checkpoints that could not be compared, and why. causes: what may have made a difference.
    """

    start: int
    end: int
    lost_steps: int
    lost_epochs: int
    same: dict[str, int]
    unread: tuple[str, ...]
    difference: Difference | None
    causes: tuple[str, ...]

    @property
    def reproducible(self) -> bool:
        """Whether everything that was compared is the same to the bit."""
        return self.difference is None


def verify(run: RunDirectory, listener: Listener, begin: str = START, steps: int | None = None) -> Verdict:
    """Train a run again from its start or one of its checkpoints, for some steps or as far as it came.

    The loss of every step, the scores of every epoch and the weights of every checkpoint on the way are compared to the
    bit. Nothing is written. Raises UsageError for a checkpoint that training cannot go on from, RunError where there is
    nothing to compare or the data changed, CheckpointError.
    """
    refuse_joined(run)
    config = run.config()
    with heard_by(listener):
        bundle = read_data(config)
        parts = Parts.of(config, bundle, fresh=begin == START)
    kept = _Kept.of(run, parts)
    comparison = _Comparison(run.step_losses(), {record.epoch: record for record in run.history()}, kept.by_step())
    trainer = dataclasses.replace(parts.trainer(comparison, listener), pieces=pieces_of(run))
    if begin != START:
        trainer = restore(run, trainer, kept.named(begin, comparison.last_step))
    start = trainer.state.step
    comparison.until = min(comparison.last_step, start + (steps or comparison.last_step))
    if comparison.until <= start:
        raise RunError(f"{run.path} has kept nothing of steps after {start:,}, so there is nothing to compare")
    trainer = dataclasses.replace(trainer, also_at=frozenset({*comparison.places, comparison.until}))
    with memory_errors(), parts.engine.at_work():
        _replay(trainer, comparison, listener)
    causes = tuple(_causes(run, config, kept, parts)) if comparison.difference else ()
    kept_here = comparison.losses[start : comparison.end]  # those of an epoch under way are in its checkpoint
    lost = max(0, min(comparison.end, comparison.recorded) - start) - int(np.isfinite(kept_here).sum())
    return Verdict(
        start, comparison.end, lost, comparison.lost_epochs, comparison.same, kept.unread, comparison.difference, causes
    )


def _replay(trainer: Trainer, comparison: _Comparison, listener: Listener) -> None:
    often = max(trainer.options.log_every, -(-trainer.epochs // LINES))
    listener.on_start(trainer.state, comparison.until, trainer.epochs, often)
    try:
        with suppress(_Enough):
            if trainer.state.step == 0:
                comparison.compare_weights(0, trainer.engine.model_state(), {}, {})
            trainer.fit(listener.on_signal)
    finally:
        listener.on_stop()


class _Enough(Exception):
    """All was compared, or a difference was found."""


@dataclass
class _Comparison:
    """Compares what a trainer does with what was recorded. See clfkit.remembering.Memory.

    losses: of every step of the run. records: by epoch. places: checkpoints by the step after which they were written.
    """

    losses: npt.NDArray[np.float32]
    records: dict[int, EpochRecord]
    places: dict[int, list[Path]]
    until: int = 0
    end: int = 0
    same: dict[str, int] = field(default_factory=dict)
    difference: Difference | None = None
    lost_epochs: int = 0  # epochs, whose scores the run has not kept

    @property
    def recorded(self) -> int:
        """The last step of the epochs that are recorded."""
        return max((record.step for record in self.records.values()), default=0)

    @property
    def last_step(self) -> int:
        """The last step of which something was kept."""
        return max([len(self.losses), *self.places])

    def record(self, record: EpochRecord, totals: Totals) -> None:
        """Compare the losses of an epoch, and its scores."""
        self._compare_losses(record.step, totals)
        recorded, now = self.records.get(record.epoch), record.cells()
        self.lost_epochs += recorded is None
        before = recorded.cells() if recorded else now
        for name in before.keys() - {"seconds"}:
            if before[name] != now.get(name):
                told = f"{name} of epoch {record.epoch} was {before[name]}, and is {now.get(name)} now"
                self._found(record.step, told)

    def save(self, snapshot: Snapshot) -> None:
        """Compare the losses of an epoch under way, and the weights where there is a checkpoint of this step."""
        step = self.end = snapshot.state.step
        self._compare_losses(step, Totals.of(snapshot.progress))
        self.compare_weights(step, snapshot.model, snapshot.optimizer, snapshot.progress)
        if step >= self.until:
            raise _Enough

    def keep(self, state: TrainState, records: Sequence[EpochRecord], model: Callable[[], Arrays]) -> None:
        """See Memory."""

    def decide(self, decisions: Mapping[str, Any], pieces: Mapping[int, int]) -> None:
        """See Memory. It stands among the causes, if it makes a difference."""

    def flush(self) -> None:
        """See Memory."""

    def compare_weights(self, step: int, model: Arrays, optimizer: Arrays, progress: Arrays) -> None:
        """Compare with every checkpoint of a step. An optimizer, and an epoch under way, where they were kept."""
        for place in self.places.get(step, ()):
            kept = read_checkpoint(place)
            if kept.state.step != step:  # the run goes on meanwhile
                continue
            for what, mine, theirs in (
                ("weights", model, kept.model),
                ("optimizer", optimizer, kept.optimizer),
                ("epoch under way", progress, kept.progress),
            ):
                changed = [name for name, array in theirs.items() if not _same(array, mine.get(name))]
                if changed:
                    self._found(step, f"{what} of {_short(place)}: {changed[0]} is another")
            self.same[_short(place)] = step

    def _compare_losses(self, end: int, totals: Totals) -> None:
        """totals: of the steps up to `end`. Compared as they are kept, in float32; one that was lost is none."""
        self.end = end
        start = end - len(totals.loss)
        recorded, now = self.losses[start:end], totals.step_losses.astype("<f4")
        now = now[: len(recorded)]
        differs = (recorded.view("<u4") != now.view("<u4")) & ~np.isnan(recorded)
        if differs.any():
            at = int(differs.argmax())
            self._found(start + at + 1, f"the loss was {recorded[at]:.9g}, and is {now[at]:.9g} now")

    def _found(self, step: int, what: str) -> None:
        self.difference = Difference(step, what)
        raise _Enough


def _same(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic] | None) -> bool:
    if other is None or (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    return np.asarray(one, order="C").tobytes() == np.asarray(other, order="C").tobytes()


def _short(place: Path) -> str:
    return f"snapshots/{place.name}" if place.parent.name == "snapshots" else place.name


@dataclass(frozen=True)
class _Kept:
    """The checkpoints of a run that are sound, by their short names."""

    run: RunDirectory
    checkpoints: dict[str, tuple[Path, Checkpoint]]
    unread: tuple[str, ...]

    @classmethod
    def of(cls, run: RunDirectory, parts: Parts) -> _Kept:
        """Read all; what is damaged or foreign is left out. Raises RunError where the data are not those of the run."""
        found, unread = {}, []
        if run.status().get("trained"):
            unread += [f"{run.path} has no {kind} checkpoint" for kind in KINDS if not run.checkpoint_path(kind)]
        for place in _places(run):
            try:
                checkpoint = read_checkpoint(place)
                refuse_foreign(place, checkpoint, parts.config, models_of(run, parts.config), parts.bundle)
            except CheckpointError as error:
                unread.append(str(error))
                continue
            optimizer = dict.fromkeys(checkpoint.optimizer, np.empty(0))  # that there is one; arrays are read again
            found[_short(place)] = place, dataclasses.replace(checkpoint, model={}, optimizer=optimizer, best={})
        return cls(run, found, tuple(unread))

    def by_step(self) -> dict[int, list[Path]]:
        """Where checkpoints lie, by the number of steps after which they were written."""
        places: dict[int, list[Path]] = {}
        for place, checkpoint in self.checkpoints.values():
            places.setdefault(checkpoint.state.step, []).append(place)
        return places

    def named(self, name: str, last_step: int) -> Checkpoint:
        """A checkpoint that training can go on from, by its name or the epoch after which it was written."""
        keeps_nothing = not any(each.optimizer for _, each in self.checkpoints.values())
        fit = {key: found for key, found in self.checkpoints.items() if found[1].optimizer or keeps_nothing}
        fit.pop("initial", None)  # the start
        by_epoch = {str(each.state.epoch): key for key, (_, each) in fit.items() if not each.state.position}
        key = by_epoch.get(name, name)
        if key not in fit:
            useful = {key for key, (_, each) in fit.items() if each.state.step < last_step}
            epochs = (f"{epoch} (an epoch)" for epoch, key in by_epoch.items() if key in useful)
            others = ", ".join([START, *(key for key in fit if key in useful), *epochs])
            damaged = "".join(f"; {reason}" for reason in self.unread)
            raise UsageError(f"--from {name}: training cannot be taken up there; choose from {others}{damaged}")
        return read_checkpoint(fit[key][0])


def _places(run: RunDirectory) -> Iterator[Path]:
    if (initial := run.checkpoint_path("initial")) is not None:
        yield initial
    yield from run.snapshots.by_epoch().values()
    if (best := run.checkpoint_path("best")) is not None:
        yield best
    yield from run.resumable()


def _causes(run: RunDirectory, config: ExperimentConfig, kept: _Kept, parts: Parts) -> Iterator[str]:
    """What may have made a difference: versions, machine, threads, options."""
    start = run.environment() or {}
    yield from differences(start, environment(parts.engine.decisions))
    if start.get("resumed"):
        yield f"the run was resumed {len(start['resumed'])} times, perhaps elsewhere or with other options"
    changed = {change for _, each in kept.checkpoints.values() for change in changed_options(each.config, config)}
    yield from sorted(changed)
    if parts.engine.decisions.get("device") != "cpu" and not config.train.deterministic:
        yield "train.deterministic is false, and a GPU adds up in any order"
