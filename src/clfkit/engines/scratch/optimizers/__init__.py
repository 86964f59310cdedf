"""Optimizers: one file each, how weights follow their gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from clfkit.engines.scratch.memory import Array


class UpdateRule(ABC):
    """Moves a vector w of all weights along their gradient g, in place.

    One vector for the whole network: an update is the same few operations however many layers there are. State
    vectors have the names that torch gives them, so that a checkpoint of one engine continues on the other.
    """

    vectors: ClassVar[tuple[str, ...]] = ()
    """Names of the state vectors, each as long as w and zero at the start."""

    counts = True
    """Whether torch keeps the number of steps for this optimizer."""

    def __init__(self, size: int, dtype: npt.DTypeLike) -> None:
        self.steps = 0
        self.state: dict[str, Array] = {name: np.zeros(size, dtype) for name in self.vectors}
        self.spare = np.empty(size, dtype)

    @abstractmethod
    def update(self, w: Array, g: Array, lr: float) -> None:
        """Step number `steps`, from 1 on: w ← w - … with learning rate η = lr. g may be overwritten."""
