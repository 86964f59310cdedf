"""From a config to a finished run: names become parts, the trainer runs them, the run directory remembers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from clfkit.announcing import announcement
from clfkit.attempts import Attempts
from clfkit.baselines import compare
from clfkit.batch_size import prepared
from clfkit.classifier import Classifier
from clfkit.config import ExperimentConfig
from clfkit.data.bundle import DataBundle
from clfkit.drawing import draw_figures
from clfkit.ending import interruptions_remembered, remembered, removing
from clfkit.engines.base import Engine
from clfkit.errors import CheckpointError, RunError
from clfkit.evaluation import evaluate_held_out, save_evaluation
from clfkit.history import TrainState
from clfkit.left_out_files import LeftOutFiles
from clfkit.memory import RunMemory
from clfkit.preparation import memory_errors, read_data, refuse_several
from clfkit.remembering import Observer
from clfkit.report.page import write_report
from clfkit.reporting import Audience, heard_by
from clfkit.restoring import Restored, restore_newest
from clfkit.resuming import (
    how_far,
    models_of,
    pieces_of,
    refuse_changes,
    refuse_joined,
    same_batches,
    stretched,
    untrained,
)
from clfkit.room import lack_of_room
from clfkit.run import RunDirectory
from clfkit.timing import FirstStep, Stopwatch
from clfkit.trackers import Tracking
from clfkit.trainer import Trainer
from clfkit.world import World


class Listener(Observer, Audience, Protocol):
    """Whoever is told how a run goes: a terminal, a log, nobody."""

    def warn(self, message: str) -> None:
        """What failed, in a line, while the run goes on."""

    def on_start(self, state: TrainState, steps: int, epochs: int, log_every: int) -> None:
        """Before the first of `steps` in so many epochs; `state` says what is done already when a run is resumed."""

    def on_signal(self, number: int) -> None:
        """A signal came; training stops after this step."""

    def on_stop(self) -> None:
        """Training is over, well or badly."""


def run_experiment(
    run: RunDirectory,
    config: ExperimentConfig,
    listener: Listener,
    clock: Stopwatch | None = None,
    *,
    world: World | None = None,
) -> None:
    """Train, evaluate and draw one experiment in a run directory that was just made.

    clock: a stopwatch that began when the run was asked for, by default now.
    world: the processes that train together; ranks other than 0 come with a `WatchedRun`.
    Raises ClfkitError; a run that fails before its first step leaves no directory behind, unless it was a signal.
    """
    world, clock = world or World(), clock or Stopwatch()
    with run.lock():
        with remembered(run, clock), ExitStack() as unless_begun:
            if not world.rank and not run.checkpoint_path("last"):  # never a run that holds somebody's work
                unless_begun.push(removing(run))
            run.set_status("running")
            session = _Session.prepare(config, run, listener, clock, world)
            session.begin()
        session.complete()


def resume_run(
    run: RunDirectory,
    listener: Listener,
    config: ExperimentConfig | None = None,
    *,
    force: bool = False,
    clock: Stopwatch | None = None,
    world: World | None = None,
) -> RunDirectory:
    """Continue a run from its last checkpoint, bit for bit as if it had never stopped; one without any begins anew.

    Where that is damaged or not of this run, from the one before it, which comes to the same.
    config: the options as they are now; a larger train.epochs extends the run, any other change needs `force`.
    Raises UsageError for changes, RunError when there is nothing left to do, CheckpointError.
    """
    refuse_joined(run)
    before = run.config()
    config = same_batches(config or before, before)
    refuse_changes(run, before, config, force)
    clock = clock or Stopwatch()
    with run.lock():
        anew = untrained(run)
        if not anew and not run.resumable():
            raise CheckpointError(f"{run.path} has no last checkpoint")
        with interruptions_remembered(run):
            session = _Session.prepare(config, run, listener, clock, world or World(), fresh=anew)
            found = None if anew else session.restore()
        if found:
            session.clock.after(run.status().get("timing", {}), found.checkpoint.records)
        if session.trainer.finished and run.status()["status"] == "finished":
            raise RunError(f"nothing left to do in {run.path}, {how_far(session.trainer.state, config.train)}")
        session.world.largest(0)  # everybody has read the checkpoint before it is replaced
        with remembered(run, clock):
            if config != before:
                run.set_status("running", models=models_of(run, before))
                run.replace_config(config)
            session.go_on(found)
        session.complete()
    return run


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
    world: World
    tracking: Tracking

    @classmethod
    def prepare(
        cls, config: ExperimentConfig, run: RunDirectory, listener: Listener, clock: Stopwatch, world: World,
        *, fresh: bool = True,
    ) -> _Session:  # fmt: skip
        """Load the data and build the engine. fresh: the weights are to be initial ones, not a checkpoint's."""
        if world.size > 1:
            refuse_several(config)
        tracking = Tracking() if world.rank else Tracking.of(run, config.track, listener.say)
        with heard_by(listener), memory_errors("fewer samples, or smaller ones, take less"):
            bundle = read_data(config)
            parts = prepared(config, bundle, fresh=fresh, world=world)
        if parts.config != config:  # only what is measured, which one process alone does
            run.replace_config(parts.config)
        memory = RunMemory(run, parts.config, parts.bundle, tuple(map(int, parts.counts)), settled=tracking.settled)
        clock.watch(parts.engine, memory)
        trainer = dataclasses.replace(parts.trainer(memory, FirstStep(listener, clock)), pieces=pieces_of(run))
        return cls(parts.config, run, listener, parts.bundle, parts.engine, trainer, memory, clock, world, tracking)

    def begin(self) -> None:
        """Write down what a run starts with."""
        self._look_for_room()
        if self._has_initial:
            initial = self.memory.checkpoint(TrainState(), (), self.engine.model_state())
            self.run.save_checkpoint("initial", initial)
        self._announce()

    def restore(self) -> Restored:
        """Put everything back as it was when the newest good checkpoint was written. The run's files stay."""
        found = restore_newest(self.run, self.trainer, self.bundle, self.config)
        for refusal in found.refusals:
            self.listener.say(f"refused: {refusal}")
        self.trainer = found.trainer
        self.memory.saved_best = found.saved_best
        return found

    @property
    def _has_initial(self) -> bool:
        """Whether the weights before training are kept: small, and the boundary before training wants them."""
        return self.bundle.spec.inputs == "vector"

    def _look_for_room(self) -> None:
        if not self.world.rank and (lack := lack_of_room(self.run.path, self.trainer, initial=self._has_initial)):
            self.listener.say(lack)

    def go_on(self, found: Restored | None) -> None:
        """Bring the run's files to where the checkpoint is that training goes on from; None begins anew."""
        state = self.trainer.state
        self.run.go_back_to(found.place if found else None)
        if found:
            self._look_for_room()
        self.run.write_history(tuple(self.trainer.records))
        self.run.snapshots.discard_after(len(self.trainer.records))
        if not found:
            self.listener.say(f"{self.run.path} ended before its first checkpoint, so it begins anew")
            self.begin()
            return
        self.listener.say(f"resuming {self.run.path} after step {state.step:,} (epoch {state.epoch})")
        self._announce()
        trainer, before = self.trainer, found.checkpoint.config.train
        if note := stretched(before, self.config.train, trainer.lr, state.step, trainer.batches.per_epoch):
            self.listener.say(note)

    def complete(self) -> None:
        """Train, evaluate, draw, while trackers follow."""
        known: dict[str, Any] = {"epochs": self.trainer.epochs, "parameters": self.engine.parameters}
        self.run.set_status("running", **known, **dict.fromkeys(("reason", "trained", "samples")))
        following = self.tracking.following(self.trainer.records, self._waiting)
        with following, remembered(self.run, self.clock):
            self._complete()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """While trackers are waited for at the end, which takes its part of the time."""
        with self.clock.part("trackers"):
            yield
        with suppress(RunError):  # however the run ended, that is said already
            self.run.set_status(self.run.status()["status"], timing=self.clock.rounded())

    def _complete(self) -> None:
        """A run that is scored is finished though figures fail; where a signal stops them, a resumed run draws them."""
        with memory_errors(), self.engine.at_work(), self.world.guard():
            with self.clock.part("training"):
                self._train()
            self.run.set_status("running", trained=True)
            with self.clock.part("evaluation"):
                self._evaluate()
            self.world.leave()  # figures are drawn by one, which may take as long as it likes
        attempts = Attempts(self.listener.warn)
        if not self.world.rank:
            self._show(attempts)
        self.run.set_status("finished", timing=self.clock.rounded())
        attempts.settle()

    # What happens in a run

    def _train(self) -> None:
        trainer = self.trainer
        self.listener.on_start(trainer.state, trainer.steps, trainer.epochs, self.config.train.log_every)
        try:
            with heard_by(self.listener):
                state = trainer.fit(self.listener.on_signal)
        finally:
            self.listener.on_stop()
        if state.stopped_early:
            self.listener.say(f"stopped early after epoch {len(trainer.records)}: no improvement")

    def _evaluate(self) -> None:
        """Score the best epoch's model: the first and only look at the test split."""
        best, state = self.trainer.best, self.trainer.state
        assert best is not None, "training ran for at least one epoch"
        self.engine.load_state(best)
        if not self.world.rank:  # a resumed run may have nothing left to train, and a damaged one
            self.memory.write_best(state, self.trainer.records, best)
        self.run.discard_results()
        *others, last = evaluate_held_out(self.engine, self.bundle, self.memory.class_counts)
        if not self.world.rank:
            names = None if self.config.baselines == "auto" else self.config.baselines
            last = dataclasses.replace(last, baselines=compare(self.bundle, getattr(self.bundle, last.split), names))
        results = [*others, last]
        for evaluation in results:
            save_evaluation(self.run, evaluation)
        if not self.world.rank and (temperature := results[0].temperature) is not None:
            finished = dataclasses.replace(self.run.checkpoint("best"), temperature=temperature)
            self.run.save_checkpoint("best", finished)
        scores: dict[str, Any] = {f"{each.split}.accuracy": each.metrics["accuracy"] for each in results}
        self.run.set_status("running", best_epoch=state.best_epoch, **scores)

    def _show(self, attempts: Attempts) -> None:
        """Draw figures and write the report, each by itself: where one fails this is told, and the rest goes on."""
        classifier = Classifier.trained(self.run.checkpoint("best"), self.run, self.engine, self.bundle)
        with self.clock.part("drawing"):
            trained = self.clock.seconds["training"]
            draw_figures(classifier, self.config.plots, attempts, self.listener, self.engine.at_work, trained)
        if self.config.report:
            cure = f"clfkit report {self.run.path}"
            with self.clock.part("report"), attempts.at("report", cure), self.engine.at_work():
                self.run.set_status("running", timing=self.clock.rounded())  # the report tells how long figures took
                write_report(self.run, classifier=classifier)

    def _announce(self) -> None:
        counts = np.array(self.memory.class_counts)
        if not self.world.rank:
            LeftOutFiles(self.run.path).write(self.bundle.left_out)
        for line in announcement(self.config, self.bundle, counts, self.engine, self.trainer):
            self.listener.say(line)
        for change in self.memory.start(self.engine.decisions):
            self.listener.say(f"note: {change} since the run was started; results may differ in the last digits")
