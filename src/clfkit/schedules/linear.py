"""A learning rate that falls along a straight line."""

from __future__ import annotations

from clfkit.components import schedules
from clfkit.options import Fraction
from clfkit.schedules import Progress, Schedule


@schedules.register("linear")
def linear(*, floor: Fraction = 0.0) -> Schedule:
    """A straight line from the full rate down to floor, a little at every step.

    factor = 1 − (1 − floor) · step / total, as LinearLR in torch from start_factor 1.
    The first step has the full rate; floor itself would be reached one step after the last.

    Options:
        floor: the factor at the end
    """

    def factor(progress: Progress) -> float:
        return 1.0 - (1.0 - floor) * progress.step / progress.total

    return factor
