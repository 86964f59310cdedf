"""A learning rate that falls by a constant factor every epoch."""

from __future__ import annotations

from pydantic import PositiveFloat

from clfkit.components import schedules
from clfkit.schedules import Progress, Schedule


@schedules.register("exponential")
def exponential(*, gamma: PositiveFloat = 0.95) -> Schedule:
    """The rate times gamma after every epoch.

    factor = gamma^epoch, as ExponentialLR in torch.

    Options:
        gamma: what the rate is multiplied with after each epoch
    """

    def factor(progress: Progress) -> float:
        return float(gamma**progress.epoch)

    return factor
