"""Long work is told to whoever listens."""

from __future__ import annotations

import pytest

from clfkit.progress import Quiet
from clfkit.reporting import heard_by, say, work


class Notes(Quiet):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def say(self, message: str) -> None:
        self.heard.append(message)

    def on_work(self, what: str, done: int, total: int) -> None:
        self.heard.append((what, done, total))

    def on_work_end(self) -> None:
        self.heard.append("end")


def test_nobody_listens_by_default() -> None:
    say("nothing")
    with work("counting", 1) as task:
        task.advance()


def test_work_is_heard_from_begin_to_end() -> None:
    notes = Notes()
    with heard_by(notes):
        say("now")
        with pytest.raises(ValueError, match="broken"), work("counting", 5) as task:
            task.advance(2)
            raise ValueError("broken")
    say("too late")
    assert notes.heard == ["now", ("counting", 0, 5), ("counting", 2, 5), "end"]
