"""SiLU: a number times its own sigmoid."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.layers.sigmoid import sigmoid
from clfkit.engines.scratch.memory import Array


class SiLU(Fixed):
    """out = x σ(x), also called swish (Elfwing, Uchibe and Doya 2017)."""

    def infer(self, x: Array) -> Array:
        self.x = x
        self.gate = sigmoid(x, self.memory("gate", x.shape))
        return np.multiply(x, self.gate, out=self.memory("out", x.shape))

    def backward(self, gradient: Array) -> Array:
        """dx = (σ + x σ (1 - σ)) dout, by the product rule with σ' = σ (1 - σ); that is σ (1 + x (1 - σ))."""
        slope = np.subtract(1, self.gate, out=self.memory("slope", gradient.shape))
        slope *= self.x
        slope += 1
        slope *= self.gate
        return np.multiply(gradient, slope, out=gradient)
