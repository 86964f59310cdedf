"""Into how many pieces an engine cuts each batch: more of them where memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from clfkit.engines.base import EngineSetup
from clfkit.errors import UsageError


class PieceTooLarge(MemoryError):
    """A piece of a batch does not fit into memory. Nothing has been learned from the batch."""


class Pieces:
    """The pieces that each batch is worked through in.

    refuse: raises UsageError for a setup under which batch norm would see one sample by itself.
    """

    def __init__(self, setup: EngineSetup, refuse: Callable[[EngineSetup], None]) -> None:
        refuse(setup)
        self.count = setup.accumulate
        self._setup, self._refuse = setup, refuse

    def double(self, samples: int, decisions: dict[str, Any]) -> bool:
        """From now on cut batches, of which one of so many samples did not fit, into twice as many pieces.

        It is noted among the decisions. False where that cannot be: a piece is one sample already, batch norm would see
        one by itself, or several processes would have to agree on it.
        """
        finer = replace(self._setup, accumulate=2 * self.count)
        if self._setup.world.size > 1 or self.count >= samples:
            return False
        try:
            self._refuse(finer)
        except UsageError:
            return False
        self.count = decisions["accumulate"] = finer.accumulate
        return True

    def reach(self, count: int, decisions: dict[str, Any]) -> bool:
        """Cut batches into so many pieces, as the run has done that is trained on: sums of others have other bits.

        Whether there are more of them now.
        """
        before = self.count
        while self.count < count and self.double(self._setup.batch_size, decisions):
            pass
        return self.count > before
