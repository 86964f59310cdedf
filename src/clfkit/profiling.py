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


class Profile(Stopwatch):
    """A stopwatch that also times every phase of every step, evaluations and checkpoints.

    The methods that do them are wrapped on the very engine and memory of the run, so that a run without a profile pays
    nothing. A GPU is waited for after every phase: its steps are then slower than those of a run without.
    """

    def watch(self, engine: Engine, memory: RunMemory) -> None:
        """See Stopwatch."""
        self._engine = engine
        self._spent: dict[str, float] = defaultdict(float)
        self._times: dict[str, int] = defaultdict(int)
        self.samples = 0
        for part, method in PHASES.items():
            self._time(part, engine, method)
        self._time("step", engine, "train_step")
        self._time("evaluation", engine, "score")
        for part, method in memory.phases.items():
            self._time(part, memory, method)
        self._others = ("evaluation", *memory.phases)

    def rows(self) -> list[Row]:
        """The parts of the training in the order in which a step goes through them; they add up to all of it."""
        phases = [Row(part, self._spent[part], self._times[part]) for part in PHASES]
        steps = Row("rest of a step", self._spent["step"] - sum(row.seconds for row in phases), self._times["step"])
        others = [Row(part, self._spent[part], self._times[part]) for part in self._others]
        known = self._spent["step"] + sum(row.seconds for row in others)
        return [*phases, steps, *others, Row("the loop", self.seconds["training"] - known, self._times["step"])]

    def samples_a_second(self) -> float:
        """Train samples a second, of the steps alone."""
        return self.samples / self._spent["step"]

    def roof(self) -> float:
        """Train samples a second that this machine's matrix products would allow."""
        with self._engine.at_work():
            return self._engine.roof()

    def _time(self, part: str, owner: Any, method: str) -> None:
        """Wrap a method of this one object."""
        wrapped: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = wrapped(*arguments, **options)
            self._engine.wait()
            self._spent[part] += time.perf_counter() - start
            self._times[part] += 1
            if part == "step":
                self.samples += result.samples
            return result

        setattr(owner, method, timed)
