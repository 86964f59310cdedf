"""A learning rate that falls along half a cosine wave."""

from __future__ import annotations

import math

from pydantic import PositiveInt

from clfkit.components import schedules
from clfkit.options import Fraction
from clfkit.schedules import Progress, Schedule


@schedules.register("cosine")
def cosine(*, floor: Fraction = 0.0, cycles: PositiveInt = 1) -> Schedule:
    """Half a cosine wave from the full rate down to floor, a little at every step; with cycles, as often as that.

    factor = floor + (1 − floor) · (1 + cos(π · (step mod cycle) / cycle)) / 2, as CosineAnnealingLR in torch.
    The first step of a cycle has the full rate; floor itself would be reached one step after its last. A cycle has
    total / cycles steps, rounded up.
    Sources: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017; for the cycles Huang
    et al., "Snapshot Ensembles: Train 1, Get M for Free", 2017.

    Options:
        floor: the factor at the end
        cycles: how often the rate falls, to begin anew at its full height; see train.snapshots
    """

    def factor(progress: Progress) -> float:
        cycle = -(-progress.total // cycles)
        wave = (1.0 + math.cos(math.pi * (progress.step % cycle) / cycle)) / 2.0
        return floor + (1.0 - floor) * wave

    return factor
