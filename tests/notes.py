"""A listener that remembers what was said, for tests."""

from __future__ import annotations

from clfkit.progress import Quiet


class Notes(Quiet):
    """What was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        """Remember it."""
        self.said.append(message)
