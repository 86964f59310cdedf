"""A learning rate that rises to a peak and then falls far below its start."""

from __future__ import annotations

import math

from pydantic import PositiveFloat

from clfkit.components import schedules
from clfkit.options import Fraction
from clfkit.schedules import Progress, Schedule


@schedules.register("one_cycle")
def one_cycle(
    *, pct_start: Fraction = 0.3, div_factor: PositiveFloat = 25.0, final_div_factor: PositiveFloat = 1e4
) -> Schedule:
    """One rise to the peak and one fall to almost nothing, both along half a cosine wave.

    The optimizer's lr is the peak. The factor starts at 1 / div_factor, is 1 at step pct_start · total − 1
    and ends at 1 / (div_factor · final_div_factor) in the last step, as OneCycleLR in torch with cosine
    annealing; momentum stays as it is.
    Source: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
    Rates", 2018.

    Options:
        pct_start: share of all steps in which the rate rises
        div_factor: the peak divided by the first rate
        final_div_factor: the first rate divided by the last
    """
    first = 1.0 / div_factor
    last = first / final_div_factor

    def factor(progress: Progress) -> float:
        step, end = progress.step, progress.total - 1
        peak = pct_start * progress.total - 1  # as in torch: not rounded to a whole step, below 0 for short runs
        if step <= peak:
            return _between(first, 1.0, step / peak if peak > 0 else 1.0)
        return _between(1.0, last, (step - peak) / (end - peak))

    return factor


def _between(start: float, end: float, share: float) -> float:
    """Half a cosine wave from start (share 0) to end (share 1)."""
    return end + (start - end) / 2.0 * (1.0 + math.cos(math.pi * share))
