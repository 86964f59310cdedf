"""The batch size that this machine trains an experiment fastest with, from real steps at doubling sizes."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from clfkit.config import ExperimentConfig, override_config
from clfkit.data.bundle import DataBundle
from clfkit.engines.base import Footprint
from clfkit.errors import UsageError
from clfkit.preparation import Parts, memory_errors
from clfkit.world import World

SMALLEST = 16
STEPS_AN_EPOCH = 20
"""Steps that an epoch keeps at least: a batch is a twentieth of the train split at most."""
NEAR = 0.95
"""Share of the best throughput that is as good as the best."""
ROOM = 0.8
"""Share of the memory that a step may take: evaluations, other processes and fragments need some too."""
SECONDS, REPEATS = 0.3, 3
"""How long steps of one size are measured, and how many at least."""
SLOW = 5.0
"""Seconds of a step beyond which no larger size is tried."""
BATCHES = 8
"""Different batches that are measured in turns."""


@dataclass(frozen=True)
class Choice:
    """A batch size, samples a second at each size that was measured, and why no larger one was."""

    size: int
    throughput: dict[int, float]
    end: str

    def __str__(self) -> str:
        rates = ", ".join(f"{size}: {rate:,.0f}" for size, rate in self.throughput.items())
        return f"{self.size} (auto; samples a second at {rates}; {self.end})"


def prepared(config: ExperimentConfig, bundle: DataBundle, *, fresh: bool = True, world: World | None = None) -> Parts:
    """The parts of an experiment; a batch size of `auto` is measured, and stands in the config of the parts.

    See Parts.of. Raises TrainingError when the smallest batch does not fit.
    """
    if config.train.batch_size != "auto":
        return Parts.of(config, bundle, fresh=fresh, world=world)
    assert world is None or world.size == 1, "processes would measure different numbers"
    with memory_errors():
        choice = choose_batch_size(config, bundle)
    parts = Parts.of(_sized(config, choice.size), bundle, fresh=fresh)
    parts.engine.decisions = {**parts.engine.decisions, "batch_size": str(choice)}
    return parts


def choose_batch_size(config: ExperimentConfig, bundle: DataBundle) -> Choice:
    """The smallest size whose throughput is within 5 % of the best, among those that fit into memory with room left.

    Small batches learn more from as many samples, so a larger one must be worth it: on a processor throughput soon
    stops to grow, on a GPU late.
    """
    throughput: dict[int, float] = {}
    end, refusal = f"larger ones leave fewer than {STEPS_AN_EPOCH} steps an epoch", None
    for size in sizes(len(bundle.train), config.train.accumulate):
        try:
            rate, room = _measure(_sized(config, size), bundle)
        except MemoryError:
            if not throughput:
                raise
            end = f"{size} does not fit into memory"
            break
        except UsageError as error:  # a lone sample at the end of an epoch, perhaps
            refusal = error
            continue
        if not room and throughput:
            end = f"{size} leaves no room in memory"
            break
        best = max(throughput.values(), default=0.0)
        throughput[size] = rate
        if sum(other >= NEAR * max(best, rate) for other in throughput.values()) > 2:
            end = "larger ones gain nothing"
            break
        if size / rate > SLOW:
            end = f"a step takes {size / rate:.0f} s"
            break
    if not throughput:
        raise refusal or UsageError("train.batch_size: no size can be measured; give a number")
    enough = NEAR * max(throughput.values())
    return Choice(next(size for size, rate in throughput.items() if rate >= enough), throughput, end)


def sizes(samples: int, accumulate: int = 1) -> Iterator[int]:
    """Powers of two from 16 on, or from `accumulate`, of which an epoch keeps its steps; at least one size."""
    size = SMALLEST
    while size < accumulate:
        size *= 2
    if size * STEPS_AN_EPOCH > samples:
        yield min(size, samples)
    while size * STEPS_AN_EPOCH <= samples:
        yield size
        size *= 2


def _measure(config: ExperimentConfig, bundle: DataBundle) -> tuple[float, bool]:
    """Samples a second of the fastest step, and whether memory has room for the whole.

    The rate is 0, so that no weight is spoilt; a step takes as long as any. Raises MemoryError.
    """
    parts = Parts.of(config, bundle, fresh=False)
    engine, size = parts.engine, parts.batches.batch_size
    full = list(islice((indices for _, indices in parts.batches.epoch(0) if len(indices) == size), BATCHES))
    seconds: list[float] = []
    try:
        with engine.at_work():
            footprint = engine.footprint(full[0])
            began = last = time.perf_counter()
            for step, indices in enumerate(engine.ahead(cycle(full))):
                engine.train_step(indices, 0.0, step)
                engine.wait()
                now = time.perf_counter()
                seconds.append(now - last)
                last = now
                if (now - began > SECONDS and len(seconds) > REPEATS) or now - began > SLOW:
                    break
    finally:
        del parts, engine
        gc.collect()  # what this engine held is free again before the next one is built
    return size / min(seconds), _has_room(footprint)


def _has_room(footprint: Footprint) -> bool:
    """Whether a step leaves memory to others; a GPU has counted, on a processor twice the activations are a guess."""
    if footprint.peak is not None and footprint.available is not None:
        return footprint.peak <= ROOM * footprint.available
    free = _free_memory()
    return free is None or 2 * footprint.activations <= ROOM * free


def _free_memory() -> int | None:
    """Bytes that processes may still take; None where the system does not say it as Linux does."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _sized(config: ExperimentConfig, size: int) -> ExperimentConfig:
    return override_config(config, {"train.batch_size": size})
