"""Ctrl-C and SIGTERM as a wish to stop at the next good moment."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


@contextmanager
def postponed() -> Iterator[None]:
    """Signals that come meanwhile take effect at its end.

    For the import of libraries whose C++ calls Python: an exception in its midst would end the process with an abort.
    """
    with Interruption() as wish:
        yield
    if wish.signal_number is not None:
        signal.raise_signal(wish.signal_number)


class Interruption:
    """While active, the first SIGINT or SIGTERM is noted in `signal_number`; a second SIGINT stops at once.

    grace: seconds in which a second one is still the same Ctrl-C, where both a terminal and a launcher send it.
    """

    def __init__(self, on_signal: Callable[[int], None] = lambda number: None, grace: float = 0.0) -> None:
        self.signal_number: int | None = None
        self._grace = grace
        self._noted = 0.0
        self._on_signal = on_signal
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python allows handlers there only
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None and number == signal.SIGINT:
            if time.monotonic() - self._noted < self._grace:
                return
            raise KeyboardInterrupt
        self.signal_number, self._noted = number, time.monotonic()
        self._on_signal(number)
