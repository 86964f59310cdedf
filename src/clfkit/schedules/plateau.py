"""A learning rate that falls when the valid split stops improving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from clfkit.components import schedules
from clfkit.schedules import Progress, Schedule


@schedules.register("plateau")
def plateau(
    *,
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1,
    patience: NonNegativeInt = 10,
    threshold: NonNegativeFloat = 1e-4,
) -> Schedule:
    """The rate times factor whenever the valid split has not improved for more than patience epochs.

    Watches the metric that decides which epoch is the best (`train.best`). An epoch improves when its value
    is better than the best so far by more than threshold. After patience + 1 epochs in a row without
    improvement the rate falls, and the count starts again, as ReduceLROnPlateau in torch with threshold_mode
    "abs", cooldown 0 and eps 0. The factor follows from the values alone, so that a resumed run has nothing
    to restore.

    Options:
        factor: what the rate is multiplied with at each fall
        patience: epochs without improvement that are waited through
        threshold: smallest change of the metric that counts as an improvement
    """
    memory = _Replay()

    def scale(progress: Progress) -> float:
        nonlocal memory
        if not memory.is_start_of(progress.valid):
            memory = _Replay()
        for value in progress.valid[len(memory.seen) :]:
            memory.add(value, factor, patience, threshold)
        return memory.scale

    return scale


class _Replay:
    """The values gone through so far and what follows from them; saves going through them at every step."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.best = float("-inf")
        self.waited = 0
        self.scale = 1.0

    def is_start_of(self, values: Sequence[float]) -> bool:
        return self.seen == list(values[: len(self.seen)])

    def add(self, value: float, factor: float, patience: int, threshold: float) -> None:
        """One more epoch. NaN never improves."""
        self.seen.append(value)
        if value > self.best + threshold:
            self.best = value
            self.waited = 0
        else:
            self.waited += 1
        if self.waited > patience:
            self.scale *= factor
            self.waited = 0
