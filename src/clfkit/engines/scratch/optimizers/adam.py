"""Adam: steps along the mean of recent gradients, measured in their recent size."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from clfkit.components import optimizers
from clfkit.engines.scratch.memory import Array
from clfkit.engines.scratch.optimizers import UpdateRule


@optimizers.implement("adam", engine="scratch")
class Adam(UpdateRule):
    """m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², w ← w - η m̂ / (√v̂ + ε) (Kingma and Ba 2015).

    m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ) after t steps: both means start from zero, and this is how much of the
    sum of their weights has come together by then. ε is added after the correction, as in the paper and in torch.
    """

    vectors = ("exp_avg", "exp_avg_sq")

    def __init__(self, size: int, dtype: npt.DTypeLike, *, lr: float, beta1: float, beta2: float, eps: float) -> None:
        super().__init__(size, dtype)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def update(self, w: Array, g: Array, lr: float) -> None:
        m, v = self.state["exp_avg"], self.state["exp_avg_sq"]
        square = np.multiply(g, g, out=self.spare)
        square *= 1 - self.beta2
        v *= self.beta2
        v += square
        g *= 1 - self.beta1
        m *= self.beta1
        m += g
        root = np.sqrt(v, out=self.spare)
        root *= 1 / math.sqrt(1 - self.beta2**self.steps)
        root += self.eps
        step = np.divide(m, root, out=root)
        step *= lr / (1 - self.beta1**self.steps)
        w -= step
