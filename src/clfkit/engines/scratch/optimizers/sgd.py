"""Stochastic gradient descent, with or without momentum."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clfkit.components import optimizers
from clfkit.engines.scratch.memory import Array
from clfkit.engines.scratch.optimizers import UpdateRule
from clfkit.optimizers.sgd import refuse_nesterov_alone


class SGD(UpdateRule):
    """w ← w - η g: straight down the slope."""

    counts = False

    def update(self, w: Array, g: Array, lr: float) -> None:
        g *= lr
        w -= g


class Momentum(UpdateRule):
    """v ← μ v + g, w ← w - η v: a ball that rolls and keeps the share μ of its velocity (Polyak 1964).

    Nesterov's variant steps along g + μ v with the new v, the slope a little ahead (Sutskever et al. 2013).
    """

    vectors = ("momentum_buffer",)
    counts = False

    def __init__(self, size: int, dtype: npt.DTypeLike, momentum: float, nesterov: bool) -> None:
        super().__init__(size, dtype)
        self.momentum, self.nesterov = momentum, nesterov

    def update(self, w: Array, g: Array, lr: float) -> None:
        v = self.state["momentum_buffer"]
        v *= self.momentum
        v += g
        step = np.multiply(v, lr, out=self.spare)
        if self.nesterov:
            step *= self.momentum
            g *= lr
            step += g
        w -= step


@optimizers.implement("sgd", engine="scratch")
def sgd(size: int, dtype: npt.DTypeLike, *, lr: float, momentum: float, nesterov: bool) -> UpdateRule:
    """Stochastic gradient descent."""
    refuse_nesterov_alone(momentum, nesterov)
    return Momentum(size, dtype, momentum, nesterov) if momentum else SGD(size, dtype)
