"""ReLU: the rectified linear unit."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array


class ReLU(Fixed):
    """out = max(x, 0)."""

    def infer(self, x: Array) -> Array:
        # Zeros as an array: NumPy's maximum of two arrays is three times as fast as that of an array and a number.
        zeros = self.memory("zeros", x.shape, fill=0)
        self.out = np.maximum(x, zeros, out=self.memory("out", x.shape))
        return self.out

    def backward(self, gradient: Array) -> Array:
        """dx = dout where x > 0, else 0: the slope is 1 above zero and 0 below. At 0 it is taken as 0, as in torch."""
        passed = np.greater(self.out, 0, out=self.memory("passed", gradient.shape, np.bool_))
        return np.multiply(gradient, passed, out=gradient)

    def branches(self) -> Array:
        return self.out > 0
