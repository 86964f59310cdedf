"""News of long work (files that are scanned or decoded), told to whoever listens; by default nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Audience(Protocol):
    """Whoever is told how long work goes."""

    def say(self, message: str) -> None:
        """One line of news."""

    def on_work(self, what: str, done: int, total: int) -> None:
        """`done` of `total` pieces of the work called `what` are there."""

    def on_work_end(self) -> None:
        """That work is over, well or badly."""


_AUDIENCE: ContextVar[Audience | None] = ContextVar("audience", default=None)


@contextmanager
def heard_by(audience: Audience) -> Iterator[None]:
    """While it lasts, what this thread reports goes to `audience`."""
    token = _AUDIENCE.set(audience)
    try:
        yield
    finally:
        _AUDIENCE.reset(token)


def say(message: str) -> None:
    """One line of news."""
    audience = _AUDIENCE.get()
    if audience is not None:
        audience.say(message)


class Work:
    """Work of so many pieces; `advance` counts them."""

    def __init__(self, what: str, total: int) -> None:
        self._audience = _AUDIENCE.get()
        self._what, self._total, self._done = what, total, 0

    def advance(self, pieces: int = 1) -> None:
        """So many more pieces are done."""
        self._done += pieces
        if self._audience is not None:
            self._audience.on_work(self._what, self._done, self._total)

    def end(self) -> None:
        """Nothing more will come."""
        if self._audience is not None:
            self._audience.on_work_end()


@contextmanager
def work(what: str, total: int) -> Iterator[Work]:
    """Work of `total` pieces, such as work("decoding images", 2_000); whoever listens sees it begin, go on and end."""
    task = Work(what, total)
    task.advance(0)
    try:
        yield task
    finally:
        task.end()
