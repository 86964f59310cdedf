"""Ctrl-C, SIGTERM and SIGUSR1 as a wish to stop at the next good moment."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType, TracebackType
from typing import Any, Self

WISHES = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Signals that ask a run to stop. SIGUSR1 is what Slurm can be told to send some time before it takes the machine."""


class Stopped(KeyboardInterrupt):
    """A signal that takes effect where it comes, as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class GaveWay(Exception):
    """Work that can be done again later was left, since a signal asks to stop."""


@contextmanager
def postponed() -> Iterator[None]:
    """Signals that come meanwhile take effect at its end.

    For the import of libraries whose C++ calls Python: an exception in its midst would end the process with an abort.
    So a second Ctrl-C ends the command line without one; a program that calls the library is not ended, but waits.
    """
    commanded = isinstance(_owner(signal.getsignal(signal.SIGINT)), Interruption)
    with Interruption(again=_leave if commanded else lambda number: None) as wish:
        yield
    if wish.number is not None:
        signal.raise_signal(wish.number)


class Interruption:
    """While active, the first of `WISHES` is noted in `number`. Later ones are nothing new, but another SIGINT stops.

    on_signal: told of the first one.
    grace: seconds in which a second one is still the same Ctrl-C, where both a terminal and a launcher send it.
    at_once: the first one stops at once, too.
    again: what a second SIGINT does, by default raise `Stopped`.
    """

    def __init__(
        self,
        on_signal: Callable[[int], None] = lambda number: None,
        grace: float = 0.0,
        *,
        at_once: bool = False,
        again: Callable[[int], None] | None = None,
    ) -> None:
        self.number: int | None = None
        self._grace = grace
        self._noted = 0.0
        self._on_signal = on_signal
        self._at_once = at_once
        self._again = again or _stop
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python allows handlers there only
            for number in WISHES:
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
            around = _owner(handler)
            if kind is not None and around is not None and around.number is None:
                around.number, around._noted = self.number, self._noted  # the wish that is being obeyed is no new one

    @contextmanager
    def breaking(self, alone: bool = True) -> Iterator[None]:
        """While it lasts, `give_way` raises GaveWay once a signal was noted; of several processes none may leave."""
        token = _BREAKABLE.set(self if alone else None)
        try:
            yield
        finally:
            _BREAKABLE.reset(token)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            if number == signal.SIGINT and time.monotonic() - self._noted >= self._grace:
                self._again(number)
            return
        self.number, self._noted = number, time.monotonic()
        self._on_signal(number)
        if self._at_once:
            _stop(number)


_BREAKABLE: ContextVar[Interruption | None] = ContextVar("breakable", default=None)


def give_way() -> None:
    """Called in long work, where it may be left: raises GaveWay if whoever asked for it wants to stop."""
    wish = _BREAKABLE.get()
    if wish is not None and wish.number is not None:
        raise GaveWay


def _stop(number: int) -> None:
    raise Stopped(number)


def _leave(number: int) -> None:
    sys.stderr.write("\nclfkit: stopped at once\n")
    sys.stderr.flush()
    os._exit(128 + number)


def _owner(handler: object) -> Interruption | None:
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, Interruption) else None
