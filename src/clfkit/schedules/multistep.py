"""A learning rate that falls by a constant factor at chosen epochs."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from clfkit.components import schedules
from clfkit.schedules import Progress, Schedule


@schedules.register("multistep")
def multistep(*, milestones: tuple[PositiveInt, ...], gamma: PositiveFloat = 0.1) -> Schedule:
    """The rate times gamma whenever the number of finished epochs reaches one of the milestones.

    factor = gamma^(number of milestones ≤ epoch), as MultiStepLR in torch. The order of the
    milestones does not matter; one that is given twice counts twice.

    Options:
        milestones: numbers of finished epochs at which the rate falls, for example [30, 60, 80]
        gamma: what the rate is multiplied with at each milestone
    """

    def factor(progress: Progress) -> float:
        passed = sum(milestone <= progress.epoch for milestone in milestones)
        return float(gamma**passed)

    return factor
