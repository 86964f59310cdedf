"""A closer look at a run: where the time of its training steps goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clfkit.engines.base import PHASES, Engine
from clfkit.memory import RunMemory
from clfkit.timing import Stopwatch


@dataclass(frozen=True)
class Row:
    """Seconds of one part of the training, and how often it came."""

    part: str
    seconds: float
    times: int


class Clocks:
    """Seconds and calls of the methods that are put under a clock, each under the name of its part.

    Methods are wrapped on the very objects. A GPU is waited for after each call.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.seconds: dict[str, float] = defaultdict(float)
        self.times: dict[str, int] = defaultdict(int)
        self.samples = 0
        for part, method in {**PHASES, "step": "train_step"}.items():
            self.watch(part, engine, method)

    def watch(self, part: str, owner: Any, method: str) -> None:
        """Put a method of this one object under a clock; all that happens in a step already is."""
        wrapped: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = wrapped(*arguments, **options)
            self._engine.wait()
            self.seconds[part] += time.perf_counter() - start
            self.times[part] += 1
            if part == "step":
                self.samples += result.samples
            return result

        setattr(owner, method, timed)

    def phases(self) -> list[Row]:
        """The parts of a step, in the order in which it goes through them; they add up to all steps."""
        rows = [Row(part, self.seconds[part], self.times[part]) for part in PHASES]
        rest = self.seconds["step"] - sum(row.seconds for row in rows)
        return [*rows, Row("rest of a step", rest, self.times["step"])]


class Profile(Stopwatch):
    """A stopwatch that also times every phase of every step, evaluations and checkpoints.

    The methods that do them are wrapped on the very engine and memory of the run, so that a run without a profile pays
    nothing. A GPU is waited for after every phase: its steps are then slower than those of a run without.
    """

    def watch(self, engine: Engine, memory: RunMemory) -> None:
        """See Stopwatch."""
        self._engine, self._clocks = engine, Clocks(engine)
        self._clocks.watch("evaluation", engine, "score")
        for part, method in memory.phases.items():
            self._clocks.watch(part, memory, method)
        self._others = ("evaluation", *memory.phases)

    @property
    def samples(self) -> int:
        """Train samples in all steps."""
        return self._clocks.samples

    def rows(self) -> list[Row]:
        """The parts of the training in the order in which a step goes through them; they add up to all of it."""
        phases, clocks = self._clocks.phases(), self._clocks
        others = [Row(part, clocks.seconds[part], clocks.times[part]) for part in self._others]
        known = sum(row.seconds for row in (*phases, *others))
        return [*phases, *others, Row("the loop", self.seconds["training"] - known, clocks.times["step"])]

    def samples_a_second(self) -> float:
        """Train samples a second, of the steps alone."""
        return self.samples / self._clocks.seconds["step"]

    def roof(self) -> float:
        """Train samples a second that this machine's matrix products would allow."""
        with self._engine.at_work():
            return self._engine.roof()
