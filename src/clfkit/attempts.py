"""Pieces of work that fail each by itself, so that the rest goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType

from clfkit.errors import ClfkitError, Interrupted


@dataclass
class Attempts:
    """What goes wrong in a piece of work is told to `say`, in a line. A bug is kept, and raised when all is done."""

    say: Callable[[str], None]
    bugs: list[Exception] = field(default_factory=list)

    def at(self, what: str, cure: str) -> AbstractContextManager[None]:
        """While one piece is done: if it fails, there is no `what` until the command `cure` is run."""
        return _Attempt(self, what, cure)

    def settle(self) -> None:
        """Raise the bug that was met on the way, with its traceback; of several all, as a group."""
        if len(self.bugs) > 1:
            raise ExceptionGroup(f"{len(self.bugs)} pieces of work failed", self.bugs)
        for bug in self.bugs:
            raise bug


@dataclass
class _Attempt(AbstractContextManager[None]):
    attempts: Attempts
    what: str
    cure: str

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or isinstance(error, Interrupted):  # a wish to stop is one for the rest too
            return False
        if isinstance(error, (ClfkitError, MemoryError)):
            reason = str(error) or "out of memory"
        else:
            reason = f"a bug ({type(error).__name__}: {error})"
            self.attempts.bugs.append(error)
        self.attempts.say(f"note: no {self.what}: {reason}; try again with `{self.cure}`")
        return True
