"""A learning rate that falls by a constant factor every few epochs."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from clfkit.components import schedules
from clfkit.schedules import Progress, Schedule


@schedules.register("step")
def step(*, step_size: PositiveInt = 30, gamma: PositiveFloat = 0.1) -> Schedule:
    """The rate times gamma every step_size epochs.

    factor = gamma^⌊epoch / step_size⌋, as StepLR in torch.

    Options:
        step_size: epochs from one fall to the next
        gamma: what the rate is multiplied with at each fall
    """

    def factor(progress: Progress) -> float:
        return float(gamma ** (progress.epoch // step_size))

    return factor
