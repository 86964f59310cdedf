"""Where the seconds of a run go: start, first step, training, evaluation, figures, report, trackers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clfkit.engines.base import Engine
    from clfkit.history import EpochRecord
    from clfkit.memory import RunMemory
    from clfkit.remembering import Observer

SHOWN = {
    "start": "start", "training": "training", "evaluation": "evaluation", "drawing": "figures", "report": "report",
    "trackers": "trackers",
}  # fmt: skip
"""The parts that follow one another, and what people are told they are."""


class Stopwatch:
    """Seconds of the parts of a piece of work, in `seconds`.

    began: the moment the work was asked for, on the clock of `time.monotonic`; by default now. A run that is resumed
    has a stopwatch for each session, and `before` holds what those before have measured.
    """

    def __init__(self, began: float | None = None) -> None:
        self.began = time.monotonic() if began is None else began
        self.seconds: dict[str, float] = {}
        self.before: dict[str, float] = {}

    def after(self, timing: Mapping[str, float], records: Sequence[EpochRecord]) -> None:
        """Go on after other sessions. timing: of status.json. records: the epochs that they have finished."""
        self.before = {**timing, "training": training_seconds(timing, records)}

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
        """The seconds of all sessions as status.json holds them, to the tenth of a millisecond.

        Of the first step it is that of the last session, since it says how long somebody waited for it.
        """
        names = dict.fromkeys([*self.before, *self.seconds])
        total = {name: self.before.get(name, 0.0) + self.seconds.get(name, 0.0) for name in names}
        total |= {name: self.seconds[name] for name in ("first_step",) if name in self.seconds}
        return {name: round(seconds, 4) for name, seconds in total.items()}


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


def training_seconds(timing: Mapping[str, float], records: Sequence[EpochRecord]) -> float:
    """Seconds of training in all sessions of a run, with what was written and validated meanwhile.

    A session that was killed has left no word in `timing`, of status.json; of those their finished epochs count.
    """
    return max(timing.get("training", 0.0), sum(record.seconds for record in records))


@dataclass(frozen=True)
class Pace:
    """How fast a run trained, validation included. epoch: seconds of the middle one. samples: of train, a second."""

    epoch: float
    samples: float

    @classmethod
    def of(cls, records: Sequence[EpochRecord], train_samples: int) -> Pace | None:
        """None where no epoch is finished."""
        seconds = [record.seconds for record in records]
        if not sum(seconds):
            return None
        return cls(median(seconds), train_samples * len(seconds) / sum(seconds))


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
