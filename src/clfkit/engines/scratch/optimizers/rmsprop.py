"""RMSProp: steps measured in recent sizes of the gradient."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from clfkit.components import optimizers
from clfkit.engines.scratch.memory import Array
from clfkit.engines.scratch.optimizers import UpdateRule


class RMSProp(UpdateRule):
    """v ← α v + (1 - α) g², w ← w - η g / (√v + ε) (Hinton, lecture 6e, 2012)."""

    vectors: ClassVar[tuple[str, ...]] = ("square_avg",)

    def __init__(self, size: int, dtype: npt.DTypeLike, alpha: float, eps: float) -> None:
        super().__init__(size, dtype)
        self.alpha, self.eps = alpha, eps

    def update(self, w: Array, g: Array, lr: float) -> None:
        step = self.scaled(g)
        step *= lr
        w -= step

    def scaled(self, g: Array) -> Array:
        """g / (√v + ε), after v has taken g in."""
        v = self.state["square_avg"]
        square = np.multiply(g, g, out=self.spare)
        square *= 1 - self.alpha
        v *= self.alpha
        v += square
        root = np.sqrt(v, out=self.spare)
        root += self.eps
        g /= root
        return g


class RMSPropWithMomentum(RMSProp):
    """The same with u ← μ u + g / (√v + ε), w ← w - η u."""

    vectors: ClassVar = ("square_avg", "momentum_buffer")

    def __init__(self, size: int, dtype: npt.DTypeLike, alpha: float, eps: float, momentum: float) -> None:
        super().__init__(size, dtype, alpha, eps)
        self.momentum = momentum

    def update(self, w: Array, g: Array, lr: float) -> None:
        u = self.state["momentum_buffer"]
        u *= self.momentum
        u += self.scaled(g)
        w -= np.multiply(u, lr, out=self.spare)


@optimizers.implement("rmsprop", engine="scratch")
def rmsprop(size: int, dtype: npt.DTypeLike, *, lr: float, alpha: float, eps: float, momentum: float) -> UpdateRule:
    """RMSProp, with or without momentum."""
    if momentum:
        return RMSPropWithMomentum(size, dtype, alpha, eps, momentum)
    return RMSProp(size, dtype, alpha, eps)
