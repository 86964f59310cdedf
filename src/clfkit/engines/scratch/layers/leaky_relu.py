"""LeakyReLU: a rectifier that lets a hundredth of the negative numbers pass."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array

SLOPE = 0.01


class LeakyReLU(Fixed):
    """out = x where x > 0, else 0.01 x, which is max(x, 0.01 x) (Maas, Hannun and Ng 2013)."""

    def infer(self, x: Array) -> Array:
        self.x = x
        out = np.multiply(x, SLOPE, out=self.memory("out", x.shape))
        return np.maximum(x, out, out=out)

    def backward(self, gradient: Array) -> Array:
        """dx = s dout with the slope s = 1 where x > 0, else 0.01."""
        slope = self.memory("slope", gradient.shape)
        np.multiply(self.x > 0, 1 - SLOPE, out=slope)
        slope += SLOPE
        return np.multiply(gradient, slope, out=gradient)

    def branches(self) -> Array:
        return self.x > 0
