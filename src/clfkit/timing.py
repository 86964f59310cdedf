"""Where the seconds of a run go: start, first step, training, evaluation, figures, report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clfkit.engines.base import Engine
    from clfkit.history import EpochRecord
    from clfkit.memory import RunMemory
    from clfkit.trainer import Observer

SHOWN = {
    "start": "start", "training": "training", "evaluation": "evaluation", "drawing": "figures", "report": "report",
}  # fmt: skip
"""The parts that follow one another, and what people are told they are."""


class Stopwatch:
    """Seconds of the parts of a piece of work, in `seconds`.

    began: the moment the work was asked for, on the clock of `time.monotonic`; by default now.
    """

    def __init__(self, began: float | None = None) -> None:
        self.began = time.monotonic() if began is None else began
        self.seconds: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """Note how long it took from the beginning until now."""
        self.seconds[name] = time.monotonic() - self.began

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note how long the part takes, whether it ends well or not; `start` is all that was before the first one."""
        now = time.monotonic()
        self.seconds.setdefault("start", now - self.began)
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - now

    def watch(self, engine: Engine, memory: RunMemory) -> None:
        """Take a closer look at what trains and what writes; a plain stopwatch takes none."""

    def rounded(self) -> dict[str, float]:
        """The seconds as status.json holds them, to the tenth of a millisecond."""
        return {name: round(seconds, 4) for name, seconds in self.seconds.items()}


class FirstStep:
    """Passes on what a trainer tells its observer, and marks the end of the first step as `first_step`.

    The first step is longer than others, since libraries prepare themselves in it; a user waits for it all the same.
    """

    def __init__(self, observer: Observer, clock: Stopwatch) -> None:
        self._observer, self._clock = observer, clock
        self.on_step: Callable[[int], None] = self._first

    def _first(self, step: int) -> None:
        self._clock.mark("first_step")
        self.on_step = self._observer.on_step  # later steps come without this detour
        self.on_step(step)

    def on_epoch_end(self, record: EpochRecord, best: bool) -> None:
        """See Observer."""
        self._observer.on_epoch_end(record, best)


def process_start() -> float:
    """When this process began, on the clock of `time.monotonic`; to 10 ms on Linux, elsewhere when it is asked."""
    now = time.monotonic()
    try:
        after_name = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        ticks = int(after_name[19])  # field 22 of proc(5), counted from the one after the name: starttime
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return now
    return now - max(age, 0.0)


def in_words(timing: Mapping[str, float]) -> str:
    """`2.1 s: start 0.4, training 1.2, evaluation 0.1, figures 0.4`; parts that were not reached are left out."""
    parts = {shown: timing[name] for name, shown in SHOWN.items() if name in timing}
    return f"{sum(parts.values()):.1f} s: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
