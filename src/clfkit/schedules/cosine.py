"""A learning rate that falls along half a cosine wave."""

from __future__ import annotations

import math

from clfkit.components import schedules
from clfkit.options import Fraction
from clfkit.schedules import Progress, Schedule


@schedules.register("cosine")
def cosine(*, floor: Fraction = 0.0) -> Schedule:
    """Half a cosine wave from the full rate down to floor, a little at every step, without restarts.

    factor = floor + (1 − floor) · (1 + cos(π · step / total)) / 2, as CosineAnnealingLR in torch.
    The first step has the full rate; floor itself would be reached one step after the last.
    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.

    Options:
        floor: the factor at the end
    """

    def factor(progress: Progress) -> float:
        wave = (1.0 + math.cos(math.pi * progress.step / progress.total)) / 2.0
        return floor + (1.0 - floor) * wave

    return factor
