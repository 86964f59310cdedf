"""Sigmoid: the logistic function."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array


def sigmoid(x: Array, out: Array) -> Array:
    """σ(x) = 1 / (1 + e⁻ˣ), written into `out`. Where e⁻ˣ overflows, 1 / ∞ = 0 is right to all digits."""
    np.negative(x, out=out)
    with np.errstate(over="ignore"):
        np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


class Sigmoid(Fixed):
    """out = σ(x) = 1 / (1 + e⁻ˣ), between 0 and 1."""

    def infer(self, x: Array) -> Array:
        self.out = sigmoid(x, self.memory("out", x.shape))
        return self.out

    def backward(self, gradient: Array) -> Array:
        """dx = σ (1 - σ) dout.

        σ' = e⁻ˣ / (1 + e⁻ˣ)² = σ (1 - σ), since e⁻ˣ / (1 + e⁻ˣ) = 1 - σ.
        """
        slope = np.subtract(1, self.out, out=self.memory("slope", gradient.shape))
        slope *= self.out
        return np.multiply(gradient, slope, out=gradient)
