"""Tanh: the hyperbolic tangent."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array


class Tanh(Fixed):
    """out = tanh(x), between -1 and 1."""

    def infer(self, x: Array) -> Array:
        self.out = np.tanh(x, out=self.memory("out", x.shape))
        return self.out

    def backward(self, gradient: Array) -> Array:
        """dx = (1 - out²) dout.

        With tanh = sinh / cosh, the quotient rule gives tanh' = (cosh² - sinh²) / cosh² = 1 - tanh².
        """
        slope = np.multiply(self.out, self.out, out=self.memory("slope", gradient.shape))
        np.subtract(1, slope, out=slope)
        return np.multiply(gradient, slope, out=gradient)


class ElementaryTanh(Tanh):
    """The same from elementary operations: tanh(x) = (e²ˣ - 1) / (e²ˣ + 1).

    expm1 keeps the digits near zero; beyond |x| = 20 the quotient is ±1 in double precision, and clipping keeps the
    exponential finite.
    """

    def infer(self, x: Array) -> Array:
        grown = np.clip(x, -20, 20, out=self.memory("out", x.shape))
        grown *= 2
        np.expm1(grown, out=grown)
        self.out = np.divide(grown, grown + 2, out=grown)
        return self.out
