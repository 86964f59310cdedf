"""Trackers: programs that show runs of many kinds, told what a run does while it goes."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from clfkit.components import NoOptions, trackers
from clfkit.errors import Interrupted, UsageError
from clfkit.history import EpochRecord
from clfkit.registry import Component
from clfkit.run import RunDirectory
from clfkit.wording import first_line, printable

SECONDS_BEFORE_A_WORD = 2.0
"""How long the end of a run waits for a tracker in silence."""
SECONDS_AFTER_A_SIGNAL = 8.0
"""How long a run that a signal has stopped waits for a tracker at most: a scheduler may be about to kill it."""


class Tracker(Protocol):
    """What shows a run elsewhere. Called from one thread, never two calls at a time; it may raise whatever it likes.

    It only hears of epochs that a checkpoint on the disk holds. So none comes twice, and when a run goes on after it
    was killed, nothing stands there that the run does not know.
    """

    def start(self, records: Sequence[EpochRecord]) -> None:
        """Training begins; `records` are the epochs that a resumed run has behind it."""

    def epochs(self, records: Sequence[EpochRecord]) -> None:
        """These epochs are over."""

    def finish(self) -> None:
        """Nothing more will come: the run is finished, was interrupted, or has failed; its folder says which."""


def insist_on(tracker: str, *libraries: str) -> None:
    """Raises UsageError where one of the libraries, named as they are imported, is missing."""
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            raise UsageError(
                f'track: {tracker} needs the library {library}, which is not installed: pip install "clfkit[{tracker}]"'
            )


def curves(record: EpochRecord) -> dict[str, float]:
    """What a record has beside the number of its epoch and step, by name, as far as it is defined."""
    return {
        name: value for name, value in record.cells().items() if name not in ("epoch", "step") and value is not None
    }


def ends(records: Sequence[EpochRecord]) -> list[float]:
    """When each epoch ended, in seconds since 1970, as if the last had ended now and none had waited for another."""
    now, after = time.time(), 0.0
    times = []
    for record in reversed(records):
        times.append(now - after)
        after += record.seconds
    return times[::-1]


@dataclass
class Tracking:
    """The trackers of one run at work, each in a thread of its own, so that training neither waits for them nor fails.

    What goes wrong in one is told to `say` once; then that tracker is left alone.
    """

    say: Callable[[str], None] = lambda message: None
    threads: list[_Thread] = field(default_factory=list)
    told: int = 0  # epochs

    @classmethod
    def of(cls, run: RunDirectory, chosen: Sequence[Component[NoOptions]], say: Callable[[str], None]) -> Tracking:
        """The trackers that a config asks for. Raises UsageError where a library is missing."""
        return cls(say, [_Thread(each.name, trackers.build(each, run)) for each in chosen])

    @contextmanager
    def following(
        self, records: Sequence[EpochRecord], waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Iterator[None]:
        """While it lasts, the trackers follow a run that has `records` behind it. At its end all is told.

        waiting: entered where trackers are waited for at the end, for long only where no signal has stopped the run.
        """
        self.told = len(records)
        self._tell("start", tuple(records))
        patience = None
        try:
            yield
        except (Interrupted, KeyboardInterrupt):
            patience = SECONDS_AFTER_A_SIGNAL
            raise
        finally:
            self._tell("finish")
            if self.threads:
                with waiting():
                    self._wait(patience)
            self._say_what_failed()

    def settled(self, records: Sequence[EpochRecord]) -> None:
        """A checkpoint on the disk holds these epochs, all since the start of the run."""
        if len(records) > self.told:
            self._tell("epochs", tuple(records[self.told :]))
            self.told = len(records)

    def _wait(self, patience: float | None) -> None:
        end = math.inf if patience is None else time.monotonic() + patience
        for thread in self.threads:
            left = max(0.0, end - time.monotonic())
            if not thread.rests(min(SECONDS_BEFORE_A_WORD, left)):
                self.say(f"waiting for {thread.name}")
            if not thread.rests(None if patience is None else max(0.0, end - time.monotonic())):
                self.say(f"note: {thread.name} does not answer, and is not waited for: it may lack the end of this run")
            thread.end()

    def _tell(self, what: str, *arguments: Any) -> None:
        self._say_what_failed()
        for thread in self.threads:
            thread.call(what, *arguments)

    def _say_what_failed(self) -> None:
        for thread in list(self.threads):
            if thread.failure is not None:
                self.threads.remove(thread)
                thread.end()
                reason = printable(first_line(thread.failure), 200)
                self.say(f"note: the rest of this run is not tracked by {thread.name}: {reason}")


class _Thread:
    """Calls a tracker's methods one after the other, until one of them fails."""

    def __init__(self, name: str, tracker: Tracker) -> None:
        self.name = name
        self._tracker = tracker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._last: Future[None] | None = None

    def call(self, what: str, *arguments: Any) -> None:
        """Call a method when those before are done. After one that failed none is called."""
        before, method = self._last, getattr(self._tracker, what)

        def follow() -> None:
            if before is not None:
                before.result()  # raises what went wrong there
            method(*arguments)

        self._last = self._thread.submit(follow)

    def rests(self, seconds: float | None) -> bool:
        """Whether all calls are over, in so many seconds at most; None waits for them."""
        return not wait([self._last] if self._last else [], seconds).not_done

    def end(self) -> None:
        """Nothing more will be called."""
        self._thread.shutdown(wait=False)

    @property
    def failure(self) -> BaseException | None:
        """What ended a call, if one failed."""
        return self._last.exception() if self._last is not None and self._last.done() else None
