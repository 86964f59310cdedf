"""What training needs, made from a config: samples, batches, engine, trainer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from clfkit.components import engines
from clfkit.config import ExperimentConfig
from clfkit.data.batches import Batches
from clfkit.data.bundle import DataBundle, IndexArray, listed
from clfkit.data.loading import load_bundle
from clfkit.engines.base import Engine, EngineSetup
from clfkit.errors import TrainingError, UsageError
from clfkit.evaluation import measure, tells_nothing
from clfkit.metrics import unbalanced
from clfkit.remembering import Memory, Observer
from clfkit.schedules import build_schedule
from clfkit.trainer import Trainer
from clfkit.world import World

SHARING = ("torch", "auto")
"""Engines that take their share of a batch; `auto` takes torch where there are several processes."""


def refuse_several(config: ExperimentConfig) -> None:
    """Raises UsageError for what one process alone can do, before data is read."""
    if config.engine.name not in SHARING:
        raise UsageError(f"engine: {config.engine.name!r} trains in one process; engine: torch takes several")
    if config.train.batch_size == "auto":
        raise UsageError("train.batch_size: `auto` is measured by one process; for several of them give a number")


def read_data(config: ExperimentConfig) -> DataBundle:
    """The samples of an experiment.

    Raises UsageError where its options need a valid split and there is none, or watch what tells nothing on it.
    """
    bundle = load_bundle(config.data, config.data_seed)
    if not len(bundle.valid) and config.needs_valid:
        keys = ", ".join(f"train.{key}" for key in config.needs_valid)
        raise UsageError(f"{keys}: needs a valid split, and there is none; data.split.valid sets its share")
    for name in config.train.measured if len(bundle.valid) else ():
        classes = bundle.spec.classes
        if (found := tells_nothing(name, bundle.valid, classes, bundle.train.counts(len(classes)))) is not None:
            key = "best" if config.train.best == f"valid.{name}" else "early_stopping.metric"
            raise UsageError(
                f"train.{key}: valid.{name} is {found} for these samples, whatever is predicted, so no epoch would be "
                "better than another"
            )
    return bundle


def about_classes(config: ExperimentConfig, bundle: DataBundle, counts: IndexArray) -> Iterator[str]:
    """What deserves a line about the classes at the start. counts: (K,) train samples of each."""
    if unbalanced(counts):
        train = config.train
        weighed = train.sampling != "natural" or train.loss.options.class_weights is not None
        remedies = "" if weighed else "; train.sampling or train.loss.class_weights helps"
        sizes = f"{counts.max():,} train samples in the largest, {counts.min():,} in the smallest"
        yield f"classes are unbalanced: {sizes}{remedies}"
    for part, split in (("valid", bundle.valid), ("test", bundle.test)):
        absent = np.flatnonzero(split.counts(len(counts)) == 0)
        if 0 < len(absent) < len(counts):
            which = "1 class has" if len(absent) == 1 else f"{len(absent):,} classes have"
            yield f"note: {which} no {part} sample, such as {listed([bundle.spec.classes.names[absent[0]]])}"


@contextmanager
def memory_errors(remedy: str = "a smaller train.batch_size, or train.accumulate, takes less") -> Iterator[None]:
    """A machine without enough memory, as TrainingError that says what would take less."""
    try:
        yield
    except MemoryError as error:
        what = f"out of memory: {error}" if str(error) else "out of memory"
        raise TrainingError(f"{what}; {remedy}") from error


@dataclass(frozen=True)
class Parts:
    """The parts that an experiment is trained with. counts: train samples of each class."""

    config: ExperimentConfig
    bundle: DataBundle
    counts: IndexArray
    batches: Batches
    engine: Engine
    world: World = field(default_factory=World)

    @classmethod
    def of(
        cls, config: ExperimentConfig, bundle: DataBundle, *, fresh: bool = True, world: World | None = None
    ) -> Parts:
        """Build the engine. fresh: the weights are to be initial ones, not a checkpoint's."""
        train, world = config.train, world or World()
        batches = Batches.of(
            len(bundle.train), train.batch_size, config.seed, sampling=train.sampling, labels=bundle.train.labels
        )
        counts = bundle.train.counts(len(bundle.spec.classes))
        setup = EngineSetup.of(
            train, spec=bundle.spec, model=config.model, train=bundle.train, class_counts=counts, seed=config.seed,
            batch_size=batches.batch_size, fresh=fresh, world=world,
        )  # fmt: skip
        return cls(config, bundle, counts, batches, engines.build(config.engine, setup), world)

    @property
    def rate(self) -> float:
        """The learning rate that the schedule multiplies."""
        rate: float = self.config.train.optimizer.options.lr  # type: ignore[attr-defined]
        return rate

    def trainer(self, memory: Memory, observer: Observer) -> Trainer:
        """A trainer that stands at the beginning."""
        train = self.config.train
        return Trainer(
            engine=self.engine, batches=self.batches, valid=self.bundle.valid, options=train, lr=self.rate,
            seed=self.config.seed, schedule=build_schedule(train.schedule), memory=memory,
            observer=observer, world=self.world, ids=self.bundle.train.ids,
            measure=measure(train.measured, self.bundle.valid, self.bundle.spec.classes, self.counts),
        )  # fmt: skip
