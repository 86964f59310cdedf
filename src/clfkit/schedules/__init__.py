"""Learning-rate schedules: factors on the optimizer's rate, as pure functions of the progress made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clfkit.components import ScheduleOptions, schedules
from clfkit.registry import Component


@dataclass(frozen=True)
class Progress:
    """How far training is when a step begins. Integers, so that no rounding moves a boundary.

    valid: the watched metric of every finished epoch, oldest first; the larger the better.
    max_steps: where training ends if the epochs have more steps.
    """

    step: int
    steps_per_epoch: int
    epochs: int
    valid: Sequence[float] = ()
    max_steps: int | None = None

    @property
    def epoch(self) -> int:
        """Whole epochs finished."""
        return self.step // self.steps_per_epoch

    @property
    def total(self) -> int:
        """Steps from start to end."""
        steps = self.steps_per_epoch * self.epochs
        return steps if self.max_steps is None else min(steps, self.max_steps)


Schedule = Callable[[Progress], float]
"""Progress → the factor that the optimizer's learning rate is multiplied with for this step."""


def build_schedule(component: Component[ScheduleOptions]) -> Schedule:
    """The schedule of a config, with its linear warm-up.

    During the first `warmup` epochs, of w steps, step s multiplies the factor by (s + 1) / w.
    """
    schedule: Schedule = schedules.build(component)
    warmup = component.options.warmup
    if warmup == 0:
        return schedule

    def warmed(progress: Progress) -> float:
        steps = warmup * progress.steps_per_epoch
        return min(1.0, (progress.step + 1) / steps) * schedule(progress)

    return warmed
