"""From a config to a finished run: names become parts, the trainer runs them, the run directory remembers."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from clfkit.checkpoint import Checkpoint
from clfkit.classifier import Classifier
from clfkit.components import engines
from clfkit.config import ExperimentConfig
from clfkit.data.batches import Batches
from clfkit.data.bundle import DataBundle, Part
from clfkit.data.loading import load_bundle
from clfkit.engines.base import Engine, EngineSetup, Totals
from clfkit.environment import differences, environment
from clfkit.errors import ClfkitError, Interrupted, RunError, TrainingError, UsageError
from clfkit.evaluation import evaluate, save_evaluation
from clfkit.history import EpochRecord, TrainState
from clfkit.plots import NothingToDraw, draw_all, suitable
from clfkit.resuming import how_far, refuse_changes, same_moments
from clfkit.run import RunDirectory
from clfkit.schedules import build_schedule
from clfkit.timing import FirstStep, Stopwatch
from clfkit.train_options import TrainOptions
from clfkit.trainer import Observer, Snapshot, Trainer

SECONDS_BETWEEN_WRITES = 0.2
"""How long the files of a run may lag behind; a checkpoint always brings them up to date."""


class Listener(Observer, Protocol):
    """Whoever is told how a run goes: a terminal, a log, nobody."""

    def say(self, message: str) -> None:
        """One line of news."""

    def on_start(self, step: int, steps: int, train: TrainOptions) -> None:
        """Before the first step: `step` of `steps` are done already when a run is resumed."""

    def on_signal(self, number: int) -> None:
        """A signal came; training stops after this step."""

    def on_stop(self) -> None:
        """Training is over, well or badly."""


def run_experiment(
    run: RunDirectory, config: ExperimentConfig, listener: Listener, clock: Stopwatch | None = None
) -> None:
    """Train, evaluate and draw one experiment in a run directory that was just made.

    clock: a stopwatch that began when the run was asked for, by default now.
    Raises ClfkitError; a run that fails before its first step leaves no directory behind.
    """
    with run.lock(), ExitStack() as unless_begun:
        if not run.checkpoint_path("last"):  # never a run that holds somebody's work
            unless_begun.callback(shutil.rmtree, run.path, ignore_errors=True)
        session = _Session.prepare(config, run, listener, clock or Stopwatch())
        session.begin()
        unless_begun.pop_all()
        session.complete()


def resume_run(
    run: RunDirectory,
    listener: Listener,
    config: ExperimentConfig | None = None,
    *,
    force: bool = False,
    clock: Stopwatch | None = None,
) -> RunDirectory:
    """Continue a run from its last checkpoint, bit for bit as if it had never stopped.

    config: the options as they are now; a larger train.epochs extends the run, any other change needs `force`.
    Raises UsageError for changes, RunError when there is nothing left to do, CheckpointError.
    """
    before = run.config()
    config = config or before
    refuse_changes(run, before, config, force)
    with run.lock():
        checkpoint = run.checkpoint("last")
        session = _Session.prepare(config, run, listener, clock or Stopwatch(), fresh=False)
        session.restore(checkpoint)
        if session.trainer.finished and run.status()["status"] == "finished":
            raise RunError(f"nothing left to do in {run.path}, {how_far(session.trainer.state)}")
        if config != before:
            run.replace_config(config)
        session.go_on()
        session.complete()
    return run


@dataclass
class RunMemory:
    """Remembers what a trainer does in a run directory. See `clfkit.trainer.Memory`."""

    run: RunDirectory
    config: ExperimentConfig
    bundle: DataBundle
    class_counts: tuple[int, ...]
    saved_best: int = 0
    _pending: list[tuple[EpochRecord, Totals]] = field(default_factory=list)
    _written_at: float = 0.0

    def save(self, snapshot: Snapshot) -> None:
        """Write the last checkpoint, and the best one if it is another since the last time."""
        self.flush()
        state, records = snapshot.state, snapshot.records
        if snapshot.best is not None and state.best_epoch != self.saved_best:
            record = records[state.best_epoch - 1]
            best = state.model_copy(update={"epoch": record.epoch, "step": record.step, "position": 0, "seconds": 0.0})
            self.run.save_checkpoint("best", self.checkpoint(best, records[: record.epoch], snapshot.best))
            self.saved_best = state.best_epoch
        last = self.checkpoint(state, records, snapshot.model)
        self.run.save_checkpoint(
            "last", dataclasses.replace(last, optimizer=snapshot.optimizer, progress=snapshot.progress)
        )

    def record(self, record: EpochRecord, totals: Totals) -> None:
        """Write what an epoch gave, together with others where epochs are shorter than files take to open."""
        self._pending.append((record, totals))
        if time.monotonic() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet."""
        if self._pending:
            first, totals = self._pending[0]
            self.run.append_history([record for record, _ in self._pending])
            losses = np.concatenate([each.step_losses for _, each in self._pending])
            self.run.append_step_losses(losses, first.step - len(totals.loss))
        self._pending, self._written_at = [], time.monotonic()

    def checkpoint(
        self, state: TrainState, records: tuple[EpochRecord, ...], model: dict[str, np.ndarray[Any, Any]]
    ) -> Checkpoint:
        """A checkpoint of this run; without optimizer state."""
        return Checkpoint(
            self.config, self.bundle.spec, self.class_counts, self.bundle.fingerprint, state, records, model
        )


@dataclass
class _Session:
    """The parts of one experiment while it runs."""

    config: ExperimentConfig
    run: RunDirectory
    listener: Listener
    bundle: DataBundle
    engine: Engine
    trainer: Trainer
    memory: RunMemory
    clock: Stopwatch

    @classmethod
    def prepare(
        cls, config: ExperimentConfig, run: RunDirectory, listener: Listener, clock: Stopwatch, *, fresh: bool = True
    ) -> _Session:
        """Load the data and build the engine. fresh: the weights are to be initial ones, not a checkpoint's."""
        bundle = load_bundle(config.data, config.data_seed)
        if not len(bundle.valid) and config.needs_valid:
            keys = ", ".join(f"train.{key}" for key in config.needs_valid)
            raise UsageError(f"{keys}: needs a valid split, and there is none; data.split.valid sets its share")
        train = config.train
        batches = Batches.of(len(bundle.train), train.batch_size, config.seed)
        counts = bundle.train.counts(len(bundle.spec.classes))
        setup = EngineSetup(
            spec=bundle.spec, model=config.model, loss=train.loss, optimizer=train.optimizer, train=bundle.train,
            class_counts=counts, seed=config.seed, batch_size=batches.batch_size, accumulate=train.accumulate,
            clip_norm=train.clip_norm, device=train.device, precision=train.precision, threads=train.threads,
            deterministic=train.deterministic, fresh=fresh,
        )  # fmt: skip
        engine: Engine = engines.build(config.engine, setup)
        memory = RunMemory(run, config, bundle, tuple(map(int, counts)))
        rate: float = train.optimizer.options.lr  # type: ignore[attr-defined]
        trainer = Trainer(
            engine=engine, batches=batches, valid=bundle.valid, options=train, lr=rate, seed=config.seed,
            schedule=build_schedule(train.schedule), memory=memory, observer=FirstStep(listener, clock),
        )  # fmt: skip
        return cls(config, run, listener, bundle, engine, trainer, memory, clock)

    def begin(self) -> None:
        """Write down what a run starts with."""
        if self.bundle.spec.inputs == "vector":  # small, and the boundary before training wants it
            initial = self.memory.checkpoint(TrainState(), (), self.engine.model_state())
            self.run.save_checkpoint("initial", initial)
        self._announce()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put everything back as it was when the checkpoint was written. The run's files stay as they are."""
        if checkpoint.fingerprint != self.bundle.fingerprint:
            raise RunError(
                f"the data changed since {self.run.path} was started (other samples, or another split); "
                "a resumed run would not be the same experiment"
            )
        trained, now = checkpoint.config.train, self.config.train
        optimizer = checkpoint.optimizer if same_moments(trained.optimizer, now.optimizer) else None
        self.engine.load_state(checkpoint.model, optimizer)
        state = checkpoint.state
        best = self.run.checkpoint("best").model if state.best_epoch else None
        records, partial = list(checkpoint.records), Totals.of(checkpoint.progress)
        self.trainer = dataclasses.replace(self.trainer, state=state, records=records, best=best, partial=partial)
        self.memory.saved_best = state.best_epoch

    def go_on(self) -> None:
        """Bring the run's files to where the checkpoint is."""
        state = self.trainer.state
        self.run.write_history(tuple(self.trainer.records))
        self.listener.say(f"resuming {self.run.path} after step {state.step:,} (epoch {state.epoch})")
        self._announce()

    def complete(self) -> None:
        """Train, evaluate, draw; whatever happens, the status says how it ended."""
        self.run.set_status("running", epochs=self.config.train.epochs)
        try:
            with self.engine.at_work():
                for name, part in (("training", self._train), ("evaluation", self._evaluate), ("drawing", self._draw)):
                    with self.clock.part(name):
                        part()
        except (Interrupted, KeyboardInterrupt):
            self.run.set_status("interrupted", timing=self.clock.rounded())
            raise
        except ClfkitError as error:
            with suppress(RunError):  # a full disk must not hide what went wrong first
                self.run.set_status("failed", reason=str(error))
            raise
        self.run.set_status("finished", timing=self.clock.rounded())

    # What happens in a run

    def _train(self) -> None:
        trainer = self.trainer
        total = trainer.batches.per_epoch * self.config.train.epochs
        self.listener.on_start(trainer.state.step, total, self.config.train)
        try:
            state = trainer.fit(self.listener.on_signal)
        except MemoryError as error:
            what = f"out of memory: {error}" if str(error) else "out of memory"
            raise TrainingError(f"{what}; a smaller train.batch_size, or train.accumulate, takes less") from error
        finally:
            self.listener.on_stop()
            self.memory.flush()
        if state.stopped_early:
            self.listener.say(f"stopped early after epoch {state.epoch}: no improvement")

    def _evaluate(self) -> None:
        """Score the best epoch's model: the first and only look at the test split."""
        best, state = self.trainer.best, self.trainer.state
        assert best is not None, "training ran for at least one epoch"
        self.engine.load_state(best)
        scores: dict[str, Any] = {}
        self.run.discard_results()
        held_out: list[Part] = [part for part in ("valid", "test") if len(getattr(self.bundle, part))]
        for part in held_out or ["train"]:
            evaluation = evaluate(self.engine, self.bundle.part(part), part, self.bundle.spec.classes)
            save_evaluation(self.run, evaluation, self.bundle.part(part).ids)
            scores[f"{part}.accuracy"] = evaluation.metrics["accuracy"]
        self.run.set_status("running", best_epoch=state.best_epoch, **scores)

    def _draw(self) -> None:
        best = self.run.checkpoint("best")
        classifier = Classifier.trained(best, self.run, self.engine, self.bundle)
        names: Sequence[str] = suitable(classifier) if self.config.plots == "auto" else self.config.plots
        if names:
            self.listener.say(f"drawing {', '.join(names)}")
        for name, result in draw_all(classifier, names):
            if isinstance(result, NothingToDraw) and self.config.plots != "auto":
                self.listener.say(f"no figure {name!r}: {result}")

    def _announce(self) -> None:
        bundle, engine = self.bundle, self.engine
        sizes = ", ".join(f"{len(getattr(bundle, part)):,} {part}" for part in ("train", "valid", "test"))
        decided = ", ".join(f"{key} {value}" for key, value in engine.decisions.items())
        self.listener.say(f"{self.config.name}: {sizes} samples of {len(bundle.spec.classes):,} classes")
        model = f"{self.config.model.name} with {engine.parameters:,} parameters"
        self.listener.say(f"{model}; engine {self.config.engine.name}, {decided}")
        self._remember_environment()

    def _remember_environment(self) -> None:
        """environment.json: that of the start, and of every time the run was resumed."""
        now, start = environment(self.engine.decisions), self.run.environment()
        if start is None:
            self.run.write_environment(now)
            return
        for change in differences(start, now):
            self.listener.say(f"note: {change} since the run was started; results may differ in the last digits")
        self.run.write_environment({**start, "resumed": [*start.get("resumed", []), now]})
