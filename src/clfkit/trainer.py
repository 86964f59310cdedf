"""The one training loop: train, validate, record, keep the best, checkpoint, maybe stop."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from clfkit import rng
from clfkit.data.batches import Batches
from clfkit.data.bundle import Ids, IndexArray, Split, listed
from clfkit.engines.base import Arrays, Engine, StepResult, Totals
from clfkit.engines.pieces import PieceTooLarge
from clfkit.errors import Interrupted, TrainingError
from clfkit.history import EpochRecord, TrainState, Watch
from clfkit.interruption import GaveWay, Interruption
from clfkit.metrics import Measure, Watched
from clfkit.remembering import Memory, Observer, Snapshot
from clfkit.reporting import say
from clfkit.schedules import Progress, Schedule
from clfkit.train_options import CheckpointEvery, TrainOptions
from clfkit.world import World


@dataclass
class Trainer:
    """Trains an engine from where `state` says. `best` holds the model of the best epoch, in memory.

    The best model reaches the disk together with the next checkpoint: after a crash in between, training goes on
    from that checkpoint and finds the same best epoch again.

    An epoch that max_steps cuts short is validated and recorded like any other, but in `state` it stays an epoch under
    way, with its step results in `partial`. So a larger max_steps goes on in its middle, as if it had never been cut;
    its record gives way to that of the whole epoch, and `best` to `before`, the best model of the epochs before it.
    """

    engine: Engine
    batches: Batches
    valid: Split
    options: TrainOptions
    schedule: Schedule
    lr: float
    seed: int
    memory: Memory
    observer: Observer
    state: TrainState = field(default_factory=TrainState)
    records: list[EpochRecord] = field(default_factory=list)
    best: Arrays | None = None
    before: Arrays | None = None
    measure: Measure | None = None  # of the valid split, where more than loss and accuracy is watched
    partial: Totals = field(default_factory=lambda: Totals.of({}))
    ids: Ids = field(default_factory=lambda: np.empty(0, np.int64))  # of the train samples, to name them by
    pieces: dict[int, int] = field(default_factory=dict)  # by step, from 1: from there on batches were cut into so many
    also_at: frozenset[int] = frozenset()  # steps after which a checkpoint is taken whatever the options say
    world: World = field(default_factory=World)  # its processes each run this loop, and decide alike

    def __post_init__(self) -> None:
        early = self.options.early_stopping
        self._best = Watch(self.options.best_metric)
        self._patience = Watch(early.metric, early.min_delta) if early else None
        if self._cut_short and self.state.step < self.steps:
            self._reopen()
        for record in self.records:
            self._watch(record)
        self._advance(stopped_early=self._out_of_patience())
        self._saved = self.state if self.state.step else None  # a resumed run comes from a checkpoint

    def fit(self, on_signal: Callable[[int], None] = lambda number: None) -> TrainState:
        """Train until the last epoch, early stopping, or a signal.

        Raises Interrupted after a signal and TrainingError when loss or gradient are not finite; a checkpoint is kept.
        """
        self._saved_at = time.monotonic()
        with Interruption(on_signal, self.world.grace) as interruption:
            try:
                while not self.finished:
                    started = time.monotonic() - self.state.seconds
                    lr = self._train_epoch(interruption, started)
                    scores, others = self._validate(lr, interruption)
                    record = self._record(scores, others, lr, time.monotonic() - started)
                    totals = self._close_epoch()
                    is_best = self._keep_best(record)
                    self.memory.record(record, totals)
                    self.memory.keep(self.state, self.records, self._model)
                    self.observer.on_epoch_end(record, is_best)
                    if self._checkpoint_due() or self.finished:
                        self._checkpoint()
                    if self.finished:
                        self.memory.flush()  # a signal that comes meanwhile stops, too
                    if stop := self.world.largest(interruption.number or 0)[0]:
                        self._stop_at(stop)
            finally:  # while signals still wait for us
                self.memory.flush()
        return self.state

    def _train_epoch(self, interruption: Interruption, started: float) -> float:
        """The rest of the current epoch, a step a batch without waiting for results; returns the last rate."""
        results: list[StepResult] = []
        step, stop = self.state.step, self._last_position
        self.engine.start_epoch(self.state.epoch + 1)
        lr = math.nan if self.state.position < stop else self._rate(step - 1)  # a smaller max_steps was forced
        batches = (indices for _, indices in self.batches.epoch(self.state.epoch, self.state.position, stop))
        for position, indices in enumerate(self.engine.ahead(batches), self.state.position):
            lr = self._rate(step)
            keys = rng.key(self.seed, "step", step), self.batches.look(self.state.epoch, position)
            results.append(self._take_step(step + 1, indices, lr, *keys))
            step += 1
            self.observer.on_step(step)
            if results[-1].skipped is True:  # known at once, without a device that would have to be waited for
                break
            last = position + 1 == stop
            wanted, due = self.world.largest(interruption.number or 0, not last and self._checkpoint_due(step))
            if not last and (wanted or due):
                self.partial = self.partial + self._finite(self.engine.read(results), step)
                results = []
                self._advance(step=step, position=position + 1, seconds=time.monotonic() - started)
                self._checkpoint()
                if wanted:
                    self._stop_at(wanted)
        self.partial = self.partial + self._finite(self.engine.read(results), step)
        self._advance(step=step, position=stop, seconds=time.monotonic() - started)
        return lr

    def _close_epoch(self) -> Totals:
        """The results of the epoch that was recorded, which is over unless max_steps has cut it short."""
        totals = self.partial
        if self.state.position == self.batches.per_epoch:
            self.partial = Totals.of({})
            self._advance(epoch=self.state.epoch + 1, position=0, seconds=0.0)
        return totals

    def _take_step(self, step: int, indices: IndexArray, lr: float, *keys: int) -> StepResult:
        """One optimizer step. A batch that does not fit into memory is cut up; its gradient stays that of the whole."""
        for count in (count for first, count in self.pieces.items() if first <= step):
            if self.engine.pieces.reach(count, self.engine.decisions):
                self.memory.decide(self.engine.decisions, self.pieces)
        while True:
            try:
                return self.engine.train_step(indices, lr, *keys)
            except PieceTooLarge as error:
                lack = str(error)  # the error itself holds on to what was in memory
            if not self.engine.pieces.double(len(indices), self.engine.decisions):
                raise MemoryError(lack)
            self.pieces[step] = count = self.engine.pieces.count
            self.memory.decide(self.engine.decisions, self.pieces)
            reason = f" ({lack})" if lack else ""
            say(f"out of memory{reason}: batches are cut into {count} pieces from now on")

    @property
    def _last_position(self) -> int:
        """Batches of the current epoch that training takes: all of them, or as many as max_steps leaves."""
        left = self.steps - self.state.epoch * self.batches.per_epoch
        return max(self.state.position, min(left, self.batches.per_epoch))

    def _rate(self, step: int) -> float:
        return self.lr * self.schedule(self._progress(step))

    def _progress(self, step: int) -> Progress:
        return Progress(step, self.batches.per_epoch, self.options.epochs, self._best.values, self.options.max_steps)

    def _validate(self, lr: float, interruption: Interruption) -> tuple[Totals, Watched]:
        """The valid split's scores and what `measure` finds; a signal cuts it short. Raises TrainingError."""
        if not len(self.valid):
            return Totals.of({}), {}
        others: Watched = {}
        try:
            with interruption.breaking(self.world.size == 1):
                if self.measure is None:
                    scores = self.engine.score(self.valid)
                else:
                    probabilities, scores = self.engine.evaluate(self.valid)
                    others = self.measure(probabilities, scores.mean_loss)
        except GaveWay:
            self._stop_at(interruption.number or signal.SIGINT)
        if not math.isfinite(scores.mean_loss):
            raise self._not_finite(f"the loss on the valid split became {scores.mean_loss}", self.state.step, lr)
        return scores, others

    def _record(self, scores: Totals, others: Watched, lr: float, seconds: float) -> EpochRecord:
        record = EpochRecord(
            epoch=len(self.records) + 1, step=self.state.step, lr=lr, seconds=seconds,
            train_loss=self.partial.mean_loss, train_accuracy=self.partial.accuracy,
            valid_loss=scores.mean_loss if len(self.valid) else None,
            valid_accuracy=scores.accuracy if len(self.valid) else None, **others,
        )  # fmt: skip
        self.records.append(record)
        return record

    def _keep_best(self, record: EpochRecord) -> bool:
        """Remember the model if this epoch is the best so far; without a valid split the last one is."""
        is_best = self._watch(record)
        best: dict[str, object] = {}
        self.before = self.best if self.state.position else None
        if is_best:
            self.best = self._model()
            best = {"best_epoch": record.epoch, "best_value": record.value(self.options.best_metric)}
        self._advance(stopped_early=self._out_of_patience(), **best)
        return is_best

    def _watch(self, record: EpochRecord) -> bool:
        if self._patience:
            self._patience.see(record)
        return self._best.see(record) or not len(self.valid)

    def _out_of_patience(self) -> bool:
        early = self.options.early_stopping
        return early is not None and self._patience is not None and self._patience.since >= early.patience

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        state = self.state
        at_last_step = state.step >= self.steps and (state.position == 0 or self._cut_short)
        return state.stopped_early or state.epoch >= self.options.epochs or at_last_step

    @property
    def steps(self) -> int:
        """Optimizer steps from the first epoch to the end, if nothing stops training early."""
        return self._progress(0).total

    @property
    def epochs(self) -> int:
        """Epochs until then, the last one perhaps cut short."""
        return -(-self.steps // self.batches.per_epoch)

    @property
    def _cut_short(self) -> bool:
        """Whether the epoch under way has been recorded, since max_steps ended it."""
        return len(self.records) > self.state.epoch

    def _reopen(self) -> None:
        """Take back the end of an epoch that max_steps had cut short."""
        self.records = self.records[: self.state.epoch]
        watch, best = Watch(self.options.best_metric), TrainState()
        for record in self.records:
            if watch.see(record) or not len(self.valid):
                best = TrainState(best_epoch=record.epoch, best_value=record.value(watch.metric))
        self._advance(best_epoch=best.best_epoch, best_value=best.best_value)
        self.best, self.before = self.before, None

    def _finite(self, totals: Totals, step: int) -> Totals:
        """The totals, if all their steps were taken. Raises TrainingError naming the first that was not."""
        if totals.untaken is None:
            return totals
        at, what = totals.untaken
        first = step - len(totals.loss) + at
        position = first - self.state.epoch * self.batches.per_epoch
        _, indices = next(self.batches.epoch(self.state.epoch, position))
        raise self._not_finite(what, first + 1, self._rate(first), self.ids[indices].tolist() if len(self.ids) else [])

    def _model(self) -> Arrays:
        return self._sound(self.engine.model_state())

    def _sound(self, arrays: Arrays) -> Arrays:
        """The arrays, if they hold numbers only: no checkpoint has others. Raises TrainingError."""
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise self._not_finite(f"{name} is not finite any more", self.state.step, math.nan)
        return arrays

    def _not_finite(self, what: str, step: int, lr: float, samples: Sequence[object] = ()) -> TrainingError:
        epoch, saved = -(-step // self.batches.per_epoch), self._saved
        rate = "" if math.isnan(lr) else f", learning rate {lr:.3g}"
        batch = f", samples {listed(samples)}" if samples else ""
        kept = f"the last checkpoint is from step {saved.step:,}" if saved else "no checkpoint was due before"
        return TrainingError(
            f"{what} at step {step} (epoch {epoch}{rate}{batch}); {kept}. "
            "A smaller train.optimizer.lr, or train.clip_norm, may help",
            samples,
        )

    def _checkpoint_due(self, step: int | None = None) -> bool:
        """Whether to write now: inside an epoch (`step` given) or at its end."""
        done, epoch = (self.state.step, self.state.epoch) if step is None else (step, None)
        every: CheckpointEvery = self.options.checkpoint_every
        return done in self.also_at or every.due(done, epoch, time.monotonic() - self._saved_at)

    def _checkpoint(self) -> None:
        model, moments = self._model(), self._sound(self.engine.optimizer_state())
        self.memory.save(Snapshot(self.state, tuple(self.records), model, moments, self._unfinished(), self.best))
        self._saved, self._saved_at = self.state, time.monotonic()

    def _unfinished(self) -> Arrays:
        """What else resuming needs in the middle of an epoch."""
        earlier = {f"best/{name}": array for name, array in (self.before or {}).items()}
        return {**self.partial.arrays(), **earlier} if self.state.position else {}

    def _stop_at(self, signal_number: int) -> NoReturn:
        if self._saved != self.state:
            self._checkpoint()
        raise Interrupted(f"stopped by {signal.Signals(signal_number).name} at step {self.state.step:,}", signal_number)

    def _advance(self, **changes: object) -> None:
        self.state = self.state.model_copy(update=changes)
