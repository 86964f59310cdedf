"""The loop, with an engine that computes nothing."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from clfkit import rng
from clfkit.data.batches import Batches
from clfkit.data.bundle import Split
from clfkit.engines.base import Arrays, StepResult, Totals
from clfkit.errors import Interrupted, TrainingError
from clfkit.history import EpochRecord, TrainState
from clfkit.remembering import Snapshot
from clfkit.schedules import Progress
from clfkit.train_options import CheckpointEvery, EarlyStopping, TrainOptions
from clfkit.trainer import Trainer
from clfkit.world import World


@dataclass
class FakeEngine:
    """Counts steps; its valid losses are given."""

    valid_losses: Sequence[float] = (1.0,)
    losses: Callable[[int], float] = lambda step: 1.0
    seen: list[tuple[list[int], float, int]] = field(default_factory=list)
    epoch_keys: list[int] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    scored: int = 0
    reads: int = 0

    def start_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def ahead(self, batches: Iterator[Any]) -> Iterator[Any]:
        return batches

    def train_step(self, indices: Any, lr: float, key: int, epoch_key: int = 0) -> StepResult:
        self.seen.append((indices.tolist(), lr, key))
        self.epoch_keys.append(epoch_key)
        return StepResult(self.losses(len(self.seen)) * len(indices), float(len(indices)), 1, len(indices))

    def read(self, results: Sequence[StepResult]) -> Totals:
        self.reads += 1
        columns = ("loss", "weight", "correct", "count", "skipped")
        return Totals.of({name: np.array([result[at] for result in results]) for at, name in enumerate(columns)})

    def score(self, split: Split) -> Totals:
        loss = self.valid_losses[min(self.scored, len(self.valid_losses) - 1)]
        self.scored += 1
        return Totals.of({"loss": [loss], "weight": [1.0], "correct": [1], "count": [2]})  # type: ignore[dict-item]

    def evaluate(self, split: Split) -> tuple[Any, Totals]:
        return np.array([self.scored]), self.score(split)

    def model_state(self) -> Arrays:
        return {"steps": np.array(len(self.seen))}

    def optimizer_state(self) -> Arrays:
        return {"moments": np.array(len(self.seen))}


@dataclass
class Notes:
    """A memory and an observer that keep all they are told."""

    snapshots: list[Snapshot] = field(default_factory=list)
    records: list[tuple[EpochRecord, Totals]] = field(default_factory=list)
    epochs: list[tuple[int, bool]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    kept: list[tuple[int, int]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    at_step: Callable[[int], None] = lambda step: None
    at_flush: Callable[[], object] = lambda: None

    def save(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)

    def record(self, record: EpochRecord, totals: Totals) -> None:
        self.records.append((record, totals))

    def keep(self, state: TrainState, records: Sequence[EpochRecord], model: Callable[[], Arrays]) -> None:
        self.kept.append((state.step, len(records)))

    def decide(self, decisions: Mapping[str, Any], pieces: Mapping[int, int]) -> None:
        self.decisions.append(dict(decisions))

    def flush(self) -> None:
        self.at_flush()

    def on_step(self, step: int) -> None:
        self.steps.append(step)
        self.at_step(step)

    def on_epoch_end(self, record: EpochRecord, best: bool) -> None:
        self.epochs.append((record.epoch, best))

    @property
    def saved(self) -> list[int]:
        return [snapshot.state.step for snapshot in self.snapshots]


def make(
    engine: FakeEngine | None = None, notes: Notes | None = None, *, valid: int = 5, lr: float = 0.5,
    schedule: Callable[[Progress], float] = lambda progress: 1.0, **options: Any,
) -> tuple[Trainer, FakeEngine, Notes]:  # fmt: skip
    """A trainer of 10 samples in batches of 4: three steps an epoch."""
    engine, notes = engine or FakeEngine(), notes or Notes()
    split = Split(np.zeros((valid, 1), np.float32), np.zeros(valid, np.int64), np.arange(valid))
    train = TrainOptions(**{"epochs": 3, "batch_size": 4, **options})
    trainer = Trainer(engine, Batches.of(10, 4, 9), split, train, schedule, lr, 9, notes, notes)
    return trainer, engine, notes


def test_every_sample_comes_once_an_epoch() -> None:
    trainer, engine, notes = make()
    state = trainer.fit()
    assert (state.epoch, state.step, state.position) == (3, 9, 0)
    for epoch in range(3):
        batches = [indices for indices, _, _ in engine.seen[3 * epoch : 3 * epoch + 3]]
        assert [len(batch) for batch in batches] == [4, 4, 2]
        assert sorted(index for batch in batches for index in batch) == list(range(10))
    assert notes.steps == list(range(1, 10))
    assert trainer.finished


def test_results_are_read_once_an_epoch() -> None:
    _, engine, _ = (made := make())
    made[0].fit()
    assert engine.reads == 3


def test_keys_belong_to_the_step() -> None:
    trainer, engine, _ = make()
    trainer.fit()
    assert [key for _, _, key in engine.seen] == [rng.key(9, "step", step) for step in range(9)]
    assert engine.epoch_keys == [rng.key(9, "epoch", step // 3) for step in range(9)]


def test_drawn_samples_are_augmented_anew_in_every_batch() -> None:
    """What augments is keyed by epoch and sample, and a drawn sample comes several times."""
    keys = []
    for _ in range(2):
        trainer, engine, _ = make()
        drawn = Batches.of(10, 4, 9, sampling="balanced", labels=np.array([0] * 9 + [1]))
        replace(trainer, batches=drawn).fit()
        keys.append(engine.epoch_keys)
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 9


def test_the_engine_is_told_of_every_epoch_and_of_one_that_goes_on() -> None:
    trainer, engine, _ = make()
    trainer.state = trainer.state.model_copy(update={"epoch": 1, "step": 4, "position": 1})
    trainer.fit()
    assert engine.epochs == [2, 3]


def test_rate_is_that_of_the_schedule() -> None:
    seen: list[Progress] = []

    def schedule(progress: Progress) -> float:
        seen.append(
            Progress(
                progress.step, progress.steps_per_epoch, progress.epochs, tuple(progress.valid), progress.max_steps
            )
        )
        return 1 / (1 + progress.step)

    trainer, engine, notes = make(FakeEngine([0.5, 0.7, 0.1]), schedule=schedule)
    trainer.fit()
    assert [lr for _, lr, _ in engine.seen] == [0.5 / (1 + step) for step in range(9)]
    assert [record.lr for record, _ in notes.records] == [0.5 / 3, 0.5 / 6, 0.5 / 9]
    assert [progress.valid for progress in seen[::3]] == [(), (-0.5,), (-0.5, -0.7)]
    assert {(progress.steps_per_epoch, progress.epochs) for progress in seen} == {(3, 3)}


@pytest.mark.parametrize(
    ("most", "steps", "epochs"), [(1, 1, 1), (3, 3, 1), (4, 4, 2), (8, 8, 3), (9, 9, 3), (50, 9, 3)]
)
def test_max_steps_ends_training_inside_an_epoch(most: int, steps: int, epochs: int) -> None:
    seen: list[int] = []

    def schedule(progress: Progress) -> float:
        seen.append(progress.total)
        return 1.0

    trainer, engine, notes = make(max_steps=most, schedule=schedule)
    state = trainer.fit()
    assert trainer.finished
    assert len(engine.seen) == state.step == trainer.steps == steps
    assert [record.step for record, _ in notes.records] == [*range(3, steps, 3), steps]
    assert [record.epoch for record, _ in notes.records] == [1, 2, 3][:epochs]
    assert trainer.epochs == engine.scored == epochs
    assert [len(totals.loss) for _, totals in notes.records] == [3] * (epochs - 1) + [steps - 3 * (epochs - 1)]
    assert set(seen) == {steps}, "schedules plan for the steps that will be taken"
    assert notes.saved[-1] == steps


@pytest.mark.parametrize("valid_losses", [(1.0, 0.5, 2.0, 3.0), (1.0, 0.5, 0.9, 3.0), (1.0, 2.0, 3.0, 4.0)], ids=str)
def test_larger_max_steps_takes_back_the_end_of_an_epoch(valid_losses: tuple[float, ...]) -> None:
    """The second epoch is scored twice: after one of its steps, and whole; only the latter counts in the longer run."""
    trainer, engine, notes = make(FakeEngine(valid_losses), max_steps=4)
    trainer.fit()
    last = notes.snapshots[-1]
    whole, _, of_whole = make(FakeEngine((valid_losses[0], *valid_losses[2:])), max_steps=9)
    whole.fit()
    before = {name[5:]: array for name, array in last.progress.items() if name.startswith("best/")}
    again = dataclasses.replace(
        whole, engine=engine, state=last.state, records=list(last.records), best=last.best, before=before,
        partial=Totals.of(last.progress), memory=notes,
    )  # fmt: skip
    again.fit()
    unlike_time = {"seconds": 0.0}
    assert again.state.model_copy(update=unlike_time) == whole.state.model_copy(update=unlike_time)
    assert [each.model_copy(update=unlike_time) for each in again.records] == [
        each.model_copy(update=unlike_time) for each in whole.records
    ]
    assert again.best == whole.best
    assert [step for _, totals in notes.records for step in totals.loss] == [4, 4, 2, 4, 4, 4, 2, 4, 4, 2]
    assert notes.snapshots[-1].progress == of_whole.snapshots[-1].progress == {}


def test_records_hold_means_over_samples() -> None:
    trainer, _, notes = make(FakeEngine([0.25], losses=lambda step: float(step)))
    trainer.fit()
    record, totals = notes.records[0]
    assert record.train_loss == (1 * 4 + 2 * 4 + 3 * 2) / 10
    assert record.train_accuracy == 0.3
    assert (record.valid_loss, record.valid_accuracy) == (0.25, 0.5)
    assert totals.step_losses.tolist() == [1.0, 2.0, 3.0]
    assert [(r.epoch, r.step) for r, _ in notes.records] == [(1, 3), (2, 6), (3, 9)]


def test_best_epoch_is_kept_with_its_weights() -> None:
    trainer, _, notes = make(FakeEngine([0.5, 0.2, 0.3, 0.2]), epochs=4)
    state = trainer.fit()
    assert (state.best_epoch, state.best_value) == (2, 0.2)
    assert trainer.best == {"steps": 6}
    assert [best for _, best in notes.epochs] == [True, True, False, False]
    assert notes.snapshots[-1].best == {"steps": 6}
    assert notes.snapshots[-1].model == {"steps": 12}


def test_without_valid_split_the_last_epoch_is_the_best() -> None:
    trainer, engine, notes = make(valid=0)
    state = trainer.fit()
    assert state.best_epoch == 3 and trainer.best == {"steps": 9}
    assert engine.scored == 0
    assert notes.records[0][0].valid_loss is None


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_valid_loss_that_is_no_number_ends_training(broken: float) -> None:
    trainer, _, notes = make(FakeEngine([0.5, broken]))
    with pytest.raises(TrainingError, match=r"on the valid split .* at step 6 \(epoch 2"):
        trainer.fit()
    assert notes.saved == [3]
    assert len(notes.records) == 1


@pytest.mark.parametrize("state", ["model_state", "optimizer_state"])
@pytest.mark.parametrize("valid", [0, 5])
def test_states_that_are_no_numbers_are_never_checkpointed(
    valid: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine()
    monkeypatch.setattr(engine, state, lambda: {"bias": np.array([1.0, np.inf if len(engine.seen) > 3 else 0.0])})
    trainer, _, notes = make(engine, valid=valid)
    with pytest.raises(TrainingError, match="bias is not finite any more at step 6"):
        trainer.fit()
    assert notes.saved == [3]


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (3, 8)])
def test_early_stopping(patience: int, epochs: int) -> None:
    engine = FakeEngine([0.5, 0.4, 0.6, 0.5, 0.3, 0.9, 0.9, 0.9, 0.9])
    trainer, _, notes = make(engine, epochs=8, early_stopping=EarlyStopping(patience=patience))
    state = trainer.fit()
    assert state.epoch == epochs
    assert state.stopped_early == (patience < 3 or epochs == 8)
    assert notes.saved[-1] == 3 * epochs


def test_early_stopping_watches_another_metric_than_best() -> None:
    """Accuracy stands still while the loss falls: it stops, and the best epoch is that of the loss."""
    engine = FakeEngine([0.5, 0.4, 0.3, 0.2])
    early = EarlyStopping(metric="valid.accuracy", patience=2)
    trainer, _, _ = make(engine, epochs=9, early_stopping=early, best="valid.loss")
    state = trainer.fit()
    assert (state.epoch, state.best_epoch, state.stopped_early) == (3, 3, True)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("at", [1, 4, 9])
def test_loss_that_is_no_number_ends_training(at: int, broken: float) -> None:
    trainer, _, notes = make(FakeEngine(losses=lambda step: broken if step == at else 1.0))
    with pytest.raises(TrainingError, match=rf"at step {at} \(epoch {-(-at // 3)}, learning rate 0\.5\)"):
        trainer.fit()
    assert notes.saved == [3 * epoch for epoch in range(1, -(-at // 3))]


def test_loss_that_is_no_number_is_never_checkpointed() -> None:
    trainer, _, notes = make(
        FakeEngine(losses=lambda step: float("nan") if step == 4 else 1.0), checkpoint_every=CheckpointEvery(steps=2)
    )
    with pytest.raises(TrainingError, match="at step 4 "):
        trainer.fit()
    assert notes.saved == [2]


@pytest.mark.parametrize(
    ("every", "saved"),
    [
        (CheckpointEvery(epochs=1), [3, 6, 9, 12]),
        (CheckpointEvery(epochs=3), [9, 12]),
        (CheckpointEvery(epochs=50), [12]),
        (CheckpointEvery(steps=2), [2, 4, 6, 8, 10, 12]),
        (CheckpointEvery(steps=5), [5, 10, 12]),
        (CheckpointEvery(steps=1), list(range(1, 13))),
        (CheckpointEvery(minutes=60.0), [12]),
        (CheckpointEvery(minutes=1e-9), list(range(1, 13))),
    ],
)
def test_checkpoints_come_when_they_are_due_and_at_the_end(every: CheckpointEvery, saved: list[int]) -> None:
    trainer, _, notes = make(epochs=4, checkpoint_every=every)
    trainer.fit()
    assert notes.saved == saved


def test_checkpoint_inside_an_epoch_holds_what_the_epoch_gave() -> None:
    trainer, _, notes = make(FakeEngine(losses=float), checkpoint_every=CheckpointEvery(steps=5))
    trainer.fit()
    inside, end = notes.snapshots[0], notes.snapshots[-1]
    assert (inside.state.epoch, inside.state.position) == (1, 2)
    assert inside.progress["loss"].tolist() == [16.0, 20.0]
    assert end.progress == {}
    assert notes.records[1][1].step_losses.tolist() == [4.0, 5.0, 6.0]


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("every", [CheckpointEvery(epochs=1), CheckpointEvery(epochs=9), CheckpointEvery(steps=2)])
def test_signal_ends_training_with_one_checkpoint_of_that_step(step: int, every: CheckpointEvery) -> None:
    def interrupt(at: int) -> None:
        if at == step:
            signal.raise_signal(signal.SIGTERM)

    heard: list[int] = []
    trainer, engine, notes = make(None, Notes(at_step=interrupt), checkpoint_every=every)
    with pytest.raises(Interrupted, match=rf"SIGTERM at step {step}$") as stopped:
        trainer.fit(heard.append)
    assert stopped.value.exit_code == 143
    assert heard == [15]
    assert len(engine.seen) == step
    assert notes.saved[-1] == step and len(set(notes.saved)) == len(notes.saved)


class Company(World):
    """A world in which another process hears SIGTERM, or finds that a checkpoint is due, at one of the agreements."""

    def __init__(self, at: int, *noticed: int) -> None:
        self.left, self.noticed = at, noticed

    def largest(self, *numbers: int) -> tuple[int, ...]:
        """The others have noticed nothing but that."""
        self.left -= 1
        others = self.noticed if self.left == 0 else ()
        return tuple(max(pair) for pair in zip(numbers, (*others, 0, 0), strict=False))


@pytest.mark.parametrize(("at", "step"), [(1, 1), (4, 3), (6, 5)])  # a step each, and the end of the epoch after three
def test_a_signal_to_another_process_stops_this_one(at: int, step: int) -> None:
    trainer, engine, notes = make()
    trainer.world = Company(at, signal.SIGTERM)
    with pytest.raises(Interrupted, match=rf"SIGTERM at step {step}$"):
        trainer.fit()
    assert len(engine.seen) == step
    assert notes.saved[-1] == step


def test_a_checkpoint_that_is_due_elsewhere_is_due_here() -> None:
    trainer, _, notes = make(checkpoint_every=CheckpointEvery(minutes=60.0))
    trainer.world = Company(2, 0, 1)
    trainer.fit()
    assert notes.saved == [2, 9]


def test_signal_does_not_cut_off_what_is_written_last() -> None:
    """It is heard while the memory writes what waits, and obeyed when that is done."""
    heard: list[int] = []
    trainer, _, notes = make(None, Notes(at_flush=lambda: signal.raise_signal(signal.SIGTERM)))
    with pytest.raises(Interrupted, match="SIGTERM at step"):
        trainer.fit(heard.append)
    assert trainer.finished and notes.saved[-1] == trainer.state.step
    assert heard == [signal.SIGTERM]


def test_checkpoint_is_not_lost_when_its_time_comes_while_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock passes `minutes` between the end of an epoch and the stop after it."""
    now = [0.0]
    monkeypatch.setattr("clfkit.trainer.time.monotonic", lambda: now[0])
    trainer, _, notes = make(checkpoint_every=CheckpointEvery(minutes=1.0))
    monkeypatch.setattr(notes, "on_step", lambda step: step == 3 and signal.raise_signal(signal.SIGINT))
    due = trainer._checkpoint_due

    def slow(step: int | None = None) -> bool:
        result = due(step)
        if step is None:
            now[0] += 120.0
        return result

    monkeypatch.setattr(trainer, "_checkpoint_due", slow)
    with pytest.raises(Interrupted):
        trainer.fit()
    assert notes.saved == [3]


def test_trainer_that_is_finished_trains_no_further() -> None:
    trainer, engine, _ = make()
    trainer.fit()
    again = Trainer(
        engine, trainer.batches, trainer.valid, trainer.options, trainer.schedule, 0.5, 9, trainer.memory,
        trainer.observer, trainer.state, trainer.records, trainer.best,
    )  # fmt: skip
    again.fit()
    assert len(engine.seen) == 9


def test_the_best_epoch_and_early_stopping_by_another_metric() -> None:
    """It is measured once an epoch, and the loss beside it; what is undefined is never the best."""
    values: list[float | None] = [None, 0.2, 0.7, None, 0.6, 0.9]
    early = EarlyStopping(metric="valid.macro_f1", patience=2)
    trainer, engine, notes = make(FakeEngine([3.0, 2.0, 1.0]), epochs=9, early_stopping=early)
    trainer = replace(trainer, measure=lambda found, loss: {"valid.macro_f1": values[int(found[0])]})
    state = trainer.fit()
    assert (state.best_epoch, state.best_value, state.epoch, state.stopped_early) == (3, 0.7, 5, True)
    assert engine.scored == 5
    assert [record.value("valid.macro_f1") for record, _ in notes.records] == values[:5]
    assert [record.valid_loss for record, _ in notes.records] == [3, 2, 1, 1, 1]
