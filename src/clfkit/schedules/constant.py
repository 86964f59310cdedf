"""A learning rate that stays as it is."""

from __future__ import annotations

from clfkit.components import schedules
from clfkit.schedules import Progress, Schedule


@schedules.register("constant")
def constant() -> Schedule:
    """The same learning rate throughout."""

    def factor(progress: Progress) -> float:
        return 1.0

    return factor
