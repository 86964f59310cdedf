"""Adagrad: the more a weight has moved, the smaller its steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clfkit.components import optimizers
from clfkit.engines.scratch.memory import Array
from clfkit.engines.scratch.optimizers import UpdateRule


@optimizers.implement("adagrad", engine="scratch")
class Adagrad(UpdateRule):
    """G ← G + g², w ← w - η g / (√G + ε) (Duchi, Hazan and Singer 2011)."""

    vectors = ("sum",)

    def __init__(self, size: int, dtype: npt.DTypeLike, *, lr: float, eps: float) -> None:
        super().__init__(size, dtype)
        self.eps = eps

    def update(self, w: Array, g: Array, lr: float) -> None:
        total = self.state["sum"]
        total += np.multiply(g, g, out=self.spare)
        root = np.sqrt(total, out=self.spare)
        root += self.eps
        g *= lr
        g /= root
        w -= g
