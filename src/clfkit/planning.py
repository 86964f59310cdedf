"""What an experiment will take, from a few of its real steps: memory, time, disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any

import numpy as np

from clfkit import rng
from clfkit.batch_size import prepared
from clfkit.config import ExperimentConfig
from clfkit.data.bundle import PARTS, DataBundle, Split
from clfkit.data.cache import GIGABYTE
from clfkit.data.loading import Selection
from clfkit.engines.base import Arrays, Footprint, Totals
from clfkit.history import EpochRecord, TrainState
from clfkit.preparation import Parts, memory_errors, read_data
from clfkit.profiling import Clocks
from clfkit.remembering import Snapshot
from clfkit.room import room_needed

WARM_UP = 3
"""Steps at the beginning that are left out: libraries prepare themselves, and memory is fetched."""
SECONDS, PATIENCE = 3.0, 30.0
"""How long steps are measured: until there are STEPS in SECONDS, or a single one after PATIENCE."""
STEPS = 10
EPOCHS = 3
"""Whole epochs from which on their own time is believed, not that of their steps."""
PROFILED = 5
"""Steps that are taken apart into phases."""
SCORED = 1024
"""Samples of the valid split that a validation is measured on."""


@dataclass(frozen=True)
class Plan:
    """What an experiment will take; seconds, and bytes.

    steps: in an epoch; all_steps: in all epochs. start: libraries, data and model, before the first step.
    step, validation, epoch: medians; an epoch includes its validation. total: from the start to the last evaluation, if
    nothing stops training early; figures are not in it. phases: shares of a step. disk: of all checkpoints together, at
    most. cache: of decoded images, where there is one; it is shared by all runs on the same images.
    """

    samples: dict[str, int]
    classes: int
    learnable: int
    footprint: Footprint
    decisions: dict[str, Any]
    batch_size: int
    steps: int
    epochs: int
    all_steps: int
    start: float
    step: float
    validation: float
    epoch: float
    total: float
    phases: dict[str, float]
    disk: int
    cache: int
    hints: tuple[str, ...]


def make_plan(config: ExperimentConfig, began: float | None = None) -> Plan:
    """Train the experiment for some seconds, and forget it. Nothing is written.

    began: when the process did, on the clock of `time.monotonic`, since a run starts with that too; by default now.
    Raises TrainingError for too little memory, and what else a run would raise in its first steps.
    """
    began = time.monotonic() if began is None else began
    parts = prepared(config, read_data(config), fresh=False)
    start = time.monotonic() - began
    bundle, batches, engine = parts.bundle, parts.batches, parts.engine
    watch = _Watch(engine.wait)
    trainer = parts.trainer(_Forgetful(), watch)
    with memory_errors(), engine.at_work():
        with suppress(_Enough):
            trainer.fit()
        step = watch.seconds_a_step()
        validation = _seconds_of_score(parts, bundle.valid)
        phases = _phases(parts)
        indices = next(batches.epoch(0))[1]
        footprint = engine.footprint(indices)
        initial = parts.bundle.spec.inputs == "vector"
        _, disk = room_needed(engine, config.train, trainer.epochs, initial=initial)
    of_steps = step * (len(bundle.train) / batches.batch_size)
    epoch = watch.seconds_an_epoch() or of_steps + validation
    of_test = validation * len(bundle.test) / len(bundle.valid) if len(bundle.valid) else 0.0
    full = trainer.steps / batches.per_epoch
    return Plan(
        samples={part: len(getattr(bundle, part)) for part in PARTS}, classes=len(bundle.spec.classes),
        learnable=engine.parameters, footprint=footprint,
        decisions={"engine": config.engine.name, **engine.decisions}, batch_size=batches.batch_size,
        steps=batches.per_epoch, epochs=trainer.epochs, all_steps=trainer.steps, start=start, step=step,
        validation=validation, epoch=epoch, total=start + epoch * full + validation + of_test, phases=phases, disk=disk,
        cache=_cache(config, bundle),
        hints=tuple(_hints(config, phases, engine.decisions, validation / epoch)),
    )  # fmt: skip


class _Enough(Exception):
    """Enough was measured."""


class _Forgetful:
    """Remembers nothing of a training. See clfkit.remembering.Memory."""

    def save(self, snapshot: Snapshot) -> None:
        """See Memory."""

    def record(self, record: EpochRecord, totals: Totals) -> None:
        """See Memory."""

    def keep(self, state: TrainState, records: Sequence[EpochRecord], model: Callable[[], Arrays]) -> None:
        """See Memory."""

    def decide(self, decisions: Mapping[str, Any], pieces: Mapping[int, int]) -> None:
        """See Memory."""

    def flush(self) -> None:
        """See Memory."""


class _Watch:
    """Notes when steps and epochs end, and ends the training when that is enough. See clfkit.remembering.Observer."""

    def __init__(self, wait: Callable[[], None]) -> None:
        self._wait = wait
        self._began = self._last = time.perf_counter()
        self._steps: list[float] = []
        self._ends: list[float] = []

    def on_step(self, step: int) -> None:
        """See Observer. The device is waited for."""
        self._wait()
        now = time.perf_counter()
        self._steps.append(now - self._last)
        self._last = now
        if now - self._began > (SECONDS if step >= WARM_UP + STEPS else PATIENCE) and step > WARM_UP:
            raise _Enough

    def on_epoch_end(self, record: EpochRecord, best: bool) -> None:
        """See Observer."""
        self._last = time.perf_counter()
        self._ends.append(self._last)

    def seconds_a_step(self) -> float:
        """Median, without the steps at the beginning where there are others."""
        return median(self._steps[WARM_UP:] or self._steps)

    def seconds_an_epoch(self) -> float | None:
        """Median of whole epochs with all that belongs to them; None when too few were seen."""
        whole = np.diff(self._ends)
        return float(np.median(whole)) if len(whole) >= EPOCHS else None


def _seconds_of_score(parts: Parts, split: Split) -> float:
    """Seconds that a split takes to be scored, from its first samples; the first time is left out."""
    if not len(split):
        return 0.0
    first = np.arange(min(len(split), SCORED))
    inputs = split.inputs[first] if isinstance(split.inputs, np.ndarray) else Selection(split.inputs, first)
    some = Split(inputs, split.labels[first], split.ids[first])
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        parts.engine.score(some)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:]) * len(split) / len(first)


def _phases(parts: Parts) -> dict[str, float]:
    """The share of each phase of a step."""
    clocks = Clocks(parts.engine)
    for position, indices in islice(parts.batches.epoch(0), PROFILED):
        key = rng.key(parts.config.seed, "plan", position)
        parts.engine.train_step(indices, parts.rate, key, parts.batches.look(0, position))
    rows = clocks.phases()
    whole = sum(row.seconds for row in rows)
    return {row.part: row.seconds / whole for row in rows}


def _cache(config: ExperimentConfig, bundle: DataBundle) -> int:
    """Bytes of decoded images on the disk; none without the option, or beyond its limit."""
    options = config.data.options
    if getattr(options, "cache", "off") == "off":
        return 0
    size = sum(len(getattr(bundle, part)) for part in PARTS) * bundle.spec.features  # a byte each
    return size if size <= options.cache_limit * GIGABYTE else 0  # type: ignore[attr-defined]


def _hints(
    config: ExperimentConfig, phases: dict[str, float], decisions: dict[str, Any], validation: float
) -> Iterator[str]:
    """What takes a large part of an epoch, and what would help; validation: its share of an epoch."""
    feed = phases["feed"]
    if feed > 0.3 and config.train.augment and decisions.get("samples") == "resident":
        yield f"train.augment takes {feed:.0%} of a step"
    elif feed > 0.3 and decisions.get("samples") == "a batch at a time":
        option = "cache" if hasattr(config.data.options, "cache") else "memory"
        yield f"reading samples takes {feed:.0%} of a step: data.{option} would keep them decoded"
    if validation > 0.3:
        yield f"validation takes {validation:.0%} of an epoch: a smaller data.split.valid would shorten it"
    if phases["optimizer"] > 0.4:
        yield f"the optimizer takes {phases['optimizer']:.0%} of a step: a larger train.batch_size has fewer of them"
